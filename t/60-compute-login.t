#!/usr/bin/perl

# What a compute says at login reaches the client as it is; what it should not
# say ends the session with a clear error.  Odd errors, notices, parameters and
# keys: checks C18 and C19.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $behaviour = $t->dir . '/behaviour';

# the compute does what the test wrote down, by name

my %does;

sub compute {
    my ($c) = @_;

    my $params = $c->startup or return;
    $does{slurp $behaviour}->($c, $params);
}

sub fatal {
    my ($c, @fields) = @_;
    $c->error(S => 'FATAL', V => 'FATAL', @fields);
}


# the behaviours

my @full = (S => 'FATAL', V => 'FATAL', C => '3D000',
            M => 'database "app" does not exist', D => 'a detail',
            H => 'a hint', P => '7', W => 'a context', F => 'postinit.c',
            L => '885', R => 'InitPostgres');

my $key = message('K', pack('N', 1) . 'KEY2');
my $ready = message('Z', 'I');

%does = (
    welcome => sub { $_[0]->welcome; $_[0]->serve },
    full => sub { $_[0]->error(@full) },
    after_ok => sub { $_[0]->auth(0); $_[0]->error(@full) },
    no_terminator => sub { $_[0]->send(message('E', "SFATAL\0C3D000\0")) },
    not_ours => sub { $_[0]->error(S => 'FATAL', C => '57P03',
        M => 'the database system is starting up') },
    (map { my $code = $_; "code_$code" => sub { fatal($_[0], C => $code,
           M => 'a message') } } qw/28P01 28000 3D000 42501 22023 53300 08P01
           XX000 58P01 57P01/),
    close => sub { },
    reset => sub { $_[0]->reset },
    hang => sub { $_[0]->hang },
    hang_after_ok => sub { $_[0]->auth(0); $_[0]->hang },
    garbage => sub { $_[0]->send("HTTP/1.1 400 Bad Request\r\n\r\n") },
    zeros => sub { $_[0]->send("\0" x 1000) },
    short => sub { $_[0]->send('R' . pack('N', 3) . 'x' x 100) },
    huge => sub { $_[0]->send('S' . pack('N', 2 ** 31) . 'x' x 100) },
    huge2 => sub { $_[0]->send('S' . pack('N', 2 ** 32 - 1) . 'x' x 100) },
    short_auth => sub { $_[0]->send(message('R', "\0\0")) },
    query => sub { $_[0]->send(message('Q', "select 1\0")) },
    data => sub { $_[0]->auth(0); $_[0]->send($_[0]->row_bytes('x')) },
    ready_first => sub { $_[0]->send($ready) },
    ok_twice => sub { $_[0]->auth(0); $_[0]->welcome; $_[0]->serve },
    asks_after_ok => sub {
        $_[0]->auth(0);
        $_[0]->auth(10, "SCRAM-SHA-256\0\0");
        $_[0]->note(told => $_[0]->read_all);
    },
    bad_ready => sub { $_[0]->auth(0); $_[0]->send(message('Z', '')) },
    bad_key => sub { $_[0]->auth(0); $_[0]->send(message('K', 'abc')) },
    long_key => sub { $_[0]->auth(0);
                      $_[0]->send(message('K', 'x' x 300)) },
    endless => sub { $_[0]->auth(0);
                     my $m = message('S', "a\0" . 'x' x 60000 . "\0");
                     eval { $_[0]->send($m) for 1 .. 1000 } },
    kerberos => sub { $_[0]->auth(7); $_[0]->hang },
    unknown_auth => sub { $_[0]->auth(99); $_[0]->hang },
    mechanisms => sub { $_[0]->auth(10, "X-NEW\0\0"); $_[0]->hang },
    no_mechanisms => sub { $_[0]->auth(10, ''); $_[0]->hang },
    continue_first => sub { $_[0]->auth(11, 'r=x,s=eA==,i=4096');
                            $_[0]->hang },
    final_first => sub { $_[0]->auth(12, 'v=eA=='); $_[0]->hang },
    in_transaction => sub {
        $_[0]->auth(0);
        $_[0]->send($key . message('Z', 'T'));
        $_[0]->serve;
    },
);

my ($n, $cp, $fc) = $t->front(compute => \&compute, main => <<'END');
connect_retry attempts=2 base=10ms factor=1;
wake_retry attempts=2 base=10ms factor=1;
login_timeout 700ms;
END

sub enter {
    my ($what, %o) = @_;

    spew($behaviour, $what);
    $cp->forget;
    return $t->enter($n, %o);
}


# --- its own errors, unchanged -------------------------------------------

my $c = enter('full');
is_deeply($c->error, { @full }, 'an ErrorResponse with all its fields');
is($c->read_all, '', 'closed');
is(scalar(() = $cp->calls('wake')), 1, 'the user\'s fault: no other wake-up');
is_deeply([ grep { $_ eq 'E' } map { $_->{type} } @{ $c->{messages} } ],
          [ 'E' ], 'one error');

$c = enter('after_ok');
is_deeply($c->error, { @full }, 'after AuthenticationOk');
is(scalar(() = $cp->calls('wake')), 1, 'after AuthenticationOk: no retry');

for my $code (qw/28P01 28000 3D000 42501 22023 53300/) {
    $c = enter("code_$code");
    is($c->error_text, "$code a message", "$code: passed on");
    is(scalar(() = $cp->calls('wake')), 1, "$code: no other wake-up");
}

# these may mean another compute at a re-used address
for my $code (qw/08P01 XX000 58P01/) {
    $c = enter("code_$code");
    is($c->error_text, "$code a message", "$code: passed on");
    is(scalar(() = $cp->calls('wake')), 2, "$code: after one more wake-up");
}


# --- no sense ------------------------------------------------------------

my %why = (
    close => qr/^08006/, reset => qr/^08006/, garbage => qr/^08006/,
    zeros => qr/^08006/, short => qr/^08006/, huge => qr/^08006/,
    huge2 => qr/^08006/, short_auth => qr/^08006/, query => qr/^08006/,
    data => qr/^08006/, ready_first => qr/^08006/, ok_twice => qr/^08006/,
    bad_ready => qr/^08006/, bad_key => qr/^08006/, long_key => qr/^08006/,
    endless => qr/^08006/, no_terminator => qr/^08006/,
    kerberos => qr/^08006 Couldn't log in to compute node/,
    unknown_auth => qr/^08006 Couldn't log in/,
    mechanisms => qr/^08006 Couldn't log in/,
    no_mechanisms => qr/^08006/, continue_first => qr/^08006/,
    final_first => qr/^08006/, asks_after_ok => qr/^08006/,
);

for my $what (sort keys %why) {
    $c = enter($what);
    like($c->error_text, $why{$what}, "$what: a clear error");
    is($c->read_all, '', "$what: closed");
    ok(!$c->{ready}, "$what: no session");
}

$n->log_like(qr/method 7\)|authentication method/,
             "the compute's method is in the log");
$n->log_like(qr/compute sends without end/, 'and that it did not end');
is(join('', $fc->notes('told')), '', 'nothing is told behind AuthenticationOk');


# --- too slow ------------------------------------------------------------

for my $what (qw/hang hang_after_ok/) {
    $c = enter($what);
    like($c->error_text, qr/^08006 .*timeout/, "$what: login_timeout");
}


# --- odd, but right ------------------------------------------------------

for my $what (qw/welcome in_transaction/) {
    $c = enter($what);
    isnt($c->{key}, 'KEY1', "$what: our key is not the compute's");
    $t->served($what, $c);
}

$t->done;
