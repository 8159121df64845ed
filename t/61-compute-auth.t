#!/usr/bin/perl

# How the proxy logs in to the compute in the client's name: with the client's
# own SCRAM keys, or with the password where the client gave it in the clear.

use lib 't/lib';
use NeonTest;

use MIME::Base64 ();

use NeonTest::Scram;

my $t = NeonTest->new;
my $pg = $t->postgres;


# --- a real PostgreSQL ---------------------------------------------------

# all roles are known to the control plane by a SCRAM verifier

my $cp = $t->control_plane;
$cp->endpoint('ep-1', address => $pg->address);
$cp->role('ep-1', map { $_ => NeonTest::Scram::verifier($pg->password($_)) }
                  qw/md5er clear trusty/);
$cp->role('ep-1', map { $_ => $pg->verifier($_) } qw/alice bob mapped/);

my $n = $t->nginx(main => $cp->directives
                  . "connect_retry attempts=2 base=10ms factor=1;\n");

sub login {
    my ($role, %o) = @_;

    return $t->login(port => $n->port, user => $role,
                     sni => 'ep-1.db.example.com',
                     password => $pg->password($role), %o);
}

sub prefix {
    my ($role, %o) = @_;

    return login($role, sni => undef, %o,
                 password => 'endpoint=ep-1;' . $pg->password($role));
}

for my $role (qw/alice bob trusty/) {
    my $c = login($role);
    is($c->error_text, '', "SCRAM, then as $role: logged in");
    is($c->value('select current_user'), $role, "as $role");
    $c->close;
}

for my $role (qw/alice mapped trusty md5er clear/) {
    my $c = prefix($role);
    is($c->error_text, '', "cleartext, then as $role: logged in");
    is($c->value('select current_user'), $role, "as $role");
    $c->close;
}

# SCRAM gives no password that md5 or cleartext could be answered with
for my $role (qw/md5er clear/) {
    my $c = login($role);
    is($c->error && $c->error->{C}, '08006', "SCRAM, then as $role: SQLSTATE");
    like($c->error_text, qr/Couldn't log in to compute node/, 'message');
    ok($c->error->{H}, 'hint');
}

$n->log_like(qr/md5/, 'the log names md5');
$n->log_like(qr/cleartext/, 'the log names cleartext');


# --- the verifier is not the compute's -----------------------------------

# the same password, another salt: the client's keys do not fit

$cp->role('ep-1', alice => NeonTest::Scram::verifier($pg->password('alice')));
my $c = login('alice');
my $refused = '28P01 password authentication failed for user "alice"';

is($c->error_text, $refused, 'another salt: as a wrong password');
$n->log_like(qr/\[error\]\ .*\(compute_password,\ SQLSTATE\ 28P01\):
                \ compute's\ SCRAM\ salt\ or\ iteration\ count\ is\ not\ that/x,
             'another salt: the log says so');

$cp->role('ep-1', alice => NeonTest::Scram::verifier(
    $pg->password('alice'), iterations => 5000));
$c = login('alice');
is($c->error_text, $refused, 'another iteration count');

# the verifier that let the client in is what the proxy logs in with
$c = prefix('alice');
is($c->error_text, $refused, 'and with a cleartext password');

# same salt, another password: changed behind the control plane's back
my ($salt) = $pg->verifier('alice') =~ /:([^\$]+)\$/;
$cp->role('ep-1', alice => NeonTest::Scram::verifier(
    'old password', salt => MIME::Base64::decode_base64($salt)));
$c = login('alice', password => 'old password');
is($c->error_text, $refused,
   'the compute knows another password: its own error');


# --- a compute that cheats -----------------------------------------------

my $verifier = NeonTest::Scram::verifier('pw');
my $what = spew($t->dir . '/what', '');

my %first = (
    nonce => sub { $_[0] =~ s/^r=[^,]+/r=anothernonceanothernonce/r },
    iterations_0 => sub { $_[0] =~ s/i=\d+/i=0/r },
    iterations_2_31 => sub { $_[0] =~ s/i=\d+/i=2147483648/r },
    iterations_word => sub { $_[0] =~ s/i=\d+/i=many/r },
    no_salt => sub { $_[0] =~ s/,s=[^,]+//r },
    bad_salt => sub { $_[0] =~ s/,s=[^,]+/,s=!!!!/r },
    long_salt => sub { $_[0] =~ s/,s=[^,]+/',s=' . 'QUFB' x 500/er },
    long_nonce => sub { $_[0] =~ s/^(r=[^,]+)/$1 . 'n' x 5000/er },
    empty => sub { '' },
    extension => sub { "m=x,$_[0]" },
);

my %final = (
    signature => sub { 'v=' . MIME::Base64::encode_base64('x' x 32, '') },
    error => sub { 'e=other-error' },
    nothing => sub { '' },
    long => sub { $_[0] . 'A' x 5000 },
);

my $fc = $t->fake_compute(sub {
    my ($c) = @_;
    my $how = slurp $what;

    $c->startup or return;

    # goes on after SASLContinue as if all were well
    if ($how eq 'skip') {
        $c->auth(10, "SCRAM-SHA-256\0\0");
        $c->read_message;
        $c->welcome;
        return $c->hang;
    }

    if ($how eq 'plus_first') {
        $c->scram($verifier, mechanisms => [ 'SCRAM-SHA-256-PLUS',
                  'X-FUTURE', 'SCRAM-SHA-256' ]) or return;
    } else {
        $c->scram($verifier, first => $first{$how}, final => $final{$how})
            or return $c->error(S => 'FATAL', C => '28P01', M => 'proof');
    }

    $c->welcome;
    $c->serve;
});

$cp->endpoint('ep-2', address => $fc->address);
$cp->role('ep-2', alice => $verifier);

sub cheat {
    my ($how) = @_;

    spew($what, $how);
    return $t->enter($n, sni => 'ep-2.db.example.com');
}

$c = cheat('');
is($c->error_text, '', 'no cheating: logged in');
is($c->value('hello'), 'hello', 'a query');
$c->close;

$c = cheat('plus_first');
is($c->error_text, '', 'PLUS listed first, without TLS: logged in (C13)');
is(($fc->notes('mechanism'))[-1], 'SCRAM-SHA-256', 'the mechanism');
$c->close;

for my $how (sort keys %first, sort keys %final, 'skip') {
    $c = cheat($how);
    is($c->error && $c->error->{C}, '08006', "$how: refused")
        or diag($c->error_text);
    ok(!$c->{ready}, "$how: no session");
}

unlike($n->log, qr/\Q@{[ $pg->password('alice') ]}/,
       'no password in the log');

$t->done;
