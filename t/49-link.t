#!/usr/bin/perl

# Console redirect: control_plane link.  psql shows the URL, the console calls
# back, and psql is where the console says.

use lib 't/lib';
use NeonTest;
use NeonTest::Link;
use NeonTest::Process;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $l = NeonTest::Link->new($t, plain => 1,
    main => "tls_required off;\nconnect_retry attempts=2 base=50ms;\n",
    head => "log_format neon '\$neon_endpoint \$neon_user \$neon_database"
            . " \$neon_auth_method \$neon_cold_start \$neon_sqlstate';\n",
    server => 'access_log logs/neon.log neon;');
my $n = $l->nginx;

my @roles = map { [ $_ => password => $pg->password($_) ] }
            qw/alice md5er clear mapped/;


# --- psql -----

sub psql {
    my ($sql, @args) = @_;

    my $out = $t->dir . '/psql' . ++$t->{psqls};
    my $p = NeonTest::Process->spawn(
        [ 'psql', '-X', '-A', '-t', '-q', @args, '-c', $sql, '-d',
          'host=ep-1.db.example.com hostaddr=127.0.0.1 user=me dbname=mine'
          . ' sslmode=verify-full application_name=mine sslrootcert='
          . $t->certs('ca.crt') . ' port=' . $l->port ], out => $out,
        env => { PGOPTIONS => '-c work_mem=77kB' });

    eventually { NeonTest::Link::link_of(slurp($out)) } 'psql shows the URL';

    return ($p, $out, NeonTest::Link::link_of(slurp($out)));
}

for (@roles, [ 'trusty' ]) {
    my ($role, @password) = @$_;
    my ($p, $out, $link) = psql('select current_user, current_database(),'
        . " current_setting('work_mem'), current_setting('application_name')");

    like(slurp($out), qr/^NOTICE:  To log in, visit this address within 2m:
    https:/, 'and for how long it is good');
    is($l->answer($link, port => $pg->port, user => $role, @password), 'ok',
       "the console calls back: $role");
    is($p->wait(30 * $NeonTest::slow), 0, 'psql is let in');
    like(slurp($out), qr/^$role\|app\|77kB\|mine$/m,
         'as that role, with its own parameters');
    like(slurp($out),
         qr/^NOTICE:  Connected to database, session_id: [-0-9a-f]{36}$/m,
         'and is told the name of its session');
}


# --- on the wire -----

my $c = $l->knock;
is(join('', @{ $c->{greeting} }), 'RSN', 'let in, and shown the URL');
is($c->{notice}{C}, '00000', 'by a notice');
like($c->{link}, qr/^[0-9a-f]{16}$/, 'of 16 digits');
ok(!$c->readable(0.2), 'no more than that');

my $id = $c->{link};
is($l->answer($id, port => $pg->port), 'ok', 'the callback');
is($c->authenticate->error_text, '', 'in');
is(scalar(grep { $_->{type} eq 'R' } @{ $c->{messages} }), 0,
   'AuthenticationOk is not said twice');
is($c->{params}{client_encoding}, 'UTF8', 'parameters of the compute');
is($c->value('select current_user'), 'trusty', 'and queries');

is($l->answer($id, port => $pg->port),
   "42704 Notify failed: waiter `$id` not registered", 'an id is good once');
$c->close;

$c = $l->knock(tls => 'none');
isnt($c->{link}, $id, 'each client has its own');
is($l->answer($c->{link}, port => $pg->port, user => 'alice',
              password => $pg->password('alice')), 'ok', 'without TLS');
is($c->authenticate->error_text, '', 'in');
$c->close;

# 3.2: the long key comes from us as ever, and cancels
$c = $l->knock(version => 0x30002);
$l->answer($c->{link}, port => $pg->port);
$c->authenticate;
is(length $c->{key}, 32, 'a key of protocol 3.2');
$c->close;

# what it asks before it is in is answered when it is
for my $tls (qw/inband none/) {
    $c = $l->knock(tls => $tls);
    $c->send(NeonTest::Wire::message('Q', "select 'early'\0"));
    $l->answer($c->{link}, port => $pg->port);
    is($c->authenticate->result->{rows}[0][0], 'early', "an early query: $tls");
    $c->close;
}

eventually { slurp($n->dir . '/logs/neon.log')
             =~ /^ep-link-1 alice app link warm -?$/m }
           'what the log knows: endpoint, user, database of the callback';


# --- what goes wrong behind it -----

sub refused {
    my ($error, $name, %o) = @_;

    my $c = $l->knock(%{ delete $o{knock} // {} });
    is($l->answer($c->{link}, port => $pg->port, %o), 'ok', "$name: callback");
    like($c->authenticate->error_text, $error, $name);
    is($c->{error}{S}, 'FATAL', 'fatal');
    is($c->read_all, '', 'and over');
    $c->drop;
}

refused(qr/^28P01 password authentication failed for user "alice"$/,
        'wrong password', user => 'alice', password => 'wrong');
refused(qr/^08006 /, 'no password', user => 'alice');
refused(qr/^3D000 /, 'no such database', dbname => 'none');
refused(qr/^28000 This IP address 127\.0\.0\.1 is not allowed/,
        'another address', allowed_ips => [ '192.0.2.0/24', '::1' ]);
refused(qr/^28000 This connection is trying to access this endpoint from a/,
        'no public access', public_access_allowed => \0);
refused(qr/^08006 /, 'nobody listens', port => $t->port);
refused(qr/^08006 /, 'TLS is asked for where the name says so',
        host => 'ep--1.localhost');

$c = $l->knock;
is($l->answer($c->{link}, port => $pg->port, public_access_allowed => \1,
              allowed_ips => [ '192.0.2.0/24', '127.0.0.0/8' ]), 'ok',
   'an address that is allowed');
is($c->authenticate->error_text, '', 'is in');
$c->close;

# a password goes nowhere but to the compute
unlike($n->log, qr/wrong|\Q@{[ $pg->password('alice') ]}\E/,
       'no password in the log');

$t->done;
