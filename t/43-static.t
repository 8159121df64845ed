#!/usr/bin/perl

# Endpoints and roles written down: control_plane static.

use lib 't/lib';
use NeonTest;

use NeonTest::Scram;

my $t = NeonTest->new;

my @compute = map {
    my $name = $_;
    $t->fake_compute(sub {
        my ($c) = @_;
        $c->startup or return;
        $c->welcome;
        $c->serve(sub { $name });
    })
} qw/one two any/;

my %v = map { $_ => NeonTest::Scram::verifier($_) } qw/pw other/;
my $roles = $t->dir . '/roles';

sub roles { chmod 0600, spew($roles, join '', map { "$_\n" } @_) }

roles('# who may enter', '', "\"alice\" \"$v{pw}\"",
      "\"ep-2/alice\" \"$v{other}\"", "\"ep-2/bob\" \"$v{pw}\"",
      "  \"car ol\"   \"$v{pw}\"  ");

my $main = <<"END";
control_plane static;
endpoint ep-1 @{[ $compute[0]->address ]};
endpoint ep-2 localhost:@{[ $compute[1]->port ]} ssl=off;
role_file $roles;
END

my $n = $t->nginx(main => $main);

sub reaches {
    my ($where, %o) = @_;
    my $endpoint = $o{endpoint} // 'ep-1';

    my $c = $t->enter($o{nginx} // $n, sni => "$endpoint.db.example.com", %o);
    is($c->error_text || $c->value('where'), $where,
       ($o{user} // 'alice') . " of $endpoint");
    $c->close;
}

my $refused = '28P01 password authentication failed for user ';

reaches('one');
reaches('two', endpoint => 'ep-2', password => 'other');
reaches('two', endpoint => 'ep-2', user => 'bob');
reaches('one', endpoint => 'ep-1-pooler');
reaches('one', user => 'car ol');
reaches('two', endpoint => 'ep-2', user => 'car ol');
reaches("$refused\"alice\"", endpoint => 'ep-2');
reaches("$refused\"alice\"", password => 'other');
reaches("$refused\"bob\"", user => 'bob');
reaches("$refused\"alice\"", endpoint => 'ep-9');

my $any = $t->nginx(main => $main . "endpoint * "
                                  . $compute[2]->address . ";\n");
reaches('one', nginx => $any);
reaches('any', nginx => $any, endpoint => 'ep-9');
reaches('two', nginx => $any, endpoint => 'ep-2', user => 'bob');
reaches("$refused\"bob\"", nginx => $any, endpoint => 'ep-9', user => 'bob');

# a changed file counts from the reload on
roles("\"alice\" \"$v{other}\"");
reaches('one');
ok($n->reload, 'reload');
reaches('one', password => 'other');
reaches("$refused\"alice\"");

$t->done;
