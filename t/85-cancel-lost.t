#!/usr/bin/perl

# Clients that are lost right behind what they said: PostgreSQL does not look at
# a cancel request that comes before the query, nor does one end what was
# pipelined behind that.  Nothing may run on all the same.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;
use NeonTest::WsClient;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $port = $t->port;

# many at the same time: a compute may take long to begin
my $n = $t->nginx(
    main => $t->static($pg) . "websocket_insecure on;\nconnect_timeout 10s;\n",
    plain => 1,
    http => "server { listen 127.0.0.1:$port;"
            . ' location / { neon_proxy_websocket main; } }');

my $sleep = message('Q', "select pg_sleep(60)\0");
my $close = NeonTest::WsClient::frame(pack('n', 1000), opcode => 8);

# the same in the extended protocol
my $batch = message('P', "\0select pg_sleep(60)\0" . pack('n', 0))
            . message('B', "\0\0" . pack('nnn', 0, 0, 0))
            . message('E', "\0" . pack('N', 0)) . message('S');

sub tcp {
    my ($tls) = @_;

    my $c = $t->enter($n, tls => $tls, password => $pg->password('alice'),
                      params => [ options => 'endpoint=ep-1' ]);
    die $c->error_text . "\n" if $c->error;
    return $c;
}

sub ws {
    my $c = NeonTest::WsClient->new(port => $port);

    $c->upgrade(host => 'ep-1.db.example.com');
    $c->login(password => $pg->password('alice'));
    die $c->error_text . "\n" if $c->error;
    return $c;
}

my %lost = (
    'WebSocket, Close' => [ \&ws, sub {
        $_[0]->send_plain(NeonTest::WsClient::frame($_[1]) . $close)
    } ],
    'WebSocket, FIN' => [ \&ws, sub { $_[0]->send($_[1]); $_[0]->drop } ],
    'WebSocket, RST' => [ \&ws, sub { $_[0]->send($_[1]); $_[0]->abort } ],
    (map { my $tls = $_; "TCP, $tls, RST" => [ sub { tcp($tls) }, sub {
        $_[0]->send($_[1]);

        # else the kernel drops what the proxy has not read
        select undef, undef, undef, 0.005;
        $_[0]->abort;
    } ] } qw/none inband/),
);

my %said = ('a query' => $sleep, 'a batch' => $batch,
            'three queries' => $sleep x 3,
            'a transaction' => message('Q', "begin\0") . $sleep . $sleep);

sub active {
    return $pg->sql("select count(*) from pg_stat_activity where usename ="
                    . " 'alice' and query like '%pg_sleep%'"
                    . " and state = 'active'");
}

for my $how (sort keys %lost) {
    my ($enter, $leave) = @{ $lost{$how} };

    for my $what (sort keys %said) {
        my @clients = map { $enter->() } 1 .. 8;

        $leave->($_, $said{$what}) for @clients;
        eventually { $pg->sessions('alice') == 0 } "$how behind $what: canceled"
            or diag active() . ' are active';
        $pg->sql("select pg_terminate_backend(pid) from pg_stat_activity"
                 . " where usename = 'alice'");
    }
}

is(tcp('inband')->value('select 42'), 42, 'the next client');



# --- computes that do not end the query ----------------------------------

# by the user, as a query names itself
my ($stubborn, undef, $fc) = $t->front(plain => 1, compute => sub {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;

    my ($type, $sql) = $c->read_message;
    $sql =~ s/\0\z//;
    $c->note(asked => $sql);

    if ($sql eq 'dies') {
        $c->until_canceled;
        $c->reset;

    } else {
        # for as long as the proxy is there
        $c->read_all;
    }

    $c->note(over => $sql);
});

sub over { scalar grep { $_ eq $_[0] } $fc->notes('over') }

for my $how (qw/ignores dies/) {
    my $cancels = () = $fc->notes('cancel');
    my $c = $t->enter($stubborn, tls => 'inband');

    $c->send(message('Q', "$how\0"));
    eventually { grep { $_ eq $how } $fc->notes('asked') } "$how: it runs";
    $c->abort;

    eventually { over($how) } "a compute that $how: its connection is closed";
    my $more = (() = $fc->notes('cancel')) - $cancels;

    # 20 ms, 40, 80 ... until connect_timeout, 2 s, is over
    $how eq 'ignores' ? cmp_ok($more, '>', 1, 'it is asked again')
                      : cmp_ok($more, '>', 0, 'it was asked');
    cmp_ok($more, '<', 10, 'and not without end');
}

# nor does a worker that quits wait for longer
my $c = $t->enter($stubborn, tls => 'inband');
my $before = over('ignores');
$c->send(message('Q', "ignores\0"));
eventually { (() = $fc->notes('asked')) == 3 } 'quit: it runs';
$c->abort;
$stubborn->quit;
eventually { over('ignores') > $before } 'quit: the connection is closed';

$t->done;
