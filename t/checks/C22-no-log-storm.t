#!/usr/bin/perl

# Bytes of a server behind its end, half-closed connections and resets in the
# middle of a record cost a few lines of the log each, and no worker's time
# (pgbouncer#1420, #1507).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use IO::Select;

my $t = NeonTest->new;

# until the test ends
sub stay { IO::Select->new($_[0]{alive})->can_read }

my %does = (
    # says something to a client that has half-closed, and stays
    stay => sub { $_[0]->read_all; $_[0]->send('x' x 1000); stay($_[0]) },
    # says something and ends
    tell => sub { $_[0]->send(error_message(S => 'FATAL', C => '57P01',
                                            M => 'bye')) },
    half => sub { $_[0]->send('D' . pack('N', 1000) . 'x' x 100);
                  $_[0]->reset },
    wait => sub { $_[0]->read_all },
    quiet => sub { stay($_[0]) },
    flood => sub {
        my ($c) = @_;

        $c->read_all;
        $c->{socket}->blocking(0);

        # until there is no room for a second
        while (IO::Select->new($c->{socket})->can_write(1)) {
            syswrite $c->{socket}, 'x' x 65536;
        }

        $c->note(flooded => 1);
        stay($c);
    },
);

my ($n, $cp, $fc) = $t->front(plain => 1, compute => sub {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;

    my (undef, $body) = $c->read_message;
    $does{$body =~ s/\0//r}->($c);
});

# of garbage: nginx 1.26 does not know what OpenSSL 3.2 and newer say last
$n->expect(qr/\[crit\] .*SSL_read\(\) failed .*record layer failure/);

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

# --- and no worker's time ------------------------------------------------

# CPU of the worker's own thread in seconds

sub cpu {
    my ($pid) = $n->workers;
    my ($ns) = slurp("/proc/$pid/task/$pid/schedstat") =~ /^(\d+)/;

    return $ns / 1e9;
}

# how much of it while this process, which has no greater right to the CPU, has
# half a second: who turns in circles gets as much, however busy the machine is

sub used {
    my $before = cpu();
    my ($mine) = times;
    my $x = 0;

    while ((times)[0] - $mine < 0.5) {
        $x++ for 1 .. 10_000;
    }

    return cpu() - $before;
}

cmp_ok(cpu(), '>', 0, 'what a worker uses is known');
cmp_ok(used(), '<', 0.05, 'the worker rests');

# nor does it turn while they are about to end, and do not

my %stays = (
    # a query that nobody answers, and no other one will come
    'half-closed' => sub {
        my $c = begun($_[0], 'quiet');
        $c->half_close;
        return $c;
    },
    'half-closed, and told' => sub {
        my $c = begun($_[0], 'stay');
        $c->half_close;
        $c->read_n(1);
        return $c;
    },
    # more than it takes, behind its end
    'half-closed, and does not read' => sub {
        my $c = begun($_[0], 'flood');
        $c->half_close;
        return $c;
    },
    'within a record' => sub {
        my $c = begun($_[0], 'quiet');
        $c->{tls}->encrypt('x' x 1000) if $c->{tls};
        $c->send_raw(substr $c->{tls} ? $c->{tls}->output : 'x' x 500, 0, 500);
        return $c;
    },
    'not a word' => sub { $t->client(port => $n->port) },
);

my @stay = map { my $tls = $_; map { $stays{$_}->($tls) } sort keys %stays }
           qw/none inband/;

# what they said has arrived where the next one's has
$t->enter($n)->close;
eventually { $fc->notes('flooded') == 2 } 'computes that say too much';

cmp_ok(used(), '<', 0.05, 'the worker rests');
$_->drop for @stay;
$fc->stop;

$t->done;
