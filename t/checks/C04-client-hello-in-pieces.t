#!/usr/bin/perl

# A ClientHello that comes in many segments, in many TLS records, or is larger
# than a segment: the name in it is found all the same (traefik#12842, #12866).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1);
my $startup = startup_packet([ user => 'alice', database => 'app' ]);
my @name = (sni => 'ep-1.db.example.com');

# the handshake message cut into several TLS records

my $records = sub {
    my ($bytes) = @_;

    my ($type, $version, $length) = unpack 'Cnn', $bytes;
    return $bytes if $type != 22;

    my $body = substr $bytes, 5, $length;
    my $rest = substr $bytes, 5 + $length;

    return (join('', map { pack('Cnn', 22, $version, length) . $_ }
                 $body =~ /(.{1,100})/gs) . $rest);
};

my %send = (
    'byte by byte' => sub { split //, $_[0] },
    'in segments of 100 bytes' => sub { $_[0] =~ /(.{1,100})/gs },
    'in TLS records of 100 bytes' => $records,
    'in records and segments' => sub {
        map { /(.{1,33})/gs } $records->($_[0])
    },
);

for my $tls (qw/inband direct/) {
    for my $how (sort keys %send) {
        my $first = 1;

        $t->served("ClientHello $how, $tls", $t->enter($n, tls => $tls,
            send => sub { $first-- > 0 ? $send{$how}->($_[0]) : $_[0] }));
    }
}

my $c = $t->client(port => $n->port);
$c->send(ssl_request);
$c->read_n(1);

my $size;
$c->start_tls(@name, max => 0x0303, ticket => 't' x 4000,
              send => sub { $size //= length $_[0]; $_[0] });
cmp_ok($size, '>', 4000, 'a ClientHello of more than one segment');
$c->send($startup);
$t->served('a large ClientHello', $c->authenticate(password => 'pw'));

$t->done;
