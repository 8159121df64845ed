#!/usr/bin/perl

# SCRAM-SHA-256-PLUS is bound to the certificate that this connection has, be it
# chosen by SNI; a wrong binding, a downgrade and a certificate without a
# derivable hash end as RFC 5802 and 5929 have it (GHSA-j92g-9f8w-j867).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $certs = $t->certs;
my $port = $t->port;
my ($n, $cp) = $t->front(port => $port, stream => <<"END");
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
END

my %binding;

for my $name (qw/db.example.com other.example.org/) {
    my $c = $t->enter($n, sni => "ep-1.$name", cbind => 'require');

    $binding{$name} = $c->{tls}->binding;
    $t->served("bound to $name", $c);
}

isnt($binding{'db.example.com'}, $binding{'other.example.org'},
     'each has its own');

# no hash is named for a certificate whose signature has none
my $c = $t->enter($n, sni => 'ep-1.ed.example.net');
is("@{ $c->{mechanisms} }", 'SCRAM-SHA-256', 'Ed25519: PLUS is not offered');
$t->served('Ed25519', $c);


# --- an attacker in the middle -------------------------------------------

sub refused {
    my ($name, $message, %o) = @_;

    my $c = $t->enter($n, %o);
    is($c->error && $c->error->{C}, '28000', "$name: SQLSTATE");
    like($c->error_text, $message, "$name: message");
    ok(!$c->{authenticated}, "$name: not authenticated");
}

refused('bound to another certificate', qr/secure channel data mismatch/,
        cbind_data => 'x' x 32);
refused('bound to the certificate of another name',
        qr/secure channel data mismatch/,
        cbind_data => $binding{'db.example.com'},
        sni => 'ep-1.other.example.org');
refused('bound to nothing', qr/secure channel data mismatch/,
        cbind_data => '');
refused('PLUS was taken from the list', qr/SCRAM-PLUS not used/,
        mechanism => 'SCRAM-SHA-256', gs2 => 'y');

# PLUS where there is no TLS to bind to (odyssey#532 crashed)
my $plain = $t->nginx(main => $cp->directives, plain => 1);

for my $how ([ 'SCRAM-SHA-256-PLUS', 'p' ], [ 'SCRAM-SHA-256-PLUS', 'n' ],
             [ 'SCRAM-SHA-256', 'p' ])
{
    my $c = $t->enter($plain, tls => 'none', mechanism => $how->[0],
                      gs2 => $how->[1], params =>
                      [ options => 'endpoint=ep-1' ]);

    is($c->error && $c->error->{C}, '08P01', "without TLS, @$how: refused");
    is("@{ $c->{mechanisms} }", 'SCRAM-SHA-256', "without TLS, @$how: unasked");
}

is(scalar(() = $plain->started), 1, 'the worker lives');

my $type = $t->client(port => $port);
$type->send(ssl_request);
$type->read_n(1);
$type->start_tls(sni => 'ep-1.db.example.com');
$type->send(startup_packet([ user => 'alice' ]));
$type->read_message;

my $first = 'p=tls-unique,,n=,r=clientnonce';
$type->send(message('p', "SCRAM-SHA-256-PLUS\0" . pack('N', length $first)
                         . $first));

my $m = $type->read_message;
is($m->{type}, 'E', 'tls-unique: refused');
like(error_fields($m->{body})->{M}, qr/unsupported channel binding/,
     'tls-unique: message');

$t->done;
