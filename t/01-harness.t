#!/usr/bin/perl

# The tools of these tests against real things: the client against PostgreSQL
# itself, psql against the fake compute.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use MIME::Base64 qw/decode_base64/;

my $t = NeonTest->new;
my $pg = $t->postgres(ssl => 1);

my %tls = (port => $pg->port, sni => 'compute-1.internal',
           ca => $t->certs('ca.crt'), verify => 'compute-1.internal');

for my $cbind (qw/require prefer disable/) {
    my $c = $t->login(%tls, cbind => $cbind,
                      password => $pg->password('alice'));

    is($c->error_text, '', "SCRAM, channel binding $cbind");
    is($c->{mechanism}, $cbind eq 'disable' ? 'SCRAM-SHA-256'
                                            : 'SCRAM-SHA-256-PLUS',
       'the mechanism');
    is($c->value('select 6 * 7'), 42, 'a query');
    $c->close;
}

is($t->login(%tls, password => 'wrong')->error_text,
   '28P01 password authentication failed for user "alice"', 'wrong password');
is($t->login(%tls, user => 'bob', password => $pg->password('bob'))
   ->error_text, '', 'SASLprep');
is($t->login(%tls, cbind_data => 'x' x 32,
             password => $pg->password('alice'))->error->{C},
   '28000', 'wrong channel binding');

ok(!eval { $t->login(%tls, verify => 'other.internal') }, 'another name');
like($@, qr/certificate verify failed/, 'the certificate is verified');

my ($iterations, $salt) = $pg->verifier('alice') =~ /\$(\d+):([^\$]+)/;
is(NeonTest::Scram::verifier($pg->password('alice'),
                             salt => decode_base64($salt)),
   $pg->verifier('alice'), 'the same verifier as PostgreSQL makes');

my $verifier = NeonTest::Scram::verifier('pw');
my $fc = $t->fake_compute(sub {
    my ($c) = @_;
    my $params = $c->startup or return;

    if ($params->{user} eq 'scram') {
        $c->scram($verifier) or return $c->error(S => 'FATAL', C => '28P01',
                                                 M => 'no');
    } elsif ($params->{user} eq 'clear') {
        $c->note(password => $c->cleartext);
    } elsif ($params->{user} eq 'error') {
        return $c->error(S => 'FATAL', V => 'FATAL', C => '57P03',
                         M => 'message', D => 'a detail', H => 'a hint');
    }

    $c->welcome;
    $c->serve;
});

my %psql = (port => $fc->port, host => undef, sslmode => 'disable',
            password => 'pw');

for my $user (qw/scram clear trust/) {
    my $r = $t->psql('hello', %psql, user => $user);
    is($r->{out}, "hello\n", "psql in the fake compute, $user")
        or diag($r->{err});
}

my $r = $t->psql('hello', %psql, user => 'error');
like($r->{err}, qr/message.*a detail.*a hint/s, 'psql shows its error');
is_deeply([ $fc->notes('password') ], [ 'pw' ], 'notes');
is($fc->connections, 4, 'connections');

$fc->stop;
ok(!eval { $t->client(port => $fc->port) }, 'refused after stop');

$t->done;
