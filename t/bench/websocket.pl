#!/usr/bin/perl
#
# What the WebSocket front costs, beside nginx's own proxy_pass of a WebSocket,
# which needs a relay behind it: CPU of the worker per query and per GB, the
# time to the first result, memory of an idle session.
#
#   t/bench/websocket.pl [--only query,copy,first,memory] [--rounds 9]
#                        [--sessions 5000] [--logins 200] [--megabytes 256]
#
# --logins: of each round of `first`.  Prints Markdown tables.  How to read
# them: t/bench/README.md.
#
# SPDX-License-Identifier: Apache-2.0

use FindBin qw/$Bin/;
use lib "$Bin/../lib";
use NeonTest;
use NeonTest::Bench;
use NeonTest::CrowdCompute;
use NeonTest::Scram;

use Getopt::Long;
use POSIX ();

my %o = (only => 'query,copy,first,memory', rounds => 9, sessions => 5000,
         logins => 200, megabytes => 256);

GetOptions(\%o, 'only=s', 'rounds=i', 'sessions=i', 'logins=i',
           'megabytes=i') or die "see the head of $0\n";

my %part = (query => \&queries, copy => \&copies, first => \&firsts,
            memory => \&memory);
my @parts = split /,/, $o{only};

die "no part \"$_\"\n" for grep { !$part{$_} } @parts;

# a worker has both ends of each session, and of its own a few

my $files = 2 * $o{sessions} + 200;

die "this needs ulimit -n $files\n"
    if POSIX::sysconf(POSIX::_SC_OPEN_MAX()) < $files;

$| = 1;

# the tables are the output; what fails is told on the standard error
Test::More->builder->output('/dev/null');

# of the compute, which inherits it
Mojo::IOLoop->singleton->max_connections(2 * $o{sessions});

my $t = NeonTest->new;
my $load = load($t);
my $pg = $t->postgres(conf => { log_connections => 'off' });
my $crowd = NeonTest::CrowdCompute->new($t);
my $crowd_port = $t->port;
my $cp = $t->control_plane(cache => 1);

# ep-1 is PostgreSQL, ep-2 has room for all sessions

$crowd->up($crowd_port);
$cp->role('ep-1', alice => $pg->verifier('alice'));
$cp->endpoint('ep-1', address => $pg->address);
$cp->role('ep-2', alice => NeonTest::Scram::verifier('pw'));
$cp->endpoint('ep-2', address => "127.0.0.1:$crowd_port");

my %password = ('ep-1' => $pg->password('alice'), 'ep-2' => 'pw');

$part{$_}->() for @parts;

my $log = slurp($t->dir . '/http.log');
die $log if $log =~ /\[(?:alert|crit|emerg)\]/;

$t->done;


# --- nginx and its clients ------------------------------------------------

# three of them, each with one worker: ours, stock, and the relay behind stock

sub fronts {
    my (%f) = @_;

    my $ours = 'neon_proxy_websocket main;';
    my %port = (wss => $t->port, ws => $t->port);
    my $relay = front(%f, pass => $ours);

    return {
        relay => $relay,
        ours  => front(%f, pass => $ours),
        stock => front(%f, pass => <<"END"),
proxy_pass http://127.0.0.1:$relay->{port}{ws};
proxy_http_version 1.1;
proxy_set_header Host \$host;
proxy_set_header Upgrade \$http_upgrade;
proxy_set_header Connection upgrade;
proxy_read_timeout 1h;
END
    };
}


sub front {
    my (%f) = @_;

    my $certs = $t->certs;
    my %port = map { $_ => $t->port } qw/ws wss/;

    my $n = $t->nginx(
        connections => $files, globals => "worker_rlimit_nofile $files;",
        main => $cp->directives . "websocket_insecure on;\n"
                . 'websocket_ping ' . ($f{ping} // 'off') . ";\n",
        stream => '', http => <<"END");
error_log @{[ $t->dir ]}/http.log warn;
server {
    listen 127.0.0.1:$port{ws} backlog=4096;
    listen 127.0.0.1:$port{wss} ssl backlog=4096;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { $f{pass} }
}
END

    return { nginx => $n, worker => ($n->workers)[0], port => \%port };
}


sub finish {
    my ($fronts) = @_;

    $fronts->{$_}{nginx}->finish for qw/stock ours relay/;
}


sub session {
    my ($front, $scheme, %c) = @_;

    my $endpoint = $c{endpoint} // 'ep-1';

    return client($load, '-W', $scheme eq 'wss' ? ('-t', 'direct') : (),
                  '-e', $endpoint, '-u', 'alice', '-w', $password{$endpoint},
                  '-c', $c{sessions} // 0, $front->{port}{$scheme});
}


# compare(), and what the relay behind stock has cost meanwhile; the code
# answers how much was done; more: as compare()'s

sub compare_fronts {
    my ($fronts, $title, $format, $code, $more) = @_;

    my @relay;

    compare($o{rounds}, $title, $format, sub {
        my ($who) = @_;

        my %before = map { $_ => cpu($fronts->{$_}) } $who, 'relay';
        my $units = $code->($who);

        push @relay, (cpu($fronts->{relay}) - $before{relay}) / $units
            if $who eq 'stock';

        return (cpu($fronts->{$who}) - $before{$who}) / $units;
    }, more => sub { (spread($format, @relay), $more ? $more->() : ()) });
}


# --- parts ----------------------------------------------------------------

sub queries {
    heading('CPU of the worker per query, us: median (least-most)',
            '`select 1`, prepared', 'stock', 'ours', 'ratio',
            'the relay behind stock');

    for my $scheme (qw/ws wss/) {
        for my $sessions (16, 1) {
            my $fronts = fronts();
            my $n = $sessions == 1 ? 5000 : 20_000;
            my %client = map {
                $_ => session($fronts->{$_}, $scheme, sessions => $sessions)
            } qw/stock ours/;

            ask($_, 'query 2000') for values %client;

            compare_fronts($fronts, "$sessions sessions, $scheme", '%.2f',
                sub { ask($client{$_[0]}, "query $n") / 1e6 });

            hang_up($_) for values %client;
            finish($fronts);
        }
    }
}


sub copies {
    heading('CPU of the worker per GB of COPY out, s: median (least-most)',
            'COPY TO STDOUT', 'stock', 'ours', 'ratio',
            'the relay behind stock', 'RSS of ours, KiB, each round');

    for my $scheme (qw/ws wss/) {
        for my $width (100, 1000) {
            my $fronts = fronts();
            my $rows = int $o{megabytes} * 1e6 / ($width + 6);
            my $sql = "copy copy (select repeat('x', $width)"
                      . " from (select generate_series(1, $rows)) s)"
                      . ' to stdout';
            my @rss;

            # a connection for each round, as in relay.pl

            compare_fronts($fronts, "rows of $width bytes, $scheme", '%.3f',
                sub {
                    my ($who) = @_;

                    my $client = session($fronts->{$who}, $scheme,
                                         sessions => 1);
                    my $bytes = ask($client, $sql);

                    push @rss, rss($fronts->{ours}) if $who eq 'ours';
                    hang_up($client);

                    return $bytes / 1e9;
                }, sub { join ', ', @rss });

            finish($fronts);
        }
    }
}


sub firsts {
    heading('From connect() to the result of the first query, caches warm',
            '', 'median, ms', 'p99, ms', 'CPU of the worker, ms');

    for my $scheme (qw/ws wss/) {
        my $fronts = fronts();
        my %client = map { $_ => session($fronts->{$_}, $scheme) }
                     qw/stock ours/;
        my (%ns, %cpu);

        ask($_, 'first 20') for values %client;

        my $calls = () = $cp->calls;

        for my $round (1 .. $o{rounds}) {
            for my $who ($round % 2 ? qw/stock ours/ : qw/ours stock/) {
                my $before = cpu($fronts->{$who});
                my ($n, @ns) = ask($client{$who}, "first $o{logins}");

                push @{ $ns{$who} }, @ns;
                push @{ $cpu{$who} },
                     (cpu($fronts->{$who}) - $before) / $n * 1e3;
            }
        }

        die "the caches were not warm\n" if $calls != (() = $cp->calls);

        for my $who (qw/stock ours/) {
            my @ns = sort { $a <=> $b } @{ $ns{$who} };

            row("$scheme, $who" . ($who eq 'stock' ? ' and the relay' : ''),
                map({ sprintf '%.2f', $_ / 1e6 } @ns[@ns / 2, 0.99 * @ns]),
                spread('%.2f', @{ $cpu{$who} }));
        }

        hang_up($_) for values %client;
        finish($fronts);
    }
}


# a worker of its own for each, as memory that was used once is used again

sub memory {
    heading("RSS of the worker per idle session, KiB, $o{sessions} sessions",
            '', 'stock', 'ours', 'ours, each pinged since');

    for my $scheme (qw/ws wss/) {
        my %kib;

        for my $who (qw/stock ours/) {
            my $fronts = fronts(ping => '1m');
            my $front = $fronts->{$who};
            my @c = (endpoint => 'ep-2');

            # what is allocated once only
            my $first = session($front, $scheme, @c, sessions => 20);
            my $before = rss($front);
            my $rest = session($front, $scheme, @c,
                               sessions => $o{sessions} - 20);
            my $per = sub { (rss($front) - $before) / ($o{sessions} - 20) };

            $kib{$who} = $per->();

            if ($who eq 'ours') {
                ask($rest, 'idle 61');
                $kib{pinged} = $per->();
            }

            hang_up($_) for $first, $rest;
            finish($fronts);
        }

        row($scheme, map { sprintf '%.1f', $kib{$_} } qw/stock ours pinged/);
    }
}
