#!/usr/bin/perl

# Waking a compute: only for those who may enter, as slowly as the control plane
# wants it, given up in time.  A compute that starts slowly, clients that leave:
# checks C26 and C29.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $fast = "connect_retry attempts=3 base=20ms factor=1.5;\n"
           . "wake_retry attempts=3 base=20ms factor=1.5;\n"
           . "connect_timeout 500ms;\n";
my $class = 'NeonTest::ControlPlane';


# --- only after authentication -------------------------------------------

my ($n, $cp, $fc) = $t->front(main => $fast);

for my $o ([ password => 'wrong' ], [ user => 'nobody' ],
           [ sni => 'ep-9.db.example.com' ])
{
    $t->enter($n, @$o) for 1 .. 3;
}

# in the middle of SCRAM, with the right name and no proof yet
my $half = $t->client(port => $n->port);
$half->send(ssl_request);
$half->read_n(1);
$half->start_tls(sni => 'ep-1.db.example.com');
$half->send(startup_packet([ user => 'alice' ]));
$half->read_message;

is(scalar(() = $cp->calls('wake')), 0, 'nobody is woken without a proof');
is($fc->connections, 0, 'no compute is reached without a proof');
$half->drop;

$cp->forget;
my $c = $t->enter($n);
is(scalar(() = $cp->calls('wake')), 1, 'one wake-up for a login');
is($fc->connections, 1, 'one connection to the compute');
is_deeply([ map { $_->{type} } @{ $c->{messages} }[-1] ], [ 'Z' ], 'ready');
$c->close;

# the good news comes in one piece with the compute's, not while it starts
$cp->script(wake => { delay => 0.3 })->forget;
$c = $t->knock($n);
$cp->called(wake => 1);
ok(!$c->readable(0.1), 'nothing is said while the compute starts');
$c->authenticate;
is_deeply($c->{auth}, [ 10, 11, 12, 0 ], 'then all at once');
is($c->value('hello'), 'hello', 'a query');
$c->close;


# --- clients that leave while they are held ------------------------------

# what they said last stands in front of their end: TLS's close_notify, a query

my $left = $t->nginx(main => $cp->directives);

$cp->script(wake => { hang => 1 })->forget;

for my $last ('', message('Q', "select 1\0")) {
    my $gone = () = $left->log =~ /\(client_gone\)/g;

    $c = $t->knock($left);
    $cp->called(wake => 1);
    $c->send($last) if $last ne '';
    $c->half_close;
    eventually { $gone < (() = $left->log =~ /\(client_gone\)/g) }
               'the end is seen behind ' . ($last ? 'a query' : 'a login');
    $c->drop;
}


# --- retry_delay_ms is the delay -----------------------------------------

my $slow = $t->nginx(main => $cp->directives
                     . "wake_retry attempts=3 base=50s factor=1;\n");

$cp->script(wake => $class->error(503, 'RUNNING_OPERATIONS', retry => 50),
                    $class->error(503, 'RUNNING_OPERATIONS', retry => 100));
$cp->forget;
$c = $t->enter($slow);
is($c->error_text, '', 'retry_delay_ms is used in place of our own delay');
is(scalar(() = $cp->calls('wake')), 3, 'three calls');
$c->close;

my $hasty = $t->nginx(main => $cp->directives
                      . "wake_retry attempts=3 base=1ms factor=1;\n");
$cp->script(wake => $class->error(503, 'RUNNING_OPERATIONS', retry => 700));
my $start = time;
$c = $t->enter($hasty);
cmp_ok(time - $start, '>=', 0.69, 'and not undercut');
$c->close;


# --- the address was stale -----------------------------------------------

my $dead = $t->port;
$cp->script(wake => { merge => { address => "127.0.0.1:$dead" } });
$cp->forget;
$c = $t->enter($n);
is($c->error_text, '', 'a dead address, then a good one: logged in');
is(scalar(() = $cp->calls('wake')), 2, 'two wake-ups');
$c->close;

# moved while we were retrying: after the re-wake the address stays
my $other = $t->fake_compute(sub {
    my ($c) = @_;
    $c->startup or return;
    $c->error(S => 'FATAL', V => 'FATAL', C => '08006', M => 'not me');
});
$cp->script(wake => { merge => { address => $other->address } });
$cp->forget;
$c = $t->enter($n);
is($c->error_text, '', 'a stranger at the address, then the right one');
is(scalar(() = $cp->calls('wake')), 2, 'two wake-ups');
$c->close;


# --- given up ------------------------------------------------------------

$cp->endpoint('ep-1', address => "127.0.0.1:$dead")->forget;
$c = $t->enter($n);
is($c->error->{C}, '08006', 'nobody at the address: SQLSTATE');
like($c->error_text, qr/Couldn't connect to compute node/, 'message');
ok($c->error->{H}, 'hint');
is(scalar(() = $cp->calls('wake')), 2, 'one more wake-up, not more');
ok(!$c->{ready}, 'no session');

# a compute that accepts nothing: its backlog is full and nobody accepts
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
                                 Proto => 'tcp') or die;
my @fill = map {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
                          PeerPort => $full->sockport, Blocking => 0)
} 1 .. 4;
$cp->endpoint('ep-1', address => '127.0.0.1:' . $full->sockport);
$c = $t->enter($n);
is($c->error && $c->error->{C}, '08006', 'connect_timeout: SQLSTATE');
undef @fill;

# wake_timeout bounds all of it
my $bounded = $t->nginx(main => $cp->directives . <<'END');
wake_timeout 700ms;
wake_retry attempts=1000 base=20ms factor=1;
connect_retry attempts=1000 base=20ms factor=1;
control_plane_timeout request=60s;
END

for my $case ([ 'the control plane does not answer', { hang => 1 } ],
              [ 'it says: later', $class->error(503, 'RUNNING_OPERATIONS') ],
              [ 'nobody at the address',
                { merge => { address => "127.0.0.1:$dead" } } ])
{
    my ($name, $answer) = @$case;

    $cp->always(wake => $answer);
    $start = time;
    $c = $t->enter($bounded);
    cmp_ok(time - $start, '>=', 0.6, "$name: held");
    like($c->error && $c->error->{C}, qr/^(?:57P03|08006)$/,
         "$name: SQLSTATE");
    is($c->error->{C}, '57P03', "$name: wake_timeout")
        if $answer->{hang};
    is($c->read_all, '', "$name: closed");
}

$cp->always(access => { hang => 1 });
$c = $t->enter($bounded);
is($c->error && $c->error->{C}, '57P03',
   'get_endpoint_access_control does not answer: SQLSTATE');

$t->done;
