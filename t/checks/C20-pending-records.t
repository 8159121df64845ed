#!/usr/bin/perl

# What OpenSSL has read but not handed out yet is asked for before anybody waits
# for the socket: else the end of a record is never seen (pgbouncer#1530).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $pg = $t->postgres(ssl => 1);
my $n = $t->nginx(main => $t->static($pg) . "compute_ssl require;\n");
my $password = $pg->password('alice');

# as many queries as a record can hold, and no byte more behind them

my $query = message('Q', "select 1234567890\0");
my $many = int 16384 / length $query;

for my $max (0x0303, 0x0304) {
    for my $tls (qw/inband direct/) {
        my $name = sprintf '%04x, %s', $max, $tls;
        my $c = $t->enter($n, tls => $tls, max => $max, password => $password);

        $c->send($query x $many);
        my @got = map { $c->result->{rows}[0][0] } 1 .. $many;
        is(scalar(grep { $_ eq '1234567890' } @got), $many,
           "$name: $many queries in a record");

        # a record that ends within a message, and the rest of it in another
        my $text = 'x' x 20_000;
        $c->send(message('Q', "select length('$text')\0"));
        is($c->result->{rows}[0][0], 20_000, "$name: a query of two records");
        $c->close;

        # in the record of the proof, which the login reads in portions
        my $behind = int((16384 - 200) / length $query);
        $c = $t->enter($n, tls => $tls, max => $max, password => $password,
                       stop => 1, behind => $query x $behind);
        $c->authenticate;
        @got = map { $c->result->{rows}[0][0] } 1 .. $behind;
        is(scalar(grep { $_ eq '1234567890' } @got), $behind,
           "$name: $behind queries in the record of the proof");
        $c->close;
    }
}

# and from the compute, in answers that end around the sizes of records

my $c = $t->enter($n, password => $password);

for my $size (map { my $k = $_; map { $k * 8192 + $_ } -50, -20 .. 2 } 1 .. 8) {
    my $got = length $c->value("select repeat('x', $size)");
    is($got, $size, "an answer of $size bytes") if $got != $size;
}

pass('answers of all sizes');
$c->close;

$t->done;
