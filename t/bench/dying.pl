#!/usr/bin/perl
#
# No lost wake-ups: runs of many clients against a compute that dies at random
# moments and comes back at another address.  Every client has to be connected,
# or to be told why not, within wake_timeout + 1 s.
#
#   t/bench/dying.pl [--runs 1000] [--clients 200] [--workers 4]
#                    [--minutes N] [--seed N]
#
# Ends with the first client that is lost, or after that many minutes.
#
# SPDX-License-Identifier: Apache-2.0

use FindBin qw/$Bin/;
use lib "$Bin/../lib";
use NeonTest;
use NeonTest::Dying;

use Getopt::Long;

my %o = (runs => 1000, clients => 200, workers => 4, minutes => 1e9,
         seed => $$);

GetOptions(\%o, 'runs=i', 'clients=i', 'workers=i', 'minutes=f', 'seed=i')
    or die "see the head of $0\n";

$| = 1;
Test::More->builder->output('/dev/null');

my $t = NeonTest->new;
my $dying = NeonTest::Dying->new($t, %o, wake_timeout => 5, slack => 1);
my (%outcomes, $all, $slowest);
my $start = time;

srand $o{seed};

for my $runs (1 .. $o{runs}) {
    my $run = $dying->run;
    my @clients = @{ $run->{clients} };
    my @lost = $dying->lost($run);

    if (@lost || @clients != $o{clients}) {
        print "seed $o{seed}, run $runs ($run->{how}): " . @clients
              . " clients, lost:\n";
        print map { "  $_->{outcome} $_->{stage} $_->{time} ms $_->{text}\n" }
              @lost;
        $dying->nginx->expect(qr/./);
        exit 1;
    }

    for (@clients) {
        $outcomes{NeonTest::Dying::connected($_) ? 'connected'
                  : $_->{text}}++;
        $slowest = $_->{time} if $_->{time} > ($slowest // 0);
    }

    $all = $runs;
    print "$runs runs, " . (time - $start) . " s\n" if $runs % 50 == 0;
    last if time - $start > 60 * $o{minutes};
}

printf "%d runs of %d clients, %d workers, seed %d, %d s: none was lost;"
       . " the slowest needed %d ms\n", $all, $o{clients}, $o{workers},
       $o{seed}, time - $start, $slowest;
print map { "  $outcomes{$_} $_\n" } sort keys %outcomes;

my %calls = (access => 0, wake => 0);
$calls{$_->{call}}++ for $dying->cp->calls;
print "  calls: $calls{access} access, $calls{wake} wake\n";

$t->done;
