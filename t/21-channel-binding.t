#!/usr/bin/perl

# SCRAM-SHA-256-PLUS, for clients that mean well.  Those in the middle:
# checks/C14-channel-binding.t.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $certs = $t->certs;

# the certificate is chosen by SNI
my $port = $t->port;
my $plain = $t->port;
my $n = $t->nginx(main => $t->static($pg), stream => <<"END");
map \$ssl_server_name \$cert {
    ~\\.db\\.example\\.com\$     $certs/db;
    ~\\.other\\.example\\.org\$  $certs/other;
    ~\\.ed\\.example\\.net\$     $certs/ed;
}

server {
    listen 127.0.0.1:$port;
    ssl_certificate \$cert.crt;
    ssl_certificate_key \$cert.key;
    neon_proxy_pass main;
}

server {
    listen 127.0.0.1:$plain;
    neon_proxy_pass main;
}
END

my %alice = (port => $port, password => $pg->password('alice'));


# --- libpq ---------------------------------------------------------------

my %psql = (port => $port, password => $pg->password('alice'));

for my $cbind (qw/require prefer disable/) {
    my $r = $t->psql('select current_user', %psql, channel_binding => $cbind);
    is($r->{out}, "alice\n", "psql, channel_binding=$cbind")
        or diag($r->{err});
}

my $r = $t->psql('select current_user', %psql, channel_binding => 'require',
                 host => 'ep-1.other.example.org');
is($r->{out}, "alice\n", 'psql, the other certificate') or diag($r->{err});

$r = $t->psql('select 1', %psql, channel_binding => 'require',
              sslmode => 'disable', port => $plain,
              options => 'endpoint=ep-1');
like($r->{err}, qr/channel binding required/i, 'psql, no TLS');


# --- what is offered and chosen ------------------------------------------

sub login {
    my ($name, %o) = @_;

    my $c = $t->login(%alice, %o);
    is($c->error_text, '', "$name: logged in");
    return $c;
}

my $c = login('RSA', sni => 'ep-1.db.example.com');
is_deeply($c->{mechanisms}, [ 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256' ],
          'RSA: PLUS is offered first');
like($c->{tls}->subject, qr/db\.example\.com/, 'RSA: its certificate');
is($c->{mechanism}, 'SCRAM-SHA-256-PLUS', 'RSA: PLUS');

my $rsa = $c->{tls}->binding;
$c->close;

$c = login('ECDSA', sni => 'ep-1.other.example.org', cbind => 'require');
like($c->{tls}->subject, qr/other\.example\.org/, 'ECDSA: its certificate');
isnt($c->{tls}->binding, $rsa, 'ECDSA: another binding');
$c->close;

$c = login('direct TLS', sni => 'ep-1.other.example.org', tls => 'direct',
           cbind => 'require');
$c->close;

$c = login('TLS 1.2', sni => 'ep-1.db.example.com', cbind => 'require',
           max => 0x0303);
is($c->{tls}->version, 'TLSv1.2', 'TLS 1.2');
$c->close;

# RFC 5929 names no hash for a certificate whose signature has none
$c = login('Ed25519', sni => 'ep-1.ed.example.net', cbind => 'prefer');
is_deeply($c->{mechanisms}, [ 'SCRAM-SHA-256' ],
          'Ed25519: PLUS is not offered');
is($c->{mechanism}, 'SCRAM-SHA-256', 'Ed25519: flag y is right then');
$c->close;

$c = login('no TLS', port => $plain, tls => 'none',
           params => [ options => 'endpoint=ep-1' ]);
is_deeply($c->{mechanisms}, [ 'SCRAM-SHA-256' ],
          'no TLS: PLUS is not offered');
$c->close;

$c = login('client without binding', sni => 'ep-1.db.example.com',
           cbind => 'disable');
is($c->{mechanism}, 'SCRAM-SHA-256', 'client without binding');
$c->close;

$t->done;
