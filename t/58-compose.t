#!/usr/bin/perl

# nginx's own directives of stream around neon_proxy_pass, one small server for
# each, and what the README says of them under "What composes".  The PROXY
# protocol and set_real_ip_from: 57-realip.t.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use IO::Socket::IP;
use IO::Socket::UNIX;
use JSON::PP;

my $t = NeonTest->new;
my $certs = $t->certs;
my $dir = $t->dir;
my $can6 = IO::Socket::IP->new(LocalHost => '::1', Listen => 1);

# certificates by name; a client's, one of a stranger
mkdir "$dir/sni";
symlink "$certs/db.$_", "$dir/sni/ep-1.db.example.com.$_" for qw/crt key/;
symlink "$certs/other.$_", "$dir/sni/ep-1.other.example.org.$_"
    for qw/crt key/;
NeonTest::Certs::client($dir, 'ca', 'alice');
NeonTest::Certs::client($dir, 'nobody', 'mallory');

my $tls = "ssl_certificate $certs/db.crt; ssl_certificate_key $certs/db.key;";
my $both = "ssl_certificate $certs/other.crt;"
           . " ssl_certificate_key $certs/other.key; $tls";
my $by_name = "ssl_certificate $dir/sni/\$ssl_server_name.crt;"
              . " ssl_certificate_key $dir/sni/\$ssl_server_name.key;";
my $tickets = 'ssl_session_tickets on;';

# name => directives of a server; {listen} replaces its address or adds to it
my %server = (
    plain       => '',
    deny        => "$tls deny 127.0.0.2; allow all;",
    limit       => "$tls limit_conn by_address 1;",
    by_map      => "$tls limit_conn by_map 1;",
    endpoint    => "$tls limit_conn by_endpoint 1;",
    by_name     => "$by_name $tickets",
    both        => "$both $tickets",
    inherit     => $tls,
    cache       => "$tls ssl_session_cache shared:tls:1m;"
                   . ' ssl_session_tickets off; ssl_protocols TLSv1.2;',
    both_cache  => "$both ssl_session_cache shared:tls:1m;"
                   . ' ssl_session_tickets off; ssl_protocols TLSv1.2;',
    verify      => "$tls ssl_client_certificate $certs/ca.crt;"
                   . ' ssl_verify_client on;',
    optional    => "$tls ssl_client_certificate $certs/ca.crt;"
                   . ' ssl_verify_client optional;',
    no_ca       => "$tls ssl_verify_client optional_no_ca;",
    alpn        => "$tls ssl_alpn postgresql;",
    other_alpn  => "$tls ssl_alpn h2;",
    log         => "$tls error_log $dir/own.log info;"
                   . " access_log $dir/own-access.log json;"
                   . " access_log $dir/failed.log json if=\$failed;",
    options     => $tls . ' tcp_nodelay off; preread_buffer_size 16;',
    behind      => "$tls set_real_ip_from 127.0.0.0/8;",
);

my %port = map { $_ => $t->port } keys %server, qw/front/;
my $own = $t->port;

my %listen = (
    options => 'so_keepalive=30m::10 backlog=64 reuseport rcvbuf=64k',
    behind => 'proxy_protocol',
);

my $servers = join '', map {
    my $more = $listen{$_} // '';

    "server { listen 127.0.0.1:$port{$_} $more; $server{$_}"
    . " neon_proxy_pass main; }\n"
} sort keys %server;

my $six = $can6 ? "listen [::1]:$port{plain};" : '';

$servers =~ s/(listen 127.0.0.1:$port{plain} ;)/$1 $six listen unix:$dir\/s;/;

# names are learned without ending TLS; then to a server of ours
$servers .= <<"END";
server {
    listen 127.0.0.1:$port{front};
    ssl_preread on;
    access_log $dir/front.log front;
    proxy_protocol on;
    proxy_pass \$backend;
}
END

my $head = <<"END";
limit_conn_zone \$binary_remote_addr zone=by_address:1m;
limit_conn_zone \$limited zone=by_map:1m;
limit_conn_zone \$neon_endpoint zone=by_endpoint:1m;
geo \$near { default far; 127.0.0.3 near; }
map \$near \$limited { far \$binary_remote_addr; near ""; }
map \$neon_sqlstate \$failed { "" 0; default 1; }
map \$ssl_preread_server_name \$backend { default 127.0.0.1:$port{behind}; }
ssl_session_tickets off;
ssl_protocols TLSv1.2 TLSv1.3;
log_format front '\$ssl_preread_server_name|\$status';
log_format json escape=json '{"endpoint":"\$neon_endpoint",'
    '"user":"\$neon_user","app":"\$neon_application_name",'
    '"sqlstate":"\$neon_sqlstate","error":"\$neon_error",'
    '"tls":"\$ssl_protocol","sni":"\$ssl_server_name",'
    '"dn":"\$ssl_client_s_dn","verify":"\$ssl_client_verify",'
    '"port":"\$server_port","near":"\$near"}';
access_log $dir/access.log json;
END

my $cp = $t->control_plane;
my ($n, undef, $fc) = $t->front(control_plane => $cp, port => $own,
    workers => 2, stream_head => $head, stream => $servers);

my @by_option = (params => [ options => 'endpoint=ep-1' ]);

sub enter {
    my ($server, %o) = @_;

    return $t->login(port => $port{$server}, password => 'pw',
                     sni => 'ep-1.db.example.com', %o);
}

sub works {
    my ($name, $server, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $c = eval { enter($server, %o) };
    return fail("$name: $@") if !$c;

    is($c->error_text, '', "$name: logged in");
    is($c->value('hello'), 'hello', "$name: a query");

    return $c;
}

# an nginx that lets nobody in says so before it reads anything
sub closed {
    my ($name, $server, %o) = @_;

    my $c = $t->client(port => $port{$server}, %o);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($c->read_all, '', "$name: closed without a word");
}

# {"name":"value"} of the lines
sub lines {
    my ($file) = @_;

    return map { JSON::PP->new->utf8->decode($_) } split /\n/,
           slurp("$dir/$file");
}


# --- who may come ---------------------------------------------------------

works('allow', 'deny')->close;
closed('deny', 'deny', source => '127.0.0.2');

my $c = works('limit_conn', 'limit');
closed('limit_conn, the second of an address', 'limit');
works('limit_conn, another address', 'limit', source => '127.0.0.2')->close;
$c->close;
eventually { my $c = eval { enter('limit') }; $c && !$c->error }
    'limit_conn: a place is free again';

$c = works('limit_conn by map and geo', 'by_map');
closed('limit_conn by map, the second of an address', 'by_map');
my @near = map { works("limit_conn by map, exempt $_", 'by_map',
                       source => '127.0.0.3') } 1 .. 2;
$_->close for $c, @near;

# nobody knows the endpoint when limit_conn asks
my @free = map { works("limit_conn by \$neon_endpoint, $_", 'endpoint') }
               1 .. 2;
$_->close for @free;


# --- listeners ------------------------------------------------------------

works('so_keepalive, backlog, reuseport, rcvbuf, tcp_nodelay off', 'options')
    ->close;

sub over {
    my ($socket) = @_;

    return $t->client(socket => $socket)->login(tls => 'none',
        password => 'pw', @by_option);
}

sub over_unix {
    return over(IO::Socket::UNIX->new(Peer => "$dir/s") // die "unix: $!\n");
}

sub over_ip6 {
    return over(IO::Socket::IP->new(PeerHost => '::1',
                                    PeerPort => $port{plain})
                // die "[::1]: $@\n");
}

my %plain = (tls => 'none', @by_option);

is(over_unix()->error_text, '', 'listen unix:');
$cp->rules('ep-1', allowed_ips => [ '127.0.0.1', '::1' ]);
is(over_unix()->error_text, '28000 This IP address unix: is not allowed to'
   . ' connect to this endpoint.', 'listen unix: with allowed_ips: no address');
works('allowed_ips, IPv4', 'plain', %plain)->close;

SKIP: {
    skip 'no IPv6 here', 3 if !$can6;

    my $c = over_ip6();
    is($c->error_text, '', 'listen [::1]: allowed_ips');
    is($c->value('hello'), 'hello', 'listen [::1]: a query');
    $cp->rules('ep-1', allowed_ips => [ '127.0.0.1' ]);
    like(over_ip6()->error_text, qr/^28000 This IP address ::1 is not/,
         'listen [::1]: not allowed');
}

# before us: one that reads the names, and tells the address
$cp->rules('ep-1', allowed_ips => [ '127.0.0.7' ]);
works('ssl_preread in front, SSLRequest', 'front', source => '127.0.0.7')
    ->close;
works('ssl_preread in front, direct TLS', 'front', source => '127.0.0.7',
      tls => 'direct')->close;
like(enter('front', source => '127.0.0.8')->error_text,
     qr/^28000 This IP address 127.0.0.8 is not/,
     'ssl_preread in front: the address of the client counts');
eventually { slurp("$dir/front.log") =~ /^ep-1\.db\.example\.com\|200$/m
             && slurp("$dir/front.log") =~ /^-?\|200$/m }
    'its log: the name of direct TLS, none behind an SSLRequest';
$cp->rules('ep-1');


# --- TLS ------------------------------------------------------------------

# resumed: the client is bound to the certificate that it saw at first
sub resumes {
    my ($name, $server, $want, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $c = works($name, $server, %o) or return;
    is($c->{mechanism}, 'SCRAM-SHA-256-PLUS', "$name: bound");
    my $session = $c->{tls}->session;
    $c->close;

    # a ticket of TLS 1.3 brings another one
    for my $again (1 .. (($o{max} // 0) == 0x0304 ? 2 : 1)) {
        $c = works("$name, $again", $server, %o, session => $session)
            or return;
        is($c->{tls}->resumed ? $c->{mechanism} : 'not resumed', $want,
           "$name: resumed, $again");
        $session = $c->{tls}->session;
        $c->close;
    }
}

my ($plus, $without) = qw/SCRAM-SHA-256-PLUS SCRAM-SHA-256/;

for my $max (0x0303, 0x0304) {
    my $v = $max == 0x0303 ? 'TLS 1.2' : 'TLS 1.3';

    resumes("$v, two certificates", 'both', $plus, max => $max);

    for my $name ('ep-1.db.example.com', 'ep-1.other.example.org') {
        my @o = (max => $max, sni => $name, ca => "$certs/ca.crt",
                 verify => $name, @by_option);

        resumes("$v, ssl_certificate with \$ssl_server_name, $name",
                'by_name', $plus, @o);
    }

    resumes("$v, ssl_session_tickets off in stream", 'inherit', 'not resumed',
            max => $max);
}

like(enter('both', max => 0x0303, ca => "$certs/ca.crt")->{tls}->subject,
     qr/other/, 'two certificates: ECDSA goes first');
resumes('ssl_session_cache', 'cache', $plus);
resumes('ssl_session_cache, two certificates', 'both_cache', $without);

ok(!eval { enter('by_name', sni => 'ep-1.nowhere.example'); 1 },
   'ssl_certificate with $ssl_server_name: no such file');
$n->expect(qr/cannot load certificate.*nowhere/);

works('ssl_alpn postgresql', 'alpn', tls => 'direct')->close;
works('ssl_alpn postgresql, in-band', 'alpn')->close;
ok(!eval { enter('other_alpn', tls => 'direct'); 1 },
   'ssl_alpn h2: no direct TLS');
works('ssl_alpn h2, in-band without ALPN', 'other_alpn')->close;

# client certificates, as psql gives them
sub psql {
    my ($server, $name) = @_;

    my @cert = $name ? (sslcert => "$dir/$name.crt",
                        sslkey => "$dir/$name.key")
                     : (sslcert => "$dir/none", sslkey => "$dir/none");
    my $r = $t->psql('hello', port => $port{$server}, password => 'pw',
                     sslmode => 'verify-full', @cert);

    return $r->{out} eq "hello\n" ? 'in' : $r->{err};
}

my $wanted = qr/FATAL: +connection requires a valid client certificate/;

for my $case ([ verify => 'alice', qr/^in$/ ], [ verify => '', $wanted ],
              [ verify => 'mallory', $wanted ],
              [ optional => 'alice', qr/^in$/ ], [ optional => '', qr/^in$/ ],
              [ optional => 'mallory', $wanted ],
              [ no_ca => 'mallory', qr/^in$/ ])
{
    my ($server, $name, $like) = @$case;

    like(psql($server, $name), $like,
         "ssl_verify_client, $server: " . ($name || 'no certificate'));
}

my %dn;
eventually {
    %dn = ();
    push @{ $dn{"$_->{port} $_->{dn}"} }, $_ for lines('access.log');
    $dn{"$port{optional} CN=alice"} && $dn{"$port{no_ca} CN=mallory"};
} 'the access log has the names of client certificates';
is($dn{"$port{optional} CN=alice"}[0]{verify}, 'SUCCESS', 'and says good');
like($dn{"$port{optional} CN=mallory"}[0]{verify}, qr/^FAILED/, 'or bad');


# --- logs -----------------------------------------------------------------

my $app = qq{a "quoted"\n\\name};

works('access_log', 'log', params => [ application_name => $app ])->close;
enter('log', password => 'wrong', source => '127.0.0.3');

my @own;
eventually { (@own = lines('own-access.log')) == 2 } 'a log of its own';
my ($good) = grep { $_->{sqlstate} eq '' } @own;
my ($bad) = grep { $_->{sqlstate} ne '' } @own;

is_deeply({ %$good{qw/endpoint user app error tls sni near/} },
          { endpoint => 'ep-1', user => 'alice', app => $app, error => '',
            tls => 'TLSv1.3', sni => 'ep-1.db.example.com', near => 'far' },
          'log_format escape=json: a login');
is("$bad->{sqlstate} $bad->{near}", '28P01 near', 'and a wrong password');
is_deeply([ lines('failed.log') ], [ $bad ], 'access_log if= by map');

$n->log_like(qr/start worker/, 'the main error log');
like(slurp("$dir/own.log"), qr/28P01.*endpoint: "?ep-1/s,
     'error_log of a server has its refusals');
unlike($n->log, qr/28P01/, 'and the main one has not');


# --- what cannot be -------------------------------------------------------

my $main = $cp->directives;

for my $case (
    [ 'return', 'return "x"; neon_proxy_pass main;',
      qr/cannot be used where another/ ],
    [ 'return behind', 'neon_proxy_pass main; return "x";',
      qr/another directive that serves/ ],
    [ 'proxy_pass', 'proxy_pass 127.0.0.1:1; neon_proxy_pass main;',
      qr/cannot be used where another/ ],
    [ 'listen udp', "listen 127.0.0.1:$own udp; neon_proxy_pass main;",
      qr/"listen ... udp" is in a server with "neon_proxy_pass".*conf:\d+$/m ],
    [ 'listen udp for management',
      "listen 127.0.0.1:$own udp; neon_proxy_manage main;",
      qr/"listen ... udp" is in a server with "neon_proxy_manage"/ ],
    [ 'a variable', 'neon_proxy_pass $near;', qr/\$near/ ])
{
    my ($name, $text, $like) = @$case;
    my ($rc, $says) = $t->nginx_test(main => $main,
        stream_head => "geo \$near { default main; }\n",
        stream => "server { listen 127.0.0.1:$own; $text }\n");

    ok($rc != 0, "$name: refused");
    like($says, $like, "$name: and why");
}

is(($t->nginx_test(main => $main, stream => <<"END"))[0], 0, 'UDP beside us');
server { listen 127.0.0.1:$own; neon_proxy_pass main; }
server { listen 127.0.0.1:$own udp; return ""; }
END

$t->done;
