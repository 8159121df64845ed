#!/usr/bin/perl

# No deadline of the login is one for the session behind it: neither a long
# query nor a long silence ends it (traefik#10619).  76-idle.t has nginx's own
# as well.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n) = $t->front(plain => 1, main => <<'END', compute => sub {
client_timeout 2s;
wake_timeout 2s;
connect_timeout 2s;
login_timeout 2s;
END
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;
    $c->serve(sub { select undef, undef, undef, 3.5 if $_[0] eq 'sleep';
                    $_[0] });
});

my %clients = map { $_ => $t->enter($n, tls => $_ =~ s/ .*//r, params =>
                                    [ options => 'endpoint=ep-1' ]) }
              map { ("$_ sleep", "$_ idle") } qw/none inband direct/;

$clients{"$_ sleep"}->send(message('Q', "sleep\0")) for qw/none inband direct/;

# while it lasts the others say nothing
for my $tls (qw/none inband direct/) {
    is($clients{"$tls sleep"}->result->{rows}[0][0], 'sleep',
       "$tls: a query of 3.5 seconds");
}

$t->served("$_, after more than that", $clients{$_})
    for sort keys %clients;

$t->done;
