#!/usr/bin/perl

# The client's address behind a balancer (C31): that of the PROXY header where
# nginx is told to believe it, for lists of addresses, limits and cancel keys.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;
use NeonTest::WsClient;

use Socket qw/inet_aton/;

my $t = NeonTest->new;
my $cp = $t->control_plane(cache => 1);
my $fc = $t->fake_compute(\&NeonTest::welcome);
my $certs = $t->certs;

$cp->role('ep-1', alice => NeonTest::Scram::verifier('pw'));
$cp->endpoint('ep-1', address => $fc->address);

# believed from 127.0.0.1; from nobody; from a balancer at 127.0.0.9
my %port = map { $_ => $t->port } qw/believed doubted balancer web/;
my %from = (believed => '127.0.0.1', doubted => undef,
            balancer => '127.0.0.8/30');
my $log = $t->dir . '/access.log';

my $servers = join '', map {
    my $trust = $from{$_} ? "set_real_ip_from $from{$_};" : '';

    <<"END";
server {
    listen 127.0.0.1:$port{$_} proxy_protocol;
    $trust
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    neon_proxy_pass main;
}
END
} sort keys %from;

# and for WebSockets, by the name of the server
my $web = join '', map {
    <<"END";
server {
    listen 127.0.0.1:$port{web} ssl proxy_protocol;
    server_name *.$_.example.com;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    real_ip_header proxy_protocol;
    @{[ $from{$_} ? "set_real_ip_from $from{$_};" : '' ]}
    location / { neon_proxy_websocket main; }
}
END
} sort keys %from;

sub nginx {
    my ($main) = @_;

    $cp->forget;

    return $t->nginx(main => $cp->directives . $main, port => $port{believed},
        stream => $servers, http => $web, stream_head =>
        "log_format address '\$remote_addr';\naccess_log $log address;\n");
}

sub connected {
    my ($header, %o) = @_;

    my $c = $t->client(port => $port{$o{to} // 'believed'},
                       source => $o{source});
    $c->send($header);
    return $c;
}

# '' where it was let in, else what it was told
sub login {
    my ($header, %o) = @_;

    my $c = connected($header, %o);
    $c->login(sni => 'ep-1.db.example.com', password => 'pw', %o);
    my $error = $c->error_text;
    $c->close;

    return $error;
}

sub web_login {
    my ($header, %o) = @_;

    my $host = 'ep-1.' . ($o{to} // 'believed') . '.example.com';
    my $c = NeonTest::WsClient->new(port => $port{web}, source => $o{source});

    $c->send_plain($header);
    $c->start_tls(sni => $host);
    $c->upgrade(host => $host);
    $c->login(password => 'pw');
    my $error = $c->error_text;
    $c->close;

    return $error;
}

sub allow {
    my (@list) = @_;

    $cp->rules('ep-1', allowed_ips => \@list);
}

sub not_allowed {
    my ($address) = @_;

    return "28000 This IP address $address is not allowed to connect to this"
           . ' endpoint.';
}


# --- lists of addresses --------------------------------------------------

my $n = nginx("secret_cache size=0;\n");
my ($good, $bad) = ('192.0.2.7', '192.0.2.8');
my ($good6, $bad6) = ('2001:db8::7', '2001:db8:1::7');

allow($good, '2001:db8::/48');

for my $case ([ 'version 1', \&proxy_v1 ], [ 'version 2', \&proxy_v2 ]) {
    my ($name, $v) = @$case;

    is(login($v->($good)), '', "$name: allowed");
    is(login($v->($good), tls => 'direct'), '', "$name: direct TLS");
    is(login($v->($bad)), not_allowed($bad), "$name: refused");
    is(login($v->($good6)), '', "$name, IPv6: allowed");
    is(login($v->($bad6)), not_allowed($bad6), "$name, IPv6: refused");
    is(login($v->("::ffff:$good")), '', "$name, mapped: allowed");
    is(login($v->("::ffff:$bad")), not_allowed("::ffff:$bad"),
       "$name, mapped: refused");

    is(login($v->($good), to => 'doubted'), not_allowed('127.0.0.1'),
       "$name: not believed");
    is(login($v->($good), to => 'balancer'), not_allowed('127.0.0.1'),
       "$name: believed from others only");
    is(login($v->($good), to => 'balancer', source => '127.0.0.9'), '',
       "$name: from the balancer");
    is(login($v->($good), to => 'balancer', source => '127.0.0.12'),
       not_allowed('127.0.0.12'), "$name: from its neighbour");

    my $ws = "$name, WebSocket";

    is(web_login($v->($good)), '', "$ws: allowed");
    is(web_login($v->($bad)), not_allowed($bad), "$ws: refused");
    is(web_login($v->($good6)), '', "$ws, IPv6: allowed");
    is(web_login($v->($bad6)), not_allowed($bad6), "$ws, IPv6: refused");
    is(web_login($v->("::ffff:$good")), '', "$ws, mapped: allowed");
    is(web_login($v->($good), to => 'doubted'), not_allowed('127.0.0.1'),
       "$ws: not believed");
    is(web_login($v->($good), to => 'balancer', source => '127.0.0.9'), '',
       "$ws: from the balancer");
    is(web_login($v->($good), to => 'balancer', source => '127.0.0.12'),
       not_allowed('127.0.0.12'), "$ws: from its neighbour");
}

# extensions; nginx 1.22 takes no more than 107 bytes of header
is(login(proxy_v2($good, 0x04 => 'x' x 70)), '', 'a TLV');
is(login(proxy_v2($good, 0x01 => 'h2', 0xee => '', 0x20 => "\0" x 5)), '',
   'several TLVs');

# headers without an address: whoever sent them is the client
my %none = (
    'UNKNOWN' => "PROXY UNKNOWN\r\n",
    'UNKNOWN with addresses' => "PROXY UNKNOWN $good $good 1 2\r\n",
    'LOCAL' => proxy_v2_raw(0, 0, ''),
    'LOCAL with addresses' => proxy_v2_raw(0, 0x11, inet_aton($good) x 2
                                                    . pack('nn', 1, 2)),
    'AF_UNSPEC' => proxy_v2_raw(1, 0, ''),
    'UDP' => proxy_v2_raw(1, 0x12, inet_aton($good) x 2 . pack('nn', 1, 2)),
);

for my $name (sort keys %none) {
    is(login($none{$name}), not_allowed('127.0.0.1'),
       "$name: the address of the peer");
    is(web_login($none{$name}), not_allowed('127.0.0.1'),
       "$name, WebSocket: the address of the peer");
}

allow('127.0.0.1');
is(login($none{$_}), '', "$_: allowed") for sort keys %none;
is(login(proxy_v1($good), to => 'doubted'), '',
   'not believed: that of the peer');
is(login(proxy_v1($good)), not_allowed($good),
   'believed: not that of the peer');

# a header that says "127.0.0.1" is no key to the house
allow($good);
is(login(proxy_v1('127.0.0.1')), not_allowed('127.0.0.1'), 'loopback: refused');


# --- headers that are none -----------------------------------------------

$cp->forget;
allow('127.0.0.1', $good);

my $whole = proxy_v2($good);
my %broken = (
    'none' => ssl_request,
    'a StartupMessage' => startup_packet([ user => 'alice' ]),
    'version 1, cut' => substr(proxy_v1($good), 0, 20),
    'version 1 without an end' => proxy_v1($good) =~ s/\r\n//r,
    'version 1, too long' => 'PROXY TCP4 ' . '1' x 200 . "\r\n",
    'version 1, no address' => "PROXY TCP4 300.0.0.1 300.0.0.1 1 2\r\n",
    'version 1, no port' => "PROXY TCP4 $good $good 1\r\n",
    'version 1, a port that is none' => "PROXY TCP4 $good $good x y\r\n",
    'version 1, the wrong family' => "PROXY TCP4 $good6 $good6 1 2\r\n",
    'version 2, cut in the signature' => substr($whole, 0, 8),
    'version 2, cut in the head' => substr($whole, 0, 14),
    'version 2, cut in the address' => substr($whole, 0, 20),
    'version 2, another signature' => $whole =~ s/QUIT/QUIP/r,
    'version 3' => substr($whole, 0, 12) . "\x31" . substr($whole, 13),
    'version 2, too short for IPv4' => proxy_v2_raw(1, 0x11, inet_aton($good)),
    'version 2, too short for IPv6' => proxy_v2_raw(1, 0x21, inet_aton($good)),
    'version 2, an impossible length' => substr($whole, 0, 14) . "\xff\xff"
                                         . substr($whole, 16),
);

for my $name (sort keys %broken) {
    my $c = connected($broken{$name});

    $c->half_close;
    is($c->read_all, '', "header, $name: closed without a word");
}

is(scalar(() = $cp->calls), 0, 'the control plane was not asked');
is(login(proxy_v1($good)), '', 'the next client is served');

# what stands behind the header in the same segment is the client's
my $c = connected(proxy_v2($good) . ssl_request);
is($c->read_n(1), 'S', 'an SSLRequest with the header in one piece');
$c->drop;


# --- limits --------------------------------------------------------------

$cp->rules('ep-1');
$n->quit;
$n = nginx("limit_unknown rate=1r/m burst=3;\n");

# "R": asked for the password; else the SQLSTATE
sub knock {
    my ($header, $name, %o) = @_;

    my $c = connected($header . ssl_request, %o);
    $c->read_n(1) eq 'S' or return 'closed';
    $c->start_tls(sni => "$name.db.example.com");
    $c->send(startup_packet([ user => 'alice' ]));
    my $m = $c->read_message or return 'closed';
    $c->drop;

    return $m->{type} eq 'E' ? error_fields($m->{body})->{C} : $m->{type};
}

my $number = 0;

sub scan {
    my ($v, @from) = @_;

    return join ' ', map { knock($v->($_), 'scan-' . ++$number) } @from;
}

my $three = 'R R R 53300 53300';

is(scan(\&proxy_v1, map { "198.51.100.$_" } 1 .. 5), $three,
   'a scan from a network');
is(knock(proxy_v2('198.51.100.200'), 'ep-1'), '53300', 'is that of its /24');
is(scan(\&proxy_v2, map { "198.51.101.$_" } 1 .. 5), $three,
   'another network has its own');
is(scan(\&proxy_v1, map { "::ffff:198.51.102.$_" } 1 .. 3), 'R R R', 'mapped');
is(knock(proxy_v2('198.51.102.9'), 'ep-1'), '53300', 'is the same network');
is(scan(\&proxy_v2, map { "2001:db8:0:1::$_" } 1 .. 5), $three,
   'of IPv6 a /64');
is(scan(\&proxy_v1, map { "2001:db8:0:2::$_" } 1 .. 5), $three, 'and another');
is(knock(proxy_v1('127.0.0.1'), 'ep-1'), 'R', 'the balancer is none of them');

# where the header is not believed they are all one
my @doubted = map { knock(proxy_v1("203.0.$_.1"), 'scan-' . ++$number,
                          to => 'doubted') } 1 .. 5;
is("@doubted", $three, 'not believed: all from one network');


# --- cancel keys ---------------------------------------------------------

# the addresses of a session that may cancel, and of one that asks for it
sub cancels {
    my ($header, $key, %o) = @_;

    my $before = () = $fc->notes('cancel');
    my $k = connected($header . cancel_request(@$key), %o);
    $k->read_all;

    return scalar(() = $fc->notes('cancel')) - $before;
}

$n->quit;
$n = nginx('');
allow($good, '2001:db8::7');

for my $case ([ 'version 1', \&proxy_v1 ], [ 'version 2', \&proxy_v2 ]) {
    my ($name, $v) = @$case;

    my $s = connected($v->($good));
    $s->login(sni => 'ep-1.db.example.com', password => 'pw');
    my $key = [ $s->{pid}, $s->{key} ];

    is(cancels($v->($bad), $key), 0, "cancel, $name: not from elsewhere");
    is(cancels($v->($bad6), $key), 0, "cancel, $name: nor over IPv6");
    is(cancels($none{LOCAL}, $key), 0, "cancel, $name: nor the balancer");
    is(cancels($v->($good), $key, to => 'doubted'), 0,
       "cancel, $name: nor where it is not believed");
    is(cancels($v->($good), $key), 1, "cancel, $name: from the client");
    is(cancels($v->("::ffff:$good"), $key), 1, "cancel, $name: mapped");
    is(cancels($v->('2001:db8::7'), $key), 1,
       "cancel, $name: from another one of the list");
    $s->close;
}

like($n->log, qr/cancel request \(cancel\): not from this address/,
     'the log says why');


# --- the access log ------------------------------------------------------

is(login(proxy_v2($good)), '', 'a login');
eventually { slurp($log) =~ /^\Q$good\E$/m } 'its address is in the log';

$t->done;
