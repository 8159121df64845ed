#!/usr/bin/perl

# TLS towards the compute: auto, off, prefer, require, verify-full.

use lib 't/lib';
use NeonTest;

use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $ca = $t->certs('ca.crt');

# one with a good certificate, one whose issuer nobody knows, one without
my $good = $t->postgres(ssl => 1);
my $stranger = $t->postgres(ssl => 1, key => 'stranger');
my $plain = $t->postgres;
my $strict = $t->postgres(ssl => 1, hba =>
                          "hostnossl all all 127.0.0.1/32 reject\n");

my %verifier = map { $_ => $_->verifier('alice') }
               ($good, $stranger, $plain, $strict);

my $cp = $t->control_plane;

my %server = (good => $good, stranger => $stranger, plain => $plain,
              strict => $strict);

for my $name (keys %server) {
    my $pg = $server{$name};

    $cp->role($name, alice => $pg->verifier('alice'));
    $cp->role("$name-named", alice => $pg->verifier('alice'));
    $cp->endpoint($name, address => $pg->address);
    $cp->endpoint("$name-named", address => $pg->address,
                  server_name => 'compute-1.internal');
}

$cp->role('wrong-name', alice => $good->verifier('alice'));
$cp->endpoint('wrong-name', address => $good->address,
              server_name => 'compute-2.internal');

my %nginx = map {
    $_ => $t->nginx(main => $cp->directives . <<"END")
compute_ssl $_;
compute_ssl_trusted_certificate $ca;
connect_retry attempts=2 base=10ms factor=1;
connect_timeout 500ms;
END
} qw/auto off prefer require verify-full/;


# t: logged in with TLS, f: logged in without, else the SQLSTATE

sub result {
    my ($mode, $endpoint) = @_;

    my $c = $t->login(port => $nginx{$mode}->port,
                      sni => "$endpoint.db.example.com",
                      password => $good->password('alice'));

    return $c->error->{C} if $c->error;

    my $ssl = $c->value('select ssl from pg_stat_ssl'
                        . ' where pid = pg_backend_pid()');
    $c->close;

    return $ssl;
}

my @table = (
    # endpoint         auto     off      prefer   require  verify-full
    [ 'good',         qw/f      f        t        t        08006/ ],
    [ 'good-named',   qw/t      f        t        t        t/ ],
    [ 'stranger',     qw/f      f        t        t        08006/ ],
    [ 'stranger-named', qw/08006 f       t        t        08006/ ],
    [ 'plain',        qw/f      f        f        08006    08006/ ],
    [ 'plain-named',  qw/08006  f        f        08006    08006/ ],
    [ 'strict',       qw/28000  28000    t        t        08006/ ],
    [ 'strict-named', qw/t      28000    t        t        t/ ],
    [ 'wrong-name',   qw/08006  f        t        t        08006/ ],
);

for my $row (@table) {
    my ($endpoint, @want) = @$row;

    for my $mode (qw/auto off prefer require verify-full/) {
        is(result($mode, $endpoint), shift @want, "$mode: $endpoint");
    }
}

my $n = $nginx{'verify-full'};
my $c = $t->login(port => $n->port, sni => 'stranger-named.db.example.com',
                  password => $good->password('alice'));
like($c->error_text, qr/Couldn't connect to compute node: TLS/,
     'a certificate of an unknown issuer: message');
$n->log_like(qr/certificate/, 'and the log says why');

# channel binding on our own leg
$c = $t->login(port => $n->port, sni => 'good-named.db.example.com',
               password => $good->password('alice'));
is($c->error_text, '', 'SCRAM-SHA-256-PLUS to the compute') or diag $n->log;
$c->close;


# --- plaintext before TLS is up ------------------------------------------

my $spew = $t->fake_compute(sub {
    my ($c) = @_;
    my ($length, $code) = unpack 'NN', $c->read_n(8);
    $c->note(code => $code);
    $c->send('S' . "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    $c->hang;
});

my $answer = spew($t->dir . '/answer', 'N');
my $says = $t->fake_compute(sub {
    my ($c) = @_;
    $c->read_n(8);
    $c->send(slurp $answer);
    $c->hang;
});

for my $pair ([ spew => $spew ], [ says => $says ]) {
    my ($name, $fc) = @$pair;
    $cp->role($name, alice => $verifier{$good});
    $cp->endpoint($name, address => $fc->address,
                  server_name => 'compute-1.internal');
}

$n = $nginx{require};
my %alice = (port => $n->port, password => $good->password('alice'));

$c = $t->login(%alice, sni => 'spew.db.example.com');
is($c->error && $c->error->{C}, '08006',
   'plaintext behind the S: refused (CVE-2026-1642)');
ok(!$c->{ready}, 'no session');

for my $byte ('X', "\0", 'E', 'SS') {
    spew($answer, $byte);
    $c = $t->login(%alice, sni => 'says.db.example.com');
    is($c->error && $c->error->{C}, '08006',
       sprintf 'SSLRequest answered with 0x%s: refused', unpack 'H*', $byte);
}

# hangs in the handshake: connect_timeout
my $hang = $t->nginx(main => $cp->directives . <<'END');
compute_ssl require;
connect_timeout 300ms;
connect_retry attempts=1 base=10ms factor=1;
END

spew($answer, 'S');
$c = $t->login(%alice, port => $hang->port, sni => 'says.db.example.com');
is($c->error && $c->error->{C}, '08006', 'TLS handshake hangs: SQLSTATE');

spew($answer, '');
$c = $t->login(%alice, port => $hang->port, sni => 'says.db.example.com');
is($c->error && $c->error->{C}, '08006', 'no answer to SSLRequest: SQLSTATE');

$t->done;
