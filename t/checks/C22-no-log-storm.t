#!/usr/bin/perl

# Bytes of a server behind its end, half-closed connections and resets in the
# middle of a record cost a few lines of the log each, and no worker's time
# (pgbouncer#1420, #1507).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;

my %does = (
    # says something to a client that has half-closed, and stays
    stay => sub { $_[0]->read_all; $_[0]->send('x' x 1000); $_[0]->hang },
    # says something and ends
    tell => sub { $_[0]->send(error_message(S => 'FATAL', C => '57P01',
                                            M => 'bye')) },
    half => sub { $_[0]->send('D' . pack('N', 1000) . 'x' x 100);
                  $_[0]->reset },
    wait => sub { $_[0]->read_all },
);

my ($n, $cp, $fc) = $t->front(plain => 1, compute => sub {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;

    my (undef, $body) = $c->read_message;
    $does{$body =~ s/\0//r}->($c);
});

sub begun {
    my ($tls, $what) = @_;

    my $c = $t->enter($n, tls => $tls, params =>
                      [ options => 'endpoint=ep-1' ]);
    $c->send(message('Q', "$what\0"));
    return $c;
}

# how a client of each kind ends its session

my %ends = (
    'told, and the end' => sub { begun($_[0], 'tell')->read_all },
    'reset within a message' => sub { begun($_[0], 'half')->read_all },
    'half-closed, and told' => sub {
        my $c = begun($_[0], 'stay');
        $c->half_close;
        $c->read_n(1000);
        $c->drop;
    },
    'reset' => sub { begun($_[0], 'wait')->abort },
    'reset within a record' => sub {
        my $c = begun($_[0], 'wait');
        $c->{tls}->encrypt('x' x 1000) if $c->{tls};
        $c->send_raw($c->{tls} ? substr $c->{tls}->output, 0, 500 : 'x' x 500);
        $c->abort;
    },
    'closed without a close_notify' => sub { begun($_[0], 'wait')->drop },
    'garbage within TLS' => sub {
        my $c = begun($_[0], 'wait');
        $c->send_raw("\x17\x03\x03\0\x20" . 'x' x 32);
        eval { $c->read_all } if $_[0] ne 'none';
        $c->drop;
    },
);

# in ticks of 10 ms

sub cpu {
    my ($pid) = $n->workers;
    my @stat = split ' ', slurp("/proc/$pid/stat") =~ s/^.*\) //sr;

    return $stat[11] + $stat[12];
}

for my $tls (qw/none inband/) {
    for my $how (sort keys %ends) {
        my $before = () = $n->log =~ /\n/g;

        $ends{$how}->($tls) for 1 .. 5;

        # the next client comes behind them
        $t->enter($n, tls => $tls, params =>
                  [ options => 'endpoint=ep-1' ])->close;

        my $lines = (() = $n->log =~ /\n/g) - $before;
        cmp_ok($lines, '<=', 4 * 6, "$tls, $how: $lines lines for 5 sessions");
    }
}

# nobody is left who would turn in circles
my $cpu = cpu();
select undef, undef, undef, 0.5;
cmp_ok(cpu() - $cpu, '<', 25, 'the worker rests');

$t->done;
