#!/usr/bin/perl

# drain idle: a worker that quits closes sessions at a transaction boundary,
# and no others; worker_shutdown_timeout ends what is left with whole messages.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;
use NeonTest::WsClient;

use IO::Select;
use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $pg = $t->postgres(conf => { wal_level => 'logical' });

my $cp = $t->control_plane;
$cp->role('ep-1', $_ => $pg->verifier($_)) for qw/alice repl/;
$cp->endpoint('ep-1', address => $pg->address);

my $main = $cp->directives . "websocket_insecure on;\n";
my $port = $t->port;
my $http = <<"END";
server {
    listen 127.0.0.1:$port;
    location / { neon_proxy_websocket main; }
    location = /status { neon_proxy_status main; }
    location = /metrics { neon_proxy_metrics main; }
}
END

my $n = $t->nginx(main => "$main drain idle after=0 rate=off;\n",
                  http => $http, workers => 2, plain => 1);

sub enter {
    my (%o) = @_;

    my $user = $o{user} // 'alice';
    return $t->enter($n, password => $pg->password($user), %o);
}

sub query { message('Q', "$_[0]\0") }

# the whole ErrorResponse, and nothing behind it

sub drained {
    my ($c, $name) = @_;

    my $m = $c->read_message(30);
    my $e = $m && $m->{type} eq 'E' ? error_fields($m->{body}) : {};

    is(join(' ', @$e{qw/S C/}), 'FATAL 57P01', "$name: told")
        or diag(explain $m);
    like($e->{H} // '', qr/Connect again/, "$name: with a hint");
    is($c->read_all, '', "$name: closed");
    $c->drop;
}

sub stays {
    my ($c, $name) = @_;

    ok(!IO::Select->new($c->{socket})->can_read(0), "$name: not closed");
}

sub page {
    my ($path) = @_;

    require Mojo::UserAgent;
    return Mojo::UserAgent->new->get("http://127.0.0.1:$port$path")->result;
}

sub old_workers { grep { $_->{state} eq 'draining' }
                      @{ page('/status?format=json')->json->{workers} } }


# --- at a boundary, and nowhere else --------------------------------------

my %c = map { $_ => enter() }
            qw/idle transaction failed busy batch copy half listen slow/;
$c{plain} = enter(tls => 'none', params => [ options => 'endpoint=ep-1' ]);
$c{websocket} = NeonTest::WsClient->new(port => $port);
$c{websocket}->upgrade(host => 'ep-1.db.example.com');
$c{websocket}->login(password => $pg->password('alice'));
$c{repl_idle} = enter(user => 'repl', params => [ replication => 'database' ]);
$c{repl} = enter(user => 'repl', params => [ replication => 'database' ]);

is($c{$_}->value('select 1'), 1, "$_ is in")
    for grep { !/repl/ } sort keys %c;
is($c{$_}->query('IDENTIFY_SYSTEM')->{tag}, 'IDENTIFY_SYSTEM', "$_ is in")
    for grep { /repl/ } sort keys %c;

$c{transaction}->query('begin');
$c{failed}->query('begin');
$c{failed}->query('select 1/0');
$c{busy}->send(query('select pg_sleep(2), 42'));
$c{batch}->send(message('P', "\0select 43\0" . pack('n', 0))
                . message('B', "\0\0" . pack('nnn', 0, 0, 0))
                . message('E', "\0" . pack('N', 0)) . message('H', ''));
is($c{batch}->read_message->{type}, $_, "batch: $_") for qw/1 2 D C/;
$c{copy}->query('create temp table y (line text)');
$c{copy}->send(query('copy y from stdin') . message('d', "1\n"));
is($c{copy}->read_message->{type}, 'G', 'a COPY is under way');
$c{half}->send(substr query('select 44'), 0, 9);
$c{listen}->query('listen news');
$c{slow}->send(query("select repeat('x', 1000)"
                     . " from generate_series(1, 20000)"));
$c{repl}->query('CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL test_decoding');
$c{repl}->send(query('START_REPLICATION SLOT s LOGICAL 0/0'));
is($c{repl}->read_message->{type}, 'W', 'a replication stream is under way');

# these wait for their compute, and come into the relay of one that drains
$cp->endpoint('ep-2', address => $pg->address);
$cp->role('ep-2', alice => $pg->verifier('alice'));
$cp->script(wake => { delay => 2 });
my @wait = map { $t->enter($n, sni => 'ep-2.db.example.com', stop => 1,
                           password => $pg->password('alice')) } 1, 2;

ok($n->reload, 'reload');

drained($c{$_}, $_) for qw/idle plain listen repl_idle/;
drained($c{websocket}, 'websocket');
is($c{websocket}{close}{code}, 1000, 'websocket: Close');

stays($c{$_}, $_) for qw/transaction failed busy batch copy half/;

is($c{transaction}->value('select 45'), 45, 'transaction: served');
$c{transaction}->send(query('commit'));
is($c{transaction}->result->{tag}, 'COMMIT', 'transaction: ends well');
drained($c{transaction}, 'transaction');

$c{failed}->send(query('rollback'));
is($c{failed}->result->{tag}, 'ROLLBACK', 'failed transaction: ends well');
drained($c{failed}, 'failed transaction');

is($c{busy}->result->{rows}[0][1], 42, 'busy: the query ends well');
drained($c{busy}, 'busy');

$c{batch}->send(message('S', ''));
is($c{batch}->read_message->{type}, 'Z', 'batch: synced');
drained($c{batch}, 'batch');

$c{copy}->send(message('d', "2\n") . message('c', ''));
is($c{copy}->result->{tag}, 'COPY 2', 'COPY: ends well');
drained($c{copy}, 'COPY');

$c{half}->send(substr query('select 44'), 9);
is($c{half}->result->{rows}[0][0], 44, 'half a message: the rest is served');
drained($c{half}, 'half a message');

is(scalar(@{ $c{slow}->result(60)->{rows} }), 20000,
   'slow reader: gets its rows');
drained($c{slow}, 'slow reader');

# newly logged in: the first query is answered
for my $c (@wait) {
    $c->authenticate(password => $pg->password('alice'));
    is($c->error_text, '', 'the client that waited is in');
}

is($wait[0]->value('select 46'), 46, 'newcomer: its query is answered');
drained($wait[0], 'newcomer');
drained($wait[1], 'newcomer that asks nothing');

# the stream goes on until its client ends it
$pg->sql('create table t (n int)');
$pg->sql('insert into t values (4711)');
my $seen = '';
while ($seen !~ /4711/) {
    my $m = $c{repl}->read_message(30) or last;
    $seen .= $m->{body};
}
like($seen, qr/n\[integer\]:4711/, 'replication: the stream goes on');

eventually {
    my @old = old_workers();
    @old == 1 && $old[0]{sessions} == 1
} 'one old worker is left, with one session';
like(page('/metrics')->body,
     qr/^neon_proxy_sessions_draining\{proxy="main"\} 1$/m,
     'the metrics say so');

$c{repl}->send(message('c', ''));
my $m;
do { $m = $c{repl}->read_message(30) } while $m && $m->{type} ne 'Z';
is($m && $m->{type}, 'Z', 'replication: ends');
drained($c{repl}, 'replication');

eventually { !old_workers() } 'the old workers are gone';
like(page('/metrics')->body,
     qr/^neon_proxy_errors_total\{.*reason="drained".*\} 15$/m, 'all counted');
like(page('/metrics')->body,
     qr/^neon_proxy_sessions_total\{.*front="tcp",outcome="ok"\} 14$/m,
     'as sessions that ended well');
$n->log_like(qr/\(drained, SQLSTATE 57P01\) while proxying session/,
             'a line for each in the log');


# --- after= ---------------------------------------------------------------

$n->set(main => "$main drain idle after=1h;\n");
ok($n->reload, 'reload');
my @idle = map { enter() } 1 .. 3;
$_->query('select 1') for @idle;
$n->set(main => "$main drain idle after=0 rate=5r/s;\n");
ok($n->reload, 'reload');
eventually { my $all = 0; $all += $_->{sessions} for old_workers(); $all == 3 }
           'the old workers have their sessions';
is($_->value('select 1'), 1, 'after=1h: served') for @idle;
$_->close for @idle;


# --- rate= ----------------------------------------------------------------

@idle = map { enter() } 1 .. 11;
$_->query('select 1') for @idle;
my $begin = time;
$n->set(main => "$main drain wait;\n");
ok($n->reload, 'reload');
drained($idle[$_], "paced $_") for 0 .. $#idle;
cmp_ok(time - $begin, '>', 1.9, 'rate=5r/s over both workers');


# --- wait -----------------------------------------------------------------

my $idle = enter();
$idle->query('select 1');
ok($n->reload, 'reload');
eventually { old_workers() == 1 } 'drain wait: an old worker';
is($idle->value('select 1'), 1, 'drain wait: the session is served');
$idle->close;
eventually { !old_workers() } 'drain wait: then it leaves';


# --- quit -----------------------------------------------------------------

$n->set(main => "$main drain idle after=0;\n");
ok($n->reload, 'reload');
@idle = map { enter() } 1 .. 5;
$_->query('select 1') for @idle;
$n->signal('QUIT');
drained($idle[$_], "quit $_") for 0 .. $#idle;
is($n->{process}->wait(10 * $NeonTest::slow), 0, 'quit: nginx ends');

$t->done;
