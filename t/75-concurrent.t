#!/usr/bin/perl

# 500 sessions on one worker at the same time.

use lib 't/lib';
use NeonTest;

my $sessions = $ENV{NEON_SESSIONS} // 500;

my $t = NeonTest->new;
my $pg = $t->postgres(conf => { max_connections => $sessions + 20 });
my $n = $t->nginx(main => $t->static($pg), connections => 4096);

sub enter {
    my (%o) = @_;

    return $t->enter($n, password => $pg->password('alice'), %o);
}

my @clients = map { enter() } 1 .. $sessions;

is(scalar(grep { !$_->error } @clients), $sessions,
   "$sessions sessions are open");
is($pg->sessions('alice'), $sessions, 'all of them at the compute');

# each asks before any reads: answers must not meet the wrong client
for my $round (1 .. 3) {
    my $i = 0;
    $_->send(NeonTest::Wire::message('Q', "select $round, " . $i++ . "\0"))
        for @clients;

    $i = 0;
    my @right = grep {
        my $row = $_->result->{rows}[0];
        $row->[0] == $round && $row->[1] == $i++
    } @clients;

    is(scalar @right, $sessions, "round $round: everybody got the own answer");
}

# every key is another one
my %keys = map { +"$_->{pid} $_->{key}" => 1 } @clients;
is(scalar keys %keys, $sessions, 'every key is another one');

$_->close for @clients;
eventually { $pg->sessions('alice') == 0 } 'all are closed at the compute';

# all at once, each by itself: logins under way at the same time
@clients = map { enter(stop => 1) } 1 .. 100;
$_->authenticate for @clients;
is(scalar(grep { !$_->error && $_->{ready} } @clients), 100,
   '100 logins under way');
$_->drop for @clients;
eventually { $pg->sessions('alice') == 0 } 'and gone';

# more than nginx has connections for: a clear error or none, no crash
my $small = $t->nginx(main => $t->static($pg), connections => 40);
my (@in, @refused);

for (1 .. 60) {
    my $c = eval { $t->enter($small, password => $pg->password('alice')) };
    if ($c && !$c->error && $c->{ready}) { push @in, $c } else {
        push @refused, $c ? $c->error_text : $@;
    }
}

cmp_ok(scalar @in, '>', 5, 'worker_connections is reached: some are in');
cmp_ok(scalar @refused, '>', 5, 'some are not');
is($_->value('select 1'), 1, 'those who are in are served') for @in[0 .. 3];
$_->close for @in;
$small->expect(qr/worker_connections are not enough/);

eventually {
    my $c = eval { $t->enter($small, password => $pg->password('alice')) };
    $c && $c->{ready} && ($c->close || 1)
} 'and there is room again';

$t->done;
