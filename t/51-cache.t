#!/usr/bin/perl

# What one worker learns all know: node and secret cache in the zone, what they
# keep, for how long, and what makes them forget.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $class = 'NeonTest::ControlPlane';
my $log;

# nginx with an access log of the variables, and the directives for main
my ($number, $n, $cp, $fc) = (0);

sub begin {
    my ($main, %o) = @_;

    $log = $t->dir . '/access' . ++$number . '.log';

    ($n, $cp, $fc) = $t->front(cache => 1, main => $main // '', server =>
        "access_log $log neon;", stream_head => "log_format neon '"
        . '$neon_secret_cache $neon_node_cache $neon_cold_start '
        . '$neon_retries $neon_application_name' . "';", %o);
}

sub enter { $t->enter($n, @_) }

# a login that must succeed, and what the log says of the caches
sub logged {
    my (%o) = @_;

    my $tag = 'login' . ++$number;
    my $c = enter(%o, params => [ @{ $o{params} // [ database => 'app' ] },
                                  application_name => $tag ]);
    my $error = $c->error_text;

    $c->close;
    eventually { slurp($log) =~ /^(.*) \Q$tag\E$/m };
    slurp($log) =~ /^(\S+ \S+) .* \Q$tag\E$/m;

    return $error ne '' ? "error: $error" : $1;
}

sub calls { join ' ', map { scalar(() = $cp->calls($_)) } qw/access wake/ }


# --- hits ------------------------------------------------------------------

begin();
is(logged(), 'MISS MISS', 'the first login asks');
is(calls(), '1 1', 'each question once');
is(logged(), 'HIT HIT', 'the second one does not');
is(calls(), '1 1', 'no call');
like(slurp($log), qr/^MISS MISS unknown 0 .*\nHIT HIT warm_cached 0 /,
     'cold start');

# of another role: another verifier, the same compute
$cp->role('ep-1', bob => $t->{verifier});
is(logged(user => 'bob'), 'MISS HIT', 'another role');
is(logged(user => 'bob'), 'HIT HIT', 'again');

# "-pooler" has the same roles, and a node of its own
is(logged(sni => 'ep-1-pooler.db.example.com'), 'HIT MISS', 'ep-1-pooler');
is(logged(sni => 'ep-1-pooler.db.example.com'), 'HIT HIT', 'again');
is(calls(), '2 2', 'calls');

# names of hosts are the same in any case
is(logged(sni => 'EP-1.db.example.com'), 'HIT HIT', 'EP-1');
is(logged(sni => 'EP-1-POOLER.db.example.com'), 'HIT HIT', 'EP-1-POOLER');

# options for the control plane make another node
my @lsn = (params => [ options => 'neon_lsn:0/2 neon_endpoint_type:read_only',
                       database => 'app' ]);
my @nsl = (params => [ options => 'neon_endpoint_type:read_only neon_lsn:0/2',
                       database => 'app' ]);
is(logged(@lsn), 'HIT MISS', 'with options');
is(logged(@nsl), 'HIT HIT', 'in another order');

# user and database do not come with a cached node
my @startups = $fc->notes('startup');
my $c = enter(user => 'bob', database => 'other');
is($c->error_text, '', 'another user and database');
$c->close;
my ($last) = reverse $fc->notes('startup');
is("$last->{user} $last->{database}", 'bob other', 'are what was asked for');

# a wrong password is refused without a call
$cp->forget;
$c = enter(password => 'wrong');
is($c->error->{C}, '28P01', 'wrong password');
is(calls(), '0 0', 'is found out without a call');

# kept over a reload, also with other sizes and times
$n->set(main => $cp->directives . <<'END');
node_cache size=2000 ttl=2m;
secret_cache size=20000 ttl=3m negative=1m;
END
ok($n->reload, 'reload with other sizes and times');
is(logged(), 'HIT HIT', 'the caches were kept');
is(calls(), '0 0', 'no call');

# turned off
$n->set(main => $cp->directives . <<'END');
node_cache size=0;
secret_cache size=0;
END
ok($n->reload, 'reload with size=0');
is(logged(), 'BYPASS BYPASS', 'off');
is(logged(), 'BYPASS BYPASS', 'still off');
is(calls(), '2 2', 'asks each time');


# --- 4 workers -------------------------------------------------------------

begin('', workers => 4);
$_->close for map { enter() } 1 .. 12;
is(calls(), '1 1', 'four workers learn from each other');


# --- time ------------------------------------------------------------------

# idle: each hit restarts it; absolute: none does
begin("node_cache ttl=1s;\nsecret_cache ttl=1s;\n");
is(logged(), 'MISS MISS', 'fetched');

my %seen;

for (1 .. 1000) {
    my $state = logged();
    $seen{$state}++;
    last if $state =~ /^EXPIRED/;
}

is_deeply([ sort keys %seen ], [ 'EXPIRED HIT', 'HIT HIT' ],
          'the verifier expires, the node that is in use does not');

sleep 2;
like(logged(), qr/EXPIRED$/, 'the node expires when nobody uses it');


# --- no for an answer ------------------------------------------------------

begin("secret_cache negative=1s;\nlimit_unknown off;\n");

sub refused {
    my ($code, $name, @how) = @_;

    my $c = enter(@how);
    is($c->error && $c->error->{C}, $code, $name);
    return $c;
}

for my $case ([ 'unknown endpoint', sni => 'ep-9.db.example.com' ],
              [ 'unknown role', user => 'nobody' ])
{
    my ($name, @how) = @$case;

    $cp->forget;
    refused('28P01', "$name", @how) for 1 .. 3;
    is(calls(), '1 0', "$name: asked once");
    eventually { refused('28P01', "$name: later", @how);
                 calls() eq '2 0' || (sleep(1), 0)[1] }
        "$name: asked again after negative=", 20;
}

# the endpoint was created meanwhile
$cp->endpoint('ep-9', address => $fc->address);
$cp->role('ep-9', alice => $t->{verifier});
eventually { logged(sni => 'ep-9.db.example.com') !~ /error/
             || (sleep(1), 0)[1] } 'and let in when it exists', 20;

# a final refusal of the wake-up
$cp->always(wake => $class->error(403, 'ENDPOINT_DISABLED'));
$cp->forget;
refused('57P03', 'disabled') for 1 .. 3;
is(scalar(() = $cp->calls('wake')), 1, 'disabled: asked once');
$cp->always(wake => undef);
eventually { logged() !~ /error/ || (sleep(1), 0)[1] }
    'enabled: found out after negative=', 20;

# transport errors and 5xx without a status are never kept
begin("wake_retry attempts=1;\n");

for my $case ([ 'closed', { close => 1 } ],
              [ 'status 500', { status => 500, json => { error => 'x' } } ],
              [ '502 with HTML', { status => 502, body => '<html>' } ],
              [ 'garbage', { status => 200, body => '{' } ],
              [ 'our token', { status => 401, json => { error => 'x' } } ])
{
    my ($name, $answer) = @$case;

    $cp->script(access => $answer);
    refused('57P03', $name, user => $name);
    refused('28P01', "$name: asked again", user => $name);
    is(scalar(() = $cp->calls('access')), 2, "$name: not kept");
    $cp->forget;
}

# one that says "in so many ms" is kept for so long, and no call is made
begin("wake_retry attempts=1;\n");
$cp->script(wake => $class->error(503, 'RUNNING_OPERATIONS', retry => 60000));
refused('57P03', 'later') for 1 .. 3;
is(scalar(() = $cp->calls('wake')), 1, 'asked once');

begin("wake_retry attempts=3;\n");
$cp->script(wake => ($class->error(503, 'RUNNING_OPERATIONS', retry => 300))
                    x 3);
refused('57P03', 'three times later');
is(scalar(() = $cp->calls('wake')), 3, 'three calls');
$c = enter();
is($c->error_text, '', 'the next one waits until it is time');
is(scalar(() = $cp->calls('wake')), 4, 'and asks once');
$c->close;

# ... and one that does not is not kept
begin("wake_retry attempts=1;\n");
$cp->script(wake => $class->error(503, 'RUNNING_OPERATIONS'));
refused('57P03', 'busy');
is(logged(), 'HIT MISS', 'busy: not kept');


# --- wrong ----------------------------------------------------------------

# a node that went away
begin("connect_retry attempts=2 base=10ms factor=1;\n");
is(logged(), 'MISS MISS', 'fetched');
$fc->stop;
my $new = $t->fake_compute(\&NeonTest::welcome);
$cp->endpoint('ep-1', address => $new->address);
is(logged(), 'HIT SPURIOUS', 'the cached address leads nowhere');
is(logged(), 'HIT HIT', 'the new one was learnt');
is(calls(), '1 2', 'with one call');

# another role's compute at a re-used address: its salt is another one
my $stranger = NeonTest::Scram::verifier('other', salt => 'x' x 16);
my $right = NeonTest::Scram::verifier('pw');

sub compute_with {
    my ($verifier) = @_;

    return $t->fake_compute(sub {
        my ($c) = @_;
        $c->startup or return;
        $c->scram($verifier)
            or return $c->error(S => 'FATAL', V => 'FATAL', C => '28P01',
                                M => 'password authentication failed');
        $c->welcome;
        $c->serve;
    });
}

begin();
my $mine = compute_with($t->{verifier});
my $theirs = compute_with($stranger);
$cp->script(wake => { merge => { address => $theirs->address } });
$cp->endpoint('ep-1', address => $mine->address);
is(logged(), 'MISS MISS', 'a stranger at the address: asked again, let in');
is(calls(), '1 2', 'with one more call');
is(logged(), 'MISS HIT', 'the verifier was in doubt, too');
is(logged(), 'HIT HIT', 'and is known again');

# what the caches said is known before the control plane says anything
begin("wake_timeout 300ms;\n");
$cp->role('ep-1', bob => $t->{verifier});
$cp->script(wake => { hang => 1 });
like(logged(), qr/did not become ready in time/, 'a wake-up that hangs');
like(slurp($log), qr/^MISS MISS - 0 login$number$/m, 'was not in the cache');
$cp->script(access => { hang => 1 });
like(logged(user => 'bob'), qr/did not become ready in time/,
     'a question for the role that hangs');
like(slurp($log), qr/^MISS - - 0 login$number$/m, 'was not in the cache');


# the password was changed: the control plane knows, the cache does not yet
begin();
my $changed = NeonTest::Scram::verifier('new', salt => 'y' x 16);
is(logged(), 'MISS MISS', 'logged in with the old password');
my $moved = compute_with($changed);
$fc->stop;
$cp->endpoint('ep-1', address => $moved->address);
$cp->role('ep-1', alice => $changed);
refused('28P01', 'the compute has another verifier');
is(logged(password => 'new'), 'MISS HIT', 'the next one gets it');


# the compute's verifier changes with the control plane's: a proof that fails
# against a verifier of more than five seconds has the next attempt ask anew
begin();
is(logged(), 'MISS MISS', 'logged in with the old password');
$moved = compute_with($changed);
$cp->endpoint('ep-1', address => $moved->address);
$cp->script(wake => { merge => { address => $moved->address } });
$cp->role('ep-1', alice => $changed);
$fc->stop;
$cp->forget;
refused('28P01', 'the new password, at once', password => 'new') for 1 .. 3;
is(calls(), '0 0', 'guessing makes no calls');
eventually { enter(password => 'new')->error_text eq '' }
    'the new password, after a while', 20;
is(scalar(() = $cp->calls('access')), 1, 'by one call');


# --- the control plane is down ---------------------------------------------

begin("node_cache ttl=300ms stale=1h;\nsecret_cache ttl=1h;\n");
is(logged(), 'MISS MISS', 'fetched');
$cp->stop;
sleep 1;
is(logged(), 'HIT STALE', 'the last address is used');
is(logged(), 'HIT STALE', 'again');
like($n->log, qr/\[warn\].*its last answer is used once more/, 'the log');

$fc->stop;
refused('57P03', 'an address that leads nowhere is forgotten');

$cp->resume;
$new = $t->fake_compute(\&NeonTest::welcome);
$cp->endpoint('ep-1', address => $new->address);
is(logged(), 'HIT MISS', 'and it is asked when it is there again');

# a wrong password puts a verifier in doubt, but does not take it away from
# those who know the right one
begin("node_cache ttl=1h;\nsecret_cache ttl=1h stale=1h;\n");
is(logged(), 'MISS MISS', 'fetched');
sleep 6;
$cp->stop;
refused('28P01', 'a wrong password', password => 'wrong');
is(logged(), 'STALE HIT', 'the right one');
refused('28P01', 'a wrong password again', password => 'wrong');
is(logged(), 'STALE HIT', 'the right one again');

$cp->resume;
is(logged(), 'EXPIRED HIT', 'the control plane is asked when it is there');
is(logged(), 'HIT HIT', 'once');

# verifiers too, where it is said
begin("node_cache ttl=300ms stale=1h;\nsecret_cache ttl=300ms stale=1h;\n");
is(logged(), 'MISS MISS', 'fetched');
$cp->always($_ => { status => 503, body => 'x' }) for qw/access wake/;
sleep 1;
is(logged(), 'STALE STALE', '5xx: the last verifier and address are used');
$cp->always(access => undef);
$cp->role('ep-1', alice => undef);
refused('28P01', 'a role that is gone is gone');

# by default nothing outlives its time
begin("wake_retry attempts=2 base=10ms factor=1;\n"
      . "node_cache ttl=300ms;\nsecret_cache ttl=300ms;\n");
is(logged(), 'MISS MISS', 'fetched');
$cp->stop;
sleep 1;
refused('57P03', 'without stale= there is nothing to use');

$t->done;
