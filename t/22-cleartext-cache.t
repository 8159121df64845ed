#!/usr/bin/perl

# A cleartext password that matched is checked without a thread for a while;
# any other password goes to one all the same.

use lib 't/lib';
use NeonTest;
use NeonTest::Scram;

use MIME::Base64 qw/encode_base64/;

# nginx tells of the tasks of its thread pools at this level only
local $ENV{NEON_DEBUG} = 1;

my $t = NeonTest->new;
my ($n, $cp) = $t->front;

sub tasks { scalar(() = $n->log =~ /task #\d+ added to thread pool/g) }

sub completed { scalar(() = $n->log =~ /run completion handler for task #/g) }

sub login_with {
    my ($password) = @_;

    return $t->enter($n, sni => undef, password => "endpoint=ep-1;$password");
}

sub enters {
    my ($name, $password, $tasks) = @_;

    my $was = tasks();
    my $c = login_with($password);

    is($c->value('hello'), 'hello', "$name: a query");
    is(tasks() - $was, $tasks, "$name: threads");
    $c->close;
}

sub refused {
    my ($name, $password) = @_;

    my $was = tasks();

    is(login_with($password)->error->{C}, '28P01', "$name: refused");
    is(tasks() - $was, 1, "$name: a thread says it");
}

enters('the first time', 'pw', 1);
enters('again', 'pw', 0);
enters('once more', 'pw', 0);

refused('a wrong one', 'wrong');
refused('the same again', 'wrong');
refused('none', '');
enters('the right one is still known', 'pw', 0);

$cp->role('ep-1', alice => NeonTest::Scram::verifier('new'));
refused('the old one after a change', 'pw');
enters('the new one', 'new', 1);
enters('the new one again', 'new', 0);

# the same password with another salt is another verifier
$cp->role('ep-1', alice => NeonTest::Scram::verifier('new'));
enters('another salt', 'new', 1);

$cp->role('ep-1', bob => NeonTest::Scram::verifier('new'));
is($t->enter($n, sni => undef, user => 'bob', password => 'endpoint=ep-1;pw')
     ->error->{C}, '28P01', 'one role does not vouch for another');

# a client leaves while a thread works for it

$cp->role('ep-1', slow => 'SCRAM-SHA-256$2000000:' . 'c2FsdA==' . '$'
                          . encode_base64('k' x 32, '') . ':'
                          . encode_base64('k' x 32, ''));

my $was = tasks();
my $c = $t->knock($n, sni => undef, user => 'slow',
                  password => 'endpoint=ep-1;pw');
eventually { tasks() > $was } 'a thread works';
$c->drop;
$n->log_like(qr/\(client_gone\)/, 'its client is seen to leave');
is(completed(), tasks() - 1, 'before that is done');
eventually { completed() == tasks() } 'then it is done, for nobody', 30;

# the time of that may be more than the one for which a password is known
$c = login_with('new');
is($c->value('hello'), 'hello', 'the next one');
$c->close;

$t->done;
