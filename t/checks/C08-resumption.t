#!/usr/bin/perl

# A resumed TLS session is no way around anything: the name, the proof and the
# channel binding are those of this connection, and a session of a server that
# asks for no certificate opens none that does, nor one that asks for those of
# another authority (nginx CVE-2025-23419).

use lib 't/lib';
use NeonTest;
use NeonTest::Certs;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front;

# the name, the proof and the channel binding are those of this connection

$cp->role('ep-2', alice => $t->{verifier});
$cp->endpoint('ep-2', address => $fc->address);

for my $max (0x0303, 0x0304) {
    my $version = $max == 0x0303 ? 'TLS 1.2' : 'TLS 1.3';

    my $c = $t->enter($n, max => $max);
    $c->value('hello');
    my $session = $c->{tls}->session;
    $c->close;

    $cp->forget;
    $c = $t->enter($n, max => $max, session => $session);
    ok($c->{tls}->resumed, "$version: resumed");
    is($c->{mechanism}, 'SCRAM-SHA-256-PLUS', "$version: bound all the same");
    $t->served("$version, resumed", $c);
    is(($cp->calls)[0]{query}{endpointish}, 'ep-1', "$version: its name");

    $cp->forget;
    $c = $t->enter($n, max => $max, session => $session,
                   sni => 'ep-2.db.example.com');
    $t->served("$version, another name", $c);
    is(($cp->calls)[0]{query}{endpointish}, 'ep-2',
       "$version: the name of this ClientHello");

    $c = $t->enter($n, max => $max, session => $session,
                   password => 'wrong');
    is($c->error->{C}, '28P01', "$version, resumed: a password is needed");
}

# --- servers with and without client certificates ------------------------

# one cache and one ticket key for both, as a careless configuration has it

my $certs = $t->certs;
my ($open, $closed, $other) = map { $t->port } 1 .. 3;

NeonTest::Certs::client($t->dir, 'ca', 'alice');
NeonTest::Certs::client($t->dir, 'nobody', 'mallory');
spew($t->dir . '/ticket.key', NeonTest::Scram::random(80));

my $tls = "ssl_certificate $certs/db.crt; ssl_certificate_key $certs/db.key;";

my $both = $t->nginx(main => $cp->directives, stream => <<"END");
ssl_session_cache shared:sessions:1m;
ssl_session_ticket_key @{[ $t->dir ]}/ticket.key;

server {
    listen 127.0.0.1:$open;
    $tls
    neon_proxy_pass main;
}

server {
    listen 127.0.0.1:$closed;
    $tls
    ssl_client_certificate $certs/ca.crt;
    ssl_verify_client on;
    neon_proxy_pass main;
}

server {
    listen 127.0.0.1:$other;
    $tls
    ssl_client_certificate $certs/nobody.crt;
    ssl_verify_client on;
    neon_proxy_pass main;
}
END

# what it was told, or how it was cut off
sub outcome {
    my ($port, %o) = @_;

    my $c = eval { $t->enter($both, port => $port, %o) } or return 'no TLS';
    my $said = eval { $c->value('hello') } // $c->error_text;

    # OpenSSL does not resume what was torn off
    eval { $c->half_close };

    return ($said eq 'hello' ? 'in' : 'refused', $c->{tls}->resumed,
            $c->{tls}->session);
}

for my $max (0x0303, 0x0304) {
    my $version = $max == 0x0303 ? 'TLS 1.2' : 'TLS 1.3';

    my ($out, undef, $session) = outcome($open, max => $max);
    is($out, 'in', "$version: a session without a certificate");
    ($out, my $resumed) = outcome($open, max => $max, session => $session);
    is("$out $resumed", 'in 1', "$version: resumed where it is from");

    isnt((outcome($closed, max => $max))[0], 'in',
         "$version: no certificate: not let in");
    isnt((outcome($closed, max => $max, session => $session))[0], 'in',
         "$version: nor with that session");

    my @mine = (max => $max, cert => $t->dir . '/alice');
    ($out, undef, $session) = outcome($closed, @mine);
    is($out, 'in', "$version: with a certificate");
    is((outcome($closed, @mine, session => $session))[0], 'in',
       "$version: and again");

    is((outcome($other, max => $max, cert => $t->dir . '/mallory'))[0], 'in',
       "$version: another authority");
    isnt((outcome($other, @mine))[0], 'in',
         "$version: a certificate of the first is none of its");
    isnt((outcome($other, @mine, session => $session))[0], 'in',
         "$version: nor with a session of it");
}

$t->done;
