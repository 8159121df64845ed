#!/usr/bin/perl

# Clients of control_plane link that wait: for a callback that another worker
# gets, over a reload, for too long, for nothing, and too many of them.

use lib 't/lib';
use NeonTest;
use NeonTest::Link;

my $t = NeonTest->new;

my $compute = $t->fake_compute(sub {
    my ($c) = @_;
    my $p = $c->startup or return;
    $c->welcome;
    $c->serve(sub { $p->{user} });
});

sub answer {
    my ($l, $id, %o) = @_;
    return $l->answer($id, port => $compute->port, %o);
}

sub unknown { "42704 Notify failed: waiter `$_[0]` not registered" }

# the worker that a waiting client has

sub waits {
    my ($l) = @_;
    my @pids = $l->nginx->log =~ / (\d+)#\d+: \*\d+ waiting for a login in a/g;
    return $pids[-1];
}

sub let_in {
    my ($c, $name) = @_;
    is($c->authenticate->error_text || $c->value('who'), 'trusty', $name);
}


# --- another worker -----

my $l = NeonTest::Link->new($t, workers => 2, plain => 1,
                            main => 'tls_required off;');
my $n = $l->nginx;

my $c = $l->knock;
my $worker = waits($l);

# stopped, it can take no connection
kill STOP => $worker;
eventually { slurp("/proc/$worker/stat") =~ /\) T / } 'its worker is stopped';
is(answer($l, $c->{link}), 'ok', 'a callback to the other worker');
kill CONT => $worker;

my ($other) = $n->log =~ / (\d+)#.* callback for session "$c->{link}" was/;
isnt($other, $worker, 'which is another process');
let_in($c, 'the client is let in');
$c->close;

# many at once: each has what was said to its own id
my @clients = map { $l->knock(tls => 'none') } 1 .. 30;
my $console = $l->console;

for my $i (reverse 0 .. $#clients) {
    is($l->say($console, NeonTest::Link::callback($clients[$i]{link},
               port => $compute->port, user => "user-$i")), 'ok',
       "callback $i") or last;
}

is(join(' ', map { $_->authenticate->value('who') // 'none' } @clients),
   join(' ', map { "user-$_" } 0 .. $#clients), 'all are who they are');
$_->close for @clients;
$console->close;


# --- a reload -----

my $idle = $l->console;
$c = $l->knock;
my $late = $l->knock;

ok($n->reload, 'reload');

my $m = $idle->read_message;
like($m->{body}, qr/FATAL\0.*C57P01\0/, 'an idle console is sent away');
is($idle->read_all, '', 'and its connection closed');

is(answer($l, $c->{link}), 'ok', 'a callback to a new worker');
let_in($c, 'a client of the old one is let in');
$c->close;

ok($n->reload, 'another reload');
is(answer($l, $late->{link}), 'ok', 'and another callback');
let_in($late, 'for a client two generations back');
$late->close;

eventually { 2 == grep { kill 0, $_ } $n->started } 'old workers leave';


# --- who does not wait -----

for my $leave (qw/drop abort half_close/) {
    $c = $l->knock(tls => 'none');
    $c->$leave;
    eventually { answer($l, $c->{link}) eq unknown($c->{link}) }
               "$leave: nobody waits any more";
    $c->drop if $leave eq 'half_close';
}

for my $id ('', '0' x 15, '0' x 16, '0' x 17, 'x' x 500, "a\"\\\n\x01b") {
    my $said = answer($l, $id);

    if ($id eq '') {
        is($said, '22P02 Failed to parse query as json', 'no id');
        next;
    }

    (my $shown = substr $id, 0, 64) =~ s/[\x00-\x1f]/?/g;
    is($said, unknown($shown), 'an id that never was');
}

$c = $l->knock;
is(answer($l, uc "$c->{link}"), unknown(uc $c->{link}), 'upper case')
    if $c->{link} =~ /[a-f]/;
is(answer($l, $c->{link}), 'ok', 'its own id');
let_in($c, 'in');
is(answer($l, $c->{link}), unknown($c->{link}), 'and a second time');
$c->close;


# --- drain idle, and a limit -------------------------------------------------

my $drained = NeonTest::Link->new($t, plain => 1, main => "tls_required off;\n"
    . "drain idle after=1ms;\nlimit_connections rate=1r/m burst=1;\n");
$c = $drained->knock(tls => 'none');
ok($drained->nginx->reload, 'a reload with "drain idle"');
is(answer($drained, $c->{link}), 'ok', 'does not concern who waits');
let_in($c, 'the client is let in');
$c->drop;

$c = $drained->knock(tls => 'none');
is(answer($drained, $c->{link}), 'ok', 'the same endpoint once more');
like($c->authenticate->error_text, qr/^53300 Too many connections to this/,
     'limit_connections knows the endpoint of the callback');
$c->drop;


# --- for too long -----

my $short = NeonTest::Link->new($t, link => 'timeout=1s', plain => 1,
                                main => 'tls_required off;');
$c = $short->knock;
like($c->{notice}{M}, qr/^To log in, visit this address within 1s:$/m,
     'the client is told how long');
is($c->authenticate->error_text,
   '57014 Disconnected due to inactivity after 1s.', 'and when it is over');
is($c->{error}{S}, 'FATAL', 'fatal');
is($c->read_all, '', 'and the end');
is(answer($short, $c->{link}), unknown($c->{link}), 'a callback is too late');


# --- too many, and a worker that dies -----

my $full = NeonTest::Link->new($t, link => 'waiters=2 timeout=90s',
                               plain => 1, main => 'tls_required off;');
my $f = $full->nginx;

my ($one, $two) = map { $full->knock(tls => 'none') } 1 .. 2;
like($one->{notice}{M}, qr/ within 90s:$/m, 'another time');

my $three = $full->knock(tls => 'none');
is($three->error_text, '53300 sorry, too many clients already',
   'a third one is too many');
ok(!grep({ $_ eq 'R' } @{ $three->{greeting} }), 'and not let in');
$f->log_like(qr/as many clients wait for a login in a browser as "waiters"/,
             'the log says which limit');

is(answer($full, $one->{link}), 'ok', 'one is served');
let_in($one, 'in');
my $four = $full->knock(tls => 'none');
ok($four->{link}, 'which makes room');

my ($victim) = $f->started;
kill KILL => $victim;
eventually { $f->started > 1 } 'the worker is killed';
eventually { answer($full, $two->{link}) eq unknown($two->{link}) }
           'what waited in it is forgotten';

my @again = map { $full->knock(tls => 'none') } 1 .. 2;
is(scalar(grep { $_->{link} } @again), 2, 'and leaves all its room');
is(answer($full, $again[1]{link}), 'ok', 'a callback');
let_in($again[1], 'in');
$_->drop for @again, $one, $two, $four;

$f->expect(qr/worker process $victim exited on signal 9/);
is($f->quit, 0, 'nginx quits');
is(scalar(() = $f->died =~ /exited/g), 1, 'one worker was killed');
is($f->unexpected, '', 'no other alerts');
is($f->sanitizer, '', 'no sanitizer reports');
$f->{finished} = 1;


# --- worker_shutdown_timeout -----

my $quit = NeonTest::Link->new($t, plain => 1, main => 'tls_required off;',
                               globals => 'worker_shutdown_timeout 1s;');
$c = $quit->knock(tls => 'none');
$console = $quit->console;
$console->send("Q\0\0\1\0{");
$quit->nginx->signal('QUIT');
is($c->authenticate->error_text,
   '57P01 terminating connection due to administrator command',
   'a client that waits in a worker that must go');
like($console->read_message->{body}, qr/C57P01\0/, 'and a console');
$_->drop for $c, $console;

# --- a console in the middle of a query when its worker quits -----

my $half = NeonTest::Link->new($t);
my $say = NeonTest::Wire::message('Q',
    NeonTest::Link::callback('0' x 16, port => 1) . "\0");
$console = $half->console;
$console->send($say . substr $say, 0, 9);
is($console->result->{error}{C}, '42704', 'the first query');
$half->nginx->signal('QUIT');
$half->nginx->log_like(qr/gracefully shutting down/, 'its worker quits');
$console->send(substr $say, 9);
is($console->result->{error}{C}, '42704', 'the second one is answered, too');
is($console->only_error, '57P01', 'and there is no third');
$console->drop;


# --- TLS that has only begun -----

my $tls = NeonTest::Link->new($t, main => 'client_timeout 1h;',
    manage => join('', map { "$_->[0] " . $t->certs("db.$_->[1]") . ';' }
                   [ ssl_certificate => 'crt' ],
                   [ ssl_certificate_key => 'key' ]),
    globals => 'worker_shutdown_timeout 100ms;');
$console = $t->client(port => $tls->manage_port);
$console->send(NeonTest::Wire::ssl_request);
is($console->read_n(1), 'S', 'a console whose TLS has begun');
is($tls->nginx->quit, 0, 'a worker that must go does not wait for it');
is($console->read_all, '', 'the end');
like($tls->nginx->log, qr/management connection ends: terminating connection/,
     'and why');

$t->done;
