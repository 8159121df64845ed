#!/usr/bin/perl

# md5_verifiers on: roles with an MD5 verifier log in, with a password inside
# TLS or a salted MD5 without, at computes that ask for whatever they like.
# Off: nothing of their verifiers stays anywhere.

use lib 't/lib';
use NeonTest;
use NeonTest::WsClient;
use NeonTest::Wire;

use MIME::Base64 qw/encode_base64/;

my $t = NeonTest->new;
my $certs = $t->certs;
my $access = $t->dir . '/access.log';
my ($tls, $plain, $ws, $quick) = map { $t->port } 1 .. 4;
my @sni = (sni => 'ep-1.db.example.com');


# --- the world -----------------------------------------------------------

# roles are called as the compute asks them; all that the proxy knows is MD5

my $pg = $t->postgres(hba => <<'END');
host all byclear 127.0.0.1/32 password
host all bymd5   127.0.0.1/32 md5
host all bytrust 127.0.0.1/32 trust
END

my %password = (byscram => 'pw', byclear => 'pw', bymd5 => 'pw',
                bytrust => 'pw', mapped => $pg->password('mapped'));

for my $role (qw/byscram byclear bymd5 bytrust/) {
    $pg->sql("set password_encryption = '"
             . ($role eq 'bymd5' ? 'md5' : 'scram-sha-256') . "'");
    $pg->sql("create role $role login password 'pw'");
}

my %md5 = map { $_ => md5_verifier($password{$_}, $_) } keys %password;

is($pg->verifier('bymd5'), $md5{bymd5}, 'the verifier is PostgreSQL\'s own');

my $cp = $t->control_plane(cache => 1);
$cp->role('ep-1', %md5, ghost => '');
$cp->endpoint('ep-1', address => $pg->address);

my $cheat = spew($t->dir . '/cheat', '');
my %first = (
    nonce => sub { $_[0] =~ s/^r=[^,]+/r=anothernonceanothernonce/r },
    iterations => sub { $_[0] =~ s/i=\d+/i=1000001/r },
    salt => sub { $_[0] =~ s/,s=[^,]+/,s=!!!!/r },
    extension => sub { "m=x,$_[0]" },
    other_salt => sub { $_[0] =~ s/,s=[^,]+/,s=b3RoZXI=/r },
    long => sub { $_[0] =~ s/i=\d+/i=1000000/r },
    gone => sub { $_[0] =~ s/i=\d+/i=400000/r },
);
my %final = (
    signature => sub { 'v=' . encode_base64('x' x 32, '') },
    nothing => sub { '' },
);
my $verifier = NeonTest::Scram::verifier('pw');

my $fc = $t->fake_compute(sub {
    my ($c) = @_;
    my $how = slurp $cheat;

    $c->startup or return;

    if ($how eq 'gone') {
        $c->auth(10, "SCRAM-SHA-256\0\0");
        my (undef, $body) = $c->read_message;
        my $server = NeonTest::Scram->server($verifier);
        return $c->auth(11, $first{gone}->(
            $server->server_first($body =~ s/^[^\0]*\0.{4}//sr)));
    }

    $c->scram($verifier, first => $first{$how}, final => $final{$how})
        or return $c->error(S => 'FATAL', C => '28P01', M => 'proof');

    $c->welcome;
    $c->serve;
});

$cp->role('ep-2', alice => md5_verifier('pw', 'alice'));
$cp->endpoint('ep-2', address => $fc->address);

sub block {
    my ($name, $text) = @_;

    return "neon_proxy $name {\nzone $name 1m;\n" . $cp->directives
           . "connect_retry attempts=1 base=1ms;\n$text}\n";
}

sub blocks {
    my ($md5) = @_;

    return block(main => "md5_verifiers $md5;\n")
           . block(quick => "md5_verifiers on;\nlogin_timeout 50ms;\n");
}

sub tls_server {
    return "server { listen 127.0.0.1:$_[0]; ssl_certificate $certs/db.crt;"
           . " ssl_certificate_key $certs/db.key; neon_proxy_pass $_[1]; }\n";
}

my $n = $t->nginx(workers => 2, globals => blocks('on'), stream => <<"END",
log_format neon '\$neon_user|\$neon_secret_cache|\$neon_auth_method|'
                '\$neon_sqlstate';
access_log $access neon;
@{[ tls_server($tls, 'main'), tls_server($quick, 'quick') ]}
server { listen 127.0.0.1:$plain; neon_proxy_pass main; }
END
    http => <<"END");
server {
    listen 127.0.0.1:$ws ssl;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    location / { neon_proxy_websocket main; }
}
END

my %how = (
    'TLS' => sub { $t->login(port => $tls, @sni, @_) },
    'direct TLS' => sub { $t->login(port => $tls, @sni, tls => 'direct', @_) },
    'password prefix' => sub {
        my %o = @_;
        $t->login(port => $tls, %o, password => "endpoint=ep-1;$o{password}");
    },
    'WebSocket' => sub {
        my $c = NeonTest::WsClient->new(port => $ws);

        $c->start_tls(sni => 'db.example.com');
        $c->upgrade(host => 'ep-1.db.example.com');
        $c->login(@_);
    },
    'no TLS' => sub {
        $t->login(port => $plain, tls => 'none',
                  params => [ options => 'endpoint=ep-1' ], @_);
    },
);

sub login {
    my ($how, $user, %o) = @_;

    return $how{$how}->(user => $user, password => $password{$user}, %o);
}

sub refused { "28P01 password authentication failed for user \"$_[0]\"" }


# --- every way in, every compute -----------------------------------------

for my $how (sort keys %how) {
    for my $user (sort keys %password) {
        my $c = login($how, $user);
        my @auth = @{ $c->{auth} };

        is($auth[0], $how eq 'no TLS' ? 5 : 3, "$how, $user: what is asked");

        if ($how eq 'no TLS' && $user !~ /md5|trust/) {
            is($c->error_text, "08006 Couldn't log in to compute node",
               "$how, $user: the compute cannot be told the password");
            ok($c->error->{H}, "$how, $user: hint");
            next;
        }

        is($c->error_text, '', "$how, $user: logged in");
        is_deeply(\@auth, [ $auth[0], 0 ], "$how, $user: one request");
        is($c->value('select current_user'), $user, "$how, $user: a query");
        $c->close;
    }
}

$n->log_like(qr/compute asks for SCRAM, and of the client's password only an/,
             'no TLS: the log says why, SCRAM');
$n->log_like(qr/compute asks for a cleartext password, which the proxy does/,
             'no TLS: the log says why, cleartext');

my @salts = map { @{ login('no TLS', 'bymd5')->{md5_salts} } } 1 .. 8;
is(join(' ', map { length } @salts), join(' ', (4) x 8), 'salts of 4 bytes');
is(scalar keys %{ { map { $_ => 1 } @salts } }, 8, 'which never come again');

sub lines { grep { /^$_[0]\|/ } split /\n/, slurp($access) }

eventually { grep { /^bymd5\|HIT\|md5\|-$/ } lines('bymd5') }
           'the verifier was cached; $neon_auth_method: md5';
eventually { grep { /^bymd5\|HIT\|cleartext\|-$/ } lines('bymd5') }
           '$neon_auth_method: cleartext';


# --- libpq ---------------------------------------------------------------

my $r = $t->psql('select current_user', port => $tls, user => 'byscram',
                 password => 'pw');
is($r->{out}, "byscram\n", 'psql') or diag($r->{err});

$r = $t->psql('select 1', port => $tls, user => 'byscram', password => 'pw',
              channel_binding => 'require');
like($r->{err}, qr/channel binding required/,
     'psql with channel_binding=require: refuses it by itself');

$r = $t->psql('select current_user', port => $plain, user => 'bymd5',
              password => 'pw', sslmode => 'disable',
              options => 'endpoint=ep-1');
is($r->{out}, "bymd5\n", 'psql without TLS') or diag($r->{err});


# --- wrong passwords -----------------------------------------------------

for my $how (sort keys %how) {
    for my $wrong ('x', '', 'PW', 'pw ', $md5{bymd5}, substr $md5{bymd5}, 3) {
        is(login($how, 'bymd5', password => $wrong)->error_text,
           refused('bymd5'), "$how: '$wrong'");
    }
}

my $last = md5_answer('pw', 'bymd5', $salts[-1]);

for my $wrong ('', 'pw', $md5{bymd5}, substr($md5{bymd5}, 3), $last,
               'md5' . '0' x 32, 'x' x 35, 'x' x 36, 'x' x 5000)
{
    is(login('no TLS', 'bymd5', answer => $wrong)->error_text,
       refused('bymd5'), 'no TLS: the answer ' . substr $wrong, 0, 40);
}

# right but for its case, or its end
for my $change (sub { uc $_[0] }, sub { "$_[0]x" }, sub { substr $_[0], 0, 34 })
{
    my $c = $t->client(port => $plain);

    $c->send(startup_packet([ user => 'bymd5', options => 'endpoint=ep-1' ]));
    my $salt = substr $c->read_message->{body}, 4;
    $c->password_message($change->(md5_answer('pw', 'bymd5', $salt)));
    is(error_fields($c->read_message->{body})->{C}, '28P01',
       'no TLS: an answer that is not quite right');
}

sub raw {
    my ($name, $code, $bytes) = @_;

    my $c = $t->client(port => $plain);
    $c->send(startup_packet([ user => 'bymd5', options => 'endpoint=ep-1' ]));
    $c->read_message;
    $c->send($bytes);
    is(error_fields($c->read_message->{body})->{C}, $code, $name);
    is($c->read_all, '', "$name: closed");
}

raw('no NUL behind the answer', '08P01', message('p', 'md5' . '0' x 32));
raw('nothing', '08P01', message('p', ''));
raw('another message', '08P01', message('Q', "select 1\0"));
raw('a length of 2^31', '08P01', 'p' . pack 'N', 2 ** 31);


# --- a compute that cheats, or is slow -----------------------------------

sub cheats {
    my ($how, %o) = @_;

    spew($cheat, $how);
    return $t->login(port => $o{port} // $tls, password => 'pw',
                     sni => 'ep-2.db.example.com');
}

my $c = cheats('');
is($c->value('hello'), 'hello', 'SCRAM by the password: no cheating');
$c->close;

for my $how (qw/nonce iterations salt extension signature nothing gone/) {
    $c = cheats($how);
    is($c->error && $c->error->{C}, '08006', "$how: refused");
    ok(!$c->{ready}, "$how: no session");
}

is(cheats('other_salt')->error_text, '28P01 proof',
   'another salt: the compute refuses the proof itself');

# the threads go on when nobody waits for them any more
is(cheats('long', port => $quick)->error_text,
   q{08006 Couldn't log in to compute node: timeout},
   'login_timeout while the keys are computed');

spew($cheat, 'long');
$c = $t->login(port => $tls, sni => 'ep-2.db.example.com', password => 'pw',
               stop => 1);
$c->abort;
$n->log_like(qr/client closed the connection before .* endpoint: ep-2/,
             'and when the client leaves');


# --- nothing stays where it is off ---------------------------------------

# are these bytes in the memory that the processes of nginx share?

sub in_zone {
    my ($text, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $pid = $n->pid;

    SKIP: {
        open my $mem, '<:raw', "/proc/$pid/mem"
            or skip("no look into the memory of another process: $!", 1);

        is(shared($mem, $text, split /\n/, slurp("/proc/$pid/maps")),
           $expected, $name);
    }
}

sub shared {
    my ($mem, $text, @maps) = @_;

    for (@maps) {
        no warnings 'portable';
        my ($from, $to) = map { hex } /^(\w+)-(\w+) rw-s / or next;

        sysseek $mem, $from, 0;
        sysread $mem, my $bytes, $to - $from;
        return 1 if index($bytes // '', $text) >= 0;
    }

    return 0;
}

my $hash = substr $md5{byscram}, 3;

in_zone($hash, 1, 'on: the verifier is in the zone');

sub changes {
    my ($md5, @auth) = @_;

    $n->set(globals => blocks($md5));
    ok($n->reload, "md5_verifiers $md5 by a reload");
    eventually { (grep { kill 0, $_ } $n->started) == 2 };

    my $c = login('TLS', 'byscram');
    is($c->{auth}[0], $auth[0], "$md5: what is asked");
    is($c->error_text, $md5 eq 'on' ? '' : refused('byscram'),
       "$md5: at once");
    $c->close;
}

changes('off', 10);
in_zone(substr($md5{$_}, 3), 0, "off: the verifier of $_ has left the zone")
    for sort keys %md5;

for my $how (sort keys %how) {
    is(login($how, 'bymd5')->error_text, refused('bymd5'), "off, $how");
}

in_zone(substr($md5{bymd5}, 3), 0, 'off: none comes to it');
$n->log_like(qr/user "bymd5" .*the role has an MD5 verifier, and "md5_veri/,
             'off: the log says why');

$cp->forget;
login('TLS', 'bymd5');
is(scalar(() = $cp->calls), 0, 'off: that it cannot log in is cached');

changes('on', 3);
in_zone($hash, 1, 'on again: it is there again');


# --- a role file ---------------------------------------------------------

my $roles = spew($t->dir . '/roles', join '', map { "\"$_\" \"$md5{$_}\"\n" }
                 sort keys %md5);
chmod 0600, $roles;

my $static = $t->nginx(main => <<"END");
control_plane static;
endpoint ep-1 @{[ $pg->address ]};
role_file $roles;
md5_verifiers on;
END

for my $user (sort keys %password) {
    my $c = $t->enter($static, user => $user, password => $password{$user});

    is($c->value('select current_user'), $user, "role_file: $user");
    $c->close;
}

is($t->enter($static, user => 'byscram', password => 'x')->error_text,
   refused('byscram'), 'role_file: a wrong password');

for my $log (map { $_->log } $n, $static) {
    unlike($log, qr/\Q$_\E/, 'no secret in the log')
        for map { substr $_, 3 } values %md5;
}

$t->done;
