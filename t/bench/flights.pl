#!/usr/bin/perl
#
# One call for all: a crowd of clients wants into one endpoint that sleeps.
#
#   t/bench/flights.pl [--clients 10000] [--over 5] [--access 1] [--wake 8]
#                      [--workers 4] [--roles 1] [--no-cache] [--reuseport]
#
# The clients come over so many seconds; the control plane takes its time for
# its two answers (access, wake; in seconds).  Prints what was asked, what
# became of the clients, and how long they waited.  Ends with status 1 where a
# client is not let in, or more was asked than was needed: the verifier of each
# role and the compute, once.
#
# SPDX-License-Identifier: Apache-2.0

use FindBin qw/$Bin/;
use lib "$Bin/../lib";
use NeonTest;
use NeonTest::ControlPlane;
use NeonTest::Crowd;
use NeonTest::CrowdCompute;
use NeonTest::Page;
use NeonTest::Scram;

use Getopt::Long;
use List::Util qw/sum/;
use POSIX ();
use Time::HiRes qw/time/;

my %o = (clients => 10_000, over => 5, access => 1, wake => 8, workers => 4,
         roles => 1);
my @arguments = @ARGV;

GetOptions(\%o, 'clients=i', 'over=f', 'access=f', 'wake=f', 'workers=i',
           'roles=i', 'no-cache', 'reuseport')
    or die "see the head of $0\n";

# one process has all clients, another one their sessions at the compute, and a
# worker may have both ends of half of them
my $files = $o{clients} + 1000;

if (POSIX::sysconf(POSIX::_SC_OPEN_MAX()) < $files) {
    die "no more than $ENV{NEON_FILES} open files are allowed\n"
        if $ENV{NEON_FILES};

    $ENV{NEON_FILES} = $files;
    exec 'sh', '-c', 'ulimit -n "$NEON_FILES" && exec "$@"', 'sh', $^X, $0,
         @arguments;
}

$| = 1;
Test::More->builder->output('/dev/null');

# of the compute, which inherits it
Mojo::IOLoop->singleton->max_connections(2 * $o{clients});

my $t = NeonTest->new;
my $crowd = NeonTest::Crowd->new($t);
my $compute = NeonTest::CrowdCompute->new($t);
my $cp = $t->control_plane(cache => 1);
my ($port, $pages, $computes) = map { $t->port } 1 .. 3;
my $page = NeonTest::Page->new($pages);
my $verifier = NeonTest::Scram::verifier('pw');
my @roles = map { "role$_" } 1 .. $o{roles};

$compute->up($computes);
$cp->role('ep-1', map { $_ => $verifier } @roles);
$cp->endpoint('ep-1', address => "127.0.0.1:$computes");
$cp->always(access => { delay => $o{access} });
$cp->always(wake => { delay => $o{wake} });

my $main = $cp->directives . "connect_timeout 30s;\nclient_timeout 1h;\n";
$main .= "node_cache size=0;\nsecret_cache size=0;\n" if $o{'no-cache'};

my $n = $t->nginx(main => $main, workers => $o{workers}, port => $port,
    connections => $files, globals => "worker_rlimit_nofile $files;",
    stream_head => "error_log error.log warn;\n",
    stream => "server { listen 127.0.0.1:$port backlog=4096"
              . ($o{reuseport} ? ' reuseport' : '')
              . '; neon_proxy_pass main; }',
    http => NeonTest::Page->server($pages, 'main'));

my $each = int($o{clients} / $o{roles});
my $start = time;
my @runs = map {
    $crowd->start(port => $port, n => $each, c => $each, e => 'ep-1',
                  o => int 1000 * $o{over}, u => $_, t => 300_000)
} @roles;
my ($waiting, %in) = (0);

while (grep { $_->alive } @runs) {
    my $now = eval { $page->json } or next;

    $waiting = $now->{flights}{waiting} if $waiting < $now->{flights}{waiting};
    $in{ $_->{pid} } = $_->{sessions} for grep {
        ($in{ $_->{pid} } // 0) < $_->{sessions} } @{ $now->{workers} };
    select undef, undef, undef, 0.1;
}

my @clients = map { $_->clients(1) } @runs;
my $seconds = time - $start;
my @times = sort { $a <=> $b } map { $_->{time} } @clients;
my %calls = (access => 0, wake => 0);
my %outcomes;

$calls{ $_->{call} }++ for $cp->calls;
$outcomes{ $_->{text} // '' ne '' ? "$_->{outcome}: $_->{text}"
                                  : $_->{outcome} }++ for @clients;

printf "%d clients over %g s, %d workers, %d role%s%s, %.1f s\n",
       scalar @clients, $o{over}, $o{workers}, $o{roles},
       $o{roles} == 1 ? '' : 's', $o{'no-cache'} ? ', no caches' : '',
       $seconds;
print "calls: $calls{access} access, $calls{wake} wake\n";
print "waiting at the same time: $waiting, sessions of each worker: "
      . join(', ', map { $in{$_} } sort keys %in) . "\n";
printf "from connect() to ReadyForQuery: %d ms, median %d ms, %d ms\n",
       @times[0, @times / 2, -1];
print map { "$outcomes{$_} $_\n" } sort keys %outcomes;

my $samples = $page->samples;

for my $cache (qw/secret node/) {
    print "$cache: ", join(', ', map {
        "$_ " . $samples->{"neon_proxy_flights_total{proxy=\"main\","
                           . "cache=\"$cache\",role=\"$_\"}"}
    } qw/led joined took_over/), "\n";
}

my $good = $calls{access} == $o{roles} && $calls{wake} == 1
           && ($outcomes{ok} // 0) == $each * $o{roles};

$t->done;
exit 1 if !$good;
