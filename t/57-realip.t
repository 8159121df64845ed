#!/usr/bin/perl

# The client's address behind a balancer (C31): that of the PROXY header where
# nginx is told to believe it, for lists of addresses, limits and cancel keys.
# The header: haproxy.org, "The PROXY protocol", versions 1 and 2.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use Socket qw/inet_aton inet_pton AF_INET6/;

my $t = NeonTest->new;
my $cp = $t->control_plane(cache => 1);
my $fc = $t->fake_compute(\&NeonTest::welcome);
my $certs = $t->certs;

$cp->role('ep-1', alice => NeonTest::Scram::verifier('pw'));
$cp->endpoint('ep-1', address => $fc->address);

# believed from 127.0.0.1; from nobody; from a balancer at 127.0.0.9
my %port = map { $_ => $t->port } qw/believed doubted balancer/;
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
} sort keys %port;

sub nginx {
    my ($main) = @_;

    $cp->forget;

    return $t->nginx(main => $cp->directives . $main, port => $port{believed},
        stream => $servers, stream_head =>
        "log_format address '\$remote_addr';\naccess_log $log address;\n");
}

sub v1 { my ($from, $to) = @_;
    my $family = $from =~ /:/ ? 'TCP6' : 'TCP4';
    return "PROXY $family $from " . ($to // $from) . " 56324 5432\r\n";
}

# command 1: PROXY, 0: LOCAL; family 0x11: TCP over IPv4, 0x21: over IPv6
sub v2_raw {
    my ($command, $family, $addresses) = @_;

    return "\r\n\r\n\0\r\nQUIT\n" . pack('CCn', 0x20 | $command, $family,
                                         length $addresses) . $addresses;
}

sub v2 {
    my ($from, $tlv) = @_;

    my $six = $from =~ /:/;
    my $raw = $six ? inet_pton(AF_INET6, $from) : inet_aton($from);

    return v2_raw(1, $six ? 0x21 : 0x11,
                  $raw . $raw . pack('nn', 56324, 5432) . ($tlv // ''));
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

for my $case ([ 'version 1', \&v1 ], [ 'version 2', \&v2 ]) {
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
}

# extensions; nginx 1.22 takes no more than 107 bytes of header
is(login(v2($good, pack('Cn/a', 0x04, 'x' x 70))), '', 'a TLV');
is(login(v2($good, pack('Cn/aCn/aCn/a', 0x01, 'h2', 0xee, '', 0x20,
                        "\0" x 5))), '', 'several TLVs');

# headers without an address: whoever sent them is the client
my %none = (
    'UNKNOWN' => "PROXY UNKNOWN\r\n",
    'UNKNOWN with addresses' => "PROXY UNKNOWN $good $good 1 2\r\n",
    'LOCAL' => v2_raw(0, 0, ''),
    'LOCAL with addresses' => v2_raw(0, 0x11, inet_aton($good) x 2
                                              . pack('nn', 1, 2)),
    'AF_UNSPEC' => v2_raw(1, 0, ''),
    'UDP' => v2_raw(1, 0x12, inet_aton($good) x 2 . pack('nn', 1, 2)),
);

for my $name (sort keys %none) {
    is(login($none{$name}), not_allowed('127.0.0.1'),
       "$name: the address of the peer");
}

allow('127.0.0.1');
is(login($none{$_}), '', "$_: allowed") for sort keys %none;
is(login(v1($good), to => 'doubted'), '', 'not believed: that of the peer');
is(login(v1($good)), not_allowed($good), 'believed: not that of the peer');

# a header that says "127.0.0.1" is no key to the house
allow($good);
is(login(v1('127.0.0.1')), not_allowed('127.0.0.1'), 'loopback: refused');


# --- headers that are none -----------------------------------------------

$cp->forget;
allow('127.0.0.1', $good);

my $whole = v2($good);
my %broken = (
    'none' => ssl_request,
    'a StartupMessage' => startup_packet([ user => 'alice' ]),
    'version 1, cut' => substr(v1($good), 0, 20),
    'version 1 without an end' => v1($good) =~ s/\r\n//r,
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
    'version 2, too short for IPv4' => v2_raw(1, 0x11, inet_aton($good)),
    'version 2, too short for IPv6' => v2_raw(1, 0x21, inet_aton($good)),
    'version 2, an impossible length' => substr($whole, 0, 14) . "\xff\xff"
                                         . substr($whole, 16),
);

for my $name (sort keys %broken) {
    my $c = connected($broken{$name});

    $c->half_close;
    is($c->read_all, '', "header, $name: closed without a word");
}

is(scalar(() = $cp->calls), 0, 'the control plane was not asked');
is(login(v1($good)), '', 'the next client is served');

# what stands behind the header in the same segment is the client's
my $c = connected(v2($good) . ssl_request);
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

is(scan(\&v1, map { "198.51.100.$_" } 1 .. 5), $three,
   'a scan from a network');
is(knock(v2('198.51.100.200'), 'ep-1'), '53300', 'is that of its /24');
is(scan(\&v2, map { "198.51.101.$_" } 1 .. 5), $three,
   'another network has its own');
is(scan(\&v1, map { "::ffff:198.51.102.$_" } 1 .. 3), 'R R R', 'mapped');
is(knock(v2('198.51.102.9'), 'ep-1'), '53300', 'is the same network');
is(scan(\&v2, map { "2001:db8:0:1::$_" } 1 .. 5), $three,
   'of IPv6 a /64');
is(scan(\&v1, map { "2001:db8:0:2::$_" } 1 .. 5), $three, 'and another');
is(knock(v1('127.0.0.1'), 'ep-1'), 'R', 'the balancer is none of them');

# where the header is not believed they are all one
my @doubted = map { knock(v1("203.0.$_.1"), 'scan-' . ++$number,
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

for my $case ([ 'version 1', \&v1 ], [ 'version 2', \&v2 ]) {
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

is(login(v2($good)), '', 'a login');
eventually { slurp($log) =~ /^\Q$good\E$/m } 'its address is in the log';

$t->done;
