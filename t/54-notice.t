#!/usr/bin/perl

# wake_notice: a client that has waited for its compute for so long is let in
# and told that it has to wait; what follows comes behind that.

use lib 't/lib';
use NeonTest;
use NeonTest::Process;
use NeonTest::Wire;

my $t = NeonTest->new;
my $class = 'NeonTest::ControlPlane';
my $gate = $t->dir . '/gate';
my %notice = (S => 'NOTICE', V => 'NOTICE', C => '00000',
              M => 'endpoint "ep-1" is starting, please wait');
my ($n, $cp, $fc);

# what clients wait for is the compute: their verifier is known
sub begin {
    my ($main, %o) = @_;

    ($n, $cp, $fc) = $t->front(cache => 1, plain => 1, %o, main => <<"END");
node_cache size=0;
wake_retry attempts=1;
connect_retry attempts=3 base=10ms factor=1;
$main
END
    is($t->enter($n, password => 'wrong')->error->{C}, '28P01',
       'the verifier is asked for');
}

# a compute that does something when the test opens the gate, and something
# else before
sub compute {
    my ($does, $before) = @_;

    $before //= sub { select undef, undef, undef, 0.01 until -e $gate };

    unlink $gate;
    my $compute = $t->fake_compute(sub {
        my ($c) = @_;

        $c->startup or return;
        return if !-e $gate && !$before->($c) && !-e $gate;
        $does->($c);
    });
    $cp->endpoint('ep-1', address => $compute->address);

    return $compute;
}

sub open_gate { spew($gate, '') }
sub welcome { $_[0]->welcome; $_[0]->serve }

# the client's messages so far, with the codes of authentication
sub types {
    my ($c) = @_;

    return join ' ', map {
        $_->{type} . ($_->{type} eq 'R' ? unpack 'N', $_->{body} : '')
    } @{ $c->{messages} };
}

# a client that has given its proof, or its password, and was told to wait
sub told {
    my ($name, @how) = @_;

    my $c = $t->knock($n, @how);

    while (!@{ $c->{notices} } && (my $m = $c->read_message)) {
        my ($type, $body) = @$m{qw/type body/};

        push @{ $c->{messages} }, $m;
        $c->auth_request(unpack('N', $body), substr $body, 4) if $type eq 'R';
        push @{ $c->{notices} }, error_fields($body) if $type eq 'N';
    }

    is_deeply($c->{notices}, [ \%notice ], "$name: the notice");

    return $c;
}

my $scram = 'R10 R11 R12 R0';
my %how = (
    TLS => [ $scram ],
    'without TLS' => [ $scram, tls => 'none',
                       params => [ options => 'endpoint=ep-1' ] ],
    'with a password prefix' => [ 'R3 R0', sni => undef,
                                  password => 'endpoint=ep-1;pw' ],
);


# --- they wait ------------------------------------------------------------

begin("wake_notice 200ms;\n");

for my $name (sort keys %how) {
    my ($greeting, @how) = @{ $how{$name} };

    $cp->{process}->hold;
    my $c = told($name, @how);
    ok($c->{server_verified}, "$name: its proof was answered")
        if $greeting eq $scram;
    ok(!$c->readable(0.5), "$name: said once");
    $cp->{process}->release;
    $c->authenticate;
    is(types($c), "$greeting N S S K Z", "$name: the session goes on");
    is($c->value('hello'), 'hello', "$name: a query");
    $c->close;
}

# of many that wait for the same answer each one is told
$cp->{process}->hold;
my @c = map { $t->knock($n) } 1 .. 10;
my $last = told('of many');
$cp->{process}->release;
$_->authenticate for @c, $last;
is(join('|', map { types($_) } @c, $last),
   join('|', ("$scram N S S K Z") x 11), 'each of them once');
$_->close for @c, $last;

# the compute is known and slow
my $slow = compute(\&welcome);
my $c = told('a slow compute');
open_gate();
$c->authenticate;
is(types($c), "$scram N S S K Z", 'a slow compute: the session goes on');
is($c->value('hello'), 'hello', 'a slow compute: a query');
$c->close;

# it says itself that it is starting
my $starting = compute(\&welcome, sub {
    $_[0]->error(S => 'FATAL', V => 'FATAL', C => '57P03', M => 'starting');
    return 0;
});
$c = told('a compute that starts');
open_gate();
$c->authenticate;
is(types($c), "$scram N S S K Z", 'it starts: the session goes on');
$c->close;

# it has something to say, too
compute(sub {
    $_[0]->send(message('N', "SNOTICE\0C00000\0Mhello\0\0"));
    welcome($_[0]);
});
$c = told('a compute with a notice');
open_gate();
$c->authenticate;
is(types($c), "$scram N N S S K Z", 'its notice comes behind ours');
is($c->{notices}[1]{M}, 'hello', 'as it is');
$c->close;


# --- and fail -------------------------------------------------------------

sub fails {
    my ($name, $code, $c) = @_;

    $c->authenticate;
    is($c->error && $c->error->{C}, $code, "$name: SQLSTATE");
    is($c->error && $c->error->{S}, 'FATAL', "$name: FATAL");
    is($c->read_all, '', "$name: closed");

    return $c;
}

my $port = $t->port;

for my $case ([ 'refused', '57P03', $class->error(403, 'ENDPOINT_DISABLED') ],
              [ 'no answer', '57P03', { truncate => 9 } ],
              [ 'nobody there', '08006',
                { merge => { address => "127.0.0.1:$port" } } ])
{
    my ($name, $code, $answer) = @$case;

    $cp->script(wake => ($answer) x 10);
    $cp->{process}->hold;
    $c = told($name);
    $cp->{process}->release;
    fails($name, $code, $c);
    is(types($c), "$scram N E", "$name: behind the notice");
    $cp->script('wake');
}

my @error = (S => 'FATAL', V => 'FATAL', C => '3D000',
             M => 'database "app" does not exist', D => 'a detail',
             H => 'a hint', F => 'postinit.c', L => '885');

compute(sub { $_[0]->error(@error) });
$c = told('the compute refuses');
open_gate();
fails('the compute refuses', '3D000', $c);
is(types($c), "$scram N E", 'the compute refuses: behind the notice');
is_deeply($c->error, { @error }, 'the compute refuses: as it says it');

compute(sub {
    $_[0]->send(message('R', pack 'N', 0) . message('S', "a\0b\0"));
    $_[0]->error(@error);
});
$c = told('the compute refuses later');
open_gate();
fails('the compute refuses later', '3D000', $c);
is(types($c), "$scram N S E", 'the compute refuses later: all of it');
is_deeply($c->error, { @error }, 'the compute refuses later: as it says it');

# those who leave are missed at once
my $before = () = $n->log =~ /client closed the connection before/g;
$cp->{process}->hold;
$c = told('it leaves');
$c->drop;
eventually {
    $before < (() = $n->log =~ /client closed the connection before/g)
} 'it leaves: noticed';
$cp->{process}->release;

begin("wake_notice 200ms;\nwake_timeout 1s;\n");
$cp->{process}->hold;
$c = told('too slow');
fails('too slow', '57P03', $c);
is(types($c), "$scram N E", 'too slow: behind the notice');
$cp->{process}->release;

begin("wake_notice 200ms;\n", globals => "worker_shutdown_timeout 100ms;\n");
$cp->{process}->hold;
$c = told('shutdown');
$n->signal('QUIT');
fails('shutdown', '57P01', $c);
is(types($c), "$scram N E", 'shutdown: behind the notice');
$cp->{process}->release;


# --- nobody needs to be told ----------------------------------------------

begin("wake_notice 2s;\n");
$c = $t->enter($n);
is(types($c), "$scram S S K Z", 'a compute that is quick: no notice');
ok(!$c->readable(2.5), 'nor later');
is($c->value('hello'), 'hello', 'a query');
$c->close;

begin('');
$cp->{process}->hold;
$c = $t->knock($n);
ok(!$c->readable(0.5), 'by default nothing is said');
$cp->{process}->release;
$c->authenticate;
is(types($c), "$scram S S K Z", 'but in the end');
$c->close;

# where it was not said, those who are refused were never let in
$cp->script(wake => $class->error(403, 'ENDPOINT_DISABLED'));
fails('refused', '57P03', $c = $t->knock($n));
is(types($c), 'R10 R11 E', 'refused: nothing comes before it');


# --- psql -----------------------------------------------------------------

begin("wake_notice 200ms;\n");
compute(\&welcome);

my ($rows, $said) = map { $t->dir . "/$_" } qw/rows said/;
my $psql = NeonTest::Process->spawn(
    [ 'psql', '-X', '-A', '-t', '-q', '-o', $rows, '-c', 'hello', '-d',
      'host=ep-1.db.example.com hostaddr=127.0.0.1 user=alice dbname=app'
      . ' sslmode=verify-full port=' . $n->port . ' sslrootcert='
      . $t->certs('ca.crt') ], out => $said, env => { PGPASSWORD => 'pw' });

eventually { slurp($said) =~ /please wait\n/ } 'psql says it, and waits';
open_gate();
is($psql->wait(20), 0, 'psql goes on');
is(slurp($rows), "hello\n", 'its query');
is(slurp($said), "NOTICE:  $notice{M}\n", 'what it said');

$t->done;
