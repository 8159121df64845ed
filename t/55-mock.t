#!/usr/bin/perl

# Unknown roles and endpoints (C12): SCRAM goes on with a verifier that no
# password fits and that is theirs for ever, in all workers, over reloads and,
# with mock_secret, on all machines.  Nothing tells them from a known role.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use MIME::Base64 qw/decode_base64/;
use Time::HiRes qw/sleep time/;

my $t = NeonTest->new;
my $cp = $t->control_plane(cache => 1);
my $fc = $t->fake_compute(\&NeonTest::welcome);
my $certs = $t->certs;

$cp->role('ep-1', md5 => 'md5' . 'a' x 32, empty => '',
          map { $_ => NeonTest::Scram::verifier('pw') } qw/alice bob carol/);
$cp->endpoint('ep-1', address => $fc->address);

# reuseport: the kernel gives each worker its share
sub nginx {
    my ($main, %o) = @_;

    my $port = $t->port;

    return $t->nginx(main => $cp->directives . $main, port => $port,
                     workers => 4, stream => <<"END", %o);
server {
    listen 127.0.0.1:$port reuseport;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    neon_proxy_pass main;
}
END
}


# all that the server says, without what must differ: nonce, salt, the name

sub heard {
    my ($n, %o) = @_;

    my $c = $t->enter($n, nonce => 'fixedclientnonce', password => 'x', %o);
    my %heard;

    $heard{text} = join "\n", map {
        my $body = $_->{body};
        $body =~ s/r=fixedclientnonce[^,]{24},s=([^,]+),i=(\d+)$/<first>,i=$2/
            and @heard{qw/salt iterations/} = (decode_base64($1), $2);
        "$_->{type} $body";
    } @{ $c->{messages} };

    $heard{text} =~ s/user "[^"]*"/user <name>/;
    $heard{text} .= $c->read_all;
    $heard{auth} = join ' ', @{ $c->{auth} };

    return \%heard;
}

sub salt { heard(@_)->{salt} }

# of the workers that refused it, by the log
sub workers {
    my ($n, $user, $endpoint) = @_;

    my %pids = map { $_ => 1 } $n->log =~ /(\d+)\#\d+:\ \*\d+\ password\ auth
        .* user\ "$user"\ .* endpoint:\ \Q$endpoint\E\b/xg;
    return scalar keys %pids;
}

my %who = (
    'unknown role' => { user => 'nobody' },
    'another unknown role' => { user => 'nobody2' },
    'unknown endpoint' => { user => 'alice', sni => 'ep-9.db.example.com' },
    'another unknown endpoint' => { user => 'alice',
                                    sni => 'ep-8.db.example.com' },
    'unknown role and endpoint' => { user => 'nobody',
                                     sni => 'ep-9.db.example.com' },
);
my @who = sort keys %who;

sub salts { my ($n) = @_; map { $_ => salt($n, %{ $who{$_} }) } @who }


# --- the same for ever ---------------------------------------------------

# however long it takes: each is asked for once
my $n = nginx("secret_cache negative=5m;\n");
my %salt;

for my $name (@who) {
    my $heard = heard($n, %{ $who{$name} });

    is($heard->{iterations}, 4096, "$name: 4096 iterations");
    is(length $heard->{salt}, 16, "$name: salt of 16 bytes");
    $salt{$name} = $heard->{salt};
}

$salt{'known role'} = salt($n, user => 'alice');
is(scalar keys %{{ reverse %salt }}, @who + 1, 'each has another salt');
delete $salt{'known role'};

my %all;

for (1 .. 100) {
    for my $name (@who) {
        my ($user, $sni) = @{ $who{$name} }{qw/user sni/};
        my ($endpoint) = ($sni // 'ep-1') =~ /^([^.]*)/;

        $all{$name}{salt($n, %{ $who{$name} })} = 1;
        $all{$name}{workers} = workers($n, $user, $endpoint);
    }

    last if !grep { $all{$_}{workers} < 4 } @who;
}

for my $name (@who) {
    is(delete $all{$name}{workers}, 4, "$name: all workers");
    is_deeply([ keys %{ $all{$name} } ], [ $salt{$name} ],
              "$name: had the same salt at each attempt");
}

is(scalar(() = $cp->calls('access')), @who + 1, 'each was asked for once');

is(salt($n, user => 'nobody', sni => 'ep-1-pooler.db.example.com'),
   $salt{'unknown role'}, 'with "-pooler": the same salt');
is(salt($n, user => 'nobody', sni => 'EP-1-Pooler.db.example.com'),
   $salt{'unknown role'}, 'in another case: the same salt');
is(salt($n, user => 'nobody', tls => 'direct'), $salt{'unknown role'},
   'over direct TLS: the same salt');

ok($n->reload, 'reload');
is_deeply({ salts($n) }, \%salt, 'the same salts after a reload');

$n->set(main => $cp->directives . "secret_cache size=0;\n");
ok($n->reload, 'reload without a cache');
is_deeply({ salts($n) }, \%salt, 'the same salts without a cache');


# --- two machines --------------------------------------------------------

my $secret = 'a secret of more than 16 bytes';
spew($t->dir . '/secret', "$secret\n");

my %other = salts(nginx('', workers => 1));
my %random = salts(nginx("mock_secret random;\n", workers => 1));

is(scalar keys %{{ map { $_ => 1 } values %salt, values %other,
                   values %random }}, 3 * @who,
   'without mock_secret each machine has salts of its own');

my $file = nginx('mock_secret file:' . $t->dir . "/secret;\n");
my %shared = salts($file);

is(scalar keys %{{ reverse %shared, reverse %other }}, 2 * @who,
   'with mock_secret: other ones');

my %same = (
    'in the configuration' => nginx("mock_secret '$secret';\n"),
    'in the environment' => nginx("mock_secret env:NEON_MOCK;\n",
                                  env => { NEON_MOCK => $secret }),
);

is_deeply({ salts($same{$_}) }, \%shared, "the same secret, $_")
    for sort keys %same;

$n->set(main => $cp->directives . "mock_secret '$secret';\n");
ok($n->reload, 'mock_secret by a reload');
is_deeply({ salts($n) }, \%shared, 'the same secret, by a reload');

$file->quit;
is_deeply({ salts(nginx("mock_secret '$secret';\n", workers => 1)) },
          \%shared, 'the same salts after a restart');

my %else = salts(nginx("mock_secret '${secret}x';\n", workers => 1));
isnt($else{$_}, $shared{$_}, "another secret: $_") for @who;


# --- nothing tells it from a known role ----------------------------------

my %unknown = (%who, 'role with an MD5 secret' => { user => 'md5' },
               'role with an empty secret' => { user => 'empty' });

my %how = (
    'PLUS' => [ cbind => 'require' ],
    'without PLUS' => [ cbind => 'disable' ],
    'direct TLS' => [ tls => 'direct', cbind => 'require' ],
    'protocol 3.2' => [ version => 3 << 16 | 2 ],
    'a downgrade' => [ cbind => 'disable', gs2 => 'y' ],
    'another binding' => [ cbind_data => 'x' x 32 ],
    'an unknown mechanism' => [ mechanism => 'SCRAM-SHA-512' ],
);

$n = nginx('');

for my $how (sort keys %how) {
    my $known = heard($n, user => 'alice', @{ $how{$how} });

    like($known->{text}, qr/SFATAL\0VFATAL\0C/, "$how: refused");

    for my $who (sort keys %unknown) {
        for my $password (qw/x pw/) {
            my $heard = heard($n, %{ $unknown{$who} }, @{ $how{$how} },
                              password => $password);

            is($heard->{text}, $known->{text}, "$how: $who ($password)");
        }
    }
}

my $wrong = heard($n, user => 'alice');
is($wrong->{auth}, '10 11', 'it is refused behind the proof, not before');
like($wrong->{text}, qr/\nE\ SFATAL\0VFATAL\0C28P01\0Mpassword\ authentication
     \ failed\ for\ user\ <name>\0H[^\0]*\0\0$/x, 'and how');

# a password with the endpoint in it
for my $password (qw/x pw/) {
    my $prefix = "endpoint=ep-1;$password";
    my $known = heard($n, user => 'alice', sni => undef,
                      password => 'endpoint=ep-1;x');

    is($known->{auth}, '3', 'cleartext: one request');

    my @none = ([ 'nobody', $prefix ],
                [ 'alice', "endpoint=ep-9;$password" ]);

    for (@none) {
        my ($user, $text) = @$_;
        my $heard = heard($n, user => $user, sni => undef,
                          password => $text);

        is($heard->{text}, $known->{text}, "cleartext: $user, $text");
    }
}

# what the control plane is asked
sub asked {
    my (%who) = @_;

    $cp->forget;
    heard($n, %who);

    return join '; ', map {
        join ' ', $_->{method}, $_->{path}, sort(keys %{ $_->{query} }),
                  sort keys %{ $_->{headers} };
    } $cp->calls;
}

my %new = ('unknown role' => { user => 'nobody3' },
           'unknown endpoint' => { user => 'alice',
                                   sni => 'ep-7.db.example.com' });
my $first = asked(user => 'bob');

like($first, qr/^\S+ \S+get_endpoint_access_control [^;]*$/,
     'a known role: one call');
is(asked(user => 'bob'), '', 'then none');

for my $who (sort keys %new) {
    is(asked(%{ $new{$who} }), $first, "$who: the same call");
    is(asked(%{ $new{$who} }), '', "$who: then none");
}

# a wrong password casts doubt on what the cache has, after some time
my $begun = time;
my %aging = ('known role' => { user => 'carol' },
             'unknown role' => { user => 'nobody4' },
             'unknown endpoint' => { user => 'alice',
                                     sni => 'ep-6.db.example.com' });
asked(%{ $aging{$_} }) for sort keys %aging;
sleep 0.1 while time < $begun + 6;

for my $who (sort keys %aging) {
    is(asked(%{ $aging{$who} }), '', "$who, older: no call");
    is(asked(%{ $aging{$who} }), $first, "$who, older: the next one asks");
    is(asked(%{ $aging{$who} }), '', "$who, older: then none");
}

is(scalar(() = $cp->calls('wake')), 0, 'nobody was woken');
is($fc->connections, 0, 'no compute was reached');

# only the log knows
for my $case ([ 'nobody3', 'ep-1' ], [ 'alice', 'ep-7' ]) {
    my ($user, $endpoint) = @$case;

    like($n->log, qr/user\ "$user"\ \(password,\ SQLSTATE\ 28P01\):
         \ the\ control\ plane\ knows\ no\ such\ role\b
         .* endpoint:\ $endpoint\b/x,
         "the log says why: $user of $endpoint");
}

unlike($n->log, qr/user "alice".*no such role.*endpoint: ep-1\b/,
       'and of the known role it does not say so');

# the older API says "no such project" for both
my $old = $t->control_plane(cache => 1, api => '2023');
$old->role('ep-1', alice => NeonTest::Scram::verifier('pw'));
$old->endpoint('ep-1', address => $fc->address);
$n = nginx('', main => $old->directives, workers => 1);
$wrong = heard($n, user => 'alice');

for my $who (@who) {
    my $heard = heard($n, %{ $who{$who} });

    is($heard->{text}, $wrong->{text}, "API of 2023: $who");
    is(length $heard->{salt}, 16, "API of 2023: $who, salt");
}


# --- secrets that are none -----------------------------------------------

my ($rc, $log) = $t->nginx_test(main => $cp->directives
                                . "mock_secret short;\n");
is($rc, 0, 'a short secret is taken');
like($log, qr/\[warn\] .*"mock_secret" is short.* in \S+:\d+/,
     'with a warning');
unlike($log, qr/\[warn\].*"short"/, 'which does not show it');

($rc, $log) = $t->nginx_test(main => $cp->directives
                             . "mock_secret '$secret';\n");
unlike($log, qr/mock_secret/, 'a long one without');

$t->done;
