#!/usr/bin/perl

# A cached address where nobody, or somebody else, is by now: found out within
# connect_timeout or login_timeout, forgotten, and asked for again (neon#4617,
# #4627, #12351).

use lib 't/lib';
use NeonTest;
use NeonTest::Scram;

use IO::Socket::INET;

my $t = NeonTest->new;
my ($n, $cp, $new) = $t->front(cache => 1, main => <<'END');
connect_timeout 300ms;
login_timeout 1s;
connect_retry attempts=3 base=20ms factor=1;
END

my $other = NeonTest::Scram::verifier('of another endpoint');

# who is at the old address now

my %stranger = (
    'nobody' => undef,
    'a server that closes' => sub { },
    'a server that resets' => sub { $_[0]->reset },
    'a server that says nothing' => sub { $_[0]->hang },
    'no PostgreSQL' => sub { $_[0]->send("HTTP/1.1 400 Bad Request\r\n\r\n") },
    'a compute of another endpoint' => sub {
        my ($c) = @_;

        # its verifier has another salt
        $c->startup or return;
        $c->scram($other);
        $c->error(S => 'FATAL', C => '28P01', M => 'not yours');
    },
    'one that knows that it is another' => sub {
        my ($c) = @_;

        $c->startup or return;
        $c->error(S => 'FATAL', C => '08P01', M => 'wrong endpoint');
    },
);

my $number = 0;

sub begin {
    my ($handler) = @_;

    my $name = 'ep-a' . ++$number;
    my $old = $t->fake_compute(\&NeonTest::welcome);

    $cp->role($name, alice => $t->{verifier});
    $cp->endpoint($name, address => $old->address);
    $t->served("$name, at its first address",
               $t->enter($n, sni => "$name.db.example.com"));

    $old->stop;
    $cp->endpoint($name, address => $new->address)->forget;

    return ($name, $old->port);
}

sub moved {
    my ($what, $name) = @_;

    my $seen = $new->connections;

    $t->served("$what at its old address",
               $t->enter($n, sni => "$name.db.example.com"));
    is(scalar(() = $cp->calls('wake')), 1, "$what: asked once more");
    is($new->connections, $seen + 1, "$what: it is at its new address");

    $t->served("$what, the next one",
               $t->enter($n, sni => "$name.db.example.com"));
    is(scalar(() = $cp->calls('wake')), 1, "$what: which is kept");
}

for my $what (sort keys %stranger) {
    my ($name, $port) = begin();

    $t->fake_compute($stranger{$what}, port => $port) if $stranger{$what};
    moved($what, $name);
}

# nobody accepts: its backlog is full
my ($name, $port) = begin();
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
                                 LocalPort => $port, ReuseAddr => 1,
                                 Proto => 'tcp') or die "port $port: $@\n";
my @fill = map {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
                          PeerPort => $port, Blocking => 0)
} 1 .. 4;

moved('no answer to connect()', $name);

$t->done;
