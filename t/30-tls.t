#!/usr/bin/perl

# How TLS begins: asked for in-band, direct with ALPN, required or not; and
# what nobody may do with it.  C1, C4, ... name the entries of the list of
# defects that other proxies had.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1);
my $startup = startup_packet([ user => 'alice', database => 'app',
                               options => 'endpoint=ep-1' ]);

my @name = (sni => 'ep-1.db.example.com');


sub logged_in {
    my ($name, $c, %o) = @_;

    is($c->error_text, '', "$name: logged in");
    is($c->value('hello'), 'hello', "$name: a query");
    $c->close;
}

# the SQLSTATE of the ErrorResponse that is all that comes, or the bytes

sub only_error {
    my ($c) = @_;

    my $m = $c->read_message or return 'closed';
    my $rest = $c->read_all;

    return "$m->{type}..." if $m->{type} ne 'E';
    return "and more: $rest" if $rest ne '';
    return error_fields($m->{body})->{C};
}


# --- in-band -------------------------------------------------------------

logged_in('SSLRequest', $t->enter($n));
logged_in('SSLRequest, ALPN postgresql', $t->enter($n, alpn =>
                                                   [ 'postgresql' ]));
logged_in('TLS 1.2', $t->enter($n, max => 0x0303));
logged_in('TLS 1.3', $t->enter($n, min => 0x0304));

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
logged_in('GSSENCRequest, then SSLRequest', $c->login(@name,
                                                      password => 'pw'));

$c = $t->client(port => $n->plain_port);
$c->send(ssl_request);
is($c->read_n(1), 'N', 'SSLRequest without a certificate: N');
$c->send($startup);
logged_in('and then in plaintext', $c->authenticate(password => 'pw'));

$c = $t->client(port => $n->plain_port);
$c->send(ssl_request);
$c->read_n(1);
$c->send(gssenc_request);
is($c->read_n(1), 'N', 'SSLRequest, then GSSENCRequest: N');
$c->send($startup);
logged_in('and then in plaintext too', $c->authenticate(password => 'pw'));


# --- direct (C7) ---------------------------------------------------------

logged_in('direct, ALPN postgresql', $t->enter($n, tls => 'direct'));

$c = $t->client(port => $n->port);
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
    like($@, qr/no application protocol|closed/, "$name: by ALPN");
};

$refused->('direct, ALPN http/1.1', alpn => [ 'http/1.1' ]);
$refused->('direct, ALPN h2 and http/1.1', alpn => [ 'h2', 'http/1.1' ]);
$refused->('in-band, ALPN http/1.1', alpn => [ 'http/1.1' ], inband => 1);

# without ALPN direct TLS must not work (a browser could be made to speak it);
# the handshake itself may succeed, and then an error is said

$c = $t->client(port => $n->port);
my $done = eval { $c->start_tls(@name); $c->send($startup); only_error($c) };
ok(!defined $done || $done eq '08P01', 'direct, no ALPN: refused')
    or diag($done);

# a server without certificates closes
$c = $t->client(port => $n->plain_port);
ok(!eval { $c->start_tls(@name, alpn => [ 'postgresql' ]); 1 },
   'direct TLS to a server without certificate: refused');
like($@, qr/closed/, 'closed at once');


# --- required (C6) -------------------------------------------------------

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

$c = $t->client(port => $n->port);
$c->send(gssenc_request);
is($c->read_n(1), 'N', 'GSSENCRequest');
$c->send($startup);
is(only_error($c), '28000', 'GSSENCRequest, then plaintext');

$r = $t->psql('hello', %psql, sslmode => 'disable', sslrootcert => undef);
like($r->{err}, qr/FATAL: +connection is insecure/, 'psql sslmode=disable');

my $optional = $t->nginx(main => $cp->directives . "tls_required off;\n");
logged_in('tls_required off', $t->enter($optional, port => $optional->port,
    tls => 'none', params => [ options => 'endpoint=ep-1' ]));
logged_in('tls_required off, TLS', $t->enter($optional));

my $required = $t->nginx(main => $cp->directives . "tls_required on;\n",
                         plain => 1);
$c = $t->client(port => $required->plain_port);
$c->send($startup);
is(only_error($c), '28000', 'tls_required on, server without certificate');


# --- twice (C5) ----------------------------------------------------------

$c = $t->client(port => $n->plain_port);
$c->send(ssl_request);
$c->read_n(1);
$c->send(ssl_request);
is(only_error($c), '08P01', 'SSLRequest twice');

$c = $t->client(port => $n->port);
$c->send(gssenc_request);
$c->read_n(1);
$c->send(gssenc_request);
is(only_error($c), '08P01', 'GSSENCRequest twice');

for my $packet (ssl_request, gssenc_request) {
    $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    $c->read_n(1);
    $c->start_tls(@name);
    $c->send($packet);
    is(only_error($c), '08P01', 'inside TLS: '
       . ($packet eq ssl_request ? 'SSLRequest' : 'GSSENCRequest'));
}

$c = $t->client(port => $n->plain_port);
$c->send(ssl_request);
$c->read_n(1);
ok(!eval { $c->start_tls(@name); 1 }, 'TLS after SSLRequest was refused');


# --- plaintext before TLS (C1) -------------------------------------------

# never may these bytes be read as if they had come encrypted

for my $case ([ 'a StartupMessage', $startup ], [ 'a byte', 'x' ],
              [ 'a second SSLRequest', ssl_request ])
{
    my ($name, $more) = @$case;
    my $seen = $fc->connections;
    my $calls = () = $cp->calls;

    # in the same segment
    $c = $t->client(port => $n->port);
    $c->send(ssl_request . $more);
    my $done = eval { $c->start_tls(@name) if $c->read_n(1) eq 'S'; 1 };
    ok(!$done, "$name behind SSLRequest: no TLS");

    # right behind it
    $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    $c->send($more);
    $done = eval { $c->start_tls(@name) if $c->read_n(1) eq 'S'; 1 };
    ok(!$done, "$name after SSLRequest: no TLS");

    is(scalar(() = $cp->calls), $calls, "$name: nobody was asked");
    is($fc->connections, $seen, "$name: no compute was reached");
}


# --- a ClientHello in pieces (C4) ----------------------------------------

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

        logged_in("ClientHello $how, $tls", $t->enter($n, tls => $tls,
            send => sub { $first-- > 0 ? $send{$how}->($_[0]) : $_[0] }));
    }
}

$c = $t->client(port => $n->port);
$c->send(ssl_request);
$c->read_n(1);

my $size;
$c->start_tls(@name, max => 0x0303, ticket => 't' x 4000,
              send => sub { $size //= length $_[0]; $_[0] });
cmp_ok($size, '>', 4000, 'a ClientHello of more than one segment');
$c->send($startup);
logged_in('a large ClientHello', $c->authenticate(password => 'pw'));


# --- a resumed session (C8) ----------------------------------------------

# the name, the proof and the channel binding are those of this connection

$cp->role('ep-2', alice => $t->{verifier});
$cp->endpoint('ep-2', address => $fc->address);

for my $max (0x0303, 0x0304) {
    my $version = $max == 0x0303 ? 'TLS 1.2' : 'TLS 1.3';

    $c = $t->enter($n, max => $max);
    $c->value('hello');
    my $session = $c->{tls}->session;
    $c->close;

    $cp->forget;
    $c = $t->enter($n, max => $max, session => $session);
    ok($c->{tls}->resumed, "$version: resumed");
    is($c->{mechanism}, 'SCRAM-SHA-256-PLUS', "$version: bound all the same");
    logged_in("$version, resumed", $c);
    is(($cp->calls)[0]{query}{endpointish}, 'ep-1', "$version: its name");

    $cp->forget;
    $c = $t->enter($n, max => $max, session => $session,
                   sni => 'ep-2.db.example.com');
    logged_in("$version, another name", $c);
    is(($cp->calls)[0]{query}{endpointish}, 'ep-2',
       "$version: the name of this ClientHello");

    $c = $t->enter($n, max => $max, session => $session,
                   password => 'wrong');
    is($c->error->{C}, '28P01', "$version, resumed: a password is needed");
}


# --- garbage in place of a handshake -------------------------------------

for my $garbage ("\x16\x03\x01\x00\x05hello", "\x16" . "\xff" x 100,
                 "\x16\x03\x01\x40\x01" . 'x' x 100)
{
    $c = $t->client(port => $n->port);
    $c->send($garbage);
    $c->half_close;
    my $answer = $c->read_all;
    unlike($answer, qr/^[ERS]/, 'garbage: no message in plaintext');
}

$c = $t->client(port => $n->port);
$c->send(ssl_request);
$c->read_n(1);
$c->abort;

logged_in('the next client', $t->enter($n));

$t->done;
