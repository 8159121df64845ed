#!/usr/bin/perl
#
# Nobody is cut off: reloads under load, and a quit with many sessions.
#
#   t/bench/drain.pl [--reloads 100] [--clients 50] [--idle 1000] [--busy 50]
#                    [--query 3] [--wait 60] [--workers 2]
#
# Reloads, one a second, under clients that log in, ask and leave without a
# pause.  Then quits, with idle sessions and with busy ones whose query takes
# so many seconds: with "drain idle after=1s", at its default rate and without
# one, all must end with 57P01, busy ones behind their answer; with "drain
# wait" all must be there so many seconds later.  Ends with status 1 where a
# client had an error.
#
# SPDX-License-Identifier: Apache-2.0

use FindBin qw/$Bin/;
use lib "$Bin/../lib";
use NeonTest;
use NeonTest::Crowd;
use NeonTest::CrowdCompute;
use NeonTest::Scram;
use NeonTest::Wire;

use Getopt::Long;
use Time::HiRes qw/sleep time/;

my %o = (reloads => 100, clients => 50, idle => 1000, busy => 50, query => 3,
         wait => 60, workers => 2);

GetOptions(\%o, 'reloads=i', 'clients=i', 'idle=i', 'busy=i', 'query=i',
           'wait=i', 'workers=i')
    or die "see the head of $0\n";

$| = 1;
Test::More->builder->output('/dev/null');
Mojo::IOLoop->singleton->max_connections(2 * $o{idle} + 1000);

my $t = NeonTest->new;
my $crowd = NeonTest::Crowd->new($t);
my $compute = NeonTest::CrowdCompute->new($t);
my $cp = $t->control_plane(cache => 1);
my $verifier = NeonTest::Scram::verifier('pw');
my ($port, $computes) = map { $t->port } 1 .. 2;
my $failed = 0;

$compute->up($computes);

my $slow = $t->fake_compute(sub {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;
    $c->serve(sub { sleep $o{query}; 'done' });
});

$cp->role($_, alice => $verifier) for qw/ep-1 ep-2/;
$cp->endpoint('ep-1', address => "127.0.0.1:$computes");
$cp->endpoint('ep-2', address => $slow->address);

my @nginx = (
    workers => $o{workers}, connections => 4 * $o{idle} + 1000, port => $port,
    stream => "server { listen 127.0.0.1:$port backlog=4096;"
              . ' neon_proxy_pass main; }');

sub tally {
    my %count;

    $count{ join ' ', grep { defined && length }
                      @$_{qw/outcome stage text/} }++ for @_;

    return map { "    $count{$_} $_\n" } sort keys %count;
}


# --- reloads --------------------------------------------------------------

if ($o{reloads}) {
    my $n = $t->nginx(main => $cp->directives, @nginx);
    my $run = $crowd->start(port => $port, c => $o{clients}, s => $o{reloads},
                            r => 100_000, e => 'ep-1', u => 'alice',
                            w => 'pw');
    my $start = time;

    for my $i (1 .. $o{reloads}) {
        $n->signal('HUP');
        my $left = $start + $i - time;
        sleep $left if $left > 0;
    }

    my @clients = $run->clients(60);
    my $bad = grep { $_->{outcome} ne 'ok' } @clients;

    printf "%d reloads in %.0f s under %d clients: %d logins, %d failed\n",
           $o{reloads}, time - $start, $o{clients}, scalar @clients, $bad;
    print tally(@clients);
    $failed += $bad;
    $n->quit(30);
}


# --- quit -----------------------------------------------------------------

sub many {
    my ($drain) = @_;

    my $n = $t->nginx(main => $cp->directives . "drain $drain;\n", @nginx);
    my @busy = map { $t->enter($n, tls => 'none', params =>
                               [ options => 'endpoint=ep-2' ]) }
               1 .. $o{busy};
    my $run = $crowd->start(port => $port, n => $o{idle}, c => $o{idle},
                            o => 2000, e => 'ep-1', u => 'alice', w => 'pw',
                            y => 2_000_000_000, t => 600_000);

    # at their computes: one that nginx has not accepted yet ends with the
    # listener
    eventually {
        established($computes) >= $o{idle}
        && established($slow->port) >= $o{busy}
    } 'all are there', 120
        or die "they are not\n";

    $_->send(message('Q', "go\0")) for @busy;

    return ($n, $run, @busy);
}

# the connections of a server's port; nginx's pages end with its listeners

sub established {
    my $own = sprintf '%04X', $_[0];
    my @established = slurp('/proc/net/tcp')
                      =~ /^\s*\d+: \w+:$own \w+:\w+ 01 /mg;

    return scalar @established;
}

for my $rate ('', ' rate=off') {
    my ($n, $run, @busy) = many("idle after=1s$rate");
    my $start = time;

    $n->signal('QUIT');

    my ($answered, $told) = (0, 0);

    for my $c (@busy) {
        my $r = $c->result(60);
        $answered++ if ($r->{rows}[0][0] // '') eq 'done';

        my $m = $c->read_message(60);
        $told++ if $m && $m->{type} eq 'E'
                   && error_fields($m->{body})->{C} eq '57P01';
        $c->drop;
    }

    my @clients = $run->clients(120);
    my $good = grep { $_->{stage} eq 'stay' && $_->{text} =~ /^57P01 / }
               @clients;
    my $status = $n->{process}->wait(30);

    printf "quit, drain idle after=1s%s: %d idle, %d told; %d busy,"
           . " %d answered, %d told; nginx ended after %.1f s, status %s\n",
           $rate, scalar @clients, $good, scalar @busy, $answered, $told,
           time - $start, $status // 'none';
    print tally(@clients) if $good != @clients;
    $failed += @clients - $good + 2 * @busy - $answered - $told;
}

if ($o{wait}) {
    my ($n, $run, @busy) = many('wait');

    $n->signal('QUIT');
    sleep $o{wait};

    # the kernel's list may miss one while others come and go
    my $there;
    eventually { ($there = established($port)) == $o{idle} + $o{busy} } 'there';

    my $answered = grep { ($_->result(60)->{rows}[0][0] // '') eq 'done' }
                   @busy;
    my $again = grep { ($_->value('go') // '') eq 'done' } @busy[0 .. 4];

    printf "quit, drain wait: after %d s %d of %d sessions are there;"
           . " %d of %d answered, %d of 5 once more\n", $o{wait}, $there,
           $o{idle} + $o{busy}, $answered, scalar @busy, $again;
    print map { "    $_\n" } split /\n/, slurp($run->{out});
    $failed++ if $answered != @busy || $again != 5
                 || $there != $o{idle} + $o{busy};

    $_->drop for @busy;
    $run->{process}->stop('KILL', 5);
    eventually { !$n->alive } 'nginx ends', 30;
}

$t->done;
exit 1 if $failed;
