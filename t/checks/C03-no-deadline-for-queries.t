#!/usr/bin/perl

# The deadline of the login is nothing for the session behind it: neither a long
# query nor a long silence ends it (traefik#10619).  76-idle.t has all timeouts.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n) = $t->front(plain => 1, main => "client_timeout 1s;\n", compute => sub {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;
    $c->serve(sub { select undef, undef, undef, 2.5 if $_[0] eq 'sleep';
                    $_[0] });
});

my %clients = map { $_ => $t->enter($n, tls => $_ =~ s/ .*//r, params =>
                                    [ options => 'endpoint=ep-1' ]) }
              map { ("$_ sleep", "$_ idle") } qw/none inband direct/;

$clients{"$_ sleep"}->send(message('Q', "sleep\0")) for qw/none inband direct/;

# while it lasts the others say nothing
for my $tls (qw/none inband direct/) {
    is($clients{"$tls sleep"}->result->{rows}[0][0], 'sleep',
       "$tls: a query of 2.5 seconds");
}

$t->served("$_, after more than a second", $clients{$_})
    for sort keys %clients;

$t->done;
