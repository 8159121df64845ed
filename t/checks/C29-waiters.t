#!/usr/bin/perl

# Who gives up while waiting for a compute is forgotten at once; the wake-up
# goes on for the others, and however many wait, it is one call.  52-flights.t
# has more; bench/flights.pl has 10,000 of them.

use lib 't/lib';
use NeonTest;
use NeonTest::CrowdCompute;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front;


# --- who leaves ----------------------------------------------------------

$cp->always(wake => { hang => 1 });

# an endpoint each: a client joins the flight that its predecessor left behind

my %leaver = (drop => 'ep-2', abort => 'ep-3', half_close => 'ep-4');

for my $how (sort keys %leaver) {
    my $before = () = $n->log =~ /client closed the connection before/g;

    $cp->role($leaver{$how}, alice => $t->{verifier});
    $cp->endpoint($leaver{$how}, address => $fc->address);

    $cp->forget;
    my $c = $t->knock($n, sni => "$leaver{$how}.db.example.com");
    ok($cp->called(wake => 1), "the client leaves ($how): while it waits");
    $c->$how;

    eventually {
        $before < (() = $n->log =~ /client closed the connection before/g)
    } "the client leaves ($how): noticed at once";
}

$cp->always(wake => undef);
$t->served('the next one', $t->enter($n));

# --- a crowd -------------------------------------------------------------

my ($port, $address) = map { $t->port } 1, 2;
my $compute = NeonTest::CrowdCompute->new($t);
my $all = $t->control_plane(cache => 1);

$compute->up($address);
$all->role('ep-1', alice => $t->{verifier});
$all->endpoint('ep-1', address => "127.0.0.1:$address");

my $crowded = $t->nginx(
    main => $all->directives . "control_plane_timeout request=2m;\n",
    workers => 2, port => $port,
    stream => "server { listen 127.0.0.1:$port reuseport;"
              . ' neon_proxy_pass main; }');

my @none = (tls => 'none', params => [ options => 'endpoint=ep-1' ]);

# the role is known by then; the control plane takes calls, and answers none
# until it is released
my $first = $t->client(port => $port);
$first->send(startup_packet([ user => 'alice', options => 'endpoint=ep-1' ]));
is($first->read_message->{type}, 'R', 'a role is asked for');
$first->drop;
$all->{process}->hold;

my @waiting = map { $t->knock($crowded, @none) } 1 .. 150;
$_->abort for splice @waiting, 0, 100;
push @waiting, map { $t->knock($crowded, @none) } 1 .. 50;

eventually {
    100 <= (() = $crowded->log =~ /client closed the connection before/g)
} '100 of 200 leave: noticed while the others wait';

$all->{process}->release;
$_->authenticate for @waiting;
is(scalar(grep { $_->error } @waiting), 0, 'the others are let in');
is(scalar(() = $all->calls('wake')), 1, 'one call for all');

$_->close for @waiting;
$t->done;
