#!/usr/bin/perl

# No lost wake-ups: a compute dies at a random moment of many logins and comes
# back at another address.  NEON_DYING_RUNS; t/bench/dying.pl for more of them.

use lib 't/lib';
use NeonTest;
use NeonTest::Dying;
use NeonTest::Page;

my $runs = $ENV{NEON_DYING_RUNS} // 10;

my $t = NeonTest->new;
my $port = $t->port;
my $page = NeonTest::Page->new($port);
my $dying = NeonTest::Dying->new($t, clients => 40, workers => 2,
    wake_timeout => 20, slack => 20,
    http => NeonTest::Page->server($port, 'main'));
my $all = 0;

for my $n (1 .. $runs) {
    my $run = $dying->run;
    my @clients = @{ $run->{clients} };

    is(scalar @clients, 40, "run $n: everybody ended");
    is(join("\n", map { "$_->{outcome} $_->{stage} $_->{text}" }
            $dying->lost($run)), '', "run $n: connected, or told why not")
        or diag($run->{how});

    $all += grep { NeonTest::Dying::connected($_) } @clients;
}

is($all, 40 * $runs, 'all were connected: it was back soon enough');

# that it died is seen by those whose sessions or logins ended with it
my %samples = %{ $page->samples };
my $failures = 'neon_proxy_connect_failures_total{proxy="main",node="cached"}';
cmp_ok($samples{$failures}, '>', 0, 'addresses from the cache led nowhere');
$page->wait_for($_ => 0, "$_") for 'flights{proxy="main"}',
    'waiting{proxy="main"}', 'sessions{proxy="main",front="tcp"}';

# and what the cache has is right, at the latest after another login
sub enter {
    my $c = $t->login(port => $dying->nginx->plain_port, tls => 'none',
                      password => 'pw', params => [ options =>
                                                    'endpoint=ep-1' ]);
    is($c->error_text, '', $_[0]);
    $c->close;
}

enter('a last client is in');
$dying->cp->forget;
enter('another one');
is(scalar(() = $dying->cp->calls), 0, 'without a call of the control plane');

$t->done;
