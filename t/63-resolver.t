#!/usr/bin/perl

# Names of computes and control planes by `resolver`: nginx's own, which asks
# name servers and never the thread pool.

use lib 't/lib';
use NeonTest;
use NeonTest::NameServer;

my $t = NeonTest->new;
my $ns = NeonTest::NameServer->new($t);
my $resolver = 'resolver 127.0.0.1:' . $ns->port . " ipv6=off valid=1s;\n";
my $fast = "connect_retry attempts=3 base=20ms factor=1.5;\n"
           . "wake_retry attempts=3 base=20ms factor=1.5;\n"
           . "connect_timeout 500ms;\n";

my ($n, $cp, $fc) = $t->front(main => "$resolver$fast"
                                      . "resolver_timeout 500ms;\n");
my $port = $fc->port;


sub node {
    my ($name) = @_;

    $cp->endpoint('ep-1', address => "$name:$port");
}

sub enters {
    my ($name) = @_;

    my $c = $t->enter($n);
    is($c->value('hello'), 'hello', $name) or diag($c->error_text);
    $c->close;
}

sub refused {
    my ($c, $name) = @_;

    is(($c->error // {})->{C}, '08006', $name) or diag($c->error_text);
    $c->drop;
}


# --- computes -------------------------------------------------------------

$ns->name('compute-1.test' => '127.0.0.1');
node('compute-1.test');
enters('a name');
is($ns->asked('compute-1.test'), 1, 'asked once');

node('Compute-1.TEST');
enters('in capitals, still known to nginx');
is($ns->asked('compute-1.test'), 1, '... and not asked again');

# nothing listens at the other one, whichever comes first
$ns->name('two.test' => '127.0.0.2', '127.0.0.1');
node('two.test');
enters('two addresses, one of them dead: login ' . $_) for 1 .. 4;

node('none.test');
refused($t->enter($n), 'NXDOMAIN');
$n->log_like(qr/none\.test could not be resolved: Host not found/,
             'the log says which name');
$n->log_like(qr/\[error\].*08006\): none\.test could not be resolved: Host not/,
             '... and so does the line of the session');

$ns->name('fails.test' => 'SERVFAIL');
node('fails.test');
refused($t->enter($n), 'SERVFAIL');
$n->log_like(qr/fails\.test could not be resolved: Server failure/,
             'the log says what failed');

$ns->name('silent.test' => 'HOLD');
node('silent.test');
refused($t->enter($n), 'a name server that says nothing');
$n->log_like(qr/silent\.test could not be resolved: Operation timed out/,
             'the log says it too');


# --- who waits for a name -------------------------------------------------

my $patient = $t->nginx(main => $cp->directives . $resolver
    . "resolver_timeout 20s;\n"
    . "connect_retry attempts=10 base=20ms factor=1.5;\n");

# C26: the control plane tells it before the name server does
node('later.test');
my $held = $t->knock($patient);
ok(eventually { $ns->asked('later.test') >= 1 }, 'asked for too early');
$ns->name('later.test' => '127.0.0.1');
$held->authenticate;
is($held->value('late'), 'late', 'C26: a name that is not there yet')
    or diag($held->error_text);
cmp_ok($ns->asked('later.test'), '>=', 2, '... is asked for again');
$held->close;

# many wait for one answer, some of them leave meanwhile
$ns->name('crowd.test' => 'HOLD');
node('crowd.test');
my @crowd = map { $t->knock($patient) } 1 .. 12;
ok(eventually { $ns->asked('crowd.test') }, 'twelve wait for one name');
$_->drop for @crowd[0, 5, 11];
$ns->name('crowd.test' => '127.0.0.1');
my @rest = @crowd[1 .. 4, 6 .. 10];
$_->authenticate for @rest;
is(scalar(grep { !$_->error && $_->value('x') eq 'x' } @rest), 9,
   'those who stayed are in');
$_->close for @rest;

# as a worker leaves, they are served
$ns->name('reload.test' => 'HOLD');
node('reload.test');
my @last = map { $t->knock($patient) } 1 .. 3;
ok(eventually { $ns->asked('reload.test') }, 'three wait while nginx reloads');
$patient->reload;
$ns->name('reload.test' => '127.0.0.1');
$_->authenticate for @last;
is(scalar(grep { !$_->error && $_->value('x') eq 'x' } @last), 3,
   'and get in');
$_->close for @last;


# --- the control plane ----------------------------------------------------

$ns->name('plane.test' => '127.0.0.1');
$cp->endpoint('ep-1', address => "127.0.0.1:$port");

my $named = $t->nginx(main => 'control_plane http://plane.test:' . $cp->port
                              . "/authenticate/v1;\n$resolver$fast");

my $c = $t->enter($named);
is($c->value('hello'), 'hello', 'the name of a control plane');
is($ns->asked('plane.test'), 1, 'asked for');
$c->close;

$t->done;
