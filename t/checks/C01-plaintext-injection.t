#!/usr/bin/perl

# Bytes behind an SSLRequest never pass for bytes that came encrypted: neither
# those of a client (PostgreSQL CVE-2021-23214, pgbouncer CVE-2021-3935), nor
# those of a compute (nginx CVE-2026-1642).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use IO::Select;
use IO::Socket::INET;

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

    # when its turn has come: a ClientHello in the same segment does not make
    # good what stands before it
    my $first = 1;
    $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    is($c->read_n(1), 'S', "$name before a ClientHello: asked for TLS");
    ok(!eval { $c->start_tls(@name, send => sub {
                   $first-- > 0 ? $more . $_[0] : $_[0] }); 1 },
       "$name before a ClientHello: no TLS");

    is(scalar(() = $cp->calls), $calls, "$name: nobody was asked");
    is($fc->connections, $seen, "$name: no compute was reached");
}

$t->served('the next client', $t->enter($n));


# --- from a compute ------------------------------------------------------

# somebody in between: he asks PostgreSQL for TLS too, says more than its S, and
# passes on from then what both sides say

my $pg = $t->postgres(ssl => 1);
my $between = spew($t->dir . '/between', '');

my $compute = $t->fake_compute(sub {
    my ($c) = @_;
    my ($how, $more) = split /:/, slurp($between), 2;

    my $pg_end = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort =>
                                       $pg->port) or die "connect: $@\n";

    syswrite $pg_end, $c->read_n(8);
    sysread $pg_end, my $answer, 1;
    $c->note(answer => $answer);

    if ($how eq 'two segments') {
        $c->dribble("S$more", 1 + int length($more) / 2);
    } else {
        $c->send("S$more");
    }

    my $select = IO::Select->new($c->{socket}, $pg_end);

    while (1) {
        for my $from ($select->can_read) {
            my $n = sysread $from, my $bytes, 65536;
            return if !$n;

            if ($from == $pg_end) {
                $c->send($bytes);
                next;
            }

            $c->note(said => unpack 'H*', $bytes);
            syswrite $pg_end, $bytes;
        }
    }
});

$cp->role('ep-1', alice => $pg->verifier('alice'));
$cp->endpoint('ep-1', address => $compute->address);

my $secure = $t->nginx(main => $cp->directives . <<'END');
compute_ssl require;
connect_timeout 1s;
connect_retry attempts=1 base=1ms factor=1;
END

spew($between, 'one segment:');
my $c = $t->enter($secure, password => $pg->password('alice'));
is($c->value('select ssl from pg_stat_ssl where pid = pg_backend_pid()'), 't',
   'just its S: TLS to PostgreSQL');
$c->close;

# what a proxy that reads on would take for the beginning of the login
my %injected = (
    'a byte' => 'x',
    'an error' => error_message(S => 'FATAL', C => '0LP01', M => 'forged'),
    'a notice' => error_message(S => 'NOTICE', C => '00000', M => 'forged')
                  =~ s/^E/N/r,
    'a whole login' => NeonTest::FakeCompute::Connection->welcome_bytes,
);

for my $name (sort keys %injected) {
    for my $how ('one segment', 'two segments') {
        spew($between, "$how:$injected{$name}");

        my $c = $t->enter($secure, password => $pg->password('alice'));
        is($c->error && $c->error->{C}, '08006',
           "a compute says $name, $how: refused");
        is_deeply($c->{notices}, [], "a compute says $name, $how: unheard");
        ok(!$c->{ready}, "a compute says $name, $how: no session");
    }
}

is(join('', $compute->notes('answer')) =~ s/^S+\z//r, '',
   'each time PostgreSQL was ready for TLS');
unlike(pack('H*', join '', $compute->notes('said')), qr/alice/,
       'nothing was said in plaintext');

$t->done;
