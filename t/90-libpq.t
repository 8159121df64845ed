#!/usr/bin/perl

# What libpq can do since version 17: TLS from the first byte, with ALPN, and
# cancel requests inside TLS; since version 18: protocol 3.2.

use lib 't/lib';
use NeonTest;

my ($libpq) = run([ 'psql', '--version' ])->{out} =~ /(\d+)/;

plan(skip_all => "libpq $libpq") if $libpq < 17;

my $t = NeonTest->new;
my $pg = $t->postgres(ssl => 1, key => 'db');
my $server = $pg->sql('show server_version_num') / 10000;
my $port = $t->port;

my $proxy = $t->nginx(main => $t->static($pg), workers => 2);
my $pass = $t->nginx(port => $port, workers => 2,
    main => "control_plane static;\nauth passthrough tls;\n"
            . 'endpoint ep-1 ' . $pg->address . ";\n",
    stream => "server { listen 127.0.0.1:$port; neon_proxy_pass main; }");

my $python = '/usr/bin/python3';
my $no_python = run([ $python, '-c', 'from psycopg import capabilities;'
                      . ' assert capabilities.has_cancel_safe()' ])->{rc};

sub psql {
    my ($n, $sql, %o) = @_;

    return $t->psql($sql, port => $n->port, channel_binding => 'require',
                    password => $pg->password('alice'), %o);
}

# inside TLS, as in clear "auth passthrough tls" would find no key

sub cancels {
    my ($name, $n, %o) = @_;

    SKIP: {
        skip "$name: no psycopg that can (make deps)", 1 if $no_python;

        my $info = join ' ', 'host=ep-1.db.example.com hostaddr=127.0.0.1',
            'port=' . $n->port, 'user=alice dbname=app sslmode=verify-full',
            'sslrootcert=' . $t->certs('ca.crt'),
            map { "$_=$o{$_}" } sort keys %o;

        my $r = run([ $python, top() . '/t/clients/python/cancel.py', $info ],
                    env => { PGPASSWORD => $pg->password('alice') },
                    timeout => 50);
        is($r->{out}, "57014 42\n", "$name: canceled") or diag($r->{err});
    }
}


# --- TLS ends at the proxy -----------------------------------------------

my %direct = (sslnegotiation => 'direct');

for my $case ([ 'in-band TLS' ], [ 'direct TLS', %direct ]) {
    my ($name, %o) = @$case;

    my $r = psql($proxy, 'select current_user', %o);
    is($r->{out}, "alice\n", "proxy, $name") or diag($r->{err});
    cancels("proxy, $name", $proxy, %o);
}

my $r = psql($proxy, "\\conninfo\n", %direct);
like($r->{out}, qr/ALPN\W+postgresql/, 'ALPN is chosen') or diag($r->{err});

SKIP: {
    skip "libpq $libpq, PostgreSQL " . int $server, 3
        if $libpq < 18 || $server < 18;

    my %newest = (min_protocol_version => '3.2');

    $r = psql($proxy, "\\conninfo\n", %newest);
    like($r->{out}, qr/Protocol Version\W+3\.2/, 'proxy, protocol 3.2')
        or diag($r->{err});
    cancels('proxy, protocol 3.2', $proxy, %newest);
    cancels('passthrough, protocol 3.2', $pass, %newest);
}


# --- TLS ends at the compute ---------------------------------------------

$r = psql($pass, 'select current_user');
is($r->{out}, "alice\n", 'passthrough, in-band TLS') or diag($r->{err});
cancels('passthrough, in-band TLS', $pass);

SKIP: {
    skip 'PostgreSQL ' . int($server) . ' chooses no ALPN', 2 if $server < 17;

    $r = psql($pass, 'select current_user', %direct);
    is($r->{out}, "alice\n", 'passthrough, direct TLS') or diag($r->{err});
    cancels('passthrough, direct TLS', $pass, %direct);
}

$t->done;
