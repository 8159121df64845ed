#!/usr/bin/perl

# TLS records to clients have at most 8 KiB while somebody may wait for one:
# asynchronous libpq does not look for what a larger one holds back, and hangs
# for ever (cockroach#147890, supavisor#993, psycopg#1107).

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $n = $t->nginx(main => $t->static($pg));

# the lengths of the records that answer a query

sub records {
    my ($c, $query) = @_;

    my $raw = '';
    no warnings 'redefine';
    my $receive = \&NeonTest::PgClient::receive_raw;
    local *NeonTest::PgClient::receive_raw = sub {
        my $bytes = $receive->(@_);
        $raw .= $bytes;
        return $bytes;
    };

    $c->value($query);

    my @length;
    while (length $raw >= 5) {
        my $n = unpack 'x3 n', $raw;
        push @length, 5 + $n;
        substr $raw, 0, 5 + $n, '';
    }

    return @length;
}

for my $max (0x0303, 0x0304) {
    my $c = $t->enter($n, max => $max, password => $pg->password('alice'));

    for my $size (20_000, 300_000) {
        my @length = records($c, "select repeat('x', $size)");

        cmp_ok((sort { $a <=> $b } @length)[-1], '<=', 8192,
               sprintf '%04x: no record of %d bytes is larger than 8 KiB',
                       $max, $size);
    }

    # not where each piece is passed on before PostgreSQL writes the next one
    my ($most, @length) = (0);

    for (1 .. 30) {
        @length = records($c, "select repeat('x', 5000000)");

        $most = (sort { $a <=> $b } @length)[-1];
        last if $most > 16384;
    }

    cmp_ok($most, '>', 16384, sprintf '%04x: full records in bulk', $max);
    cmp_ok($length[-1], '<=', 8192, sprintf '%04x: but not the last', $max);
    $c->close;
}

$t->done;
