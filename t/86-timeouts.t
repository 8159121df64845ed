#!/usr/bin/perl

# client_timeout stands still while somebody else keeps the client waiting.
# Where the client itself stalls: checks/C02-one-deadline.t.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(main => "client_timeout 1s;\n");

# while the control plane or the compute keep the client waiting it stands
$cp->always(access => { delay => 1.5 })->always(wake => { delay => 1.5 });
my $c = $t->enter($n);
is($c->error_text, '', 'a slow control plane is not the client\'s fault');
is($c->value('hello'), 'hello', 'a query');
$c->close;

$t->done;
