#!/usr/bin/perl

# Direct TLS is for clients that offer ALPN postgresql, and is answered with it;
# who offers another protocol, as a browser does, is refused (ALPACA).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1);
my $startup = startup_packet([ user => 'alice', database => 'app',
                               options => 'endpoint=ep-1' ]);
my @name = (sni => 'ep-1.db.example.com');

$t->served('direct, ALPN postgresql', $t->enter($n, tls => 'direct'));

my $c = $t->client(port => $n->port);
$c->start_tls(@name, alpn => [ 'postgresql' ]);
is($c->{tls}->alpn, 'postgresql', 'direct: ALPN is answered');
$c->close;

$c = $t->client(port => $n->port);
$c->start_tls(@name, alpn => [ 'h2', 'postgresql' ]);
is($c->{tls}->alpn, 'postgresql', 'direct: chosen among others');
$c->close;

my $refused = sub {
    my ($name, %o) = @_;
    my $c = $t->client(port => $n->port);

    if ($o{inband}) {
        $c->send(ssl_request);
        $c->read_n(1);
    }

    ok(!eval { $c->start_tls(@name, alpn => $o{alpn}); 1 }, "$name: refused");
    # the alert 120: not each OpenSSL 3.0 has words for it
    like($@, qr/no application protocol|reason\(1120\)|closed/,
         "$name: by ALPN");
};

$refused->('direct, ALPN http/1.1', alpn => [ 'http/1.1' ]);
$refused->('direct, ALPN h2 and http/1.1', alpn => [ 'h2', 'http/1.1' ]);
$refused->('in-band, ALPN http/1.1', alpn => [ 'http/1.1' ], inband => 1);

# without ALPN direct TLS must not work (a browser could be made to speak it);
# the handshake itself may succeed, and then an error is said

$c = $t->client(port => $n->port);
my $done = eval { $c->start_tls(@name); $c->send($startup); $c->only_error };
ok(!defined $done || $done eq '08P01', 'direct, no ALPN: refused')
    or diag($done);

# a server without certificates closes
$c = $t->client(port => $n->plain_port);
ok(!eval { $c->start_tls(@name, alpn => [ 'postgresql' ]); 1 },
   'direct TLS to a server without certificate: refused');
like($@, qr/closed/, 'closed at once');

$t->done;
