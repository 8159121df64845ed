#!/usr/bin/perl

# Reloads that change what the caches hold, and for how long: what the new
# configuration says holds at once, also for what was learnt before.

use lib 't/lib';
use NeonTest;
use NeonTest::Scram;

use Time::HiRes qw/time/;

my $t = NeonTest->new;
my ($n, $cp, $fc);
my $changed = NeonTest::Scram::verifier('new', salt => 'y' x 16);

sub begin { ($n, $cp, $fc) = $t->front(cache => 1, main => $_[0]) }

sub enter { $t->enter($n, @_) }

sub calls { join ' ', map { scalar(() = $cp->calls($_)) } qw/access wake/ }

sub reload {
    my ($main, $name) = @_;

    $cp->forget;
    $n->set(main => $cp->directives . $main);
    ok($n->reload, "reload: $name");
}

sub served {
    my ($name, @how) = @_;

    my $c = enter(@how);
    is($c->error_text, '', $name);
    $c->close;
}

sub refused {
    my ($code, $name, @how) = @_;

    my $c = enter(@how);
    is($c->error && $c->error->{C}, $code, $name);
    $c->close;
}


# --- for how long ----------------------------------------------------------

begin("secret_cache ttl=1h;\nnode_cache ttl=1h;\n");
served('learnt for an hour');
sleep 2;
reload("secret_cache ttl=1s;\nnode_cache ttl=1h;\n", 'verifiers for a second');
served('a verifier of two seconds');
is(calls(), '1 0', 'is asked for anew');

reload("secret_cache ttl=1h;\nnode_cache ttl=1s;\n", 'nodes for a second');
sleep 2;
served('a node that nobody used for two seconds');
is(scalar(() = $cp->calls('wake')), 1, 'is asked for anew');

# a verifier's age is what it is, whatever its time was
begin("secret_cache ttl=1h;\n");
served('learnt for an hour');
reload("secret_cache ttl=2m;\n", 'for two minutes');
$cp->role('ep-1', alice => $changed);
sleep 6;
refused('28P01', 'the new password', password => 'new');
refused('28P01', 'the old password', password => 'pw');
is(calls(), '1 0', 'the verifier was in doubt, and asked for anew');

begin("secret_cache ttl=1m;\n");
my $learnt = time;
served('learnt for a minute');
reload("secret_cache ttl=1h;\n", 'for an hour');
refused('28P01', 'a wrong password', password => 'new');
refused('28P01', 'again', password => 'new');

SKIP: {
    skip 'it has become five seconds old', 1 if time - $learnt > 4;
    is(calls(), '0 0', 'puts no verifier in doubt that is new');
}


# --- no for an answer ------------------------------------------------------

for my $negative (qw/0 1s/) {
    begin("secret_cache negative=1h;\nlimit_unknown off;\n");
    refused('28P01', 'an unknown role', user => 'bob');
    $cp->always(wake => ref($cp)->error(403, 'ENDPOINT_DISABLED'));
    refused('57P03', 'a disabled endpoint');
    $cp->always(wake => undef);
    sleep 2;
    reload("secret_cache negative=$negative;\nlimit_unknown off;\n",
           "negative=$negative");
    $cp->role('ep-1', bob => $t->{verifier});
    served('the role is there now', user => 'bob');
    served('and so is the endpoint');
    is(calls(), '1 1', 'both were asked for anew');
}

# what is to be kept for the time that the control plane says is none of this
begin("secret_cache negative=1h;\nwake_retry attempts=1;\n");
$cp->script(wake => ref($cp)->error(503, 'RUNNING_OPERATIONS',
                                    retry => 60000));
refused('57P03', 'later');
reload("secret_cache negative=0;\nwake_retry attempts=1;\n", 'negative=0');
refused('57P03', 'still later');
is(calls(), '0 0', 'by no call');


# --- another control plane -------------------------------------------------

begin("secret_cache ttl=1h;\nnode_cache ttl=1h;\n");
my $first = $cp->directives;
served('learnt from one control plane');
refused('28P01', 'which knows no bob', user => 'bob');

my $other = $t->control_plane(cache => 1);
my $there = $t->fake_compute(\&NeonTest::welcome);
$other->role('ep-1', $_ => $changed) for qw/alice bob/;
$other->endpoint('ep-1', address => $there->address);

$cp->forget;
$n->set(main => $other->directives);
ok($n->reload, 'reload: another one');
refused('28P01', 'the first one\'s password');
served('the other one\'s', password => 'new');
served('a role that is known there only', user => 'bob', password => 'new');
is(scalar(() = $fc->notes('startup')), 1, 'the first one\'s compute is not');
is(scalar(() = $there->notes('startup')), 2, 'used, but the other one\'s');
is(calls(), '0 0', 'the first one is not asked');

# the same URL, and another API: this one knows no projects
$n->set(main => $other->directives =~ s/(?<=control_plane_api )v1/2023/r);
ok($n->reload, 'reload: another API');
$other->forget;
refused('28P01', 'nothing of before is served', password => 'new');
is(scalar(() = $other->calls('access')), 1, 'the control plane is asked');

# an old worker still asks the first one, and learns what it says
$cp->endpoint('ep-1-pooler', address => $fc->address);
$other->endpoint('ep-1-pooler', address => $there->address);

$n->set(main => $first);
ok($n->reload, 'reload: and back');
served('the first one\'s password');
refused('28P01', 'the other one\'s', password => 'new');

kill STOP => $cp->{process}->pid;
my @pooler = (sni => 'ep-1-pooler.db.example.com');
my $waits = $t->knock($n, @pooler);
sleep 1;

$n->set(main => $other->directives);
ok($n->reload, 'reload: to the other one, while a client waits');
served('a new client', @pooler, password => 'new');
is(scalar(() = $other->calls('wake')), 1, 'has a call of its own');

kill CONT => $cp->{process}->pid;
is($waits->authenticate->error_text, '', 'the one that waited is let in');
is($waits->value('hello'), 'hello', 'and served');
$waits->close;

my $before = () = $there->notes('startup');
served('the next client', @pooler, password => 'new');
is(scalar(() = $there->notes('startup')), $before + 1,
   'is led where the other one says');

$t->done;
