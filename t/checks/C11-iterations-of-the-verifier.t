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
    many => { iterations => 70_000 }, short => { salt => 's' },
    long => { salt => 'L' x 64 }, binary => { salt => "\0\xff" x 8 },
);

my $cp = $t->control_plane(cache => 1);

for my $role (sort keys %odd) {
    my $verifier = NeonTest::Scram::verifier('pw', %{ $odd{$role} });

    $pg->sql("create role $role login password '$verifier'");
    $cp->role('ep-1', $role => $verifier);
}

$n->set(main => $t->static($pg, sort keys %odd));
ok($n->reload, 'roles with odd verifiers');

# through the cache too
$cp->endpoint('ep-1', address => $pg->address);

my $cached = $t->nginx(main => $cp->directives);

for my $role (sort keys %odd) {
    for my $time (1, 2) {
        my $c = $t->enter($cached, user => $role);

        is($c->value('select current_user'), $role, "$role: by HTTP, $time");
        $c->close;
    }
}

is(scalar(() = $cp->calls('access')), keys %odd, 'each was asked for once');

my @clear = (sni => undef);

# by the proxy: what the compute says has the place in its source

sub refused {
    my ($name, @login) = @_;

    my $e = $t->enter($n, @login)->error;
    is(join(' ', $e->{C}, $e->{R} // 'here'), '28P01 here', $name);
}

for my $role (sort keys %odd) {
    my $c = $t->enter($n, user => $role);

    is($c->error_text, '', "$role: logged in");
    is($c->{scram}{iterations}, $odd{$role}{iterations} // 4096,
       "$role: its iterations");
    is($c->{scram}{salt}, $odd{$role}{salt}, "$role: its salt")
        if $odd{$role}{salt};
    is($c->value('select current_user'), $role, "$role: at the compute");
    $c->close;

    refused("$role: a wrong password", user => $role, password => 'wrong');

    # a password in clear is put through them; the second time not all of them
    for my $time (1, 2) {
        $c = $t->enter($n, user => $role, @clear, password =>
                       'endpoint=ep-1;pw');
        is($c->value('select current_user'), $role, "$role: in clear, $time");
        $c->close;
    }

    refused("$role: a wrong one in clear", user => $role, @clear,
            password => 'endpoint=ep-1;wrong');
}

my $r = $t->psql('select current_user', port => $n->port, user => 'many',
                 password => 'pw');
is($r->{out}, "many\n", 'psql agrees') or diag($r->{err});

$t->done;
