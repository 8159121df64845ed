#!/usr/bin/perl

# Roles that cannot log in, with a PostgreSQL that knows them: what a client
# sees of an unknown role, and of one that has no password, an expired or an MD5
# one, is byte for byte what it sees of a wrong password.

use lib 't/lib';
use NeonTest;
use NeonTest::WsClient;
use NeonTest::Wire;

use MIME::Base64 qw/decode_base64/;

my $t = NeonTest->new;
my $pg = $t->postgres(hba => "host all soonmd5,stamd 127.0.0.1/32 md5\n");
my $certs = $t->certs;
my $access = $t->dir . '/access.log';
my $url = 'postgres://proxy:proxy@127.0.0.1:' . $pg->port . '/app';

$pg->sql($_) for split /;\n/, <<'END';
create role proxy login superuser password 'proxy';
create role known login password 'pw';
create role stale login password 'pw' valid until '2020-01-01';
create role empty login;
set password_encryption = 'md5';
create role stamd login password 'pw' valid until '2020-01-01';
reset password_encryption
END

# two blocks, which differ in md5_verifiers, each with all its fronts

my %port = map { $_ => $t->port }
           map { ("tls$_", "plain$_", "ws$_") } qw/off on/;

sub tls {
    return "ssl_certificate $certs/db.crt; ssl_certificate_key $certs/db.key;";
}

my ($blocks, $stream, $http) = ('', '', '');

for my $md5 (qw/off on/) {
    $blocks .= <<"END";
neon_proxy $md5 {
    zone           $md5 1m;
    control_plane  $url;
    md5_verifiers  $md5;
}
END
    $stream .= <<"END";
server {
    listen 127.0.0.1:$port{"tls$md5"};
    @{[ tls() ]}
    neon_proxy_pass $md5;
}
server {
    listen 127.0.0.1:$port{"plain$md5"};
    neon_proxy_pass $md5;
}
END
    $http .= <<"END";
server {
    listen 127.0.0.1:$port{"ws$md5"} ssl;
    @{[ tls() ]}
    location / { neon_proxy_websocket $md5; }
}
END
}

my $n = $t->nginx(globals => $blocks, http => $http, stream => <<"END");
log_format neon '\$neon_user|\$neon_secret_cache|\$neon_auth_method|'
                '\$neon_sqlstate';
access_log $access neon;
$stream
END


# --- what is heard -------------------------------------------------------

my %how = (
    'TLS' => {},
    'TLS without channel binding' => { cbind => 'disable' },
    'direct TLS' => { tls => 'direct' },
    'no TLS' => { tls => 'none', port => 'plain',
                  params => [ options => 'endpoint=ep-1' ] },
    'password prefix' => { sni => undef, prefix => 'endpoint=ep-1;' },
    'WebSocket' => { websocket => 1 },
);

sub client {
    my ($md5, %o) = @_;

    if ($o{websocket}) {
        my $c = NeonTest::WsClient->new(port => $port{"ws$md5"});

        $c->start_tls(sni => 'db.example.com');
        $c->upgrade(host => 'ep-1.db.example.com');
        return $c->login(%o);
    }

    $o{password} = $o{prefix} . $o{password} if $o{prefix};
    return $t->login(sni => 'ep-1.db.example.com', %o,
                     port => $port{($o{port} // 'tls') . $md5});
}

# { bytes => all that the server says but nonce, salt and the role's name,
#   rest => the end of it, salt =>, iterations =>, nonce => its length,
#   auth => codes, error => fields }

sub heard {
    my ($md5, %o) = @_;

    my $c = client($md5, nonce => 'fixedclientnonce', %o);
    my %heard = (auth => [ @{ $c->{auth} } ], error => $c->error);

    $heard{bytes} = join "\n", map {
        my $body = $_->{body};

        $body =~ s/(r=fixedclientnonce)([^,]{24}),s=([^,]+),i=(\d+)$
                  /"$1" . '?' x 24 . ',s=' . '?' x length($3) . ",i=$4"/ex
            and @heard{qw/nonce salt iterations/} = (16 + length $2,
                                                     decode_base64($3), $4);
        unpack 'H*', message($_->{type}, $body =~ s/"$o{user}"/"?"/r);
    } @{ $c->{messages} };

    my @more = $o{websocket} ? $c->read_to_end : ();

    $heard{rest} = $o{websocket} ? [ scalar @more, @$c{qw/close frames/} ]
                                 : $c->read_all;
    return \%heard;
}

sub same {
    my ($heard, $as, $name) = @_;

    is($heard->{bytes}, $as->{bytes}, "$name: the same bytes");
    is(length($heard->{salt} // ''), length($as->{salt} // ''),
       "$name: as much salt");
    is_deeply($heard->{rest}, $as->{rest}, "$name: the same end");
}

# what cannot be told apart, each with the password that it has; all names are
# of one length

my %role = ('no such role' => [ 'ghost', 'pw' ],
            'no password' => [ 'empty', '' ],
            'an expired password' => [ 'stale', 'pw' ],
            'an MD5 verifier' => [ 'md5er', $pg->password('md5er') ]);

my %salt;

for my $how (sort keys %how) {
    my %o = %{ $how{$how} };
    my $known = heard('off', user => 'known', password => 'other', %o);

    is_deeply([ @{ $known->{error} }{qw/S V C M/} ],
              [ qw/FATAL FATAL 28P01/,
                'password authentication failed for user "known"' ],
              "$how: a wrong password");
    same(heard('off', user => 'known', password => 'other', %o), $known,
         "$how: a wrong password, again");

    for my $role (sort keys %role) {
        my ($user, $password) = @{ $role{$role} };

        for my $try ('other', $password, $password) {
            my $heard = heard('off', user => $user, password => $try, %o);

            same($heard, $known, "$how: $role");

            next if !defined $heard->{salt};
            $salt{$user} //= $heard->{salt};
            is($heard->{salt}, $salt{$user}, "$how: $role: its own salt");
        }
    }
}

is(scalar keys %salt, 4, 'all of them have a salt');
is(scalar keys %{ { reverse %salt } }, 4, 'each its own');

$n->log_like(qr/\[warn\].* role "empty" has no password/,
             'no password: and so the look-up');
$n->log_like(qr/\[warn\].* role "md5er" .*"md5_verifiers" is off/,
             'MD5: and so the look-up');


# --- the transcript in the README ----------------------------------------

my @requests = (0 .. 12);
@requests[0, 3, 5, 10, 11] = qw/Ok CleartextPassword MD5Password SASL
                                SASLContinue/;

sub told {
    my ($md5, $user, $password, %o) = @_;

    my $heard = heard($md5, user => $user, password => $password, %o);
    my @said = map { $requests[$_] } @{ $heard->{auth} };

    $said[1] .= sprintf ' (nonce %d, salt %d, i=%d)', $heard->{nonce},
                length $heard->{salt}, $heard->{iterations}
        if defined $heard->{salt};
    return join ', ', @said, $heard->{error}{C};
}

my $readme = slurp(top() . '/README.md');
my @rows = ([ 'has another password', off => 'known', 'other', '–' ],
            [ 'does not exist', off => 'ghost', 'pw',
              'the control plane knows no such role with a SCRAM verifier' ],
            [ 'has no password', off => 'empty', '',
              'the control plane knows no such role with a SCRAM verifier' ],
            [ 'has an expired one', off => 'stale', 'pw',
              q{the role's password has expired} ],
            [ 'has an MD5 verifier', off => 'md5er', $pg->password('md5er'),
              'the role has an MD5 verifier, and "md5_verifiers" is off' ],
            [ 'has another MD5 verifier, `md5_verifiers on`',
              on => 'md5er', 'other', '–' ]);

for my $row (@rows) {
    my ($name, $md5, $user, $password, $why) = @$row;

    my $line = join ' | ', "| $name", told($md5, $user, $password),
               told($md5, $user, $password, websocket => 1), "$why |";

    ok(index($readme, "\n$line\n") >= 0, "README: the role $name")
        or diag($line);

    $n->log_like(qr/user\ "$user"\ \(password,\ SQLSTATE\ 28P01\)
                   (?::\ \Q$why\E)?\ while\ authenticating/x,
                 "the log says why: the role $name");
}


# --- md5_verifiers on changes nothing else -------------------------------

for my $how (sort keys %how) {
    my %o = %{ $how{$how} };
    my $known = heard('on', user => 'known', password => 'other', %o);

    for my $user (qw/ghost empty stale/) {
        same(heard('on', user => $user, password => 'pw', %o), $known,
             "md5_verifiers on, $how: $user");
    }
}


# --- where only the compute knows that a password has expired ------------

# by SCRAM, for which PostgreSQL makes up another salt then, and by MD5

my $static = $t->nginx(main => $t->static($pg, qw/known stale stamd/)
                               . "md5_verifiers on;\n");

for my $user (qw/known stale stamd/) {
    my $wrong = $t->enter($static, user => $user, password => 'other');
    my $c = $t->enter($static, user => $user);

    if ($user eq 'known') {
        is($c->value('select current_user'), 'known', 'role file: a role');
        $c->close;
        next;
    }

    is_deeply([ @{ $c->error }{qw/S V C M/} ],
              [ @{ $wrong->error }{qw/S V C M/} ],
              "role file: $user: an expired password is a wrong one");
    is_deeply($c->{auth}, $wrong->{auth}, "role file: $user: the same way");
}

$static->log_like(qr/user "stale" \(compute_password, .* or an expired one\?/,
                  'the log says where');


# --- a password that expires while it is cached --------------------------

sub enters {
    my ($md5, $user) = @_;

    my $c = client($md5, user => $user, password => 'pw');
    my $text = $c->error_text || $c->value('select current_user');

    $c->close;
    return $text;
}

sub lines { grep { /^$_[0]\|/ } split /\n/, slurp($access) }

my $until = $pg->sql("select now() + interval '8 seconds'");

$pg->sql("create role soon login password 'pw' valid until '$until'");
$pg->sql("set password_encryption = 'md5'");
$pg->sql("create role soonmd5 login password 'pw' valid until '$until'");

my %soon = (soon => 'off', soonmd5 => 'on');

is(enters($soon{$_}, $_), $_, "$_: valid still") for sort keys %soon;

for my $user (sort keys %soon) {
    eventually { enters($soon{$user}, $user) =~ /^28P01/ }
               "$user: expires", 40;
    eventually { (lines($user))[-1] eq "$user|HIT|SCRAM-SHA-256-PLUS|28P01" }
               "$user: by what the cache says";
    $n->log_like(qr/user "$user" .*: the role's password has expired/,
                 "$user: the log says why");
}

$t->done;
