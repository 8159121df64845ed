#!/usr/bin/perl

# The metrics of a proxy: their names, which are a contract, their form, and
# that they count what happens.

use lib 't/lib';
use NeonTest;
use NeonTest::Page;
use NeonTest::Wire;

my $t = NeonTest->new;
my $port = $t->port;
my $page = NeonTest::Page->new($port);

my ($n, $cp, $fc) = $t->front(cache => 1, workers => 2,
    main => "connect_retry base=10ms;\nwake_retry attempts=2 base=10ms;\n",
    http => NeonTest::Page->server($port, 'main'));


# --- names ---------------------------------------------------------------

# everything with all of its labels, as it stands before the first session

my %labels = (
    sessions => [ front => [qw/tcp ws http/] ],
    sessions_draining => [],
    sessions_total => [ front => [qw/tcp/], outcome =>
        [qw/ok cancel client control_plane compute proxy/] ],
    bytes_total => [ front => [qw/tcp ws http/],
                     direction => [qw/to_compute to_client/] ],
    cache_requests_total => [ cache => [qw/node secret/],
                        result => [qw/hit miss expired spurious stale/] ],
    cache_entries => [ cache => [qw/node secret/] ],
    cache_insertions_total => [ cache => [qw/node secret/] ],
    cache_invalidations_total => [ cache => [qw/node secret/] ],
    cache_evictions_total => [ cache => [qw/node secret/],
                               cause => [qw/size memory/] ],
    flights_total => [ cache => [qw/node secret/],
                       role => [qw/led joined took_over/] ],
    flights => [],
    waiting => [],
    connect_failures_total => [ node => [qw/cached fresh/] ],
    retries_total => [ what => [qw/wake connect/] ],
    cancels_total => [ result =>
        [qw/forwarded orphan not_found denied limited failed/] ],
    spans_total => [ result => [qw/exported rejected dropped failed/] ],
    workers => [ state => [qw/active draining/] ],
    zone_bytes => [ state => [qw/used free/] ],
    zone_recoveries_total => [],
);

my @series;

for my $name (keys %labels) {
    my @all = 'proxy="main"';
    my @pairs = @{ $labels{$name} };

    while (my ($label, $values) = splice @pairs, 0, 2) {
        @all = map { my $a = $_; map { "$a,$label=\"$_\"" } @$values } @all;
    }

    push @series, map { "neon_proxy_${name}{$_}" } @all;
}

$page->wait_for('workers{proxy="main",state="active"}', 2, 'two workers');

my $r = $page->get('/metrics');
my $samples = $page->samples($r->{content});

is($r->{status}, 200, 'status');
is($r->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8',
   'Content-Type');
is($r->{headers}{'cache-control'}, 'no-store', 'Cache-Control');
is_deeply([ sort keys %$samples ], [ sort @series ],
          'every series, and no other');

is(join(' ', grep { $samples->{$_} } sort keys %$samples),
   join(' ', sort map { "neon_proxy_$_" } 'workers{proxy="main",state='
        . '"active"}', map { "zone_bytes{proxy=\"main\",state=\"$_\"}" }
        qw/free used/), 'all else is zero');

my @families = $r->{content} =~ /^# TYPE (\S+)/mg;
is(join(' ', sort @families),
   join(' ', sort 'neon_proxy_errors_total', 'neon_proxy_step_seconds',
        'neon_proxy_control_plane_seconds', map { "neon_proxy_$_" }
        keys %labels), 'every family has a TYPE');
is(join(' ', $r->{content} =~ /^# HELP (\S+) \S/mg), "@families",
   'and a HELP');

$r = $page->request('HEAD', '/metrics');
is($r->{status}, 200, 'HEAD');
cmp_ok($r->{headers}{'content-length'}, '>', 1000, 'HEAD: Content-Length');

$r = $page->request('POST', '/metrics', content => 'x' x 1000);
is($r->{status}, 405, 'POST');
is($r->{headers}{allow}, 'GET, HEAD', 'POST: Allow');


# --- a login -------------------------------------------------------------

sub count {
    my ($name, $labels, $value, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return $page->wait_for("${name}{proxy=\"main\",$labels}", $value, $what);
}

sub cache {
    my ($cache, $result, $value, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return count('cache_requests_total',
                 "cache=\"$cache\",result=\"$result\"", $value,
                 "$what: $cache $result");
}

my $c = $t->enter($n);
is($c->error_text, '', 'a login');
count('sessions', 'front="tcp"', 1, 'a login: open');

for my $cache (qw/node secret/) {
    cache($cache, miss => 1, 'a login');
    cache($cache, hit => 0, 'a login');
    count('flights_total', "cache=\"$cache\",role=\"led\"", 1,
          "a login: $cache led");
    count('cache_insertions_total', "cache=\"$cache\"", 1,
          "a login: $cache inserted");
    count('cache_entries', "cache=\"$cache\"", 1, "a login: $cache entries");
}

count('control_plane_seconds_count', "call=\"$_\",result=\"ok\"", 1,
      "a login: $_ called") for qw/access wake/;

is($c->value('x' x 5000), 'x' x 5000, 'a query');
$c->close;
count('sessions', 'front="tcp"', 0, 'a login: closed');
count('sessions_total', 'front="tcp",outcome="ok"', 1, 'a login: ended well');

$samples = $page->samples;

for (qw/to_compute to_client/) {
    my $bytes = $samples->{'neon_proxy_bytes_total{proxy="main",front="tcp",'
                           . "direction=\"$_\"}"};
    cmp_ok($bytes, '>', 5000, "a login: bytes $_");
    cmp_ok($bytes, '<', 6000, "a login: bytes $_, once");
}

# how often a session went through a step, whether it woke a compute or not

sub steps {
    my ($step) = @_;

    my $samples = $page->samples;
    my $n = 0;

    $n += $samples->{'neon_proxy_step_seconds_count{proxy="main",front="tcp",'
                     . "step=\"$step\",start=\"$_\"}"} // 0
        for qw/warm cold/;

    return $n;
}

is(steps($_), 1, "a login: step $_")
    for qw/handshake endpoint access authenticate wake connect login/;

$c = $t->enter($n);
$c->close;
count('sessions_total', 'front="tcp",outcome="ok"', 2, 'a second login');

for my $cache (qw/node secret/) {
    cache($cache, miss => 1, 'a second login');
    cache($cache, hit => 1, 'a second login');
}

is(scalar(() = $cp->calls), 2, 'a second login: no further calls');
is(steps('login'), 2, 'a second login: step login');


# --- what fails ----------------------------------------------------------

$t->enter($n, password => 'wrong');
count('errors_total', 'reason="password",sqlstate="28P01"', 1,
      'wrong password: an error');
count('sessions_total', 'front="tcp",outcome="client"', 1,
      'wrong password: the client');
is(steps('wake'), 2, 'wrong password: nobody is woken');

$cp->always(wake => { status => 503 });
$t->enter($n, params => [ options => 'neon_x:1' ]);
count('sessions_total', 'front="tcp",outcome="control_plane"', 1,
      'no answer: the control plane');
count('errors_total', 'reason="control_plane",sqlstate="57P03"', 1,
      'no answer: an error');
count('control_plane_seconds_count', 'call="wake",result="failed"', 2,
      'no answer: failed twice');
count('retries_total', 'what="wake"', 1, 'no answer: asked once more');

$cp->always(wake => $cp->error(422, undef));
$t->enter($n, params => [ options => 'neon_x:2' ]);
count('control_plane_seconds_count', 'call="wake",result="refused"', 1,
      'it says no: refused');
count('errors_total', 'reason="quota",sqlstate="53400"', 1,
      'it says no: an error');
$cp->always(wake => undef);

# the address in the cache leads nowhere any more

$fc->stop;
$fc = $t->fake_compute(\&NeonTest::welcome);
$cp->endpoint('ep-1', address => $fc->address);
$c = $t->enter($n);
is($c->error_text, '', 'another address: a login');
$c->close;
cache('node', spurious => 1, 'another address');
count('connect_failures_total', 'node="cached"', 1,
      'another address: a cached one failed');
count('connect_failures_total', 'node="fresh"', 0,
      'another address: no fresh one failed');
count('cache_invalidations_total', 'cache="node"', 1,
      'another address: invalidated');

my $k = $t->client(port => $n->port);
$k->send(cancel_request(4711, 'KEY1'));
$k->read_all;
count('cancels_total', 'result="not_found"', 1, 'unknown key: not found');
count('sessions_total', 'front="tcp",outcome="cancel"', 1,
      'unknown key: a cancel request');

is($page->samples->{'neon_proxy_sessions{proxy="main",front="tcp"}'}, 0,
   'nobody is left');


# --- histograms ----------------------------------------------------------

# le => count of each histogram

my %histograms;
$samples = $page->samples;

for (keys %$samples) {
    next unless /^(neon_proxy_\w+)_bucket\{(.*),le="(.*)"\}$/;

    $histograms{"$1\{$2}"}{ $3 eq '+Inf' ? 9e9 : $3 } = $samples->{$_};
}

cmp_ok(scalar keys %histograms, '>', 7, 'there are histograms');

for my $name (sort keys %histograms) {
    my $h = $histograms{$name};
    my @le = sort { $a <=> $b } keys %$h;
    my ($family, $rest) = $name =~ /^(\w+)(\{.*)$/;

    is("@le", '0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.1 0.25'
       . ' 0.5 1 5 30 9000000000', "$name: bounds in seconds");
    is((grep { $h->{$le[$_]} < $h->{$le[$_ - 1]} } 1 .. $#le), 0,
       "$name: buckets add up");
    is($samples->{"${family}_count$rest"}, $h->{9e9}, "$name: count");
    cmp_ok($samples->{"${family}_count$rest"}, '>', 0, "$name: not empty");

    # no bucket's upper bounds may be exceeded, nor the sum be in ms
    my $sum = $samples->{"${family}_sum$rest"};
    cmp_ok($sum, '<=', 30 * $h->{9e9}, "$name: sum in seconds");
    like($sum, qr/^\d+(?:\.\d{0,5}[1-9])?$/, "$name: form of the sum");
}


# --- reload --------------------------------------------------------------

$c = $t->enter($n);
$n->reload;
count('workers', 'state="draining"', 1, 'reload: one worker has a session');
count('workers', 'state="active"', 2, 'reload: the new workers');
count('sessions', 'front="tcp"', 1, 'reload: the session is still counted');
cmp_ok($page->samples->{'neon_proxy_sessions_total{proxy="main",front="tcp",'
                        . 'outcome="ok"}'}, '==', 3, 'reload: counters stay');
$c->close;
count('workers', 'state="draining"', 0, 'reload: the old worker is gone');

$samples = $page->samples;
is($samples->{'neon_proxy_zone_bytes{proxy="main",state="used"}'}
   + $samples->{'neon_proxy_zone_bytes{proxy="main",state="free"}'},
   32 * 1024 * 1024, 'used and free bytes are the zone');


# --- small caches, and a name that needs escapes --------------------------

my $odd = $t->port;
my $other = $t->nginx(pass => 'neon_proxy_pass "a\"b\\\\c{x=y}";',
    globals => 'neon_proxy "a\"b\\\\c{x=y}" { zone odd 1m;'
               . $t->control_plane(cache => 1)->directives
               . 'node_cache size=0; secret_cache size=1; }',
    http => NeonTest::Page->server($odd, 'a\"b\\\\c{x=y}'));
my $odd_page = NeonTest::Page->new($odd);

$t->enter($other, user => $_) for qw/u1 u2 u3/;
$odd_page->wait_for('cache_evictions_total{proxy="a\"b\\\\c{x=y}",'
                    . 'cache="secret",cause="size"}', 2, 'evictions');
$odd_page->wait_for('cache_entries{proxy="a\"b\\\\c{x=y}",cache="secret"}', 1,
                    'entries');


# --- what Prometheus says ------------------------------------------------

my ($promtool) = grep { -x } map { "$_/promtool" } build() . '/tools',
                 split /:/, $ENV{PATH};

SKIP: {
    skip 'no promtool (make deps)', 4 if !$promtool;

    for ($page, $odd_page) {
        my $r = run([ $promtool, 'check', 'metrics' ],
                    stdin => $_->get('/metrics')->{content});

        is($r->{out} . $r->{err}, '', 'promtool is silent');
        is($r->{rc}, 0, 'promtool is content');
    }
}

$t->done;
