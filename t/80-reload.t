#!/usr/bin/perl

# Reload and quit: sessions live on, waiting clients get their answer, workers
# leave when the last of theirs is gone.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $pg = $t->postgres;

my $cp = $t->control_plane;
$cp->role('ep-1', alice => $pg->verifier('alice'));
$cp->endpoint('ep-1', address => $pg->address);

my $n = $t->nginx(main => $cp->directives, workers => 2);
my $main = $cp->directives;

sub enter {
    my (%o) = @_;

    return $t->enter($n, password => $pg->password('alice'), %o);
}

sub running { grep { kill 0, $_ } $n->started }


# --- reload --------------------------------------------------------------

my $idle = enter();
my $busy = enter();
my $copy = enter();

$idle->query('begin; create temp table x as select 42');
$copy->query('create temp table y (line text)');
$busy->send(message('Q', "select pg_sleep(1), 'slept'\0"));
$copy->send(message('Q', "copy y from stdin\0") . message('d', "1\n"));
is($copy->read_message->{type}, 'G', 'a COPY is under way');

# these wait for the control plane, one before and one after its proof
$cp->script(wake => { delay => 1 });
my $waiting = enter(stop => 1);
$cp->called(wake => 4);

my $proving = $t->client(port => $n->port);
$proving->send(ssl_request);
$proving->read_n(1);
$proving->start_tls(sni => 'ep-1.db.example.com');

$n->set(main => "$main\nclient_timeout 10s;\n");
ok($n->reload, 'reload');
is(scalar(() = $n->started), 4, 'two new workers');

my $new = enter();
is($new->value('select 1'), 1, 'a new session');
is($busy->result->{rows}[0][1], 'slept', 'the query under way ends well');
is($idle->value('select * from x'), 42, 'the idle session is there');
is($idle->{ready}, 'T', 'in its transaction');

$copy->send(message('d', "2\n") . message('c'));
is($copy->result->{tag}, 'COPY 2', 'the COPY goes on');

$waiting->authenticate(password => $pg->password('alice'));
is($waiting->error_text, '', 'the client that waited is in');
is($waiting->value('select 1'), 1, 'and served');

$proving->send(startup_packet([ user => 'alice', database => 'app' ]));
$proving->authenticate(password => $pg->password('alice'));
is($proving->error_text, '', 'the client that was about to log in is in');

my $before = running();
cmp_ok($before, '>', 2, 'old workers serve their sessions');
$_->close for $idle, $busy, $copy, $waiting, $proving;
eventually { running() == 2 } 'then they leave';
is($new->value('select 1'), 1, 'the new session stays');
$new->close;

# again and again, with a session each
my @kept;

for my $round (1 .. 5) {
    push @kept, enter();
    ok($n->reload, "reload $round");
}

is(scalar(grep { $_->value('select 1') == 1 } @kept), 5,
   'a session of each generation');
$_->close for @kept;
eventually { running() == 2 } 'old workers leave';

# a configuration that cannot be
my $old = $n->started;
$n->set(main => "$main\nclient_timeout never;\n");
$n->expect(qr/client_timeout/);
$n->reload;
is(scalar(() = $n->started), $old, 'a bad configuration changes nothing');
$new = enter();
is($new->value('select 1'), 1, 'and all goes on');
$new->close;
$n->set(main => $main);

# what the block says counts for new sessions
my $other = $t->fake_compute(sub {
    my ($c) = @_;
    $c->startup or return;
    $c->welcome;
    $c->serve(sub { 'another compute' });
});

spew($t->dir . '/roles', "\"alice\" \"" . $pg->verifier('alice') . "\"\n");
chmod 0600, $t->dir . '/roles';
$old = enter();
$n->set(main => 'control_plane static; endpoint ep-1 ' . $other->address
                . '; role_file ' . $t->dir . '/roles;');
ok($n->reload, 'reload with another control plane');
$new = enter();
is($new->value('who'), 'another compute', 'new sessions go there');
is($old->value('select 1'), 1, 'old ones stay');
$_->close for $old, $new;

$n->set(main => $main);
ok($n->reload, 'and back');


# --- quit ----------------------------------------------------------------

$busy = enter();
$idle = enter();
$busy->send(message('Q', "select pg_sleep(1), 'slept'\0"));
$cp->script(wake => { delay => 0.5 })->forget;
$waiting = enter(stop => 1);
$cp->called(wake => 1);

$n->signal('QUIT');
eventually { !eval { $t->client(port => $n->port)->drop; 1 } }
           'quit: new connections are refused';

is($busy->result->{rows}[0][1], 'slept', 'quit: the query ends well');
is($idle->value('select 1'), 1, 'quit: the idle session is served');
$waiting->authenticate(password => $pg->password('alice'));
is($waiting->error_text, '', 'quit: the client that waited is in');
ok($n->alive, 'quit: nginx waits for them');
$_->close for $busy, $idle, $waiting;
eventually { !$n->alive } 'quit: then it is over';


# --- two sessions, and no third one: Neon's test_close_on_connections_exit --

my $two = $t->nginx(main => $main);
my @two = map { $t->enter($two, password => $pg->password('alice')) } 1, 2;
$two->signal('QUIT');
is($two->{process}->wait(2), undef, 'quit: nginx stays 2 seconds later');
ok(!eval { $t->client(port => $two->port); 1 },
   'quit: a third connection is refused');
is($_->value('select 1'), 1, 'quit: the two are served') for @two;
$_->close for @two;
is($two->{process}->wait(2 * $NeonTest::slow), 0, 'quit: gone with them');


# --- worker_shutdown_timeout ---------------------------------------------

my $short = $t->nginx(main => "$main\nclient_timeout 1h;", globals =>
                      'worker_shutdown_timeout 500ms;');
$idle = $t->enter($short, password => $pg->password('alice'));
$busy = $t->enter($short, password => $pg->password('alice'));
$busy->send(message('Q', "select pg_sleep(30)\0"));
$cp->script(wake => { hang => 1 })->forget;
$waiting = $t->knock($short, password => $pg->password('alice'));
$cp->called(wake => 1);
my $silent = $t->client(port => $short->port);
my $hello = $t->client(port => $short->port);
$hello->send(ssl_request);
is($hello->read_n(1), 'S', 'one is about to begin TLS');

$short->signal('QUIT');

for my $case ([ idle => $idle ], [ busy => $busy ]) {
    my ($name, $c) = @$case;
    my $m = $c->read_message;

    is($m && $m->{type}, 'E', "worker_shutdown_timeout, $name: it is said");
    is($m && error_fields($m->{body})->{C}, '57P01', "$name: SQLSTATE");
    is($c->read_all, '', "$name: closed");
}

$waiting->authenticate;
is($waiting->error && $waiting->error->{C}, '57P01', 'waiting: SQLSTATE');
$silent->read_all;
pass('silent: closed');
is($hello->read_all, '', 'in the TLS handshake: closed');
eventually { !$short->alive } 'and nginx is gone';

$t->done;
