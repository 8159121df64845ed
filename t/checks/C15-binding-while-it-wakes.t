#!/usr/bin/perl

# channel_binding=require wakes an endpoint that is suspended, and holds until
# it is there (neon#12897).

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $cp = $t->control_plane;
my $n = $t->nginx(main => $cp->directives . <<'END');
connect_retry attempts=1000 base=20ms factor=1;
END

$cp->role('ep-1', alice => $pg->verifier('alice'));
$cp->endpoint('ep-1', address => $pg->address);

# suspended: the control plane takes its time, and then nobody listens yet

my $password = $pg->password('alice');

$pg->stop;
$cp->script(wake => { delay => 0.5 });

my $c = $t->knock($n, password => $password, cbind => 'require');
ok($cp->called(wake => 1), 'the proof wakes it');
$n->log_like(qr/asking the control plane again/, 'nobody listens yet');
$pg->start;
$c->authenticate;

is($c->error_text, '', 'held until it is there');
is($c->{mechanism}, 'SCRAM-SHA-256-PLUS', 'bound');
is($c->value('select 1'), 1, 'a query');
$c->close;

# libpq

$cp->script(wake => NeonTest::ControlPlane->error(503, 'RUNNING_OPERATIONS',
                                                  retry => 300));
my $r = $t->psql('select current_user', port => $n->port,
                 password => $password, channel_binding => 'require');
is($r->{out}, "alice\n", 'psql channel_binding=require') or diag($r->{err});

$t->done;
