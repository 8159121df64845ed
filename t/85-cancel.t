#!/usr/bin/perl

# Query cancellation: our key leads to the compute's, and no other does.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use DBI;

use NeonTest::Process;

my $t = NeonTest->new;
my $pg = $t->postgres(ssl => 1);
my $n = $t->nginx(main => $t->static($pg) . "compute_ssl prefer;\n",
                  plain => 1);
my $password = $pg->password('alice');

sub enter {
    my (%o) = @_;

    return $t->enter($n, password => $password, %o);
}

sub sleeping {
    return $pg->sql("select count(*) from pg_stat_activity"
                    . " where query like '%pg_sleep%' and state = 'active'"
                    . " and usename = 'alice'");
}

# a client whose query is under way
sub busy {
    my (%o) = @_;

    my $c = enter(%o);
    $c->send(message('Q', "select pg_sleep(60)\0"));
    eventually { sleeping() };
    return $c;
}

sub cancel {
    my ($c, %o) = @_;

    my $k = $t->client(port => $o{port} // $n->port);

    if (($o{tls} // '') eq 'inband') {
        $k->send(ssl_request);
        $k->read_n(1);
    }

    $k->start_tls(alpn => [ 'postgresql' ]) if $o{tls};
    $k->send(cancel_request($o{pid} // $c->{pid}, $o{key} // $c->{key}));
    return $k->read_all;
}

sub canceled {
    my ($name, $c) = @_;

    my $r = $c->result;
    is($r->{error} && $r->{error}{C}, '57014', "$name: canceled");
    is($c->value('select 1'), 1, "$name: the session goes on");
    $c->close;
}


# --- every way -----------------------------------------------------------

for my $case ([ 'plaintext, to a port that requires TLS' ],
              [ 'plaintext', port => $n->plain_port ],
              [ 'inside TLS', tls => 'inband' ],
              [ 'direct TLS', tls => 'direct' ])
{
    my ($name, %o) = @$case;

    my $c = busy();
    is(cancel($c, %o), '', "$name: nothing is answered");
    canceled($name, $c);
}

# protocol 3.2: a key of 32 bytes
my $c = busy(version => 3 << 16 | 2);
is(length $c->{key}, 32, 'protocol 3.2: 32 bytes');
cancel($c);
canceled('protocol 3.2', $c);

# again and again in one session
$c = enter();
for my $round (1 .. 3) {
    $c->send(message('Q', "select pg_sleep(60)\0"));
    eventually { sleeping() };
    cancel($c);
    is($c->result->{error}{C}, '57014', "round $round: canceled");
}
$c->close;


# --- psql and libpq ------------------------------------------------------

my $out = $t->dir . '/psql.out';
my $conninfo = 'host=ep-1.db.example.com hostaddr=127.0.0.1 user=alice'
               . ' dbname=app sslmode=verify-full port=' . $n->port
               . ' sslrootcert=' . $t->certs('ca.crt');
my $psql = NeonTest::Process->spawn(
    [ 'psql', '-X', '-A', '-t', '-d', $conninfo, '-c',
      'select pg_sleep(60)' ],
    env => { PGPASSWORD => $password }, out => $out);
eventually { sleeping() } 'psql sleeps';
$psql->signal('INT');
is($psql->wait(20) >> 8, 1, "psql ends at Ctrl-C");
like(slurp($out), qr/canceling statement due to user request/,
     'psql shows why');

my $dbh = DBI->connect("dbi:Pg:$conninfo", 'alice', $password,
                       { RaiseError => 1, PrintError => 0 });
my $st = $dbh->prepare('select pg_sleep(60)',
                       { pg_async => DBD::Pg::PG_ASYNC() });
$st->execute;
eventually { sleeping() };
ok($dbh->pg_cancel, 'DBD::Pg cancels');
eventually { !sleeping() } 'the query is gone';
is($dbh->selectrow_array('select 1'), 1, 'the session goes on');
$dbh->disconnect;


# --- no other key --------------------------------------------------------

$c = busy();

my $other = enter();
my %wrong = (
    'another key' => { key => pack('N', 1 ^ unpack 'N', $c->{key}) },
    'another pid' => { pid => $c->{pid} ^ 1 },
    "another session's key" => { pid => $other->{pid}, key => $other->{key} },
    'a mixture' => { pid => $other->{pid} },
    'zeros' => { pid => 0, key => "\0" x 4 },
    'a longer key' => { key => $c->{key} . 'x' },
    'a key of 32 bytes' => { key => $c->{key} . "\0" x 28 },
    "the compute's own pid" => {
        pid => $pg->sql("select pid from pg_stat_activity"
                        . " where query like '%pg_sleep%'"
                        . " and usename = 'alice'") },
);

for my $name (sort keys %wrong) {
    is(cancel($c, %{ $wrong{$name} }), '', "$name: closed in silence");
    is(sleeping(), 1, "$name: the query goes on");
}

is($other->value('select 1'), 1, 'the other session goes on');

cancel($c);
canceled('the right one', $c);

# it dies with its session
my ($pid, $key) = @$other{qw/pid key/};
$other->close;
eventually { $pg->sessions('alice') == 0 };
$c = busy();
my $unknown = () = $n->log =~ /no such key/g;
is(cancel($c, pid => $pid, key => $key), '', 'a key of the past');
is(sleeping(), 1, 'cancels nothing');
eventually { $unknown < (() = $n->log =~ /no such key/g) }
           'nobody knows it any more';
cancel($c);
canceled('the present one', $c);


# --- the client is gone --------------------------------------------------

for my $tls (qw/none inband/) {
    $c = busy(tls => $tls, params => [ options => 'endpoint=ep-1' ]);
    $c->abort;
    eventually { !sleeping() } "$tls: the client was reset, so is its query";
}

# an orderly end is PostgreSQL's business: the query goes on
$c = busy();
$c->half_close;
is(sleeping(), 1, 'half-closed: the query goes on');
cancel($c);
is($c->result->{error}{C}, '57014', 'half-closed: its answer arrives');
is($c->read_all, '', 'half-closed: then the end');

$t->done;
