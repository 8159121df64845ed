#!/usr/bin/perl

# pg_dump | pg_restore and pgbench through the proxy.

use lib 't/lib';
use NeonTest;

use NeonTest::Postgres;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $n = $t->nginx(main => $t->static($pg));
my $dir = $t->dir;

my %env = (PGPASSWORD => $pg->password('alice'), PGUSER => 'alice',
           PGHOST => 'ep-1.db.example.com', PGHOSTADDR => '127.0.0.1',
           PGPORT => $n->port, PGSSLMODE => 'verify-full',
           PGSSLROOTCERT => $t->certs('ca.crt'));

sub shell {
    my ($script) = @_;

    return run([ 'bash', '-o', 'pipefail', '-c', $script ], env => \%env,
               timeout => 300);
}

my $pgbench = NeonTest::Postgres::bin('pgbench');

my $r = shell("$pgbench -q -i -s 2 app");
is($r->{rc}, 0, 'pgbench -i') or diag($r->{err});

for my $protocol (qw/simple extended prepared/) {
    $r = shell("$pgbench -n -M $protocol -c 8 -t 100 app");
    is($r->{rc}, 0, "pgbench, $protocol") or diag($r->{err});
    like($r->{out}, qr{processed: 800/800}, "pgbench, $protocol: all of it");
}

# connects anew for each transaction
$r = shell("$pgbench -n -C -S -c 4 -t 25 app");
is($r->{rc}, 0, 'pgbench -C') or diag($r->{err});

$pg->sql('create database copy owner alice');
$r = shell('pg_dump -Fc app | pg_restore -O -d "dbname=copy"');
is($r->{rc}, 0, 'pg_dump | pg_restore') or diag($r->{err});

# newer versions of pg_dump write a random word into \restrict

sub dump_of {
    my ($database) = @_;

    my $r = run([ 'pg_dump', $database ], timeout => 300,
                env => { PGHOST => "$dir/pg0", PGPORT => $pg->port,
                         PGUSER => 'postgres' });
    return $r->{out} =~ s/^\\(?:un)?restrict .*\n//mgr;
}

my $whole = dump_of('app');
cmp_ok(length $whole, '>', 10_000_000, 'a dump without the proxy');
ok(dump_of('copy') eq $whole, 'both databases are the same');

$r = shell('pg_dump -Fd -j 4 -f ' . "$dir/parallel app"
           . " && pg_restore -l $dir/parallel | grep -c 'TABLE DATA'");
is($r->{out}, "4\n", 'pg_dump with four connections') or diag($r->{err});

$t->done;
