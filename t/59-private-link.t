#!/usr/bin/perl

# Private links: the id that a balancer of AWS or Azure puts into the header of
# PROXY protocol, version 2, in a variable and in the rules of an endpoint.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;
use NeonTest::WsClient;

use JSON::PP ();
use Socket qw/inet_aton/;

my ($yes, $no) = (JSON::PP::true(), JSON::PP::false());

my $t = NeonTest->new;
my $cp = $t->control_plane(cache => 1);
my $fc = $t->fake_compute(\&NeonTest::welcome);
my $certs = $t->certs;

$cp->role('ep-1', alice => NeonTest::Scram::verifier('pw'));
$cp->endpoint('ep-1', address => $fc->address);

my %port = map { $_ => $t->port } qw/private doubted public bare ws wss/;
my $log = $t->dir . '/access.log';
my $tls = "ssl_certificate $certs/db.crt; ssl_certificate_key $certs/db.key;";
my $trust = 'set_real_ip_from 127.0.0.1;';
my $head = "log_format link '\$remote_addr|\$neon_vpc_endpoint_id|"
           . "\$neon_secret_cache|\$neon_sqlstate';\n";

sub nginx {
    my ($main) = @_;

    my $plane = $cp->directives;

    return $t->nginx(
        port => $port{private},
        main => "$plane private_access on; websocket_insecure on; $main",
        globals => "neon_proxy public { $plane secret_cache size=0; }",
        stream_head => "$head access_log $log link;\n",
        stream => <<"END", http => <<"END");
server {
    listen 127.0.0.1:$port{private} proxy_protocol;
    $trust $tls
    neon_proxy_pass main;
}
server {
    listen 127.0.0.1:$port{doubted} proxy_protocol;
    $tls
    neon_proxy_pass main;
}
server {
    listen 127.0.0.1:$port{public} proxy_protocol;
    $trust $tls
    neon_proxy_pass public;
}
server {
    listen 127.0.0.1:$port{bare};
    $tls
    neon_proxy_pass main;
}
END
$head
server {
    access_log $log link;
    listen 127.0.0.1:$port{ws} proxy_protocol;
    listen 127.0.0.1:$port{wss} ssl proxy_protocol;
    $trust $tls
    real_ip_header proxy_protocol;
    location / { neon_proxy_websocket main; }
    location = /empty { return 204; }
}
END
}

# 10.1.2.3: an address of some private network
sub from {
    my (@tlvs) = @_;

    return proxy_v2('10.1.2.3', @tlvs);
}

sub aws   { return 0xea => "\1$_[0]" }
sub azure { return 0xee => "\1" . pack('V', $_[0]) }

sub connected {
    my ($header, %o) = @_;

    my $c = $t->client(port => $port{$o{to} // 'private'});
    $c->send($header);

    return $c;
}

sub enter {
    my ($header, %o) = @_;

    my $c;
    my $to = $o{to} // '';

    if ($to =~ /^ws/) {
        $c = NeonTest::WsClient->new(port => $port{$to});
        $c->send_plain($header);
        $c->start_tls(sni => 'ep-1.db.example.com') if $to eq 'wss';
        $c->upgrade;
        $c->login(password => 'pw', %o);

    } else {
        $c = connected($header, %o);
        $c->login(sni => 'ep-1.db.example.com', password => 'pw', %o);
    }

    return $c;
}

sub login {
    my ($header, %o) = @_;

    my $c = enter($header, %o);
    my $error = $c->error_text;
    $c->close;

    return $error;
}

my $missing = '28000 VPC endpoint ID is not specified. This endpoint requires'
              . ' a VPC endpoint ID to connect.';
my $blocked = '28000 This connection is trying to access this endpoint from a'
              . ' blocked network.';

sub not_allowed {
    my ($id) = @_;

    return "28000 This VPC endpoint id $id is not allowed to connect to this"
           . ' endpoint.';
}

sub rules { $cp->rules('ep-1', @_) }


# --- what a header says ---------------------------------------------------

my $n = nginx("secret_cache size=0;\n");
my ($one, $two) = ('vpce-08d2bf15fac5001c9', 'vpce-0123456789abcdef0');

rules();

is(login(from(aws($one))), '', 'AWS');
is(login(from(aws($one)), tls => 'direct'), '', 'AWS, direct TLS');
is(login(from(azure(4711))), '', 'Azure');
is(login(from(0x03 => 'crc!', aws($one), 0x04 => "\0" x 5)), '',
   'among others');
is(login(proxy_v2('2001:db8::7', aws($one))), '', 'over IPv6');
is(login(from(aws($one)), to => $_), '', "over $_") for qw/ws wss/;

my %none = (
    'no TLV' => from(),
    'another one' => from(0x04 => "\0" x 5),
    'another subtype' => from(0xea => "\2$one"),
    'an empty one of AWS' => from(0xea => ''),
    'an empty id' => from(aws('')),
    'an empty one of Azure' => from(0xee => ''),
    'a short one of Azure' => from(0xee => "\1\0\0\0"),
    'two ids' => from(aws('vpce-1'), aws('vpce-1')),
    'one of each' => from(aws('vpce-1'), azure(1)),
    'a blank' => from(aws('vpce 1')),
    'a control' => from(aws("vpce-1\n")),
    'a cut TLV' => proxy_v2_raw(1, 0x11, inet_aton('10.1.2.3') x 2
                                . "\0\1\0\2" . "\xea\0\x08\1vpce"),
    'LOCAL' => proxy_v2_raw(0, 0x11, inet_aton('10.1.2.3') x 2
                            . "\0\1\0\2" . "\xea\0\x07\1vpce-1"),
    'AF_UNSPEC' => proxy_v2_raw(1, 0, "\xea\0\x07\1vpce-1"),
    'version 1' => proxy_v1('10.1.2.3'),
);

for my $name (sort keys %none) {
    is(login($none{$name}), $missing, "$name: no id");
    is(login($none{$name}, to => 'wss'), $missing, "$name: no id, WebSocket");
}

is(login('', to => 'bare'), $missing, 'no header at all');
is(login(from(aws($one)), to => 'doubted'), $missing, 'not believed');
$n->log_like(qr/names the private link "$one", but its sender is not in "set_/,
             'which the log says');

# who forges a header knows the own address: it is no proof of anything

for my $to (qw/doubted private/) {
    my $c = connected('', to => $to);

    $c->send(proxy_v2_raw(1, 0x11, inet_aton('127.0.0.1') x 2
             . pack('nn', $c->{socket}->sockport, $port{$to})
             . pack('Cn/a', aws($one))));
    $c->login(sni => 'ep-1.db.example.com', password => 'pw');
    is($c->error_text, $missing, "a header with the peer's own address, $to");
    $c->close;
}

is(login(proxy_v2('127.0.0.1', aws($one))), '',
   'a client on the machine of the balancer');
is(login(proxy_v2('127.0.0.1', aws($one)), to => 'doubted'), $missing,
   'who is none, there');

# the id belongs to the connection, not to its first request

my $c = NeonTest::WsClient->new(port => $port{ws});
$c->send_plain(from(aws($one))
               . "GET /empty HTTP/1.1\r\nHost: ep-1.db.example.com\r\n\r\n");
is($c->read_response->{status}, 204, 'a request before');
$c->upgrade;
$c->login(password => 'pw');
is($c->error_text, '', 'the WebSocket behind it');
$c->close;

# before 1.23.2 nginx takes no header of more than 107 bytes

my ($version) = run([ $ENV{NEON_NGINX} || '/usr/sbin/nginx', '-v' ])->{err}
                =~ m{nginx/([\d.]+)};
my $long = from(0x04 => "\0" x 300, aws($one));

if (eval("v$version") ge v1.23.2) {
    is(login($long), '', 'a long header');

} else {
    $c = connected($long);
    $c->half_close;
    is($c->read_all, '', 'a long header: closed');
}


# --- rules ----------------------------------------------------------------

# rules => what the fronts of the private proxy say to $one, and to none

my @rules = (
    [ 'no list' => {}, '', $missing ],
    [ 'an empty list' => { allowed_vpc_endpoint_ids => [] }, '', $missing ],
    [ 'null' => { allowed_vpc_endpoint_ids => undef }, '', $missing ],
    [ 'the id' => { allowed_vpc_endpoint_ids => [ $one ] }, '', $missing ],
    [ 'one of many' => { allowed_vpc_endpoint_ids =>
                         [ (map { "vpce-$_" } 1 .. 200), $one ] },
      '', $missing ],
    [ 'another id' => { allowed_vpc_endpoint_ids => [ $two ] },
      not_allowed($one), $missing ],
    [ 'nearly the id' => { allowed_vpc_endpoint_ids =>
                           [ substr($one, 1), substr($one, 0, -1),
                             uc $one, "$one ", '' ] },
      not_allowed($one), $missing ],
    [ 'only nonsense' => { allowed_vpc_endpoint_ids => [ 'x' x 64 ] },
      not_allowed($one), $missing ],
    [ 'blocked' => { block_vpc_connections => $yes }, $blocked, $blocked ],
    [ 'not blocked' => { block_vpc_connections => $no }, '', $missing ],
    [ 'blocked, and listed' => { block_vpc_connections => $yes,
                                 allowed_vpc_endpoint_ids => [ $one ] },
      $blocked, $blocked ],

    # of the public
    [ 'addresses' => { allowed_ips => [ '192.0.2.7' ] }, '', $missing ],
    [ 'the public is blocked' => { block_public_connections => $yes },
      '', $missing ],
);

for my $case (@rules) {
    my ($name, $rules, $with, $without) = @$case;

    rules(%$rules);
    $cp->forget;

    is(login(from(aws($one))), $with, "$name: with an id");
    is(login(from(aws($one)), to => 'wss'), $with, "$name: WebSocket");
    is(login(from(aws($one)), password => 'wrong'), $with, "$name: a guess")
        if $with;
    is(login(from()), $without, "$name: without one");

    is(scalar(() = $cp->calls('wake')), 0, "$name: nobody was woken")
        if $with && $without;
}

rules(allowed_vpc_endpoint_ids => [ '4711' ]);
is(login(from(azure(4711))), '', 'the number of Azure');
is(login(from(azure(47110))), not_allowed('47110'), 'another one');
is(login(from(aws('4711'))), '', 'a name that reads like it');

$n->log_like(qr/"x{64}" in allowed_vpc_endpoint_ids of endpoint "ep-1" is not/,
             'nonsense is in the log');

# a list that cannot be understood lets nobody in

for my $broken ('{}', '"vpce-1"', '[1]', '[null]') {
    $cp->script(access => { json => {
        role_secret => '', allowed_vpc_endpoint_ids =>
        JSON::PP->new->allow_nonref->decode($broken) } });
    like(login(from(aws($one))), qr/^57P03 /, "$broken for a list");
}


# --- the public proxy -----------------------------------------------------

my $address = '28000 This IP address 10.1.2.3 is not allowed to connect to'
              . ' this endpoint.';

my @public = (
    [ 'no rules' => {}, '' ],
    [ 'blocked' => { block_public_connections => $yes }, $blocked ],
    [ 'addresses' => { allowed_ips => [ '192.0.2.7' ] }, $address ],
    [ 'both' => { allowed_ips => [ '192.0.2.7' ],
                  block_public_connections => $yes }, $address ],
    [ 'blocked, and listed' => { allowed_ips => [ '10.0.0.0/8' ],
                                 block_public_connections => $yes },
      $blocked ],
    [ 'ids' => { allowed_vpc_endpoint_ids => [ $two ] }, '' ],
    [ 'private links are blocked' => { block_vpc_connections => $yes }, '' ],
);

for my $case (@public) {
    my ($name, $rules, $error) = @$case;

    rules(%$rules);
    is(login(from(), to => 'public'), $error, "public, $name");
    is(login(from(aws($one)), to => 'public'), $error,
       "public, $name: an id changes nothing");
}


# --- cancel keys ----------------------------------------------------------

rules();

sub cancels {
    my ($header, $key, %o) = @_;

    my $before = () = $fc->notes('cancel');
    my $k = connected($header . cancel_request(@$key), %o);
    $k->read_all;

    return scalar(() = $fc->notes('cancel')) - $before;
}

for my $to (qw/private wss/) {
    my $s = enter(from(aws($one)), to => $to);
    my $key = [ $s->{pid}, $s->{key} ];

    is($s->error_text, '', "a session, $to");
    is(cancels(from(), $key), 0, "cancel, $to: without an id");
    is(cancels(from(aws($two)), $key), 0, "cancel, $to: another link");
    is(cancels(from(aws($one)), $key, to => 'doubted'), 0,
       "cancel, $to: not believed");
    is(cancels(from(aws($one)), $key, to => 'public'), 0,
       "cancel, $to: by the public proxy");
    is(cancels(from(aws($one)), $key), 1, "cancel, $to: the same link");
    $s->close;
}

# a list of addresses, which is not about these, does not bind the key

rules(allowed_ips => [ '192.0.2.7' ]);
my $s = enter(from(aws($one)));
is(cancels(proxy_v2('10.9.9.9', aws($one)), [ $s->{pid}, $s->{key} ]), 1,
   'cancel: another address of the link');
$s->close;


# --- limits ---------------------------------------------------------------

# the same addresses are in use behind many links

$n->quit;
$n = nginx("limit_unknown rate=1r/m burst=3;\n");
rules();

my $number = 0;

# "R": asked for the password; else the SQLSTATE
sub knock {
    my ($id, $address) = @_;

    my $c = connected(proxy_v2($address, aws($id)) . ssl_request);
    $c->read_n(1) eq 'S' or return 'closed';
    $c->start_tls(sni => 'scan-' . ++$number . '.db.example.com');
    $c->send(startup_packet([ user => 'alice' ]));
    my $m = $c->read_message or return 'closed';
    $c->drop;

    return $m->{type} eq 'E' ? error_fields($m->{body})->{C} : $m->{type};
}

is(join(' ', map { knock($one, "10.1.2.$_") } 1 .. 5), 'R R R 53300 53300',
   'a scan by a link');
is(knock($one, '10.7.7.7'), '53300', 'another address is the same link');
is(join(' ', map { knock($two, "10.1.2.$_") } 1 .. 5), 'R R R 53300 53300',
   'another link has its own');


# --- from the cache, and in the log ---------------------------------------

$n->quit;
unlink $log;
$n = nginx('');
$cp->forget;

rules(allowed_vpc_endpoint_ids => [ $two, '4711' ], allowed_ips => [ '::1' ]);

for my $pass (1, 2) {
    is(login(from(aws($two))), '', "pass $pass: allowed");
    is(login(from(azure(4711)), to => 'wss'), '', "pass $pass: WebSocket");
    is(login(from(aws($one))), not_allowed($one), "pass $pass: refused");
    is(login(from()), $missing, "pass $pass: no id");
}

is(scalar(() = $cp->calls('access')), 1, 'the control plane was asked once');

for my $line ("10.1.2.3|$two|MISS|", "10.1.2.3|$two|HIT|",
              '10.1.2.3|4711|HIT|', "10.1.2.3|$one|HIT|28000",
              '10.1.2.3|-|HIT|28000')
{
    eventually { slurp($log) =~ /^\Q$line\E-?$/m } "the access log: $line";
}

$n->log_like(qr/This VPC endpoint id $one is not allowed/, 'the error log');

rules(allowed_vpc_endpoint_ids => [ 'x' x 64 ]);
$n->quit;
$n = nginx('');

is(login(from(aws($one))), not_allowed($one), "a list of nonsense, $_")
    for 1, 2;

$t->done;
