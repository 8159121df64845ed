#!/usr/bin/perl

# The raw tunnel before a PostgreSQL: psql with TLS from end to end, and the
# serverless driver as users of wsproxy have it (t/clients/node/ws-tunnel.js).

use lib 't/lib';
use NeonTest;
use NeonTest::Process;
use NeonTest::WsClient;

use IO::Select;
use IO::Socket::INET;

my $t = NeonTest->new;
my $pg = $t->postgres(ssl => 1, key => 'db');
my ($port, $closed) = ($t->port, $t->port);
my $ca = $t->certs('ca.crt');
my $modules = top() . '/t/js/node_modules';

my $n = $t->nginx(main => "control_plane static;\n"
    . 'endpoint ep-1 127.0.0.1:1; role_file '
    . $t->role_file($pg, 'alice') . ";\n"
    . 'websocket_tunnel localhost:' . $pg->port . " localhost:$closed;\n",
    workers => 2, http => <<"END");
server {
    listen 127.0.0.1:$port;
    location / { neon_proxy_websocket main; }
}
END


# --- psql -----------------------------------------------------------------

# a port of TCP that leads through the tunnel

sub bridge {
    my $listen = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1',
                                       Proto => 'tcp') or die "$@\n";

    NeonTest::Process->fork_code(sub {
        while (my $tcp = $listen->accept) {
            eval { carry($tcp); 1 } or print STDERR "bridge: $@";
        }
    }, name => 'bridge');

    return $listen->sockport;
}

sub carry {
    my ($tcp) = @_;

    my $ws = NeonTest::WsClient->new(port => $port);
    $ws->upgrade(path => '/v1?address=localhost:' . $pg->port);

    my $select = IO::Select->new($tcp, $ws->{socket});

    while (1) {
        if (length $ws->{buffer}) {
            syswrite $tcp, $ws->{buffer};
            $ws->{buffer} = '';
        }

        return if $ws->{close} || $ws->{eof};

        for my $fh ($select->can_read) {
            if ($fh != $tcp) {
                eval { $ws->fill(0) };
                next;
            }

            return $ws->drop if !sysread $tcp, my $bytes, 65536;
            $ws->send($bytes);
        }
    }
}

my $bridge = bridge();
my $sql = <<'END';
select current_user, ssl, version from pg_stat_ssl
where pid = pg_backend_pid();
select length(repeat('x', 3000000));
END

my %psql = (port => $bridge, host => 'localhost',
            password => $pg->password('alice'));

# the server's own certificate is what both see: nobody stands between
my $r = $t->psql($sql, %psql, channel_binding => 'require');
like($r->{out}, qr/^alice\|t\|TLSv1\.\d\n3000000\n/,
     'psql: verify-full, channel binding') or diag($r->{err});

$r = $t->psql($sql, %psql, sslmode => 'disable');
is($r->{out}, "alice|f|\n3000000\n", 'psql: in clear') or diag($r->{err});

$r = $t->psql($sql, %psql, password => 'wrong');
like($r->{err}, qr/password authentication failed/,
     'psql: a password that PostgreSQL refuses');


# --- the driver -----------------------------------------------------------

my @packages = (qw/pg ws subtls/,
                slurp(top() . '/t/js/package.json') =~ /"(neon-[^"]+)"/g);

# what is missing, undef if all is there; versions from 1.0 want Node 19

sub missing {
    my $node = run([ 'node', '--version' ]);

    return 'no node' if $node->{rc} != 0;
    return "node is $node->{out}" if $node->{out} !~ /^v(\d+)/ || $1 < 19;

    my @none = grep { !-d "$modules/$_" } @packages;
    return @none ? "no npm packages @none" : undef;
}

SKIP: {
    my $missing = missing();
    skip "$missing (make deps)", 1 if defined $missing;

    my %env = (
        PROXY => "127.0.0.1:$port", HOST => 'localhost',
        PGPORT => $pg->port, CLOSED => $closed, PGDATABASE => 'app',
        PGUSER => 'alice', PGPASSWORD => $pg->password('alice'),
        CLEAR => 'clear', CLEARPASSWORD => $pg->password('clear'),
        CA => $ca, SECONDS => 20 * $NeonTest::slow,
    );

    $r = run([ 'node', top() . '/t/clients/node/ws-tunnel.js' ],
             env => \%env, timeout => 240 * $NeonTest::slow);

    is($r->{rc}, 0, 'node runs to its end') or diag($r->{err});

    my $lines = 0;

    for (split /\n/, $r->{out}) {
        my ($status, $name, $why) = /^(ok|not ok) (.*?)(?: # (.*))?$/ or next;

        $lines++;
        ok($status eq 'ok', $name) or diag($why);
    }

    is((split /\n/, $r->{out})[-1], "$lines lines", 'all lines are here');
    cmp_ok($lines, '>', 20, 'of many cases');
}

eventually { $pg->sessions('alice') == 0 } 'no session is left';

$t->done;
