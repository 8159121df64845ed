#!/usr/bin/perl

# No descriptor is left (EMFILE): accepting pauses and goes on, sessions are
# served, and no compute is taken for one that does not answer (pg_doorman).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;

my ($n, $cp) = $t->front(cache => 1, globals => 'worker_rlimit_nofile 60;');
$n->expect(qr/\[crit\] .*accept4?\(\) failed \(24: /);
$n->expect(qr/\[(?:alert|crit)\] .*socket\(\) failed \(24: /);
$t->served('enough', $t->enter($n));
$cp->forget;

my $session = $t->enter($n);
my $waiting = $t->client(port => $n->port);
$waiting->send(ssl_request);
is($waiting->read_n(1), 'S', 'one is about to log in');
$waiting->start_tls(sni => 'ep-1.db.example.com');

# connections until nginx has no descriptor left: some wait in the backlog
my @many;

eventually {
    push @many, $t->client(port => $n->port) if @many < 200;
    $n->log =~ /accept4?\(\) failed \(24: /;
} 'none is left, and the log says so';

is($session->value('hello'), 'hello', 'an open session is served');

$waiting->send(startup_packet([ user => 'alice', database => 'app' ]));
$waiting->authenticate(password => 'pw');
is($waiting->error && $waiting->error->{C}, '53300',
   'a login that has no socket for its compute: refused')
    or diag(explain $waiting->error);
ok($waiting->error && $waiting->error->{H}, 'with a hint');

$_->drop for @many;
@many = ();
$t->served('there are some again', $t->enter($n));
is(scalar($cp->calls('wake')), 0,
   'the compute was not taken for one that does not answer');
is($session->value('hello'), 'hello', 'the session is where it was');
$session->close;
my $crits = () = $n->log =~ /accept4?\(\) failed \(24: /g;
cmp_ok($crits, '<', 100, 'the log was not flooded');

$t->done;
