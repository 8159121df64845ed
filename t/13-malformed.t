#!/usr/bin/perl

# First packets that are malformed, truncated, too long or hostile: each is
# answered or closed at once, and the next client is served.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1);

my $v3 = pack 'N', 196608;

sub packet { pack('N', 4 + length $_[0]) . $_[0] }


# sends bytes; the SQLSTATE of the answer, '' where it was just closed

sub answer {
    my ($bytes, $port) = @_;

    my $c = $t->client(port => $port // $n->plain_port);
    $c->send($bytes);

    my $all = $c->read_all;
    return '' if $all eq '';
    return "no message: $all" if $all !~ /^E(....)/s
                                 || length $all != 1 + unpack 'N', $1;
    return error_fields(substr $all, 5)->{C};
}

sub alive {
    my ($name) = @_;

    my $c = $t->enter($n, tls => 'none', params =>
                      [ options => 'endpoint=ep-1' ]);
    is($c->value('hello'), 'hello', "$name: the next client is served");
    $c->close;
}


# --- the length ----------------------------------------------------------

for my $length (0, 1, 3, 4, 7, 10009, 10010, 2 ** 16, 2 ** 24, 2 ** 31 - 1,
                2 ** 31, 2 ** 32 - 8, 2 ** 32 - 1)
{
    # more bytes follow than any answer needs to wait for
    is(answer(pack('N', $length) . $v3 . 'x' x 64), '08P01',
       "length $length");
}

alive('lengths');

is(answer(pack('N', 8) . $v3), '08P01', 'length 8: not even a terminator');
is(answer(packet($v3 . "\0")), '28000', 'length 9: no user');


# --- the parameters ------------------------------------------------------

my %packets = (
    'no terminator'            => "user\0alice\0",
    'no NUL at all'            => 'useralice',
    'a name without value'     => "user\0alice\0database\0\0",
    'bytes behind the end'     => "user\0alice\0\0more",
    'an empty name'            => "user\0alice\0\0value\0\0",
    'value without NUL'        => "user\0alice\0database\0app",
    'only NULs'                => "\0\0\0\0",
);

for my $name (sort keys %packets) {
    my $code = answer(packet($v3 . $packets{$name}));
    is($code, '08P01', $name);
}

is(answer(packet($v3 . "user\0\0\0")), '28000', 'an empty user');
is(answer(packet($v3 . "database\0app\0\0")), '28000', 'no user');

alive('parameters');


# --- as long as it may be ------------------------------------------------

sub sized {
    my ($payload) = @_;

    my $fix = "user\0alice\0database\0app\0options\0endpoint=ep-1\0pad\0";
    return packet($v3 . $fix . 'x' x ($payload - 2 - length $fix) . "\0\0");
}

is(answer(sized(10001)), '08P01', 'a payload of 10001 bytes');

my $c = $t->client(port => $n->plain_port);
$c->send(sized(10000));
is($c->read_message->{type}, 'R', 'a payload of 10000 bytes is taken');
$c->drop;

my $name = 'n' x 1000;
$c = $t->enter($n, tls => 'none', params =>
               [ options => 'endpoint=ep-1', $name => 'value' ]);
is($c->value('hello'), 'hello', 'a name of 1000 bytes');
is(($fc->notes('startup'))[-1]{$name}, 'value', 'it reaches the compute');
$c->close;


# --- unknown requests ----------------------------------------------------

is(answer(pack('NN', 8, 1234 << 16 | 1)), '08P01', 'unknown 1234.x code');
is(answer(pack('NN', 12, 80877103) . 'more'), '08P01',
   'SSLRequest with a payload');
is(answer(pack('NN', 12, 80877104) . 'more'), '08P01',
   'GSSENCRequest with a payload');
is(answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), '08P01', 'an HTTP request');
is(answer("\0" x 64), '08P01', 'zeros');
is(answer("\xff" x 64), '08P01', 'ones');

like(answer(pack('NN', 8, 80877102)), qr/^(08P01)?$/,
     'CancelRequest without a key');
like(answer(pack('NNN', 12, 80877102, 1)), qr/^(08P01)?$/,
     'CancelRequest with a pid only');
like(answer(cancel_request(1, 'x' x 257)), qr/^(08P01)?$/,
     'CancelRequest with a key of 257 bytes');

alive('requests');


# --- cut off -------------------------------------------------------------

my $whole = startup_packet([ user => 'alice', database => 'app',
                             options => 'endpoint=ep-1' ]);

for my $cut (1 .. 12, 20, length($whole) - 1) {
    $c = $t->client(port => $n->plain_port);
    $c->send(substr $whole, 0, $cut);
    $c->half_close;
    is($c->read_all, '', "$cut bytes, then the end: closed");
}

for my $cut (0, 4, 8, 20) {
    $c = $t->client(port => $n->plain_port);
    $c->send(substr $whole, 0, $cut);
    $c->abort;
}

alive('cut off');


# --- byte by byte --------------------------------------------------------

$c = $t->client(port => $n->plain_port);

for my $byte (split //, $whole) {
    $c->send($byte);
    select undef, undef, undef, 0.0005;
}

$c->authenticate(password => 'pw');
is($c->error_text, '', 'byte by byte');
is($c->value('hello'), 'hello', 'and a query');
$c->close;


# --- inside TLS ----------------------------------------------------------

sub inside {
    my ($bytes) = @_;

    my $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    $c->read_n(1);
    $c->start_tls(sni => 'ep-1.db.example.com');
    $c->send($bytes);

    my $all = $c->read_all;
    return $all =~ /^E/ ? error_fields(substr $all, 5)->{C} : $all;
}

is(inside(pack('N', 2 ** 31) . $v3), '08P01', 'TLS: length 2^31');
is(inside(pack('NN', 7, 196608)), '08P01', 'TLS: length 7');
is(inside(packet($v3 . "user\0alice\0")), '08P01', 'TLS: no terminator');
is(inside(packet(pack('N', 2 << 16) . "user\0alice\0\0")), '0A000',
   'TLS: protocol 2.0');

$t->done;
