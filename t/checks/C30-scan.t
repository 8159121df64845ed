#!/usr/bin/perl

# Somebody who tries names of endpoints without a password starts no compute,
# and costs the control plane 300 calls at once and 10 a second by default; a
# name that was asked for is not asked for again.
#
#   NEON_SCAN=10000     names of the scan (default 500)

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use Time::HiRes qw/time/;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(cache => 1, plain => 1);
my $names = $ENV{NEON_SCAN} // 500;

# "R": it is asked for the password; else the SQLSTATE
sub knock {
    my ($name) = @_;

    my $c = $t->client(port => $n->plain_port);
    $c->send(startup_packet([ user => 'alice',
                              options => "endpoint=$name" ]));

    my $m = $c->read_message or return 'closed';
    $c->drop;

    return $m->{type} eq 'E' ? error_fields($m->{body})->{C} : $m->{type};
}

sub scan {
    my %said;

    $said{ knock("scan-$_") }++ for 1 .. $_[0];
    return %said;
}

my $begun = time;
my %said = scan($names);
my $took = time - $begun;
my $passed = $said{R} // 0;

is(join(' ', grep { !/^(?:R|53300)$/ } keys %said), '',
   'each is asked for a password, or told that there are too many');
is(scalar(() = $cp->calls('access')), $passed, "$names names: one call each");
cmp_ok($passed, '>=', 300, 'for 300');
cmp_ok($passed, '<=', 300 + 10 * $took + 1, 'and ten a second');
diag(sprintf '%d names, %d calls, %.1f s', $names, $passed, $took)
    if $ENV{NEON_SCAN};

# again: what does not exist is known by now
$cp->forget;
%said = scan(250);
is(join(' ', %said), 'R 250', 'the same names again') or diag explain \%said;
is(scalar(() = $cp->calls), 0, 'no call');

# a name that exists is still found by its owner: another network is not limited
my $c = $t->client(port => $n->port, source => '127.0.1.9')
          ->inband_tls(sni => 'ep-1.db.example.com');

# meanwhile this one may have got some again
for my $more (1 .. 200) {
    last if knock("more-$more") ne 'R';
}

$c->send(startup_packet([ user => 'alice' ]));
$t->served('a client of another network',
           $c->authenticate(password => 'pw'));

is(scalar(() = $cp->calls('wake')), 1, 'woken for nobody but him');
is($fc->connections, 1, 'nor was a compute reached');

$t->done;
