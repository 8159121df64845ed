#!/usr/bin/perl

# nginx's own directives of http around neon_proxy_websocket, and what the
# README says of them under "What composes".

use lib 't/lib';
use NeonTest;
use NeonTest::WsClient;
use NeonTest::Wire;

use MIME::Base64 qw/encode_base64/;

my $t = NeonTest->new;
my ($port, $secure, $guard, $unused) = map { $t->port } 1 .. 4;
my $certs = $t->certs;
my $dir = $t->dir;
my $host = 'ep-1.db.example.com';

NeonTest::spew("$dir/users", "alice:{PLAIN}door\n");

my $ws = 'neon_proxy_websocket main;';

# path => directives of a location
my %location = (
    open       => $ws,
    conn       => "limit_conn by_address 1; limit_conn_status 429; $ws",
    req        => "limit_req zone=by_address_r; limit_req_status 429; $ws",
    delayed    => "limit_req zone=delayed burst=10; $ws",
    deny       => "deny 127.0.0.2; allow all; $ws",
    basic      => "auth_basic door; auth_basic_user_file $dir/users; $ws",
    any        => "satisfy any; allow 127.0.0.2; deny all; auth_basic door;"
                  . " auth_basic_user_file $dir/users; $ws",
    request    => "auth_request /guard; $ws",
    rewritten  => 'rewrite ^ /open last;',
    break      => "rewrite ^ /nowhere break; $ws",
    if         => 'if ($http_x_stop) { return 403; } ' . $ws,
    page       => "error_page 403 = /open; deny all; $ws",
    kept       => "error_page 403 /open; deny all; $ws",
    header     => "add_header X-Front nginx always; $ws",
);

my $locations = join '', map { "location /$_ { $location{$_} }\n" }
                         sort keys %location;

my ($n, $cp, $fc) = $t->front(main => "websocket_insecure on;\n",
    http => <<"END");
limit_conn_zone \$binary_remote_addr zone=by_address:1m;
limit_req_zone \$binary_remote_addr zone=by_address_r:1m rate=1r/m;
limit_req_zone \$server_name zone=delayed:1m rate=2r/s;
log_format neon '\$uri|\$status|\$remote_addr|\$remote_user|'
                '\$neon_endpoint|\$neon_sqlstate';

server {
    listen 127.0.0.1:$guard;
    location / {
        if (\$http_x_token = good) { return 204; }
        return 403;
    }
}

server {
    listen 127.0.0.1:$port default_server;
    return 421;
}

server {
    listen 127.0.0.1:$port;
    access_log $dir/access.log neon;
    server_name *.db.example.com;
    $locations
    location = /guard {
        internal;
        proxy_pass http://127.0.0.1:$guard;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header Connection "";
        proxy_set_header Upgrade "";
    }
}

server {
    listen 127.0.0.1:$port;
    access_log $dir/access.log neon;
    server_name ~^(?<name>[a-z0-9-]+)\\.pattern\\.example\\.com\$;
    set_real_ip_from 127.0.0.0/8;
    real_ip_header X-Forwarded-For;
    location / { $ws }
}

server {
    listen 127.0.0.1:$secure ssl http2;
    server_name *.db.example.com;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    ssl_client_certificate $certs/ca.crt;
    ssl_verify_client optional;
    location / { $ws }
    location /certified {
        if (\$ssl_client_verify != SUCCESS) { return 403; }
        $ws
    }
}
END

sub upgraded {
    my ($path, %o) = @_;

    my $c = NeonTest::WsClient->new(port => $o{port} // $port,
                                    source => $o{source});
    $c->start_tls(sni => $host, alpn => $o{alpn}) if $o{port};
    $c->upgrade(host => $host, path => "/$path", %o);

    return $c;
}

# the status, where it is not 101
sub status {
    my ($path, %o) = @_;

    my $c = upgraded($path, %o);
    my $status = $c->{response}{status};
    $c->close;

    return $status;
}

sub works {
    my ($name, $path, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $c = upgraded($path, %o);
    is($c->{response}{status}, 101, "$name: upgraded");
    $c->{response}{status} == 101 or return;
    $c->login(password => 'pw', params => $o{params});
    is($c->error_text, '', "$name: logged in");
    is($c->value('hello'), 'hello', "$name: a query");

    return $c;
}

sub headers { headers => { @_ } }
sub basic { headers(Authorization => 'Basic ' . encode_base64($_[0], '')) }


# --- who may come ---------------------------------------------------------

my $c = works('limit_conn', 'conn');
is(status('conn'), 429, 'limit_conn: the second of an address');
works('limit_conn, another address', 'conn', source => '127.0.0.2')->close;
$c->close;
eventually { status('conn') == 101 } 'limit_conn: free when the session ends';

works('limit_req', 'req')->close;
is(status('req'), 429, 'limit_req: the second in a minute');

# what a client sends while it is held is not lost
my $early = NeonTest::WsClient::frame(
    startup_packet([ user => 'alice', database => 'app' ]));

for my $i (1 .. 3) {
    my $c = upgraded('delayed', early => $early);
    is($c->{response}{status}, 101, "limit_req with a delay, $i");
    $c->authenticate(password => 'pw');
    is($c->value('hello'), 'hello', "limit_req with a delay, $i: early bytes");
    $c->close;
}

works('allow', 'deny')->close;
is(status('deny', source => '127.0.0.2'), 403, 'deny');

is(status('basic'), 401, 'auth_basic: no password');
is(status('basic', basic('alice:window')), 401, 'auth_basic: a wrong one');
works('auth_basic', 'basic', basic('alice:door'))->close;

is(status('any'), 401, 'satisfy any: neither');
works('satisfy any, the address', 'any', source => '127.0.0.2')->close;
works('satisfy any, the password', 'any', basic('alice:door'))->close;

is(status('request'), 403, 'auth_request: refused');
works('auth_request', 'request', headers('X-Token' => 'good'))->close;
$c = upgraded('request', headers('X-Token' => 'good'), early => $early);
$c->authenticate(password => 'pw');
is($c->value('hello'), 'hello', 'auth_request: early bytes');
$c->close;


# --- where it leads -------------------------------------------------------

works('rewrite ... last', 'rewritten')->close;
works('rewrite ... break', 'break')->close;
works('if', 'if')->close;
is(status('if', headers('X-Stop' => 1)), 403, 'if: return');
works('error_page 403 =', 'page')->close;

$c = upgraded('kept');
is($c->{response}{status}, 403, 'error_page 403: the status of the error');
like($c->{response}{body}, qr/page of an error/,
     'error_page 403: nothing is upgraded');
is($c->{response}{headers}{'sec-websocket-accept'}, undef,
   'error_page 403: no handshake');
$n->log_like(qr/"error_page" that keeps the status 403/,
             'error_page 403: the log says why');

$c = works('add_header', 'header');
is($c->{response}{headers}{'x-front'}, 'nginx', 'add_header: in the answer');
$c->close;

is(status('open', host => 'www.example.com'), 421,
   'server_name: another server');
works('server_name, a wildcard', 'open')->close;

# not among `domains`: the endpoint comes by options
my @pattern = (host => 'ep-1.pattern.example.com',
               params => [ options => 'endpoint=ep-1' ]);

works('server_name, a regular expression', '', @pattern)->close;
is(status('', host => 'a.b.pattern.example.com'), 421,
   'server_name, a regular expression: not matched');

$cp->rules('ep-1', allowed_ips => [ '192.0.2.7' ]);
works('real_ip_header', '', @pattern,
      headers('X-Forwarded-For' => '192.0.2.7'))->close;

for my $case ([ '192.0.2.8', @pattern ], [ '127.0.0.1' ]) {
    my ($address, @o) = @$case;

    $c = upgraded('open', headers('X-Forwarded-For' => '192.0.2.8'), @o);
    $c->login(password => 'pw', @o);
    is($c->error_text, "28000 This IP address $address is not allowed to"
       . ' connect to this endpoint.', "real_ip_header: $address refused");
    $c->close;
}

$cp->rules('ep-1');


# --- TLS and HTTP/2 -------------------------------------------------------

works('http2, a client of HTTP/1.1', 'x', port => $secure,
      alpn => [ 'http/1.1' ])->close;
works('http2, no ALPN', 'x', port => $secure)->close;
is(status('certified', port => $secure), 403,
   'ssl_verify_client with if: no certificate');

$c = $t->client(port => $secure);
$c->start_tls(sni => $host, alpn => [ 'h2', 'http/1.1' ]);
is($c->{tls}->alpn, 'h2', 'http2: HTTP/2 is spoken');
$c->close;


# --- the access log -------------------------------------------------------

for my $line ('/basic|401|127.0.0.1|-||', '/basic|101|127.0.0.1|alice|ep-1|',
              '/open|101|127.0.0.1|-|ep-1|', '/conn|429|127.0.0.1|-||',
              '/|101|192.0.2.7|-|ep-1|', '/open|101|192.0.2.8|-|ep-1|28000')
{
    (my $pattern = quotemeta $line) =~ s/\\\|(?=\\\||$)/\\|-?/g;

    eventually { slurp("$dir/access.log") =~ /^$pattern$/m }
        "access_log: $line";
}


# --- what cannot be -------------------------------------------------------

for my $case (
    [ 'in an if', 'location / { if ($http_x) { neon_proxy_websocket main; } }',
      qr/directive is not allowed here/ ],
    [ 'in a server', 'neon_proxy_websocket main;',
      qr/directive is not allowed here/ ],
    [ 'with proxy_pass', 'location / { proxy_pass http://127.0.0.1:1;'
      . ' neon_proxy_websocket main; }', qr/neon_proxy_websocket/ ],
    [ 'a variable', 'location / { neon_proxy_websocket $host; }',
      qr/\$host/ ])
{
    my ($name, $text, $like) = @$case;
    my ($rc, $says) = $t->nginx_test(main => $cp->directives,
        http => "server { listen 127.0.0.1:$unused; $text }\n");

    ok($rc != 0, "neon_proxy_websocket $name: refused");
    like($says, $like, "neon_proxy_websocket $name: and why");
}

$t->done;
