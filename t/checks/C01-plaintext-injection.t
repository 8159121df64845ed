#!/usr/bin/perl

# Bytes behind an SSLRequest never pass for bytes that came encrypted: neither
# those of a client (PostgreSQL CVE-2021-23214, pgbouncer CVE-2021-3935), nor
# those of a compute (nginx CVE-2026-1642).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1);
my $startup = startup_packet([ user => 'alice', database => 'app',
                               options => 'endpoint=ep-1' ]);
my @name = (sni => 'ep-1.db.example.com');

for my $case ([ 'a StartupMessage', $startup ], [ 'a byte', 'x' ],
              [ 'a second SSLRequest', ssl_request ])
{
    my ($name, $more) = @$case;
    my $seen = $fc->connections;
    my $calls = () = $cp->calls;

    # in the same segment
    my $c = $t->client(port => $n->port);
    $c->send(ssl_request . $more);
    my $done = eval { $c->start_tls(@name) if $c->read_n(1) eq 'S'; 1 };
    ok(!$done, "$name behind SSLRequest: no TLS");

    # right behind it
    $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    $c->send($more);
    $done = eval { $c->start_tls(@name) if $c->read_n(1) eq 'S'; 1 };
    ok(!$done, "$name after SSLRequest: no TLS");

    # a whole ClientHello must not make good what came before it
    $c = $t->client(port => $n->port);
    $c->send(ssl_request . $more);
    ok(!eval { $c->start_tls(@name); 1 }, "$name, then a handshake: no TLS");

    is(scalar(() = $cp->calls), $calls, "$name: nobody was asked");
    is($fc->connections, $seen, "$name: no compute was reached");
}

$t->served('the next client', $t->enter($n));


# --- from a compute ------------------------------------------------------

# its S and a whole login behind it, in one segment or in two

for my $how ('one segment', 'two segments') {
    my $compute = $t->fake_compute(sub {
        my ($c) = @_;
        my $login = substr $c->welcome_bytes, 0;

        $c->read_n(8);
        $how eq 'one segment' ? $c->send("S$login")
                              : $c->dribble("S$login", length $login);
        $c->note(more => $c->read_all);
    });

    $cp->endpoint('ep-1', address => $compute->address);

    my $secure = $t->nginx(main => $cp->directives . <<'END');
compute_ssl require;
connect_timeout 1s;
connect_retry attempts=1 base=1ms factor=1;
END

    my $c = $t->enter($secure);
    is($c->error && $c->error->{C}, '08006', "a compute, $how: refused");
    ok(!$c->{ready}, "a compute, $how: no session");
    unlike(join('', $compute->notes('more')), qr/alice/,
           "a compute, $how: nothing was said in plaintext");
}

$t->done;
