#!/usr/bin/perl

# Status and metrics show, and do nothing: there is no action that would need a
# right of its own (pgbouncer CVE-2026-6667), and no secret in them.

use lib 't/lib';
use NeonTest;
use NeonTest::Page;

my $t = NeonTest->new;
my $http = $t->port;
my ($n, $cp) = $t->front(cache => 1,
                         http => NeonTest::Page->server($http, 'main'));
my $page = NeonTest::Page->new($http);

my $c = $t->enter($n);
is($c->value('hello'), 'hello', 'a session');

my ($salt, $stored, $server) = $t->{verifier}
                               =~ /:([^\$]+)\$([^:]+):(.+)/;
my @secrets = ($t->{verifier}, $salt, $stored, $server, 'test-token',
               unpack('H*', $c->{key}), $c->{pid}, 'KEY1');

for my $path ('/status', '/status?format=json', '/metrics') {
    my $r = $page->get($path);

    is($r->{status}, 200, "$path: GET");
    is(join(' ', grep { index($r->{content}, $_) >= 0 } @secrets), '',
       "$path: no secret");
    unlike($r->{content}, qr/<(?:form|button|input)\b/i, "$path: no action");
}

for my $path ('/status', '/metrics') {
    for my $method (qw/POST PUT PATCH DELETE OPTIONS KILL PURGE/) {
        my $r = $page->request($method, $path, content => 'kill=1');
        like($r->{status}, qr/^40[05]$/, "$path: $method");
    }
}

# whatever is asked for, nothing happens
$page->get("/status?format=json&$_")
    for qw/kill=1 reset=1 drain=1 flush=1 reload=1 action=kill/;

$cp->forget;
is($c->value('hello'), 'hello', 'the session lives');
$t->served('another', $t->enter($n));
is(scalar(() = $cp->calls), 0, 'the caches are what they were');
is(scalar(() = $n->started), 1, 'and so is the worker');
$c->close;

$t->done;
