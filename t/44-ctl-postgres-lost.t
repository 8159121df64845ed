#!/usr/bin/perl

# control_plane postgres:// when its server is away, slow, full or a stranger,
# and when nginx leaves: nobody else waits, and nothing hangs.

use lib 't/lib';
use NeonTest;

use IO::Socket::INET;
use NeonTest::Wire;

my $t = NeonTest->new;
my $pg = $t->postgres(ssl => 1);
my $compute = $t->postgres;

# The control database knows a lock for which its answers wait, and may know
# other passwords for roles than the compute: alice and bob have the same.

sub setup {
    $pg->sql($_) for split /;\n/, <<'END';
create role proxy login password 'proxy'
END

    $pg->sql(<<'END');
create function public.secret(role text) returns text
    language plpgsql security definer as $$
begin
    if role not in ('alice', 'trusty') then
        perform pg_catalog.pg_advisory_xact_lock_shared(7);
    end if;
    return (select rolpassword from pg_catalog.pg_authid
            where rolname = role);
end $$
END

    for my $role (qw/alice bob/) {
        my $v = $pg->verifier($role);
        $compute->sql("alter role $role password '$v'");
    }
}

setup();

sub hold { $pg->sql('select pg_advisory_lock(7)') }
sub let_go { $pg->sql('select pg_advisory_unlock_all()') }

my $port = $pg->port;

sub main {
    my (%o) = @_;

    my $url = $o{url} // "postgres://proxy:proxy\@127.0.0.1:$port/app";
    my $more = $o{more} // 'secret_cache size=0; node_cache size=0;';

    return <<"END";
control_plane  $url;
auth_query     "select public.secret(\$1) as rolpassword";
node_query     "select '127.0.0.1' as host, @{[ $compute->port ]} as port
                    where \$1 like 'ep-%'";
$more
END
}

sub front {
    my (%o) = @_;
    return $t->nginx(plain => 1, main => main(%o), %{ $o{nginx} // {} });
}

sub enter {
    my ($n, %o) = @_;

    my $c = $t->enter($n, tls => 'none', database => 'app',
                      password => $pg->password($o{user} // 'alice'),
                      params => [ options => 'endpoint=ep-1' ], %o);
    my $text = $c->error_text || $c->value('select current_user');

    $c->close;
    return $text;
}

# a client that has only said who it is: it waits for the control plane

sub begin {
    my ($n, $user) = @_;

    my $c = $t->client(port => $n->plain_port);
    $c->send(startup_packet([ user => $user, database => 'app',
                              options => 'endpoint=ep-1' ]));
    return $c;
}

# ... and goes on

sub go_on {
    my ($c, $user) = @_;

    $c->authenticate(password => $pg->password($user) // 'pw', wait => 60);
    my $text = $c->error_text || $c->value('select current_user');

    $c->close;
    return $text;
}

sub connections {
    return scalar $pg->sql('select count(*) from pg_stat_activity'
                           . " where usename = 'proxy'" . ($_[0] // ''));
}

sub logins {
    my @logins = $pg->log_text =~ /connection authorized: (user=proxy)/g;
    return scalar @logins;
}

sub blocked { connections(" and wait_event = 'advisory'") }

my $broken = '57P03 Control plane request failed';


# --- a slow one ----------------------------------------------------------

my $n = front(more => 'secret_cache negative=1ms;');
is(enter($n), 'alice', 'warm');

hold();
my $cold = begin($n, 'bob');
eventually { blocked() == 1 } 'a query is under way';

is(scalar(grep { enter($n) eq 'alice' } 1 .. 50), 50,
   '50 logins of others meanwhile');
is(blocked(), 1, '... while it was still under way');
ok(!$cold->readable(0), '... and its client had no answer');

my @crowd = map { begin($n, "crowd$_") } 1 .. 20;
eventually { blocked() == 4 } 'as many connections as there may be';
is(enter($n), 'alice', 'a warm login in front of a full pool');
is(connections(), 4, '20 clients, 4 connections');

let_go();
is(go_on($cold, 'bob'), 'bob', 'the slow one logs in');
is(scalar(grep { go_on($crowd[$_ - 1], "crowd$_") =~ /^28P01/ } 1 .. 20), 20,
   'each of the others has its answer');
cmp_ok(connections(), '<=', 4, 'and no connection more');

my $pool = front(more => 'control_plane_connections 2;');
my $open = logins();

hold();
@crowd = map { begin($pool, "more$_") } 1 .. 5;
eventually { blocked() == 2 } 'control_plane_connections 2';
# a client that leaves while it waits
$crowd[4]->drop;
let_go();
is(scalar(grep { go_on($crowd[$_ - 1], "more$_") =~ /^28P01/ } 1 .. 4), 4,
   'all have their answers');
is(logins() - $open, 2, 'by two connections');


# --- too slow ------------------------------------------------------------

my $short = front(more => 'secret_cache size=0; wake_retry attempts=1;'
                          . ' control_plane_timeout connect=30s'
                          . ' request=3s;');
is(enter($short), 'alice', 'in time');
hold();
is(enter($short, user => 'bob'), $broken, 'a query that takes too long');
$short->log_like(qr/auth_query: (?:the query timed out|57014: canceling)/,
                 'the log says so');
eventually { blocked() == 0 } 'the server ends it, too';
let_go();
is(enter($short, user => 'bob'), 'bob', 'the next one is in time');

# accepted by the kernel, and then nothing
my $deaf = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1')
    or die "listen: $@\n";
my $mute = front(url => 'postgres://proxy@127.0.0.1:' . $deaf->sockport
                        . '/app',
                 more => 'control_plane_timeout connect=300ms;'
                         . ' wake_retry attempts=2 base=1ms;');
is(enter($mute), $broken, 'a server that says nothing');
$mute->log_like(qr/control plane: connecting timed out, next try in/,
                'it is tried again');
close $deaf;


# --- lost ----------------------------------------------------------------

my $sturdy = front(more => 'secret_cache size=0; node_cache size=0;'
                           . ' wake_retry attempts=40 base=50ms factor=1.1;');
is(enter($sturdy), 'alice', 'before');

$pg->sql('select pg_terminate_backend(pid) from pg_stat_activity'
         . " where usename = 'proxy'");
is(enter($sturdy), 'alice', 'idle connections were ended');

hold();
$cold = begin($sturdy, 'bob');
eventually { blocked() == 1 } 'a query is under way';
$pg->sql('select pg_terminate_backend(pid) from pg_stat_activity'
         . " where usename = 'proxy' and wait_event = 'advisory'");
let_go();
is(go_on($cold, 'bob'), 'bob', 'its connection was ended: asked again');

hold();
$cold = begin($sturdy, 'bob');
eventually { blocked() == 1 } 'a query is under way';
my $held = $pg->{dbh};    # or the lock would end before the server
$pg->stop('immediate');
undef $held;
ok(!$cold->readable(0.2), 'the server is gone, and the client is held');
$sturdy->log_like(qr/connection to server at "127.0.0.1", port $port failed:/,
                  'no connection: the log has the words of libpq');
$sturdy->log_like(qr/next try in/, 'and it is tried again');
$pg->start;
is(go_on($cold, 'bob'), 'bob', 'the server is back: asked again');
is(enter($sturdy), 'alice', 'and so does everybody');

# a server that changes its settings tells its idle connections

$pg->sql('select pg_terminate_backend(pid) from pg_stat_activity'
         . " where usename = 'proxy'");
is(enter($sturdy), 'alice', 'one connection');
my $backend = "select min(pid) from pg_stat_activity where usename = 'proxy'";
my $pid = $pg->sql($backend);

for my $scale ('on', 'off') {
    $pg->sql("alter system set default_transaction_read_only = $scale");
    $pg->sql('select pg_reload_conf()');
    eventually {
        my $c = $t->enter($sturdy, tls => 'none', password =>
                          $pg->password('alice'),
                          params => [ options => 'endpoint=ep-1' ]);
        $c->close;
        $pg->{dbh}->disconnect;
        delete $pg->{dbh};
        $pg->sql('show default_transaction_read_only') eq $scale
    } "settings change to $scale";
}

is($pg->sql($backend), $pid, 'it stays, and is still good');


# --- not there at the start, and what the cache says then ----------------

my $stale = front(more => 'secret_cache ttl=1ms stale=1h;'
                          . ' node_cache ttl=1ms stale=1h;'
                          . ' wake_retry attempts=2 base=1ms;');
is(enter($stale), 'alice', 'asked once');

$pg->stop;
is(enter($stale), 'alice', 'the server is gone: its last answer');
$stale->log_like(qr/\[warn\].*its last answer is used once more/,
                 'the log says so');
is(enter($stale, user => 'bob'), $broken, 'there is none for another role');

my $early = front(more => 'wake_retry attempts=2 base=1ms;');
is(enter($early), $broken, 'it was never there');
$pg->start;
eventually { enter($early) eq 'alice' } 'it is there now', 30;


# --- refused -------------------------------------------------------------

$pg->sql('alter role proxy connection limit 0');
my $limited = front(more => 'wake_retry attempts=100 base=20ms factor=1;');
$cold = begin($limited, 'alice');
$limited->log_like(qr/FATAL:\ \ 53300:\ too\ many\ connections\ for\ role
                      \ "proxy",\ next\ try/x, '53300 is tried again');
$pg->sql('alter role proxy connection limit -1');
is(go_on($cold, 'alice'), 'alice', 'until there is room');

my $wrong = front(url => "postgres://proxy:seekrit\@127.0.0.1:$port/app");
is(enter($wrong), $broken, 'a wrong password of ours is not the client\'s');
$wrong->log_like(qr/\[error\].*28P01: password authentication failed for/,
                 'the log says so');
unlike($wrong->log, qr/next try/, 'and it is not tried again');
unlike($wrong->log, qr/seekrit/, 'nothing of the password');

my $nowhere = front(url => "postgres://proxy:proxy\@127.0.0.1:$port/none");
is(enter($nowhere), $broken, 'no such database');
$nowhere->log_like(qr/\[error\].*3D000: database "none" does not exist/,
                   'the log says so');


# --- ways to the server --------------------------------------------------

my $ca = $t->certs('ca.crt');
my $nobody = $t->certs('nobody.crt');
my $wide = 'access_query "select repeat(chr(32), 100000) || \'127.0.0.1\''
           . ' as allowed_ips where $1 like \'ep-%\'";'
           . ' wake_retry attempts=1;';

sub tls {
    my ($ca, $host) = @_;
    return front(url => "postgres://proxy:proxy\@$host:$port/app"
                        . '?hostaddr=127.0.0.1&sslmode=verify-full'
                        . "&sslrootcert=$ca", more => $wide);
}

my $tls = tls($ca, 'compute-1.internal');
is(enter($tls), 'alice', 'TLS, verified, and an answer of many records');
is($pg->sql("select bool_or(ssl) from pg_stat_ssl join pg_stat_activity"
            . " using (pid) where usename = 'proxy'"), 1, 'TLS it was');

my $stranger = tls($nobody, 'compute-1.internal');
is(enter($stranger), $broken, 'TLS, of another authority');
$stranger->log_like(qr/\[error\].*certificate verify failed/,
                    'the log says so');

my $other = tls($ca, 'compute-2.internal');
is(enter($other), $broken, 'TLS, of another name');
$other->log_like(qr/\[error\].*does not match host name "compute-2\.internal"/,
                 'the log says so');

is(enter(front(url => "postgresql://proxy:proxy\@localhost:$port/app")),
   'alice', 'a name to resolve');
my $lost = front(url => "postgres://proxy\@no-such.invalid:$port/app",
                 more => 'wake_retry attempts=1;');
is(enter($lost), $broken, 'a name that is none');
$lost->log_like(qr/could not resolve "no-such\.invalid": /, 'the log says so');

(my $socket = $pg->{dir}) =~ s{/}{%2F}g;
is(enter(front(url => "postgres://postgres\@$socket:$port/app")), 'alice',
   'a Unix socket');

my $passfile = spew($t->dir . '/pgpass', "127.0.0.1:*:*:proxy:proxy\n");
chmod 0600, $passfile;
is(enter(front(url => "postgres://proxy\@127.0.0.1:$port/app",
               nginx => { globals => "env PGPASSFILE=$passfile;" })),
   'alice', 'PGPASSFILE');


# --- leaving -------------------------------------------------------------

my $leaving = front();
is(enter($leaving), 'alice', 'there is an idle connection');

my ($worker) = $leaving->workers;
ok($leaving->reload, 'reload');
eventually { !kill 0, $worker } 'the old worker leaves', 20;
is(enter($leaving), 'alice', 'the new one has its own');

hold();
$cold = begin($leaving, 'bob');
eventually { blocked() == 1 } 'a query is under way';
($worker) = $leaving->workers;
ok($leaving->reload, 'reload meanwhile');
is(enter($leaving), 'alice', 'the new worker works');
ok(kill(0, $worker), 'the old one is held by its session');
let_go();
is(go_on($cold, 'bob'), 'bob', 'which comes to its end');
eventually { !kill 0, $worker } 'then it leaves', 20;

is($leaving->quit(20), 0, 'quit with an idle connection');

my $cut = front(nginx => { globals => 'worker_shutdown_timeout 1s;' });
hold();
$cold = begin($cut, 'bob');
eventually { blocked() == 1 } 'a query is under way';
$cut->signal('QUIT');
is(go_on($cold, 'bob'), '57P01 terminating connection due to administrator'
   . ' command', 'worker_shutdown_timeout ends the session');
is($cut->quit(20), 0, '... and the worker, whose query goes on');
let_go();

$t->done;
