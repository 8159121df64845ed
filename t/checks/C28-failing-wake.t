#!/usr/bin/perl

# A wake-up that fails is tried a few times with pauses, once for all who wait,
# and ends with a clear FATAL: traffic makes no loop of it (hobbyist#10).  And
# an endpoint that hangs delays nobody else's (hobbyist#11).

use lib 't/lib';
use NeonTest;
use NeonTest::ControlPlane;
use NeonTest::Wire;

use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $port = $t->port;
my $class = 'NeonTest::ControlPlane';

my ($n, $cp, $fc) = $t->front(
    cache => 1, workers => 2, port => $port,
    main => "wake_retry attempts=3 base=200ms factor=4;\n"
            . "control_plane_timeout request=2m;\nwake_timeout 3m;\n",
    stream => "server { listen 127.0.0.1:$port reuseport;"
              . ' neon_proxy_pass main; }');

sub at {
    my ($endpoint) = @_;

    return (tls => 'none', params => [ options => "endpoint=$endpoint" ]);
}

sub exists_ {
    for my $name (@_) {
        $cp->role($name, alice => $t->{verifier});
        $cp->endpoint($name, address => $fc->address);
    }
}

sub wakes { scalar(() = $cp->calls('wake')) }


# --- fails ---------------------------------------------------------------

exists_(map { "ep-f$_" } 1 .. 3);

# the most calls that one turn may take
my @failure = (
    [ 'ep-f1', 'later', $class->error(503, 'RUNNING_OPERATIONS'), 3 ],
    [ 'ep-f2', 'no sense', { status => 500, body => 'x' }, 3 ],
    [ 'ep-f3', 'not any more', $class->error(403, 'ENDPOINT_DISABLED'), 1 ],
);

# from here on the role of an endpoint is known

sub known {
    my ($endpoint) = @_;

    my $c = $t->client(port => $port);
    $c->send(startup_packet([ user => 'alice',
                              options => "endpoint=$endpoint" ]));
    $c->read_message;
    $c->drop;
}

for my $case (@failure) {
    my ($endpoint, $what, $answer, $most) = @$case;

    # all are there before the first answer is
    known($endpoint);
    $cp->always(wake => $answer)->forget;
    $cp->{process}->hold;

    my @waiting = map { $t->knock($n, at($endpoint)) } 1 .. 40;

    my $begun = time;

    $cp->{process}->release;
    $_->authenticate for @waiting;

    # half of 200 ms, and of four times that, at least
    cmp_ok(time - $begun, '>=', 0.45, "$what: pauses, and longer ones")
        if $most > 1;

    my %told = map { $_->error ? $_->error_text : 'in' => 1 } @waiting;
    my @told = keys %told;
    is(scalar @told, 1, "$what: all are told the same") or diag explain \@told;
    like($told[0], qr/^(?:57P03|53400|08006) \S/, "$what: a clear error");
    ok($waiting[0]->error->{H}, "$what: with a hint");

    is(wakes(), $most, "$what: calls for all of them");
}

$cp->always(wake => undef);
$t->served('then it comes up', $t->enter($n, at('ep-f1')));


# --- pauses --------------------------------------------------------------

# from the half to the whole of what is configured, at random
my @pauses = $n->log =~ /next try in (\d+) ms/g;

is(scalar @pauses, 4, 'two pauses, twice');
like("@pauses[0, 2]", qr/^(?:1\d\d|200) (?:1\d\d|200)$/, 'the first');
like("@pauses[1, 3]", qr/^(?:[4-7]\d\d|800) (?:[4-7]\d\d|800)$/,
     'the second is longer');
isnt("@pauses", '200 800 200 800', 'all are not the same');

# they grow up to ten seconds
exists_(qw/ep-p1 ep-p2/);
$cp->always(wake => $failure[0][2]);

my $slow = $t->nginx(main => $cp->directives . <<'END');
wake_retry attempts=3 base=1m;
connect_retry attempts=3 base=200ms factor=4;
wake_timeout 10m;
END
my $c = $t->knock($slow, sni => 'ep-p1.db.example.com');

eventually { $slow->log =~ /next try in (?:[5-9]\d{3}|10000) ms/ }
    'a pause of ten seconds at most';
$c->abort;
$cp->always(wake => undef);

# nobody listens
$cp->endpoint('ep-p2', address => '127.0.0.1:' . $t->port);

my $begun = time;

like($t->enter($slow, sni => 'ep-p2.db.example.com')->error_text, qr/^08006 /,
     'a compute that nobody can reach');
cmp_ok(time - $begun, '>=', 0.45, 'pauses of that, too');


# --- hangs ---------------------------------------------------------------

$t->served('a warm endpoint', $t->enter($n, at('ep-1')));
exists_(map { "ep-h$_" } 1 .. 60);
$cp->always(wake => { hang => 1 })->forget;

my @hanging = map { $t->knock($n, at("ep-h$_")) } 1 .. 60;
ok($cp->called(wake => 1), 'endpoints hang in their wake-up');

# all of these log in and out while those wait
for (1 .. 50) {
    my $c = $t->enter($n, at('ep-1'));
    my $said = $c->value('hello') // $c->error_text;

    is($said, 'hello', 'a warm one beside them') if $said ne 'hello';
    $c->close;
}

is(scalar(grep { $_->readable(0) } @hanging), 0, 'they wait still');
is(scalar(grep { $_->error } @hanging), 0, 'and nobody was told anything');
$_->abort for @hanging;

$t->done;
