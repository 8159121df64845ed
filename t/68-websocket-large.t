#!/usr/bin/perl

# A serverless driver whose first message has more than 40 MiB, before anybody
# has answered (W2): the result is right, and memory stays flat.

use lib 't/lib';
use NeonTest;

use constant GROWTH => 8 << 10;               # kB

my $t = NeonTest->new;
my $pg = $t->postgres;
my $port = $t->port;
my $certs = $t->certs;
my $modules = top() . '/t/js/node_modules';

# the newest driver of each kind
my @drivers = qw/neon-0.10.4 neon-1.2.0/;

my $n = $t->nginx(main => $t->static($pg), http => <<"END");
server {
    listen 127.0.0.1:$port ssl http2;
    server_name *.db.example.com;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    location / { neon_proxy_websocket main; }
}
END

my %env = (
    HOST => 'ep-1.db.example.com', PORT => $port, PGUSER => 'alice',
    PGPASSWORD => $pg->password('alice'), PGDATABASE => 'app',
    NODE_EXTRA_CA_CERTS => "$certs/ca.crt",
);

# the most that the worker ever had

sub peak {
    my ($pid) = $n->workers;
    my ($kilobytes) = slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+) kB$/m;

    return $kilobytes;
}

sub missing {
    my ($driver) = @_;

    return 'no node' if run([ 'node', '--version' ])->{rc} != 0;

    my @none = grep { !-d "$modules/$_" } 'ws', $driver;
    return @none ? "no npm packages @none" : undef;
}

# warm: TLS, threads and buffers
$t->psql('select 1', port => $n->port, password => $env{PGPASSWORD});

for my $driver (@drivers) {
    SKIP: {
        my $missing = missing($driver);
        skip "$driver: $missing (make deps)", 2 if defined $missing;

        my $before = peak();
        my $r = run([ 'node', top() . '/t/clients/node/ws-large.js',
                      $driver ],
                    env => \%env, timeout => 120 * $NeonTest::slow);

        skip "$driver: $1", 2 if $r->{out} =~ /^skip \S+ # (.*)/;

        is($r->{out}, "ok $driver\n", "$driver: a first message of 40 MiB")
            or diag($r->{err});

        skip 'memory of the sanitizer build', 1 if $NeonTest::slow > 1;

        my $grown = peak() - $before;
        cmp_ok($grown, '<=', GROWTH, "$driver: $grown kB of memory more");
    }
}

eventually { $pg->sessions('alice') == 0 } 'no session is left';

$t->done;
