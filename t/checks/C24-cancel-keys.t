#!/usr/bin/perl

# Cancel keys: random in every bit, good for one session as long as it lasts, in
# any worker, over a reload, from where its client may come; all others are
# closed in silence, and wake nobody.  85-cancel.t and 85-cancel-workers.t have
# more: TLS, PostgreSQL, limits, killed workers.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $port = $t->port;
my $workers = 2;

my ($n, $cp, $fc) = $t->front(cache => 1, workers => $workers, port => $port,
    # the compute forks for a request, on a busy machine
    main => "connect_timeout 12s;\n",
    stream => "server { listen 127.0.0.1:$port reuseport;"
              . ' neon_proxy_pass main; }');

sub enter {
    my (%o) = @_;

    my $c = $t->client(port => $port, source => $o{source});
    return $c->login(tls => 'none', password => 'pw', params =>
                     [ options => 'endpoint=ep-1' ], %o);
}

sub cancels { scalar(() = slurp($fc->{notes}) =~ /^\["cancel"/mg) }

# how many requests reached the compute; nobody is answered

sub forwarded {
    my ($pid, $key, %o) = @_;

    my $before = cancels();
    my $k = $t->client(port => $port, source => $o{source});

    $k->send(cancel_request($pid, $key));
    is($k->read_all, '', 'not a word') if $o{said};
    $k->read_all;

    return cancels() - $before;
}


# --- the keys ------------------------------------------------------------

# of 50 random keys a bit is the same in all once in 2^49 times

for my $case ([ 3 << 16, 4 ], [ 3 << 16 | 2, 32 ]) {
    my ($version, $size) = @$case;
    my ($ones, $zeros) = ("\0" x (4 + $size)) x 2;
    my %seen;

    for (1 .. 50) {
        my $c = enter(version => $version);
        my $key = pack('N', $c->{pid}) . $c->{key};

        is(length $key, 4 + $size, "$size bytes and a pid") if $_ == 1;
        $seen{$key} = 1;
        $ones |= $key;
        $zeros |= ~$key;
        $c->close;
    }

    is(keys %seen, 50, "$size: each session has its own");
    is(unpack('H*', $ones & $zeros), '7f' . 'ff' x (3 + $size),
       "$size: every bit is random, but the pid's sign");
}


# --- one session, and no other -------------------------------------------

my $c = enter();
my ($pid, $key) = @$c{qw/pid key/};
my $other = enter();
my $wrong = 0;

is(forwarded($pid, $key), 1, 'its own key');

for my $bit (0 .. 63) {
    my $bytes = pack('N', $pid) . $key;

    vec($bytes, $bit, 1) ^= 1;
    $wrong += forwarded(unpack('Na*', $bytes));
}

is($wrong, 0, 'no key that differs in a bit');
is(forwarded($pid, $other->{key}), 0, "the pid of one, another's key");
is(forwarded($pid, $key . "\0" x 28), 0, 'a longer one');
is(forwarded(4711, 'KEY1', said => 1), 0, "the compute's own");
is(forwarded(0, "\0" x 4, said => 1), 0, 'zeros');

# by each worker: the kernel chooses, so until both had one
eventually {
    forwarded($pid, $key) == 1 or die "not forwarded\n";

    my %by = map { $_ => 1 }
             $n->log =~ /(\d+)#\d+: \*\d+ cancel request .*: forwarded/g;
    keys %by == $workers
} 'in each worker';

ok($n->reload, 'reload');
is(forwarded($pid, $key), 1, 'after a reload: the old session');

my $new = enter();
is(forwarded(@$new{qw/pid key/}), 1, 'after a reload: a new one');

# from where the client may come
$cp->rules('ep-1', allowed_ips => [ '127.0.0.1' ]);
ok($n->set(main => $cp->directives . "secret_cache size=0;\n"
                                   . "connect_timeout 12s;\n")->reload,
   'reload with a list of addresses');
my $listed = enter();
is(forwarded(@$listed{qw/pid key/}, source => '127.0.0.2'), 0,
   'not from another address');
is(forwarded(@$listed{qw/pid key/}), 1, 'from its own');

$_->close for $c, $other, $new, $listed;
eventually { forwarded($pid, $key) == 0 } 'it dies with its session';

# the worker of this one is there still
eventually { forwarded(@$listed{qw/pid key/}) == 0 } 'not with its worker';


# --- asleep --------------------------------------------------------------

$cp->forget;
forwarded($pid, $key);
forwarded(1, 'none');
is(scalar(() = $cp->calls), 0, 'the control plane is not asked');

$t->done;
