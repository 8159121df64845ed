#!/usr/bin/perl

# Logical replication: replication=database reaches the compute, CopyBoth goes
# both ways.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use NeonTest::Postgres;

my $t = NeonTest->new;
my $pg = $t->postgres(conf => { wal_level => 'logical' });
my $n = $t->nginx(main => $t->static($pg, 'repl'));

my %env = (PGPASSWORD => $pg->password('repl'));
my $conninfo = 'host=ep-1.db.example.com hostaddr=127.0.0.1 user=repl'
               . ' dbname=app sslmode=verify-full port=' . $n->port
               . ' sslrootcert=' . $t->certs('ca.crt');
my @recv = (NeonTest::Postgres::bin('pg_recvlogical'), '-d', $conninfo,
            '--slot', 'slot', '--no-loop');

my $r = run([ @recv, '--create-slot', '--plugin', 'test_decoding' ],
            env => \%env);
is($r->{rc}, 0, 'a slot is created') or diag($r->{err});
is($pg->sql('select database from pg_replication_slots'), 'app',
   'in the database');

$pg->sql('create table t (n int)');

my $out = $t->dir . '/changes';
my $child = NeonTest::Process->spawn(
    [ @recv, '--start', '-f', $out, '--fsync-interval', 0,
      '--status-interval', 1 ], env => \%env, out => $t->dir . '/recv.log');

for my $n (1 .. 20) {
    $pg->sql("insert into t select generate_series(1, 100)");
}

$pg->sql('insert into t values (4711)');

eventually { slurp($out) =~ /INSERT: n\[integer\]:4711/ } 'the stream flows'
    or diag(slurp($t->dir . '/recv.log'));
is(scalar(() = slurp($out) =~ /INSERT/g), 2001, 'all changes came');

# the receiver's own messages arrive: the slot moves
eventually {
    $pg->sql('select confirmed_flush_lsn > restart_lsn'
             . ' from pg_replication_slots')
} 'feedback reaches the server';

$child->stop('INT', 10);

$r = run([ @recv, '--drop-slot' ], env => \%env);
is($r->{rc}, 0, 'the slot is dropped') or diag($r->{err});

# the protocol's own commands
my $c = $t->login(port => $n->port, sni => 'ep-1.db.example.com',
                  user => 'repl', password => $pg->password('repl'),
                  params => [ replication => 'database' ]);
is($c->error_text, '', 'replication=database: logged in');
my $row = $c->query('IDENTIFY_SYSTEM')->{rows}[0];
is($row->[3], 'app', 'IDENTIFY_SYSTEM');
$c->close;

$c = $t->login(port => $n->port, sni => 'ep-1.db.example.com',
               user => 'repl', password => $pg->password('repl'),
               params => [ replication => 'true' ]);
is($c->error_text, '', 'replication=true: logged in');
like($c->query('IDENTIFY_SYSTEM')->{rows}[0][0], qr/^\d+$/,
     'IDENTIFY_SYSTEM');
$c->close;

$t->done;
