#!/usr/bin/perl

# A new binary: USR2, WINCH, QUIT, and the way back.  Old sessions live on in
# the old workers; the new generation has new shared memory.

use lib 't/lib';
use NeonTest;
use NeonTest::Nginx;
use NeonTest::Wire;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $cp = $t->control_plane(cache => 1);
$cp->role('ep-1', alice => $pg->verifier('alice'));
$cp->endpoint('ep-1', address => $pg->address);

# nginx takes USR2 only where the process that started it is gone
my $n = NeonTest::Nginx->new($t, main => $cp->directives);
spew($n->dir . '/nginx.conf', $n->conf =~ s/^daemon off;$/daemon on;/mr);
my $r = run($n->command, env => $n->env(1));
is($r->{rc}, 0, 'nginx starts') or diag($r->{err});

my $pid_file = $n->dir . '/nginx.pid';

sub master {
    my ($file) = @_;

    my ($pid) = -e $file ? slurp($file) =~ /^(\d+)$/ : ();
    return $pid;
}

# those of a master, from its own lines

sub workers {
    my ($master) = @_;

    my @pids = $n->log =~ /\s$master#$master: start worker process (\d+)$/mg;
    return @pids;
}

sub enter { return $t->enter($n, password => $pg->password('alice'), @_) }

eventually { master($pid_file) && workers(master($pid_file)) } 'and is there';

my $old = master($pid_file);
my @masters = ($old);

END {
    kill KILL => grep { $_ } map { ($_, workers($_)) } @masters if $n;
}

my $idle = enter();
my $busy = enter();
my $late = enter();
is($idle->value('select 1'), 1, 'a session');
$idle->query('begin; create temp table x as select 42');
$late->send(message('Q', "select pg_sleep(600)\0"));
eventually { $pg->sql("select count(*) from pg_stat_activity"
                      . " where query like '%pg_sleep(600)%'"
                      . " and pid <> pg_backend_pid()") } 'with a query';
$cp->forget;

# one that is in the middle of its login
$cp->endpoint('ep-2', address => $pg->address);
$cp->role('ep-2', alice => $pg->verifier('alice'));
$cp->script(wake => { delay => 3 });
my $waiting = enter(sni => 'ep-2.db.example.com', stop => 1);
$cp->called(wake => 1);

kill USR2 => $old;
eventually { (master("$pid_file.oldbin") // 0) == $old
             && (master($pid_file) // $old) != $old
             && workers(master($pid_file)) } 'USR2: a second nginx';

my $new = master($pid_file);
push @masters, $new;

kill WINCH => $old;
my ($old_worker) = workers($old);
$n->log_like(qr/ $old_worker#$old_worker: gracefully shutting down$/m,
             'WINCH: the old worker drains');

$busy->send(message('Q', "select pg_sleep(0.5), 'slept'\0"));
is($busy->result->{rows}[0][1], 'slept', 'an old session is served');
is($idle->value('select * from x'), 42, 'in its transaction');
$waiting->authenticate(password => $pg->password('alice'));
is($waiting->error_text, '', 'the client that waited is in');
is($waiting->value('select 1'), 1, 'and served');

$cp->forget;
my $fresh = enter();
is($fresh->value('select 1'), 1, 'a new session, in the new nginx');
$cp->called(wake => 1);
is(scalar($cp->calls('wake')), 1, 'with empty caches: the plane is asked');

# new shared memory: the key of an old session is unknown
my $cancel = $t->client(port => $n->port);
$cancel->send(ssl_request);
$cancel->read_n(1);
$cancel->start_tls(sni => 'ep-1.db.example.com');
$cancel->send(cancel_request($late->{pid}, $late->{key}));
is($cancel->read_all, '', 'a cancel request for an old session');
$n->log_like(qr/no such key/, 'finds no key');

# the way back: the old binary serves again, the new one leaves
kill HUP => $old;
eventually { workers($old) == 2 } 'HUP: the old nginx has a worker again';
kill QUIT => $new;
my ($new_worker) = workers($new);
$n->log_like(qr/ $new_worker#$new_worker: gracefully shutting down$/m,
             'QUIT: the new one drains');
is($fresh->value('select 1'), 1, 'its session is served');
my $back = enter();
is($back->value('select 1'), 1, 'new sessions come to the old one');
ok(kill(0, $new), 'the new nginx waits for its session');
$fresh->close;
eventually { !kill 0, $new } 'and leaves with it';
eventually { (master($pid_file) // 0) == $old } 'the old one has its pid file';

# and forward for good
kill USR2 => $old;
eventually { (master($pid_file) // $old) != $old && workers(master($pid_file)) }
           'USR2: once more';
$new = master($pid_file);
push @masters, $new;
kill QUIT => $old;
my ($second) = (workers($old))[-1];
$n->log_like(qr/ $second#$second: gracefully shutting down$/m,
             'QUIT: the old one drains');

my $last = enter();
is($last->value('select 1'), 1, 'new sessions come to the new one');
is($_->value('select 1'), 1, 'old ones are where they were')
    for $idle, $busy, $back, $waiting;
$_->close for $idle, $busy, $back, $waiting;
ok(kill(0, $old), 'the old nginx waits for the last query');
$late->abort;
eventually { !kill 0, $old } 'and leaves with it';
is($last->value('select 1'), 1, 'the new one serves');
$last->close;

kill QUIT => $new;
eventually { !kill 0, $new } 'and ends when it is told to';

is($n->unexpected, '', 'no alerts in the log');
is($n->died, '', 'all workers ended well');
is($n->sanitizer, '', 'no sanitizer reports');

$t->done;
