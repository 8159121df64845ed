#!/usr/bin/perl

# Configurations of control_plane link: what goes together, and what does not.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $url = 'https://console.example.com/psql_session/';
my $link = "control_plane link $url;";
my $roles = spew($t->dir . '/roles', '');
chmod 0600, $roles;
my $static = 'control_plane static; endpoint * 127.0.0.1:5432;'
             . " role_file $roles;";
my ($port, $manage, $http) = map { $t->port } 1 .. 3;
my ($crt, $key) = map { $t->certs("db.$_") } qw/crt key/;
my $pass = "server { listen 127.0.0.1:$port; neon_proxy_pass main; }\n";

sub manage {
    my ($name, $more) = @_;
    return "server { listen 127.0.0.1:$manage; neon_proxy_manage $name;"
           . ' ' . ($more // '') . " }\n";
}

sub conf {
    my ($main, %o) = @_;
    return $t->nginx_test(main => $main,
                          stream => $pass . ($o{manage} // manage('main')),
                          http => $o{http}, globals => $o{globals});
}


# --- taken -----

my @good = (
    [ 'nothing else' => $link ],
    [ 'all of it' => "control_plane link $url timeout=90s waiters=5;"
      . ' zone main 1m; resolver 127.0.0.1; connect_retry attempts=2;'
      . ' connect_timeout 1s; login_timeout 5s; client_timeout 5s;'
      . ' wake_timeout 20s; compute_ssl prefer; forward_parameters neon;'
      . ' tls_required off; limit_connections rate=5r/s; drain wait;'
      . ' kdf_threads default;' ],
    (map { [ $_ => "control_plane link $_;" ] }
        'http://127.0.0.1:3000/psql_session/', 'https://[::1]/s/',
        'https://console.example.com/login?psql_session=') );

for (@good) {
    my ($name, $main) = @$_;
    my ($rc, $log) = conf($main);
    is($rc, 0, $name) or diag($log);
    unlike($log, qr/\[(?:warn|emerg)\]/, "$name: nothing to say");
}

my ($rc, $log) = conf($link, manage => manage('main',
    "ssl_certificate $crt; ssl_certificate_key $key; allow all;"));
is($rc, 0, 'a manage server with a certificate') or diag($log);

($rc, $log) = conf($link, manage => manage('main') x 1
                   . manage('main') =~ s/$manage/@{[ $t->port ]}/r);
is($rc, 0, 'two manage servers') or diag($log);


# --- refused -----

my @bad = (
    [ 'no URL' => 'control_plane link;',
      qr/no URL in "control_plane link", it must be link http\[s\]:/ ],
    (map { [ "URL $_->[0]" => "control_plane link $_->[0];",
             qr/invalid URL "\Q$_->[0]\E" in "control_plane" .*$_->[1]/ ] }
        [ 'console.example.com', 'neither http:// nor https://' ],
        [ 'postgres://console/', 'neither http:// nor https://' ],
        [ 'https://console.example.com', 'must end in "/" or "="' ],
        [ 'https://console.example.com/session', 'must end in "/" or "="' ],
        [ 'https://console:99999/', 'port' ]),
    [ 'URL with a password' => 'control_plane link https://me:pw@console/;',
      qr{invalid URL "https://\*\*\*\*\*\@console/" in .*user name} ],
    (map { [ $_ => "control_plane link $url $_;",
             qr/invalid parameter "\Q$_\E" in "control_plane".*timeout=T/ ] }
        'timeout=', 'timeout=0', 'timeout=-1', 'timeout=x', 'waiters=0',
        'waiters=', 'waiters=1x', 'timeout', 'clients=5'),
    [ 'too many arguments' =>
          "control_plane link $url timeout=1s waiters=5 x;",
      qr/invalid number of arguments in "control_plane"/ ],
    [ 'arguments of another kind' => 'control_plane static now;',
      qr{"now" in "control_plane" directive, it must be http://HOST} ],
    [ 'twice' => "$link $link", qr/"control_plane" directive is duplicate/ ],
    (map { my ($what) = /^(\w+)/;
           [ $what => "$link $_;",
             qr/"$what" does not fit "control_plane link" in neon_proxy/ ] }
        'control_plane_api v1', 'control_plane_token x',
        'control_plane_timeout connect=1s', 'control_plane_connections 2',
        'auth_query x', 'access_query x', 'node_query x',
        'endpoint ep-1 127.0.0.1:5432', 'role_file /nowhere',
        'node_cache size=5', 'secret_cache size=5', 'mock_secret random',
        'limit_unknown rate=5r/s', 'domains *.db.example.com',
        'wake_retry attempts=5', 'wake_notice 1s'),
    [ 'no manage server' => $link,
      qr/"control_plane link", but there is no stream server with "neon_pr/,
      manage => '' ],
    [ 'manage of another kind' => $static,
      qr/"neon_proxy_manage main" in .*:\d+ needs .*; "main" in .*:\d+ has/ ],
    [ 'manage of nothing' => $link, qr/unknown neon_proxy "other" in .*:\d+/,
      manage => manage('main') . manage('other') =~ s/$manage/$http/r ],
    [ 'manage twice' => $link, qr/"neon_proxy_manage" directive is duplicate/,
      manage => manage('main', 'neon_proxy_manage main;') ],
    [ 'manage and pass' => $link, qr/cannot be used where another directive/,
      manage => manage('main', 'neon_proxy_pass main;') ],
    [ 'manage and return' => $link,
      qr/"neon_proxy_manage" and another directive that serves/,
      manage => manage('main', 'return hello;') ],
    [ 'WebSocket' => $link,
      qr/"neon_proxy_websocket main" in .*:\d+: "control_plane link" serves T/,
      http => "server { listen 127.0.0.1:$http;"
              . ' location / { neon_proxy_websocket main; } }' ],
);

for (@bad) {
    my ($name, $main, $error, %o) = @$_;
    my ($rc, $log) = conf($main, %o);
    isnt($rc, 0, "$name: refused");
    like($log, $error, "$name: why");
    unlike($log, qr/\[alert\]/, "$name: no alert");
}

$t->done;
