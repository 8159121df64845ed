#!/usr/bin/perl

# A password that has expired lets nobody in, cached or not (pgbouncer
# CVE-2025-2291); one that was good a moment ago is checked again, whatever was
# sent before it (pgpool).  22-cleartext-cache.t, 44-ctl-postgres.t have more.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $pg = $t->postgres;

$pg->sql("create role proxy login superuser password 'proxy'");

# a compute that lets everybody in: who is refused is so by the proxy
my $compute = $t->fake_compute(\&NeonTest::welcome);

my $n = $t->nginx(main => 'control_plane postgres://proxy:proxy@127.0.0.1:'
                          . $pg->port . "/app;\nnode_query \"select"
                          . " '127.0.0.1' as host, " . $compute->port
                          . " as port where \$1 <> ''\";\n");

my %how = (
    SCRAM => sub { (password => $_[0]) },
    'in clear' => sub { (sni => undef, password => "endpoint=ep-1;$_[0]") },
);

sub code {
    my ($how, $role, $password) = @_;

    my $c = $t->enter($n, user => $role, $how{$how}->($password // 'pw'));
    my $code = $c->error ? $c->error->{C} : 'in';

    $c->close;
    return $code;
}

sub role {
    my ($role, $when) = @_;

    my $until = $pg->sql("select now() + interval '$when'");
    $pg->sql("create role $role login password 'pw' valid until '$until'");
}

role(past => '-1 minute');
role(tomorrow => '1 day');

for my $how (sort keys %how) {
    is(code($how, 'past'), '28P01', "$how: expired");
    is(code($how, 'tomorrow'), 'in', "$how: not yet");
    is(code($how, 'tomorrow'), 'in', "$how: and cached");
    is(code($how, 'tomorrow', 'wrong'), '28P01', "$how: but not any password");
    is(code($how, 'tomorrow', ''), '28P01', "$how: nor none");
}

my $seconds = 2 * $NeonTest::slow;

role(soon => "$seconds seconds");
is(code('SCRAM', 'soon'), 'in', 'soon: not yet');
is(code('in clear', 'soon'), 'in', 'soon: nor in clear');
eventually { code('SCRAM', 'soon') eq '28P01' } 'soon: it ends in the cache';
is(code('in clear', 'soon'), '28P01', 'soon: and for a password in clear');

$t->done;
