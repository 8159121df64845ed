#!/usr/bin/perl
#
# What the proxy costs beside others of its kind, all in one run: nginx's
# proxy_pass, haproxy, pgbouncer, and PostgreSQL's wire without any of them.
#
#   t/bench/peers.pl [--only login,query,latency,copy,memory,rate,wake]
#                    [--rounds 7] [--sessions 10000] [--megabytes 256]
#                    [--postgres] [--svg FILE]
#
# Prints Markdown tables, and plots some of them.  How to read them:
# t/bench/README.md.
#
# SPDX-License-Identifier: Apache-2.0

use FindBin qw/$Bin/;
use lib "$Bin/../lib";
use NeonTest;
use NeonTest::Bench;
use NeonTest::BenchPeers;
use NeonTest::BenchPlot;
use NeonTest::Crowd;

use Getopt::Long;
use IO::Socket::INET;
use List::Util qw/max min sum/;
use Time::HiRes qw/time/;

my @all = qw/login query latency copy memory rate wake/;
my %o = (only => join(',', @all), rounds => 7, sessions => 10_000,
         megabytes => 256);

GetOptions(\%o, 'only=s', 'rounds=i', 'sessions=i', 'megabytes=i', 'postgres',
           'svg=s') or die "see the head of $0\n";

my %part = (login => \&logins, query => \&queries, latency => \&latencies,
            copy => \&copies, memory => \&memory, rate => \&rates,
            wake => \&wakes);
my %scheme = (plain => 'plain', tls => 'TLS 1.3',
              resumed => 'TLS 1.3, resumed');
my @parts = split /,/, $o{only};

die "no part \"$_\"\n" for grep { !$part{$_} } @parts;

# two descriptors of a session, as many sessions as that gives
my $files = `sh -c 'ulimit -n'` + 0;
my $cpus = `nproc` + 0;

if (2 * $o{sessions} + 400 > $files) {
    $o{sessions} = int($files / 2) - 200;
    print STDERR "ulimit -n is $files: $o{sessions} sessions at most\n";
}

$| = 1;
Test::More->builder->output('/dev/null');

# the proxies have the last CPU for themselves
run([ 'taskset', '-apc', '0-' . ($cpus - 2), $$ ]) if $cpus > 1;

my $t = NeonTest->new;
my $load = load($t);
my $plot = NeonTest::BenchPlot->new;

machine();
$part{$_}->() for @parts;
$plot->write($o{svg}) if defined $o{svg};

my $log = slurp($t->dir . '/stream.log') . slurp($t->dir . '/http.log');
die $log if $log =~ /\[(?:alert|crit|emerg)\]/;

$t->done;


# --- the world ------------------------------------------------------------

sub machine {
    my ($cpu) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)$/m;
    my %version = (
        nginx => [ $ENV{NEON_NGINX} || '/usr/sbin/nginx', '-v' ],
        haproxy => [ 'haproxy', '-v' ],
        pgbouncer => [ 'pgbouncer', '--version' ],
        OpenSSL => [ 'openssl', 'version' ],
    );

    printf "%s, %d CPUs; Linux %s", $cpu // 'unknown CPU', $cpus,
           (POSIX::uname())[2];

    for my $name (sort keys %version) {
        my $r = run($version{$name});
        my ($v) = "$r->{out}$r->{err}" =~ /(\d+\.\d+[\w.+~-]*)/;
        print "; $name ", $v // '?';
    }

    print '; ', $o{postgres} ? 'PostgreSQL' : 'a compute that costs little',
          " behind all\n";
}


sub peers {
    my (%p) = @_;

    my $peers = NeonTest::BenchPeers->new($t, files => $files,
        postgres => $o{postgres}, %p);

    if ($cpus > 1 && !$p{unpinned}) {
        my %worker = map { $_->{worker} => 1 }
                     grep { $_->{worker} } $peers->all;

        run([ 'taskset', '-apc', $cpus - 1, $_ ]) for keys %worker;
    }

    return $peers;
}


sub client_of { client($load, $_[0]->options(@_[1 .. $#_])) }


# Rounds over all peers that have the scheme, each in another order; the code
# gets the peer and answers a number, or [numbers].  { name => [of each round] }

sub rounds {
    my ($peers, $scheme, $code) = @_;

    my @peers = grep { $_->{port}{$scheme eq 'plain' ? 'plain' : 'tls'} }
                $peers->all;
    my %v;

    for my $round (1 .. $o{rounds}) {
        push @{ $v{$_->{name}} }, $code->($_) for @peers;
        push @peers, shift @peers;
    }

    return \%v;
}


# a row of medians, and of the ratios to others within a round

sub line {
    my ($title, $format, $v) = @_;

    row($title, (map {
        $v->{$_} ? spread($format, @{ $v->{$_} }) : ''
    } @NeonTest::BenchPeers::names[1 .. 5]), map {
        my $other = $v->{$_};
        spread('%.2f', map { $v->{ours}[$_] / $other->[$_] } 0 .. $#$other)
    } qw/nginx pgbouncer/);
}


sub head {
    my ($title) = @_;

    heading("$title: median (least-most)", '', 'nginx', 'haproxy', 'pgbouncer',
            'ours', 'ours, WebSocket', 'ours/nginx', 'ours/pgbouncer');
}


# --- parts ----------------------------------------------------------------

sub logins {
    my $peers = peers();
    my (%time, %cpu);

    for my $scheme (qw/plain tls resumed/) {
        my %client;

        $cpu{$scheme} = rounds($peers, $scheme, sub {
            my ($peer) = @_;

            my $c = $client{$peer->{name}} //= do {
                my $c = client_of($peers, $peer, $scheme);
                ask($c, 'session 50');
                $c;
            };

            my $before = $peer->{worker} ? cpu($peer) : 0;
            my ($n, @ns) = ask($c, 'session 200');
            my $after = $peer->{worker} ? cpu($peer) : 0;

            push @{ $time{$scheme}{$peer->{name}} }, @ns;

            return 1e6 * ($after - $before) / $n;
        });

        hang_up($_) for values %client;
    }

    my @calls = $peers->control_plane->calls;
    die scalar(@calls) . " calls to the control plane\n" if @calls != 2;

    head('CPU of the proxy per session: connect, log in, one query, leave; us');
    line($scheme{$_}, '%.0f', $cpu{$_}) for qw/plain tls resumed/;
    $plot->bars('CPU of a login and query, TLS 1.3', 'us', $cpu{tls});

    heading('Time from connect() to the result of the first query, one after'
            . ' the other, us: p50 / p99', '', 'direct', 'nginx', 'haproxy',
            'pgbouncer', 'ours', 'ours, WebSocket');

    for my $scheme (qw/plain tls resumed/) {
        row($scheme{$scheme}, map {
            my $ns = $time{$scheme}{$_};
            $ns ? percentiles('%.0f', 1e3, $ns) : ''
        } @NeonTest::BenchPeers::names);
    }

    $peers->finish;
}


sub percentiles {
    my ($format, $unit, $ns) = @_;

    my @v = sort { $a <=> $b } @$ns;

    return join ' / ', map { sprintf $format, $_ / $unit }
                       @v[@v / 2, 0.99 * @v];
}


sub queries {
    my $peers = peers();
    my (%cpu, %rate);

    for my $scheme (qw/plain tls/) {
        for my $sessions (16, 1) {
            my $n = $sessions == 1 ? 4000 : 16_000;
            my %client;
            my %rates;

            $cpu{$scheme}{$sessions} = rounds($peers, $scheme, sub {
                my ($peer) = @_;

                my $c = $client{$peer->{name}} //= do {
                    my $c = client_of($peers, $peer, $scheme, '-c', $sessions);
                    ask($c, 'query 1000');
                    $c;
                };

                my $before = $peer->{worker} ? cpu($peer) : 0;
                my $start = time;
                ask($c, "query $n");
                push @{ $rates{$peer->{name}} }, $n / (time - $start);

                return 0 if !$peer->{worker};
                return 1e6 * (cpu($peer) - $before) / $n;
            });

            $rate{$scheme}{$sessions} = \%rates;
            hang_up($_) for values %client;
        }
    }

    head('CPU of the proxy per query, us');

    for my $scheme (qw/plain tls/) {
        line("$scheme{$scheme}, $_ at once", '%.2f', $cpu{$scheme}{$_})
            for 16, 1;
    }

    $plot->bars('CPU of a query, TLS 1.3, 16 at once', 'us', $cpu{tls}{16});

    head('Queries per second, 1,000');

    for my $scheme (qw/plain tls/) {
        for my $sessions (16, 1) {
            my $rates = $rate{$scheme}{$sessions};

            $_ = [ map { $_ / 1e3 } @$_ ] for values %$rates;
            line("$scheme{$scheme}, $sessions at once", '%.1f', $rates);
        }
    }

    $peers->finish;
}


# what each adds to the time of a query: to p50 and p99 of the same round

sub latencies {
    my $peers = peers();

    heading('Time of a query, us: p50 / p99; without a proxy, and what each'
            . ' adds', '', 'direct', 'nginx', 'haproxy', 'pgbouncer', 'ours',
            'ours, WebSocket');

    for my $scheme (qw/plain tls/) {
        for my $sessions (1, 64) {
            my (%client, %p);

            # without TLS in any case: it is what all are measured from
            my $direct = client_of($peers, $peers->peer('direct'), 'plain',
                                   '-c', $sessions);
            ask($direct, 'query 1000');

            my $time = sub {
                my (undef, @ns) = ask($_[0], 'time ' . 2000 * ($sessions > 1
                                                               ? 4 : 1));
                my @v = sort { $a <=> $b } @ns;
                return map { $_ / 1e3 } @v[@v / 2, 0.99 * @v];
            };

            rounds($peers, $scheme, sub {
                my ($peer) = @_;

                return 0 if !$peer->{worker};

                my $c = $client{$peer->{name}} //= do {
                    my $c = client_of($peers, $peer, $scheme, '-c', $sessions);
                    ask($c, 'query 1000');
                    $c;
                };

                my @base = $time->($direct);
                my @with = $time->($c);

                for my $i (0, 1) {
                    push @{ $p{direct}[$i] }, $base[$i];
                    push @{ $p{$peer->{name}}[$i] }, $with[$i] - $base[$i];
                }

                return 0;
            });

            row("$scheme{$scheme}, $sessions at once", map {
                my $p = $p{$_};
                $p ? sprintf('%.1f / %.1f', map { median(@$_) } @$p) : ''
            } @NeonTest::BenchPeers::names);

            hang_up($_) for $direct, values %client;
        }
    }

    $peers->finish;
}


sub copies {
    my $rows = int $o{megabytes} * 1e6 / 1006;
    my %command = (
        out => "copy copy (select repeat('x', 1000) from (select"
               . " generate_series(1, $rows)) s) to stdout",
        in => 'in ' . int $o{megabytes} * 1e6,
    );
    my (%cpu, %took);

    my $peers = peers();

    for my $scheme (qw/plain tls/) {
        for my $way (qw/out in/) {
            $cpu{$scheme}{$way} = rounds($peers, $scheme, sub {
                my ($peer) = @_;

                # series over one connection have disagreed
                my $c = client_of($peers, $peer, $scheme, '-c', 1);
                my $before = $peer->{worker} ? cpu($peer) : 0;
                my $start = time;
                my $gb = ask($c, $command{$way}) / 1e9;

                push @{ $took{$scheme}{$way}{$peer->{name}} },
                     (time - $start) / $gb;

                my $cost = $peer->{worker} ? (cpu($peer) - $before) / $gb : 0;
                hang_up($c);

                return $cost;
            });
        }
    }

    for ([ 'CPU of the proxy per GB, s', \%cpu ],
         [ 'Time per GB, s', \%took ])
    {
        my ($title, $v) = @$_;

        head($title);

        for my $scheme (qw/plain tls/) {
            line("$scheme{$scheme}, COPY $_", '%.3f', $v->{$scheme}{$_})
                for qw/out in/;
        }
    }

    $plot->bars('CPU of a GB of COPY out, TLS 1.3', 's', $cpu{tls}{out});
    $peers->finish;
}


# processes of their own for each, as memory that was used once is used again

sub memory {
    heading("RSS per idle session, KiB, $o{sessions} sessions", '', 'nginx',
            'haproxy', 'pgbouncer', 'ours', 'ours, WebSocket');

    my %kib;

    for my $scheme (qw/plain tls/) {
        for my $name (@NeonTest::BenchPeers::names[1 .. 5]) {
            my $peers = peers(only => [ $name ]);
            my $peer = $peers->peer($name);

            # what is allocated once only
            my $first = client_of($peers, $peer, $scheme, '-c', 100);
            my $before = rss($peer);
            my $rest = client_of($peers, $peer, $scheme, '-c',
                                 $o{sessions} - 100);

            $kib{$scheme}{$name} = [
                (rss($peer) - $before) / ($o{sessions} - 100) ];

            hang_up($_) for $first, $rest;
            $peers->finish;
        }

        row($scheme{$scheme}, map { sprintf '%.1f', $kib{$scheme}{$_}[0] }
                              @NeonTest::BenchPeers::names[1 .. 5]);
    }

    $plot->bars('Memory of an idle session, TLS 1.3', 'KiB', $kib{tls});
}


# Sessions per second when eight clients log in without pause.  They and the
# compute have the other CPUs; with two workers, all share all: where that is
# the limit, the CPU of a session tells what a second worker costs.

sub rates {
    my %v;

    my $measure = sub {
        my ($peers, $peer, $scheme) = @_;

        my @clients = map { client_of($peers, $peer, $scheme) } 1 .. 8;

        ask($_, 'session 20') for @clients;

        my @workers = $peers->{workers} == 1
                      ? grep { $_->{worker} } $peer
                      : map { { worker => $_ } } $peers->{nginx}->workers;
        my $cpu = sum(0, map { cpu($_) } @workers);
        my $start = time;

        print { $_->{in} } "session 200\n" for @clients;
        $_->{in}->flush for @clients;

        for (@clients) {
            readline($_->{out}) =~ /^done 200\b/ or die "load failed\n";
        }

        my $rate = 8 * 200 / (time - $start);
        $cpu = sum(0, map { cpu($_) } @workers) - $cpu;
        hang_up($_) for @clients;

        return [ $rate, 1e6 * $cpu / (8 * 200) ];
    };

    my $peers = peers();

    for my $scheme (qw/plain tls/) {
        my $v = rounds($peers, $scheme, sub {
            $measure->($peers, $_[0], $scheme)
        });

        for my $name (keys %$v) {
            $v{rate}{$scheme}{$name} = [ map { $_->[0] } @{ $v->{$name} } ];
            $v{cpu}{$scheme}{$name} = [ map { $_->[1] } @{ $v->{$name} } ];
        }
    }

    $peers->finish;

    head('Sessions per second, eight clients at once');
    line($scheme{$_}, '%.0f', $v{rate}{$_}) for qw/plain tls/;

    head('CPU of the proxy per session, eight clients at once, us');
    line($scheme{$_}, '%.0f', $v{cpu}{$_}) for qw/plain tls/;

    heading('The same of ours on all CPUs, which clients and compute share',
            '', '1 worker', '2 workers', 'ratio', '1 worker, CPU, us',
            '2 workers, CPU, us', 'ratio');

    my %workers = map {
        $_ => peers(only => [ 'ours' ], workers => $_, unpinned => 1)
    } 1, 2;

    run([ 'taskset', '-apc', '0-' . ($cpus - 1), $_ ])
        for $$, map { $_->pids } values %workers;

    for my $scheme (qw/plain tls/) {
        my (%rate, %cpu);

        for my $round (1 .. $o{rounds}) {
            for my $n ($round % 2 ? (1, 2) : (2, 1)) {
                my $peers = $workers{$n};

                my $v = $measure->($peers, $peers->peer('ours'), $scheme);

                push @{ $rate{$n} }, $v->[0];
                push @{ $cpu{$n} }, $v->[1];
            }
        }

        row($scheme{$scheme}, map {
            my $v = $_;
            my @ratio = map { $v->{2}[$_] / $v->{1}[$_] } 0 .. $#{ $v->{1} };

            (map { spread('%.0f', @{ $v->{$_} }) } 1, 2),
                spread('%.2f', @ratio)
        } \%rate, \%cpu);
    }

    $_->finish for values %workers;
    run([ 'taskset', '-apc', '0-' . ($cpus - 2), $$ ]) if $cpus > 1;
}


# A wake-up, and what a thousand who wait for theirs cost the others

sub wakes {
    my $peers = peers(only => [ 'ours' ]);
    my $cp = $peers->control_plane;
    my $ours = $peers->peer('ours');
    my $delay = 0.3;
    my @cold = map { "ep-cold-$_" } 1 .. 20;
    my @ns;

    $cp->endpoints(\@cold, alice => $peers->{verifier},
                   address => "127.0.0.1:$peers->{compute}");

    for my $name (@cold) {
        $cp->script(wake => { delay => $delay });

        local $peers->{endpoint} = $name;
        my $c = client_of($peers, $ours, 'tls');
        push @ns, (ask($c, 'session 1'))[1];
        hang_up($c);
    }

    heading("First query of an endpoint that takes $delay s to wake, us beyond"
            . ' that: p50 / p99', 'TLS 1.3');
    row(percentiles('%.0f', 1e3, [ map { $_ - 1e9 * $delay } @ns ]));

    # warm logins, before and while they hang

    my @hung = map { "ep-hung-$_" } 1 .. 1000;

    $cp->endpoints(\@hung, alice => $peers->{verifier},
                   address => "127.0.0.1:$peers->{compute}");

    my $c = client_of($peers, $ours, 'tls');
    ask($c, 'session 50');

    my (undef, @before) = ask($c, 'session 1000');

    $cp->always(wake => { delay => 50 });
    my $crowd = NeonTest::Crowd->new($t)->start(
        port => $ours->{port}{plain}, c => 1000, n => 1000, i => 1, t => 60_000,
        e => join(',', @hung), u => 'alice', w => $peers->{password});

    # not all have a call of their own: a worker has so many at a time
    eventually { $cp->count('access') >= 1000 + @cold } undef, 40
        or die "the thousand did not come to wait\n";

    my (undef, @while) = ask($c, 'session 1000');
    hang_up($c);

    heading('Warm sessions while 1,000 others wait for their wake-up, us:'
            . ' p50 / p99', 'before', 'meanwhile');
    row(map { percentiles('%.0f', 1e3, $_) } \@before, \@while);

    $crowd->{process}->stop('TERM', 5);
    $peers->finish;
}
