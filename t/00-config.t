#!/usr/bin/perl

# Configurations that nginx -t takes, and those that it refuses: with file,
# line and the bad value.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $dir = $t->dir;

spew("$dir/roles", "# a comment\n\"alice\" \"SCRAM-SHA-256\$4096:"
     . 'QSXCR+Q6sek8bf92$FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8='
     . ":qxJ1SbmSAi5EcS0J5Ck/cKAm/+Ixa+Kwp63f4OHDgzo=\"\n");
spew("$dir/bad-roles", "\"alice\" \"SCRAM-SHA-256\$4096\"\n");
spew("$dir/md5-roles", '"dave" "md5' . 'a' x 32 . "\"\n");
spew("$dir/token", "secret\n");
spew("$dir/empty", '');

my $static = "control_plane static; endpoint ep-1 127.0.0.1:5432;"
             . " role_file $dir/roles;";
my $http = 'control_plane http://127.0.0.1:9095/authenticate/v1;';


# --- taken ---------------------------------------------------------------

my @good = (
    [ 'static, nothing else' => $static ],
    [ 'http, nothing else' => $http ],
    [ 'https' => 'control_plane https://control.example.com/api/;' ],
    [ 'every directive', <<"END" ],
        zone                   main 1m;
        $http
        control_plane_api      2023;
        control_plane_token    file:$dir/token;
        control_plane_timeout  connect=2s request=30s;
        domains                *.db.example.com *.localtest.me;
        resolver               127.0.0.1 valid=30s;
        resolver_timeout       5s;
        wake_retry             attempts=8 base=100ms factor=1.6;
        connect_retry          attempts=5 base=200ms factor=2;
        connect_timeout        2s;
        login_timeout          15s;
        client_timeout         15s;
        wake_timeout           60s;
        compute_ssl            verify-full;
        compute_ssl_trusted_certificate @{[ $t->certs('ca.crt') ]};
        tls_required           off;
        forward_parameters     neon;
        kdf_threads            default;
END
    [ 'all kinds of endpoints' => <<"END" ],
        control_plane static;
        endpoint ep-1  127.0.0.1:5432;
        endpoint ep-2  [::1]:5432 ssl=off;
        endpoint ep-3  compute-1.internal:5432 ssl=require;
        endpoint ep-4  10.0.0.1:5432 ssl=verify-full server_name=c.internal;
        endpoint *     127.0.0.1:5433;
        role_file $dir/roles;
END
);

for (@good) {
    my ($name, $main) = @$_;
    my ($rc, $log) = $t->nginx_test(main => $main);

    is($rc, 0, $name) or diag($log);
}


# --- refused -------------------------------------------------------------

# name => [ text of the block, what the message says ]

my @bad = (
    [ 'unknown directive', "$static no_such_thing on;", qr/no_such_thing/ ],
    [ 'unknown control plane', 'control_plane ftp://x/;', qr{ftp://x/} ],
    [ 'no control plane', 'wake_timeout 1s;', qr/control_plane/ ],
    [ 'control plane twice', "$static $http", qr/control_plane/ ],
    [ 'URL without host', 'control_plane http:///v1;', qr{http:///v1} ],
    [ 'unknown API', "$http control_plane_api v3;", qr/v3/ ],
    [ 'no token file', "$http control_plane_token file:$dir/none;",
      qr{\Q$dir/none} ],
    [ 'empty token file', "$http control_plane_token file:$dir/empty;",
      qr{\Q$dir/empty} ],
    [ 'no such environment', "$http control_plane_token env:NEON_NO_SUCH;",
      qr/NEON_NO_SUCH/ ],
    [ 'timeout', "$http control_plane_timeout connect=soon;", qr/soon/ ],
    [ 'timeout of what', "$http control_plane_timeout reply=1s;", qr/reply/ ],
    [ 'endpoint without address', "$static endpoint ep-2;", qr/endpoint/ ],
    [ 'endpoint name', "$static endpoint ep_2 127.0.0.1:1;", qr/ep_2/ ],
    [ 'endpoint twice', "$static endpoint ep-1 127.0.0.1:1;", qr/ep-1/ ],
    [ 'endpoint port', "$static endpoint ep-2 127.0.0.1:99999;", qr/99999/ ],
    [ 'endpoint ssl', "$static endpoint ep-2 127.0.0.1:1 ssl=maybe;",
      qr/maybe/ ],
    [ 'endpoint parameter', "$static endpoint ep-2 127.0.0.1:1 colour=red;",
      qr/colour/ ],
    [ 'endpoint with http', "$http endpoint ep-2 127.0.0.1:1;", qr/endpoint/ ],
    [ 'no role file', "control_plane static; endpoint * 127.0.0.1:1;"
      . " role_file $dir/none;", qr{\Q$dir/none} ],
    [ 'bad role file', "control_plane static; endpoint * 127.0.0.1:1;"
      . " role_file $dir/bad-roles;", qr{\Q$dir/bad-roles\E.*?1} ],
    [ 'MD5 in a role file', "control_plane static; endpoint * 127.0.0.1:1;"
      . " role_file $dir/md5-roles;", qr{\Q$dir/md5-roles\E.*?1.*MD5} ],
    [ 'wake_retry attempts', "$static wake_retry attempts=0;", qr/attempts=0/ ],
    [ 'wake_retry base', "$static wake_retry base=fast;", qr/fast/ ],
    [ 'wake_retry factor', "$static wake_retry factor=0.5;", qr/0\.5/ ],
    [ 'wake_retry unknown', "$static wake_retry tries=5;", qr/tries/ ],
    [ 'connect_retry', "$static connect_retry attempts=many;", qr/many/ ],
    [ 'connect_timeout', "$static connect_timeout later;", qr/later/ ],
    [ 'client_timeout twice', "$static client_timeout 1s; client_timeout 2s;",
      qr/client_timeout.*duplicate/ ],
    [ 'compute_ssl', "$static compute_ssl maybe;", qr/maybe/ ],
    [ 'no trusted certificate',
      "$static compute_ssl_trusted_certificate $dir/none;", qr{\Q$dir/none} ],
    [ 'tls_required', "$static tls_required maybe;", qr/maybe/ ],
    [ 'forward_parameters', "$static forward_parameters some;", qr/some/ ],
    [ 'domains', "$static domains *.*.example.com;", qr/\*\.\*\.example/ ],
    [ 'zone size', "$static zone main 1k;", qr/1k/ ],
    [ 'zone without size', "$static zone main;", qr/zone/ ],
    [ 'resolver', "$static resolver;", qr/resolver/ ],
    [ 'no thread pool', "$static kdf_threads nowhere;", qr/nowhere/ ],
);

for (@bad) {
    my ($name, $main, $message) = @$_;
    my ($rc, $log) = $t->nginx_test(main => $main);

    isnt($rc, 0, "$name: refused");
    like($log, $message, "$name: the message has the value");
    like($log, qr{\[emerg\].* in \Q$dir\E\S*:\d+}, "$name: file and line");
}


# --- the stream server ---------------------------------------------------

sub server {
    my ($text, $main) = @_;

    return $t->nginx_test(main => $main // $static,
        stream => "server { listen 127.0.0.1:12345;\n$text\n}");
}

my ($rc, $log) = server('neon_proxy_pass main;');
is($rc, 0, 'server without TLS') or diag($log);

($rc, $log) = server('neon_proxy_pass other;');
isnt($rc, 0, 'unknown proxy: refused');
like($log, qr/"?other"?.* in \S+:\d+/, 'unknown proxy: its name and line');

($rc, $log) = server('neon_proxy_pass main; neon_proxy_pass main;');
isnt($rc, 0, 'neon_proxy_pass twice: refused');

# the one that stands last would serve, and know no authentication
for my $both ('neon_proxy_pass main; proxy_pass 127.0.0.1:1;',
              'proxy_pass 127.0.0.1:1; neon_proxy_pass main;')
{
    ($rc, $log) = server($both);
    isnt($rc, 0, "$both refused");
    like($log, qr/neon_proxy_pass.* in \S+:\d+/, 'with its line');
}

($rc, $log) = server('neon_proxy_pass;');
isnt($rc, 0, 'neon_proxy_pass without a name: refused');

($rc, $log) = server('neon_proxy_pass main; tls_required on;');
isnt($rc, 0, 'a directive of the block in a server: refused');

($rc, $log) = $t->nginx_test(main => $static, globals =>
                             "neon_proxy main {\n$static\n}");
isnt($rc, 0, 'the same block twice: refused');
like($log, qr/main.* in \S+:\d+/, 'the same block twice: its name and line');

($rc, $log) = $t->nginx_test(main => $static, globals =>
                             "neon_proxy other {\n$http\n}");
is($rc, 0, 'two blocks') or diag($log);

$t->done;
