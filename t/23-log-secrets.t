#!/usr/bin/perl

# No password, key, verifier or token is in the log, not even in that for
# debugging: after logins of every kind, after those that fail, and where a
# configuration with a secret in it is refused.

use lib 't/lib';
use NeonTest;
use NeonTest::Link;
use NeonTest::Scram;
use NeonTest::Wire;
use NeonTest::WsClient;

use Digest::MD5 qw/md5_hex/;
use Digest::SHA qw/hmac_sha256/;
use MIME::Base64 qw/decode_base64 encode_base64/;

local $ENV{NEON_DEBUG} = 1;

my $t = NeonTest->new;
my $ws = $t->port;
my %secret;


# --- what must not be seen -----------------------------------------------

sub password {
    my ($name) = @_;

    return $secret{"password $name"} = "pass-$name-" . join '', map {
        ('a' .. 'z')[rand 26] } 1 .. 12;
}

# bytes, that may also be written in another way

sub key {
    my ($name, $bytes) = @_;

    $secret{$name} = $bytes;
    $secret{"$name in hex"} = unpack 'H*', $bytes;
    $secret{"$name in base64"} = encode_base64($bytes, '') =~ s/=+\z//r;
}

sub scram {
    my ($name, $password) = @_;

    my $verifier = NeonTest::Scram::verifier($password);
    my ($salt, $stored, $server)
        = $verifier =~ /^SCRAM-SHA-256\$4096:(.*)\$(.*):(.*)$/;
    my $salted = NeonTest::Scram::salted_password($password,
                                              decode_base64($salt), 4096);

    key("salted password $name", $salted);
    key("ClientKey $name", hmac_sha256('Client Key', $salted));
    key("StoredKey $name", decode_base64($stored));
    key("ServerKey $name", decode_base64($server));

    return $verifier;
}

sub md5 {
    my ($user, $password) = @_;

    return 'md5' . ($secret{"MD5 of $user"} = md5_hex($password . $user));
}

sub found { [ grep { index($_[0], $secret{$_}) >= 0 } sort keys %secret ] }

password('of nobody');
is_deeply(found("no $secret{'password of nobody'}"), [ 'password of nobody' ],
          'what is secret is found');

# in so many sessions

sub silent {
    my ($n, $name, $sessions) = @_;

    my $log = $n->log;

    is(scalar(() = $log =~ /\[debug\].* neon session [-0-9a-f]{36}: finish/g),
       $sessions, "$name: $sessions sessions in the debug log");
    is_deeply(found($log), [], "$name: no secret");
}


# --- SCRAM, MD5, passwords: here and at the compute ----------------------

my %pw = map { $_ => password($_) } qw/alice md5er broken wrong/;
my %verifier = map { $_ => scram($_, $pw{$_}) } qw/alice md5er/;
my $broken = substr scram(broken => $pw{broken}), 0, -2;
my $cancel = 'cancel key of compute, 32 bytes.';

key('cancel key of the compute', $cancel);
$secret{'token'} = 'token-of-the-control-plane';
$secret{'header'} = 'Bearer-of-the-collector';

# the database is what the compute asks for

sub compute {
    my ($c) = @_;

    my $p = $c->startup or return;

    $c->scram($verifier{$p->{user}}) if $p->{database} eq 'scram';
    $c->cleartext if $p->{database} eq 'cleartext';

    if ($p->{database} eq 'md5') {
        $c->auth(5, 'salt');
        $c->read_message;
    }

    return $c->error(S => 'FATAL', C => '28P01', M => 'no')
        if $p->{database} eq 'no';

    $c->welcome(key => $p->{database} eq 'long' ? $cancel : 'KEY1');
    $c->serve;
}

my $cp = $t->control_plane(cache => 1);
my ($n, undef, $fc) = $t->front(
    control_plane => $cp, plain => 1, compute => \&compute, main => <<"END",
md5_verifiers on;
websocket_insecure on;
tls_required off;
otlp http://127.0.0.1:1/v1/traces sample=1 header=authorization:$secret{header};
END
    http => "server { listen 127.0.0.1:$ws;"
            . " location / { neon_proxy_websocket main; } }");

$n->set(main => $n->{main} =~ s/test-token/$secret{token}/r)->reload;

$cp->role('ep-1', alice => $verifier{alice}, broken => $broken,
          md5er => md5(md5er => $pw{md5er}));

my $sessions = 0;

sub enter {
    my ($name, $sqlstate, %o) = @_;

    my $user = $o{user} // 'alice';
    my $c = $t->enter($n, password => $pw{$user}, %o);

    $sessions++;
    is($c->error_text =~ s/ .*//sr, $sqlstate, $name);
    $c->value('hello') if $sqlstate eq '';

    return $c;
}

enter("SCRAM, compute: $_", '', database => $_)->close
    for qw/scram trust/;
enter('SCRAM, PLUS', '', cbind => 'require')->close;
enter('SCRAM without TLS', '', tls => 'none',
      params => [ options => 'endpoint=ep-1' ])->close;
enter("prefix, compute: $_", '', sni => undef, database => $_,
      password => "endpoint=ep-1;$pw{alice}")->close
    for qw/scram cleartext md5 trust/;
enter("MD5, compute: $_", '', user => 'md5er', database => $_)->close
    for qw/scram cleartext md5 trust/;
enter('MD5 without TLS', '', user => 'md5er', tls => 'none', database => 'md5',
      params => [ options => 'endpoint=ep-1' ])->close;

my $c = enter('protocol 3.2', '', version => 0x30002, database => 'long');
is(length $c->{key}, 32, 'a long cancel key');
key('cancel key', $c->{key});

my $canceler = $t->client(port => $n->port);
$canceler->send(cancel_request($c->{pid}, $c->{key}));
$canceler->read_all;
$sessions++;
eventually { grep { $_->[1] eq unpack 'H*', $cancel } $fc->notes('cancel') }
           'a cancel request is forwarded';
$c->close;

for my $compute (qw/scram cleartext md5 trust/) {
    my $w = NeonTest::WsClient->new(port => $ws);
    $w->upgrade(host => 'ep-1.db.example.com');
    $w->login(password => $pw{alice}, database => $compute);
    is($w->error_text, '', "WebSocket, compute: $compute");
    $w->value('hello');
    $w->close;
    $sessions++;
}

# what fails is said, but not with what

enter('a wrong password', '28P01', password => $pw{wrong});
enter('a wrong cleartext', '28P01', sni => undef,
      password => "endpoint=ep-1;$pw{wrong}");
enter('the MD5 of another', '28P01', user => 'md5er',
      password => $pw{wrong});
enter('no prefix', '28000', sni => undef);
enter('a bad prefix', '28000', sni => undef,
      password => "endpoint=?;$pw{alice}");
enter('an endpoint that is none', '28P01', sni => undef,
      password => "endpoint=none;$pw{alice}");
enter('a verifier that is none', '28P01', user => 'broken');
enter('refused by the compute', '28P01', database => 'no');
enter('a password of two lines', '28P01', sni => undef,
      password => "endpoint=ep-1;$pw{wrong}\n$pw{wrong}");

$n->log_like(qr/neon session .*finish(?!.*neon session)/s, 'the last one');
eventually { $sessions == (() = $n->log =~ /neon session \S+: finish/g) };
silent($n, 'front', $sessions);
like($n->log, qr/md5er|ep-1/, 'what is no secret is there');


# --- auth passthrough ----------------------------------------------------

my $pass = $t->nginx(main => "control_plane static;\nauth passthrough;\n"
                             . 'endpoint ep-1 ' . $fc->address . ";\n");

for my $compute (qw/scram cleartext md5/) {
    my $p = $t->enter($pass, password => $pw{alice}, database => $compute);
    is($p->error_text, '', "passthrough: $compute");
    $p->close;
}

eventually { 3 == (() = $pass->log =~ /neon session \S+: finish/g) };
silent($pass, 'passthrough', 3);


# --- control_plane link --------------------------------------------------

my $l = NeonTest::Link->new($t);

for my $compute (qw/scram cleartext md5/) {
    my $k = $l->knock;
    is($l->answer($k->{link}, port => $fc->port, user => 'alice',
                  dbname => $compute, password => $pw{alice}), 'ok',
       "link: $compute");
    is($k->authenticate->error_text, '', "link: $compute, in");
    $k->close;
}

like($l->answer('0' x 16, port => 1, password => $pw{alice}), qr/^42704 /,
     'an answer for nobody');

my $console = $l->console;
my $text = NeonTest::Link::callback('0' x 16, port => 1,
                                    password => $pw{alice});

for ($text =~ s/"Success"/"Success/r, $text =~ s/"port"/"prt"/r,
     substr($text, 0, -3), qq("$pw{alice}"), "$pw{alice}\0$pw{alice}") {
    isnt($l->say($console, $_), 'ok', 'an answer that is none');
    $console = $l->console if $console->{eof};
}

$console->close;
eventually { 3 == (() = $l->nginx->log =~ /neon session \S+: finish/g) };
silent($l->nginx, 'link', 3);


# --- control_plane postgres:// -------------------------------------------

my $pg = $t->postgres;
my $proxy = password('proxy');
$pg->sql("create role proxy login superuser password '$proxy'");
$secret{"verifier of $_"} = (split /\$/, $pg->verifier($_))[-1]
    for qw/alice proxy/;

for my $password ($proxy, $pw{wrong}) {
    my $q = $t->nginx(main => "control_plane postgres://proxy:$password"
                              . '@127.0.0.1:' . $pg->port . "/app;\n"
                              . "wake_retry attempts=1 base=1ms factor=1;\n");
    my $p = $t->enter($q, password => $pg->password('alice'));
    is($p->error_text eq '', $password eq $proxy, 'postgres://');
    $p->close;

    eventually { $q->log =~ /neon session \S+: finish/ };
    silent($q, 'postgres://', 1);
}


# --- a configuration that is refused -------------------------------------

my $roles = spew($t->dir . '/roles', qq("alice" "$broken"\n));
chmod 0600, $roles;

for ("control_plane postgres://u:$pw{alice}\@127.0.0.1:port/d",
     "control_plane postgres://u:$pw{alice}\@h/d?nothing=1",
     "control_plane http://h/;\ncontrol_plane_token '$pw{alice} x'",
     "control_plane http://h/;\notlp http://h/ 'header=a:$pw{alice}\x01'",
     "control_plane http://h/;\notlp http://h/ 'header=a b:$pw{alice}'",
     "control_plane http://h/;\notlp http://h/ 'header=$pw{alice}'",
     "control_plane http://h/;\notlp http://u:$pw{alice}\@h/",
     "control_plane http://u:$pw{alice}\@h:port/",
     "control_plane postgres:/u:$pw{alice}\@h/d",
     "control_plane link https://u:$pw{alice}\@h/",
     "control_plane static;\nrole_file $roles;\nendpoint e 127.0.0.1:1")
{
    my ($rc, $said) = $t->nginx_test(main => "$_;\n");

    isnt($rc, 0, 'refused: ' . s/\n.*//sr =~ s/pass-[-a-z]+/.../r);
    is_deeply(found($said), [], 'without a secret');
}

$t->done;
