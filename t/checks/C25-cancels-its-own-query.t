#!/usr/bin/perl

# A cancel request never reaches a session but the one whose key it has, though
# sessions end and begin while it is under way (pgbouncer#38, #298).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $gate = $t->dir . '/gate';

# each session of the compute has a pid and a key of its own, and tells them
my ($n, $cp, $fc) = $t->front(plain => 1, workers => 2, main =>
    "connect_timeout 12s;\n", compute => sub {
    my ($c) = @_;

    my $p = $c->startup or return;

    # a session that is being set up
    if (($p->{application_name} // '') eq 'slow') {
        $c->note(slow => 1000 + $c->{n});
        select undef, undef, undef, 0.01 until -e $gate;
    }

    $c->welcome(pid => 1000 + $c->{n}, key => pack('N', $c->{n} * 7919));
    $c->serve(sub { $c->{n} });
});

my @login = (tls => 'none', params => [ options => 'endpoint=ep-1' ]);

sub request {
    my ($c) = @_;

    my $k = $t->client(port => $n->plain_port);
    $k->send(cancel_request(@$c{qw/pid key/}));

    return $k;
}

# a session: its client, and the key that the compute has for it
sub enter {
    my $c = $t->enter($n, @login);
    my $number = $c->value('who');

    return ($c, 1000 + $number . ' ' . unpack 'H*',
                pack 'N', $number * 7919);
}

# request and end at the same time, again and again; the next session may have
# the place of the last one

my (%own, @sessions);

for my $round (1 .. 60) {
    my ($c, $compute) = enter();
    my @requests;

    push @requests, request($c) if $round % 3 != 0;
    $round % 2 ? $c->close : $c->abort;
    push @requests, request($c) if $round % 3 != 1;

    $own{$compute} = 1;
    my ($next, $is) = enter();
    $_->read_all for @requests;
    push @sessions, [ $next, $is ];
}

my %canceled = map { $_->[0] . ' ' . $_->[1] => 1 } $fc->notes('cancel');

is(join(', ', grep { $canceled{ $_->[1] } } @sessions), '',
   'no session that nobody canceled');
is(join(', ', grep { !$own{$_} } keys %canceled), '',
   'only sessions whose keys were used');
cmp_ok(keys %canceled, '>', 0, 'and some of them while they lasted');

# each of those left has its own key still, and no other
for my $session (@sessions[0 .. 9]) {
    my ($c, $compute) = @$session;

    request($c)->read_all;
    my ($pid, $key) = @{ ($fc->notes('cancel'))[-1] };
    is("$pid $key", $compute, 'its own query');
}


# --- set up --------------------------------------------------------------

# the keys of others do not reach one that is being set up

my $slow = $t->knock($n, tls => 'none', params =>
                     [ options => 'endpoint=ep-1',
                       application_name => 'slow' ]);

eventually { $fc->notes('slow') } 'a session is being set up';

my ($number) = $fc->notes('slow');
sub canceled { scalar grep { $_->[0] == $number } $fc->notes('cancel') }

my ($gone) = enter();
$gone->close;
request($gone)->read_all for 1 .. 3;
$t->client(port => $n->plain_port)->send(cancel_request(0, "\0" x 4));
is(canceled(), 0, 'it is not canceled');

spew($gate, '');
$slow->authenticate;
is($slow->error_text, '', 'set up');
request($slow)->read_all;
is(canceled(), 1, 'then it can be');

$_->[0]->close for @sessions;
$slow->close;

$t->done;
