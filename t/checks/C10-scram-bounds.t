#!/usr/bin/perl

# SCRAM from a compute that means harm, and passwords of any size: long nonces
# and salts, no iterations or 2^31 of them end the login, not the worker
# (pgbouncer CVE-2026-6665, #1431, #1215, #1310).  61-compute-auth.t has more.

use lib 't/lib';
use NeonTest;
use NeonTest::Scram;
use NeonTest::Wire;

my $t = NeonTest->new;
my $what = spew($t->dir . '/what', '');
my $verifier;

my %first = (
    'a nonce of 60 kB' => sub { $_[0] =~ s/^(r=[^,]+)/$1 . 'n' x 60000/er },
    'a nonce of 512 bytes' => sub { $_[0] =~ s/^(r=[^,]+)/$1 . 'n' x 512/er },
    'a salt of 45 kB' => sub { $_[0] =~ s/,s=[^,]+/',s=' . 'QUFB' x 15000/er },
    'a salt that is none' => sub { $_[0] =~ s/,s=[^,]+/,s=====/r },
    'an empty salt' => sub { $_[0] =~ s/,s=[^,]+/,s=/r },
    'i=0' => sub { $_[0] =~ s/i=\d+/i=0/r },
    'i=-1' => sub { $_[0] =~ s/i=\d+/i=-1/r },
    'i=1000001' => sub { $_[0] =~ s/i=\d+/i=1000001/r },
    'i=2^31-1' => sub { $_[0] =~ s/i=\d+/i=2147483647/r },
    'i=2^31' => sub { $_[0] =~ s/i=\d+/i=2147483648/r },
    'i=2^32+4096' => sub { $_[0] =~ s/i=\d+/i=4294971392/r },
    'i of 1000 digits' => sub { $_[0] =~ s/i=\d+/'i=' . '9' x 1000/er },
);

my %final = (
    'a signature of 60 kB' => sub { 'v=' . 'A' x 60000 },
    'a signature of 33 bytes' => sub { 'v=' . 'A' x 44 },
    'an error of 60 kB' => sub { 'e=' . 'x' x 60000 },
);

my ($n, $cp, $fc) = $t->front(plain => 1, compute => sub {
    my ($c) = @_;
    my $how = slurp $what;

    $c->startup or return;
    $c->scram($verifier, first => $first{$how}, final => $final{$how})
        or return;
    $c->welcome;
    $c->serve;
}, main => "connect_retry attempts=1 base=1ms factor=1;\n"
           . "wake_retry attempts=1;\nmd5_verifiers on;\n");

# the compute's process has what was known when it was made: one verifier
# for the control plane and for itself
$verifier = $t->{verifier};

my $compute = $t->fake_compute($fc->{handler});
$cp->endpoint('ep-1', address => $compute->address);

$t->served('no harm', $t->enter($n));

for my $how (sort keys %first, sort keys %final) {
    spew($what, $how);

    my $c = $t->enter($n);

    # a number that could be, but is not that of the verifier
    is($c->error && $c->error->{C}, $how eq 'i=1000001' ? '28P01' : '08006',
       "$how: refused");
    ok(!$c->{ready}, "$how: no session");
}

# of a role with an MD5 verifier the proxy has the password, and is made to
# iterate itself

$cp->role('ep-1', md5er => md5_verifier('pw', 'md5er'));

sub md5er {
    spew($what, $_[0]);
    return $t->enter($n, user => 'md5er');
}

$t->served('keys of a password', md5er(''));

for my $how (sort keys %first) {
    my $c = md5er($how);
    is($c->error && $c->error->{C}, '08006', "$how, keys of a password");
    ok(!$c->{ready}, "$how, keys of a password: no session");
}

like($n->log, qr/iterations to make keys of a password/,
     'the log says what was too much');
unlike($n->log, qr/compute node: timeout/, 'nobody waited for them');

spew($what, '');
$t->served('the next client', $t->enter($n));


# --- passwords -----------------------------------------------------------

# cleartext, behind the endpoint

sub cleartext {
    my ($size) = @_;

    # few iterations: Perl hashes the whole password in each
    $cp->role('ep-1', long => NeonTest::Scram::verifier('l' x $size,
                                                        iterations => 2));

    my $c = $t->enter($n, user => 'long', sni => undef,
                      password => 'endpoint=ep-1;' . 'l' x $size);
    return $c->error ? $c->error->{C} : 'in';
}

$cp->endpoint('ep-1', address => $t->fake_compute(\&NeonTest::welcome)
                                   ->address);

# with its endpoint and its terminator it may have 65536
my $most = 65_536 - 1 - length 'endpoint=ep-1;';

is(cleartext($_), 'in', "a password of $_ bytes")
    for 1, 1023, 1024, 1025, 16_384, $most;
is(cleartext($_), '08P01', "a password of $_ bytes: refused")
    for $most + 1, 65_535, 65_536, 100_000;

# SCRAM's own messages have little room: a nonce of a client
for my $size (18, 256, 257, 60_000) {
    my $c = $t->enter($n, nonce => 'n' x $size);
    my $code = $c->error ? $c->error->{C} : 'in';

    is($code, $size <= 256 ? 'in' : '08P01', "a client's nonce of $size bytes");
    $c->close;
}

$t->done;
