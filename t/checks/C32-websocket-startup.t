#!/usr/bin/perl

# A startup over WebSocket however it is cut: over frames, several messages in
# one, a byte in each, pings between them, the password pipelined.  65- and
# 66-websocket*.t have the rest: text and Close frames, back-pressure.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;
use NeonTest::WsClient;

my $t = NeonTest->new;
my $port = $t->port;
my ($n) = $t->front(main => "websocket_insecure on;\n",
    http => "server { listen 127.0.0.1:$port;"
            . ' location / { neon_proxy_websocket main; } }');

my $startup = startup_packet([ user => 'alice', database => 'app' ]);
my $password = message('p', "pw\0");
my $query = message('Q', "hello\0");

my %cut = (
    'whole' => [ $startup ],
    'two frames' => [ unpack '(a10)2 a*', $startup ],
    'a byte in each' => [ split //, $startup ],
    'the password in its frame' => [ $startup . $password ],
    'all in one frame' => [ $startup . $password . $query ],
    'all of it, a byte in each' => [ split //, $startup . $password . $query ],
    'across the borders' => [ unpack '(a13)*', $startup . $password . $query ],
);

for my $name (sort keys %cut) {
    for my $ping (0, 1) {
        my $c = NeonTest::WsClient->new(port => $port);
        my $sent = join '', @{ $cut{$name} };

        $c->upgrade(host => 'ep-1.db.example.com');

        for my $piece (@{ $cut{$name} }) {
            $c->send_frame($piece);
            $c->send_frame('ping', opcode => 9) if $ping;
        }

        $c->send($password) if $sent !~ /pw\0/;
        $c->send($query) if $sent !~ /hello/;

        # the password may have gone before it was asked for
        while (my $m = $c->read_message) {
            is($m->{type}, 'Z', "$name: " . $m->{body}) if $m->{type} eq 'E';
            last if $m->{type} =~ /[ZE]/;
        }

        my $what = $name . ($ping ? ', with pings' : '');
        is($c->result->{rows}[0][0], 'hello', "$what: served");

        # one pong may answer several pings
        ok(scalar @{ $c->{pongs} }, "$what: a pong") if $ping;
        $c->close;
    }
}

$t->done;
