#!/usr/bin/perl

# Iterations and salt are those of the stored verifier, whatever they are:
# nothing assumes 4096 (supavisor does).

use lib 't/lib';
use NeonTest;
use NeonTest::Scram;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $n = $t->nginx(main => $t->static($pg));

# a PostgreSQL that has them too, as the compute
my %odd = (
    one => { iterations => 1 }, odd => { iterations => 1234 },
    many => { iterations => 20_000 }, short => { salt => 's' },
    long => { salt => 'L' x 64 }, binary => { salt => "\0\xff" x 8 },
);

for my $role (sort keys %odd) {
    my $verifier = NeonTest::Scram::verifier('pw', %{ $odd{$role} });
    $pg->sql("create role $role login password '$verifier'");
}

$n->set(main => $t->static($pg, sort keys %odd));
ok($n->reload, 'roles with odd verifiers');

for my $role (sort keys %odd) {
    my $c = $t->enter($n, user => $role);

    is($c->error_text, '', "$role: logged in");
    is($c->{scram}{iterations}, $odd{$role}{iterations} // 4096,
       "$role: its iterations");
    is($c->{scram}{salt}, $odd{$role}{salt}, "$role: its salt")
        if $odd{$role}{salt};
    is($c->value('select current_user'), $role, "$role: at the compute");
    $c->close;

    $c = $t->enter($n, user => $role, password => 'wrong');
    is($c->error && $c->error->{C}, '28P01', "$role: a wrong password");
}

my $r = $t->psql('select current_user', port => $n->port, user => 'many',
                 password => 'pw');
is($r->{out}, "many\n", 'psql agrees') or diag($r->{err});

$t->done;
