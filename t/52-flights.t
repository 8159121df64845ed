#!/usr/bin/perl

# Flights: one question to the control plane at a time, for all who want the
# answer, in whichever worker they are; whoever began it may leave, hang or
# die.

use lib 't/lib';
use NeonTest;
use NeonTest::Page;
use NeonTest::Wire;

use IO::Select;
use IO::Socket::INET;
use List::Util qw/uniq/;
use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $class = 'NeonTest::ControlPlane';
my $workers = 4;
my $number = 0;
my ($n, $cp, $page, $log);

# a compute that welcomes hundreds at a time, in one process
my $compute = $t->port;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1024,
    LocalPort => $compute, ReuseAddr => 1) or die "port $compute: $@\n";

NeonTest::Process->fork_code(sub {
    require NeonTest::FakeCompute;

    my $welcome = NeonTest::FakeCompute::Connection->welcome_bytes;
    my $select = IO::Select->new($server);

    while (my @ready = $select->can_read) {
        for my $fh (@ready) {
            if ($fh == $server) {
                $select->add($server->accept);
                next;
            }

            # a StartupMessage, a Terminate, the end
            my $n = sysread $fh, my $bytes, 65536;
            $select->remove($fh), close $fh if !$n;
            syswrite $fh, $welcome if $n && $bytes =~ /^\0/;
        }
    }
}, name => 'compute');

# reuseport: the kernel gives each worker its share of the clients
sub begin {
    my ($main, %o) = @_;

    my ($port, $pages) = ($t->port, $t->port);

    $log = $t->dir . '/access' . ++$number . '.log';
    $page = NeonTest::Page->new($pages);

    # what is slow here is slow for other reasons
    $main = "connect_timeout 60s;\nlogin_timeout 60s;\n"
            . "control_plane_timeout connect=60s request=60s;\n"
            . ($main // '');

    ($n, $cp) = $t->front(cache => 1, workers => $workers, port => $port,
        connections => 2048, main => $main, %o,
        stream_head => "log_format neon '\$neon_secret_cache"
                       . " \$neon_node_cache';\n",
        stream => "server { listen 127.0.0.1:$port reuseport;"
                  . " access_log $log neon; neon_proxy_pass main; }",
        http => NeonTest::Page->server($pages, 'main'));
}

# a name that nothing is known of yet, with a role and a compute
sub endpoint {
    my $name = 'ep-' . ++$number;

    $cp->role($name, alice => $t->{verifier}, bob => $t->{verifier});
    $cp->endpoint($name, address => "127.0.0.1:$compute");
    $cp->forget;

    return $name;
}

sub stop {
    my ($pid) = @_;

    kill STOP => $pid;
    eventually { slurp("/proc/$pid/stat") =~ /\) T / }
        or die "process $pid was not stopped\n";
}

# the control plane answers nothing; the kernel takes its calls meanwhile
sub hold { stop($cp->{process}->pid) }
sub release { kill CONT => $cp->{process}->pid }

# clients whose first question is for their role's verifier
sub arrive {
    my ($count, $endpoint, $user) = @_;

    return map {
        my $c = $t->client(port => $n->port);
        $c->send(startup_packet([ user => $user // 'alice', database => 'app',
                                  options => "endpoint=$endpoint" ]));
        $c
    } 1 .. $count;
}

# they give their proof, the next question is for the compute
sub prove { $_->authenticate(password => 'pw', stop => 1) for @_ }

# how it ended for them: "in:3 57P03:1"
sub ended {
    my (@c) = @_;

    my %count;

    for my $c (@c) {
        $c->authenticate(password => 'pw');
        $count{$c->error ? $c->error->{C} : $c->{ready} ? 'in' : 'lost'}++;
    }

    $_->close for @c;

    return join ' ', map { "$_:$count{$_}" } sort keys %count;
}

# clients that were asked for their proof, and the control plane is held
sub lobby {
    my ($endpoint, %count) = @_;

    hold();
    my @c = map { arrive($count{$_}, $endpoint, $_) } sort keys %count;
    waiting(scalar @c, 'they wait for the verifier');
    release();

    $_->readable(20) for @c;
    hold();

    return @c;
}

# clients that wait for the compute, which the first one of them asked for
sub crowd {
    my @c = lobby(@_);

    prove($c[0]);
    waiting(1, 'one waits for the compute');
    prove(@c[1 .. $#c]);
    waiting(scalar @c, 'all of them do');

    return @c;
}

sub waiting { $page->wait_for('waiting{proxy="main"}', @_) }
sub running { $page->wait_for('flights{proxy="main"}', @_) }
sub calls { join ' ', map { scalar(() = $cp->calls($_)) } qw/access wake/ }

# the process that has a connection of ours
sub worker {
    my ($c) = @_;

    my $port = $c->{socket}->sockport;
    my $pid;

    eventually {
        ($pid) = $n->log =~ /(\d+)#\d+: \*\d+ client [\d.]+:$port connected/;
    };

    return $pid;
}

sub by_worker {
    my %of;

    push @{ $of{ worker($_) } }, $_ for @_;
    return %of;
}


# --- many clients, one call ----------------------------------------------

begin();

my $ep = endpoint();
my @c = crowd($ep, alice => 400);

release();
is(ended(@c), 'in:400', '400 clients of a sleeping endpoint');
is(calls(), '1 1', 'one call for the verifier, one for the compute');
eventually { 400 == (() = slurp($log) =~ /^MISS MISS$/mg) }
    'none of them found it in the cache';

my $samples = $page->samples;

for my $cache (qw/secret node/) {
    is(join(' ', map { $samples->{"neon_proxy_flights_total{proxy=\"main\","
                                  . "cache=\"$cache\",role=\"$_\"}"} }
                 qw/led joined took_over/),
       '1 399 0', "$cache: one led, the others joined");
}

is(ended(arrive(1, $ep)), 'in:1', 'another one');
is(calls(), '1 1', 'needs no call');

# roles have verifiers of their own, and share the compute
$ep = endpoint();
@c = crowd($ep, alice => 20, bob => 20);
release();
is(ended(@c), 'in:40', 'two roles');
is(calls(), '2 1', 'two verifiers, one compute');


# --- those who leave ------------------------------------------------------

# the first one, alone or not, does not take the answer with it

for my $how (qw/drop abort/) {
    $ep = endpoint();
    hold();
    my ($first) = arrive(1, $ep);
    waiting(1, "$how: one asks for the verifier");
    $first->$how;
    waiting(0, "$how: it leaves");
    running(1, "$how: the call does not");

    ($first, @c) = crowd($ep, alice => 13);
    $first->$how;
    waiting(12, "$how: the one that asked for the compute leaves");
    release();
    is(ended(@c), 'in:12', "$how: the others are served");
    is(calls(), '1 1', "$how: with one call each");
}

# all of them
$ep = endpoint();
hold();
@c = arrive(8, $ep);
waiting(8, 'some wait for the verifier');
$_->drop for @c;
waiting(0, 'all of them leave');
release();
running(0, 'the call comes to its end');

hold();
@c = arrive(8, $ep);
prove(@c);
waiting(8, 'others wait for the compute');
$_->abort for @c;
waiting(0, 'all of them leave');
release();
running(0, 'the call comes to its end');
is(calls(), '1 1', 'the answers were kept');
is(ended(arrive(1, $ep)), 'in:1', 'the next one');
is(calls(), '1 1', 'needs no call');


# --- without caches -------------------------------------------------------

# only who waits at the same time shares
begin("node_cache size=0;\nsecret_cache size=0;\n");

$ep = endpoint();
@c = crowd($ep, alice => 40, bob => 40);
release();
is(ended(@c), 'in:80', 'without caches');
is(calls(), '2 1', 'those who wait share');
eventually { 80 == (() = slurp($log) =~ /^BYPASS BYPASS$/mg) }
    'though nothing is kept';
is(ended(arrive(1, $ep)), 'in:1', 'the next one');
is(calls(), '3 2', 'asks for itself');


# --- bad news is shared, too ----------------------------------------------

my $busy = $class->error(503, 'RUNNING_OPERATIONS');
my $soon = $class->error(503, 'RUNNING_OPERATIONS', retry => 1);
my $closed = $class->error(403, 'ENDPOINT_DISABLED', text => 'not today');

for my $cached (1, 0) {
    begin("wake_retry attempts=3 base=10ms factor=1;\n"
          . ($cached ? '' : "node_cache size=0;\nsecret_cache size=0;\n"));

    for my $case ([ 'a refusal', 1, $closed ],
                  [ 'cut short', 3, ({ truncate => 9 }) x 3 ],
                  [ 'a status of 500', 3, ({ status => 500,
                                             body => 'x' }) x 3 ],
                  [ 'busy', 3, ($busy) x 3 ],
                  [ 'busy for 1 ms', 3, ($soon) x 3 ])
    {
        my ($name, $calls, @answers) = @$case;

        $name .= ', no caches' if !$cached;

        $ep = endpoint();
        $cp->script(wake => @answers);
        @c = crowd($ep, alice => 24);
        release();
        is(ended(@c), '57P03:24', "$name: nobody is let in");
        is(calls(), "1 $calls", "$name: calls");
        is(scalar(uniq(map { $_->error_text } @c)), 1, "$name: one message");
    }

    like($c[0]->error_text, qr/^57P03 /, 'with its SQLSTATE');

    # the other question
    $ep = endpoint();
    $cp->script(access => ({ truncate => 9 }) x 3);
    hold();
    @c = arrive(24, $ep);
    waiting(24, 'they wait for the verifier');
    release();
    is(ended(@c), '57P03:24', 'no verifier: nobody is let in');
    is(calls(), '3 0', 'no verifier: calls');
}

# "in so many ms" holds all of them back
$ep = endpoint();
$cp->script(wake => $class->error(503, 'RUNNING_OPERATIONS', retry => 700));
@c = crowd($ep, alice => 12);
my $start = time;
release();
is(ended(@c), 'in:12', 'retry_delay_ms: all are let in');
cmp_ok(time - $start, '>=', 0.69, 'not before it is over');
is(calls(), '1 2', 'with one more call');


# --- the leader is lost ---------------------------------------------------

# killed, and so the one that takes over
begin();
$ep = endpoint();
@c = crowd($ep, alice => 40);

my $leader = worker($c[0]);
my %of = by_worker(@c);
my @killed = $leader;
my $over = qr/(\d+)#\d+: took the question over/;

for my $nth (1, 2) {
    kill KILL => $killed[-1];
    eventually { $nth == (() = $n->log =~ /$over/g) }
        'the leader is killed: another worker takes over';
    push @killed, ($n->log =~ /$over/g)[-1];
}

my $heir = pop @killed;
release();

for my $pid (sort keys %of) {
    my $dead = grep { $_ == $pid } @killed;
    my $count = @{ $of{$pid} };

    is(ended(@{ $of{$pid} }), ($dead ? 'lost' : 'in') . ":$count",
       $dead ? 'clients of a dead worker' : 'clients of a living one');
}

is(scalar(uniq(@killed, $heir)), 3, 'three leaders, one after the other');
cmp_ok(scalar(() = $cp->calls('wake')), '<=', 3, 'each with one call');
$cp->forget;
is(ended(arrive(1, $ep)), 'in:1', 'the next one');
is(calls(), '0 0', 'needs no call');

is($n->quit, 0, 'nginx quits');
is(scalar(() = $n->died =~ /exited/g), 2, 'two workers were killed');
$n->expect(qr/worker process $_ exited on signal 9/) for @killed;
is($n->unexpected, '', 'no alerts in the log');
is($n->sanitizer, '', 'no sanitizer reports');
$n->{finished} = 1;

# it sleeps for longer than its lease is good for; when it is there again it
# has an answer that is out of date
begin();
$ep = endpoint();
$cp->script(wake => { merge => { address => '127.0.0.1:' . $t->port } });
@c = crowd($ep, alice => 40);
$leader = worker($c[0]);
%of = by_worker(@c);

stop($leader);
release();
$n->log_like($over, 'the leader is stopped: another worker takes over');

for my $pid (grep { $_ != $leader } sort keys %of) {
    my $count = @{ $of{$pid} };
    is(ended(@{ $of{$pid} }), "in:$count", 'clients of another worker');
}

is(calls(), '1 2', 'one more call');
kill CONT => $leader;
my $count = @{ $of{$leader} };
is(ended(@{ $of{$leader} }), "in:$count", 'clients of the late one');
is(calls(), '1 2', 'took what the others had learnt');
is(ended(arrive(20, $ep)), 'in:20', 'others');
is(calls(), '1 2', 'find it still there');


# --- reload and quit ------------------------------------------------------

# new workers join what an old one leads
$ep = endpoint();
@c = crowd($ep, alice => 20);
$n->set(main => $n->{main} . "node_cache ttl=1m;\n");
ok($n->reload, 'reload while clients wait');

my @new = arrive(20, $ep);
prove(@new);
waiting(40, 'new ones wait with them');
release();
is(ended(@c), 'in:20', 'those of the old workers are served');
is(ended(@new), 'in:20', 'and those of the new ones');
is(calls(), '1 1', 'with one call');

# an old worker that leads and has no client goes at once
$ep = endpoint();
@c = crowd($ep, alice => 40);
$leader = worker($c[0]);
%of = by_worker(@c);
$_->drop for @{ delete $of{$leader} };

my @stay = map { @$_ } values %of;
waiting(scalar @stay, 'the clients of the leader leave');
ok($n->reload, 'reload');
eventually { !kill 0, $leader } 'it has nothing to wait for, and goes';
$n->log_like($over, 'another one takes over');
release();
is(ended(@stay), 'in:' . @stay, 'those who wait are served');
is(calls(), '1 2', 'with one more call');

# as at quit
$ep = endpoint();
@c = crowd($ep, alice => 1);
$c[0]->drop;
waiting(0, 'the only client leaves');
running(1, 'the call does not');
is($n->quit, 0, 'quit does not wait for it');
release();

$t->done;
