#!/usr/bin/perl

# Reloads under load: not one new connection fails, and old sessions live;
# worker_shutdown_timeout cuts with 57P01 behind whole messages.  80-reload.t,
# 81-drain.t and 82-shutdown-timeout.t have more; bench/drain.pl has 100
# reloads.

use lib 't/lib';
use NeonTest;
use NeonTest::Crowd;
use NeonTest::CrowdCompute;
use NeonTest::Wire;

my $t = NeonTest->new;
my $crowd = NeonTest::Crowd->new($t);
my $compute = NeonTest::CrowdCompute->new($t);
my ($port, $address) = map { $t->port } 1, 2;
my $cp = $t->control_plane(cache => 1);

$compute->up($address);
$cp->role('ep-1', alice => NeonTest::Scram::verifier('pw'));
$cp->endpoint('ep-1', address => "127.0.0.1:$address");

my $pg = $t->postgres;
$cp->role('ep-2', alice => $pg->verifier('alice'));
$cp->endpoint('ep-2', address => $pg->address);

my $n = $t->nginx(
    main => $cp->directives, workers => 2, port => $port,
    globals => 'worker_shutdown_timeout 60s;',
    stream => "server { listen 127.0.0.1:$port; neon_proxy_pass main; }");

sub enter {
    my $c = $t->enter($n, tls => 'none', password => $pg->password('alice'),
                      params => [ options => 'endpoint=ep-2' ]);
    is($c->error_text, '', 'a session');
    return $c;
}


# --- reloads -------------------------------------------------------------

my ($old, $idle, $busy) = map { enter() } 1 .. 3;

$old->query('begin; create temp table x as select 42 as n');
$busy->send(message('Q', "select pg_sleep(1), 'slept'\0"));

my $run = $crowd->start(port => $port, c => 10, s => 2, r => 100_000,
                        e => 'ep-1', u => 'alice', w => 'pw');

for my $round (1 .. 4) {
    ok($n->reload, "reload $round");
}

my @clients = $run->clients(60);
my @failed = grep { $_->{outcome} ne 'ok' } @clients;

cmp_ok(scalar @clients, '>=', 10, @clients . ' logins meanwhile');
is(scalar @failed, 0, 'none failed') or diag explain [ @failed[0 .. 4] ];
is($busy->result->{rows}[0][1], 'slept', 'a query from before ends well');
is($old->value('select n from x'), 42, 'a session from before is there');
is($old->{ready}, 'T', 'in its transaction');
is($idle->value('select 42'), 42, 'and one that was idle all the time');
$_->close for $old, $idle, $busy;


# --- worker_shutdown_timeout ---------------------------------------------

$n->set(globals => 'worker_shutdown_timeout 500ms;');
ok($n->reload, 'reload with a time');

my %c = (idle => enter(), busy => enter());
my $flood = enter();

$c{busy}->send(message('Q', "select pg_sleep(60)\0"));
$flood->send(message('Q', "select repeat('x', 10000), generate_series(1, 1e9)"
                          . "\0"));
$n->signal('QUIT');

my $m;
1 while ($m = $flood->read_message) && $m->{type} =~ /[TD]/;
is($m && error_fields($m->{body})->{C}, '57P01', 'rows: whole ones, then told');

for my $name (sort keys %c) {
    is($c{$name}->only_error, '57P01', "$name: told, and nothing else");
}

is($n->{process}->wait(20 * $NeonTest::slow), 0, 'then nginx ends');
eventually { $pg->sessions('alice') == 0 } 'and nothing runs on';

$t->done;
