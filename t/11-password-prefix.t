#!/usr/bin/perl

# Clients without SNI and options name the endpoint in the password:
# endpoint=NAME;PASSWORD.  It is verified here, before anybody is woken.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front;

my %password = (
    semicolon => 'a;b;c', dollar => 'a$b', both => 'x$y;z', empty => '',
    utf8 => "p\xc3\xa4ssw\xc3\xb6rd", long => 'l' x 1500,
    prefix => 'endpoint=ep-2;pw',
);

$cp->role('ep-1', map { $_ => NeonTest::Scram::verifier($password{$_}) }
                  keys %password);

sub try {
    my ($password, %o) = @_;

    $cp->forget;
    return $t->enter($n, sni => undef, password => $password, %o);
}

sub good {
    my ($name, $password, %o) = @_;

    my $c = try($password, %o);

    is($c->error_text, '', "$name: logged in");
    is_deeply($c->{auth}, [ 3, 0 ], "$name: one cleartext password");
    is($c->value('hello'), 'hello', "$name: a query");
    is(($cp->calls)[0]{query}{endpointish}, $o{endpoint} // 'ep-1',
       "$name: the endpoint");
    $c->close;
}

sub bad {
    my ($name, $code, $message, $password, %o) = @_;

    my $c = try($password, %o);

    is($c->error && $c->error->{C}, $code, "$name: SQLSTATE");
    like($c->error_text, $message, "$name: message");
    is(scalar(() = $cp->calls('wake')), 0, "$name: nobody was woken");
}


good('endpoint=;', 'endpoint=ep-1;pw');
good('project=;', 'project=ep-1;pw');
good('endpoint=$', 'endpoint=ep-1$pw');
good('project=$', 'project=ep-1$pw');
good('pooler suffix', 'endpoint=ep-1-pooler;pw', endpoint => 'ep-1-pooler');
good('password with semicolons', "endpoint=ep-1;$password{semicolon}",
     user => 'semicolon');
good('password with dollar behind a semicolon',
     "endpoint=ep-1;$password{dollar}", user => 'dollar');
good('password with dollar behind a dollar',
     "endpoint=ep-1\$$password{dollar}", user => 'dollar');
good('password with both', "endpoint=ep-1;$password{both}", user => 'both');
good('UTF-8', "endpoint=ep-1;$password{utf8}", user => 'utf8');
good('1500 bytes', "endpoint=ep-1;$password{long}", user => 'long');
good('a password that looks like a prefix', "endpoint=ep-1;$password{prefix}",
     user => 'prefix');
good('direct TLS', 'endpoint=ep-1;pw', tls => 'direct');

my $refused = qr/password authentication failed for user "alice"/;

bad('wrong password', '28P01', $refused, 'endpoint=ep-1;wrong');
bad('empty password', '28P01', $refused, 'endpoint=ep-1;');
bad('unknown endpoint', '28P01', $refused, 'endpoint=ep-9;pw');
bad('unknown role', '28P01', qr/user "nobody"/, 'endpoint=ep-1;pw',
    user => 'nobody');
bad('60000 bytes', '28P01', $refused, 'endpoint=ep-1;' . 'x' x 60000);

my $missing = qr/Endpoint ID is not specified/;

bad('no prefix', '28000', $missing, 'pw');
bad('no separator', '28000', $missing, 'endpoint=ep-1');
bad('another word', '28000', $missing, 'database=ep-1;pw');
bad('upper case', '28000', $missing, 'ENDPOINT=ep-1;pw');
bad('a bad prefix before ; and a good one before $', '28000', $missing,
    'x;endpoint=ep-1$pw');
bad('nothing', '28000', $missing, '');

my $name = qr/must contain only alphanumeric/;

bad('name with underscore', '28000', $name, 'endpoint=ep_1;pw');
bad('name with blank', '28000', $name, 'endpoint=ep 1;pw');
bad('empty name', '28000', $name, 'endpoint=;pw');
bad('64 letters', '28000', $name, 'endpoint=' . 'x' x 64 . ';pw');


# --- malformed messages --------------------------------------------------

sub raw {
    my ($what, $bytes, $code) = @_;

    my $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    $c->read_n(1);
    $c->start_tls;
    $c->send(startup_packet([ user => 'alice' ]));
    is($c->read_message->{body}, pack('N', 3), "$what: asked");
    $c->send($bytes);

    my $m = $c->read_message;
    is($m && $m->{type} eq 'E' && error_fields($m->{body})->{C}, $code,
       "$what: SQLSTATE");
    is($c->read_all, '', "$what: closed");
}

raw('no terminator', message('p', 'endpoint=ep-1;pw'), '08P01');
raw('another message', message('Q', "endpoint=ep-1;pw\0"), '08P01');
raw('length 3', 'p' . pack('N', 3), '08P01');
raw('length 2^31', 'p' . pack('N', 2 ** 31) . 'x', '08P01');
raw('length 2^32-1', 'p' . pack('N', 2 ** 32 - 1) . 'x', '08P01');
raw('100 kB', 'p' . pack('N', 100_004) . 'x' x 1000, '08P01');

# the password is nowhere in the logs
unlike($n->log, qr/;pw|;wrong/, 'no password in the log');

$t->done;
