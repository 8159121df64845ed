#!/usr/bin/perl

# Limits: login attempts of an endpoint, names that do not exist, calls that
# wake a compute.  A scan against the defaults: checks/C30-scan.t.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;
use NeonTest::WsClient;

use JSON::PP ();
use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $cp = $t->control_plane(cache => 1);
my $fc = $t->fake_compute(\&NeonTest::welcome);
my $class = 'NeonTest::ControlPlane';
my $verifier = NeonTest::Scram::verifier('pw');
my ($true, $false) = (JSON::PP::true(), JSON::PP::false());
my $n;

sub exists_ {
    for my $name (@_) {
        $cp->role($name, alice => $verifier);
        $cp->endpoint($name, address => $fc->address);
    }
}

# without TLS; reuseport: the kernel gives each worker its share
sub nginx {
    my ($main, %o) = @_;

    my $port = $t->port;

    $cp->forget;

    return $n = $t->nginx(main => $cp->directives . $main, port => $port,
                          stream => <<"END", %o);
server {
    listen 127.0.0.1:$port reuseport;
    neon_proxy_pass main;
}
END
}

sub enter {
    my ($name, %o) = @_;

    return $t->enter($n, tls => 'none', params =>
                     [ options => "endpoint=$name" ], %o);
}

# the SQLSTATE that ended it, or ''
sub code { $_[0]->error ? $_[0]->error->{C} : '' }

# as far as the limits go: "R", to go on, or the SQLSTATE
sub knock { said(begun(@_)) }

sub begun {
    my ($name, %o) = @_;

    my $c = $t->client(port => $n->port, source => $o{source});

    $c->send(startup_packet([ user => $o{user} // 'alice',
                              options => "endpoint=$name" ]));
    return $c;
}

sub said {
    my ($c) = @_;

    my $m = $c->read_message or return 'closed';
    $c->drop;

    return $m->{type} eq 'E' ? error_fields($m->{body})->{C} : $m->{type};
}

# of so many, how many may go on
sub passed { scalar grep { $_ eq 'R' } @_ }

sub calls { scalar(() = $cp->calls($_[0])) }

sub workers {
    my ($what) = @_;

    my %pids = map { $_ => 1 } $n->log =~ /(\d+)#\d+: \*\d+ .*$what/g;
    return scalar keys %pids;
}


# --- limit_connections ---------------------------------------------------

exists_(qw/ep-1 ep-2 ep-3 ep-4/);

nginx('');
is(passed(map { knock('ep-1') } 1 .. 50), 50, 'off by default');

# one a minute: what is gone does not come back while this test runs
nginx("limit_connections rate=1r/m burst=3;\n");

for (1 .. 3) {
    my $c = enter('ep-1');
    is($c->error_text, '', "login $_ of 3");
    is($c->value('hello'), 'hello', "login $_: a query");
    $c->close;
}

my $c = enter('ep-1');
is_deeply($c->error, {
    S => 'FATAL', V => 'FATAL', C => '53300',
    M => 'Too many connections to this endpoint. Please try again later.',
    H => 'Connect less often, and keep connections open for more than one'
         . ' transaction.' }, 'the fourth is refused, and told how');
is_deeply($c->{auth}, undef, 'before the password is asked for');
is($c->read_all, '', 'and closed');
is(knock('ep-1-pooler'), '53300', 'with "-pooler" as well');
is(knock('ep-2'), 'R', 'another endpoint is not concerned');
is(knock('ep-2-pooler'), 'R', '"-pooler" counts with its endpoint');
is(enter('ep-2')->error_text, '', 'both together');
is(knock('ep-2'), '53300', 'make three');
like($n->log, qr/\[warn\] .*\(rate_limit, SQLSTATE 53300\).*endpoint: ep-1\b/,
     'the log');

# attempts are what counts, whoever makes them
is(code(enter('ep-3', password => 'wrong')), '28P01',
   'a wrong password counts');
is(code(enter('ep-3', user => 'nobody')), '28P01',
   'an unknown role counts');
is(knock('ep-3', source => '127.1.2.3'), 'R', 'another network counts');
is(code(enter('ep-3')), '53300', 'the fourth is refused');
is(passed(map { knock('ep-9') } 1 .. 5), 3,
   'an endpoint that does not exist has the same limit');

is(knock('ep-4'), 'R', 'one');
ok($n->reload, 'reload');
is(passed(map { knock('ep-4') } 1 .. 5), 2, 'counted on over a reload');

$n->set(main => $cp->directives . "limit_connections off;\n");
ok($n->reload, 'reload with off');
is(passed(map { knock('ep-4') } 1 .. 5), 5, 'off');

nginx("limit_connections rate=1r/m burst=20;\n", workers => 4);
is(passed(map { knock('ep-1') } 1 .. 80), 20, 'four workers together');
cmp_ok(workers('53300'), '>=', 2, 'of which more than one refused');

# 20 minutes are in that bucket: nobody who reloads would wait for them
$n->set(main => $cp->directives . "limit_connections rate=2r/s burst=2;\n");
ok($n->reload, 'reload with a wider one');
eventually { knock('ep-1') eq 'R' } 'which holds for the bucket that was full';

# it fills up again
nginx("limit_connections rate=2r/s burst=2;\n");
eventually { knock('ep-1') eq '53300' } 'empty';
eventually { knock('ep-1') eq 'R' } 'later there is one more';


# --- what the control plane says of it -----------------------------------

sub rates {
    my ($name, $tcp, $ws) = @_;

    exists_($name);
    $cp->rules($name, rate_limits => { connection_attempts => {
        tcp => $tcp, ws => $ws, http => undef } });
}

nginx('');
rates('ep-tight', { rps => 0.01, burst => 2.0 });
is(enter('ep-tight')->error_text, '', "the endpoint's own limit");
is(enter('ep-tight')->error_text, '', 'twice');
is(code(enter('ep-tight')), '53300', 'and no more');
is(knock('ep-tight-pooler'), '53300', 'with "-pooler" as well');
is(calls('access'), 1, 'from the cache, too');
ok($n->reload, 'reload');
is(knock('ep-tight'), '53300', 'over a reload');

nginx("limit_connections rate=1r/m burst=1;\n");
rates('ep-wide', { rps => 1000, burst => 1000 });
is(passed(map { knock('ep-wide') } 1 .. 20), 20,
   'in place of a tighter one of the configuration');
is(passed(map { knock('ep-1') } 1 .. 5), 1, 'which others have');

# each front has its own
my $ws_port = $t->port;
nginx("limit_connections rate=1r/m burst=4;\nwebsocket_insecure on;\n",
      http => "server { listen 127.0.0.1:$ws_port;\n"
              . "location / { neon_proxy_websocket main; } }\n");

sub knock_ws {
    my ($name) = @_;

    my $ws = NeonTest::WsClient->new(port => $ws_port);
    $ws->upgrade(host => "$name.db.example.com");
    return code($ws->login(password => 'pw')) || 'R';
}

rates('ep-both', { rps => 0.01, burst => 1 }, { rps => 0.02, burst => 2 });
is(join(' ', map { knock('ep-both') } 1 .. 2), 'R 53300', 'tcp');
is(join(' ', map { knock_ws('ep-both') } 1 .. 3), 'R R 53300', 'ws');
is(knock('ep-both'), '53300', 'tcp has not become wider by it');

rates('ep-ws', undef, { rps => 0.01, burst => 1 });
is(join(' ', map { knock_ws('ep-ws') } 1 .. 2), 'R 53300', 'ws alone');
is(passed(map { knock('ep-ws') } 1 .. 6), 4, 'tcp as configured');

nginx("limit_connections rate=1000r/s burst=1000;\n");
rates('ep-tight2', { rps => 0.01, burst => 1 });
is(passed(map { knock('ep-tight2') } 1 .. 5), 1, 'or of a wider one');

# with secret_cache off it is asked for, and counted, each time
nginx("secret_cache size=0;\n");
rates('ep-tight3', { rps => 0.01, burst => 2 });
is(passed(map { knock('ep-tight3') } 1 .. 5), 2, 'without the cache');

# what is no limit of the endpoint's leaves it to the configuration
my %rates = (
    'no rps' => { burst => 50 },
    'no burst' => { rps => 50 },
    'zeros' => { rps => 0, burst => 0 },
    'rps 0' => { rps => 0.0, burst => 50 },
    'burst 0' => { rps => 50, burst => 0 },
    'rps -1' => { rps => -1, burst => 50 },
    'burst -1' => { rps => 50, burst => -1 },
    'rps null' => { rps => undef, burst => 50 },
    'burst null' => { rps => 50, burst => undef },
    'nothing' => {},
    'null' => undef,
    'another name' => { RPS => 50, Burst => 50 },
);

my %text = (
    'huge' => '{"tcp":{"rps":1e999,"burst":1e999}}',
    'hugely negative' => '{"tcp":{"rps":-1e999,"burst":-1e999}}',
    'almost nothing' => '{"tcp":{"rps":1e-999,"burst":1e-999}}',
    'very long' => '{"tcp":{"rps":' . 1 x 5000 . ',"burst":50}}',
    'of another front' => '{"ws":{"rps":50,"burst":50}}',
    'connection_attempts null' => 'null',
);

my %wrong = (
    'strings' => '{"tcp":{"rps":"50","burst":"50"}}',
    'a string and a number' => '{"tcp":{"rps":50,"burst":"50"}}',
    'true' => '{"tcp":{"rps":true,"burst":true}}',
    'arrays' => '{"tcp":{"rps":[50],"burst":[50]}}',
    'objects' => '{"tcp":{"rps":{"rps":50},"burst":{"burst":50}}}',
    'tcp is a number' => '{"tcp":50}',
    'tcp is an array' => '{"tcp":[50,50]}',
    'connection_attempts is a string' => '"50"',
    'connection_attempts is an array' => '[]',
);

nginx("limit_connections rate=1r/m burst=1;\n");

my $number = 0;

for my $case (sort keys %rates) {
    my $name = 'ep-rates-' . ++$number;

    rates($name, $rates{$case});
    is(join(' ', map { knock($name) } 1 .. 3), 'R 53300 53300',
       "rate_limits, $case: no limit of the endpoint's");
}

%text = (%text, %wrong);

for my $case (sort keys %text) {
    my $name = 'ep-rates-' . ++$number;

    $cp->script(access => { status => 200, body =>
        "{\"role_secret\":\"$verifier\",\"rate_limits\":"
        . "{\"connection_attempts\":$text{$case}}}" });
    is(join(' ', map { knock($name) } 1 .. 3), 'R 53300 53300',
       "rate_limits, $case: no limit of the endpoint's");
}

$cp->script(access => { status => 200, body =>
    "{\"role_secret\":\"$verifier\",\"rate_limits\":null}" });
is(join(' ', map { knock('ep-rates-null') } 1 .. 3), 'R 53300 53300',
   'rate_limits null');


# --- limit_unknown -------------------------------------------------------

# who has logged in before is not concerned, nor is another network
nginx("limit_unknown rate=1r/m burst=20;\n", workers => 4);
is(enter('ep-1')->error_text, '', 'somebody logs in');
$cp->forget;
my $reached = $fc->connections;

is(passed(map { knock("scan-$_") } 1 .. 500), 20,
   'a scan of 500 names: 20 are asked for');
is(calls('access'), 20, 'with a call for each of the 20');
is(calls('wake'), 0, 'no compute was started');
is($fc->connections, $reached, 'nor reached');
cmp_ok(workers('53300'), '>=', 2, 'of more than one worker');

$c = enter('scan-500');
is_deeply($c->error, {
    S => 'FATAL', V => 'FATAL', C => '53300',
    M => 'Too many failed attempts from this network.'
         . ' Please try again later.',
    H => 'Connect less often, and keep connections open for more than one'
         . ' transaction.' }, 'what the others are told');
is_deeply($c->{auth}, undef, 'before the password is asked for');
like($n->log, qr/\(rate_limit, SQLSTATE 53300\): limit_unknown: too many/,
     'what the log says');

$cp->forget;
is(passed(map { knock("scan-$_") } 1 .. 20), 20,
   'those that are known not to exist need no call');
is(knock('scan-501', source => '127.0.0.77'), '53300',
   'others of the same network are refused');
is(knock('ep-1', user => 'nobody'), '53300', 'for an unknown role as well');
is(knock('ep-3'), '53300', 'and for one that nobody has asked for');
is(calls('access'), 0, 'no call');

is(enter('ep-1')->error_text, '', 'one that is cached goes on');
is(calls('access'), 0, 'without a call');
is(knock('scan-501', source => '127.0.1.5'), 'R',
   'another network may ask');
is(knock('ep-3', source => '127.0.1.5'), 'R', 'for what there is, too');
is(knock('ep-3'), 'R', 'and then it is cached for all');

ok($n->reload, 'reload');
is(knock('scan-502'), '53300', 'over a reload');
$n->set(main => $cp->directives . "limit_unknown off;\n");
ok($n->reload, 'reload with off');
$cp->forget;
is(passed(map { knock("more-$_") } 1 .. 50), 50, 'off');
is(calls('access'), 50, 'a call for each');

# what exists is not counted, whatever comes of it
nginx("limit_unknown rate=1r/m burst=3;\nsecret_cache size=0;\n");
is(passed(map { knock('ep-1') } 1 .. 20), 20, 'known ones do not count');
is(code(enter('ep-1', password => 'wrong')), '28P01',
   'nor does a wrong password') for 1 .. 5;
$cp->always(access => { status => 500, body => 'x' });
is(knock('ep-1'), '57P03', 'nor a control plane that is down') for 1 .. 2;
$cp->always(access => undef);
is(passed(map { knock('ep-1', user => "nobody-$_") } 1 .. 10), 3,
   'unknown roles do');

# a slow control plane makes no hole in it
nginx("limit_unknown rate=1r/m burst=10;\n", connections => 512);
$cp->always(access => { delay => 0.5 });

my @scan = map { begun("slow-$_") } 1 .. 100;
is(passed(map { said($_) } @scan), 10,
   'a scan of 100 names at once: 10 are asked for');
is(calls('access'), 10, 'with a call for each of the 10');

# what exists has its turn, if later, be it more than the limit at once
exists_(map { "herd-$_" } 1 .. 12);
nginx("limit_unknown rate=1r/m burst=3;\n");
$cp->always(access => { delay => 0.1 });
my @herd = map { begun("herd-$_") } 1 .. 12;
is(passed(map { said($_) } @herd), 12, 'twelve that exist at once');
is(calls('access'), 12, 'a call for each');
is(passed(map { knock("none-$_") } 1 .. 5), 3, 'and none of them counted');

# so many, which leave when three were asked for
sub begun_and_gone {
    my ($n_clients, $name) = @_;

    my @clients = map { begun("$name-$_") } 1 .. $n_clients;
    $cp->called(access => 3);
    $_->drop for @clients;
    eventually { $n_clients == (() = $n->log =~ /\(client_gone\)/g) }
               'all have left';
}

# those who have left before it was their turn are not asked for
exists_(map { "gone-$_" } 1 .. 20);
nginx("limit_unknown rate=1r/m burst=3;\n");
$cp->always(access => { delay => 2 });
begun_and_gone(12, 'gone');
$cp->always(access => undef);
is(passed(map { knock("gone-$_") } 13 .. 17), 5, 'five others');
cmp_ok(calls('access'), '<=', 3 + 5, 'no call for those who left');

# a worker that ends with questions that are open keeps nothing of it
nginx("limit_unknown rate=1r/m burst=3;\n");
$cp->always(access => { hang => 1 });
begun_and_gone(3, 'left');
ok($n->reload, 'reload');
$n->log_like(qr/worker process \d+ exited with code 0/, 'the old worker ended');
$cp->always(access => undef);
is(knock('herd-1'), 'R', 'a name that exists does not wait for those');

# a network that must wait, or is refused, does not keep another one from
# asking for the same role
for my $workers (1, 4) {
    nginx("limit_unknown rate=1r/m burst=1;\n", workers => $workers);
    $cp->always(access => { delay => 1 });

    my $scanner = begun("victim-$workers");
    $cp->called(access => 1);
    my @before = map { begun('ep-4') } 1 .. 4;
    my @victims = map { begun('ep-4', source => '127.0.1.5') } 1 .. 4;

    is(said($scanner), 'R', 'a name that does not exist');
    is(passed(map { said($_) } @victims), 4,
       "$workers worker(s): four of another network, behind one that waits");
    said($_) for @before;
}

$cp->always(access => undef);


# --- calls that wake a compute -------------------------------------------

# one that never answers: a call at first, one for the failure, then pauses
my $dead = $t->port;
$cp->role('ep-5', alice => $verifier);
$cp->endpoint('ep-5', address => "127.0.0.1:$dead");
nginx("connect_retry attempts=5 base=1ms factor=1;\n", workers => 4);
is(code(enter('ep-5')), '08006', 'a compute that is never there');
is(calls('wake'), 2, 'two calls');

$cp->forget;
my @waiting = map { enter('ep-5', stop => 1) } 1 .. 40;
$_->authenticate for @waiting;
is(scalar(grep { code($_) eq '08006' } @waiting), 40,
   '40 clients more, all refused');
cmp_ok(calls('wake'), '<=', 80, 'at most two calls each');

# a control plane that says "again, at once" without end
nginx(<<'END', workers => 4);
wake_retry attempts=1000 base=1ms factor=1;
wake_timeout 2s;
END
$cp->always(wake => $class->error(503, 'RUNNING_OPERATIONS', retry => 1));
my $begun = time;
@waiting = map { enter('ep-1', stop => 1, params => [
    options => "endpoint=ep-1 neon_lsn:0/$_" ]) } 1 .. 4;
$_->authenticate for @waiting;
is(code($_), '57P03', 'refused in the end') for @waiting;

my $calls = calls('wake');
my $took = time - $begun;
cmp_ok($calls, '<=', 300 + 100 * $took + 1,
       'at most 300 calls at once, and 100 a second');
cmp_ok($calls, '>', 4, 'more than one each');

$t->done;
