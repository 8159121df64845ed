#!/usr/bin/perl

# Who may enter: the right password, and nobody else.  A wrong password, an
# unknown role and an unknown endpoint cannot be told apart.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use MIME::Base64 qw/decode_base64/;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1, workers => 2);

$cp->role('ep-1', md5 => 'md5' . 'a' x 32, empty => '',
          thousand => NeonTest::Scram::verifier('pw', iterations => 1000),
          longsalt => NeonTest::Scram::verifier('pw', salt => 's' x 64),
          shortsalt => NeonTest::Scram::verifier('pw', salt => 's'),
          "o'brien \xc3\xa9,=" => $t->{verifier});


# --- the right password --------------------------------------------------

for my $role ('alice', 'thousand', 'longsalt', 'shortsalt',
              "o'brien \xc3\xa9,=")
{
    my $c = $t->enter($n, user => $role);

    is($c->error_text, '', "$role: logged in");
    is_deeply($c->{auth}, [ 10, 11, 12, 0 ], "$role: SCRAM");
    ok($c->{server_verified}, "$role: the proxy knows the verifier");
    is(($fc->notes('startup'))[-1]{user}, $role, "$role: at the compute");
    is($c->value('hello'), 'hello', "$role: a query");
    $c->close;
}

is(($cp->calls('access'))[-1]{query}{role}, "o'brien \xc3\xa9,=",
   'an odd name arrives whole at the control plane');

# everything from SASLFinal to ReadyForQuery in one piece of TLS
my $c = $t->enter($n);
is(join('', map { $_->{type} } @{ $c->{messages} }), 'RRRRSSKZ',
   'the order of the messages');
$c->close;


# --- the wrong one -------------------------------------------------------

# all that the server says, without what must differ: nonce and salt

sub said {
    my (%o) = @_;

    $cp->forget;
    my $c = $t->enter($n, nonce => 'fixedclientnonce', %o);
    my @salt;

    my $text = join "\n", map {
        my $body = $_->{body};
        $body =~ s/(r=fixedclientnonce)[^,]{24},s=([^,]+),/$1<nonce>,s=<salt>,/
            and push @salt, $2;
        "$_->{type} $body";
    } @{ $c->{messages} };

    ok($c->{eof} || $c->read_all eq '', 'closed');
    is(scalar(() = $cp->calls('wake')), 0, 'nobody was woken');

    $text =~ s/"$o{user}"/"<user>"/ if defined $o{user};
    return ($text, @salt);
}

for my $cbind (qw/prefer disable/) {
    my ($wrong, $salt) = said(user => 'alice', password => 'x',
                              cbind => $cbind);

    like($wrong, qr/C28P01\0Mpassword authentication failed for user "<user>"/,
         "wrong password, $cbind: the message of PostgreSQL");
    is(length decode_base64($salt), 16, 'salt of 16 bytes');
    like($wrong, qr/,i=4096$/m, '4096 iterations');

    my %other = (
        'unknown role' => { user => 'nobody' },
        'role of an unknown endpoint' => { user => 'alice',
                                           sni => 'ep-9.db.example.com' },
        'role with an MD5 secret' => { user => 'md5' },
        'role with an empty secret' => { user => 'empty' },
    );

    for my $name (sort keys %other) {
        my ($text, $mock) = said(%{ $other{$name} }, password => 'x',
                                 cbind => $cbind);

        is($text, $wrong, "$name, $cbind: the same bytes");
        is(length decode_base64($mock), 16, "$name, $cbind: salt");

        my ($right) = said(%{ $other{$name} }, password => 'pw',
                           cbind => $cbind);
        is($right, $wrong, "$name, $cbind: whatever the password is");
    }
}

my $refused = '28P01 password authentication failed for user "alice"';

is($t->enter($n, password => '')->error_text, $refused, 'empty password');
is($t->enter($n, password => 'PW')->error_text, $refused, 'upper case');
is($t->enter($n, password => 'pw ')->error_text, $refused, 'with a blank');


# --- the salts of roles that do not exist are theirs for ever ------------

sub salt {
    my (%o) = @_;

    my ($text, $salt) = said(password => 'x', %o);
    return $salt;
}

my %unknown = (
    role      => { user => 'nobody' },
    other     => { user => 'nobody2' },
    endpoint  => { user => 'alice', sni => 'ep-9.db.example.com' },
    endpoint8 => { user => 'alice', sni => 'ep-8.db.example.com' },
    real      => { user => 'alice' },
);

my %salt = map { $_ => salt(%{ $unknown{$_} }) } sort keys %unknown;
my %distinct = reverse %salt;
is(scalar keys %distinct, scalar keys %unknown, 'all salts differ');

# the log says which worker had the session: both must have had some
my $workers = sub {
    my %pids = map { $_ => 1 } $n->log =~ /(\d+)#\d+: \*\d+ .*28P01/g;
    return scalar keys %pids;
};

for my $try (1 .. 50) {
    for my $which (sort keys %salt) {
        my $again = salt(%{ $unknown{$which} });
        is($again, $salt{$which}, "$which: the same salt at attempt $try");
    }

    last if $try >= 3 && $workers->() >= 2;
}

ok($workers->() >= 2, 'by both workers') or diag($n->log);

is(salt(user => 'nobody', sni => 'ep-1-pooler.db.example.com'), $salt{role},
   'and with the pooler suffix');
is(salt(user => 'nobody', tls => 'direct'), $salt{role},
   'and over direct TLS');

ok($n->reload, 'reload');

is(salt(%{ $unknown{$_} }), $salt{$_}, "$_: the same salt after a reload")
    for sort keys %salt;


# --- malformed SASL messages ---------------------------------------------

# answers of the client in its order; the SQLSTATE

sub sasl {
    my ($name, $code, @answers) = @_;

    my $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    $c->read_n(1);
    $c->start_tls(sni => 'ep-1.db.example.com');
    $c->send(startup_packet([ user => 'alice' ]));

    my $m = $c->read_message;
    my $first = '';

    for my $answer (@answers) {
        $answer = $answer->($first) if ref $answer;
        $c->send($answer);
        $m = $c->read_message or last;
        ($first) = $m->{body} =~ /(r=.*)/s;
    }

    is($m && $m->{type} eq 'E' ? error_fields($m->{body})->{C} : undef,
       $code, $name);
    is($c->read_all, '', "$name: closed");
}

sub initial {
    my ($mechanism, $data, $length) = @_;

    return message('p', "$mechanism\0" . pack('N', $length // length $data)
                        . $data);
}

my $plain = 'SCRAM-SHA-256';
my $good = initial($plain, 'n,,n=,r=clientnonce');

sasl('unknown mechanism', '08P01', initial('SCRAM-SHA-1', 'n,,n=,r=x'));
sasl('empty mechanism', '08P01', initial('', 'n,,n=,r=x'));
sasl('no data', '08P01', message('p', "$plain\0" . pack 'N', 2 ** 32 - 1));
sasl('empty data', '08P01', initial($plain, ''));
sasl('a length that is too long', '08P01',
     initial($plain, 'n,,n=,r=x', 100));
sasl('a length that is too short', '08P01', initial($plain, 'n,,n=,r=x', 3));
sasl('no length', '08P01', message('p', "$plain\0"));
sasl('no NUL', '08P01', message('p', $plain));
sasl('another message', '08P01', message('Q', "select 1\0"));
sasl('513 bytes', '08P01', initial($plain, 'n,,n=,r=' . 'x' x 513));
sasl('length 2^31', '08P01', 'p' . pack 'N', 2 ** 31);
sasl('an authzid', '08P01', initial($plain, 'n,a=bob,n=,r=x'));
sasl('an unknown gs2 flag', '08P01', initial($plain, 'x,,n=,r=x'));
sasl('no nonce', '08P01', initial($plain, 'n,,n='));
sasl('an empty nonce', '08P01', initial($plain, 'n,,n=,r='));
sasl('a mandatory extension', '08P01', initial($plain, 'n,,m=x,n=,r=x'));
sasl('a NUL inside', '08P01', initial($plain, "n,,n=,r=x\0y"));
sasl('binding without PLUS', '08P01',
     initial($plain, 'p=tls-server-end-point,,n=,r=x'));
sasl('PLUS without binding', '08P01',
     initial("$plain-PLUS", 'n,,n=,r=clientnonce'));

sasl('a nonce of its own', '08P01', $good,
     message('p', 'c=biws,r=clientnonce,p=' . 'A' x 43 . '='));
sasl('a proof that is too short', '08P01', $good,
     sub { my ($r) = $_[0] =~ /(r=[^,]*)/;
           message('p', "c=biws,$r,p=AAAA") });
sasl('no proof', '08P01', $good,
     sub { my ($r) = $_[0] =~ /(r=[^,]*)/; message('p', "c=biws,$r") });
sasl('a proof that is no base64', '08P01', $good,
     sub { my ($r) = $_[0] =~ /(r=[^,]*)/;
           message('p', "c=biws,$r,p=" . '!' x 44) });
sasl('another binding than before', '28000', $good,
     sub { my ($r) = $_[0] =~ /(r=[^,]*)/;
           message('p', "c=eSws,$r,p=" . 'A' x 43 . '=') });
sasl('an empty client-final', '08P01', $good, message('p', ''));
sasl('600 bytes of client-final', '08P01', $good, message('p', 'c' x 600));

# client and server agree again
$c = $t->enter($n);
is($c->value('hello'), 'hello', 'the next client is served');
$c->close;


# --- a verifier that is none ---------------------------------------------

for my $secret ('SCRAM-SHA-256$4096:c2FsdA==$x:y', 'SCRAM-SHA-256$0:c2FsdA==$'
                . 'A' x 43 . '=:' . 'A' x 43 . '=', 'plain')
{
    $cp->role('ep-1', broken => $secret);
    $c = $t->enter($n, user => 'broken');
    like($c->error && $c->error->{C}, qr/^(?:57P03|28P01)$/,
         "verifier '" . substr($secret, 0, 30) . "': refused");
    ok(!$c->{authenticated}, 'not authenticated');
}

$t->done;
