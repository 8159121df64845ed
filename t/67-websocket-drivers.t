#!/usr/bin/perl

# The serverless driver, in versions of three years, against PostgreSQL over
# WebSocket: each WebSocket of the Node at hand, each way the driver logs in
# and writes.  The cases themselves are t/clients/node/ws-matrix.js.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $modules = top() . '/t/js/node_modules';
my @packages = (qw/pg pg-cursor pg-copy-streams ws/,
                slurp(top() . '/t/js/package.json') =~ /"(neon-[^"]+)"/g);

# what is missing, undef if all is there

sub missing {
    return 'no node' if run([ 'node', '--version' ])->{rc} != 0;

    my @none = grep { !-d "$modules/$_" } @packages;
    return @none ? "no npm packages @none" : undef;
}


# the options that give this Node its own WebSocket: none from version 22 on

sub options {
    my @flag = '--experimental-websocket';
    my $has = 'process.exit(typeof WebSocket === "function" ? 0 : 1)';

    return if run([ 'node', '-e', $has ])->{rc} == 0;
    return @flag if run([ 'node', @flag, '-e', $has ])->{rc} == 0;
    return;
}


my $pg = $t->postgres;
my $port = $t->port;
my $certs = $t->certs;

my $n = $t->nginx(main => $t->static($pg), workers => 2, http => <<"END");
server {
    listen 127.0.0.1:$port ssl http2;
    server_name *.db.example.com;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    location / { neon_proxy_websocket main; }
}
END

SKIP: {
    my $missing = missing();
    skip "$missing (make deps)", 1 if defined $missing;

    my %env = (
        HOST => 'ep-1.db.example.com', PORT => $port, PGPORT => $pg->port,
        PGUSER => 'alice', PGPASSWORD => $pg->password('alice'),
        PGDATABASE => 'app', SECONDS => 20 * $NeonTest::slow,
        NODE_EXTRA_CA_CERTS => "$certs/ca.crt",
    );

    my $r = run([ 'node', options(),
                  top() . '/t/clients/node/ws-matrix.js' ],
                env => \%env, timeout => 240 * $NeonTest::slow);

    is($r->{rc}, 0, 'node runs to its end') or diag($r->{err});

    my $lines = 0;

    for (split /\n/, $r->{out}) {
        my ($status, $name, $why) = /^(ok|not ok|skip) (.*?)(?: # (.*))?$/
            or next;

        $lines++;

        SKIP: {
            skip "$name: $why", 1 if $status eq 'skip';
            ok($status eq 'ok', $name) or diag($why);
        }
    }

    is((split /\n/, $r->{out})[-1], "$lines lines", 'all lines are here');
    cmp_ok($lines, '>', 100, 'of many cases');
}

eventually { $pg->sessions('alice') == 0 } 'no session is left';

$t->done;
