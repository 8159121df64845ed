#!/usr/bin/perl

# Variables of a session in the access log.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $log = $t->dir . '/access.log';
my $port = $t->port;
my $certs = $t->certs;

my @names = qw/session_id endpoint user database application_name auth_method
               cold_start compute_addr retries sqlstate error handshake_time
               access_time auth_time wake_time connect_time login_time/;
my $format = join '|', map { "$_=\$neon_$_" } @names;

my ($n, $cp, $fc) = $t->front(port => $port, stream => <<"END");
log_format neon '$format|\$status|\$bytes_received|\$bytes_sent|\$protocol';
access_log $log neon;

server {
    listen 127.0.0.1:$port;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    neon_proxy_pass main;
}
END

my $lines = 0;

# the line of the next session that ends

sub line {
    my ($name) = @_;

    $lines++;
    eventually { (() = slurp($log) =~ /\n/g) >= $lines } "$name: a log line";

    my @fields = split /\|/, (split /\n/, slurp($log))[$lines - 1], -1;

    # nginx writes a variable without a value as "-"
    my %v = map { /^(\w+)=(.*)$/s ? ($1 => $2 eq '-' ? '' : $2) : () }
            @fields;
    @v{qw/status received sent protocol/} = @fields[-4 .. -1];

    return %v;
}

my $ms = qr/^\d+\.\d{3}$/;

$cp->endpoint('ep-1', address => $fc->address,
              aux => { cold_start_info => 'pool_miss' });

my $c = $t->enter($n, params => [ application_name => 'my app' ]);
$c->value('x' x 1000);
$c->close;

my %v = line('a session');
like($v{session_id}, qr/^[0-9a-f-]{36}$/, 'session_id');
is($v{session_id}, ($cp->calls)[0]{query}{session_id}, 'as in the call');
is($v{endpoint}, 'ep-1', 'endpoint');
is($v{user}, 'alice', 'user');
is($v{database}, 'app', 'database');
is($v{application_name}, 'my app', 'application_name');
is($v{auth_method}, 'SCRAM-SHA-256-PLUS', 'auth_method');
is($v{cold_start}, 'pool_miss', 'cold_start');
is($v{compute_addr}, $fc->address, 'compute_addr');
is($v{retries}, '0', 'retries');
is($v{sqlstate}, '', 'sqlstate');
is($v{error}, '', 'error');
like($v{"${_}_time"}, $ms, "${_}_time")
    for qw/handshake access auth wake connect login/;
is($v{status}, 200, 'status');
is($v{protocol}, 'TCP', 'protocol');
cmp_ok($v{received}, '>', 1000, 'bytes_received');
cmp_ok($v{sent}, '>', 1000, 'bytes_sent');

$t->enter($n, password => 'wrong');
%v = line('wrong password');
is($v{sqlstate}, '28P01', 'wrong password: sqlstate');
like($v{error}, qr/password authentication failed/, 'wrong password: error');
is($v{endpoint}, 'ep-1', 'wrong password: endpoint');
is($v{compute_addr}, '', 'wrong password: no compute_addr');
is($v{wake_time}, '', 'wrong password: no wake_time');

$t->client(port => $port)->drop;
%v = line('nothing was said');
is($v{$_}, '', "nothing was said: $_") for qw/endpoint user database/;

$cp->script(wake => { merge => { address => '127.0.0.1:' . $t->port } });
$c = $t->enter($n);
$c->close;
%v = line('a dead address first');
is($v{retries}, '1', 'a dead address first: retries');

$c = $t->enter($n, cbind => 'disable');
$c->close;
%v = line('without binding');
is($v{auth_method}, 'SCRAM-SHA-256', 'without binding: auth_method');

$c = $t->enter($n, sni => undef, password => 'endpoint=ep-1;pw');
$c->close;
%v = line('password prefix');
is($v{auth_method}, 'cleartext', 'password prefix: auth_method');
is($v{endpoint}, 'ep-1', 'password prefix: endpoint');

$t->done;
