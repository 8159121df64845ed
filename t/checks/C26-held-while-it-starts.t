#!/usr/bin/perl

# A client is held while its compute starts, whatever that looks like: nobody
# listens, nobody accepts, 57P03, closed or reset at once as a forwarder does, a
# name that is not there yet (hobbyist PR 38, neon#4598).

use lib 't/lib';
use NeonTest;

use IO::Socket::INET;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(
    main => "connect_retry attempts=3 base=20ms factor=1.5;\n"
           . "wake_retry attempts=3 base=20ms factor=1.5;\n"
           . "connect_timeout 500ms;\n");

# refused, then there: like a container that comes up

my $port = $t->port;
$cp->endpoint('ep-1', address => "127.0.0.1:$port");
my $patient = $t->nginx(main => $cp->directives . <<'END');
connect_retry attempts=100 base=20ms factor=1.1;
END

my $c = $t->knock($patient);
$patient->log_like(qr/asking the control plane again/,
                   'refused: the control plane is asked again');
my $late = $t->fake_compute(\&NeonTest::welcome, port => $port);
$c->authenticate;
is($c->error_text, '', 'held until the compute is there');
is($c->value('hello'), 'hello', 'a query');
$c->close;

# it answers "starting up" for a while
my $starting = $t->fake_compute(sub {
    my ($c) = @_;
    $c->startup or return;
    return $c->error(S => 'FATAL', V => 'FATAL', C => '57P03',
                     M => 'the database system is starting up')
        if $c->{n} <= 4;
    $c->welcome;
    $c->serve;
});
$cp->endpoint('ep-1', address => $starting->address);
$c = $t->enter($n);
is($c->error_text, '', 'starting up (57P03): held until it is up');
is($c->value('hello'), 'hello', 'a query');
is($starting->connections, 5, 'five attempts');
$c->close;

# a forwarder that accepts and closes at once
my $early = $t->fake_compute(sub {
    my ($c) = @_;
    return if $c->{n} <= 2;
    $c->startup or return;
    $c->welcome;
    $c->serve;
});
$cp->endpoint('ep-1', address => $early->address);
$c = $t->enter($n);
is($c->error_text, '', 'closed at once, twice: held until it is up');
$c->close;

my $reset = $t->fake_compute(sub {
    my ($c) = @_;
    return $c->reset if $c->{n} <= 2;
    $c->startup or return;
    $c->welcome;
    $c->serve;
});
$cp->endpoint('ep-1', address => $reset->address);
$c = $t->enter($n);
is($c->error_text, '', 'reset, twice: held until it is up');
$c->close;

# a name that cannot be resolved yet
$cp->endpoint('ep-1', address => $fc->address);
$cp->script(wake => { merge => { address => 'no-such.invalid:5432' } });
$c = $t->enter($n);
is($c->error_text, '', 'a name that is not there yet: asked again');
$c->close;

# nobody accepts: its backlog is full
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
                                 Proto => 'tcp') or die;
my @fill = map {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
                          PeerPort => $full->sockport, Blocking => 0)
} 1 .. 4;

$cp->script(wake => { merge => { address => '127.0.0.1:'
                                            . $full->sockport } });
$t->served('nobody accepts, then somebody does', $t->enter($n));

# all of it, one after the other
my $last = $t->fake_compute(sub {
    my ($c) = @_;

    return $c->reset if $c->{n} == 1;
    return if $c->{n} == 2;
    $c->startup or return;
    return if $c->{n} == 3;

    # lost in its SCRAM; the one that is there in the end asks for none
    return $c->scram($t->{verifier}, first => sub { die "lost\n" })
        if $c->{n} == 4;

    return $c->error(S => 'FATAL', C => '57P03', M => 'starting up')
        if $c->{n} == 5;
    $c->welcome;
    $c->serve;
});

$cp->endpoint('ep-1', address => $last->address);
$cp->script(wake => NeonTest::ControlPlane->error(503, 'RUNNING_OPERATIONS',
                                                  retry => 10),
            { merge => { address => 'no-such.invalid:5432' } },
            { merge => { address => '127.0.0.1:' . $t->port } });
$t->served('one after the other', $t->enter($patient));

$t->done;
