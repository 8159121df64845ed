#!/usr/bin/perl
#
# PostgreSQL's core regression tests (parallel schedule) and isolation tests,
# over TLS, each against a server of its own: directly, and through nginx with
# the module.  `make check-pg` builds them and runs this.
#
#   t/pg/check.pl SOURCE [core|isolation]...
#
# Passes where each test that passes directly passes through the proxy, and
# each that fails directly fails with the same words.  What the runs left is
# under $BUILD/check-pg/direct and .../proxy.
#
# SPDX-License-Identifier: Apache-2.0

use FindBin qw/$Bin/;
use lib "$Bin/../lib";
use NeonTest;
use NeonTest::Postgres;

use File::Path qw/make_path remove_tree/;
use Time::HiRes qw/time/;

my ($source, @suites) = @ARGV;

die "see the head of $0\n" if !defined $source;

@suites = qw/core isolation/ if !@suites;

my %suite = (
    core => {
        dir => 'regress', run => 'pg_regress',
        args => [ '--schedule=parallel_schedule', '--dlpath=.',
                  '--max-concurrent-tests=20' ],
    },
    isolation => {
        dir => 'isolation', run => 'pg_isolation_regress',
        args => [ '--schedule=isolation_schedule' ],
    },
);

my %conf = (max_prepared_transactions => 2, synchronous_commit => 'on',
            max_connections => 60, log_min_messages => 'warning');

my $secret = 'of the superuser';
my $user = NeonTest::Postgres::user();
my $kept = build() . '/check-pg';
my $t = NeonTest->new;

# of the test's own: the server and the tests may not reach the checkout
my $work = $t->dir . '/tests';
my $ca = $t->dir . '/ca.crt';
my $passwords = $t->dir . '/pgpass';

my @summary;

run([ 'cp', $t->certs('ca.crt'), $ca ]);
spew($passwords, "*:*:*:postgres:$secret\n");
chmod 0600, $passwords;
NeonTest::Postgres::own($user, $passwords);

# nothing of the caller's reaches libpq
delete @ENV{ grep { /^PG/ } keys %ENV };


sub proxy {
    my ($pg) = @_;

    return $t->nginx(
        main => $t->static($pg, 'postgres'), workers => 2,
        stream_head => "log_format sessions '\$neon_user \$ssl_protocol';\n"
                       . 'access_log ' . $t->dir . "/sessions sessions;\n");
}


# runs a suite one way: { test => 'ok' | 'FAILED' }

sub result {
    my ($name, $way, $port) = @_;

    my $suite = $suite{$name};
    my $start = time;

    my $r = run([ "./$suite->{run}", '--inputdir=.', '--outputdir=.',
                  '--bindir=' . NeonTest::Postgres::bin('') =~ s{/$}{}r,
                  @{ $suite->{args} } ],
                cwd => $work, user => $user, timeout => 3600,
                env => {
                    HOME => $work, PGHOST => 'ep-1.db.example.com',
                    PGHOSTADDR => '127.0.0.1', PGPORT => $port,
                    PGUSER => 'postgres', PGPASSFILE => $passwords,
                    PGSSLMODE => 'verify-full', PGSSLROOTCERT => $ca,
                    PGCHANNELBINDING => 'require',
                });

    my %result = $r->{out} =~ /^(?:test)?\s+(\S+)\s+\.\.\.\s(ok|FAILED)\b/mg;

    # what comes before the tests can fail too
    die "$name, $way: no results:\n$r->{out}$r->{err}" if !%result;

    keep($name, $way, $r->{out});
    report($name, $way, time - $start, \%result);

    return \%result;
}


sub keep {
    my ($name, $way, $out) = @_;

    my $to = "$kept/$way/$name";

    remove_tree($to);
    make_path($to);
    spew("$to/output", $out);
    run([ 'cp', '-r', (grep { -e } map { "$work/$_" }
                       qw/results regression.diffs/), $to ]);
}


sub said {
    my ($way, $name, $test) = @_;

    return slurp("$kept/$way/$name/results/$test.out");
}


sub report {
    my ($name, $way, $seconds, $result) = @_;

    my @failed = grep { $result->{$_} ne 'ok' } sort keys %$result;
    my $n = keys %$result;

    push @summary, sprintf '%-10s %-7s %3d of %3d passed, %4.0f s%s', $name,
                           $way, $n - @failed, $n, $seconds,
                           @failed ? ": not @failed" : '';
    print "# $summary[-1]\n";
}


# a server that nobody has used, and the tests as they were built

sub prepare {
    my ($name) = @_;

    remove_tree($work);
    NeonTest::Postgres::copy("$source/src/test/$suite{$name}{dir}", $work);
    NeonTest::Postgres::own($user, $work);

    my $pg = $t->postgres(ssl => 1, key => 'db', conf => \%conf);
    $pg->sql("alter role postgres password '$secret'");

    return $pg;
}


for my $name (@suites) {
    my $pg = prepare($name);
    my $direct = result($name, 'direct', $pg->port);
    $pg->stop;

    $pg = prepare($name);
    my $nginx = proxy($pg);
    my $proxied = result($name, 'proxy', $nginx->port);
    $nginx->quit;
    $pg->stop;

    is(join(' ', sort keys %$proxied), join(' ', sort keys %$direct),
       "$name: the same tests");
    is(join(' ', grep { $direct->{$_} eq 'ok' && $proxied->{$_} ne 'ok' }
                 sort keys %$direct), '', "$name: as good as without a proxy")
        or diag(slurp("$kept/proxy/$name/regression.diffs"));

    # what fails both ways does so with the same words
    my @failed = grep { $direct->{$_} ne 'ok' && $proxied->{$_} ne 'ok' }
                 sort keys %$direct;
    is_deeply({ map { $_ => said('proxy', $name, $_) } @failed },
              { map { $_ => said('direct', $name, $_) } @failed },
              "$name: no worse where there is a failure");

    # each test is a session at least, and all of them came this way
    my @sessions = split /\n/, slurp($t->dir . '/sessions');
    my @tls = grep { /^postgres TLSv1\.[23]$/ } @sessions;

    is(@tls, @sessions, "$name: all sessions over TLS");
    cmp_ok(@sessions, '>=', keys %$proxied, "$name: " . @sessions
           . ' sessions through the proxy');
    unlink $t->dir . '/sessions';
}

$t->done;

print "# $_\n" for '', @summary;
