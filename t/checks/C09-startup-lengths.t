#!/usr/bin/perl

# Lengths and parameters of a StartupMessage at and beyond every limit: refused
# at once (pgbouncer CVE-2026-6664); names that come twice, and what is
# pipelined behind it.

use lib 't/lib';
use NeonTest;
use NeonTest::Scram;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1, compute => sub {
    my ($c) = @_;
    my $length = unpack 'N', $c->read_n(4);

    $c->note(startup => unpack 'H*', substr $c->read_n($length - 4), 4);
    $c->welcome;
    $c->serve;
});

my $v3 = pack 'N', 196608;

sub packet { pack('N', 4 + length $_[0]) . $_[0] }


# sends bytes; the SQLSTATE of the answer

sub answer {
    my ($bytes) = @_;

    my $c = $t->client(port => $n->plain_port);
    $c->send($bytes);

    return $c->only_error;
}

# the parameters that reached the compute, in their order

sub reached {
    return split /\0/, pack 'H*', ($fc->notes('startup'))[-1];
}

sub alive {
    my ($name) = @_;

    $t->served("$name, the next client", $t->enter($n, tls => 'none', params =>
               [ options => 'endpoint=ep-1' ]));
}


# --- the length ----------------------------------------------------------

for my $length (0, 1, 3, 4, 7, 10009, 10010, 2 ** 16, 2 ** 24, 2 ** 31 - 1,
                2 ** 31, 2 ** 32 - 8, 2 ** 32 - 1)
{
    my $packet = pack('N', $length) . $v3 . 'x' x 64;

    is(answer($packet), '08P01', "length $length");
    is(answer(substr $packet, 0, 4), '08P01', "length $length, and no more");
}

alive('lengths');

is(answer(pack('N', 8) . $v3), '08P01', 'length 8: not even a terminator');
is(answer(packet($v3 . "\0")), '28000', 'length 9: no parameters');


# --- the parameters ------------------------------------------------------

my %packets = (
    'no terminator'            => "user\0alice\0",
    'no NUL at all'            => 'useralice',
    'another byte for the NUL' => "user\0alice\0x",
    'a name without value'     => "user\0alice\0database\0\0",
    'bytes behind the end'     => "user\0alice\0\0more",
    'an empty name'            => "user\0alice\0\0value\0\0",
    'value without NUL'        => "user\0alice\0database\0app",
    'only NULs'                => "\0\0\0\0",
);

for my $name (sort keys %packets) {
    my $code = answer(packet($v3 . $packets{$name}));
    is($code, '08P01', $name);
}

# nothing else is missing
for my $user ([ 'an empty user' => "user\0\0" ], [ 'no user' => '' ]) {
    my $c = $t->client(port => $n->plain_port);

    $c->send(packet("${v3}options\0endpoint=ep-1\0$user->[1]\0"));
    is($c->authenticate->error_text, '28000 no PostgreSQL user name specified'
       . ' in startup packet', $user->[0]);
}

alive('parameters');


# --- as long as it may be ------------------------------------------------

sub sized {
    my ($payload) = @_;

    my $fix = "user\0alice\0database\0app\0options\0endpoint=ep-1\0pad\0";
    return packet($v3 . $fix . 'x' x ($payload - 2 - length $fix) . "\0\0");
}

is(answer(sized(10001)), '08P01', 'a payload of 10001 bytes');

my $c = $t->client(port => $n->plain_port);
$c->send(sized(10000));
is($c->read_message->{type}, 'R', 'a payload of 10000 bytes is taken');
$c->drop;

my $name = 'n' x 1000;
$c = $t->enter($n, tls => 'none', params =>
               [ options => 'endpoint=ep-1', $name => 'value' ]);
is($c->value('hello'), 'hello', 'a name of 1000 bytes');
my %reached = reached();
is($reached{$name}, 'value', 'it reaches the compute');
$c->close;


# --- twice ---------------------------------------------------------------

# whoever proved to be alice is alice at the compute, and nobody else

$cp->role('ep-1', bob => NeonTest::Scram::verifier('other'));

for my $pair ([ qw/alice bob/ ], [ qw/bob alice/ ], [ qw/alice alice/ ]) {
    my $seen = $fc->connections;

    $c = $t->client(port => $n->plain_port);
    $c->send(startup_packet([ user => $pair->[0], user => $pair->[1],
                              database => 'app', options => 'endpoint=ep-1',
                              database => 'other' ]));
    $c->authenticate(password => 'pw');

    if ($c->error) {
        is($c->error->{C}, '28P01', "user=@$pair: refused");
        is($fc->connections, $seen, "user=@$pair: no compute was reached");
        next;
    }

    my @names = reached();
    my %count;
    $count{$names[2 * $_]}++ for 0 .. @names / 2 - 1;

    is(join(' ', @count{qw/user database/}), '1 1',
       "user=@$pair: the compute gets one of each");
    is({ @names }->{user}, 'alice', "user=@$pair: who is who gave the proof");
    $c->close;
}

$t->served('options twice: the last ones', $t->enter($n, tls => 'none',
    params => [ options => 'endpoint=ep-9', options => 'endpoint=ep-1' ]));


# --- pipelined -----------------------------------------------------------

# the SASLInitialResponse need not wait for its request

$c = $t->client(port => $n->plain_port);
$c->{scram} = NeonTest::Scram->client('pw');

my $first = $c->{scram}->first;

$c->send(startup_packet([ user => 'alice', options => 'endpoint=ep-1' ])
         . message('p', "SCRAM-SHA-256\0" . pack('N', length $first)
                        . $first));
is(unpack('N', $c->read_message->{body}), 10, 'pipelined: asked');
$c->authenticate(password => 'pw');
$t->served('pipelined', $c);

my $seen = $fc->connections;

for my $body ("select 1\0", "SCRAM-SHA-256\0" . pack('N', length $first)
                            . $first)
{
    $c = $t->client(port => $n->plain_port);
    $c->send(startup_packet([ user => 'alice', options => 'endpoint=ep-1' ])
             . message('Q', $body));
    is(unpack('N', $c->read_message->{body}), 10, 'a query: asked for a proof');
    is($c->only_error, '08P01', 'a query is none');
}

is($fc->connections, $seen, 'and reaches no compute');

$t->done;
