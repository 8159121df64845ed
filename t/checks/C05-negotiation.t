#!/usr/bin/perl

# SSLRequest and GSSENCRequest are each answered once; twice, inside TLS or in
# an endless series they are an error.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1);
my $startup = startup_packet([ user => 'alice', database => 'app',
                               options => 'endpoint=ep-1' ]);
my @name = (sni => 'ep-1.db.example.com');

my $c = $t->client(port => $n->plain_port);
$c->send(ssl_request);
$c->read_n(1);
$c->send(ssl_request);
is($c->only_error, '08P01', 'SSLRequest twice');

$c = $t->client(port => $n->port);
$c->send(gssenc_request);
$c->read_n(1);
$c->send(gssenc_request);
is($c->only_error, '08P01', 'GSSENCRequest twice');

for my $packet (ssl_request, gssenc_request) {
    $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    $c->read_n(1);
    $c->start_tls(@name);
    $c->send($packet);
    is($c->only_error, '08P01', 'inside TLS: '
       . ($packet eq ssl_request ? 'SSLRequest' : 'GSSENCRequest'));
}

$c = $t->client(port => $n->plain_port);
$c->send(ssl_request);
$c->read_n(1);
ok(!eval { $c->start_tls(@name); 1 }, 'TLS after SSLRequest was refused');

# no endless series, in whatever order

for my $series ([ gssenc_request, ssl_request, gssenc_request ],
                [ ssl_request, gssenc_request, ssl_request ])
{
    my $many = join '', (@$series) x 1000;

    $c = $t->client(port => $n->plain_port);
    $c->send($many);
    like($c->read_all, qr/^NNE.{4}SFATAL\0VFATAL\0C08P01\0/s,
         '3000 requests: two answers and an error');
}

$t->served('the next client', $t->enter($n));

$t->done;
