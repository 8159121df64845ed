#!/usr/bin/perl

# Everything at once: a crowd logs in through four workers while some of them
# are killed, nginx reloads, entries expire, computes die and come back, and
# the control plane has its bad moments.  Then all has to be as it should.
#
#   NEON_STRESS_SECONDS   of load (10)
#   NEON_STRESS_RATE      logins a second (100)
#   NEON_STRESS_SLACK     seconds beyond wake_timeout that a client may take;
#                         1 on a machine that has nothing else to do
#   NEON_STRESS_SEED
#
# SPDX-License-Identifier: Apache-2.0

use lib 't/lib';
use NeonTest;
use NeonTest::Crowd;
use NeonTest::CrowdCompute;
use NeonTest::Page;
use NeonTest::Scram;

use Time::HiRes qw/sleep time/;

my $seconds = $ENV{NEON_STRESS_SECONDS} // 10;
my $rate = $ENV{NEON_STRESS_RATE} // 100;
my $slack = $ENV{NEON_STRESS_SLACK} // 20;
my $seed = $ENV{NEON_STRESS_SEED} // $$;
my $wake_timeout = 5 * $NeonTest::slow;

my $t = NeonTest->new;
my $crowd = NeonTest::Crowd->new($t);
my $port = $t->port;
my $page = NeonTest::Page->new($port);
my $cp = $t->control_plane(cache => 1);
my $verifier = NeonTest::Scram::verifier('pw');
my @endpoints = qw/ep-1 ep-2 ep-3/;
my %compute;

for my $name (@endpoints) {
    $compute{$name} = { process => NeonTest::CrowdCompute->new($t),
                        ports => [ $t->port, $t->port ], up => 0 };
    $cp->role($name, alice => $verifier);
    comes_back($name);
}

my $main = $cp->directives . <<"END";
zone main 4m;
wake_timeout ${wake_timeout}s;
wake_retry base=10ms;
connect_retry attempts=10 base=10ms;
control_plane_timeout request=1s;
client_timeout 1h;
END

my @caches = (
    "node_cache size=100 ttl=300ms;\n"
    . "secret_cache size=100 ttl=500ms negative=200ms;\n",
    "node_cache size=2 ttl=1s stale=1s;\n"
    . "secret_cache size=3 ttl=200ms negative=1s stale=1s;\n",
    "node_cache size=0;\nsecret_cache size=100 ttl=300ms negative=300ms;\n",
);

my $n = $t->nginx(workers => 4, plain => 1, connections => 4096,
                  main => $main . $caches[0],
                  http => NeonTest::Page->server($port, 'main'));
my ($master, %killed) = $n->pid;

# what a killed worker makes the others say, and nothing else
$n->expect($_) for
    qr/\[alert\] $master#$master: worker process \d+ exited on signal 9$/,
    qr/\[alert\] $master#$master: shared memory zone "main" was locked by/,
    qr/\[alert\] \d+#\d+: sendmsg\(\) failed \(32: Broken pipe\)$/;

{
    no warnings qw/redefine once/;

    *NeonTest::Nginx::died = sub {
        return join "\n", grep {
            /process \d+ exited/ && !/with code 0$/
            && !(/process (\d+) exited on signal 9$/ && $killed{$1})
        } split /\n/, $n->log;
    };
}

sub comes_back {
    my ($name) = @_;

    my $c = $compute{$name};

    push @{ $c->{ports} }, my $port = shift @{ $c->{ports} };
    $cp->endpoint($name, address => "127.0.0.1:$port");
    $c->{process}->up($port, starting => rand(2) < 1 ? 0 : rand 0.2);
    $c->{up} = 1;
}


# --- what goes wrong -----------------------------------------------------

my $closed = 0;

sub children {
    my @pids = split ' ', slurp("/proc/$master/task/$master/children");
    return @pids;
}

sub kill_worker {
    my @workers = children();
    my $pid = $workers[rand @workers] or return;

    $killed{$pid} = time if kill 'KILL', $pid;
}

sub reload {
    $n->set(main => $main . $caches[rand @caches]);
    $n->signal('HUP');
}

sub compute_dies {
    my $name = $endpoints[rand @endpoints];
    my $c = $compute{$name};

    return comes_back($name) if !$c->{up};

    $c->{process}->down((qw/reset fin/)[rand 2]);
    $c->{up} = 0;
}

# closed: libcurl tries once more on its own where a kept connection ends
sub control_plane_errs {
    my @answers = map {
        my $kind = int rand 6;

        $closed++ if $kind == 0;
        $kind == 0 ? { close => 1 }
        : $kind == 1 ? $cp->error(503, 'RUNNING_OPERATIONS', retry => 20)
        : $kind == 2 ? $cp->error(503, undef)
        : $kind == 3 ? { body => 'nonsense' }
        : $kind == 4 ? { delay => rand 0.5 }
        : { hang => 1 }
    } 1 .. 1 + rand 3;

    $cp->script((qw/access wake/)[rand 2], @answers);
}

my @misfortunes = (\&kill_worker, \&kill_worker, \&kill_worker,
                   \&compute_dies, \&compute_dies, \&compute_dies,
                   \&control_plane_errs, \&control_plane_errs);

$page->wait_for('workers{proxy="main",state="active"}', 4, 'four workers');
my $used = 'neon_proxy_zone_bytes{proxy="main",state="used"}';
my $before = $page->samples->{$used};

note("seed $seed");
srand $seed;

my $run = $crowd->start(port => $n->plain_port, c => 300, s => $seconds,
    r => $rate, l => 10, y => 200, t => ($wake_timeout + $slack) * 1000,
    k => $seed, e => join ',', @endpoints, 'ep-none');

my $end = time + $seconds;
my $next = time + 1;
my $reloads = 0;

while (time < $end) {
    sleep 0.02 + rand 0.2;
    $misfortunes[rand @misfortunes]->();

    if (time > $next) {
        reload();
        $reloads++;
        $next = time + 1 + rand 2;
    }
}


# --- and then ------------------------------------------------------------

# it ends well for those who wait
$cp->script($_) for qw/access wake/;
comes_back($_) for grep { !$compute{$_}{up} } @endpoints;

my @clients = $run->clients($wake_timeout + $slack + 60);

my $log = $n->log;
my %worker;

# of a port, with the time; the last line is the last client that had it
push @{ $worker{$2} }, $1
    while $log =~ /(\d+)#\d+: \*\d+ client 127\.0\.0\.1:(\d+) connected/g;

sub connected { $_[0]{stage} =~ /^(?:query|stay)$/ }

# to be closed without a word is for clients of a worker that was killed; what
# it had accepted, but not yet logged, is one of them
sub of_killed {
    my ($c) = @_;

    my $pids = $worker{$c->{port}};
    return 1 if $pids && grep { $killed{$_} } @$pids;

    my $end = $c->{start} + $c->{time} / 1000;
    return !$pids && grep { abs($_ - $end) < 1 } values %killed;
}

# 57P03: the control plane, or the time is up; 08006: the compute
sub well {
    my ($c) = @_;

    return 1 if $c->{outcome} =~ /^(?:ok|left)$/;
    return 0 if $c->{outcome} =~ /^(?:hung|refused)$/;
    return 1 if connected($c);
    return of_killed($c) if $c->{outcome} eq 'closed';

    my $codes = $c->{endpoint} eq 'ep-none' ? '28P01|57P03' : '08006|57P03';
    return $c->{text} =~ /^(?:$codes) \S/;
}

my @bad = grep { !well($_) } @clients;

cmp_ok(scalar @clients, '>', $seconds * $rate / 3, 'the crowd was one');
is(join("\n", map { join ' ', @$_{qw/outcome stage endpoint port start time
                                     text/} } @bad), '',
   'everybody was in, was told why not, or had a worker that was killed');

my %ended;
$ended{connected($_) ? 'connected'
       : $_->{outcome} eq 'error' ? $_->{text} : $_->{outcome}}++ for @clients;
cmp_ok($ended{connected} // 0, '>', @clients / 5, 'many were in');

note("$ended{$_} $_") for sort keys %ended;
note(scalar(keys %killed) . " workers killed, $reloads reloads, "
     . (sort { $a <=> $b } map { $_->{time} } @clients)[-1]
     . ' ms for the slowest');

# what dead workers had is gone, old ones leave
eventually { children() == 4 } 'four processes are left', 30;

$page->wait_for($_ => 0, $_) for 'flights{proxy="main"}',
    'waiting{proxy="main"}', 'sessions{proxy="main",front="tcp"}',
    'workers{proxy="main",state="draining"}';
$page->wait_for('workers{proxy="main",state="active"}' => 4, 'four workers');

my $started = $n->started + 4;
$n->set(main => $main . "node_cache size=100;\nsecret_cache size=100;\n");
$n->signal('HUP');
eventually { $n->started >= $started && children() == 4 } 'a last reload', 30;
cmp_ok($page->samples->{$used}, '<=', $before + 256 * 1024,
       'the zone is as empty as before');

# one call for each lease, and each time that a leader asked again
my %s = %{ $page->samples };
my %calls = (access => 0, wake => 0);
$calls{$_->{call}}++ for $cp->calls;

my $may = $closed + $s{'neon_proxy_retries_total{proxy="main",what="wake"}'};

for my $cache (qw/node secret/) {
    $may += $s{"neon_proxy_flights_total{proxy=\"main\",cache=\"$cache\","
               . "role=\"$_\"}"} for qw/led took_over/;
}

cmp_ok($calls{access} + $calls{wake}, '<=', $may,
       'no more calls than leases and retries');
note("$calls{access} access, $calls{wake} wake calls; $may would do; "
     . $s{'neon_proxy_zone_recoveries_total{proxy="main"}'}
     . ' times the lock was held by who was killed');

sub enter {
    my ($name) = @_;

    my $c = $t->login(port => $n->plain_port, tls => 'none', password => 'pw',
                      params => [ options => "endpoint=$name" ]);
    is($c->error_text, '', "$name: a last client is in");
    return $c;
}

for my $name (@endpoints) {
    enter($name)->close;
    $cp->forget;
    enter($name)->close;
    is(scalar(() = $cp->calls), 0, 'and the next one without a call');
}

# nobody comes after a draining worker that is killed
my $c = enter('ep-1');
$n->signal('HUP');
eventually { $n->started >= $started + 4 && children() == 5 } 'one drains';

my %active = map { $_ => 1 } $n->workers;
my ($draining) = grep { !$active{$_} } children();
$killed{$draining} = kill 'KILL', $draining;

$page->wait_for('workers{proxy="main",state="draining"}' => 0, 'killed');
$page->wait_for('sessions{proxy="main",front="tcp"}' => 0, 'its session');
is($c->read_all, '', 'is closed');

$t->done;
