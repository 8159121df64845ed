#!/usr/bin/perl

# Drivers of other languages, each as its users call it: TLS with a verified
# certificate, SCRAM, the endpoint by SNI.  Each ends its sessions as it likes,
# and the access log has 200 for all of them.

use lib 't/lib';
use NeonTest;

use File::Path qw/make_path/;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $log = $t->dir . '/access.log';
my $n = $t->nginx(main => $t->static($pg), workers => 2,
                  stream_head => "log_format t '\$neon_application_name"
                                 . " \$neon_error \$status';\n"
                                 . "access_log $log t;\n");

my $clients = top() . '/t/clients';
my $work = build() . '/t/clients';
my $dir = $t->dir;
my $host = 'ep-1.db.example.com';
my $password = $pg->password('alice');

make_path($work);

my %env = (
    HOST => $host, PORT => $n->port, CA => $t->certs('ca.crt'),
    PGUSER => 'alice', PGPASSWORD => $password, PGDATABASE => 'app',
    GO_PASSWORD => $password =~ s/(['\\])/\\$1/gr,
);

my $conninfo = "host=$host hostaddr=127.0.0.1 port=" . $n->port
               . " user=alice dbname=app sslmode=verify-full sslrootcert="
               . $env{CA};


# skipped only where the language or the driver is not installed

sub client {
    my ($name, $missing, @command) = @_;

    SKIP: {
        skip "$name: $missing (make deps)", 2 if $missing;

        my $r = run(\@command, env => \%env, timeout => 240);
        is($r->{rc}, 0, "$name: runs") or diag($r->{err}, $r->{out});
        is($r->{out}, "alice 42 1000 1000000\n", "$name: its answers");
    }
}

sub absent {
    my (@command) = @_;

    return run(\@command)->{rc} == 0 ? undef : "no @command";
}


# libpq
my $r = $t->psql("select current_user, 21 * 2, 1000,"
                 . " length(repeat('x', 1000000))",
                 port => $n->port, password => $password,
                 channel_binding => 'require', args => [ '-F', ' ' ]);
is($r->{out}, "alice 42 1000 1000000\n", 'psql') or diag($r->{err});

my $python = '/usr/bin/python3';

client('psycopg 3', absent($python, '-c', 'import psycopg'),
       $python, "$clients/python/psycopg3.py",
       "$conninfo channel_binding=require");

client('asyncpg', absent($python, '-c', 'import asyncpg'),
       $python, "$clients/python/asyncpg_.py");

client('node-postgres',
       -d top() . '/t/js/node_modules/pg' ? absent('node', '--version')
                                          : 'no npm package pg',
       'node', "$clients/node/pg.js");


# JDBC

my ($jdbc) = grep { -f } '/usr/share/java/postgresql.jar',
                         glob('/usr/share/java/postgresql-*.jar');
my @jars = ($jdbc // (), grep { -f } glob '/usr/share/java/ongres-*.jar');
my $hosts = spew("$dir/hosts", "127.0.0.1 $host\n");
my $jar = join ':', @jars;

client('JDBC', $jdbc ? absent('javac', '-version') : 'no pgjdbc',
       'bash', '-ec', 'javac -cp "$0" -d "$1" "$2" && exec java'
       . ' -cp "$0:$1" -Djdk.net.hosts.file="$3" Smoke',
       $jar, $work, "$clients/java/Smoke.java", $hosts);


# Go: Debian's packages are sources in a GOPATH

my $gocode = '/usr/share/gocode';

$env{$_->[0]} = $_->[1] for [ GOPATH => $gocode ], [ GO111MODULE => 'off' ],
    [ GOFLAGS => '' ], [ GOCACHE => "$work/go-cache" ];

client('Go lib/pq', -d "$gocode/src/github.com/lib/pq"
                    ? absent('go', 'version') : 'no lib/pq',
       'bash', '-ec', 'go build -o "$0" "$1" && exec "$0"',
       "$work/smoke", "$clients/go/main.go");

my @lines;

eventually {
    @lines = split /\n/, slurp($log);
    @lines == (() = $n->log =~ / client \S+ connected/g);
} 'each session has its line';
cmp_ok(scalar @lines, '>=', 1, 'that is what they have');
is(join("\n", grep { !/ 200$/ } @lines), '', 'with 200');

$t->done;
