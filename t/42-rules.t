#!/usr/bin/perl

# Rules of an endpoint: lists of addresses, blocked networks.

use lib 't/lib';
use NeonTest;

use JSON::PP ();

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front;

sub enter { $t->enter($n, @_) }

sub allowed {
    my ($name, %rules) = @_;

    $cp->rules('ep-1', %rules);
    my $c = enter();
    is($c->error_text, '', "$name: allowed");
    $c->close;
}

sub refused {
    my ($name, $message, %rules) = @_;

    $cp->rules('ep-1', %rules)->forget;

    # whatever the password is: nothing is learnt from the answer
    for my $password (qw/pw wrong/) {
        my $c = enter(password => $password);
        is($c->error && $c->error->{C}, '28000', "$name: SQLSTATE");
        like($c->error_text, $message, "$name: message");
    }

    is(scalar(() = $cp->calls('wake')), 0, "$name: nobody was woken");
}

my $address = qr/This IP address 127\.0\.0\.1 is not allowed to connect/;
my $network = qr/from a blocked network/;

allowed('no list');
allowed('empty list', allowed_ips => []);
allowed('null', allowed_ips => undef);
allowed('the address', allowed_ips => [ '127.0.0.1' ]);
allowed('a block', allowed_ips => [ '127.0.0.0/8' ]);
allowed('everybody', allowed_ips => [ '0.0.0.0/0' ]);
allowed('a range', allowed_ips => [ '127.0.0.0-127.0.0.2' ]);
allowed('a range of one', allowed_ips => [ '127.0.0.1-127.0.0.1' ]);
allowed('the last of many', allowed_ips =>
        [ (map { "10.0.$_.0/24" } 0 .. 200), '127.0.0.1' ]);
allowed('with blanks', allowed_ips => [ ' 127.0.0.1 ' ]);
allowed('among nonsense', allowed_ips => [ 'x', '300.0.0.1', '127.0.0.1' ]);
allowed('not blocked', block_public_connections => JSON::PP::false(),
        block_vpc_connections => JSON::PP::true());

refused('another address', $address, allowed_ips => [ '127.0.0.2' ]);
refused('another block', $address, allowed_ips => [ '128.0.0.0/8' ]);
refused('another range', $address, allowed_ips => [ '127.0.0.2-127.0.0.9' ]);
refused('a range the wrong way', $address,
        allowed_ips => [ '127.0.0.2-127.0.0.0' ]);
refused('only nonsense', $address, allowed_ips => [ 'x', '127.0.0.1/33' ]);
refused('only IPv6', $address, allowed_ips => [ '::1', '::/0' ]);
refused('blocked', $network, block_public_connections => JSON::PP::true());

# behind a balancer the address is that of the PROXY header, where nginx is
# told to believe it

my $proxied = $t->port;
my $believed = $t->port;
my $certificate = $t->certs('db');
my $balanced = $t->nginx(main => $cp->directives, stream => <<"END");
ssl_certificate $certificate.crt;
ssl_certificate_key $certificate.key;
server {
    listen 127.0.0.1:$believed proxy_protocol;
    set_real_ip_from 127.0.0.1;
    neon_proxy_pass main;
}
server {
    listen 127.0.0.1:$proxied proxy_protocol;
    neon_proxy_pass main;
}
END

$cp->rules('ep-1', allowed_ips => [ '192.0.2.7' ]);

for my $case ([ 'believed', $believed, '192.0.2.7', '' ],
              [ 'believed, another', $believed, '192.0.2.8', '28000' ],
              [ 'not believed', $proxied, '192.0.2.7', '28000' ])
{
    my ($name, $port, $from, $code) = @$case;

    my $c = $t->client(port => $port);
    $c->send("PROXY TCP4 $from 127.0.0.1 4711 5432\r\n");
    $c->login(sni => 'ep-1.db.example.com', password => 'pw');
    is($c->error ? $c->error->{C} : '', $code, "PROXY header, $name");
    $c->close;
}

# an IPv6 client, also one that is an IPv4 client in truth
$cp->rules('ep-1');
my $port = $t->port;
my $certs = $t->certs;
my $six = eval {
    $t->nginx(main => $cp->directives, stream => <<"END");
server {
    listen [::]:$port ipv6only=off;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    neon_proxy_pass main;
}
END
};

SKIP: {
    skip 'no IPv6 here', 2 unless $six;

    $cp->rules('ep-1', allowed_ips => [ '127.0.0.1' ]);
    my $c = $t->login(port => $port, sni => 'ep-1.db.example.com',
                      password => 'pw');
    is($c->error_text, '', 'IPv4-mapped address: allowed');
    $c->close;

    $cp->rules('ep-1', allowed_ips => [ '10.0.0.0/8' ]);
    $c = $t->login(port => $port, sni => 'ep-1.db.example.com',
                   password => 'pw');
    is($c->error->{C}, '28000', 'IPv4-mapped address: refused');
}

$t->done;
