#!/usr/bin/perl

# Which failures of control plane and compute are tried again, and how often:
# scripts of what they do, each to be used up to its end.
#
# The scripts of Neon's own proxy are among them.  Where this one does better:
#
# * any node that cannot be reached is forgotten, whether it came from the
#   cache or not, and the control plane is asked again at once;
# * an error that means another compute than the one expected has one more
#   wake-up of its own;
# * no answer of the control plane is tried again, as "later" is;
# * a compute that says that it is starting is waited for;
# * TLS that the compute does not speak is final after that wake-up: waiting
#   does not teach it.
#
# Neon's limit of connection attempts to one compute does not exist here, and
# so neither do its scripts of what is not worth a wake-up for that reason.

use lib 't/lib';
use NeonTest;
use NeonTest::ControlPlane;
use NeonTest::Wire;

use IO::Socket::INET;
use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $class = 'NeonTest::ControlPlane';
my $number = 0;
my ($n, $cp, $fc);

sub begin {
    my ($main, $attempts, $base) = @_;

    $attempts //= 5;
    $base //= '10ms';
    ($n, $cp) = $t->front(cache => 1, plain => 1, main => <<"END");
connect_retry attempts=$attempts base=$base factor=1;
wake_retry attempts=3 base=10ms factor=1;
$main
END
}

# --- what the control plane does -----------------------------------------

# nobody accepts at one address, nobody listens at the other
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
                                 Proto => 'tcp') or die;
my @fill = map {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
                          PeerPort => $full->sockport, Blocking => 0)
} 1 .. 4;
my $dead = '127.0.0.1:' . $t->port;

my %wake = (
    W => 'pass',
    d => { merge => { address => $dead } },
    f => { merge => { address => '127.0.0.1:' . $full->sockport } },
    n => { merge => { address => 'no-such.invalid:5432' } },
    t => { merge => { server_name => 'localhost' } },   # TLS, then
    l => $class->error(503, 'RUNNING_OPERATIONS'),      # later
    x => { truncate => 9 },
    X => { status => 502, body => '<html>' },
    F => $class->error(403, 'ENDPOINT_DISABLED'),
);

# --- what the compute does -----------------------------------------------

sub refuse {
    my ($c, $code, $message) = @_;

    $c->startup or return;
    $c->error(S => 'FATAL', V => 'FATAL', C => $code, M => $message // 'no',
              D => 'a detail', H => 'a hint');
}

my %does = (
    C => sub { $_[0]->startup or return; $_[0]->welcome; $_[0]->serve },
    R => sub { $_[0]->reset },
    E => sub { },
    L => sub { $_[0]->startup },                        # lost in the login
    O => sub { $_[0]->startup or return; $_[0]->auth(0) },
    H => sub { $_[0]->startup or return; $_[0]->hang },
    M => sub { $_[0]->send("HTTP/1.1 400 Bad Request\r\n\r\n") },
    N => sub { $_[0]->startup(ssl => 'N') },
    U => sub { $_[0]->startup or return; $_[0]->auth(7) },
    S => sub { refuse($_[0], '57P03', 'starting up') },
    A => sub { refuse($_[0], '08006', 'not me') },
    Q => sub { refuse($_[0], '3D000', 'no such database') },
);

sub compute_of {
    my (@script) = @_;

    return $t->fake_compute(sub {
        my ($c) = @_;
        my $does = $script[$c->{n} - 1] // return;

        ref $does ? refuse($c, @$does) : $does{$does}->($c);
    });
}

# an endpoint that nothing is known of yet
sub endpoint {
    my ($compute) = @_;

    my $name = 'ep-' . ++$number;

    $cp->role($name, alice => $t->{verifier});
    $cp->endpoint($name, address => $compute->address);
    $cp->forget;

    return $name;
}

sub at {
    my ($endpoint, @more) = @_;
    return (tls => 'none', params => [ options => "endpoint=$endpoint" ],
            @more);
}

sub enter { $t->enter($n, at(@_)) }
sub knock { $t->knock($n, at(@_)) }
sub wakes { scalar(() = $cp->calls('wake')) }
sub outcome { $_[0]->error ? $_[0]->error->{C} // '-' : 'in' }

# the control plane is asked anew for each second of failures
sub wakes_in {
    my ($name, $n, $seconds) = @_;

    my $wakes = wakes();

    ok($n <= $wakes && $wakes <= $n + int $seconds, "$name: wake-ups")
        or diag("$wakes in $seconds s, expected: $n");
}

# how many entries of an endpoint were taken out of the cache
sub forgotten {
    my ($name) = @_;

    return scalar(() = $n->log =~ /forgot the cached compute.* $name\b/g);
}

# the answers to wake-ups (and then the last one again), what the compute does
# with its connections, and how one login after the other ends; the last client
sub play {
    my ($name, $wake, $compute, $results) = @_;

    my @script = ref $compute ? @$compute : split //, $compute;
    my @results = split ' ', $results;
    my @wake = map { $wake{$_} } split //, $wake;
    my (@got, $c);

    $fc = compute_of(@script);
    my $ep = endpoint($fc);
    $cp->script(wake => @wake)->always(wake => $wake[-1]);
    my $start = time;

    for (@results) {
        $c = enter($ep);
        push @got, outcome($c);
        $c->close;
    }

    is("@got", $results, $name);
    wakes_in($name, scalar @wake, time - $start);
    is($fc->connections, scalar @script, "$name: connections");
    $fc->stop;

    return ($c, $ep);
}

# of one message
sub passed_on {
    my ($name, $c, %fields) = @_;

    is_deeply($c->error, { S => 'FATAL', V => 'FATAL', D => 'a detail',
                           H => 'a hint', %fields },
              "$name: passed on as it is");
}


# --- Neon's scripts -------------------------------------------------------

begin('');

my ($c, $ep);

for my $case (
    [ 'success',                         'W',   'C',       'in',    0 ],
    [ 'a failure, and again',            'WW',  'RC',      'in',    1 ],
    [ 'a failure, then a final one',     'Wt',  'RN',      '08006', 1 ],
    [ 'a final failure has a wake-up',   'tW',  'NC',      'in',    1 ],
    [ 'failures until it is enough',     'WW',  'RRRRRR',  '08006', 1 ],
    [ 'the control plane says: later',   'lW',  'C',       'in',    0 ],
    [ 'later, then no',                  'lF',  '',        '57P03', 0 ],
    [ 'no wake-up for a user\'s fault',  'W',   'Q',       '3D000', 0 ])
{
    my $forgotten = pop @$case;

    ($c, $ep) = play(@$case);
    is(forgotten($ep), $forgotten, "$case->[0]: what the cache forgot");
}


# --- the control plane ----------------------------------------------------

play('later, three times',              'lll', '',        '57P03');
play('no answer',                       'xW',  'C',       'in');
play('no answer, three times',          'xxx', '',        '57P03');
play('5xx',                             'XW',  'C',       'in');
play('not at the first wake-up only',   'WlW', 'RC',      'in');
play('no answer at the second one',     'WxW', 'RC',      'in');
play('no at the second one',            'WF',  'R',       '57P03');
play('no',                              'F',   '',        '57P03');
play('no is kept',                      'F',   '',        '57P03 57P03');


# --- the way to the compute -----------------------------------------------

play('nobody there',                    'dW',  'C',       'in');
play('nobody there, again',             'dd',  '',        '08006');
play('no such name',                    'nW',  'C',       'in');
play('no such name, again',             'nn',  '',        '08006');
play('closed at once',                  'WW',  'EC',      'in');
play('lost during the login',           'WW',  'LC',      'in');
play('lost behind AuthenticationOk',    'WW',  'OC',      'in');
play('one of each kind, then good',     'WW',  'ELORC',   'in');
play('... one too many',                'WW',  'ELORER',  '08006');
play('no TLS, twice',                   'tt',  'NN',      '08006');
play('nobody, then no TLS',             'dt',  'N',       '08006');

like($n->log, qr/connect\(\) failed \(111:/, 'the log: refused');
like($n->log, qr/no-such\.invalid could not be resolved/, 'the log: no name');
like($n->log, qr/compute does not support TLS/, 'the log: no TLS');


# --- what the compute says ------------------------------------------------

# it is there, and will open: however often
play('starting',                        'WW',  'SSC',     'in');
play('starting, for long',              'WW',  'SSSSSSSSSC', 'in');
play('starting is not a failure',       'WW',  'SSSSSSRRRC', 'in');
play('a failure, then starting',        'WW',  'RSSC',    'in');

# another compute than the one expected
play('another one',                     'WW',  'AC',      'in');
($c) = play('another one, twice',       'WW',  'AA',      '08006');
passed_on('another one, twice', $c, C => '08006', M => 'not me');
play('besides the one for failures',    'WWW', 'RAC',     'in');
play('... in the other order',          'WWW', 'ARC',     'in');
play('... and no more of them',         'WWW', 'RAA',     '08006');
play('no PostgreSQL',                   'WW',  'MC',      'in');
play('... twice',                       'WW',  'MM',      '08006');
play('no login that we know',           'WW',  'UC',      'in');
play('... twice',                       'WW',  'UU',      '08006');

for my $code (qw/08000 08001 08003 08P01 57P01 57P02 58P01 XX000/) {
    play("$code: not what we expected", 'WW', [ [ $code ], 'C' ], 'in');
}

# the user's faults, and a compute that is full
for my $code (qw/28P01 28000 3D000 3F000 42704 42501 42601 22023 53300 53200
                 53400 40001 0A000/)
{
    ($c) = play("$code: the user's", 'W', [ [ $code ] ], $code);
    passed_on($code, $c, C => $code, M => 'no');
}

my $many = 'no more connections allowed (max_client_conn)';
($c) = play('pgbouncer is full', 'W', [ [ '08P01', $many ] ], '08P01');
passed_on('pgbouncer is full', $c, C => '08P01', M => $many);

# whatever a compute leaves out
for my $case ([ 'no message', C => '08P01' ], [ 'no code', M => 'no' ],
              [ 'nothing in it' ])
{
    my ($what, %fields) = @$case;
    my $code = $fields{C} // '-';

    $does{B} = sub { $_[0]->startup or return; $_[0]->error(%fields) };
    play("an error with $what",         'WW',  'BC',      'in');
    ($c) = play("... twice",            'WW',  'BB',      $code);
    is_deeply($c->error, \%fields, 'passed on as it is');
}

# behind AuthenticationOk every error is the user's
for my $code (qw/57P03 08006 3D000/) {
    $does{Y} = sub {
        $_[0]->startup or return;
        $_[0]->auth(0);
        $_[0]->error(S => 'FATAL', V => 'FATAL', C => $code, M => 'no',
                     D => 'a detail', H => 'a hint');
    };
    ($c) = play("$code behind AuthenticationOk", 'W', 'Y', $code);
    passed_on("$code behind AuthenticationOk", $c, C => $code, M => 'no');
}

# and it is the compute that was expected, whatever it says
for my $case ([ 'rubbish', 'HTTP/1.1 400 Bad Request' ],
              [ 'a message of no length', "S\0\0\0\0" ],
              [ 'a row', message('D', "\0\0") ],
              [ 'AuthenticationOk once more', message('R', pack 'N', 0) ],
              [ 'a ReadyForQuery without its status', message('Z', '') ],
              [ 'BackendKeyData cut short', message('K', "\0\0") ])
{
    my ($what, $bytes) = @$case;

    # it stays: one who asks again would be told the same
    $does{Y} = sub {
        $_[0]->startup or return;
        $_[0]->auth(0);
        $_[0]->send($bytes);
        $_[0]->hang;
    };
    ($c) = play("$what behind AuthenticationOk", 'W', 'Y', '08006');
    like($c->error->{M}, qr/malformed message/, "$what: the message");
}


# --- what the next one finds ----------------------------------------------

play('a cached address that fails',     'WW',  'CRC',     'in in');
play('cached, then no TLS',             'tW',  'NCC',     'in in');
play('a user\'s fault: it is kept',     'W',   'QC',      '3D000 in');
play('given up: asked again',           'WWW', 'RRRRRRRC', '08006 in');
play('nobody there: asked again',       'ddW', 'C',       '08006 in');
play('another one: asked again',        'WWW', 'AAAC',    '08006 in');
play('no PostgreSQL: asked again',      'WWW', 'MMMC',    '08006 in');
play('no login: asked again',           'WWW', 'UUUC',    '08006 in');


# --- time -----------------------------------------------------------------

begin("connect_timeout 100ms;\n");

play('no answer to the connect()',      'fW',  'C',       'in');
play('no answer, again',                'ff',  '',        '08006');
like($n->log, qr/connect\(\) timed out/, 'the log: timed out');

begin("login_timeout 1s;\n");

play('the login does not come to an end', 'WW', 'HC',     'in');
play('... twice',                       'WW',  'HH',      '08006');
like($n->log, qr/login_timeout/, 'the log: login_timeout');

begin("wake_timeout 700ms;\n");

$fc = $t->fake_compute($does{S});
$ep = endpoint($fc);
$cp->always(wake => undef);

my $start = time;
$c = enter($ep);
cmp_ok(time - $start, '>=', 0.69, 'a compute that does not come up: held');
is($c->error_text, '57P03 the endpoint did not become ready in time',
   'and then told so');
cmp_ok($fc->connections, '>', 2, 'it was tried meanwhile');
like($n->log, qr/\(wake_timeout, SQLSTATE 57P03\): compute says that it is/,
     'the log: what it waited for');

# also where the time is over in the middle of the next attempt
$fc = compute_of(qw/S S H/);
$ep = endpoint($fc);
is(outcome(enter($ep)), '57P03', 'one that hangs then');
like($n->log, qr/\(wake_timeout,.*: compute says that it is .*: $ep,/,
     'the log: the same');

# long pauses are for those that fail
begin("wake_timeout 9s;\n", 5, '60s');
play('one that starts is asked each second', 'WW', 'SSSC', 'in');


# --- without a cache ------------------------------------------------------

# Neon does not wake again for an address that is not from its cache
begin("node_cache size=0;\nsecret_cache size=0;\n");

play('no cache: a failure, and again',  'WW',  'RC',      'in');
play('no cache: a dead address',        'dW',  'C',       'in');
play('no cache: until it is enough',    'WW',  'RRRRRR',  '08006');
play('no cache: another one',           'WW',  'AC',      'in');
play('no cache: starting',              'WW',  'SSC',     'in');
play('no cache: each for itself',       'WW',  'CC',      'in in');


# --- several clients ------------------------------------------------------

begin('', 1000);

# the control plane may learn later than we do that a compute is gone
$fc = compute_of('C');
$ep = endpoint($fc);
$cp->script(wake => $wake{d}, $wake{d});
is(outcome(enter($ep)), 'in', 'it is asked again for as long as it fails');
is(wakes(), 3, 'until it knows better');

# what another client learns is known to those who pause
$fc = compute_of('C', 'C');
$ep = endpoint($fc);
$cp->script(wake => $wake{d}, $wake{d});
my $first = knock($ep);
$cp->called(wake => 2);
$c = enter($ep);
is(outcome($c), 'in', 'one learns a new address');
$cp->stop;
$first->authenticate;
is(outcome($first), 'in', 'the other one takes it');
is(wakes(), 3, 'without asking for it');
$cp->resume;
$_->close for $first, $c;

# failures that come late do not take away what is newer: two clients have the
# same old address, the second one fails when the first one has a new one
my @gate = map { $t->dir . "/gate$_" } 0 .. 2;
my $old = $t->fake_compute(sub {
    my ($c) = @_;

    select undef, undef, undef, 0.01 until -e $gate[$c->{n}];
    $c->reset;
});

$fc = compute_of(('C') x 3);
$ep = endpoint($fc);
$cp->script(wake => { merge => { address => $old->address } });

my @late = map {
    my $n = $_;
    my $c = knock($ep);
    eventually { $old->connections == $n } "client $n has the old address";
    $c
} 1, 2;

for my $n (1, 2) {
    spew($gate[$n], '');
    $late[$n - 1]->authenticate;
    is(outcome($late[$n - 1]), 'in', "client $n is let in at the new one");
    is(wakes(), 2, 'which one call brought');
}

$c = enter($ep);
is(outcome($c), 'in', 'so is another one');
is(wakes(), 2, 'from the cache');
is(forgotten($ep), 1, 'only the old one was forgotten');
$_->close for @late, $c;

# and so with verifiers: the second one is told of a wrong password when the
# first one has made the proxy ask for the verifier again
my $other = NeonTest::Scram::verifier('new', salt => 'x' x 16);
@gate = map { $t->dir . "/pw$_" } 0 .. 2;
$old = $t->fake_compute(sub {
    my ($c) = @_;

    return $does{C}->($c) if $c->{n} > 2;
    select undef, undef, undef, 0.01 until -e $gate[$c->{n}];
    refuse($c, '28P01');
});

$ep = endpoint($old);
@late = map {
    my $n = $_;
    my $c = knock($ep);
    eventually { $old->connections == $n } "client $n has the old verifier";
    $c
} 1, 2;

$cp->role($ep, alice => $other);

for my $n (1, 2) {
    spew($gate[$n], '');
    $late[$n - 1]->authenticate;
    is(outcome($late[$n - 1]), '28P01', "client $n: the password is wrong");
    is(outcome(enter($ep, password => 'new')), 'in', 'the new one is right');
    is(scalar(() = $cp->calls('access')), 2, 'one call brought its verifier');
}

$t->done;
