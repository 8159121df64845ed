#!/usr/bin/perl

# ErrorResponses without SQLSTATE, with unknown fields, with none, of a megabyte
# (pgbouncer CVE-2026-6666), and notices before and within the login
# (supavisor#946): each reaches the client as it is.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $behaviour = $t->dir . '/behaviour';
my $megabyte = 'm' x 1_000_000;

my %error = (
    'without SQLSTATE' => error_message(S => 'FATAL', M => 'text'),
    'only a message' => error_message(M => 'text'),
    'no field' => message('E', "\0"),
    'unknown fields' => error_message(S => 'FATAL', C => '3D000', M => 'm',
                                      x => 'unknown', y => '', M => 'again'),
    'empty values' => error_message(S => '', V => '', C => '', M => ''),
    'a megabyte' => error_message(S => 'FATAL', C => '3D000', M => $megabyte),
    'a megabyte of fields' => error_message(S => 'FATAL', C => '3D000',
        M => 'm', map { ('x', 'y' x 100) } 1 .. 10_000),
);

my $notice = message('N', "SNOTICE\0VNOTICE\0C00000\0Mhello\0\0");
my $big = message('N', "SNOTICE\0C00000\0M$megabyte\0\0");

my %login = (
    'before it' => sub { $_[0]->send($notice); $_[0]->welcome },
    'within it' => sub {
        my ($c) = @_;
        $c->auth(0);
        $c->send($notice . message('K', pack('N', 1) . 'KEY2') . $notice
                 . message('Z', 'I'));
    },
    'a hundred' => sub { $_[0]->send($notice x 100); $_[0]->welcome },
    'in pieces' => sub { $_[0]->dribble($notice, 1); $_[0]->welcome },
);

my ($n, $cp, $fc) = $t->front(compute => sub {
    my ($c) = @_;
    my ($where, $what) = split /:/, slurp $behaviour;

    $c->startup or return;
    return $c->send($error{$what}) if $where eq 'login';
    return $c->dribble($error{$what}, 7) if $where eq 'pieces';

    if ($where eq 'notice') {
        $login{$what}->($c);
        return $c->serve;
    }

    $c->welcome;
    $c->read_message;
    $c->send($big . $error{$what} . message('Z', 'I'));
    $c->serve;
});

sub enter {
    my ($where, $what) = @_;

    spew($behaviour, "$where:$what");
    return $t->enter($n);
}

for my $what (sort keys %error) {
    for my $where (qw/login pieces/) {
        next if $where eq 'pieces' && length $error{$what} > 10_000;

        my $c = enter($where, $what);
        my $m = $c->{messages}[-1];

        ok(message('E', $m->{body}) eq $error{$what},
           "$what, $where: as it is");
        is($c->read_all, '', "$what, $where: then the end");
    }

    my $c = enter('session', $what);
    $c->send(message('Q', "go\0"));
    is($c->read_message->{type}, 'N', "$what, in the session: a large notice");
    ok(message('E', $c->read_message->{body}) eq $error{$what},
       "$what, in the session: as it is");
    is($c->read_message->{type}, 'Z', "$what, in the session: it goes on");
    $t->served("$what, in the session", $c);
}

for my $what (sort keys %login) {
    my $c = enter('notice', $what);

    is($c->{notices}[-1]{M}, 'hello', "notices, $what: passed on");
    is(@{ $c->{notices} }, { 'a hundred' => 100, 'within it' => 2 }->{$what}
                           // 1, "notices, $what: all of them");
    $t->served("notices, $what", $c);
}

$t->done;
