#!/usr/bin/perl

# Nothing that a client says before it is known steers a question about it
# (pgbouncer CVE-2025-12819: search_path during auth_query).  40-control-http.t
# and 44-ctl-postgres.t have names as attacks.

use lib 't/lib';
use NeonTest;
use NeonTest::Scram;

my $t = NeonTest->new;


# --- control_plane postgres:// -------------------------------------------

# whoever sets search_path finds a catalog of his own before the real one

my $pg = $t->postgres;
my $forged = NeonTest::Scram::verifier('forged');

$pg->sql("create role proxy login superuser password 'proxy'");
$pg->sql('create schema evil');
$pg->sql('grant usage on schema evil to public');
$pg->sql('create table evil.pg_authid as select rolname, rolcanlogin,'
         . " '$forged'::text as rolpassword, rolvaliduntil from pg_authid");
$pg->sql('create view evil.pg_shadow as select rolname as usename,'
         . ' rolpassword as passwd, rolvaliduntil as valuntil'
         . ' from evil.pg_authid');

# a compute that lets everybody in: who is refused is so by the proxy
my $compute = $t->fake_compute(\&NeonTest::welcome);

my $n = $t->nginx(main => 'control_plane postgres://proxy:proxy@127.0.0.1:'
                          . $pg->port . "/app;\nsecret_cache size=0;\n"
                          . "node_query \"select '127.0.0.1' as host, "
                          . $compute->port . " as port where \$1 <> ''\";\n");

my @attack = (
    [ search_path => 'evil, pg_catalog' ],
    [ options => '-c search_path=evil,pg_catalog' ],
    [ options => '-csearch_path=evil,pg_catalog' ],
    [ options => '--search_path=evil,pg_catalog' ],
    [ application_name => "x'; set search_path = evil, pg_catalog; --" ],
    [ role => 'proxy' ],
    [ session_authorization => 'proxy' ],
);

for my $params (@attack) {
    my $c = $t->enter($n, params => $params, password => 'forged');
    is($c->error && $c->error->{C}, '28P01', "@$params: the forged verifier");

    # what becomes of it is between the client and the compute
    $c = $t->enter($n, params => $params,
                   password => $pg->password('alice'));
    is($c->error_text, '', "@$params: the real one");
    $c->close;
}

is(join(' ', map { $_->[0] } $pg->sql(
       'select distinct application_name from pg_stat_activity'
       . " where usename = 'proxy'")), 'ngx_neon_proxy',
   'the connection of the proxy is its own');


# --- control_plane http:// -----------------------------------------------

my ($h, $cp) = $t->front;

for my $params ([ application_name => '&role=bob&endpointish=ep-2#' ],
                [ application_name => "a\r\nAuthorization: x\r\n\r\n" ],
                [ options => "neon_x:1&endpointish=ep-2" ],
                [ endpointish => 'ep-2' ], [ session_id => 'x' ])
{
    (my $name = "@$params") =~ s/\r\n/\\r\\n/g;

    $cp->forget;
    $t->enter($h, params => $params)->close;

    for my $call ($cp->calls) {
        is($call->{query}{endpointish}, 'ep-1', "$name: the endpoint");
        is($call->{query}{role}, 'alice', "$name: the role")
            if $call->{call} eq 'access';
        is($call->{headers}{authorization}, 'Bearer test-token',
           "$name: the token");
        like($call->{query}{session_id}, qr/^[0-9a-f-]{36}\z/,
             "$name: the session");
    }
}

$t->done;
