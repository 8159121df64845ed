#!/usr/bin/perl

# WebSocket clients that break RFC 6455, or only stretch it; memory that stays
# flat whatever the message (W2, W13); reload and quit.

use lib 't/lib';
use NeonTest;
use NeonTest::WsClient;
use NeonTest::Wire;

use Digest::SHA;

my $t = NeonTest->new;
my ($port, $secure) = map { $t->port } 1 .. 2;
my $certs = $t->certs;
my $host = 'ep-1.db.example.com';
my $go = $t->dir . '/go';

use constant {
    MIB => 1 << 20,
    BULK => 64 << 20,
    GROWTH => 8 << 20,
};


# --- the world ------------------------------------------------------------

# what the compute does is the name of the database

my %role = (
    app => sub { $_[0]->serve },
    sink => \&sink,
    late => sub {
        my ($c) = @_;

        # it does not read before the test says so
        select undef, undef, undef, 0.01 while !-e $go;
        sink($c);
    },
    source => sub {
        my ($c) = @_;

        $c->read_message;
        $c->send(message('D', 'd' x MIB)) for 1 .. BULK / MIB;
        $c->note(sent => 1);
        $c->send(message('Z', 'I'));
        $c->read_all;
    },
    fussy => sub {
        my ($c) = @_;

        my $first = $c->read_n(100);
        $c->note(garbage => unpack 'H*', $first);
        $c->error(S => 'FATAL', C => '08P01', M => 'invalid message');
    },
);

# reads a message and says what it was: its length and its digest

sub sink {
    my ($c) = @_;

    my (undef, $length) = unpack 'aN', $c->read_n(5);
    my $sha = Digest::SHA->new(1);
    my $left = $length - 4;

    while ($left) {
        my $part = $c->read_n($left < 65536 ? $left : 65536);
        $sha->add($part);
        $left -= length $part;
    }

    $c->send($c->row_bytes($length - 4 . ' ' . $sha->hexdigest));
    $c->read_all;
}

sub compute {
    my ($c) = @_;

    my $p = $c->startup or return;

    $c->welcome;
    eval { $role{$p->{database}}->($c) };
    $c->note(ended => $p->{database});
}

my $insecure = "websocket_insecure on;\nwebsocket_ping off;\n";
my $cp = $t->control_plane;

# four pings while a compute does not read; a machine that stops for two of
# them in the middle of a message would lose it
my $ping = 2000;
my $pinged = "neon_proxy pinged {\nzone pinged 1m;\n" . $cp->directives
             . "websocket_insecure on;\nwebsocket_ping ${ping}ms;\n}\n";

my ($n, undef, $fc) = $t->front(
    control_plane => $cp, compute => \&compute, main => $insecure,
    globals => $pinged . "neon_proxy hasty {\nzone hasty 1m;\n"
               . $cp->directives
               . "${insecure}client_timeout 1s;\n}\n",
    http => <<"END");
server {
    # the kernel holds more of what nobody reads where it may be 32 MiB
    listen 127.0.0.1:$port rcvbuf=256k;
    location / { neon_proxy_websocket main; }
    location /hasty { neon_proxy_websocket hasty; }
    location /pinged { neon_proxy_websocket pinged; }
}

server {
    listen 127.0.0.1:$secure ssl;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    location / { neon_proxy_websocket main; }
}
END

sub open_ws {
    my (%o) = @_;

    my $c = NeonTest::WsClient->new(port => $o{tls} ? $secure : $port,
                                    $o{timeout}
                                    ? (timeout => $o{timeout}) : ());

    $c->start_tls(sni => $host) if $o{tls};
    $c->upgrade(host => $host, %o);

    return $c;
}

sub enter {
    my (%o) = @_;

    return open_ws(%o)->login(password => 'pw', %o);
}

my $startup = startup_packet([ user => 'alice', database => 'app' ]);
my $password = message('p', "pw\0");

sub query { message('Q', "$_[0]\0") }

sub frame { NeonTest::WsClient::frame(@_) }

sub fragments { NeonTest::WsClient::fragments(@_) }

sub closed {
    my ($c, $name, $code) = @_;

    my @said = $c->read_to_end;
    is($c->{close} && $c->{close}{code}, $code // 1000, "$name: Close");
    ok($c->{ended}, "$name: the end of the connection");

    return @said;
}

sub ended { scalar(() = $fc->notes('ended')) }


# --- what the RFC forbids -------------------------------------------------

my @violations = (
    (map { [ "reserved bit $_", 1002, frame('x', rsv => $_) ] } 1, 2, 4),
    [ 'a reserved bit in a ping', 1002, frame('', opcode => 9, rsv => 4) ],
    [ 'no mask', 1002, frame('hello', mask => 0) ],
    [ 'no mask, and empty', 1002, frame('', mask => 0) ],
    [ 'a ping without a mask', 1002, frame('', opcode => 9, mask => 0) ],
    (map { [ "opcode $_", 1002, frame('x', opcode => $_) ] } 3 .. 7,
                                                             11 .. 15),
    [ 'text', 1003, frame('select 1', opcode => 1) ],
    [ 'empty text', 1003, frame('', opcode => 1) ],
    [ 'a fragment of text', 1003, frame('x', opcode => 1, fin => 0) ],
    [ 'a continuation of nothing', 1002, frame('x', opcode => 0) ],
    [ 'a message inside another', 1002,
      frame('', fin => 0) . frame('') ],
    [ 'a continuation too many', 1002,
      frame('', fin => 0) . frame('', opcode => 0)
      . frame('', opcode => 0) ],
    [ 'a fragmented ping', 1002, frame('x', opcode => 9, fin => 0) ],
    [ 'a fragmented pong', 1002, frame('x', opcode => 10, fin => 0) ],
    [ 'a fragmented Close', 1002, frame("\3\xe8", opcode => 8, fin => 0) ],
    [ 'a ping of 126 bytes', 1002, frame('x' x 126, opcode => 9) ],
    [ 'a pong of 70000 bytes', 1002, frame('', opcode => 10,
                                           length => 70000) ],
    [ 'a Close of 126 bytes', 1002, frame("\3\xe8" . 'x' x 124,
                                          opcode => 8) ],
    [ '0 in 16 bits', 1002, frame('', form => 16) ],
    [ '125 in 16 bits', 1002, frame('x' x 125, form => 16) ],
    [ '0 in 64 bits', 1002, frame('', form => 64) ],
    [ '65535 in 64 bits', 1002, frame('', form => 64, length => 65535) ],
    [ 'a length of 2^63', 1002, frame('', form => 64, length => 1 << 63) ],
    [ 'a length of 2^64 - 1', 1002, frame('', form => 64, length => ~0) ],
    [ 'Close: one byte', 1002, frame("\3", opcode => 8) ],
    (map { [ "Close: code $_", 1002, frame(pack('n', $_), opcode => 8) ] }
         0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535),
    (map { [ "Close: reason $_->[0]", 1007,
             frame("\3\xe8$_->[1]", opcode => 8) ] }
         [ 'ff', "\xff" ], [ 'cut', "ab\xe2\x82" ], [ 'overlong', "\xc0\xaf" ],
         [ 'a surrogate', "\xed\xa0\x80" ], [ 'too high', "\xf4\x90\x80\x80" ],
         [ 'a stray byte', "a\x80b" ]),
    [ 'noise', 1002, "\xff" x 200 ],
    [ 'Postgres without frames', 1002, $startup ],
    [ 'HTTP', 1002, "GET / HTTP/1.1\r\nHost: x\r\n\r\n" ],
);

# at once; while the password is waited for; in a session; with more behind it

my %stage = (
    'before the login' => sub { open_ws() },
    'during the login' => sub { my $c = open_ws(); $c->send($startup);
                                $c->read_message; $c },
    'in a session' => sub { enter() },
    'in a session by TLS' => sub { enter(tls => 1) },
);

for my $stage (sort keys %stage) {
    my $sessions = 0;
    my $ends = ended();

    for my $case (@violations) {
        my ($name, $code, $bytes) = @$case;

        my $c = $stage{$stage}->();
        $sessions++ if $c->{ready};
        $c->send_plain($bytes);

        my @said = closed($c, "$stage: $name", $code);
        is_deeply(\@said, [], "$stage: $name: nothing else is said");
        ok(length $c->{close}{reason}, "$stage: $name: a reason")
            if $c->{close};
    }

    eventually { ended() == $ends + $sessions }
        "$stage: the computes are free" if $sessions;
}

# in pieces, and with a flood behind it
for my $case (grep { $_->[0] =~ /^(?:reserved bit 1|text|Close: reason ff)$/ }
              @violations)
{
    my ($name, $code, $bytes) = @$case;

    my $c = enter();
    $c->send_plain($_) for split //, $bytes;
    closed($c, "byte by byte: $name", $code);

    $c = enter();
    $c->send_plain($bytes . frame('x' x 100) x 1000);
    closed($c, "a flood behind it: $name", $code);
}

# a message before it arrives
my $c = enter();
$c->send_plain(frame(query('last')) . frame('x', rsv => 1));
closed($c, 'a query before it', 1002);


# --- what it allows -------------------------------------------------------

for my $case ([ 'a normal end', 1000 ], [ 'leaving', 1001, 'going away' ],
              [ 'a private code', 4999, "\xe2\x82\xac" ],
              [ 'a registered code', 3000 ], [ 'a try later', 1013 ],
              [ 'a reason of 123 bytes', 1000, 'r' x 123 ])
{
    my ($name, $code, $reason) = @$case;

    for my $stage (sort keys %stage) {
        $c = $stage{$stage}->();
        $c->send_close($code, $reason);
        closed($c, "$stage: Close, $name", $code);
    }
}

$c = enter();
$c->send_close;
$c->read_to_end;
like($c->{close}{code}, qr/^(?:1000|1005)$/, 'Close without a code: Close');
ok($c->{ended}, 'Close without a code: the end');

# fragments of a byte, with pings between them
my $text = 'f' x 50;
my $all = $startup . $password . query($text);

for my $case ([ 'nothing', '' ],
              [ 'pings', frame('ping', opcode => 9), 1 ],
              [ 'pongs', frame('pong', opcode => 10) ],
              [ 'empty continuations', frame('', opcode => 0, fin => 0) ])
{
    my ($name, $between, $pongs) = @$case;

    $c = open_ws();
    $c->send_plain(fragments($all, 1, between => $between));
    $c->authenticate(password => 'unused');
    is($c->error_text, '', "W2: fragments of a byte, $name between: a login");
    is($c->result->{rows}[0][0], $text, "W2: $name between: a query");
    is($c->{pongs}[-1], 'ping', "W6: $name between: answered") if $pongs;

    $c->send_plain(fragments(query('again'), 2, between => $between));
    is($c->result->{rows}[0][0], 'again', "W2: $name between: another");
    $c->send(message('X'));
    closed($c, "W2: $name between");
}

# every mask and every alignment of it
for my $mask ("\0\0\0\0", "\xff\xff\xff\xff", "\1\2\3\4") {
    $c = enter();

    for my $size (1 .. 20) {
        my $sql = join '', map { chr 64 + $_ } 1 .. $size;
        my $bytes = query($sql);

        $c->send_plain(join '', map { frame($_, mask => $mask) }
                                $bytes =~ /(.{1,$size})/gs);
        is($c->result->{rows}[0][0], $sql, 'W2: mask ' . unpack('H*', $mask)
                                           . ", $size bytes");
    }

    $c->close;
}

# floods of what is no data
for my $case ([ 'empty messages', frame('') ],
              [ 'pings', frame('flood', opcode => 9) ],
              [ 'pongs', frame('', opcode => 10) ])
{
    my ($name, $bytes) = @$case;

    $c = open_ws();
    $c->send_plain($bytes x 20000 . frame($startup) . $bytes x 20000);
    $c->authenticate(password => 'pw');
    is($c->error_text, '', "a flood of $name: a login");
    $c->send_plain($bytes x 20000 . frame(query('hello')) . $bytes x 100);
    is($c->result->{rows}[0][0], 'hello', "a flood of $name: a query");
    $c->close;
}


# --- time -----------------------------------------------------------------

# one deadline: neither a byte now and then moves it, nor a ping

my $long = startup_packet([ user => 'u' x 9000 ]);

for my $case ([ 'nothing', sub { '' } ],
              [ 'a byte', sub { frame(substr $long, 0, 1, '') } ],
              [ 'a ping', sub { frame('', opcode => 9) } ],
              [ 'an empty message', sub { frame('') } ])
{
    my ($name, $next) = @$case;

    $c = open_ws(path => '/hasty');

    eventually {
        $c->send_plain($next->());
        $c->readable(0.05);
        return length $c->{buffer} || $c->{close};
    } "$name now and then: cut";

    my ($m) = closed($c, "$name now and then");
    is($m && error_fields($m->{body})->{C}, '57014',
       "$name now and then: told why");
}

$c = open_ws(path => '/hasty');
$c->send($startup);
is($c->read_message->{type}, 'R', 'no password: it is asked for');
my ($m) = closed($c, 'no password');
is($m && error_fields($m->{body})->{C}, '57014', 'no password: told why');

# half a header of a frame, and half a payload
for my $bytes ("\x82", "\x82\xfe\x01", frame('', length => 20)) {
    $c = open_ws(path => '/hasty');
    $c->send_plain($bytes);
    ($m) = closed($c, 'a frame of ' . length($bytes) . ' bytes');
    is($m && error_fields($m->{body})->{C}, '57014', 'told why');
}


# --- memory ---------------------------------------------------------------

# a message of BULK bytes, its frame and what a sink says of it

my $body = join '', map { pack('N', $_) x 1024 } 1 .. BULK / 4096;
my $digest = BULK . ' ' . Digest::SHA::sha1_hex($body);
my $bulk = frame('Q' . pack('N', 4 + BULK) . $body);

sub upload {
    my ($name, %o) = @_;

    my $up = enter(database => 'sink', timeout => 120, %o);
    my ($before, $most) = ($n->rss, 0);

    for (my $pos = 0; $pos < length $bulk; $pos += MIB) {
        $up->send_plain(substr $bulk, $pos, MIB);

        my $grown = $n->rss - $before;
        $most = $grown if $grown > $most;
    }

    is($up->result(120)->{rows}[0][0], $digest,
       "W2: $name: 64 MiB in one frame arrive");
    $t->flat($most, GROWTH, "W2: $name");
    $up->close;
}

# warm
enter()->close for 1 .. 3;
enter(tls => 1)->close for 1 .. 3;

upload('http');
upload('https', tls => 1);

# a compute that does not read; what waits for it answers the pings
$c = enter(database => 'late', timeout => 120, path => '/pinged');
my $before = $n->rss;
my $sent = $c->send_until_blocked($bulk, 4 * $ping / 1000);
cmp_ok($sent, '<', BULK / 2, 'W13: a compute that does not read: it stops');
$t->flat($n->rss - $before, GROWTH, 'W13: a compute that does not read');

is(enter()->value('hello'), 'hello', 'W13: others are served');

spew($go, '');
$c->send_until_blocked(substr($bulk, $sent), 120);
is($c->result(120)->{rows}[0][0], $digest, 'W13: then all of it arrives');
$t->flat($n->rss - $before, GROWTH, 'W13: a compute that read late');
$c->close;

# a client that does not read
for my $tls (0, 1) {
    my $name = 'W13: ' . ($tls ? 'https' : 'http')
               . ': a client that does not read';

    $c = enter(database => 'source', tls => $tls, timeout => 120);
    my $was = () = $fc->notes('sent');
    $before = $n->rss;
    $c->send(query('go'));

    # nobody can tell when it is blocked but by the kernel's silence
    my ($pid) = $n->workers;
    my $io = '';
    eventually {
        my $seen = slurp("/proc/$pid/io");
        my $same = $seen eq $io && $c->readable(0);
        $io = $seen;
        select undef, undef, undef, 0.2 if !$same;
        return $same;
    } "$name: the worker waits";
    is(scalar(() = $fc->notes('sent')), $was, "$name: so does the compute");
    $t->flat($n->rss - $before, GROWTH, $name);

    my $bytes = 0;
    my $most = 0;

    while (my $message = $c->read_message(120)) {
        last if $message->{type} eq 'Z';
        $bytes += length $message->{body};

        my $grown = $n->rss - $before;
        $most = $grown if $grown > $most;
    }

    is($bytes, BULK, "$name: then it gets all");
    $t->flat($most, GROWTH, "$name: then it does");

    my @long = grep { $_->{length} > 65536 || $_->{opcode} != 2 }
               @{ $c->{frames} };
    is_deeply(\@long, [], "W6: $name: frames of 64 KiB at most");

    my $ends = ended();
    $c->close;
    eventually { ended() > $ends } "$name: the end";
}

# one that leaves in the middle
$c = enter(database => 'source');
$c->send(query('go'));
$c->read_n(100);
my $ends = ended();
$c->abort;
eventually { ended() > $ends } 'a client that leaves in the middle';


# --- garbage --------------------------------------------------------------

# what is inside the frames is the compute's to judge
$c = enter(database => 'fussy');
$c->send("\xff" x 100);
my @said = closed($c, 'garbage in a session');
is(@said && error_fields($said[0]{body})->{M}, 'invalid message',
   "garbage in a session: the compute's error");
is(($fc->notes('garbage'))[-1], 'ff' x 100, 'garbage: as it was');

# before it, it is ours
for my $case ([ 'zeros', "\0" x 8 ], [ 'a huge packet', "\x7f\xff\xff\xff"
                                       . "\0\3\0\0" ],
              [ 'a TLS ClientHello', "\x16\x03\x01\x02\0\x01\0\x01\xfc\3" ],
              [ 'HTTP', "GET / HTTP/1.1\r\n\r\n" ])
{
    my ($name, $bytes) = @$case;

    $c = open_ws();
    $c->send($bytes);
    ($m) = closed($c, "W8: $name in a message");
    is($m && error_fields($m->{body})->{C}, '08P01', "W8: $name: told so");
}


# --- reload and quit ------------------------------------------------------

my $old = enter();
my $old_tls = enter(tls => 1);
my $half = open_ws();
$half->send($startup);
$half->read_message;

ok($n->reload, 'reload');

is($old->value('old'), 'old', 'reload: the session goes on');
is($old_tls->value('old'), 'old', 'reload: so does one by TLS');
$half->password_message('pw');
$half->authenticate;
is($half->error_text, '', 'reload: a login under way ends well');
is($half->value('old'), 'old', 'reload: and is served');

my $new = enter();
is($new->value('new'), 'new', 'reload: a new session');

for ($old, $old_tls, $half) {
    $_->send(message('X'));
    closed($_, 'reload: an old session');
}

my ($first, @workers) = $n->started;
eventually { !kill 0, $first } 'reload: the old worker leaves';

$n->signal('QUIT');
$n->log_like(qr/gracefully shutting down.*gracefully shutting down/s,
             'quit: the worker was told');
is($new->value('quit'), 'quit', 'quit: the session goes on');
ok($n->alive, 'quit: nginx waits for it');
$new->send(message('X'));
closed($new, 'quit: the session');
is($n->{process}->wait(10 * $NeonTest::slow), 0, 'quit: then nginx ends');

$t->done;
