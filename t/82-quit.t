#!/usr/bin/perl

# A worker without clients leaves at once: no connection that is kept to the
# control plane, no cache and no timer of a session that ended holds it.

use lib 't/lib';
use NeonTest;
use NeonTest::WsClient;

my $t = NeonTest->new;
my $port = $t->port;
my ($n, $cp, $fc) = $t->front(cache => 1,
    main => "websocket_insecure on;\nwebsocket_ping 1h;\n",
    http => <<"END");
server {
    listen 127.0.0.1:$port;
    location / { neon_proxy_websocket main; }
}
END

# a name, and no address, to look up
$cp->endpoint('ep-1', address => 'localhost:' . $fc->port);

sub warm {
    # by SCRAM, as one who is unknown, by a password that is checked on the
    # thread pool
    my $c = $t->enter($n);
    is($c->error_text, '', 'a session');
    $c->close;

    $t->enter($n, sni => 'ep-9.db.example.com')->close;

    $c = NeonTest::WsClient->new(port => $port);
    $c->upgrade;
    $c->login(password => 'pw');
    is($c->error_text, '', 'a session over WebSocket');
    $c->close;
}

warm();
warm();

# that the control plane keeps its side open is what makes the test one
my %used;
$used{ $_->{connection} }++ for $cp->calls;
cmp_ok((sort { $b <=> $a } values %used)[0], '>', 1,
       'the connection to the control plane was kept');

my ($worker) = $n->workers;

is($n->quit, 0, 'nginx quits');
ok(!kill(0, $worker), 'the worker is gone');
like($n->log, qr/worker process $worker exited with code 0/, 'by itself');

$t->done;
