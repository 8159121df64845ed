#!/usr/bin/perl

# The address of a client is the same on every path: TCP, TLS, PROXY protocol in
# both versions, WebSocket; and of a PROXY header from somebody who is not
# trusted nothing is believed.  57-realip.t has malformed headers, TLVs, LOCAL,
# limits and cancel keys.

use lib 't/lib';
use NeonTest;
use NeonTest::WsClient;

use Socket qw/inet_aton/;

my $t = NeonTest->new;
my $certs = $t->certs;
my $log = $t->dir . '/addresses';
my %port = map { $_ => $t->port } qw/tcp ws tcp_proxy ws_proxy/;

my ($n, $cp, $fc) = $t->front(
    port => $port{tcp},
    stream_head => "log_format address '\$remote_addr';\n"
                   . "access_log $log address;\n",
    stream => <<"END", http => <<"END2");
ssl_certificate $certs/db.crt;
ssl_certificate_key $certs/db.key;
set_real_ip_from 127.0.0.1;

server { listen 127.0.0.1:$port{tcp}; neon_proxy_pass main; }
server { listen 127.0.0.1:$port{tcp_proxy} proxy_protocol;
         neon_proxy_pass main; }
END
log_format address '\$remote_addr';
ssl_certificate $certs/db.crt;
ssl_certificate_key $certs/db.key;
set_real_ip_from 127.0.0.1;

server { listen 127.0.0.1:$port{ws} ssl;
         access_log $log address;
         location / { neon_proxy_websocket main; } }
server { listen 127.0.0.1:$port{ws_proxy} ssl proxy_protocol;
         access_log $log address;
         real_ip_header proxy_protocol;
         location / { neon_proxy_websocket main; } }
END2

my ($good, $bad) = ('127.0.0.2', '127.0.0.3');
my $host = 'ep-1.db.example.com';

sub header {
    my ($version, $from) = @_;

    return "PROXY TCP4 $from $from 56324 5432\r\n" if $version == 1;
    return "\r\n\r\n\0\r\nQUIT\n\x21\x11" . pack('n', 12)
           . inet_aton($from) x 2 . pack('nn', 56324, 5432);
}

# logs in from an address, behind a PROXY header that says it or from there
# itself: '' or what it was told

my %path = (
    'TLS' => sub { $t->enter($n, port => $port{tcp}, @_) },
    'direct TLS' => sub { $t->enter($n, port => $port{tcp}, tls => 'direct',
                                    @_) },
    'WebSocket' => sub { ws($port{ws}, '', @_) },
    (map { my $v = $_;
        "PROXY v$v" => sub {
            my (%o) = @_;
            my $c = $t->client(port => $port{tcp_proxy}, source => $o{via});

            $c->send(header($v, $o{source}));
            return $c->login(sni => $host, password => 'pw');
        },
        "PROXY v$v, WebSocket" => sub {
            my (%o) = @_;
            return ws($port{ws_proxy}, header($v, $o{source}),
                      source => $o{via});
        },
    } 1, 2),
);

sub ws {
    my ($port, $header, %o) = @_;

    my $c = NeonTest::WsClient->new(port => $port, source => $o{source});

    $c->send_raw($header) if $header ne '';
    $c->start_tls(sni => $host);
    $c->upgrade(host => $host);
    return $c->login(password => 'pw');
}

sub refusal {
    return "28000 This IP address $_[0] is not allowed to connect to this"
           . ' endpoint.';
}

$cp->rules('ep-1', allowed_ips => [ $good ]);

for my $path (sort keys %path) {
    my $c = $path{$path}->(source => $good);
    my $logged = () = slurp($log) =~ /^\Q$good\E$/mg;

    $t->served("$path, from a good address", $c);
    eventually { $logged < (() = slurp($log) =~ /^\Q$good\E$/mg) }
               "$path: the access log has it";

    is($path{$path}->(source => $bad)->error_text, refusal($bad),
       "$path, from a bad one: refused");
    next if $path !~ /PROXY/;

    # the header of somebody who is not trusted, be he the bad one or any other
    for my $via ($bad, '127.0.0.9') {
        is($path{$path}->(source => $good, via => $via)->error_text,
           refusal($via), "$path, from $via: not believed");
    }
}

# what names an address of its own is no address
$cp->rules('ep-1', allowed_ips => [ '127.0.0.1' ]);

for my $path (sort keys %path) {
    isnt($path{$path}->(source => $bad)->error_text, '',
         "$path: it is not the proxy's own");
}

$t->done;
