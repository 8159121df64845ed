#!/usr/bin/perl

# What runs out: memory, the zone.  Each is said, ends with the shortage, and
# takes nothing else with it.  And who dies while nginx drains.  Descriptors:
# checks/C23-no-descriptors.t.

use lib 't/lib';
use NeonTest;
use NeonTest::Page;
use NeonTest::Wire;

my $t = NeonTest->new;
my $http = $t->port;

my ($n, $cp, $fc, $session, @many);

# entries that went because the zone was full

sub evicted {
    my $samples = NeonTest::Page->new($http)->samples;
    my $sum = 0;

    $sum += $samples->{'neon_proxy_cache_evictions_total{proxy="main",'
                       . "cache=\"$_\",cause=\"memory\"}"}
        for qw/node secret/;

    return $sum;
}

sub served {
    my ($name) = @_;

    my $c = eval { $t->enter($n) };
    is($c && $c->value('hello'), 'hello', $name);
    $c->close if $c;
}


# --- memory ---------------------------------------------------------------

SKIP: {
    skip 'a sanitizer reserves terabytes', 9 if $NeonTest::slow > 1;

    ($n, $cp, $fc) = $t->front(cache => 1, plain => 1, compute => sub {
        my ($c) = @_;

        my $p = $c->startup or return;
        $c->welcome;
        return $c->serve if $p->{database} ne 'flood';
        $c->read_message;
        eval { $c->send(message('D', 'x' x 60000)) while 1 };
    });
    $n->expect(qr/\[emerg\] .*(?:malloc|posix_memalign|memalign)/);
    $n->expect(qr/\[crit\] .*SSL/);
    $n->expect(qr/\[alert\] .*SSL_new\(\) failed .*malloc failure/);
    served('memory: enough');

    my ($worker) = $n->workers;
    my ($kb) = slurp("/proc/$worker/status") =~ /^VmSize:\s+(\d+) kB/m;

    # one by TLS may need some for each record
    $session = $t->enter($n, tls => 'none',
                         params => [ options => 'endpoint=ep-1' ]);
    is($session->value('hello'), 'hello', 'memory: a session');
    is(run([ 'prlimit', '--pid', $worker,
             '--as=' . ($kb * 1024 + 1024 * 1024) . ':' ])->{rc}, 0,
       'memory: no more than 1 MiB');

    # each takes a buffer of the relay, and reads nothing
    my $refused = 0;

    for (1 .. 60) {
        my $c = eval { $t->enter($n, database => 'flood') };

        if (!$c || $c->error) {
            $refused++;
            next;
        }

        $c->send(message('Q', "go\0"));
        push @many, $c;
    }

    # the first to say so may be nginx or OpenSSL
    $n->log_like(qr/\[(?:emerg|crit)\] .*(?:malloc|memalign)/,
                 'memory: none is left');
    eventually { my $c = eval { $t->enter($n) }; !$c || $c->error
                 || $n->log =~ /\(internal, SQLSTATE \w+\)/ }
               'sessions that need some end';
    is($session->value('hello'), 'hello', 'one that needs none is served');

    run([ 'prlimit', '--pid', $worker, '--as=unlimited:' ]);
    $_->drop for @many;
    @many = ();
    served('memory: there is some again');
    is(join(' ', $n->workers), $worker, 'the worker is the same');
    $session->close;
    ok(kill(0, $worker), 'and alive');
}


# --- the zone -------------------------------------------------------------

($n, $cp, $fc) = $t->front(cache => 1, main => "zone main 128k;\n"
                           . "limit_unknown off;\n", http =>
                           NeonTest::Page->server($http, 'main'));
$session = $t->enter($n);

my @open;

eventually {
    my $i = @open + 2;

    $cp->role("ep-$i", alice => $t->{verifier});
    $cp->endpoint("ep-$i", address => $fc->address);
    push @open, $t->enter($n, sni => "ep-$i.db.example.com");
    die $open[-1]->error_text if $open[-1]->error;

    @open >= 400
    || evicted() > 0;
} 'zone: full, entries make room', 120;

is(scalar(grep { ($_->value('hello') // '') ne 'hello' } @open), 0,
   'zone: all sessions are served');
is($session->value('hello'), 'hello', 'zone: the first one too');
cmp_ok(scalar(@open), '<', 400, 'zone: it was full before the end');
$_->close for @open, $session;


# --- who dies while nginx drains ------------------------------------------

($n, $cp, $fc) = $t->front(cache => 1, main => "wake_retry attempts=2"
                           . " base=10ms;\nconnect_retry attempts=2"
                           . " base=10ms;\n", compute => sub {
    my ($c) = @_;

    my $p = $c->startup or return;
    $c->welcome;
    return $c->serve if $p->{database} ne 'dies';
    $c->read_message;
    $c->reset;
});

my %c = map { $_ => $t->enter($n, database => $_) } qw/app dies/;
$cp->role('ep-2', alice => $t->{verifier});
$cp->endpoint('ep-2', address => $fc->address);
$cp->script(wake => { hang => 1 });
$c{wakes} = $t->knock($n, sni => 'ep-2.db.example.com');
$cp->called(wake => 2);

$n->signal('QUIT');
$n->log_like(qr/gracefully shutting down/, 'draining');
$cp->stop;
$c{dies}->send(message('Q', "go\0"));

$c{wakes}->authenticate;
is($c{wakes}->error && $c{wakes}->error->{C}, '57P03',
   'the control plane dies: its client is told');
my $m = $c{dies}->read_message;
ok(!$m || error_fields($m->{body})->{C}, 'a compute dies: the end');
is($c{app}->value('hello'), 'hello', 'others are served');
$c{app}->close;
is($n->{process}->wait(30 * $NeonTest::slow), 0, 'then nginx ends');

$t->done;
