#!/usr/bin/perl

# The raw tunnel, /v1?address=host:port: who may have one, what passes, how it
# ends.  What passes is not Postgres here, and so nobody can have looked at it;
# t/69-websocket-tunnel-postgres.t has the clients.

use lib 't/lib';
use NeonTest;
use NeonTest::Page;
use NeonTest::WsClient;
use NeonTest::Wire;

use Digest::SHA;
use IO::Socket::INET;

use constant {
    MIB => 1 << 20,
    BULK => 64 << 20,
    GROWTH => 8 << 20,
    IDLE => 100,
};

my $t = NeonTest->new;
my ($port, $secure, $metrics, $closed) = map { $t->port } 1 .. 4;
my $certs = $t->certs;
my $page = NeonTest::Page->new($metrics);
my $access = $t->dir . '/access.log';
my $go = $t->dir . '/go';


# --- the world ------------------------------------------------------------

# the first four bytes say what the server at the other end does

my %does = (
    echo => sub {
        my ($c) = @_;

        while (1) {
            $c->send(delete $c->{buffer});
            $c->{buffer} = '';
            sysread $c->{socket}, $c->{buffer}, 65536 or last;
        }
    },
    sink => \&sink,
    late => sub {
        my ($c) = @_;

        # it does not read before the test says so
        select undef, undef, undef, 0.01 while !-e $go;
        sink($c);
    },
    pour => sub {
        my ($c) = @_;

        $c->send('p' x MIB) for 1 .. BULK / MIB;
        $c->note(poured => 1);
        $c->read_all;
    },
    quit => sub { $_[0]->send('bye' x 100000) },
    drop => sub { $_[0]->reset },
    keep => sub {
        my ($c) = @_;

        $c->send('kept');
        my $n = sysread $c->{socket}, my $more, 1;
        $c->note(left => defined $n ? "read $n" : "$!");
    },
);

# what came, without the word: its length and its digest

sub sink {
    my ($c) = @_;

    my $sha = Digest::SHA->new(1);
    my ($n, $bytes) = (length $c->{buffer}, $c->{buffer});

    do { $sha->add($bytes) } while $n < BULK
        && sysread($c->{socket}, $bytes, 65536) && ($n += length $bytes);

    my $sunk = $n . ' ' . $sha->hexdigest;

    $c->note(sunk => $sunk);
    $c->send($sunk);
    $c->read_all;
}

my $server = $t->fake_compute(sub {
    my ($c) = @_;

    $does{$c->read_n(4)}->($c);
    $c->note(ended => 1);
});

# a port at which connections are neither accepted nor refused

my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
                                 Proto => 'tcp') or die;
my @fill = map {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
                          PeerPort => $full->sockport, Blocking => 0)
} 1 .. 4;

my $cp = $t->control_plane;

sub block {
    my ($name, $text) = @_;

    return "neon_proxy $name {\nzone $name 1m;\n" . $cp->directives
           . "websocket_insecure on;\n$text}\n";
}

my $ports = join '-', sort { $a <=> $b } $server->port, $closed;
my $to = $server->address;
my $full_port = $full->sockport;

my $patterns = "websocket_tunnel 127.0.0.1:$ports LocalHost:$ports"
               . " 127.0.0.1:$full_port *.tunnel.invalid:5432"
               . " 10.0.0.0/8:* [fd00::/8]:5432;\nconnect_timeout 300ms;\n";

my ($n) = $t->front(
    control_plane => $cp, main => "websocket_insecure on;\n$patterns",
    globals => block(off => '') . block(no => "websocket_tunnel off;\n")
        . block(ping => "websocket_ping 1s;\n$patterns")
        . block(origins => "websocket_origins https://app.example.com;\n"
                           . $patterns)
        . "neon_proxy strict {\nzone strict 1m;\n" . $cp->directives
        . "$patterns}\n",
    http => <<"END" . NeonTest::Page->server($metrics, 'main'));
log_format neon '\$status|\$bytes_sent|\$neon_endpoint|\$neon_compute_addr|'
                '\$neon_sqlstate|\$neon_error|\$request_uri';

server {
    # the kernel holds more of what nobody reads where it may be 32 MiB
    listen 127.0.0.1:$port rcvbuf=256k;
    access_log $access neon;
    location /off { neon_proxy_websocket off; }
    location /no { neon_proxy_websocket no; }
    location /ping { neon_proxy_websocket ping; }
    location /origins { neon_proxy_websocket origins; }
    location /strict { neon_proxy_websocket strict; }
    location / { neon_proxy_websocket main; }
}

server {
    listen 127.0.0.1:$secure ssl;
    access_log $access neon;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    location / { neon_proxy_websocket main; }
}
END

# an open tunnel: query => what stands behind the "?", in => front of /v1

sub tunnel {
    my (%o) = @_;

    my $c = NeonTest::WsClient->new(
        port => $o{tls} ? $secure : $port,
        map { $_ => $o{$_} } grep { exists $o{$_} } qw/pong timeout/);

    $c->start_tls(sni => 'db.example.com') if $o{tls};
    $c->upgrade(path => ($o{in} // '') . '/v1?'
                        . ($o{query} // "address=$to"), %o);

    return $c;
}

# one that did its work and has the word of its server

sub at {
    my ($word, %o) = @_;

    my $c = tunnel(%o);
    $c->send($word);

    return $c;
}

# the Close, and TCP behind it

sub closed {
    my ($c, $name, $code, $reason) = @_;

    my $rest = eval { $c->read_all } // "($@)";
    is($c->{close} && $c->{close}{code}, $code // 1000, "$name: Close");
    like($c->{close} && $c->{close}{reason}, $reason // qr/\A\z/,
         "$name: its reason");

    return $rest;
}

sub ended { scalar(() = $server->notes('ended')) }

sub logged { grep { /\Q|$_[0]\E$/ } split /\n/, slurp($access) }

sub line_of {
    my ($uri) = @_;

    eventually { scalar logged($uri) } or return '';
    return (logged($uri))[0];
}


# --- who may have one -----------------------------------------------------

# Postgres of ours, whatever the query says

for my $case ([ 'no address', '/v1' ], [ 'an empty query', '/v1?' ],
              [ 'another parameter', '/v1?xaddress=a:1&addressx=b:2' ],
              [ 'a second "?"', "/v1?a=b?address=$to" ],
              [ 'no websocket_tunnel', "/off/v1?address=$to" ],
              [ 'websocket_tunnel off', "/no/v1?address=$to" ],
              [ 'off, a malformed address', '/off/v1?address=%00&address' ])
{
    my ($name, $path) = @$case;

    my $c = NeonTest::WsClient->new(port => $port);
    $c->upgrade(path => $path);
    $c->login(password => 'pw');
    is($c->error_text, '', "$name: a login");
    is($c->value('hello'), 'hello', "$name: a query");
    $c->close;
}

is($server->connections, 0, 'nobody was led to the address');

my $mapped = '[::ffff:127.0.0.1]:' . $server->port;

for my $query ("address=$to", "a=b&address=$to&c", "address=$to&",
               'address=localhost:' . $server->port,
               'address=LOCALHOST:' . $server->port, "address=$mapped")
{
    for my $tls (0, 1) {
        my $c = at('echohello', query => $query, tls => $tls);

        is($c->{response}{status}, 101, "$query: 101");
        is($c->read_n(5), 'hello', "$query: there and back");
        $c->send_close(1000);
        closed($c, $query);
    }
}

# no password of the proxy's passes, so it need not be inside TLS
my $c = at('echohello', in => '/strict');
is($c->read_n(5), 'hello', 'no websocket_insecure: a tunnel all the same');
$c->drop;

sub refused {
    my ($query, $status, %o) = @_;

    my $r = tunnel(query => $query, %o)->{response};

    is($r->{status}, $status, "$query: $status");
    like($r->{headers}{'content-type'}, qr{^text/plain}, "$query: text");
    return $r->{body};
}

my $before = $server->connections;

for my $address ('127.0.0.1:1', '127.0.0.2:' . $server->port,
                 'tunnel.invalid:5432', 'a.tunnel.invalid:5433',
                 'a.tunnel.invalid.example:5432', 'example.com:5432',
                 '11.0.0.1:5432', '[::1]:5432', '[fd00::1]:5433',
                 '[::ffff:127.0.0.2]:5432', '0.0.0.0:' . $server->port)
{
    like(refused("address=$address", 403), qr/websocket_tunnel/,
         "$address: says why");
}

$n->log_like(qr/address "127\.0\.0\.1:1" is not one of "websocket_tunnel"/,
             'the log says which address');

my $p = $server->port;

for my $address ('', 'localhost', 'localhost:', ":$p", "localhost.:$p",
                 "localhost%3A$p", "%6cocalhost:$p", "localhost:$p%00",
                 "local%00host:$p", "alice\@localhost:$p",
                 "alice:pw\@localhost:$p", "localhost:0", 'localhost:65536',
                 "localhost:0$p", "localhost:+$p", "localhost:$p/app",
                 "localhost:$p:$p", "127.1:$p", "2130706433:$p",
                 "0x7f.1:$p", "0177.0.0.1:$p", "127.0.0.1.:$p",
                 "::ffff:127.0.0.1:$p", "[::ffff:127.0.0.1%25lo]:$p",
                 "[localhost]:$p", "10.0.0.0/8:$p", "*:$p", '*:*',
                 'unix:/tmp/x', '/tmp/.s.PGSQL.5432', "a..tunnel.invalid:$p",
                 "\xc3\xb6.tunnel.invalid:5432", 'localhost:postgres',
                 'a' x 64 . '.tunnel.invalid:5432')
{
    like(refused("address=$address", 400), qr/must be host:port/,
         "\"$address\": says how");
}

refused('address', 400);
like(refused("address=$to&address=$to", 400), qr/once/, 'twice: says so');
like(refused("address=$to&address=10.0.0.1:1", 400), qr/once/,
     'two of them: says so');

refused("address=$to", 426, headers => { Upgrade => undef });
like(refused("address=$to", 403, in => '/origins',
             headers => { Origin => 'https://evil.example' }),
     qr/websocket_origins/, 'another origin');

is($server->connections, $before, 'none of them was led anywhere');

$c = at('echohello', in => '/origins',
        headers => { Origin => 'https://app.example.com' });
is($c->read_n(5), 'hello', 'the right origin');
$c->drop;


# --- nobody there ---------------------------------------------------------

for my $case ([ 'refused', "127.0.0.1:$closed", qr/Connection refused/ ],
              [ 'refused, by name', "localhost:$closed",
                qr/Connection refused/ ],
              [ 'no answer', "127.0.0.1:$full_port", qr/timed out/ ],
              [ 'no such name', 'a.tunnel.invalid:5432', qr/./ ])
{
    my ($name, $address, $why) = @$case;
    my ($host, $number) = split /:/, $address;

    for my $tls (0, 1) {
        my $text = qr/server at "\Q$host\E", port $number failed: .*$why/;

        $c = tunnel(query => "address=$address", tls => $tls);
        is($c->{response}{status}, 101, "$name: 101");

        # the client may be talking already
        $c->send(startup_packet([ user => 'alice' ]));

        my $m = $c->read_message;
        is($m && $m->{type}, 'E', "$name: an ErrorResponse");

        my $e = error_fields($m->{body});
        is($e->{S}, 'FATAL', "$name: FATAL");
        is($e->{C}, '08006', "$name: SQLSTATE");
        like($e->{M}, $text, "$name: the message");
        ok(length $e->{H}, "$name: a hint");
        is(closed($c, $name, 1011, $text), '', "$name: that is all");
    }

    $n->log_like(qr/\[error\].*server at "\Q$host\E", port $number failed:/,
                 "$name: a line in the log");
    like(line_of("/v1?address=$address"),
         qr/^101\|\d+\|-\|[^|]*\|08006\|connection to server at /,
         "$name: a line in the access log");
}

$page->wait_for('errors_total{proxy="main",reason="tunnel",sqlstate="08006"}',
                8, 'metrics: the reason');
$page->wait_for('sessions_total{proxy="main",front="ws",outcome="compute"}', 8,
                'metrics: the outcome');

# as one byte, it is no answer to SSLRequest that a client could take for yes
$c = tunnel(query => "address=127.0.0.1:$closed");
$c->send(ssl_request);
is($c->read_n(1), 'E', 'SSLRequest is answered by an error');
$c->drop;


# --- what passes ----------------------------------------------------------

my $bytes = join '', map { chr } 0 .. 255;

for my $tls (0, 1) {
    my $name = $tls ? 'https' : 'http';

    $c = at("echo$bytes", tls => $tls);
    is($c->read_n(256), $bytes, "$name: all bytes there are");

    for my $size (1, 125, 126, 8192, 65535, 65536, 300000) {
        my $text = substr $bytes x (1 + $size / 256), 0, $size;

        $c->send($text);
        ok($c->read_n($size) eq $text, "$name: $size bytes");
    }

    # what would mean something to Postgres
    for my $text (ssl_request, startup_packet([ user => 'x' ]),
                  message('X'), message('Q', "x\0"), "\0\0\0\0")
    {
        $c->send($text);
        is(unpack('H*', $c->read_n(length $text)), unpack('H*', $text),
           "$name: Postgres, untouched");
    }

    $c->{split} = 1;
    $c->send('one by one');
    is($c->read_n(10), 'one by one', "$name: a byte in each frame");

    $c->send_frame('are you there', opcode => 9);
    $c->wait_pongs(1);
    is_deeply($c->{pongs}, [ 'are you there' ], "$name: a ping");

    my @bad = grep { $_->{opcode} != 2 && $_->{opcode} != 10
                     || $_->{length} > 65536 } @{ $c->{frames} };
    is_deeply(\@bad, [], "$name: binary frames of 64 KiB at most");

    $c->send_close(1000);
    closed($c, $name);
}

# right behind the request, in the same segment
$c = tunnel(early => NeonTest::WsClient::frame('echo')
                     . NeonTest::WsClient::frame('early'));
is($c->read_n(5), 'early', 'frames right behind the request');
$c->send(' late');
is($c->read_n(5), ' late', 'and those that follow');
$c->drop;


# --- how it ends ----------------------------------------------------------

for my $tls (0, 1) {
    my $name = $tls ? 'https' : 'http';

    # the server

    $c = at('quit', tls => $tls);
    is(length closed($c, "$name: the server ends"), 300000,
       "$name: the server ends: all came before it");

    $c = at('drop', tls => $tls);
    is(closed($c, "$name: the server resets", 1011,
              qr/connection to the compute was lost/), '',
       "$name: the server resets: no error inside");

    # the client

    for my $case ([ 'Close' => sub { $_[0]->send_close(1001, 'leaving') },
                    '-' ],
                  [ 'FIN' => sub { $_[0]->drop }, '-' ],
                  [ 'RST' => sub { $_[0]->abort },
                    'connection to the client was lost' ])
    {
        my ($how, $leave, $error) = @$case;
        my $uri = "/v1?x=$name$how&address=$to";
        my $was = () = $server->notes('left');

        $c = at('keep', tls => $tls, path => $uri);
        is($c->read_n(4), 'kept', "$name: $how: a tunnel");
        $leave->($c);
        eventually { $was < (() = $server->notes('left')) }
            "$name: $how: the server sees it";
        closed($c, "$name: $how", 1001, qr/leaving|\A\z/) if $how eq 'Close';

        my @fields = split /\|/, line_of($uri);
        is("@fields[0, 2, 3, 4]", "101 - $to -",
           "$name: $how: the access log: no endpoint, an address");
        is($fields[5], $error, "$name: $how: the access log: why");
    }

    # what was sent before the Close arrives
    my $last = $tls x MIB;
    $c = at('late', tls => $tls, timeout => 120);
    $c->send($last);
    $c->send_close(1000);
    spew($go, '');
    eventually {
        grep { $_ eq MIB . ' ' . Digest::SHA::sha1_hex($last) }
             $server->notes('sunk')
    } "$name: Close behind 1 MiB: it arrives, and the end after it", 60;
    unlink $go;
}

# the peer that is gone is one that answers nothing
$before = ended();
$c = at('keep', in => '/ping', pong => 0);
is($c->read_n(4), 'kept', 'no pongs: a tunnel');
eval { $c->read_all };
cmp_ok(@{ $c->{pings} }, '>=', 2, 'no pongs: pinged');
eventually { ended() > $before } 'no pongs: the server is free';

$c = at('echo', in => '/ping');
eventually { $c->readable(0.01); $c->take; @{ $c->{pings} } >= 3 }
    'pings, and a peer that answers them';
$c->send('hello');
is($c->read_n(5), 'hello', 'it stays');
$c->drop;


# --- metrics --------------------------------------------------------------

$page->wait_for('sessions{proxy="main",front="ws"}', 0, 'metrics: none open');

my %was = %{ $page->samples };
my $ok = 'neon_proxy_sessions_total{proxy="main",front="ws",outcome="ok"}';
my ($up, $down) = map {
    "neon_proxy_bytes_total{proxy=\"main\",front=\"ws\",direction=\"$_\"}"
} 'to_compute', 'to_client';

$c = at('echo' . 'm' x 100000);
$c->read_n(100000);
$page->wait_for('sessions{proxy="main",front="ws"}', 1, 'metrics: one open');
$c->send_close(1000);
closed($c, 'metrics');
$page->wait_for('sessions{proxy="main",front="ws"}', 0, 'metrics: none');

my $now = $page->samples;
is($now->{$ok}, $was{$ok} + 1, 'metrics: it ended well');
is($now->{$up} - $was{$up}, 100004, 'metrics: bytes to the server');
is($now->{$down} - $was{$down}, 100000, 'metrics: bytes to the client');


# --- memory ---------------------------------------------------------------

# nobody can tell when it is blocked but by the kernel's silence

sub silence {
    my ($client, $name) = @_;

    my ($pid) = $n->workers;
    my $io = '';

    eventually {
        my $seen = slurp("/proc/$pid/io");
        my $same = $seen eq $io && $client->readable(0);
        $io = $seen;
        select undef, undef, undef, 0.2 if !$same;
        return $same;
    } $name, 30;
}

my $body = join '', map { pack('N', $_) x 1024 } 1 .. BULK / 4096;
my $digest = BULK . ' ' . Digest::SHA::sha1_hex($body);
my $bulk = NeonTest::WsClient::frame($body);

for my $tls (0, 1) {
    my $name = $tls ? 'https' : 'http';

    $c = at('sink', tls => $tls, timeout => 120);
    my ($start, $most) = ($n->rss, 0);

    for (my $pos = 0; $pos < length $bulk; $pos += MIB) {
        $c->send_plain(substr $bulk, $pos, MIB);

        my $grown = $n->rss - $start;
        $most = $grown if $grown > $most;
    }

    is($c->read_n(length $digest), $digest,
       "$name: 64 MiB in one frame arrive");
    $t->flat($most, GROWTH, "$name: 64 MiB up");
    $c->drop;

    $c = at('pour', tls => $tls, timeout => 120);
    my $poured = () = $server->notes('poured');
    silence($c, "$name: a client that does not read: the worker waits");
    is(scalar(() = $server->notes('poured')), $poured,
       "$name: a client that does not read: so does the server");
    $t->flat($n->rss - $start, GROWTH, "$name: a client that does not read");

    for (1 .. BULK / MIB) {
        my $got = $c->read_n(MIB, 120);
        last if !is($got =~ tr/p//, MIB, "$name: MiB $_ down");

        my $grown = $n->rss - $start;
        $most = $grown if $grown > $most;
    }

    $t->flat($most, GROWTH, "$name: 64 MiB down");
    $c->drop;
}

$c = at('late', timeout => 120);
my $start = $n->rss;
my $sent = $c->send_until_blocked($bulk, 1);
cmp_ok($sent, '<', BULK / 2, 'a server that does not read: it stops');
$t->flat($n->rss - $start, GROWTH, 'a server that does not read');

my $other = at('echohello');
is($other->read_n(5), 'hello', 'others are served');
$other->drop;

spew($go, '');
$c->send_until_blocked(substr($bulk, $sent), 120);
is($c->read_n(length $digest), $digest, 'then all of it arrives');
$t->flat($n->rss - $start, GROWTH, 'a server that read late');
$c->drop;

# those that have nothing to say: what each moved before is nowhere kept
$start = $n->rss;
my @idle = map {
    my $one = at('echo' . 'i' x MIB);
    $one->read_n(MIB);
    $one;
} 1 .. IDLE;
$t->flat($n->rss - $start, GROWTH, IDLE . ' idle tunnels');
$_->drop for @idle;


# --- reload and quit ------------------------------------------------------

$c = at('echohello');
is($c->read_n(5), 'hello', 'a tunnel before a reload');
$n->set(main => $n->{main} =~ s/websocket_tunnel [^;]*/websocket_tunnel off/r);
ok($n->reload, 'a reload that allows none');
$c->send('still here');
is($c->read_n(10), 'still here', 'it stays');

# the query is ignored now, and Postgres is ours again
$other = NeonTest::WsClient->new(port => $port);
$other->upgrade(path => "/v1?address=$to");
$other->login(password => 'pw');
is($other->error_text, '', 'a new one is a login');
$other->close;

$c->send_close(1000);
closed($c, 'after the reload');
eventually { 1 == grep { kill 0, $_ } $n->started } 'then the old worker goes';

my $last = $t->port;
my $short = $t->nginx(
    main => $cp->directives . $patterns =~ s/300ms/60s/r,
    globals => 'worker_shutdown_timeout 500ms;',
    http => <<"END");
server {
    listen 127.0.0.1:$last;
    location / { neon_proxy_websocket main; }
}
END

my @ends = map {
    my $end = NeonTest::WsClient->new(port => $last);
    $end->upgrade(path => "/v1?address=$_");
    $end;
} $to, "127.0.0.1:$full_port";

$ends[0]->send('echohello');
is($ends[0]->read_n(5), 'hello', 'a tunnel before the end');
$short->signal('QUIT');

is(closed($ends[0], 'worker_shutdown_timeout', 1001, qr/administrator/), '',
   'worker_shutdown_timeout: nothing inside');

my $m = $ends[1]->read_message;
is($m && error_fields($m->{body})->{C}, '57P01',
   'worker_shutdown_timeout, connecting: SQLSTATE');
closed($ends[1], 'worker_shutdown_timeout, connecting', 1001,
       qr/administrator/);
eventually { !$short->alive } 'and nginx is gone';

$t->done;
