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
spew("$dir/md5-upper", '"dave" "md5' . 'A' x 32 . "\"\n");
spew("$dir/token", "secret\n");
spew("$dir/otlp.header", "Bearer a token\n");
spew("$dir/empty", '');
spew("$dir/blank", " \r\n\n");
spew("$dir/long", 'x' x 4097);

my $static = "control_plane static; endpoint ep-1 127.0.0.1:5432;"
             . " role_file $dir/roles;";
my $pass = 'control_plane static; endpoint ep-1 127.0.0.1:5432;';
my $http = 'control_plane http://127.0.0.1:9095/authenticate/v1;';
my $postgres = 'control_plane postgres://proxy:seekrit@10.0.0.1/db;';


# --- taken ---------------------------------------------------------------

my @good = (
    [ 'static, nothing else' => $static ],
    [ 'http, nothing else' => $http ],
    [ 'https' => 'control_plane https://control.example.com/api/;' ],
    [ 'postgres, nothing else' => $postgres ],
    [ 'MD5 in a role file' => "control_plane static; endpoint * 127.0.0.1:1;"
      . " role_file $dir/md5-roles; md5_verifiers on;" ],
    (map { [ $_ => "control_plane $_;" ] }
        'postgresql://u:p@[::1]:6432/d', 'postgres://u@localhost/d',
        'postgres://u@/d?hostaddr=127.0.0.1',
        'postgres://u@db/d?hostaddr=127.0.0.1&sslmode=verify-full'
        . '&sslrootcert=/nowhere.crt',
        'postgres://u:p%40%2F%3a@db/d?options=-c%20lock_timeout%3D1s'
        . '&application_name=me&passfile=/none'),
    [ 'postgres by a socket' => 'control_plane postgres://u@%2Frun%2Fpg/d;'
      . ' node_query "select 1 as host, 2 as port where x = $1";' ],
    [ 'postgres, every directive' => <<'END' ],
        control_plane  postgres://u@db/d;
        control_plane_timeout connect=1s request=2s;
        control_plane_connections 16;
        auth_query     "select $1 as rolpassword, $2";
        access_query   "select $1 as allowed_ips";
        node_query     "select $2 as host, 1 as port";
END
    [ 'auth scram' => "$static auth scram;" ],
    [ 'auth scram with http' => "$http auth scram;" ],
    (map { [ "auth passthrough, $_" => "$pass auth passthrough; $_" ] }
        '', 'compute_ssl off;', 'compute_ssl auto;', 'wake_notice off;',
        'endpoint * 127.0.0.1:1 ssl=off server_name=a;', 'tls_required off;',
        'forward_parameters neon;', 'limit_connections rate=1r/s;'),
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
        private_access         on;
        forward_parameters     neon;
        kdf_threads            default;
        node_cache             size=4000 ttl=5m stale=0;
        secret_cache           size=10000 ttl=5m negative=30s stale=0;
        mock_secret            random;
        md5_verifiers          on;
        limit_connections      rate=200r/s burst=500;
        limit_unknown          rate=10r/s burst=300;
        wake_notice            5s;
        otlp                   https://otlp.example.com/v1/traces?x=y
                               sample=0.123456 service=my-proxy
                               header=X-Key:secret "header=X-Two: two words"
                               header=Authorization:file:$dir/otlp.header;
        websocket_insecure     on;
        websocket_ping         10s;
        websocket_origins      https://app.example.com https://*.example.com;
        websocket_tunnel       db.example.com:5432 *.db.example.com:5432-5440
                               10.0.0.0/8:* [2001:db8::/32]:5432 127.0.0.1:1;
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
    (map { [ $_ => "$http $_;" ] }
        'node_cache size=0', 'node_cache ttl=1ms', 'node_cache stale=1h',
        'node_cache stale=0 ttl=1d size=100000000',
        'secret_cache size=1', 'secret_cache negative=0 ttl=1s',
        'mock_secret random', "mock_secret file:$dir/token",
        'mock_secret env:PATH', 'mock_secret "a secret; of 29 characters"',
        map({ my $limit = $_; map { "$limit $_" }
              'off', 'rate=5r/s', 'rate=0.5r/s burst=1', 'rate=30r/m',
              'burst=1000000 rate=1000000r/s' }
            qw/limit_connections limit_unknown/),
        'wake_notice off', 'wake_notice 1ms', 'wake_notice 1m',
        'drain wait', 'drain idle', 'drain idle after=0',
        'drain idle rate=off', 'drain idle rate=30r/m after=5m',
        'websocket_ping off', 'websocket_ping 1s', 'websocket_origins *',
        'websocket_origins http://localhost:8080 https://[::1]:8443 tauri://a',
        'websocket_insecure off', 'websocket_tunnel off',
        'websocket_tunnel *:*', 'websocket_tunnel off.example.com:1',
        'otlp off', 'otlp http://collector:4318/v1/traces',
        'otlp http://[::1]/ sample=0',
        'otlp http://10.0.0.1/ sample=1.0 header=a:env:PATH'),
);

for (@good) {
    my ($name, $main) = @$_;
    my ($rc, $log) = $t->nginx_test(main => $main);

    is($rc, 0, $name) or diag($log);
}


# TLS of others: a server without a certificate

for my $more ('', 'tls_required on;', 'endpoint * 127.0.0.1:1;') {
    my ($rc, $log) = $t->nginx_test(
        main => "$pass auth passthrough tls; $more",
        stream => 'server { listen 127.0.0.1:12345; neon_proxy_pass main; }');

    is($rc, 0, "auth passthrough tls, $more") or diag($log);
}


# what is allowed, and said to be dangerous

for my $host ('*:*', '*:5432') {
    my (undef, $log) = $t->nginx_test(main => "$http\nwebsocket_tunnel $host;");

    like($log, qr/\[warn\] .*"\Q$host\E" in "websocket_tunnel" leads/,
         "websocket_tunnel $host: a warning");
}

my (undef, $none) = $t->nginx_test(main =>
                                   "$http\nwebsocket_tunnel *.a.example:*;");
unlike($none, qr/\[warn\] .*websocket_tunnel/,
       'websocket_tunnel *.a.example:*: none');


sub split_name { (split ' ', $_[0])[0] }


# --- refused -------------------------------------------------------------

# name => [ text of the block, what the message says ]

my @bad = (
    [ 'unknown directive', "$static no_such_thing on;", qr/no_such_thing/ ],
    [ 'unknown control plane', 'control_plane ftp://x/;', qr{ftp://x/} ],
    [ 'no control plane', 'wake_timeout 1s;', qr/control_plane/ ],
    [ 'control plane twice', "$static $http", qr/control_plane/ ],
    [ 'URL without host', 'control_plane http:///v1;', qr{http:///v1} ],
    (map { [ $_->[0] => "control_plane postgres://$_->[1];",
             qr/invalid control_plane: $_->[2].*, it must be postgres:/ ] }
        [ 'no user', 'db/d', 'no user in it' ],
        [ 'no database', 'u:seekrit@db', 'no database in it' ],
        [ 'no host', 'u:seekrit@/d', 'no host in it' ],
        [ 'two hosts', 'u:seekrit@a,b/d', 'the host must be one name' ],
        [ 'host', 'u:seekrit@a_%20b/d', 'the host must be one name' ],
        [ 'port', 'u:seekrit@db:99999/d', 'invalid port' ],
        [ 'hostaddr', 'u:seekrit@db/d?hostaddr=db', 'hostaddr must be one' ],
        [ 'sslmode', 'u:seekrit@db/d?sslmode=maybe', 'sslmode must be' ],
        [ 'service', 'u:seekrit@db/d?service=mine',
          'parameter "service" is not supported' ],
        [ 'connect_timeout', 'u:seekrit@db/d?connect_timeout=3',
          'parameter "connect_timeout" is not supported' ],
        [ 'gssencmode', 'u:seekrit@db/d?gssencmode=prefer',
          'parameter "gssencmode" is not supported' ],
        [ 'unknown parameter', 'u:seekrit@db/d?colour=red',
          'invalid URI query parameter' ],
        [ 'escape', 'u:seekrit%zz@db/d', 'invalid percent-encoded token' ],
        [ 'bracket', 'u:seekrit@[::1/d', 'end of string reached' ]),
    [ 'postgres by a socket, no node_query',
      'control_plane postgres://u@%2Frun%2Fpg/d;', qr/needs a "node_query"/ ],
    [ 'postgres with a token', "$postgres control_plane_token abc;",
      qr{"control_plane_token" does not fit .*postgres://USER\[:PASSWORD\]} ],
    [ 'postgres with an API', "$postgres control_plane_api v1;",
      qr/"control_plane_api" does not fit "control_plane postgres"/ ],
    [ 'postgres with an endpoint', "$postgres endpoint * 127.0.0.1:1;",
      qr/"endpoint" does not fit "control_plane postgres"/ ],
    (map { [ "$_ without \$1" => "$postgres $_ \"select 1\";",
             qr/invalid $_ "select 1".*parameter \$1/ ] }
        qw/auth_query access_query node_query/),
    (map { [ "$_ with http" => "$http $_;",
             qr/"@{[ split_name($_) ]}" does not fit "control_plane http"/ ],
           [ "$_ with static" => "$static $_;",
             qr/"@{[ split_name($_) ]}" does not fit "control_plane static"/ ]
         } 'auth_query "$1"', 'access_query "$1"', 'node_query "$1"',
           'control_plane_connections 4'),
    (map { [ "control_plane_connections $_",
             "$postgres control_plane_connections $_;", qr/"$_"/ ] }
        '0', 'many', '1001', '-1'),
    [ 'unknown API', "$http control_plane_api v3;", qr/v3/ ],
    [ 'no token file', "$http control_plane_token file:$dir/none;",
      qr{\Q"file:$dir/none" in "control_plane_token"\E .*file:PATH, env:NAME} ],
    [ 'token of no file', "$http control_plane_token file:;",
      qr/"file:" in "control_plane_token" .*: it names no file/ ],
    [ 'token of a folder', "$http control_plane_token file:$dir;",
      qr/read\(\) failed/ ],
    [ 'empty token file', "$http control_plane_token file:$dir/empty;",
      qr{\Q$dir/empty} ],
    [ 'no such environment', "$http control_plane_token env:NEON_NO_SUCH;",
      qr/"env:NEON_NO_SUCH" in "control_plane_token" .*file:PATH, env:NAME/ ],
    [ 'timeout twice', "$http control_plane_timeout connect=1s connect=2s;",
      qr/"connect=2s" in "control_plane_timeout" .*each once/ ],
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
      . " role_file $dir/md5-roles;",
      qr{\Q$dir/md5-roles\E:1: role "dave": .*needs "md5_verifiers on"} ],
    [ 'MD5 in upper case', "control_plane static; endpoint * 127.0.0.1:1;"
      . " md5_verifiers on; role_file $dir/md5-upper;",
      qr{\Q$dir/md5-upper\E:1: role "dave": not a SCRAM-SHA-256 verifier} ],
    [ 'md5_verifiers', "$static md5_verifiers some;", qr/some.*on or off/ ],
    [ 'md5_verifiers twice', "$static md5_verifiers on; md5_verifiers on;",
      qr/md5_verifiers.*duplicate/ ],
    [ 'wake_retry attempts', "$static wake_retry attempts=0;", qr/attempts=0/ ],
    [ 'wake_retry base', "$static wake_retry base=fast;", qr/fast/ ],
    [ 'wake_retry factor', "$static wake_retry factor=0.5;", qr/0\.5/ ],
    [ 'wake_retry factor, too exact', "$static wake_retry factor=1.6667;",
      qr/1\.6667.*3 decimal places/ ],
    [ 'wake_retry unknown', "$static wake_retry tries=5;", qr/tries/ ],
    [ 'connect_retry', "$static connect_retry attempts=many;", qr/many/ ],
    [ 'connect_timeout', "$static connect_timeout later;", qr/later/ ],
    [ 'client_timeout twice', "$static client_timeout 1s; client_timeout 2s;",
      qr/client_timeout.*duplicate/ ],
    [ 'compute_ssl', "$static compute_ssl maybe;", qr/maybe/ ],
    [ 'no trusted certificate',
      "$static compute_ssl_trusted_certificate $dir/none;", qr{\Q$dir/none} ],
    [ 'tls_required', "$static tls_required maybe;", qr/maybe/ ],
    [ 'private_access', "$static private_access maybe;",
      qr/"maybe" in "private_access" directive, it must be on or off in/ ],
    [ 'private_access twice', "$static private_access on; private_access on;",
      qr/private_access.*duplicate/ ],
    [ 'forward_parameters', "$static forward_parameters some;", qr/some/ ],
    [ 'domains', "$static domains *.*.example.com;", qr/\*\.\*\.example/ ],
    [ 'zone size', "$static zone main 1k;", qr/1k/ ],
    [ 'zone without a name', "$static zone '' 1m;", qr/zone NAME SIZE/ ],
    [ 'zone without size', "$static zone main;", qr/zone/ ],
    [ 'resolver', "$static resolver;", qr/resolver/ ],
    [ 'no thread pool', "$static kdf_threads nowhere;", qr/nowhere/ ],
    [ 'node_cache without a value', "$http node_cache;", qr/node_cache/ ],
    [ 'mock_secret, no file', "$http mock_secret file:$dir/none;",
      qr{\Q$dir/none} ],
    [ 'mock_secret, an empty file', "$http mock_secret file:$dir/empty;",
      qr{\Q$dir/empty\E" .*, it must be file:PATH, .*: the file is empty} ],
    [ 'mock_secret, a blank file', "$http mock_secret file:$dir/blank;",
      qr{\Q$dir/blank\E" .*: the file is empty} ],
    [ 'mock_secret, a long file', "$http mock_secret file:$dir/long;",
      qr{\Q$dir/long\E" .*: the file is longer} ],
    [ 'mock_secret, no such environment',
      "$http mock_secret env:NEON_NO_SUCH;", qr/NEON_NO_SUCH/ ],
    [ 'limit_connections with more',
      "$http limit_connections rate=1r/s burst=1 burst=2;",
      qr/limit_connections/ ],
    (map { [ "auth $_", "$static auth $_;",
             qr/invalid value "\w+".*scram, passthrough or passthrough t/ ]
         } qw/md5 off/, 'scram tls', 'passthrough ssl', 'passthrough off'),
    [ 'auth twice', "$pass auth scram; auth passthrough;",
      qr/"auth" directive is duplicate/ ],
    [ 'no role_file with auth scram', "$pass auth scram;", qr/role_file/ ],
    (map { [ "auth passthrough with $_->[0]", "$_->[1] auth passthrough tls;",
             qr/"auth passthrough" does not fit "control_plane $_->[0]"/ ]
         } [ http => $http ], [ postgres => $postgres ]),
    (map { [ "auth passthrough with $_->[1]",
             "$pass auth passthrough; $_->[0] $_->[1];",
             qr/"$_->[0]" does not fit "auth passthrough" in/ ] }
        [ role_file => "$dir/roles" ], [ wake_notice => '1s' ]),
    (map { [ "auth passthrough with $_", "$pass auth passthrough; $_;",
             qr/"endpoint (?:ep-1|\*)" does not fit .* \(ssl=off\)/ ] }
        (map { ("compute_ssl $_", "endpoint * 127.0.0.1:1 ssl=$_") }
             qw/prefer require verify-full/),
        'endpoint * 127.0.0.1:1 server_name=a',
        'compute_ssl auto; endpoint * 127.0.0.1:1 server_name=a'),
    (map { [ "auth passthrough tls with $_", "$pass auth passthrough tls; $_;",
             qr/"@{[ split_name($_) ]}.*" does not fit "auth passthrough tls"/
           ] }
        "role_file $dir/roles", 'wake_notice 1s', 'compute_ssl off',
        'compute_ssl auto', 'forward_parameters all', 'tls_required off',
        'compute_ssl_trusted_certificate ' . $t->certs('ca.crt'),
        'endpoint * 127.0.0.1:1 ssl=off',
        'endpoint * 127.0.0.1:1 server_name=a'),
    map({ [ "otlp $_->[0]", "$http otlp $_->[0];", $_->[1] ] }
        [ '', qr/number of arguments in "otlp"/ ],
        [ 'on', qr/invalid value "on".* must be off, http/ ],
        [ 'off sample=1', qr/invalid value "off".*http/ ],
        [ 'ftp://localhost/', qr/ftp.*http:/ ],
        [ 'http://user:pw@host/v1/traces', qr/\@host/ ],
        [ 'http://h/ sample=1.1', qr/"sample=1\.1".*from 0 to 1/ ],
        [ 'http://h/ sample=-1', qr/"sample=-1"/ ],
        [ 'http://h/ sample=', qr/"sample="/ ],
        [ 'http://h/ sample=0.1234567', qr/6 decimal/ ],
        [ 'http://h/ sample=1 sample=1', qr/once/ ],
        [ 'http://h/ sample=0 sample=1', qr/once/ ],
        [ 'http://h/ service=', qr/service=NAME/ ],
        [ 'http://h/ service=a service=b', qr/once/ ],
        [ "http://h/ service=\xff", qr/ASCII/ ],
        [ 'http://h/ header=', qr/header=NAME:VALUE/ ],
        [ 'http://h/ header=x', qr/header=NAME:VALUE/ ],
        [ 'http://h/ header=:x', qr/header=NAME:VALUE/ ],
        [ 'http://h/ header=a(:x', qr/header=NAME:VALUE/ ],
        [ 'http://h/ header=x:', qr/header "x".*ASCII/ ],
        [ 'http://h/ "header=x:a\nb"', qr/header "x".*ASCII/ ],
        [ 'http://h/ header=Content-type:x', qr/not Content-Type/ ],
        [ "http://h/ header=x:file:$dir/none", qr{\Q$dir/none} ],
        [ 'http://h/ header=x:env:NEON_NO_SUCH', qr/NEON_NO_SUCH/ ],
        [ 'http://h/ colour=red', qr/"colour=red"/ ],
        [ 'http://h/; otlp http://h/', qr/duplicate/ ]),
    map({ [ "$_->[0] twice", "$http $_->[0] $_->[1]; $_->[0] $_->[2];",
            qr/"$_->[0]" directive is duplicate/ ] }
        [ mock_secret => 'random', 'random' ],
        [ mock_secret => 'random', '0123456789abcdef' ],
        [ limit_connections => 'off', 'rate=1r/s' ],
        [ limit_unknown => 'rate=1r/s', 'off' ],
        [ drain => 'idle', 'wait' ],
        [ otlp => 'off', 'http://h/' ], [ otlp => 'http://h/', 'off' ],
        [ kdf_threads => 'default', 'default' ],
        [ wake_notice => 'off', 'off' ], [ wake_notice => '1s', 'off' ],
        [ wake_notice => 'off', '1s' ], [ websocket_ping => 'off', '1s' ],
        [ websocket_insecure => 'on', 'off' ],
        [ websocket_origins => '*', 'https://a.example.com' ],
        [ websocket_tunnel => 'off', 'a:1' ],
        [ websocket_tunnel => 'a:1', 'off' ]),
);

for (@bad) {
    my ($name, $main, $message) = @$_;
    my ($rc, $log) = $t->nginx_test(main => $main);

    isnt($rc, 0, "$name: refused");
    like($log, $message, "$name: the message has the value");
    like($log, qr{\[emerg\].* in \Q$dir\E\S*:\d+}, "$name: file and line");
    unlike($log, qr/seekrit/, "$name: no password");
}


# directive, values of which the last one is bad, what its form looks like

my $entries = qr/size=N once, N from 0 \(off\) to 100000000 entries/;
my $time = qr/a time\b.*, e\.g\. (?:30s or )?5m/;
my $above = qr/a time above zero, e\.g\. 5m; size=0 turns the cache off/;
my $rate = qr{rate=Nr/s or rate=Nr/m once, N above 0};
my $burst = qr/burst=N once, N from 1 to 1000000/;
my $limit = qr{off, or rate=Nr/s\b};
my $notice = qr/off, or a time above zero, e\.g\./;

my @values = (
    map({ my $cache = $_;
        map { [ $cache, @$_ ] }
            [ 'size=-1', $entries ], [ 'size=', $entries ],
            [ 'size=many', $entries ], [ 'size=1k', $entries ],
            [ 'size=100000001', $entries ],
            [ 'size=99999999999999999999', $entries ],
            [ 'size=1 size=1', $entries ], [ 'ttl=', $time ],
            [ 'ttl=soon', $time ], [ 'ttl=-1s', $time ],
            [ 'ttl=99999999999999999999d', $time ], [ 'ttl=0', $above ],
            [ 'size=0 ttl=0s', $above ], [ 'ttl=1s ttl=2s', $time ],
            [ 'stale=long', $time ], [ 'stale=', $time ],
            [ 'stale=0 stale=0', $time ] } qw/node_cache secret_cache/),
    map({ [ 'node_cache', $_, qr/size=N ttl=TIME stale=TIME/ ] }
        '4000', 'negative=30s', 'colour=red', 'SIZE=1', 'size', 'off'),
    map({ [ 'secret_cache', $_,
            qr/size=N ttl=TIME negative=TIME stale=TIME/ ] }
        '10000', 'colour=red', 'negative', 'off'),
    [ 'secret_cache', 'negative=never', $time ],
    [ 'secret_cache', 'negative=1s negative=1s', $time ],
    [ 'mock_secret', '""', qr/random, file:PATH, env:NAME or a secret/ ],
    map({ my $name = $_;
        map { [ $name, @$_ ] }
            map({ [ "rate=$_", $rate ] } '', '5', 'r/s', '0r/s', '-1r/s',
                'xr/s', '1r/h', '1r/sx', '1000001r/s',
                '0.0001r/s', '1r/s rate=2r/s'),
            map({ [ "rate=1r/s burst=$_", $burst ] } '', '0', '-1', 'x',
                '0.5', '1000001'),
            [ 'burst=5', $limit ], [ 'on', $limit ], [ 'none', $limit ],
            [ 'rate=1r/s off', $limit ], [ 'rate=1r/s nodelay', $limit ]
        } qw/limit_connections limit_unknown/),
    map({ [ 'wake_notice', $_, $notice ] } 'on', '0', 'soon', '-1s', '""'),
    map({ [ 'drain', $_, qr/wait, or idle after=TIME rate=Nr\/s/ ] }
        'on', 'soon', 'idles'),
    map({ [ 'drain', "idle $_", qr/after=TIME or rate=Nr\/s/ ] }
        'burst=1', 'now'),
    [ 'drain', 'wait after=1s', qr/wait, or idle after=TIME/ ],
    map({ [ 'drain', "idle after=$_", qr/a time, once/ ] }
        '', 'soon', '-1s', '1s after=2s'),
    map({ [ 'drain', "idle rate=$_", $rate ] }
        '', '0r/s', '5', '1r/s rate=off', '1r/s rate=2r/s'),
    map({ [ 'websocket_ping', $_, $notice ] } 'on', '0', 'soon'),
    map({ [ 'websocket_origins', $_, qr/\* or origins like/ ] }
        'app.example.com', '://a', 'https://', 'https://a.example.com/',
        'https://*', 'https://a.*.com', 'http://localhost:*', 'https://a.com:',
        'https://a.com:443', 'HTTP://*.a.com:80', 'https://b\xfccher.com'),
    map({ [ 'websocket_tunnel', $_, qr/off, or HOST:PORT where HOST is/ ] }
        'on', '*', 'a', 'a:0', 'a:65536', 'a:5-4', '*.*:1', 'a.*:1', '::1:1',
        '[::1]', '10.0.0.0/33:1', '127.1:1', 'a.:1', 'https://a:1',
        '^.*$:5432', 'a:1 off', 'a:1 b', '""'),
);

for (@values) {
    my ($name, $values, $form) = @$_;
    my ($bad) = $values =~ /(\S+)$/;
    my ($rc, $log) = $t->nginx_test(main => "$http\n$name $values;");

    $bad =~ s/^""$//;
    isnt($rc, 0, "$name $values: refused");
    like($log, qr{\[emerg\]\ .*\ invalid\ value\ "\Q$bad\E"
        \ in\ "$name"\ directive,\ it\ must\ be\ (?:$form)
        .*\ in\ \Q$dir\E\S*:\d+}x,
        "$name $values: value, form, file and line");
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


# --- an OpenSSL that has no MD5 ------------------------------------------

# as in FIPS mode; the provider itself does not matter for what cannot be had

spew("$dir/fips.cnf", <<'END');
openssl_conf = conf
[conf]
alg_section = algorithms
[algorithms]
default_properties = fips=yes
END

($rc, $log) = $t->nginx_test(main => "$http\nmd5_verifiers on;",
                             env => { OPENSSL_CONF => "$dir/fips.cnf" });
isnt($rc, 0, 'md5_verifiers without MD5: refused');
like($log, qr/"md5_verifiers\ on"\ needs\ MD5,\ which\ this\ OpenSSL\ does
     .*must\ be\ off\ in\ neon_proxy\ "main"\ in\ \S+:\d+/x,
     'md5_verifiers without MD5: why, and where');


# --- WebSocket -----------------------------------------------------------

for my $auth ('passthrough', 'passthrough tls') {
    ($rc, $log) = $t->nginx_test(main => "$pass auth $auth;",
        stream => '', http => "server { listen 127.0.0.1:12345;\n"
                              . "location / {\nneon_proxy_websocket main; } }");
    isnt($rc, 0, "neon_proxy_websocket, auth $auth: refused");
    like($log, qr/"neon_proxy_websocket" does not fit "auth $auth" of/,
         'the message');
    like($log, qr{\[emerg\].* in \S+/nginx.conf:\d+}, 'with its line');
}

($rc, $log) = $t->nginx_test(main => "$pass auth passthrough;", stream => '',
    http => 'server { listen 127.0.0.1:12345;'
            . ' location / { neon_proxy_status main; } }');
is($rc, 0, 'neon_proxy_status, auth passthrough') or diag($log);

# in which line, where a URL, a file or a name is not what it should be

for my $case ([ 'control_plane http://' ],
              [ 'control_plane http://h/?x=y' ],
              [ 'control_plane postgres://@/d' ],
              [ "control_plane_token file:$dir/none", "$http\n" ],
              [ 'kdf_threads nowhere', "$http\n" ])
{
    my ($bad, $before) = @$case;
    my @line = map {
        my ($rc, $log) = $t->nginx_test(main => $_);
        $log =~ /\[emerg\].* in \S+:(\d+)$/m;
    } "no_such_directive;", ($before // '') . "$bad;\n\n\n";

    is($line[1], $line[0] + ($before ? 1 : 0), "$bad: its own line");
}


$t->done;
