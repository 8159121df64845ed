#!/usr/bin/perl

# worker_shutdown_timeout: clients get whole messages and 57P01 behind them,
# and what still runs at the compute is canceled.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;
use NeonTest::WsClient;

my $t = NeonTest->new;
my $port = $t->port;
my $go = $t->dir . '/go';

my $row = message('D', pack('nN', 1, 1000) . 'x' x 1000);

# what the compute does with a query is the name of the database

my %role = (
    idle => sub { $_[0]->serve },
    busy => sub { $_[0]->read_message },

    # the rest comes when the time is over
    half => sub {
        my ($c) = @_;

        $c->read_message;
        $c->send($row . substr $row, 0, 500);
        select undef, undef, undef, 0.01 while !-e $go;
        $c->send(substr($row, 500) . substr $row, 0, 3);
    },

    # half a header, and then nothing
    never => sub {
        my ($c) = @_;

        $c->read_message;
        $c->send(substr $row, 0, 3);
    },

    flood => sub {
        my ($c) = @_;

        $c->read_message;
        eval { $c->send($row x 100) while 1 };
    }
);

my ($n, $cp, $fc) = $t->front(
    globals => "worker_shutdown_timeout 500ms;\n",
    main => "websocket_insecure on;\nclient_timeout 1h;\n",
    http => "server { listen 127.0.0.1:$port;"
            . " location / { neon_proxy_websocket main; } }\n",
    compute => sub {
        my ($c) = @_;

        my $p = $c->startup or return;
        $c->welcome;
        eval { $role{$p->{database}}->($c) };
        $c->read_all;
    });

sub ws {
    my ($database) = @_;

    my $c = NeonTest::WsClient->new(port => $port);
    $c->upgrade(host => 'ep-1.db.example.com');

    return $c->login(password => 'pw', database => $database);
}

my %c = map { $_ => $t->enter($n, database => $_) } keys %role;
$c{"ws $_"} = ws($_) for keys %role;

# many: the connections of their cancel requests are closed in the same turn
my @crowd = map { $t->enter($n, database => 'busy') } 1 .. 30;
$_->send(message('Q', "go\0")) for @crowd;

$c{$_}->send(message('Q', "go\0")) for grep { !/idle/ } keys %c;
is($c{$_}->read_message->{type}, 'D', "$_: a row") for grep { /half/ } keys %c;

# a client's own message may be in the middle
$c{part} = $t->enter($n, database => 'idle');
$c{part}->send("Q\0\0");

# and a client whose TLS has only begun
my $begun = $t->client(port => $n->port);
$begun->send(ssl_request);
is($begun->read_n(1), 'S', 'a TLS handshake begins');

eventually { $fc->connections == 41 } 'all are there';
$n->signal('QUIT');
$n->log_like(qr/\(shutdown, SQLSTATE 57P01\)/, 'the time is over');
spew($go, '');

my %rows;

# who reads nothing for 2 seconds is not waited for
for my $name (sort { $b =~ /flood/ <=> $a =~ /flood/ } keys %c) {
    my $c = $c{$name};
    my ($m, @whole);

    $rows{$name} = 0;

    while ($m = eval { $c->read_message(60) }) {
        last if $m->{type} ne 'D';
        push @whole, length $m->{body};
        $rows{$name}++;
    }

    ok(!(grep { $_ != 1006 } @whole), "$name: whole messages");

    if ($name =~ /never/) {
        is($m, undef, "$name: nothing can be said");

    } else {
        is($m && $m->{type} eq 'E' && error_fields($m->{body})->{C}, '57P01',
           "$name: it is said");
        is(eval { $c->read_all }, '', "$name: nothing behind it");
    }

    $c->drop;
}

is(eval { $begun->read_all }, '', 'in a TLS handshake: the end');
like($n->log, qr/\(shutdown, SQLSTATE 57P01\) while SSL handshaking/,
     'in a TLS handshake: why');

is($rows{$_}, 1, "$_: the rest of the row, and no more")
    for 'half', 'ws half';
cmp_ok($rows{flood}, '>', 0, 'flood: rows until then');

is($n->{process}->wait(20 * $NeonTest::slow), 0, 'then nginx ends');

# busy, half, never and flood, twice
eventually { scalar(() = $fc->notes('cancel')) == 8 + @crowd }
    'queries are canceled';

$t->done;
