#!/usr/bin/perl

# First packets that are malformed, truncated or hostile: each is answered or
# closed at once, and the next client is served.  Lengths and parameters:
# checks/C09-startup-lengths.t.

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


# --- unknown requests ----------------------------------------------------

is(answer(pack('NN', 8, 1234 << 16 | 1)), '08P01', 'unknown 1234.x code');
is(answer(pack('NN', 12, 80877103) . 'more'), '08P01',
   'SSLRequest with a payload');
is(answer(pack('NN', 12, 80877104) . 'more'), '08P01',
   'GSSENCRequest with a payload');
is(answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), '08P01', 'an HTTP request');
is(answer("\0" x 64), '08P01', 'zeros');
is(answer(pack 'N', 3), '08P01', 'a length of 3, and nothing behind it');
is(answer(pack 'N', 10009), '08P01', 'a length of 10009, alone');
is(answer("\xff" x 64), '08P01', 'ones');

like(answer(pack('NN', 8, 80877102)), qr/^(08P01)?$/,
     'CancelRequest without a key');
like(answer(pack('NNN', 12, 80877102, 1)), qr/^(08P01)?$/,
     'CancelRequest with a pid only');
like(answer(cancel_request(1, 'x' x 257)), qr/^(08P01)?$/,
     'CancelRequest with a key of 257 bytes');

for my $twice (ssl_request, gssenc_request) {
    my $c = $t->client(port => $n->plain_port);
    $c->send($twice x 2);
    is($c->read_n(1), 'N', 'a request');
    is($c->only_error, '08P01', 'and the same again');
}

alive('requests');


# --- cut off -------------------------------------------------------------

my $whole = startup_packet([ user => 'alice', database => 'app',
                             options => 'endpoint=ep-1' ]);

my $c;

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

is(inside(ssl_request), '08P01', 'TLS: SSLRequest');
is(inside(gssenc_request), '08P01', 'TLS: GSSENCRequest');
is(inside(pack('N', 2 ** 31) . $v3), '08P01', 'TLS: length 2^31');
is(inside(pack('NN', 7, 196608)), '08P01', 'TLS: length 7');
is(inside(packet($v3 . "user\0alice\0")), '08P01', 'TLS: no terminator');
is(inside(packet(pack('N', 2 << 16) . "user\0alice\0\0")), '0A000',
   'TLS: protocol 2.0');
is(answer(packet(pack('N', 4 << 16) . "user\0alice\0\0"), $n->port), '0A000',
   'protocol 4.0, without the TLS that is required');

$t->done;
