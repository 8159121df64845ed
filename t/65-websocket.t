#!/usr/bin/perl

# Postgres over WebSocket: the upgrade, the login, the relay and the end.  W1
# to W13 are the checks of a server for @neondatabase/serverless.

use lib 't/lib';
use NeonTest;
use NeonTest::Page;
use NeonTest::WsClient;
use NeonTest::Wire;

use Digest::MD5 qw/md5_hex/;
use JSON::PP qw/encode_json/;

my $t = NeonTest->new;
my ($port, $secure, $metrics) = map { $t->port } 1 .. 3;
my $certs = $t->certs;
my $log = $t->dir . '/access.log';
my $gate = $t->dir . '/gate';
my $page = NeonTest::Page->new($metrics);
my $host = 'ep-1.db.example.com';
my @database = (database => 'app');


# --- the world ------------------------------------------------------------

# what the compute asks for is the name of the database

my $verifier;

sub compute_login {
    my ($c, $database) = @_;

    return $c->scram($verifier->()) if $database eq 'scram';
    return $c->cleartext eq 'pw' if $database eq 'cleartext';

    if ($database eq 'md5') {
        $c->auth(5, 'salt');
        my (undef, $body) = $c->read_message;
        return $body eq 'md5' . md5_hex(md5_hex('pwalice') . 'salt') . "\0";
    }

    return 1;
}

sub compute {
    my ($c) = @_;

    my $p = $c->startup or return;

    if (!compute_login($c, $p->{database})) {
        return $c->error(S => 'FATAL', C => '28P01', M => 'no');
    }

    $c->welcome;

    eval {
        $c->serve(sub {
            my ($sql) = @_;

            if ($sql eq 'sleep') {
                $c->note(sleeping => 1);
                $c->until_canceled or die "not canceled\n";
                $c->send(error_message(S => 'ERROR', C => '57014',
                                       M => 'canceled'));
                return 'canceled';
            }

            if ($sql eq 'late') {
                select undef, undef, undef, 0.01 while !-e $gate;
                unlink $gate;
            }

            die "bye\n" if $sql eq 'bye';

            return $1 x $2 if $sql =~ /^(.)x(\d+)$/;
            return $sql;
        });
    };

    $c->note(ended => $@ || 'X');
}

# the fake compute's children read the verifier when it is there

my $file = $t->dir . '/verifier';
$verifier = sub { slurp($file) };

my $fast = "connect_retry attempts=2 base=1ms factor=1;\n"
           . "wake_retry attempts=1 base=1ms factor=1;\n";
my $insecure = "websocket_insecure on;\n";
my $origins = "websocket_origins https://app.example.com"
              . " https://*.pages.example;\n";

my $cp = $t->control_plane;

sub block {
    my ($name, $text) = @_;

    return "neon_proxy $name {\nzone $name 1m;\n" . $cp->directives
           . "$fast$text}\n";
}

my $locations = join '', map { "location /$_ { neon_proxy_websocket $_; }\n" }
                         qw/strict origins ping hasty/;

my ($n, undef, $fc) = $t->front(
    control_plane => $cp, compute => \&compute, main => "$fast$insecure",
    globals => block(strict => '') . block(origins => "$insecure$origins")
        . block(ping => $insecure . "websocket_ping 100ms;\n")
        . block(hasty => $insecure . "wake_timeout 300ms;\n"),
    http => <<"END" . NeonTest::Page->server($metrics, 'main'));
log_format neon '\$status|\$bytes_sent|\$neon_endpoint|\$neon_user|'
                '\$neon_sqlstate|\$request_uri';

server {
    listen 127.0.0.1:$port;
    access_log $log neon;
    $locations
    location / { neon_proxy_websocket main; }
}

server {
    listen 127.0.0.1:$secure ssl http2;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    $locations
    location / { neon_proxy_websocket main; }
}
END

spew($file, $t->{verifier});

my $closed = $t->port;
for my $ep (qw/ep-2 ep-3/) {
    $cp->role($ep, alice => $t->{verifier});
    $cp->endpoint($ep, address => "127.0.0.1:$closed");
}

# a client of which nothing was read yet: tls => { alpn => } | 0

sub open_ws {
    my (%o) = @_;

    my $c = NeonTest::WsClient->new(
        port => $o{tls} ? $secure : $port,
        map { $_ => $o{$_} } grep { exists $o{$_} } qw/pong reply/);

    $c->start_tls(sni => 'db.example.com', %{ $o{tls} }) if $o{tls};
    $c->upgrade(host => $host, %o);

    return $c;
}

sub enter {
    my (%o) = @_;

    return open_ws(%o)->login(password => 'pw', %o);
}

my $startup = startup_packet([ user => 'alice', @database ]);
my $password = message('p', "pw\0");

sub query { message('Q', "$_[0]\0") }

sub types { join '', map { $_->{type} } @_ }

# the Close, and TCP behind it

sub closed {
    my ($c, $name, $code) = @_;

    $c->read_to_end;
    is($c->{close} && $c->{close}{code}, $code // 1000, "$name: Close");
    ok($c->{ended}, "$name: the end of the connection");
}

# an ErrorResponse, then Close

sub refused {
    my ($c, $name, $sqlstate) = @_;

    my $e = $c->error // {};
    is($e->{S}, 'FATAL', "$name: FATAL");
    is($e->{V}, 'FATAL', "$name: FATAL in V too");
    is($e->{C}, $sqlstate, "$name: SQLSTATE");
    ok(length($e->{M} // ''), "$name: a message");
    closed($c, $name);
}

sub ends_well {
    my ($c, $name) = @_;

    $c->send(message('X'));
    closed($c, $name);
}


# --- the upgrade ----------------------------------------------------------

my $c = open_ws(headers => { 'Sec-WebSocket-Extensions' =>
    'permessage-deflate; client_max_window_bits' });
my $r = $c->{response};

is($r->{status}, 101, 'W1: 101');
is($r->{headers}{'sec-websocket-accept'},
   NeonTest::WsClient::accept_of($c->{key64}), 'W1: Sec-WebSocket-Accept');
is(lc $r->{headers}{upgrade}, 'websocket', 'W1: Upgrade');
is(lc $r->{headers}{connection}, 'upgrade', 'W1: Connection');
ok(!exists $r->{headers}{$_}, "W1: no $_")
    for qw/sec-websocket-protocol sec-websocket-extensions content-length
           transfer-encoding content-type/;

# the example of RFC 6455
$c = open_ws(headers => { 'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==' });
is($c->{response}{headers}{'sec-websocket-accept'},
   's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'the accept of the RFC');
$c->drop;

for my $path ('/', '/v1', '/v2', '/v1?address=ep-1.db.example.com:5432',
              '/v2?a=b?address=x', '/any/path%20at/all?')
{
    $c = enter(path => $path);
    is($c->error_text, '', "W1: $path: a login");
    is($c->value('hello'), 'hello', "W1: $path: a query");
    ends_well($c, "W1: $path");
}

for my $case ([ 'a list in Connection', Connection => 'keep-alive, Upgrade' ],
              [ 'two Connection', Connection => [ 'Upgrade', 'keep-alive' ] ],
              [ 'two, the other way round',
                Connection => [ 'keep-alive', 'x, Upgrade' ] ],
              [ 'two Upgrade', Upgrade => [ 'websocket', 'h2c' ] ],
              [ 'two Upgrade, the other way round',
                Upgrade => [ 'h2c', 'websocket' ] ],
              [ 'capitals', Upgrade => 'WebSocket', Connection => 'upgrade' ],
              [ 'an Origin', Origin => 'https://anything.example' ],
              [ 'a subprotocol', 'Sec-WebSocket-Protocol' => 'a, b' ])
{
    my ($name, %headers) = @$case;

    $c = enter(headers => \%headers);
    is($c->{response}{status}, 101, "W1: $name: 101");
    is($c->error_text, '', "W1: $name: a login");
    is($c->value('hello'), 'hello', "W1: $name: a query");
    ok(!exists $c->{response}{headers}{'sec-websocket-protocol'},
       "W1: $name: no subprotocol");
    $c->close;
}

# endpoint from Host, options, password

my @option = (params => [ options => 'endpoint=ep-1' ]);

for my $case ([ 'Host with a port', host => "$host:$port" ],
              [ 'Host in capitals', host => uc $host ],
              [ 'localhost, options', host => 'localhost', @option ],
              [ 'an address, options', host => "127.0.0.1:$port", @option ],
              [ 'Host and options agree', @option ],
              [ 'localhost, password', host => 'localhost',
                password => 'endpoint=ep-1;pw' ],
              [ 'an address, password', host => '127.0.0.1',
                password => 'endpoint=ep-1;pw' ])
{
    my ($name, %o) = @$case;

    for my $tls (0, {}) {
        my $front = $tls ? 'https' : 'http';

        $c = enter(tls => $tls, %o);
        is($c->error_text, '', "$front: $name: a login");
        is_deeply($c->{auth}, [ 3, 0 ], "$front: $name: asked once");
        is($c->value('hello'), 'hello', "$front: $name: a query");
        $c->close;
    }
}

for my $alpn ([], [ 'http/1.1' ]) {
    $c = enter(tls => { alpn => $alpn });
    is($c->error_text, '', "W1: https with http2, ALPN '@$alpn': a login");
    is($c->value('hello'), 'hello', "W1: https, ALPN '@$alpn': a query");
    ends_well($c, "W1: https, ALPN '@$alpn'");
}


# --- no upgrade -----------------------------------------------------------

my %none = map { $_ => undef } qw/Upgrade Connection Sec-WebSocket-Key
                                  Sec-WebSocket-Version/;

for my $case ([ 'a plain GET', 426, headers => \%none ],
              [ 'POST', 426, method => 'POST' ],
              [ 'HTTP/1.0', 426, http => '1.0' ],
              [ 'no Upgrade', 426, headers => { Upgrade => undef } ],
              [ 'another Upgrade', 426, headers => { Upgrade => 'h2c' } ],
              [ 'no Connection', 426, headers => { Connection => undef } ],
              [ 'Connection: close', 426, headers => { Connection =>
                                                       'close' } ],
              [ 'two Connection', 426, headers => { Connection =>
                    [ 'close', 'keep-alive, upgrades' ] } ],
              [ 'two Upgrade', 426, headers => { Upgrade =>
                    [ 'h2c', 'websockets' ] } ],
              [ 'two keys', 400, headers => { 'Sec-WebSocket-Key' =>
                    [ ('dGhlIHNhbXBsZSBub25jZQ==') x 2 ] } ],
              [ 'two numbers', 400, headers => { 'Sec-WebSocket-Version' =>
                    [ 8, 13 ] } ],
              [ 'two origins', 400, headers => { Origin =>
                    [ 'https://a.example', 'https://app.example.com' ] } ],
              [ 'no key', 400, headers => { 'Sec-WebSocket-Key' => undef } ],
              [ 'a key of 15 bytes', 400, headers => { 'Sec-WebSocket-Key' =>
                    'MTIzNDU2Nzg5MDEyMzQ1' } ],
              [ 'a key of 17 bytes', 400, headers => { 'Sec-WebSocket-Key' =>
                    'MTIzNDU2Nzg5MDEyMzQ1Njc=' } ],
              [ 'a key that is not base64', 400, headers => {
                    'Sec-WebSocket-Key' => '$' x 22 . '==' } ],
              [ 'version 8', 426, headers => { 'Sec-WebSocket-Version' =>
                                               8 } ],
              [ 'version 131', 426, headers => { 'Sec-WebSocket-Version' =>
                                                 131 } ],
              [ 'no version', 426, headers => { 'Sec-WebSocket-Version' =>
                                                undef } ],
              [ 'a body', 400, headers => { 'Content-Length' => 5 } ],
              [ 'a body in chunks', 400, headers => { 'Transfer-Encoding' =>
                                                      'chunked' } ])
{
    my ($name, $status, %o) = @$case;

    $r = open_ws(%o)->{response};
    is($r->{status}, $status, "$name: $status");
    like($r->{headers}{'content-type'}, qr{^text/plain}, "$name: text");
    cmp_ok(length $r->{body}, '>', 20, "$name: says why");
    cmp_ok(length $r->{body}, '<', 300, "$name: shortly");
    if ($status == 426) {
        is($r->{headers}{upgrade}, 'websocket', "$name: Upgrade");
        like($r->{headers}{connection}, qr/\bupgrade\b/,
             "$name: which Connection names");
    }

    is($r->{headers}{'sec-websocket-version'}, 13,
       "$name: Sec-WebSocket-Version") if $name =~ /version/;
}

$c = open_ws(headers => \%none);
like($c->{response}{body}, qr/WebSocket/,
     'a plain GET: the page tells what this is');
is(eval { $c->upgrade(host => $host)->{status} }, 101,
   'a plain GET: the connection may be upgraded after it');

# HTTP/2 knows no Upgrade: a header of that name is an error there
SKIP: {
    my $node = eval { run([ 'node', '--version' ])->{rc} };
    skip 'no node', 1 if !defined $node || $node != 0;

    my $answer = run([ 'node', '-e', <<'END', $secure ], timeout => 30);
const client = require('http2').connect('https://127.0.0.1:' + process.argv[1],
                                        { rejectUnauthorized: false });
const request = client.request({ ':path': '/' });
const failed = (e) => { console.log(e.message); process.exit(1) };
let text = '';
client.on('error', failed);
request.on('error', failed);
request.on('response', (headers) => { text += headers[':status'] + ' ' });
request.on('data', (data) => { text += data });
request.on('end', () => { console.log(text); process.exit(0) });
request.end();
END

    like($answer->{out}, qr/^426 This is a Postgres server/,
         'a plain GET by HTTP/2');
}

for my $case ([ 'https://app.example.com', 101 ],
              [ 'HTTPS://APP.example.com', 101 ],
              [ 'https://a.b.pages.example', 101 ],
              [ undef, 101 ],
              [ 'http://app.example.com', 403 ],
              [ 'https://app.example.com.evil.example', 403 ],
              [ 'https://app.example.com:8443', 403 ],
              [ 'https://pages.example', 403 ],
              [ 'https://evilpages.example', 403 ],
              [ 'https://x.pages.example.evil.example', 403 ],
              [ 'null', 403 ])
{
    my ($origin, $status) = @$case;

    $c = open_ws(path => '/origins', headers => { Origin => $origin });
    is($c->{response}{status}, $status,
       'origin ' . ($origin // '(none)') . ": $status");
    $c->drop;
}


# --- the login ------------------------------------------------------------

$c = open_ws();
$c->send($startup);
my $m = $c->read_message;
is_deeply($m, { type => 'R', body => pack 'N', 3 },
          'W3: asked for a password in clear at once');

$c->send($password);
is(types(map { $c->read_message } 1 .. 5), 'RSSKZ',
   'W4: a password in a later message');
is($c->value('hello'), 'hello', 'W4: a query in a later one');
ends_well($c, 'W4: one by one');

# it is asked for before anybody knows who that is
$c = open_ws(host => 'ep-9.db.example.com');
$c->send($startup);
is_deeply($c->read_message, { type => 'R', body => pack 'N', 3 },
          'W3: unknown endpoint: asked, too');
$c->drop;

for my $database (qw/trust scram md5 cleartext/) {
    my $all = startup_packet([ user => 'alice', database => $database ])
              . $password . query('one') . query('two');

    for my $case ([ 'one message', sub { $_[0]->send($all) } ],
                  [ 'a byte each', sub { $_[0]{split} = 1;
                                         $_[0]->send($all);
                                         delete $_[0]{split} } ],
                  [ 'fragments of 3 bytes', sub { $_[0]->send_plain(
                        NeonTest::WsClient::fragments($all, 3)) } ],
                  [ 'with X behind them', sub { $_[0]->send($all
                        . message('X')) } ])
    {
        my ($name, $send) = @$case;

        $c = open_ws();
        $send->($c);

        my @said = map { $c->read_message } 1 .. 14;
        is(types(grep { $_ } @said), 'RRSSKZTDCZTDCZ',
           "W2, W3, W5: $database, $name: one ReadyForQuery, then results");
        is(substr($said[0]{body}, 0, 4), pack('N', 3),
           "W2: $database, $name: asked for in clear");

        $name =~ /X/ ? closed($c, "W7: $database, $name")
                     : ends_well($c, "W2: $database, $name");
    }
}

# right behind the request, in the same segment
$c = open_ws(early => NeonTest::WsClient::frame($startup . $password)
                      . NeonTest::WsClient::frame(query('early')));
$c->authenticate(password => 'unused');
is($c->error_text, '', 'W2: frames right behind the request: a login');
is($c->result->{rows}[0][0], 'early', 'W2: and a query');
$c->close;

my @params = (application_name => 'pkg:npm/%40neondatabase/serverless@1.2.0',
              statement_timeout => 5000, lock_timeout => 4000,
              idle_in_transaction_session_timeout => 3000,
              options => '-c search_path=a,b', client_encoding => 'UTF8');
$c = enter(params => \@params);
$c->value('x');

my %seen = %{ ($fc->notes('startup'))[-1] };
my %sent = @params;
is($seen{$_}, $sent{$_}, "W10: $_ reaches the compute") for sort keys %sent;
is($seen{user}, 'alice', 'W10: user');
ends_well($c, 'W10');

$c = open_ws();
$c->send(ssl_request);
is($c->read_n(1), 'N', 'W12: SSLRequest: N');
is_deeply([ map { "$_->{opcode} $_->{length}" } @{ $c->{frames} } ],
          [ '2 1' ], 'W12: a message of its own');
$c->login(password => 'pw');
is($c->error_text, '', 'W12: and a login behind it');
$c->close;


# --- refusals -------------------------------------------------------------

refused(enter(password => 'wrong'), 'W5: wrong password', '28P01');
refused(enter(password => ''), 'W5: empty password', '28P01');
refused(enter(user => 'nobody'), 'W8: unknown role', '28P01');
refused(enter(host => 'ep-9.db.example.com'), 'W8: unknown endpoint',
        '28P01');
$c = enter(host => 'localhost');
refused($c, 'W8: no endpoint', '28000');
like($c->error->{H}, qr/over WebSocket/, 'W8: no endpoint: the hint');
refused(enter(host => 'ep-2.db.example.com'), 'W8: compute down', '08006');
refused(enter(host => 'ep-2.db.example.com', tls => {}),
        'W8: compute down, https', '08006');
refused(enter(params => [ options => 'endpoint=ep-9' ]),
        'W8: two endpoints', '28000');
refused(enter(version => 2 << 16), 'W8: protocol 2.0', '0A000');

$cp->always(wake => { hang => 1 });
refused(enter(host => 'ep-3.db.example.com', path => '/hasty'),
        'W8: wake timeout', '57P03');
$cp->always(wake => undef);

$c = enter(path => '/strict');
like($c->error->{M}, qr/without TLS/, 'no TLS: the message');
like($c->error->{H}, qr/wss:.*websocket_insecure/, 'no TLS: the hint');
is($c->{auth}, undef, 'no TLS: no password was asked for');
refused($c, 'no TLS', '28000');

$c = enter(path => '/strict', tls => {});
is($c->error_text, '', 'the same over TLS: a login');
ends_well($c, 'the same over TLS');

# all in one message
$c = open_ws();
$c->send($startup . message('p', "wrong\0") . query('x') x 100);
$c->authenticate(password => 'unused');
refused($c, 'W8: pipelined, wrong password', '28P01');


# --- the relay ------------------------------------------------------------

for my $tls (0, {}) {
    my $name = $tls ? 'https' : 'http';

    $c = enter(tls => $tls);
    is($c->value('ax1000000'), 'a' x 1e6, "W6: $name: a result of 1 MB");
    is($c->value("bx$_"), 'b' x $_, "W6: $name: a result of $_ bytes")
        for 1, 10, 100, 1000, 8192, 65535, 65536;

    my @bad = grep { $_->{opcode} != 2 || !$_->{fin} || $_->{rsv}
                     || $_->{masked} || $_->{length} > 65536
                     || !$_->{length} } @{ $c->{frames} };
    is_deeply(\@bad, [], "W6: $name: binary frames of 64 KiB at most only");

    for my $size (1, 125, 126, 65535, 65536, 300000) {
        my $text = 'q' x $size;
        is($c->value($text), $text, "W2: $name: a query of $size bytes");
    }

    ends_well($c, "W7: $name: after X");
}

# pings of ours and theirs

# one by one: of several that wait only the newest must be answered
my @payloads = ('', 'x', "\0\xff" x 20, 'p' x 125);

sub ping {
    my ($pinger) = @_;

    for my $payload (@payloads) {
        my $known = @{ $pinger->{pongs} };

        $pinger->send_frame($payload, opcode => 9);
        $pinger->wait_pongs($known + 1);
    }

    return $pinger->{pongs};
}

$c = open_ws();
is_deeply(ping($c), \@payloads, 'W6: pings before the login are answered');
$c->login(password => 'pw');
is($c->error_text, '', 'W6: a login');
is_deeply(ping($c), [ (@payloads) x 2 ], 'W6: pings of a session, too');
$c->send_frame('', opcode => 10) for 1 .. 3;
is($c->value('hello'), 'hello', 'W6: pongs that nobody asked for: no matter');
ends_well($c, 'W6: pings');

$c = enter(path => '/ping');
eventually { $c->readable(0.01); @{ $c->{pings} } >= 5 }
    'W6: pings, and a peer that answers them';
is($c->value('hello'), 'hello', 'W6: it stays');
is($c->error_text, '', 'W6: without an error');
ends_well($c, 'W6: pings answered');

sub ended { scalar(() = $fc->notes('ended')) }

sub cancels { scalar(() = $fc->notes('cancel')) }

my $before = ended();
$c = enter(path => '/ping', pong => 0);
$c->{pings} = [];
is($c->value('hello'), 'hello', 'no pongs: a query');
$c->read_to_end;
ok($c->{ended}, 'no pongs: dropped');
cmp_ok(@{ $c->{pings} }, '>=', 2, 'no pongs: after two pings');
cmp_ok(@{ $c->{pings} }, '<=', 3, 'no pongs: and not many more');
eventually { ended() > $before } 'no pongs: the compute is free';
$n->log_like(qr/client did not answer 2 WebSocket pings/,
             'no pongs: the log says so');

# what nobody has read yet is an answer, too
$cp->script(wake => { delay => 1 });
$c = enter(path => '/ping');
is($c->error_text, '', 'pings while the compute starts: logged in');
is($c->value('hello'), 'hello', 'pings while the compute starts: a query');

ends_well($c, 'pings while the compute starts');

# one that waits for its compute is heard; of a hanging call no other client
# should have to wait for the end

my $sleepers = 0;

sub sleeper {
    my ($answer, %o) = @_;

    my $ep = 'ep-sleeper-' . ++$sleepers;

    $cp->role($ep, alice => $t->{verifier});
    $cp->endpoint($ep, address => $fc->address);
    $cp->always(wake => $answer);

    my $s = open_ws(%o, host => "$ep.db.example.com");
    $s->send($startup . $password);
    eventually { grep { encode_json($_) =~ /\b$ep\b/ } $cp->calls('wake') }
        "$ep: it waits for its compute";

    return $s;
}

for my $tls (0, {}) {
    my $name = $tls ? 'https' : 'http';

    for my $case ([ 'Close', sub { $_[0]->send_close(1001, 'bored') }, 1001 ],
                  [ 'queries, Close', sub { $_[0]->send(query('x') x 9);
                                            $_[0]->send_close(1000) }, 1000 ],
                  [ 'text', sub { $_[0]->send_frame('x', opcode => 1) },
                    1003 ])
    {
        my ($how, $leave, $code) = @$case;

        $c = sleeper({ hang => 1 }, tls => $tls);
        is_deeply(ping($c), \@payloads, "$name, $how: its pings are answered");
        $leave->($c);
        closed($c, "$name, $how, while it waits", $code);
        $page->wait_for('sessions{proxy="main",front="ws"}', 0,
                        "$name, $how, while it waits: the session");
    }

    # what it says meanwhile is in order, and has no limit
    my @texts = map { $_ x 5000 } 'a' .. 'z';

    $c = sleeper({ delay => 1 }, tls => $tls);
    $c->send_plain(NeonTest::WsClient::fragments(query($_), 999,
        between => NeonTest::WsClient::frame('ping', opcode => 9)))
        for @texts;
    $c->authenticate(password => 'unused');
    is($c->error_text, '', "$name: queries of one that waits: a login");
    ok(join(' ', map { $c->result->{rows}[0][0] } @texts) eq "@texts",
       "$name: queries of one that waits: results");
    ends_well($c, "$name: queries of one that waits");
    $cp->always(wake => undef);
}

# the peer that is gone is one that answers nothing
$before = cancels();
my $ends = ended();
$c = enter(path => '/ping', pong => 0);
$c->send(query('sleep'));
$c->read_to_end;
ok($c->{ended}, 'W7: no pongs during a query: dropped');
eventually { cancels() > $before } 'W7: no pongs: its query is canceled';
eventually { ended() > $ends } 'W7: no pongs: the compute is free';


# --- the end --------------------------------------------------------------

# a client whose query is under way

sub busy {
    my (%o) = @_;

    my $was = () = $fc->notes('sleeping');
    my $busy = enter(%o);

    $busy->send(query('sleep'));
    eventually { $was < (() = $fc->notes('sleeping')) };

    return $busy;
}

for my $tls (0, {}) {
    my $name = $tls ? 'https' : 'http';

    $c = enter(tls => $tls);
    $c->send(query('bye'));
    closed($c, "W7: $name: the compute ends");

    $ends = ended();
    $c = enter(tls => $tls);
    $c->value('x');
    $c->send_close(1000);
    closed($c, "W7: $name: Close of the client");
    eventually { ended() > $ends } "W7: $name: Close: the compute is free";

    for my $case ([ 'Close' => sub { $_[0]->send_close(1001, 'leaving') } ],
                  [ 'FIN' => sub { $_[0]->drop } ],
                  [ 'RST' => sub { $_[0]->abort } ])
    {
        my ($how, $leave) = @$case;

        $before = cancels();
        $ends = ended();
        $c = busy(tls => $tls);
        $leave->($c);
        eventually { cancels() > $before }
            "W7: $name: $how during a query: canceled";
        is_deeply(($fc->notes('cancel'))[-1], [ 4711, unpack 'H*', 'KEY1' ],
                  "W7: $name: $how: with the compute's key");
        closed($c, "W7: $name: $how", 1001) if $how eq 'Close';

        # it is asked again until then; a pooler forgets the key with its
        # connection
        eventually { ended() > $ends } "W7: $name: $how: the compute is free";
        isnt(($fc->notes('ended'))[-1], "not canceled\n",
             "W7: $name: $how: not before that");
    }

    # its answer comes when the client's Close was answered
    $c = enter(tls => $tls);
    $c->send(query('late') . message('X'));
    $c->send_close(1000);
    is($c->read_message, undef, "W7: $name: Close behind Terminate");
    spew($gate, '');
    closed($c, "W7: $name: Close behind Terminate");
    is(length $c->{raw}, 0, "W7: $name: no frame is behind a Close");

    $before = cancels();
    $c = busy(tls => $tls);
    my $k = open_ws(tls => $tls, host => 'localhost');
    $k->send(cancel_request($c->{pid}, $c->{key}));
    is(types($k->read_to_end), '', "W9: $name: a cancel request: no answer");
    is($k->{close}{code}, 1000, "W9: $name: Close");
    ok($k->{ended}, "W9: $name: the end");
    is($c->result->{error}{C}, '57014', "W9: $name: it is forwarded");
    is(cancels(), $before + 1, "W9: $name: once");

    $k = open_ws(tls => $tls);
    $k->send(cancel_request($c->{pid} ^ 1, $c->{key}));
    closed($k, "W9: $name: an unknown key");
    is(cancels(), $before + 1, "W9: $name: cancels nothing");
    $ends = ended();
    $c->drop;
    eventually { ended() > $ends } "W9: $name: then it is dropped";
}

# the insecure one may cancel, as on TCP
$c = busy(path => '/strict', tls => {});
$before = cancels();
my $k = open_ws(path => '/strict');
$k->send(cancel_request($c->{pid}, $c->{key}));
closed($k, 'W9: without TLS');
eventually { cancels() > $before } 'W9: without TLS: it is forwarded';
$c->drop;

# who does not answer our Close does not keep the connection
$c = enter(reply => 0);
ends_well($c, 'W7: a Close that is not answered');


# --- log and metrics ------------------------------------------------------

sub logged { grep { /\Q|$_[0]\E$/ } split /\n/, slurp($log) }

$c = enter(path => '/logged?a=1');
$c->value('ax100000');
is(scalar(() = logged('/logged?a=1')), 0, 'no line in the access log yet');
ends_well($c, 'the access log');
eventually { logged('/logged?a=1') } 'a line at the end';
is_deeply([ logged('/logged?a=1') ],
          [ "101|$c->{received}|ep-1|alice|-|/logged?a=1" ],
          'one line: status, bytes sent, endpoint, user');

$c = enter(path => '/refused', password => 'wrong');
closed($c, 'the access log, a refusal');
eventually { logged('/refused') } 'a line of a refusal';
like((logged('/refused'))[0], qr/^101\|\d+\|ep-1\|alice\|28P01\|/,
     'the line of a refusal');

my $ok = 'sessions_total{proxy="main",front="ws",outcome="ok"}';
my $down = 'bytes_total{proxy="main",front="ws",direction="to_client"}';
my %was = %{ $page->samples };

$c = enter();
$page->wait_for('sessions{proxy="main",front="ws"}', 1, 'metrics: open');
$c->value('ax100000');
ends_well($c, 'metrics');
$page->wait_for('sessions{proxy="main",front="ws"}', 0, 'metrics: closed');
$page->wait_for($ok, $was{"neon_proxy_$ok"} + 1, 'metrics: ended well');
cmp_ok($page->samples->{"neon_proxy_$down"} - $was{"neon_proxy_$down"}, '>',
       100000, 'metrics: bytes');
is($page->json->{sessions}{tcp}{ended}{ok}, 0, 'metrics: none by TCP');

$t->done;
