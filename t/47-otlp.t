#!/usr/bin/perl

# Spans of sessions: which there are, what they say, and what they never say;
# traceparent from clients, and to the control plane; who is sampled.

use lib 't/lib';
use NeonTest;
use NeonTest::Otlp;
use NeonTest::Scram;
use NeonTest::WsClient;
use NeonTest::Wire;

my $t = NeonTest->new;
my $col = $t->collector;
my $ws = $t->port;

my $trace = '4bf92f3577b34da6a3ce929d0e0e4736';
my $caller = '00f067aa0ba902b7';
my $secret = 'correct horse';

my $verifier = NeonTest::Scram::verifier('pw');
my $other = NeonTest::Scram::verifier($secret);

# what the compute does is the name of the database

my ($n, $cp, $fc) = $t->front(cache => 1, plain => 1,
    main => $col->directive('service=test', '"header=X-Key: a key"')
            . "connect_retry attempts=2 base=10ms;\n"
            . "wake_retry attempts=3 base=10ms;\nwake_timeout 20s;\n"
            . "tls_required off;\nwebsocket_insecure on;\n",
    http => "server { listen 127.0.0.1:$ws;\n"
            . "location / { neon_proxy_websocket main; } }",
    compute => sub {
        my ($c) = @_;
        my $p = $c->startup or return;

        return $c->error(S => 'FATAL', V => 'FATAL', C => '3D000',
                         M => 'database "none" does not exist')
            if $p->{database} eq 'none';
        return if $p->{database} eq 'first' && $c->{n} % 2;

        $c->welcome;
        $c->serve;
    });

my $bodies = '';
my @sessions;

# the spans of the next sessions, without a fault in any: a list for each

sub traced {
    my ($count, $name, @callers) = @_;

    my @spans = $col->sessions($count);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(join("\n", NeonTest::Otlp::faults(\@spans, callers => \@callers)), '',
       "$name: no faults");

    $bodies .= $_->{body} for $col->requests;
    $col->forget;
    $cp->forget;

    my @sessions = NeonTest::Otlp::by_session(\@spans);
    is(scalar @sessions, $count, "$name: traces");

    return @sessions;
}

sub span { my ($spans, $name) = @_; (grep { $_->{name} eq $name } @$spans)[0] }

sub attrs {
    my ($spans, $name, %want) = @_;

    my $span = span($spans, $name);
    my %is = map { $_ => $span->{attr}{$_} } keys %want;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply(\%is, \%want, "attributes: $name");
}

my $access = 'GET /get_endpoint_access_control';
my $wake = 'GET /wake_compute';


# --- cold and warm -------------------------------------------------------

sub ask {
    my ($c) = @_;

    is($c->error_text, '', 'logged in');
    $c->query("select 'a secret of the user'");
    $c->close;
}

ask($t->enter($n, params => [ application_name => "app\xff\xc3\xa4" ]));
ask($t->enter($n));

my ($first) = $col->sessions(2) ? $col->requests : ();
is($first->{method}, 'POST', 'the request: method');
is($first->{path}, '/v1/traces', 'path');
is($first->{headers}{'content-type'}, 'application/json', 'Content-Type');
is($first->{headers}{'x-key'}, 'a key', 'a header of the configuration');
is($first->{headers}{expect}, undef, 'no Expect');

my @calls = $cp->calls;
my ($cold, $warm) = traced(2, 'cold and warm');

is(NeonTest::Otlp::tree($cold), "session(handshake endpoint access($access)"
   . " authenticate wake($wake) connect login relay)", 'cold: spans');
is(NeonTest::Otlp::tree($warm), 'session(handshake endpoint access'
   . ' authenticate wake connect login relay)', 'warm: spans');

my $root = span($cold, 'session');
my $resource = $root->{resource};

is_deeply([ sort keys %$resource ], [ sort qw/service.name service.version
          service.instance.id host.name process.pid neon.proxy/ ],
          'resource');
is($resource->{'service.name'}, 'test', 'service.name');
is($resource->{'neon.proxy'}, 'main', 'neon.proxy');
is($resource->{'process.pid'}, ($n->workers)[0], 'process.pid');
is($root->{parent}, undef, 'a trace of its own');
is($root->{kind}, 'server', 'kind of the session');
is(join(' ', map { "$_->{name}=$_->{kind}" } grep { $_->{kind} ne 'internal' }
        sort { $a->{name} cmp $b->{name} } @$cold),
   "$access=client $wake=client connect=client login=client session=server",
   'kinds');

attrs($cold, 'session',
    'db.system.name' => 'postgresql', 'db.namespace' => 'app',
    'client.address' => '127.0.0.1', 'network.peer.address' => '127.0.0.1',
    'network.peer.port' => $root->{attr}{'client.port'},
    'network.transport' => 'tcp', 'server.address' => 'ep-1.db.example.com',
    'server.port' => $n->port, 'neon.front' => 'tcp',
    'neon.endpoint' => 'ep-1', 'neon.user' => 'alice',
    'neon.application_name' => "app?\x{e4}", 'neon.secret_cache' => 'MISS',
    'neon.node_cache' => 'MISS', 'neon.cold_start' => 'unknown',
    'neon.retries' => 0, 'neon.auth_method' => 'SCRAM-SHA-256-PLUS',
    'neon.session_id' => $calls[0]{query}{session_id},
    'error.type' => undef, 'neon.sqlstate' => undef);
attrs($warm, 'session', 'neon.secret_cache' => 'HIT', 'neon.node_cache' =>
      'HIT', 'neon.cold_start' => 'warm_cached');
attrs($cold, 'handshake', 'neon.tls' => 'in-band');
attrs($cold, 'access', 'neon.cache' => 'MISS', 'neon.flight' => 'led');
attrs($warm, 'access', 'neon.cache' => 'HIT', 'neon.flight' => undef);
attrs($cold, 'wake', 'neon.project_id' => 'project-1', 'neon.branch_id' =>
      'br-1', 'neon.flight' => 'led', 'neon.cache' => 'MISS');
attrs($warm, 'wake', 'neon.cache' => 'HIT', 'neon.flight' => undef);
attrs($cold, $wake,
    'http.request.method' => 'GET', 'http.response.status_code' => 200,
    'url.full' => 'http://127.0.0.1:' . $cp->port . $calls[1]{target},
    'server.address' => '127.0.0.1', 'server.port' => $cp->port,
    'error.type' => undef, 'http.request.resend_count' => undef);
attrs($cold, $_, 'db.system.name' => 'postgresql', 'server.address' =>
      '127.0.0.1', 'server.port' => $fc->port, 'network.peer.address' =>
      '127.0.0.1', 'network.peer.port' => $fc->port) for qw/connect login/;
cmp_ok(span($cold, 'relay')->{attr}{'neon.bytes.to_compute'}, '>', 20,
       'bytes of the relay');

for my $call (@calls) {
    my $name = $call->{call} eq 'wake' ? $wake : $access;
    is($call->{headers}{traceparent}, "00-$root->{trace}-"
       . span($cold, $name)->{id} . '-01', "traceparent of $name");
}


# --- other clients -------------------------------------------------------

# two at once: one leads, the other one waits

$cp->endpoint('ep-2', address => $fc->address);
$cp->role('ep-2', alice => $verifier);
$cp->script(wake => { delay => 3 });
my @two = map { $t->knock($n, sni => 'ep-2.db.example.com') } 1, 2;
ask($_->authenticate) for @two;
is(scalar(@calls = $cp->calls('wake')), 1, 'two at once: one call');
@sessions = traced(2, 'two at once');
is(join(' ', sort map { span($_, 'wake')->{attr}{'neon.flight'} } @sessions),
   'joined led', 'one leads');
my ($led) = grep { span($_, 'wake')->{attr}{'neon.flight'} eq 'led' }
            @sessions;
is(join(' ', map { span($_, $wake) ? 1 : 0 } $led,
        grep { $_ != $led } @sessions), '1 0', 'and has the call');
is($calls[0]{headers}{traceparent}, '00-' . $led->[0]{trace} . '-'
   . span($led, $wake)->{id} . '-01', 'whose parent it is');

# the one who leads leaves, and the call goes on

$cp->endpoint('ep-3', address => $fc->address);
$cp->role('ep-3', alice => $verifier);
$cp->script(wake => { delay => 3 });
my $leaver = $t->knock($n, sni => 'ep-3.db.example.com');
$cp->called(wake => 1);
$two[1] = $t->knock($n, sni => 'ep-3.db.example.com');
$leaver->abort;
ask($two[1]->authenticate);
($led, my $joined) = traced(2, 'the leader leaves');
is(NeonTest::Otlp::tree($led), "session!(handshake endpoint access($access)"
   . " authenticate wake!($wake))", 'its spans');
attrs($led, $wake, 'neon.result' => 'left', 'http.response.status_code' =>
      undef);
attrs($joined, 'wake', 'neon.flight' => 'joined');

# without TLS; by WebSocket, with a parent of its own

ask($t->enter($n, tls => 'none', params => [ options => 'endpoint=ep-1' ]));
($warm) = traced(1, 'plain');
attrs($warm, 'handshake', 'neon.tls' => 'off');
attrs($warm, 'session', 'server.address' => '127.0.0.1', 'server.port' =>
      $n->plain_port);

sub websocket {
    my (%o) = @_;

    my $c = NeonTest::WsClient->new(port => $ws);
    is($c->upgrade(%o)->{status}, 101, 'WebSocket');
    $c->login(tls => 'none', user => 'alice', password => 'pw');
    ask($c);
}

websocket(headers => { Traceparent => "00-$trace-$caller-01",
                       Tracestate => [ 'a=1', 'b=2 , c=3' ] });
($warm) = traced(1, 'WebSocket', $caller);
is(join('|', map { $_->{state} // 'none' } @$warm),
   join('|', ('a=1,b=2 , c=3') x @$warm), 'its state, in each span');
is(span($warm, 'session')->{parent}, $caller, 'the parent of the request');
is(span($warm, 'session')->{trace}, $trace, 'and its trace');
is(NeonTest::Otlp::tree($warm), 'session(handshake endpoint access'
   . ' authenticate wake connect login relay)', 'WebSocket: spans');
attrs($warm, 'session', 'neon.front' => 'ws', 'server.address' =>
      'ep-1.db.example.com', 'neon.auth_method' => 'cleartext');

websocket(headers => { Traceparent => "00-$trace-$caller-01\r\n"
                                      . "Traceparent: 00-$trace-$caller-01" });
($warm) = traced(1, 'WebSocket, two parents');
isnt($warm->[0]{trace}, $trace, 'two are none');

for my $bad ('a', 'a=1,B=2', 'a=1,,=') {
    websocket(headers => { Traceparent => "00-$trace-$caller-01",
                           Tracestate => $bad });
    ($warm) = traced(1, "WebSocket, the state $bad", $caller);
    is(span($warm, 'session')->{trace}, $trace, 'the trace is there');
    is(span($warm, 'session')->{state}, undef, 'without it');
}

websocket(headers => { Tracestate => 'a=1' });
($warm) = traced(1, 'WebSocket, a state of no trace');
is(span($warm, 'session')->{state}, undef, 'is none');

# a cancel request

my $c = $t->enter($n);
my $k = $t->client(port => $n->plain_port);
$k->send(cancel_request($c->{pid}, $c->{key}));
$k->read_all;
$c->close;
@sessions = traced(2, 'cancel');
is(join(' ', sort map { NeonTest::Otlp::tree($_) } @sessions),
   'session(handshake cancel) session(handshake endpoint access authenticate'
   . ' wake connect login relay)', 'cancel: spans');


# --- failures ------------------------------------------------------------

sub refused {
    my ($name, $tree, $sqlstate, $message, %o) = @_;

    my $c = eval { $t->enter($n, %o) };
    $c->drop if $c;
    my ($spans) = traced(1, $name);

    is(NeonTest::Otlp::tree($spans), $tree, "$name: spans");
    is($c->error->{C}, $sqlstate, "$name: the client") if $c;
    attrs($spans, 'session', 'neon.sqlstate' => $sqlstate);

    my ($step) = grep { defined $_->{error} && $_->{name} =~ /^[a-rt-z]/ }
                 reverse @$spans;
    like($step->{error}, $message, "$name: message of $step->{name}");
    is(index($step->{error}, span($spans, 'session')->{error}), 0,
       "$name: message of the session");

    return $spans;
}

$cp->role('ep-1', bob => $other);
my $spans = refused('wrong password', "session!(handshake endpoint access"
    . "($access) authenticate!)", '28P01', qr/^password authentication failed/,
    user => 'bob', password => "not $secret");
attrs($spans, 'authenticate', 'error.type' => 'password');

$spans = refused('unknown endpoint', "session!(handshake endpoint"
    . " access($access!) authenticate!)", '28P01', qr/knows no such role/,
    sni => 'ep-9.db.example.com', password => $secret);
attrs($spans, $access, 'http.response.status_code' => 404, 'error.type' =>
      '404', 'neon.result' => 'ok');

refused('endpoint of impossible name', 'session!(handshake endpoint!)',
    '28000', qr/alphanumeric/, params => [ options => 'endpoint=a_b' ],
    sni => undef);
refused('no such database', 'session!(handshake endpoint access authenticate'
    . ' wake connect login!)', '3D000', qr/database "none" does not exist/,
    database => 'none');
attrs(refused('again', 'session!(handshake endpoint access authenticate wake'
    . ' connect login!)', '3D000', qr/does not exist/, database => 'none'),
    'login', 'db.response.status_code' => '3D000', 'error.type' =>
    'compute_error');

# the control plane is busy, and then it is not

$cp->endpoint('ep-4', address => $fc->address);
$cp->role('ep-4', alice => $verifier);
$cp->script(wake => { status => 503, json => { error => 'busy' } });
ask($t->enter($n, sni => 'ep-4.db.example.com'));
($spans) = traced(1, 'asked again');
like(NeonTest::Otlp::tree($spans), qr/wake\($wake! $wake\)/, 'two calls');
my ($failed, $again) = sort { $a->{start} <=> $b->{start} }
                       grep { $_->{name} eq $wake } @$spans;
is($failed->{attr}{'http.response.status_code'}, 503, 'the first one');
is($failed->{attr}{'neon.result'}, 'failed', 'failed');
is($again->{attr}{'http.request.resend_count'}, 1, 'the second one');

# ... is gone

$cp->always(wake => { close => 1 });
$cp->endpoint('ep-5', address => $fc->address);
$cp->role('ep-5', alice => $verifier);
$spans = refused('no control plane', "session!(handshake endpoint"
    . " access($access) authenticate wake!($wake! $wake! $wake!))", '57P03',
    qr/Control plane request failed/, sni => 'ep-5.db.example.com');
attrs($spans, $wake, 'error.type' => 'control_plane',
      'http.response.status_code' => undef);
$cp->always('wake');

# a compute that is not there, and one that is at the second try

my $nowhere = $t->port;
$cp->endpoint('ep-6', address => "127.0.0.1:$nowhere");
$cp->role('ep-6', alice => $verifier);
$spans = refused('no compute', "session!(handshake endpoint access($access)"
    . " authenticate wake($wake) connect! wake($wake) connect! connect!)",
    '08006', qr/Couldn't connect to compute node: .*refused|connect\(\)/,
    sni => 'ep-6.db.example.com');
attrs($spans, 'connect', 'network.peer.port' => $nowhere, 'error.type' =>
      'compute_unreachable');
attrs($spans, 'session', 'neon.retries' => 2, 'neon.node_cache' => 'MISS');


# --- traceparent in options ----------------------------------------------

my $header = "-c traceparent=00-$trace-$caller-01";
$cp->endpoint('ep-7', address => $fc->address);
$cp->role('ep-7', alice => $verifier);
ask($t->enter($n, sni => 'ep-7.db.example.com', params => [ options =>
    "-c a=b\\ c $header -c  d=e -c tracestate=x=1,y\@z=2 neon_x:y" ]));
@calls = $cp->calls;
($cold) = traced(1, 'options', $caller);
is(span($cold, 'session')->{parent}, $caller, 'options: parent');
is(span($cold, 'session')->{trace}, $trace, 'options: trace');
is($calls[0]{headers}{traceparent}, "00-$trace-" . span($cold, $access)->{id}
   . '-01', 'options: the control plane');
is($_->{headers}{tracestate}, 'x=1,y@z=2', 'options: tracestate') for @calls;
is(span($cold, 'session')->{state}, 'x=1,y@z=2', 'options: in the span');
is($calls[1]{query}{'options[neon_x]'} // $calls[1]{query}{'options[x]'}, 'y',
   'options: others reach it');
is(($fc->notes('startup'))[-1]{options}, '-c a=b\\ c -c d=e',
   'options: the compute');

# what is none is none, and the compute does not see it either

for my $bad ("00-$trace-$caller-01-x", "ff-$trace-$caller-01", 'x',
             '00-' . '0' x 32 . "-$caller-01", uc "00-$trace-$caller-01") {
    ask($t->enter($n, params => [ options => "-c traceparent=$bad"
                                             . ' -c tracestate=a=1' ]));
    ($warm) = traced(1, $bad);
    is(span($warm, 'session')->{state}, undef, 'no state');
    is(span($warm, 'session')->{parent}, undef, 'no parent');
    isnt($warm->[0]{trace}, $trace, 'another trace');
    is(($fc->notes('startup'))[-1]{options}, undef, 'no options');
}

# later versions

ask($t->enter($n, params => [ options => "-ctraceparent=cc-$trace-$caller-01"
                                         . '-what-comes' ]));
($warm) = traced(1, 'a later version', $caller);
is(span($warm, 'session')->{parent}, $caller, 'its parent');


# --- nothing that is nobody's business -----------------------------------

for my $text ('"pw', '=pw', $secret, 'a secret', 'select', 'test-token',
              'SCRAM-SHA-256$', (split /[\$:]/, $verifier)[2 .. 4]) {
    is(index($bodies, $text), -1, "not exported: $text");
}

cmp_ok(length $bodies, '>', 50_000, 'out of much');


# --- sampling ------------------------------------------------------------

# each call of the control plane says whether its session is sampled: those
# whose id is in the upper part, and no others, are there

my $base = $cp->directives;
$n->set(main => "node_cache size=0;\nsecret_cache size=0;\nlimit_unknown off;"
                . $base . $col->directive('sample=0.25'));
ok($n->reload, 'sample=0.25');
$cp->forget;

for (1 .. 120) {
    my $c = $t->enter($n, tls => 'none',
                      params => [ options => 'endpoint=ep-1' ]);
    $c->close;
}

my %sampled;

for (map { $_->{headers}{traceparent} } $cp->calls('wake')) {
    like($_, qr/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\z/, 'a traceparent');
    my ($id, $low, $flag) = /^00-([0-9a-f]{18}([0-9a-f]{14}))-.*(.)\z/;
    is($flag, $low ge 'c0000000000000' ? 1 : 0, 'by the id');
    $sampled{$id} = 1 if $flag;
}

my @ids = keys %sampled;
cmp_ok(scalar @ids, '>', 5, 'some are sampled: ' . @ids);
cmp_ok(scalar @ids, '<', 75, 'but not all');
@sessions = traced(scalar @ids, 'sample=0.25');
is(join(' ', sort map { $_->[0]{trace} } @sessions), join(' ', sort @ids),
   'those are exported');

# a parent knows better, both ways

$n->set(main => $base . $col->directive('sample=0'));
ok($n->reload, 'sample=0');
ask($t->enter($n));
ask($t->enter($n, params => [ options => "-c traceparent=00-$trace-$caller-00"
                                      ]));
ask($t->enter($n, params => [ options => $header ]));
($warm) = traced(1, 'parent, sampled', $caller);
is($warm->[0]{trace}, $trace, 'the sampled one of three');

$n->set(main => "node_cache size=0;\n$base" . $col->directive);
ok($n->reload, 'sample=1');
ask($t->enter($n, params => [ options => "-c traceparent=00-$trace-$caller-00"
                                      ]));
is(($cp->calls('wake'))[-1]{headers}{traceparent}, "00-$trace-$caller-00",
   'not sampled: goes on as it came');
ask($t->enter($n));
($warm) = traced(1, 'parent, not sampled');
isnt($warm->[0]{trace}, $trace, 'the other one of two');


# --- without otlp --------------------------------------------------------

$n->set(main => "node_cache size=0;\nwebsocket_insecure on;\n$base");
ok($n->reload, 'without otlp');
$cp->forget;

for my $case ([ "00-$trace-$caller-01", "00-$trace-$caller-01" ],
              [ "00-$trace-$caller-00", "00-$trace-$caller-00" ],
              [ "cc-$trace-$caller-01-x", "00-$trace-$caller-01" ],
              [ "00-$trace-$caller-1", undef ], [ undef, undef ]) {
    my ($in, $out) = @$case;

    ask($t->enter($n, params => [ application_name => 'x',
        defined $in ? (options => "--traceparent=$in") : () ]));
    is(($cp->calls('wake'))[-1]{headers}{traceparent}, $out,
       'to the control plane: ' . ($in // 'none'));
    is(($fc->notes('startup'))[-1]{options}, undef, 'to the compute: none');
}

for my $case ([ "00-$trace-$caller-01", 'a=1,b=2', 'a=1,b=2' ],
              [ "00-$trace-$caller-00", ' a=1 ', 'a=1' ],
              [ "00-$trace-$caller-00", 'x', undef ],
              [ 'none', 'a=1', undef ], [ "00-$trace-$caller-01" ]) {
    my ($parent, $in, $out) = @$case;

    websocket(headers => { Traceparent => $parent, Tracestate => $in });
    is(($cp->calls('wake'))[-1]{headers}{tracestate}, $out,
       'to the control plane: ' . ($in // 'none') . " with $parent");
}

ask($t->enter($n, params => [ application_name => 'x',
    options => "-c traceparent=00-$trace-$caller-01 -c tracestate=a=1\\ 2" ]));
is(($cp->calls('wake'))[-1]{headers}{tracestate}, undef,
   'to the control plane: no escapes');

is($col->count('session'), 0, 'no spans');

$t->done;
