#!/usr/bin/perl
#
# What the proxy costs beside nginx's own proxy_pass: CPU of the worker per
# query and per GB, memory of a session, logins, system calls.
#
#   t/bench/relay.pl [--only query,copy,memory,logins,syscalls] [--rounds 9]
#                    [--sessions 2000] [--logins 10000] [--megabytes 256]
#
# Prints Markdown tables.  How to read them: t/bench/README.md.
#
# SPDX-License-Identifier: Apache-2.0

use FindBin qw/$Bin/;
use lib "$Bin/../lib";
use NeonTest;
use NeonTest::Bench;

use Getopt::Long;
use List::Util qw/sum/;

my %o = (only => 'query,copy,memory,logins,syscalls', rounds => 9,
         sessions => 2000, logins => 10_000, megabytes => 256);

GetOptions(\%o, 'only=s', 'rounds=i', 'sessions=i', 'logins=i',
           'megabytes=i') or die "see the head of $0\n";

my %part = (query => \&queries, copy => \&copies, memory => \&memory,
            logins => \&logins, syscalls => \&syscalls);
my @parts = split /,/, $o{only};

die "no part \"$_\"\n" for grep { !$part{$_} } @parts;

$| = 1;

# the tables are the output; what fails is told on the standard error
Test::More->builder->output('/dev/null');

my $t = NeonTest->new;
my $load = load($t);
my $pg = $t->postgres(conf => { max_connections => $o{sessions} + 40,
                                log_connections => 'off' });

$part{$_}->() for @parts;

my $log = slurp($t->dir . '/stream.log');
die $log if $log =~ /\[(?:alert|crit|emerg)\]/;

$t->done;


# --- nginx and its clients ------------------------------------------------

# one worker with all four servers: { ours, stock } x { none, tls }

sub front {
    my $certs = $t->certs;
    my %port = map { $_ => $t->port }
               qw/ours-none ours-tls stock-none stock-tls/;

    my $tls = "ssl_certificate $certs/db.crt;"
              . " ssl_certificate_key $certs/db.key;"
              . ' ssl_protocols TLSv1.2 TLSv1.3;';
    my $ours = 'neon_proxy_pass main;';
    my $stock = 'proxy_pass ' . $pg->address . ';';

    my $n = $t->nginx(
        main => $t->static($pg), connections => 2 * $o{sessions} + 200,
        stream => 'error_log ' . $t->dir . "/stream.log warn;\n"
            . "server { listen 127.0.0.1:$port{'ours-none'}; $ours }\n"
            . "server { listen 127.0.0.1:$port{'ours-tls'}; $tls $ours }\n"
            . "server { listen 127.0.0.1:$port{'stock-none'}; $stock }\n"
            . "server { listen 127.0.0.1:$port{'stock-tls'} ssl; $tls"
            . " $stock }\n");

    return { nginx => $n, worker => ($n->workers)[0], port => \%port };
}


sub session {
    my ($front, $who, $tls, %c) = @_;

    my @tls = $tls ne 'tls' ? () : ('-t', $who eq 'ours' ? 'inband'
                                                         : 'direct');

    return client($load, @tls, $who eq 'ours' ? ('-e', 'ep-1') : (),
                  '-u', 'alice', '-w', $c{password} // $pg->password('alice'),
                  '-c', $c{sessions} // 0, $front->{port}{"$who-$tls"});
}


# --- parts ----------------------------------------------------------------

sub queries {
    heading('CPU of the worker per query, us: median (least-most)',
            '`select 1`, prepared', 'stock', 'ours', 'ratio');

    for my $tls (qw/none tls/) {
        for my $sessions (16, 1) {
            my $front = front();
            my $n = $sessions == 1 ? 5000 : 20_000;
            my %client = map {
                $_ => session($front, $_, $tls, sessions => $sessions)
            } qw/stock ours/;

            ask($_, 'query 2000') for values %client;

            compare($o{rounds}, "$sessions sessions, "
                    . ($tls eq 'tls' ? 'TLS' : 'plain'), '%.2f', sub {
                my ($who) = @_;

                my $before = cpu($front);
                ask($client{$who}, "query $n");
                return (cpu($front) - $before) / $n * 1e6;
            });

            hang_up($_) for values %client;
            $front->{nginx}->finish;
        }
    }
}


sub copies {
    heading('CPU of the worker per GB of COPY out, s: median (least-most)',
            'COPY TO STDOUT', 'stock', 'ours', 'ratio');

    for my $tls (qw/none tls/) {
        for my $width (100, 1000) {
            my $front = front();
            my $rows = int $o{megabytes} * 1e6 / ($width + 6);
            my $sql = "copy copy (select repeat('x', $width)"
                      . " from (select generate_series(1, $rows)) s)"
                      . ' to stdout';

            # a connection for each round: series over one, repeated, have
            # disagreed by 20 %

            compare($o{rounds}, "rows of $width bytes, "
                    . ($tls eq 'tls' ? 'TLS' : 'plain'), '%.3f', sub {
                my ($who) = @_;

                my $client = session($front, $who, $tls, sessions => 1);
                my $before = cpu($front);
                my $bytes = ask($client, $sql);
                my $cpu = cpu($front) - $before;

                hang_up($client);
                return $cpu / $bytes * 1e9;
            });

            $front->{nginx}->finish;
        }
    }
}


# a worker of its own for each, as memory that was used once is used again

sub memory {
    heading("RSS of the worker per idle session, KiB, $o{sessions} sessions",
            'client', 'stock', 'ours');

    for my $tls (qw/none tls/) {
        my %kib;

        for my $who (qw/stock ours/) {
            my $front = front();

            # what is allocated once only
            my $first = session($front, $who, $tls, sessions => 20);
            my $before = rss($front);
            my $rest = session($front, $who, $tls,
                              sessions => $o{sessions} - 20);

            $kib{$who} = (rss($front) - $before) / ($o{sessions} - 20);

            hang_up($_) for $first, $rest;
            $front->{nginx}->finish;
        }

        row($tls eq 'tls' ? 'TLS' : 'plain',
            map { sprintf '%.1f', $kib{$_} } qw/stock ours/);
    }
}


sub logins {
    heading('Memory and descriptors over logins with TLS and SCRAM',
            'after', 'RSS, KiB', 'descriptors', 'CPU per login, ms');

    my $front = front();
    my $client = session($front, 'ours', 'tls');
    my $wrong = session($front, 'ours', 'tls', password => 'wrong');

    my @series = ([ $client, 'login', int $o{logins} / 10 ],
                  ([ $client, 'login', int $o{logins} / 4 ]) x 4,
                  ([ $wrong, 'refused', int $o{logins} / 10 ]) x 2,
                  [ $client, 'login', int $o{logins} / 10 ]);
    my $fds = fds($front);
    my (%total, $cpu);

    row('start', rss($front), $fds, '');

    for my $series (@series) {
        my ($who, $command, $n) = @$series;

        my $before = cpu($front);
        ask($who, "$command $n");
        settled($front, $fds);

        $total{$command} += $n;
        row(join(', ', map { "$total{$_} $_" } sort keys %total), rss($front),
            fds($front), sprintf '%.2f', (cpu($front) - $before) / $n * 1e3);
    }

    hang_up($_) for $client, $wrong;
    $front->{nginx}->finish;
}


sub syscalls {
    return print "\nno strace: system calls are not counted\n"
        if run([ 'sh', '-c', 'command -v strace' ])->{rc};

    for my $what (qw/login query/) {
        heading("System calls of the worker per $what", '', 'all of them');

        for my $tls (qw/none tls/) {
            for my $who (qw/stock ours/) {
                my $front = front();
                my $client = session($front, $who, $tls, sessions => 1);
                my $n = $what eq 'login' ? 100 : 1000;

                ask($client, $what eq 'login' ? 'login 5' : 'query 5');

                row("$who, " . ($tls eq 'tls' ? 'TLS' : 'plain'),
                    traced($front, $n, sub { ask($client, "$what $n") }));

                hang_up($client);
                $front->{nginx}->finish;
            }
        }
    }
}


sub traced {
    my ($front, $n, $code) = @_;

    my $file = $t->dir . '/strace';
    my $strace = NeonTest::Process->spawn(
        [ 'strace', '-f', '-c', '-U', 'calls,name', '-o', $file,
          '-p', $front->{worker} ],
        out => $t->dir . '/strace.out', end => 'INT');

    eventually {
        slurp("/proc/$front->{worker}/status") =~ /^TracerPid:\s+[1-9]/m
    } undef, 10 or die "strace does not attach\n";

    my $fds = fds($front);

    $code->();
    settled($front, $fds);
    $strace->stop('INT');

    my %calls;

    for (split /\n/, slurp($file)) {
        $calls{$2} = $1 if /^\s*(\d+)\s+(\w+)\s*$/;
    }

    my $total = delete $calls{total} // sum(values %calls);

    return sprintf('%.2f: ', $total / $n)
           . join ', ', map { sprintf '%s %.2f', $_, $calls{$_} / $n }
             sort { $calls{$b} <=> $calls{$a} || $a cmp $b }
             grep { $calls{$_} / $n >= 0.01 } keys %calls;
}
