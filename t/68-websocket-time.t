#!/usr/bin/perl

# W11: the timeouts of http end with the upgrade.  They are a second here, and
# a WebSocket session outlives each of them several times.

use lib 't/lib';
use NeonTest;
use NeonTest::WsClient;
use NeonTest::Wire;

use IO::Select;
use IO::Socket::INET;

use constant { SIZE => 32 << 20, TIMES => 3 };

my $t = NeonTest->new;
my ($port, $secure) = map { $t->port } 1 .. 2;
my $certs = $t->certs;
my $host = 'ep-1.db.example.com';

sub compute {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;
    $c->serve(sub { $_[0] eq 'long' ? 'd' x SIZE : $_[0] });
}

my ($n) = $t->front(
    compute => \&compute,
    main => "websocket_insecure on;\nwebsocket_ping off;\n"
            . "client_timeout 600s;\nwake_timeout 600s;\n",
    http => <<"END");
client_header_timeout 1s;
client_body_timeout 1s;
keepalive_timeout 1s;
send_timeout 1s;
lingering_time 1s;
lingering_timeout 1s;
reset_timedout_connection on;

server {
    listen 127.0.0.1:$port;
    location / { neon_proxy_websocket main; }
}

server {
    listen 127.0.0.1:$secure ssl http2;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    location / { neon_proxy_websocket main; }
}
END

# the request itself has a second: a busy machine tries again

sub open_ws {
    my ($tls) = @_;

    return eventually {
        my $c = eval {
            my $new = NeonTest::WsClient->new(port => $tls ? $secure : $port);
            $new->start_tls(sni => $host) if $tls;
            $new->upgrade(host => $host);
            $new;
        };
        $c && $c->{upgraded} && $c;
    } undef, 60;
}

# nginx ends connections that say nothing, or nothing more: its timeouts went
# by, on its own clock

sub timed_out {
    my ($name, @bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    my @sockets = map {
        my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
            or die "connect: $!\n";
        $socket->syswrite($_) if length;
        $socket;
    } @bytes;

    my $ended = 0;

    for my $socket (@sockets) {
        my $select = IO::Select->new($socket);

        while ($select->can_read(30 * $NeonTest::slow)) {
            next if $socket->sysread(my $answer, 65536);
            $ended++;
            last;
        }
    }

    is($ended, @bytes, $name);
}


# --- where a WebSocket may be silent --------------------------------------

my %silent;

for my $tls (0, 1) {
    my $name = $tls ? 'https' : 'http';
    my $c = $silent{"$name: after the upgrade"} = open_ws($tls);

    $c = $silent{"$name: before the password"} = open_ws($tls);
    $c->send(startup_packet([ user => 'alice', database => 'app' ]));
    is($c->read_message->{type}, 'R', "$name: the password is asked for");

    $c = $silent{"$name: in a session"} = open_ws($tls);
    $c->login(password => 'pw');
    is($c->value('hello'), 'hello', "$name: a session");

    # it takes nothing of what it asked for
    $c = $silent{"$name: behind on reading"} = open_ws($tls);
    $c->login(password => 'pw');
    $c->send(message('Q', "long\0"));
    ok($c->readable(30), "$name: an answer comes");
}

timed_out("client_header_timeout and keepalive_timeout, the $_.", '',
          "GET / HTTP/1.1\r\nHo", "GET / HTTP/1.1\r\nHost: $host\r\n\r\n")
    for 1 .. TIMES;

for my $name (sort keys %silent) {
    my $c = $silent{$name};

    if ($name =~ /upgrade/) {
        $c->login(password => 'pw');

    } elsif ($name =~ /password/) {
        $c->password_message('pw');
        $c->authenticate;

    } elsif ($name =~ /reading/) {
        my $text = $c->result(120)->{rows}[0][0];
        ok($text eq 'd' x SIZE, "W11: $name: all of it came");
    }

    is($c->error_text, '', "W11: $name: no error");
    is($c->value('hello'), 'hello', "W11: $name: it goes on");

    $c->send(message('X'));
    $c->read_to_end;
    is($c->{close} && $c->{close}{code}, 1000, "W11: $name: Close");
    ok($c->{ended}, "W11: $name: the end");
}

unlike($n->log, qr/timed out.*session: /, 'W11: no line in the log');

$t->done;
