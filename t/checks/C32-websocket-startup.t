#!/usr/bin/perl

# A startup over WebSocket however it is cut: over frames, or fragments of one,
# several messages in one, a byte in each, pings between them, each in segments
# of its own, the password pipelined.  65- and 66-websocket*.t have the rest:
# text and Close frames, back-pressure.

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

# how the pieces are sent, each of them, and what is between two of them
my %how = (
    'frames' => [ 0, '' ],
    'frames and pings' => [ 0, 'ping' ],
    'fragments' => [ 1, '' ],
    'fragments and pings' => [ 1, 'ping' ],
);

# what TCP makes of them
my %segments = (
    'as they come' => sub { @_ },
    'byte by byte' => sub { map { split // } @_ },
);

# the frames of one way to send the pieces
sub frames {
    my ($how, @pieces) = @_;

    my ($fragments, $ping) = @$how;

    return map {
        my $last = $_ == $#pieces;

        (NeonTest::WsClient::frame($pieces[$_],
             $fragments ? (opcode => $_ ? 0 : 2, fin => $last) : ()),
         $ping ? NeonTest::WsClient::frame($ping, opcode => 9) : ())
    } 0 .. $#pieces;
}

for my $name (sort keys %cut) {
    for my $how (sort keys %how) {
        for my $segments (sort keys %segments) {
            served($name, $how, $segments);
        }
    }
}

sub served {
    my ($name, $how, $segments) = @_;

    my $what = "$name, $how, $segments";
    my $sent = join '', @{ $cut{$name} };
    my $c = NeonTest::WsClient->new(port => $port);

    $c->upgrade(host => 'ep-1.db.example.com');

    for my $bytes ($segments{$segments}->(frames($how{$how},
                                                 @{ $cut{$name} })))
    {
        $c->send_plain($bytes);
    }

    $c->send($password) if $sent !~ /pw\0/;
    $c->send($query) if $sent !~ /hello/;

    # the password may have gone before it was asked for
    while (my $m = $c->read_message) {
        is($m->{type}, 'Z', "$what: " . $m->{body}) if $m->{type} eq 'E';
        last if $m->{type} =~ /[ZE]/;
    }

    is($c->result->{rows}[0][0], 'hello', "$what: served");

    # one pong may answer several pings
    is($c->{pongs}[-1], 'ping', "$what: a pong") if $how =~ /ping/;
    $c->close;
}

$t->done;
