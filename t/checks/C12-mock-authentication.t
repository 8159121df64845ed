#!/usr/bin/perl

# A role or an endpoint that does not exist looks like a wrong password: the
# same bytes but for nonce and salt, and a salt of 16 bytes that is its own for
# ever.  55-mock.t has more: machines, caches, calls, every mechanism.

use lib 't/lib';
use NeonTest;

use MIME::Base64 qw/decode_base64/;

my $t = NeonTest->new;
my $port = $t->port;
my $db = $t->certs('db');

# reuseport: the kernel gives each worker its share
my ($n, $cp, $fc) = $t->front(
    cache => 1, workers => 2, main => "mock_secret 'of more than 16 bytes';\n",
    port => $port, stream => "server { listen 127.0.0.1:$port reuseport;"
        . " ssl_certificate $db.crt; ssl_certificate_key $db.key;"
        . ' neon_proxy_pass main; }');

my %who = (
    known => { user => 'alice' },
    role => { user => 'nobody' },
    endpoint => { user => 'alice', sni => 'ep-9.db.example.com' },
);

# all that it was told, and the salt apart

sub heard {
    my ($at, $who) = @_;

    my $c = $t->enter($at, nonce => 'clientnonce', password => 'wrong',
                      %{ $who{$who} });
    my $text = join "\n", map { "$_->{type} $_->{body}" }
                         @{ $c->{messages} };

    $text =~ s/r=clientnonce[^,]{24},s=([^,]+)/r=,s=/;
    my $salt = decode_base64($1);
    $text =~ s/user "[^"]*"/user/;

    return ($text . $c->read_all, $salt);
}

my ($known, $real) = heard($n, 'known');
my %salt;

like($known, qr/i=4096\n.*C28P01\0/s, 'a wrong password');
is(length $real, 16, 'a salt of 16 bytes');

for my $who (qw/role endpoint/) {
    for my $try (1 .. 20) {
        my ($text, $salt) = heard($n, $who);

        is($text, $known, "$who: the same bytes") if $try == 1;
        $salt{$who}{$salt} = 1;
    }

    is(length((keys %{ $salt{$who} })[0]), 16, "$who: a salt of 16 bytes");
}

my %pids = map { $_ => 1 } $n->log =~ /(\d+)#\d+: \*\d+ .*28P01/g;
is(keys %pids, 2, 'by both workers');
ok($n->reload, 'reload');

my $other = $t->nginx(main => $cp->directives
                              . "mock_secret 'of more than 16 bytes';\n");

for my $who (qw/role endpoint/) {
    $salt{$who}{(heard($n, $who))[1]} = 1;
    $salt{$who}{(heard($other, $who))[1]} = 1;
    is(keys %{ $salt{$who} }, 1, "$who: one salt, in all workers, after a"
       . ' reload and on another machine');
}

is(keys %{{ map { $_ => 1 } $real, map { keys %$_ } values %salt }}, 3,
   'each has its own');

is($fc->connections, 0, 'no compute was reached');

$t->done;
