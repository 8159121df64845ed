#!/usr/bin/perl

# What of the StartupMessage reaches the compute, and what the client gets
# back: parameters, protocol versions, keys.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $n = $t->nginx(main => $t->static($pg));

my %alice = (port => $n->port, sni => 'ep-1.db.example.com',
             password => $pg->password('alice'));


# --- a real PostgreSQL sees what the client said -------------------------

my $c = $t->login(%alice, params => [
    application_name => 'my app', search_path => 'one, two',
    TimeZone => 'Asia/Tokyo', DateStyle => 'German',
    options => '-c work_mem=5MB -c geqo=off endpoint=ep-1',
]);

is($c->error_text, '', 'logged in');
is($c->value('show application_name'), 'my app', 'application_name');
is($c->value('show search_path'), 'one, two', 'search_path');
is($c->value('show timezone'), 'Asia/Tokyo', 'TimeZone');
is($c->value('show datestyle'), 'German, DMY', 'DateStyle');
is($c->value('show work_mem'), '5MB', 'work_mem from options');
is($c->value('show geqo'), 'off', 'geqo from options');
is($c->value('select current_user'), 'alice', 'user');
is($c->value('select current_database()'), 'app', 'database');

is($c->{params}{application_name}, 'my app', 'ParameterStatus is passed on');
is($c->{params}{TimeZone}, 'Asia/Tokyo', 'and of TimeZone');
ok(defined $c->{params}{$_}, "ParameterStatus $_")
    for qw/server_version server_encoding client_encoding is_superuser
           session_authorization integer_datetimes IntervalStyle
           standard_conforming_strings/;

is($c->{ready}, 'I', 'ReadyForQuery');
is(length $c->{key}, 4, 'protocol 3.0: a key of 4 bytes');

ok(defined $c->{pid}, 'BackendKeyData');
$c->close;

# psql: PGOPTIONS and its own client_encoding
my $r = $t->psql("show work_mem; show client_encoding",
                 port => $n->port, password => $pg->password('alice'),
                 env => { PGOPTIONS => '-c work_mem=7MB',
                          PGCLIENTENCODING => 'LATIN1' });
is($r->{out}, "7MB\nLATIN1\n", 'PGOPTIONS and PGCLIENTENCODING')
    or diag($r->{err});

# without a database it is the user's name, as PostgreSQL has it
$pg->sql('create database alice');
$c = $t->login(%alice, database => undef);
is($c->value('select current_database()'), 'alice', 'database by default');
$c->close;

# a name that needs quoting anywhere else
$pg->sql(q{create database "a b'%;\\"});
$c = $t->login(%alice, database => "a b'%;\\");
is($c->value('select current_database()'), "a b'%;\\", 'odd database name');
$c->close;

# the server's own refusals come through as they are
$c = $t->login(%alice, params => [ work_mem => 'lots' ]);
is($c->error_text, '22023 invalid value for parameter "work_mem": "lots"',
   "the server's own error");
ok($c->error->{F} && $c->error->{L}, 'with all its fields');


# --- a fake compute shows every byte of it -------------------------------

my ($front, $cp, $fc) = $t->front;

sub startup {
    my (%o) = @_;

    my $c = $t->enter($front, %o);
    is($c->error_text, '', "$o{name}: logged in");
    $c->{key} //= '';

    return ($c, ($fc->notes('startup'))[-1]);
}

my @all = (application_name => 'app', foo => 'bar', empty => '',
           client_encoding => 'UTF8', replication => 'false',
           options => '-c a=b neon_lsn:0/2 neon_proxy_params_compat:true');

($c, my $seen) = startup(name => 'all parameters', params => \@all);
is_deeply($seen, { user => 'alice', database => 'app', version => 196608,
                   application_name => 'app', foo => 'bar', empty => '',
                   client_encoding => 'UTF8', replication => 'false',
                   options => '-c a=b' }, 'all but our own tokens');
is_deeply([ map { $_->{query}{'options[lsn]'} } $cp->calls('wake') ],
          [ '0/2' ], 'neon_ options go to wake_compute');
$c->close;

my $big = 'v' x 9000;
($c, $seen) = startup(name => '9 kB', params => [ big => $big ]);
is($seen->{big}, $big, 'large parameters arrive whole');
$c->close;

($c, $seen) = startup(name => 'a name given twice', params =>
                      [ database => 'second', foo => '1', foo => '2' ]);
is($seen->{foo}, '2', 'the last one counts');
is($seen->{database}, 'second', 'of the database too');
$c->close;


# --- protocol versions ---------------------------------------------------

my $v3 = 3 << 16;

# version asked for, length of the key, newest version in the answer, version
# of the StartupMessage to the compute

for my $case ([ '3.0', $v3, 4, undef, $v3 ],
              [ '3.2', $v3 | 2, 32, undef, $v3 | 2 ],
              [ '3.9', $v3 | 9, 32, $v3 | 2, $v3 | 2 ],
              [ '3.1', $v3 | 1, 4, $v3, $v3 ])
{
    my ($name, $version, $length, $newest, $compute) = @$case;

    ($c, $seen) = startup(name => "protocol $name", version => $version);

    is(length $c->{key}, $length, "protocol $name: length of the key");
    is($c->{negotiate} && $c->{negotiate}{version}, $newest,
       "protocol $name: negotiated");
    is($seen->{version}, $compute, "protocol $name: to the compute");
    is($c->value('hello'), 'hello', "protocol $name: a query");
    $c->close;
}

# PostgreSQL 15 knows 3.0 only and says so: that stays between it and us
$c = $t->login(%alice, version => $v3 | 2);
is($c->error_text, '', 'protocol 3.2, compute with 3.0: logged in');
is(length $c->{key}, 32, 'protocol 3.2, compute with 3.0: the long key');
is($c->{negotiate}, undef, 'protocol 3.2, compute with 3.0: nothing is said');
is($c->value('select 1'), 1, 'protocol 3.2, compute with 3.0: a query');
$c->close;

($c, $seen) = startup(name => '_pq_ options', params =>
                      [ '_pq_.one' => '1', foo => 'bar', '_pq_.two' => '' ]);
is_deeply($c->{negotiate}, { version => $v3, count => 2,
                             names => [ '_pq_.one', '_pq_.two' ] },
          'unknown _pq_ options are listed');
is($seen->{foo}, 'bar', 'other parameters stay');
ok(!grep({ /^_pq_/ } keys %$seen), 'the compute hears nothing of them');
is($c->{messages}[0]{type}, 'v', 'NegotiateProtocolVersion comes first');
$c->close;

for my $case ([ '2.0', 2 << 16 ], [ '4.0', 4 << 16 ], [ '0.0', 0 ],
              [ '1.5', 1 << 16 | 5 ])
{
    my ($name, $version) = @$case;

    $c = $t->enter($front, version => $version);
    is($c->error->{C}, '0A000', "protocol $name: SQLSTATE");
    like($c->error_text, qr/unsupported frontend protocol/,
         "protocol $name: message");
    is($c->read_all, '', "protocol $name: closed");
}


# --- forward_parameters neon ---------------------------------------------

my $few = $t->fake_compute(\&NeonTest::welcome);
my $second = $t->nginx(main => <<"END");
    control_plane static;
    endpoint ep-1 @{[ $few->address ]};
    role_file @{[ $t->role_file($pg, 'alice') ]};
    forward_parameters neon;
END

$c = $t->enter($second, password => $pg->password('alice'), params => \@all);
is($c->error_text, '', 'forward_parameters neon: logged in');

$seen = ($few->notes('startup'))[-1];
delete $seen->{client_encoding};
is_deeply($seen, { user => 'alice', database => 'app', version => 196608,
                   application_name => 'app', replication => 'false',
                   options => '-c a=b', foo => 'bar', empty => '' },
          'neon_proxy_params_compat: all of them after all');
$c->close;

$all[-1] = '-c a=b';
$c = $t->enter($second, password => $pg->password('alice'), params => \@all);
$seen = ($few->notes('startup'))[-1];
delete $seen->{client_encoding};
is_deeply($seen, { user => 'alice', database => 'app', version => 196608,
                   application_name => 'app', replication => 'false',
                   options => '-c a=b' }, 'forward_parameters neon');
$c->close;

$t->done;
