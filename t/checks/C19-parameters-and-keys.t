#!/usr/bin/perl

# ParameterStatus and BackendKeyData of a compute in pieces, late, repeated or
# missing (RDS Proxy sends none), with keys of 4 to 256 bytes (PostgreSQL 18).

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $behaviour = $t->dir . '/behaviour';
my $half = $t->dir . '/half';
my $ready = message('Z', 'I');

sub key { message('K', pack('N', 1) . 'k' x $_[0]) }
sub status { message('S', "$_[0]\0$_[1]\0") }

my %does = (
    'byte by byte' => sub { $_[0]->dribble($_[0]->welcome_bytes, 1) },
    'in pieces of 7' => sub { $_[0]->dribble($_[0]->welcome_bytes, 7) },
    'no key' => sub { $_[0]->welcome(nokey => 1) },
    'no parameters' => sub { $_[0]->auth(0); $_[0]->send(key(4) . $ready) },
    'nothing but ready' => sub { $_[0]->auth(0); $_[0]->send($ready) },
    (map { my $size = $_;
           "a key of $size bytes" => sub { $_[0]->welcome(key =>
                                                          'k' x $size) } }
         4, 5, 32, 255, 256),
    'late' => sub {
        my ($c) = @_;
        $c->auth(0);
        $c->send(key(4) . status(late => 'value') . $ready
                 . status(later => 'value'));
    },
    'behind the key, empty, and twice' => sub {
        my ($c) = @_;
        $c->auth(0);
        $c->send(key(4) . status(empty => '') . status(late => 'old')
                 . status(late => 'value') . $ready);
    },
    'of 60 kB' => sub {
        my ($c) = @_;
        $c->auth(0);
        $c->dribble(status(late => 'v' x 60_000) . key(256) . $ready, 9000);
    },
    (map { my $size = $_;
           "no: a key of $size bytes" => sub { $_[0]->welcome(key =>
                                                              'k' x $size) } }
         0, 3, 257, 1000),

    # lost half-way; what the next one says is all that counts
    'no key, half of another' => sub {
        my ($c) = @_;

        if (-e $half) {
            unlink $half;
            $c->auth(0);
            $c->send(key(4) . status(half => 'value'));
            return;
        }

        $c->welcome(nokey => 1);
        $c->serve;
    },
);

my ($n, $cp, $fc) = $t->front(main => <<'END', compute => sub {
connect_retry attempts=3 base=1ms factor=1;
END
    my ($c) = @_;
    my $what = slurp $behaviour;

    $c->startup or return;
    $does{$what}->($c);
    $c->serve if $what !~ /half/;
});

# the zone keeps these behind the key of the compute
$cp->rules('ep-1', allowed_ips => [ map { "127.0.0.$_" } 1 .. 9 ]);

for my $what (sort keys %does) {
    spew($behaviour, $what);
    spew($half, '');

    my $c = $t->enter($n);
    my %p = %{ $c->{params} };

    if ($what =~ /^no: (.*)/) {
        like($c->error_text, qr/^08006 .*: malformed message$/, "$1: refused");
        next;
    }

    my $late = $what =~ /60 kB/ ? 'v' x 60_000 : 'value';

    ok($p{late} eq $late, "$what: the parameter") if $what =~ /late|twice|kB/;
    is($p{empty}, '', "$what: the empty one") if $what =~ /empty/;
    is($p{server_version}, '15.0', "$what: a parameter")
        if $what =~ /byte|pieces|no key|bytes$/;

    # without a key there is nothing that could be canceled
    my $keys = $what =~ /no key|nothing/ ? 0 : 1;
    is(scalar(grep { $_->{type} eq 'K' } @{ $c->{messages} }), $keys,
       "$what: keys");
    is($c->{key}, undef, "$what: none is made up") if !$keys;
    is(length($c->{key} // ''), 4, "$what: ours has 4 bytes") if $keys;
    is($p{half}, undef, "$what: nothing of the lost one") if $what =~ /half/;

    if ($what =~ /^a key of (\d+)/) {
        my $k = $t->client(port => $n->port);

        $k->send(cancel_request($c->{pid}, $c->{key}));
        $k->read_all;
        is_deeply(($fc->notes('cancel'))[-1], [ 4711, unpack 'H*', 'k' x $1 ],
                  "$what: whole in a cancel request");
    }

    if ($what eq 'late') {
        my $m = $c->read_message;
        is($m->{type} . $m->{body}, "Slater\0value\0", 'later than late');
    }

    $t->served($what, $c);
}

$t->done;
