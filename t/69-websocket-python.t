#!/usr/bin/perl

# Two WebSocket libraries of Python, which check what they get, speak Postgres
# with PostgreSQL.  The cases themselves are t/clients/python/websocket.py.
# One of the libraries may mask its frames in Python: it is given time.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $pg = $t->postgres;
my ($port, $secure) = map { $t->port } 1 .. 2;
my $certs = $t->certs;
my $static = $t->static($pg);
my $python = '/usr/bin/python3';

my $locations = "location / { neon_proxy_websocket main; }\n"
                . "location /ping { neon_proxy_websocket pinged; }\n";

my $n = $t->nginx(
    main => "${static}websocket_insecure on;\nwebsocket_ping off;\n"
            . "client_timeout 600s;\n",
    globals => "neon_proxy pinged {\nzone pinged 1m;\n$static"
               . "websocket_insecure on;\nwebsocket_ping 1s;\n}\n",
    workers => 2, http => <<"END");
server {
    listen 127.0.0.1:$port;
    $locations
}

server {
    listen 127.0.0.1:$secure ssl http2;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    $locations
}
END

my %env = (
    HOST => 'ep-1.db.example.com', PORT => $port, SECURE => $secure,
    CA => $t->certs('ca.crt'), PGUSER => 'alice', PGDATABASE => 'app',
    PGPASSWORD => $pg->password('alice'), SECONDS => 120 * $NeonTest::slow,
    PYTHONDONTWRITEBYTECODE => 1, no_proxy => '*',
);

for my $library (qw/websockets autobahn/) {
    SKIP: {
        skip "no Python library $library (make deps)", 1
            if run([ $python, '-c', "import $library" ])->{rc} != 0;

        my $r = run([ $python, top() . '/t/clients/python/websocket.py',
                      $library ],
                    env => \%env, timeout => 400 * $NeonTest::slow);

        is($r->{rc}, 0, "$library: runs to its end") or diag($r->{err});

        my $lines = 0;

        for (split /\n/, $r->{out}) {
            my ($status, $name, $why) = /^(ok|not ok) (.*?)(?: # (.*))?$/
                or next;

            $lines++;
            ok($status eq 'ok', $name) or diag($why);
        }

        is((split /\n/, $r->{out})[-1], "$lines lines",
           "$library: all lines are here");
        cmp_ok($lines, '>', 20, "$library: of many cases");
    }
}

eventually { $pg->sessions('alice') == 0 } 'no session is left';

$t->done;
