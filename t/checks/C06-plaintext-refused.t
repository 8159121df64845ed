#!/usr/bin/perl

# A plaintext client of a server that wants TLS is told so at once: it must not
# hang (traefik#9929, envoy#31049).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1);
my $startup = startup_packet([ user => 'alice', database => 'app',
                               options => 'endpoint=ep-1' ]);

sub plaintext {
    my ($name, @packets) = @_;

    my $c = $t->client(port => $n->port);
    $c->send($_) for @packets;

    my $m = $c->read_message;
    is($m && $m->{type}, 'E', "$name: an ErrorResponse at once");

    my $e = error_fields($m->{body});
    is($e->{C}, '28000', "$name: SQLSTATE");
    like($e->{M}, qr/connection is insecure.*sslmode=require/,
         "$name: message");
    is($c->read_all, '', "$name: closed");
}

plaintext('StartupMessage 3.0', $startup);
plaintext('StartupMessage 3.2', startup_packet([ user => 'alice' ],
                                               3 << 16 | 2));
plaintext('StartupMessage with _pq_', startup_packet(
    [ user => 'alice', '_pq_.x' => 'y' ]));
plaintext('only its first 8 bytes', substr $startup, 0, 8);

my $c = $t->client(port => $n->port);
$c->send(gssenc_request);
is($c->read_n(1), 'N', 'GSSENCRequest');
$c->send($startup);
is($c->only_error, '28000', 'GSSENCRequest, then plaintext');

my $r = $t->psql('hello', port => $n->port, password => 'pw',
                 sslmode => 'disable', sslrootcert => undef);
like($r->{err}, qr/FATAL: +connection is insecure/, 'psql sslmode=disable');

my $optional = $t->nginx(main => $cp->directives . "tls_required off;\n");
$t->served('tls_required off', $t->enter($optional, port => $optional->port,
    tls => 'none', params => [ options => 'endpoint=ep-1' ]));
$t->served('tls_required off, TLS', $t->enter($optional));

my $required = $t->nginx(main => $cp->directives . "tls_required on;\n",
                         plain => 1);
$c = $t->client(port => $required->plain_port);
$c->send($startup);
is($c->only_error, '28000', 'tls_required on, server without certificate');

$c = $t->client(port => $required->plain_port);
$c->send(ssl_request);
is($c->read_n(1), 'N', 'it has no TLS');
$c->send($startup);
is($c->only_error, '28000', 'but goes on without it for nobody');

$t->done;
