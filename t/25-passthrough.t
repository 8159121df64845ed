#!/usr/bin/perl

# auth passthrough: TLS ends at the proxy, and the compute asks its clients
# itself, by whatever method it has.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use DBI;

use NeonTest::Otlp;
use NeonTest::Page;
use NeonTest::Process;
use NeonTest::Scram;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $log = $t->dir . '/access.log';
my $main = "control_plane static;\nauth passthrough;\n";

my $metrics = $t->port;
my $page = NeonTest::Page->new($metrics);

my $n = $t->nginx(plain => 1, workers => 2,
    http => NeonTest::Page->server($metrics, 'main'), stream_head => <<"END",
log_format t '\$neon_user \$neon_endpoint \$neon_auth_method \$neon_sqlstate'
             ' \$status';
access_log $log t;
END
    main => $main . 'endpoint ep-1 ' . $pg->address . ";\n");

my @sni = (sni => 'ep-1.db.example.com');
my @option = (tls => 'none', port => $n->plain_port,
              params => [ options => 'endpoint=ep-1' ]);

sub enter {
    my (%o) = @_;

    return $t->enter($n, password => $pg->password($o{user} // 'alice'), %o);
}


# --- psql, every method --------------------------------------------------

for my $role (qw/alice bob md5er clear trusty/) {
    my %psql = (port => $n->port, user => $role,
                password => $pg->password($role));

    my $r = $t->psql('select current_user', %psql);
    is($r->{out}, "$role\n", "psql: $role") or diag($r->{err});

    next if $role eq 'trusty';

    $r = $t->psql('select 1', %psql, password => 'wrong');
    is($r->{err} =~ s/.*failed: //sr, 'FATAL:  password authentication failed'
       . " for user \"$role\"\n", "psql: $role, a wrong password");
}

my %alice = (port => $n->port, password => $pg->password('alice'));

for my $cbind (qw/disable prefer/) {
    my $r = $t->psql('select 1', %alice, channel_binding => $cbind);
    is($r->{out}, "1\n", "channel_binding=$cbind") or diag($r->{err});
}

my $r = $t->psql('select 1', %alice, channel_binding => 'require');
like($r->{err}, qr/channel binding/, 'channel_binding=require is refused');
unlike($r->{err}, qr/FATAL/, 'by psql itself');

$r = $t->psql("select current_user, current_setting('application_name'),"
              . " current_setting('work_mem')", %alice,
              port => $n->plain_port, sslmode => 'disable',
              host => undef, application_name => 'me',
              options => 'endpoint=ep-1 -c work_mem=3MB');
is($r->{out}, "alice|me|3MB\n", 'endpoint in options, without TLS')
    or diag($r->{err});

# what the compute says is what the client gets, field by field

sub errors {
    my (%o) = @_;

    my $e = enter(%o)->error;
    delete $e->{L} if $e;
    return $e;
}

for my $case ([ 'no such database', database => 'nowhere' ],
              [ 'no such role', user => 'nobody', password => 'x' ],
              [ 'a wrong password', password => 'x' ],
              [ 'a bad option', params => [ work_mem => 'much' ] ],
              [ 'replication', params => [ replication => 'database' ] ])
{
    my ($name, %o) = @$case;

    my $e = errors(%o);
    is_deeply($e, errors(%o, port => $pg->port, tls => 'none'),
              "$name: the compute's own error ($e->{C})");
}

eventually { slurp($log) =~ /^nobody ep-1 passthrough 28P01 401$/m }
           'the log has the method and the SQLSTATE';
eventually { slurp($log) =~ /^md5er ep-1 passthrough - 200$/m }
           'and of a good one';

# who asks in vain is no trouble of the compute's

my %refused = ('28P01' => 401, '3D000' => 403, '22023' => 403);
eventually { slurp($log) =~ / 3D000 / && slurp($log) =~ / 22023 / };
is(join(' ', grep { $_ } map { / ep-1 passthrough (?!-)(\S+) (\d+)$/
       && $2 != ($refused{$1} // 403) ? "$1:$2" : () }
       split /\n/, slurp($log)), '', 'status of what the compute refuses');
my $counted = $page->samples;
is($counted->{"neon_proxy_sessions_total{proxy=\"main\",front=\"tcp\","
              . "outcome=\"compute\"}"}, 0, 'none failed by its fault');
cmp_ok($counted->{"neon_proxy_sessions_total{proxy=\"main\",front=\"tcp\","
                  . "outcome=\"client\"}"}, '>=', 9, 'but by the client');


# --- what names the endpoint ---------------------------------------------

my $c = $t->client(port => $n->port);
$c->send(gssenc_request);
is($c->read_n(1), 'N', 'GSSENCRequest: N');
$c->login(@sni, password => $pg->password('alice'));
is($c->error_text, '', 'and then by SSLRequest');
$c->close;

$c = enter(tls => 'direct');
is($c->value('select 1'), 1, 'direct TLS');
$c->close;

like(enter(sni => 'ep-9.db.example.com')->error_text,
     qr/^28P01 .*endpoint cannot be found/, 'an unknown name');
like(enter(sni => undef)->error_text,
     qr/^28000 Endpoint ID is not specified/,
     'no name: no password is asked for, as it is not ours');
like(enter(params => [ options => 'endpoint=ep-2' ])->error_text,
     qr/^28000 Inconsistent/, 'two names');

my $any = $t->nginx(main => $main . 'endpoint ep-1 127.0.0.1:1; endpoint * '
                    . $pg->address . ";\ndomains *.db.example.com;\n");
$c = $t->enter($any, sni => 'ep-9.db.example.com',
               password => $pg->password('alice'));
is($c->value('select 1'), 1, 'endpoint *: any other name');
$c->close;
like($t->enter($any, sni => 'ep-9.other.example.org')->error_text,
     qr/^28000 Endpoint ID/, 'endpoint *: a host outside of domains');


# --- cancel, from any worker ---------------------------------------------

sub sleeping {
    return $pg->sql("select count(*) from pg_stat_activity where query like"
                    . " '%pg_sleep%' and state = 'active'"
                    . " and usename = 'alice'");
}

for my $round (1 .. 4) {
    $c = enter();
    isnt($c->{pid}, 0, "cancel $round: a key of ours");
    $c->send(message('Q', "select pg_sleep(60)\0"));
    eventually { sleeping() };

    my $k = $t->client(port => $n->port);
    $k->send(cancel_request(@$c{qw/pid key/}));
    is($k->read_all, '', "cancel $round: nothing is answered");
    is($c->result->{error}{C}, '57014', "cancel $round: canceled");
    $c->close;
}

my $conninfo = 'host=ep-1.db.example.com hostaddr=127.0.0.1 user=alice'
               . ' dbname=app sslmode=verify-full port=' . $n->port
               . ' sslrootcert=' . $t->certs('ca.crt');
my $psql = NeonTest::Process->spawn(
    [ 'psql', '-X', '-d', $conninfo, '-c', 'select pg_sleep(60)' ],
    env => { PGPASSWORD => $pg->password('alice') },
    out => $t->dir . '/psql.out');
eventually { sleeping() };
$psql->signal('INT');
is($psql->wait(20) >> 8, 1, 'psql: Ctrl-C');

my $dbh = DBI->connect("dbi:Pg:$conninfo", 'alice', $pg->password('alice'),
                       { RaiseError => 1, PrintError => 0 });
my $st = $dbh->prepare('select pg_sleep(60)',
                       { pg_async => DBD::Pg::PG_ASYNC() });
$st->execute;
eventually { sleeping() };
ok($dbh->pg_cancel, 'DBD::Pg cancels');
is($dbh->selectrow_array('select 1'), 1, 'DBD::Pg goes on');
$dbh->disconnect;

$c = enter();
$c->send(message('Q', "select pg_sleep(60)\0"));
eventually { sleeping() };
$c->abort;
eventually { !sleeping() } 'the client was reset, so is its query';


# --- message by message --------------------------------------------------

# with a compute that does as its client's database is called

my $verifier = NeonTest::Scram::verifier('pw');

sub let_in {
    my ($c) = @_;

    $c->welcome;
    $c->serve;
}

my %compute = (
    scram => sub { $_[0]->scram($verifier, mechanisms =>
                       [ qw/SCRAM-SHA-256-PLUS SCRAM-SHA-256/ ])
                   && let_in($_[0]) },
    plus => sub { $_[0]->scram($verifier, mechanisms =>
                               [ 'SCRAM-SHA-256-PLUS' ]) },
    list => sub { $_[0]->auth(10, "SCRAM-SHA-256\0"); $_[0]->hang },
    gss => sub {
        my ($c) = @_;
        $c->auth(7);
        $c->note(token => ($c->read_message)[1]);
        $c->auth(8, "one\0");
        $c->note(token => ($c->read_message)[1]);
        $c->auth(8, 'last');                    # wants no answer
        let_in($c);
    },
    future => sub {
        my ($c) = @_;
        $c->auth(4242, 'x' x 60000);
        $c->note(token => length +($c->read_message)[1]);
        let_in($c);
    },
    long => sub { $_[0]->auth(8, 'x' x 70000); $_[0]->hang },
    twice => sub { $_[0]->auth(3); $_[0]->auth(3); $_[0]->hang },
    refused => sub { $_[0]->cleartext; $_[0]->error(
                         S => 'FATAL', V => 'FATAL', C => 'XX001',
                         M => "no\twith a tab", D => 'detail', X => '?') },
    patience => sub { $_[0]->auth(3); $_[0]->error(
                          S => 'FATAL', C => '57014', M => 'too slow') },
    starting => sub { $_[0]{n} % 2 ? $_[0]->error(S => 'FATAL',
                          C => '57P03', M => 'starting') : let_in($_[0]) },
    closes => sub { $_[0]->cleartext },
    garbage => sub { $_[0]->cleartext; $_[0]->send("HTTP/1.1 200 OK\r\n");
                     $_[0]->hang },
    clear => sub { $_[0]->note(password => $_[0]->cleartext);
                   let_in($_[0]) },
    dribble => sub { my ($c) = @_;
                     $c->dribble(message('R', pack 'N', 3), 1);
                     $c->read_message;
                     $c->dribble($c->welcome_bytes, 1);
                     $c->serve },
    slow => sub { select undef, undef, undef, 1.5;
                  $_[0]->cleartext;
                  select undef, undef, undef, 1.5;
                  let_in($_[0]) },
    silent => sub { $_[0]->hang },
    mute => sub { $_[0]->cleartext; $_[0]->hang },
    waits => sub { $_[0]->auth(3); $_[0]->note(got => $_[0]->read_all) },
);

my $fc = $t->fake_compute(sub {
    my ($c) = @_;

    my $p = $c->startup or return;
    $c->note(database => $p->{database});
    $compute{$p->{database}}->($c);
});

my $m = $t->nginx(plain => 1, main => $main . 'endpoint ep-1 '
                  . $fc->address
                  . ";\nconnect_retry attempts=2 base=1ms factor=1;\n");

sub talk {
    my ($database, %o) = @_;

    return $t->enter($m, tls => 'none', database => $database,
                     params => [ options => 'endpoint=ep-1' ], %o);
}

# up to the first request, which is not answered

sub asked {
    my ($database, %o) = @_;

    my $c = $t->client(port => ($o{nginx} // $m)->plain_port);
    $c->send(startup_packet([ user => 'alice', database => $database,
                              options => 'endpoint=ep-1' ], $o{version})
             . ($o{behind} // ''));
    my $first = $c->read_message;
    is($first->{type}, 'R', "$database: a request") if !$o{any};
    return ($c, $first);
}

sub tried { scalar grep { $_ eq $_[0] } $fc->notes('database') }

$c = talk('scram', tls => 'inband', sni => 'ep-1.db.example.com');
is($c->error_text, '', 'SCRAM, PLUS first');
is("@{ $c->{mechanisms} }", 'SCRAM-SHA-256', 'PLUS is taken from the list');
is_deeply([ $fc->notes('mechanism') ], [ 'SCRAM-SHA-256' ], 'and not used');
ok($c->{server_verified}, "the compute's proof reaches the client");
is($c->value('x'), 'x', 'a query');
isnt("$c->{pid} $c->{key}", '4711 KEY1', 'the key is ours');
$c->close;

like(talk('plus')->error_text, qr/^08006 Couldn't log in/,
     'nothing but PLUS is offered');
like(talk('list')->error_text, qr/^08006 Couldn't log in/,
     'a list without an end');
$m->log_like(qr/offers no SASL mechanism without channel binding/,
             'the log says why');
$m->log_like(qr/malformed list of SASL mechanisms/, 'and of the list');

($c) = asked('gss');
$c->send(message('p', "tok\0en"));
is($c->read_message->{body}, pack('N', 8) . "one\0", 'GSSAPI: bytes down');
$c->send(message('p', ''));
is($c->read_message->{body}, pack('N', 8) . 'last', 'GSSAPI: the last one');
$c->authenticate;
is($c->value('x'), 'x', 'GSSAPI: an exchange whose end is not answered');
is_deeply([ $fc->notes('token') ], [ "tok\0en", '' ], 'GSSAPI: bytes up');
$c->close;

($c, my $first) = asked('future');
is(length $first->{body}, 60004, 'a method of the future: passed as it is');
$c->send(message('p', 'y' x 60000));
$c->authenticate;
is($c->value('x'), 'x', 'and logged in');
is(($fc->notes('token'))[2], 60000, 'its answer, too');
$c->close;

($c) = asked('long', any => 1);
is($c->read_n(0), '', 'a request of 70000 bytes');
$m->log_like(qr/an AuthenticationRequest that is too long/, 'is too long');

($c) = asked('twice');
$c->authenticate(password => 'pw');
like($c->error_text, qr/^08006 Couldn't log in/, 'two requests at once');
is(tried('twice'), 1, 'nothing is tried again behind the first');
$m->log_like(qr/before the client answered the last one/, 'nor waited for');

# the client's messages

for my $case ([ 'a query' => message('Q', "select 1\0"),
                qr/^08P01 expected password response, got message type 81/ ],
              [ 'an endless one' => "p\0\x01\x01\0" . 'x' x 65533,
                qr/^08P01 invalid message length/ ],
              [ 'a negative one' => "p\xff\xff\xff\xff",
                qr/^08P01 invalid message length/ ])
{
    my ($name, $bytes, $like) = @$case;

    ($c) = asked('clear');
    $c->send($bytes);
    $c->authenticate;
    like($c->error_text, $like, "$name in place of a password");
}

($c) = asked('waits');
$c->send(message('X'));
is($c->read_all, '', 'a Terminate in place of a password: the end');
($c) = asked('waits');
$c->drop;
eventually { $fc->notes('got') == 2 } 'the compute has its connections back';
is(join('', $fc->notes('got')), '', 'and was told nothing');

($c) = asked('clear', behind => message('p', "early\0") . message('Q', "q\0"));
$c->authenticate;
is_deeply([ grep { defined } @{ $c->{auth} } ], [ 0 ],
          'a password before it was asked for');
is(($fc->notes('password'))[-1], 'early', 'is given when it is');
is($c->result->{rows}[0][0], 'q', 'and what was behind it, too');
$c->close;

$c = $t->client(port => $m->plain_port);
my $up = startup_packet([ user => 'alice', database => 'dribble',
                          options => 'endpoint=ep-1' ])
         . message('p', "secret\0");
for my $byte (split //, $up) {
    $c->send($byte);
    select undef, undef, undef, 0.002;
}
$c->authenticate(password => 'unasked');
is($c->value('x'), 'x', 'byte by byte');
$c->drop;

# version 3.2 is the client's and ours

($c, $first) = asked('clear', version => 3 << 16 | 2);
$c->password_message('pw');
$c->authenticate;
is(length $c->{key}, 32, 'protocol 3.2: a key of 32 bytes');
$c->close;

# errors of the compute

$c = talk('refused', password => 'pw');
is_deeply($c->error, { S => 'FATAL', V => 'FATAL', C => 'XX001',
                       M => "no\twith a tab", D => 'detail', X => '?' },
          'an ErrorResponse behind the password: unchanged');
is(tried('refused'), 1, 'and nothing is tried again');

($c) = asked('patience');
is(error_fields($c->read_message->{body})->{M}, 'too slow',
   'a compute that loses its patience');

is(talk('starting')->error_text, '', '57P03 before the first request:'
   . ' once more');
cmp_ok(tried('starting'), '>', 1, 'at the compute, too');

like(talk('closes', password => 'x')->error_text,
     qr/^08006 Couldn't connect to compute/, 'the compute closes');
is(tried('closes'), 1, 'in the middle: nothing is tried again');
like(talk('garbage', password => 'x')->error_text,
     qr/^08006 Couldn't log in to compute node: malformed/, 'garbage');
is(tried('garbage'), 1, 'in the middle, too');

my $down = $t->nginx(plain => 1, main => $main . 'endpoint ep-1 127.0.0.1:'
                     . $t->port . ";\nconnect_retry attempts=3 base=1ms;\n");
like($t->enter($down)->error_text, qr/^08006 Couldn't connect to compute/,
     'nobody is there');


# --- time ----------------------------------------------------------------

my $hurry = $t->nginx(plain => 1, main => $main . 'endpoint ep-1 '
                      . $fc->address . ";\nclient_timeout 1s;\n");

$c = talk('slow', password => 'pw', port => $hurry->plain_port);
is($c->error_text, '', "a slow compute is not the client's fault");
$c->close;

my %stall = (
    'no password' => sub { (asked('clear', nginx => $hurry))[0] },
    'half a password' => sub { my ($c) = asked('clear', nginx => $hurry);
                               $c->send("p\0\0\0\x0ahal"); $c },
);

for my $name (sort keys %stall) {
    $c = $stall{$name}->();
    $c->authenticate;
    is($c->error && $c->error->{C}, '57014', "$name: cut");
}

$hurry->log_like(qr/authentication due to timeout.* while authenticating/,
                 'and the log says where');

my $short = $t->nginx(plain => 1, main => $main . 'endpoint ep-1 '
                      . $fc->address . ";\nlogin_timeout 500ms;\n");

for my $case ([ silent => 2 ], [ mute => 1 ]) {
    my ($database, $times) = @$case;

    $c = $t->enter($short, tls => 'none', database => $database,
                   params => [ options => 'endpoint=ep-1' ]);
    like($c->error_text, qr/^08006 Couldn't log in to compute node: timeout/,
         "login_timeout, a compute that is $database");
    is(tried($database), $times, "$database: $times attempts");
}

my $col = $t->collector;
my $limited = $t->nginx(plain => 1, main => $main . 'endpoint ep-1 '
                        . $pg->address
                        . ";\nlimit_connections rate=1r/m burst=2;\n"
                        . $col->directive);
my @codes = map { $t->enter($limited, user => 'trusty')->error } 1 .. 3;
is_deeply([ map { $_ && $_->{C} } @codes ], [ undef, undef, '53300' ],
          'limit_connections counts');

my @spans = $col->sessions(3);
is(join("\n", NeonTest::Otlp::faults(\@spans)), '', 'spans: no faults');
is_deeply([ map { $_->{attr}{'neon.auth_method'} // () } grep {
            $_->{name} eq 'authenticate' } @spans ],
          [ ('passthrough') x 2 ],
          'spans: neon.auth_method');


# --- a reload in the middle ----------------------------------------------

my $half = enter(stop => 1, @option);
my $asked = $t->client(port => $n->plain_port);
$asked->send(startup_packet([ user => 'alice', database => 'app',
                              options => 'endpoint=ep-1' ]));
my $request = $asked->read_message;

ok($n->reload, 'reload');
$half->authenticate;
is($half->value('select 1'), 1, 'the proof was given before');
$asked->auth_request(10, substr($request->{body}, 4),
                     password => $pg->password('alice'));
$asked->authenticate(password => $pg->password('alice'));
is($asked->value('select 1'), 1, 'it is given behind the reload');
$_->close for $half, $asked;

$n->set(main => $t->static($pg, 'alice'));
ok($n->reload, 'reload to auth scram');
$c = enter(cbind => 'require');
is($c->value('select 1'), 1, 'the proxy asks now');
$c->close;


# --- nothing is left behind ----------------------------------------------

my %session = (
    'well' => sub { talk('clear', password => 'pw')->close },
    'refused' => sub { talk('refused', password => 'pw')->drop },
    'cut' => sub { my $c = $t->client(port => $m->plain_port);
                   $c->send(startup_packet([ user => 'a', database => 'waits',
                                             options => 'endpoint=ep-1' ]));
                   $c->read_message; $c->abort },
);

for my $name (sort keys %session) {
    $session{$name}->() for 1 .. 50;
    my $before = $m->rss;
    $session{$name}->() for 1 .. 150;
    $t->flat($m->rss - $before, 128 * 1024, "150 sessions, $name");
}

my $before = $m->rss;
my @idle = map { talk('clear', password => 'pw') } 1 .. 100;
is(scalar(grep { $_->error } @idle), 0, '100 sessions at a time');
$t->flat($m->rss - $before, 100 * 6 * 1024, '100 idle sessions');
$_->close for @idle;

$t->done;
