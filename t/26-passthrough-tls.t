#!/usr/bin/perl

# auth passthrough tls: the server name is read from the ClientHello, and TLS
# is between the client and its compute.  C1, C4: see 30-tls.t.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use NeonTest::Otlp;
use NeonTest::Tls;

my $t = NeonTest->new;
my $r;
my $client = $t->dir . '/client';

$r = run([ qw/openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj/,
           '/CN=mapped', '-keyout', "$client.key", '-out', "$client.crt" ]);
is($r->{rc}, 0, 'a certificate of a client') or diag($r->{err});
chmod 0644, "$client.crt";

my $pg = $t->postgres(ssl => 1, key => 'db',
                      hba => "hostssl all mapped 127.0.0.1/32 cert\n",
                      conf => { ssl_ca_file => "$client.crt" });
my $ec = $t->postgres(ssl => 1, key => 'other');
my $log = $t->dir . '/access.log';
my $main = "control_plane static;\nauth passthrough tls;\n"
           . 'endpoint ep-1 ' . $pg->address . ";\n";

sub nginx {
    my ($main, %o) = @_;

    my $port = $t->port;
    return $t->nginx(port => $port, main => $main, stream_head => <<"END",
log_format t '[\$neon_endpoint|\$neon_user|\$neon_auth_method|\$neon_sqlstate]'
             ' \$bytes_received \$bytes_sent \$status';
access_log $log t;
END
        stream => "server { listen 127.0.0.1:$port; neon_proxy_pass main; }",
        %o);
}

my $n = nginx($main . 'endpoint ep-2 ' . $ec->address . ";\n", workers => 2);

sub enter {
    my (%o) = @_;

    return $t->enter($n, password => $pg->password($o{user} // 'alice'), %o);
}

# a connection to which the proxy has said S

sub asked {
    my ($nginx) = @_;

    my $c = $t->client(port => ($nginx // $n)->port);
    $c->send(ssl_request);
    is($c->read_n(1), 'S', 'SSLRequest: S');
    return $c;
}

sub alert { unpack 'H*', $_[0]->read_all }

my %alert = map { $_->[0] => "15030300020" . sprintf '2%02x', $_->[1] }
            [ unexpected => 10 ], [ illegal => 47 ], [ denied => 49 ],
            [ decode => 50 ], [ version => 70 ], [ internal => 80 ],
            [ name => 112 ], [ alpn => 120 ];

# the ClientHello of a real client

sub hello {
    my (%o) = @_;

    my $tls = NeonTest::Tls->new(sni => 'ep-1.db.example.com', %o);
    $tls->handshake;
    return $tls->output;
}


# --- psql ----------------------------------------------------------------

for my $role (qw/alice bob md5er clear trusty/) {
    my $r = $t->psql('select current_user', port => $n->port, user => $role,
                     password => $pg->password($role));
    is($r->{out}, "$role\n", "psql verify-full: $role") or diag($r->{err});
}

my %alice = (port => $n->port, password => $pg->password('alice'));

for my $mode (qw/require verify-full/) {
    my $r = $t->psql('select ssl from pg_stat_ssl where pid ='
                     . ' pg_backend_pid()', %alice, sslmode => $mode,
                     channel_binding => 'require');
    is($r->{out}, "t\n", "psql $mode, channel_binding=require")
        or diag($r->{err});
}

$r = $t->psql('select current_user', port => $n->port, user => 'mapped',
              sslcert => "$client.crt", sslkey => "$client.key");
is($r->{out}, "mapped\n", 'psql: a client certificate') or diag($r->{err});

$r = $t->psql('select 1', %alice, password => 'wrong');
like($r->{err}, qr/FATAL:  password authentication failed for user "alice"/,
     'psql: a wrong password');

# the other compute shows its own certificate
$r = $t->psql('select 1', %alice, host => 'ep-2.other.example.org',
              channel_binding => 'require');
is($r->{out}, "1\n", 'psql: another compute, another certificate')
    or diag($r->{err});
$r = $t->psql('select 1', %alice, host => 'ep-2.db.example.com');
like($r->{err}, qr/does not match host name/, 'psql: and not the first one');

# in both directions, more than any buffer
$r = $t->psql("create temp table big (x text);\ncopy big from stdin;\n"
              . join('', map { 'x' x 99 . "$_\n" } 1 .. 50000)
              . "\\.\nselect x from big;\n", %alice);
is(length $r->{out}, 50000 * 100 + 238894, 'psql: 5 MB there and back')
    or diag($r->{err});

for my $name ('ep-9.db.example.com', 'nobody.example.com') {
    $r = $t->psql('select 1', %alice, host => $name);
    like($r->{err}, qr/SSL error: tlsv1 unrecognized name/,
         "psql: $name is unknown");
}
$n->log_like(qr/endpoint cannot be found.*no "endpoint" line.*endpoint: ep-9/,
             'the log says it');

$r = $t->psql('select 1', %alice, sslmode => 'disable',
              options => 'endpoint=ep-1');
like($r->{err}, qr/FATAL:  connection is insecure/, 'psql without TLS');

# a psql leaves without waiting for the compute's close_notify, which its
# socket answers with a reset
my $line = qr/^\[ep-[12]\|-\|passthrough\|-\] [1-9]\d* [1-9]\d* (\d+)$/m;
my @status;

eventually { @status = slurp($log) =~ /$line/g; @status == 12 }
           'the log has endpoint, method and bytes';
is("@status", join(' ', (200) x 12), 'and 200 for each psql');
unlike($n->log, qr/connection to the client was lost/, 'none was lost');
unlike($n->log, qr/\[error\]/, 'a psql that ends is no error');


# --- how it may begin ----------------------------------------------------

my @sni = (sni => 'ep-1.db.example.com');

my $c = enter(cbind => 'require');
is($c->value('select 1'), 1, 'SSLRequest, channel binding');
like($c->{tls}->subject, qr/db\.example\.com/, "the compute's certificate");
$c->close;

$c = enter(max => 0x0303, cbind => 'require');
is($c->{tls}->version, 'TLSv1.2', 'TLS 1.2');
$c->close;

$c = $t->client(port => $n->port);
$c->send(gssenc_request);
is($c->read_n(1), 'N', 'GSSENCRequest: N');
$c->login(@sni, password => $pg->password('alice'));
is($c->error_text, '', 'and then by SSLRequest');
$c->close;

# PostgreSQL 15 knows no direct TLS: it gets an SSLRequest
$c = enter(tls => 'direct', cbind => 'require');
is($c->value('select 1'), 1, 'direct TLS');
$c->close;

# a compute that knows ALPN, as PostgreSQL 17: a proxy with a certificate
my $next = $t->nginx(main => $t->static($pg, 'alice'));
my $chain = nginx("control_plane static;\nauth passthrough tls;\n"
                  . 'endpoint ep-1 127.0.0.1:' . $next->port . ";\n");
for my $tls (qw/inband direct/) {
    $c = $t->enter($chain, tls => $tls, cbind => 'require',
                   alpn => [ 'postgresql' ],
                   password => $pg->password('alice'));
    is($c->value('select 1'), 1, "$tls TLS to a compute with ALPN");
    is($c->{tls}->alpn, 'postgresql', "$tls: it is chosen") if $tls eq 'direct';
    $c->close;
}

for my $alpn ([], [ 'h2', 'http/1.1' ]) {
    $c = $t->client(port => $n->port);
    $c->send(hello(alpn => $alpn));
    is(alert($c), $alert{alpn}, 'direct TLS, ALPN "' . "@$alpn" . '"');
}

$c = $t->client(port => $n->port);
$c->send(startup_packet([ user => 'alice', options => 'endpoint=ep-1' ]));
is(error_fields(substr $c->read_all, 5)->{C}, '28000', 'no TLS');

# C4: the name is found however the ClientHello is cut
my $cut = sub { my ($size) = @_; sub { $_[0] =~ /(.{1,$size})/gs } };

$c = enter(send => $cut->(1));
is($c->value('select 1'), 1, 'in segments of 1 byte');
$c->close;

sub records {
    my ($message, $size) = @_;

    return join '', map { "\x16\x03\x01" . pack('n', length) . $_ }
                    $message =~ /(.{1,$size})/gs;
}

# a ClientHello comes in one record
sub rerecord { records(substr($_[0], 5), $_[1]) }

for my $case ([ 'records of 20 bytes', 20 ], [ 'records of 1 byte', 1 ]) {
    my ($name, $size) = @$case;

    my $first = 1;
    $c = eval { enter(max => 0x0303, send => sub {
        return $first-- == 1 ? rerecord($_[0], $size) : $_[0];
    }) };
    is($c && $c->value('select 1'), 1, "in $name") or diag($@);
    $c->close if $c;
}

$c = asked();
$c->start_tls(@sni, send => $cut->(1400), ticket => 'x' x 12000,
              max => 0x0303);
$c->send(startup_packet([ user => 'alice', database => 'app' ]));
$c->authenticate(password => $pg->password('alice'));
is($c->value('select 1'), 1, 'a ClientHello of 12 KB, in segments of 1400');
$c->close;


# --- what is no ClientHello ----------------------------------------------

my $whole = hello();

for my $case (
    [ 'plaintext behind SSLRequest (C1)',
      startup_packet([ user => 'alice' ]), 'unexpected' ],
    [ 'a second SSLRequest', ssl_request, 'unexpected' ],
    [ 'HTTP', "GET / HTTP/1.1\r\n\r\n", 'unexpected' ],
    [ 'application data', "\x17\x03\x03\0\5hello", 'unexpected' ],
    [ 'SSL 2', "\x16\x02\0\0\5hello", 'version' ],
    [ 'a ServerHello', "\x16\x03\x03\0\4\2\0\0\0", 'unexpected' ],
    [ 'a giant', "\x16\x03\x01\x40\0\1\0\x40\0", 'illegal' ],
    [ 'a real giant', records("\1\0\x4e\x20" . 'x' x 20000,
                                      16000), 'illegal' ],
    [ 'a truncated one', "\x16\x03\x01\0\x08\1\0\0\4\3\3xx", 'decode' ],
    [ 'data behind it', do { my $x = $whole; substr $x, 3, 2,
      pack 'n', length($whole) - 5 + 4; "$x\1\0\0\0" }, 'unexpected' ],
    [ 'a name with a space', $whole =~ s/ep-1\.db/ep 1.db/r, 'name' ],
    [ 'a name with a NUL', $whole =~ s/ep-1\.db/ep-1\0db/r, 'name' ],
    [ 'no name', hello(sni => undef), 'name' ],
    [ 'an unknown name', hello(sni => 'ep-9.db.example.com'), 'name' ],
    [ 'an impossible name', hello(sni => 'a_b.db.example.com'), 'name' ],
) {
    my ($name, $bytes, $alert) = @$case;

    $c = $t->client(port => $n->port);
    $c->send(ssl_request . $bytes);
    is($c->read_n(1), 'S', "$name: S");
    is(alert($c), $alert{$alert}, "$name: alert $alert");
}

$n->log_like(qr/TLS ClientHello is too long \(protocol, SQLSTATE 08P01\)/,
             'the log says why');
$n->log_like(qr/Endpoint ID is not specified/, 'and of a missing name');


# --- cancel --------------------------------------------------------------

sub sleeping {
    return $pg->sql("select count(*) from pg_stat_activity where query like"
                    . " '%pg_sleep%' and state = 'active'"
                    . " and usename = 'alice'");
}

$c = enter();
$c->send(message('Q', "select pg_sleep(60)\0"));
eventually { sleeping() };

# the key is the compute's own, and inside TLS: in clear it leads nowhere
my $k = $t->client(port => $n->port);
$k->send(cancel_request(@$c{qw/pid key/}));
is($k->read_all, '', 'a cancel request in clear: closed');
$n->log_like(qr/cancel request \(cancel\): no such key/, 'the log says why');
is(sleeping(), 1, 'and the query goes on');

# as libpq 17 does it
$k = asked();
$k->start_tls(@sni);
$k->send(cancel_request(@$c{qw/pid key/}));
is($k->read_all, '', 'a cancel request in TLS');
is($c->result->{error}{C}, '57014', 'is routed like a session');
is($c->value('select 1'), 1, 'which goes on');
$c->close;


# --- computes ------------------------------------------------------------

sub read_hello {
    my ($c) = @_;

    my $head = $c->read_n(5);
    $c->note(hello => unpack 'H*', $head . $c->read_n(unpack 'x3n', $head));
}

my %compute = (
    no => sub { $_[0]->startup },
    more => sub { $_[0]->read_n(8); $_[0]->send("S\x15\3\3\0\2\2\x28");
                  $_[0]->hang },
    error => sub { $_[0]->read_n(8);
                   $_[0]->error(S => 'FATAL', C => '53300', M => 'full') },
    closes => sub { $_[0]->read_n(8) },
    silent => sub { $_[0]->hang },
    reset => sub { $_[0]->read_n(8); $_[0]->send('S'); read_hello($_[0]);
                   $_[0]->send('last words'); select undef, undef, undef, 0.1;
                   $_[0]->reset },
    second => sub { $_[0]->read_n(8); return if $_[0]{n} < 3;
                    $_[0]->send('S'); read_hello($_[0]);
                    $_[0]->send('told') },
    echo => sub { my ($c) = @_; $c->note(ssl => unpack 'H*', $c->read_n(8));
                  $c->send('S'); read_hello($c); $c->send('down');
                  $c->note(rest => $c->read_all); $c->send('late') },
);

my %fc = map { $_ => $t->fake_compute($compute{$_}) } keys %compute;

my $m = nginx(<<'END' . join '', map { "endpoint $_ " . $fc{$_}->address
control_plane static;
auth passthrough tls;
connect_retry attempts=4 base=1ms factor=1;
connect_timeout 15s;
END
    . ";\n" } sort keys %fc);

sub reach {
    my ($name, $nginx) = @_;

    my $c = asked($nginx // $m);
    $c->send(hello(sni => "$name.db.example.com"));
    return alert($c);
}

for my $name (qw/no more error closes/) {
    is(reach($name), $alert{internal}, "a compute that says $name: an alert");
}

$r = $t->psql('select 1', %alice, port => $m->port,
              host => 'no.db.example.com');
like($r->{err}, qr/SSL error: tlsv1 alert internal error/, 'psql: the same');

$m->log_like(qr/compute does not support TLS/, 'the log: N');
$m->log_like(qr/more than one byte in answer to SSLRequest/,
             'the log: S and more (C1)');
$m->log_like(qr/compute refused the SSLRequest/, 'the log: an error');
$m->log_like(qr/closed the connection after SSLRequest/, 'the log: EOF');

my $hurry = nginx("control_plane static;\nauth passthrough tls;\n"
                  . 'endpoint silent ' . $fc{silent}->address . <<'END');
;
connect_retry attempts=2 base=1ms factor=1;
connect_timeout 300ms;
client_timeout 1s;
END
is(reach('silent', $hurry), $alert{internal}, 'a compute that is silent');
$hurry->log_like(qr/TLS negotiation timed out/, 'the log: time');
cmp_ok($fc{closes}->connections, '>=', 4, 'connect_retry');

$c = asked($m);
$whole = hello(sni => 'second.db.example.com');
$c->send($whole);
is($c->read_all, 'told', 'the third attempt succeeds');
is(join(' ', $fc{second}->notes('hello')), unpack('H*', $whole),
   'it gets the ClientHello as it was');

$c = asked($m);
$whole = hello(sni => 'echo.db.example.com');
$c->send($whole);
is($c->read_n(4), 'down', 'whatever the compute says');
$c->send('up');
$c->half_close;
is($c->read_all, 'late', 'reaches the client, also when that has ended');
is(join(' ', $fc{echo}->notes('ssl')), unpack('H*', ssl_request),
   'the compute gets an SSLRequest');
is(join(' ', $fc{echo}->notes('hello')), unpack('H*', $whole),
   'then the ClientHello as it was');
is(join(' ', $fc{echo}->notes('rest')), 'up', 'then the rest');

my $lines = () = $m->log =~ /\[error\]/g;
$c = asked($m);
$c->send(hello(sni => 'reset.db.example.com'));
is($c->read_all, 'last words', 'a compute that resets: what it said arrives');
is(scalar(() = $m->log =~ /\[error\]/g), $lines,
   'no error: PostgreSQL ends like this, and who is to blame is not seen');

my $col = $t->collector;
my $any = nginx("control_plane static;\nauth passthrough tls;\nendpoint * "
                . $pg->address . ";\ndomains *.db.example.com;\n"
                . "limit_connections rate=1r/m burst=2;\n"
                . $col->directive);
for my $name (qw/ep-1 ep-9 a-name/) {
    $c = $t->enter($any, sni => "$name.db.example.com",
                   password => $pg->password('alice'));
    is($c->value('select 1'), 1, "endpoint *: $name");
    $c->close;
}

my @spans = $col->sessions(3);
is(join("\n", NeonTest::Otlp::faults(\@spans)), '', 'spans: no faults');
my %tls = map { ($_->{attr}{'neon.tls'} // '') => 1 } grep {
              $_->{name} eq 'handshake' } @spans;
is(join(' ', sort keys %tls), 'passthrough', 'spans: neon.tls');

$c = asked($any);
$c->send(hello(sni => 'ep-1.other.example.org'));
is(alert($c), $alert{name}, 'endpoint *: not a name outside of domains');

for (2 .. 3) {
    $c = asked($any);
    $c->send(hello(sni => 'ep-1.db.example.com'));
    $k = $c->read_n(7);
    $c->drop;
}
is(unpack('H*', $k), $alert{denied}, 'limit_connections: an alert');

$r = $t->psql('select 1', %alice, port => $any->port);
like($r->{err}, qr/SSL error: tlsv1 alert access denied/, 'psql: the same');


# --- time ----------------------------------------------------------------

my %stall = (
    'nothing' => '',
    'half a head' => substr($whole, 0, 3),
    'half a ClientHello' => substr($whole, 0, 100),
);

my %clients = map { my $c = asked($hurry); $c->send($stall{$_}); $_ => $c }
              sort keys %stall;

for my $name (sort keys %clients) {
    is(alert($clients{$name}), $alert{internal}, "$name: cut");
}

$hurry->log_like(qr/timeout \(client_timeout, SQLSTATE 57014\) while SSL hand/,
             'the log says why');


# --- reload, drain -------------------------------------------------------

my $session = enter();
my $half = asked();
$half->send(substr $whole = hello(), 0, 50);

$n->set(main => $main . "drain idle after=0s rate=off;\n");
ok($n->reload, 'reload in the middle of a ClientHello');
$half->send(substr $whole, 50);
like(unpack('H*', $half->read_n(6)), qr/^160303....02/,
     "it goes on: the compute's ServerHello");
$half->drop;

my $drained = enter();
ok($n->reload, 'reload with drain idle');
$n->log_like(qr/closing idle sessions/, 'idle sessions are closed');
is($_->value('select 1'), 1, 'not one that nobody can look into')
    for $session, $drained;
$_->close for $session, $drained;

$n->set(globals => "worker_shutdown_timeout 1s;\n");
ok($n->reload, 'reload with worker_shutdown_timeout');
$session = enter();
ok($n->reload, 'and again');
ok(defined eval { $session->read_all(10) }, 'ends it');


# --- servers -------------------------------------------------------------

my $certs = $t->certs;
my $pem = "ssl_certificate $certs/db.crt; ssl_certificate_key $certs/db.key;";
my $listen = 'listen 127.0.0.1:12345;';

for my $order ('', 'globals') {
    my ($rc, $said) = $t->nginx_test(
        $order ? (globals => '', http => "}\nneon_proxy main {\n$main")
               : (main => $main),
        stream => "server { $listen $pem neon_proxy_pass main; }");
    isnt($rc, 0, 'a certificate of its own: refused');
    like($said, qr/"ssl_certificate" does not fit "auth passthrough tls".* in/,
         'the message');
    like($said, qr{\[emerg\].* in \S+/nginx.conf:\d+}, 'with its line');
}

my ($rc, $said) = $t->nginx_test(main => $main . 'tls_required on;',
    stream_head => $pem, stream => "server { $listen neon_proxy_pass main; }");
is($rc, 0, 'one of stream {} is for other servers') or diag($said);
unlike($said, qr/\[warn\]/, 'tls_required on: no warning, it has TLS');

my $port = $t->port;
$t->nginx(port => $port, main => $main, stream_head => $pem,
    stream => "server { listen 127.0.0.1:$port ssl; neon_proxy_pass main; }");
$r = $t->psql('select current_user', %alice, port => $port,
              channel_binding => 'require');
is($r->{out}, "alice\n", 'listen ... ssl: passed through') or diag($r->{err});


# --- nothing is left behind ----------------------------------------------

my %session = (
    'well' => sub { my $c = $t->client(port => $m->port);
                    $c->send(ssl_request
                             . hello(sni => 'echo.db.example.com'));
                    $c->read_n(5); $c->half_close; $c->read_all; $c->drop },
    'unknown' => sub { my $c = $t->client(port => $m->port);
                       $c->send(ssl_request . hello()); $c->read_all;
                       $c->drop },
    'cut' => sub { my $c = $t->client(port => $m->port);
                   $c->send(ssl_request . substr hello(), 0, 100);
                   $c->read_n(1); $c->abort },
);

for my $name (sort keys %session) {
    $session{$name}->() for 1 .. 50;
    my $before = $m->rss;
    $session{$name}->() for 1 .. 150;
    $t->flat($m->rss - $before, 128 * 1024, "150 sessions, $name");
}

my $before = $m->rss;
my @idle = map {
    my $c = $t->client(port => $m->port);
    $c->send(ssl_request . hello(sni => 'echo.db.example.com'));
    $c->read_n(5);
    $c
} 1 .. 100;
$t->flat($m->rss - $before, 100 * 6 * 1024, '100 idle sessions');
$_->drop for @idle;

$t->done;
