#!/usr/bin/perl

# How TLS begins: asked for in-band, after something else, not at all; and what
# comes in its place.  t/checks/ has more of it: C1, C4 to C8.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1);
my $startup = startup_packet([ user => 'alice', database => 'app',
                               options => 'endpoint=ep-1' ]);

my @name = (sni => 'ep-1.db.example.com');


# --- in-band -------------------------------------------------------------

$t->served('SSLRequest', $t->enter($n));
$t->served('SSLRequest, ALPN postgresql', $t->enter($n, alpn =>
                                                   [ 'postgresql' ]));
$t->served('TLS 1.2', $t->enter($n, max => 0x0303));
$t->served('TLS 1.3', $t->enter($n, min => 0x0304));

# psql verifies the certificate against the name
my %psql = (port => $n->port, password => 'pw');
my $r = $t->psql('hello', %psql);
is($r->{out}, "hello\n", 'psql sslmode=verify-full') or diag($r->{err});
$r = $t->psql('hello', %psql, host => 'ep-1.other.example.org',
              options => 'endpoint=ep-1');
like($r->{err}, qr/does not match host name/, 'psql, a wrong name');

# GSSENCRequest first, as libpq with Kerberos does
my $c = $t->client(port => $n->port);
$c->send(gssenc_request);
is($c->read_n(1), 'N', 'GSSENCRequest: N');
$t->served('GSSENCRequest, then SSLRequest', $c->login(@name,
                                                      password => 'pw'));

$c = $t->client(port => $n->plain_port);
$c->send(ssl_request);
is($c->read_n(1), 'N', 'SSLRequest without a certificate: N');
$c->send($startup);
$t->served('and then in plaintext', $c->authenticate(password => 'pw'));

$c = $t->client(port => $n->plain_port);
$c->send(ssl_request);
$c->read_n(1);
$c->send(gssenc_request);
is($c->read_n(1), 'N', 'SSLRequest, then GSSENCRequest: N');
$c->send($startup);
$t->served('and then in plaintext too', $c->authenticate(password => 'pw'));


# "listen ... ssl" makes no difference
my $port = $t->port;
my $certs = $t->certs;
my $ssl = $t->nginx(main => $cp->directives, port => $port, stream => <<"END");
server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    neon_proxy_pass main;
}
END
$t->served('listen ... ssl, SSLRequest', $t->enter($ssl));
$t->served('listen ... ssl, direct TLS', $t->enter($ssl, tls => 'direct'));
is($t->enter($ssl, tls => 'none', params => [ options => 'endpoint=ep-1' ])
      ->error->{C}, '28000', 'listen ... ssl, no TLS');


# --- what is not let in --------------------------------------------------

$c = $t->client(port => $n->port);
$c->send($startup);
is($c->only_error, '28000', 'a certificate, and no TLS');

# RFC 7301; and ALPACA: whoever speaks another protocol must not get further
$c = $t->client(port => $n->port)->start_tls(sni => 'ep-1.db.example.com');
is($c->only_error, '08P01', 'direct TLS without ALPN');

for my $how (qw/start_tls inband_tls/) {
    $c = $t->client(port => $n->port);
    ok(!eval { $c->$how(sni => 'ep-1.db.example.com', alpn => [ 'h2' ]); 1 },
       "$how: ALPN of another protocol");
    $c->drop;
}


# --- garbage in place of a handshake -------------------------------------

# nginx 1.26 does not know what OpenSSL 3.2 and newer say last
$n->expect(qr/\[crit\] .*SSL_do_handshake\(\) failed .*record layer failure/);

for my $garbage ("\x16\x03\x01\x00\x05hello", "\x16" . "\xff" x 100,
                 "\x16\x03\x01\x40\x01" . 'x' x 100)
{
    $c = $t->client(port => $n->port);
    $c->send($garbage);
    $c->half_close;
    my $answer = $c->read_all;
    unlike($answer, qr/^[ERS]/, 'garbage: no message in plaintext');
}

# CVE-2021-23214: what comes in plaintext never counts as said inside TLS
$c = $t->client(port => $n->port);
$c->send(ssl_request . $startup);
is($c->read_n(1), 'S', 'plaintext behind SSLRequest: S');
ok(!eval { $c->start_tls(sni => 'ep-1.db.example.com'); 1 },
   'plaintext behind SSLRequest: goes to TLS, which fails');
$c->drop;

$c = $t->client(port => $n->port);
$c->send(ssl_request);
$c->read_n(1);
$c->abort;

$t->served('the next client', $t->enter($n));

# --- session tickets ------------------------------------------------------

# records behind the client's Finished: one ticket, and what the server says

{
    my $raw = '';
    my $receive = \&NeonTest::PgClient::receive_raw;

    no warnings 'redefine';
    local *NeonTest::PgClient::receive_raw = sub {
        my $bytes = $receive->(@_);
        $raw .= $bytes;
        return $bytes;
    };

    my $c = $t->client(port => $n->port);
    $c->inband_tls(sni => 'ep-1.db.example.com', max => 0x0304);
    $raw = '';
    $c->send(startup_packet([ user => 'alice' ]));
    $c->read_message;
    $c->drop;

    my $records = 0;
    while ($raw =~ s/^\x17..(..)//s) {
        substr $raw, 0, unpack('n', $1), '';
        $records++;
    }

    is($records, 2, 'one session ticket, not two');
}

$t->done;
