#!/usr/bin/perl

# A session lives longer than every timeout: none of them is for what comes
# after the login.  C3: a deadline of the login must not end a query.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $pg = $t->postgres(ssl => 1);
my $certs = $t->certs;
my $port = $t->port;
my $plain = $t->port;

my $n = $t->nginx(main => $t->static($pg) . <<'END', stream => <<"END2");
client_timeout 1s;
login_timeout 1s;
wake_timeout 1s;
connect_timeout 1s;
resolver_timeout 1s;
compute_ssl prefer;
END
proxy_timeout 1s;
proxy_connect_timeout 1s;
preread_timeout 1s;
ssl_handshake_timeout 1s;

server {
    listen 127.0.0.1:$port;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    neon_proxy_pass main;
}

server {
    listen 127.0.0.1:$plain;
    neon_proxy_pass main;
}
END2

my %clients = map {
    my ($name, $at, %o) = @$_;

    $name => $t->login(port => $at, sni => 'ep-1.db.example.com',
                       password => $pg->password('alice'), %o)
} [ 'TLS', $port ], [ 'direct TLS', $port, tls => 'direct' ],
  [ 'plaintext', $plain, tls => 'none',
    params => [ options => 'endpoint=ep-1' ] ],
  [ 'in a transaction', $port ], [ 'in a query', $port ],
  [ 'listening', $port ];

$clients{'in a transaction'}->query('begin; create temp table x (n int)');
$clients{listening}->query('listen c');
$clients{'in a query'}->send(NeonTest::Wire::message('Q',
    "select pg_sleep(3), 42\0"));

# this one lasts longer than all timeouts together with their jitter
is($clients{'in a query'}->result->{rows}[0][1], 42, 'a query of 3 seconds');

$pg->sql("notify c, 'awake'");
is($clients{listening}->read_message->{type}, 'A', 'a notification after it');

for my $name (sort keys %clients) {
    is($clients{$name}->value('select 1'), 1, "$name: still there");
}

is($clients{'in a transaction'}->{ready}, 'T', 'in its transaction');
$_->close for values %clients;

$t->done;
