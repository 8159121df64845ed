#!/usr/bin/perl

# Each example configuration is started, and psql logs in through it to a real
# PostgreSQL: with server name, verified certificate and channel binding.

use lib 't/lib';
use NeonTest;
use NeonTest::Certs;
use NeonTest::Example;
use NeonTest::Link;
use NeonTest::Process;

my $t = NeonTest->new;
my $pg = $t->postgres;

# The role of roles.txt.example; its password is that of RFC 7677's example.
my ($app) = slurp(top() . '/conf/roles.txt.example') =~ /^"app" "(.*)"$/m;
$pg->sql("create role app login password '$app'");
my %app = (user => 'app', password => 'pencil');

my %alice = (user => 'alice', password => $pg->password('alice'));

# What each needs to be told of this machine, and who logs in to where:
# psql()'s options, or `login`: code that does it and returns what psql() would.

my %example = (
    'neon_proxy.conf.example' => sub {
        my ($e) = @_;

        my $cp = $t->control_plane;
        $cp->role('ep-orders', alice => $pg->verifier('alice'));
        $cp->endpoint('ep-orders', address => $pg->address);

        $e->put('https://control.example.com/authenticate/v1', $cp->url);
        $e->put('http://127.0.0.1:4318/v1/traces', $t->collector->url);

        return %alice;
    },

    'static.conf.example' => sub {
        my ($e) = @_;

        $e->put('10.0.0.11:5432', $pg->address);

        return %app;
    },

    'link.conf.example' => sub {
        my ($e) = @_;

        # psql shows a URL, and the console has its certificate

        my $dir = $t->dir;
        my $tls = $t->postgres(ssl => 1, key => 'db');

        NeonTest::Certs::openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:P-256', '-nodes', '-days', 2,
            '-subj', '/CN=console', '-CA', $t->certs('ca.crt'),
            '-CAkey', $t->certs('ca.key'),
            '-addext', 'extendedKeyUsage=clientAuth',
            '-keyout', "$dir/console.key", '-out', "$dir/console.crt");
        chmod 0600, "$dir/console.key";

        return (user => 'alice', login => sub {
            my $out = "$dir/psql";
            my $p = NeonTest::Process->spawn(
                [ 'psql', '-X', '-A', '-t', '-q', '-o', "$dir/rows",
                  '-c', 'select current_user', '-d',
                  'host=ep-1.db.example.com hostaddr=127.0.0.1'
                  . ' sslmode=verify-full user=me port=' . $e->port(5432)
                  . ' sslrootcert=' . $t->certs('ca.crt') ], out => $out);

            my $id = eventually { NeonTest::Link::link_of(slurp($out)) }
                                'link.conf.example: the URL';
            my $r = run([ 'psql', '-X', '-A', '-t', '-d', 'host=127.0.0.1'
                . " sslmode=require user=console sslcert=$dir/console.crt"
                . " sslkey=$dir/console.key port=" . $e->port(7000), '-c',
                NeonTest::Link::callback($id, host => 'localhost',
                    port => $tls->port, %alice) ]);

            is($r->{out}, "ok\n", 'link.conf.example: the callback')
                or diag($r->{err});
            $p->wait(30 * $NeonTest::slow);

            return { out => slurp("$dir/rows"), err => slurp($out) };
        });
    },

    'postgres.conf.example' => sub {
        my ($e) = @_;

        my ($sql) = $e->text =~ /^# As superuser.*?\n#\n(.*?)^# The servers/ms;
        my ($pass) = $e->text =~ /readable for\n# .*: (10\.0\.0\.10:.*)$/m;

        $sql =~ s/^#//mg;
        $sql .= "update proxy.endpoints set host = '127.0.0.1',"
                . ' port = ' . $pg->port . " where host = '10.0.0.11';\n";

        my $r = run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1',
                      '-h', $pg->{dir}, '-p', $pg->port, '-U', 'postgres',
                      'postgres' ], stdin => $sql);
        is($r->{rc}, 0, 'postgres.conf.example: its SQL') or diag($r->{err});

        $e->file('proxy.pgpass', $pass =~ s/^[^:]+:\d+/$pg->address/er . "\n");
        $e->put('@10.0.0.10/', '@' . $pg->address . '/');

        return %alice;
    },

    # by both ways that are in it

    'passthrough.conf.example' => sub {
        my ($e) = @_;

        my $tls = $t->postgres(ssl => 1, key => 'db');

        $e->put('10.0.0.11:5432', $tls->address);

        return (%alice, password => $tls->password('alice'),
                login => sub {
            my ($n) = @_;

            my $r = through($e, 6432, %alice, channel_binding => 'disable',
                            password => $tls->password('alice'),
                            host => 'orders.db.example.com');
            is($r->{out}, "alice\n", "$e->{name}: logged in, TLS ends there")
                or diag($r->{err});

            return through($e, 5432, %alice,
                           password => $tls->password('alice'),
                           host => 'orders.db.example.com');
        });
    },
);

sub through {
    my ($e, $port, %o) = @_;

    return $t->psql('select current_user', port => $e->port($port),
                    host => 'ep-orders.db.example.com',
                    channel_binding => 'require', %o);
}

my @names = NeonTest::Example->names;
is(join(' ', sort keys %example), "@names", 'every example is logged in to');

for my $name (grep { $example{$_} } @names) {
    my $e = NeonTest::Example->new($t, $name);
    my %login = $example{$name}->($e);
    my $n = $e->start;
    my $login = delete $login{login} // sub { through($e, 5432, %login) };

    my $r = $login->($n);

    is($r->{out}, "$login{user}\n", "$name: logged in") or diag($r->{err});
    unlike($n->log, qr/\[(?:warn|error)\]/, "$name: a clean log");
    is($n->quit, 0, "$name: nginx quits");
}

$t->done;
