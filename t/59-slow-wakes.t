#!/usr/bin/perl

# A worker asks the control plane for so many wake-ups at a time, fewer than it
# has connections: those who only want to know who may enter get through.

use lib 't/lib';
use NeonTest;
use NeonTest::Crowd;
use NeonTest::CrowdCompute;

use constant { CLIENTS => 800, AT_ONCE => 768 };

my $t = NeonTest->new;
my ($n, $cp) = $t->front(plain => 1, connections => 4096,
    main => "control_plane_timeout request=20s;\n"
            . "wake_retry attempts=2 base=10ms factor=1;\n",
    globals => 'worker_rlimit_nofile 8192;');

my $port = $t->port;
my $compute = NeonTest::CrowdCompute->new($t);
$compute->up($port);

my @names = map { "ep-slow-$_" } 1 .. CLIENTS;

$cp->endpoints([ @names, 'ep-new' ], alice => $t->{verifier},
               address => "127.0.0.1:$port");
$cp->always(wake => { hang => 1 });

my $run = NeonTest::Crowd->new($t)->start(
    port => $n->plain_port, c => CLIENTS, n => CLIENTS, e => join(',', @names),
    i => 1, t => 120_000, u => 'alice', w => 'pw');

eventually { $cp->count('wake') >= AT_ONCE } 'they come', 40
    or diag(scalar$cp->count('wake') . ' calls');

# none of the rest is asked for, but this client learns at once what it is told
my $c = $t->enter($n, sni => 'ep-new.db.example.com', password => 'wrong');
is(($c->error // {})->{C}, '28P01', 'who may enter is answered');
$c->drop;
is(scalar$cp->count('wake'), AT_ONCE, 'so many wake-ups at a time');

# the first ones are given up, and their places go to others
$cp->always(wake => undef);

my @clients = $run->clients(60);
my %outcome;
$outcome{ $_->{outcome} }++ for @clients;
is_deeply(\%outcome, { ok => CLIENTS }, 'all get in')
    or diag(join "\n", map { "$_->{outcome} $_->{text}" } @clients[0 .. 4]);

$t->done;
