#!/usr/bin/perl

# Since nginx 1.25.5 the name in the ClientHello may choose among the servers of
# a port: the chosen one's proxy serves the session, and one that does not
# proxy to computes serves none.

use lib 't/lib';
use NeonTest;

my $binary = $ENV{NEON_NGINX} || '/usr/sbin/nginx';
my ($version) = `$binary -v 2>&1` =~ m{nginx/(\d+\.\d+\.\d+)};

plan(skip_all => "nginx $version has no virtual servers in stream")
    if version->parse("v$version") < version->parse('v1.25.5');

my $t = NeonTest->new;
my $port = $t->port;
my $certs = $t->certs('');
my $cp = $t->control_plane;
my ($n, undef, $fc) = $t->front(port => $port, control_plane => $cp,
    globals => "neon_proxy second {\n" . $cp->directives
               . "forward_parameters neon;\n}\n", stream => <<"END");
ssl_certificate $certs/db.crt;
ssl_certificate_key $certs/db.key;
ssl_protocols TLSv1.2 TLSv1.3;

server {
    listen 127.0.0.1:$port default_server;
    server_name *.db.example.com;
    neon_proxy_pass main;
}

server {
    listen 127.0.0.1:$port;
    server_name ep-1.second.example.com;
    neon_proxy_pass second;
}

server {
    listen 127.0.0.1:$port;
    server_name other.db.example.com;
    return "not a proxy";
}
END

for my $case ([ 'ep-1.db.example.com', 1, 'all parameters' ],
              [ 'ep-1.second.example.com', 0, 'those of Neon' ])
{
    my ($name, $all, $what) = @$case;

    my $c = $t->enter($n, sni => $name, params => [ DateStyle => 'ISO' ]);
    is($c->error_text, '', "$name: logged in");
    is($c->value('hello'), 'hello', "$name: a query");
    is(exists(($fc->notes('startup'))[-1]{DateStyle}) || 0, $all,
       "$name: its proxy forwards $what");
    $c->close;
}

my $c = $t->enter($n, sni => 'other.db.example.com');
is($c->error && $c->error->{C}, '28000',
   'a server without neon_proxy_pass: refused');
like($n->log, qr/chose has no "neon_proxy_pass"/, 'the log says why');

$t->done;
