#!/usr/bin/perl

# What a role_file may look like, and what nginx -t says of one that it may
# not.

use lib 't/lib';
use NeonTest;
use NeonTest::Scram;

my $t = NeonTest->new;
my $file = $t->dir . '/roles';
my $v = NeonTest::Scram::verifier('pw');
my $long = 'x' x 256;

sub nginx_test {
    my ($text, $mode) = @_;

    spew($file, $text);
    chmod $mode // 0600, $file;

    return $t->nginx_test(main => "control_plane static;\n"
        . "endpoint * 127.0.0.1:1;\nrole_file $file;\n");
}

for (
    [ 'nothing' => '' ],
    [ 'comments and empty lines' => "# a\n\n \t\r\n  # b" ],
    [ 'quoted, as pgbouncer has it' => qq{"alice" "$v"\n} ],
    [ 'more behind it, as pgbouncer may have it' => qq{"alice" "$v" ""\n} ],
    [ 'bare words' => "alice $v" ],
    [ 'tabs, CR' => "\talice\t\t$v \r\n" ],
    [ 'a comment behind it' => "alice $v # of the office\n" ],
    [ 'a quote in a name' => qq{"al""ice" "$v"\n} ],
    [ 'the same role of two endpoints' =>
      "ep-1/alice $v\nep-2/alice $v\nalice $v\n" ],
) {
    my ($name, $text) = @$_;
    my ($rc, $log) = nginx_test($text);

    is($rc, 0, $name) or diag($log);
    unlike($log, qr/\[warn\]/, "$name: no warning");
}

for (
    [ 'no verifier' => "\nalice\n", 2, qr/role "alice": no verifier/ ],
    [ 'no name' => qq{"" "$v"\n}, 1, qr/empty name/ ],
    [ 'an open quote' => qq{"alice\n}, 1, qr/no closing quote/ ],
    [ 'three words' => "alice $v more\n", 1, qr/more than two fields/ ],
    [ 'no role of an endpoint' => "ep-1/ $v\n", 1, qr/empty name beside/ ],
    [ 'no endpoint of a role' => "/alice $v\n", 1,
      qr/invalid name of an endpoint|empty name beside/ ],
    [ 'an endpoint that cannot be' => "ep_1/alice $v\n", 1,
      qr/invalid name of an endpoint/ ],
    [ 'a long name' => "$long $v\n", 1, qr/too long a name/ ],
    [ 'a cut verifier' => 'alice ' . substr($v, 0, -9) . "\n", 1,
      qr/malformed SCRAM-SHA-256 verifier/ ],
    [ 'a password' => "# x\n# y\nalice sesame\n", 3,
      qr/not a SCRAM-SHA-256 verifier/ ],
) {
    my ($name, $text, $line, $says) = @$_;
    my ($rc, $log) = nginx_test($text);

    is($rc, 1, "$name: refused");
    like($log, qr/\Q$file\E:$line: .*$says/, "$name: where and why");
    like($log, qr{"ROLE" or "ENDPOINT/ROLE"}, "$name: and what it looks like");
    unlike($log, qr/sesame/, "$name: no password in the log");
}

for (
    [ 'a role twice' => "alice $v\nbob $v\nalice $v\n", 'alice' ],
    [ 'a role of an endpoint twice' => "ep-1/bob $v\n\nEP-1/bob $v\n", 'bob' ],
) {
    my ($name, $text, $role) = @$_;
    my ($rc, $log) = nginx_test($text);

    is($rc, 1, "$name: refused");
    like($log, qr/\Q$file\E:3: duplicate of role "$role" in line 1/,
         "$name: both places");
}

my ($rc, $log) = nginx_test("alice $v\n", 0644);
is($rc, 0, 'a file for all to read');
like($log, qr/\[warn\] .*\Q$file\E.* can be read by everybody/,
     '... is warned of');

unlink $file;
mkdir $file;
($rc, $log) = $t->nginx_test(main => "control_plane static;\n"
    . "endpoint * 127.0.0.1:1;\nrole_file $file;\n");
is($rc, 1, 'a folder: refused');
like($log, qr/\Q$file\E.* is not a regular file/, '... for that');

$t->done;
