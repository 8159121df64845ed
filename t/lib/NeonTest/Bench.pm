package NeonTest::Bench;

# What the scripts of t/bench have in common: the client load.c, what the
# kernel knows of a worker, medians and tables.
#
#   use NeonTest::Bench;
#
#   my $load = load($t);                # built
#   my $client = client($load, '-c', 16, $port);
#   my $n = ask($client, 'query 1000');
#   cpu({ worker => $pid })             # seconds
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Exporter qw/import/;
use File::Copy qw/copy/;
use IPC::Open2;
use List::Util qw/max min sum/;

use NeonTest;

our @EXPORT = qw/load client ask hang_up cpu rss fds settled median spread
                 heading row compare/;


# --- the client -----------------------------------------------------------

# and the module is copied, as it may be built anew while this runs

sub load {
    my ($t) = @_;

    my $load = $t->dir . '/load';
    my $built = run([ 'cc', '-O2', '-o', $load,
                      glob(top() . '/t/bench/load*.c'), '-lssl', '-lcrypto' ]);
    die $built->{err} if $built->{rc};

    if (!defined $ENV{NEON_MODULE}) {
        $ENV{NEON_MODULE} = $t->dir . '/module.so';
        copy(build() . '/ngx_neon_proxy_module.so', $ENV{NEON_MODULE})
            or die build() . "/ngx_neon_proxy_module.so: $!\n";
    }

    return $load;
}


sub client {
    my ($load, @args) = @_;

    my $pid = open2(my $out, my $in, 'setpriv', '--pdeathsig', 'TERM', '--',
                    $load, @args);

    my $line = <$out> // '';
    die "load did not start\n" if $line ne "ready\n";

    return { in => $in, out => $out, pid => $pid };
}


# its answer: a number, and in list context what may come behind it

sub ask {
    my ($client, $command) = @_;

    print { $client->{in} } "$command\n";
    $client->{in}->flush;

    my $out = $client->{out};
    my ($n, $more) = (<$out> // '') =~ /^done (\d+)((?: \d+)*)$/
        or die "load failed\n";

    return wantarray ? ($n, split ' ', $more) : $n;
}


sub hang_up {
    my ($client) = @_;

    close $client->{in};
    waitpid $client->{pid}, 0;
}


# --- what the kernel knows of {worker} ------------------------------------

# seconds on a CPU, user and system, of all its threads

sub cpu {
    my ($front) = @_;

    my @tasks = glob "/proc/$front->{worker}/task/*/schedstat";

    die "the kernel has no /proc/PID/schedstat\n" if !@tasks;

    return sum(map { (split ' ', slurp($_))[0] } @tasks) / 1e9;
}


sub rss {
    my ($front) = @_;

    return slurp("/proc/$front->{worker}/status") =~ /^VmRSS:\s+(\d+)/m
           ? $1 : die "no VmRSS\n";
}


sub fds {
    my ($front) = @_;

    my @fds = glob "/proc/$front->{worker}/fd/*";
    return scalar @fds;
}


# the worker has closed what its clients have closed

sub settled {
    my ($front, $fds) = @_;

    eventually { fds($front) <= $fds } undef, 60
        or die "the worker did not close what its clients have closed\n";
}


# --- figures --------------------------------------------------------------

sub median {
    my @v = sort { $a <=> $b } @_;

    return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}


sub spread {
    my ($format, @v) = @_;

    return sprintf "$format ($format-$format)", median(@v), min(@v), max(@v);
}


sub heading {
    my ($title, @columns) = @_;

    print "\n### $title\n\n";
    row(@columns);
    row(map { '---' } @columns);
}


sub row { print '| ', join(' | ', @_), " |\n" }


# Rounds of stock and ours in turn, each first in every second round; their
# ratio is taken within a round, as the machine is the same for both then.
# more => code that yields further columns.

sub compare {
    my ($rounds, $title, $format, $code, %o) = @_;

    my (%v, @ratio);

    for my $round (1 .. $rounds) {
        for my $who ($round % 2 ? qw/stock ours/ : qw/ours stock/) {
            push @{ $v{$who} }, $code->($who);
        }

        push @ratio, $v{ours}[-1] / $v{stock}[-1];
    }

    row($title, (map { spread($format, @{ $v{$_} }) } qw/stock ours/),
        spread('%.3f', @ratio), $o{more} ? $o{more}->() : ());
}


1;
