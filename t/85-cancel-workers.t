#!/usr/bin/perl

# Cancel keys (C24, C25): good in any worker and over reloads, for their own
# session and nobody else, from where the session may come from, and over TLS
# to the compute where the session's own is.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw/time/;

my $t = NeonTest->new;
my $cp = $t->control_plane(cache => 1);
my $fc = $t->fake_compute(\&NeonTest::welcome);
my $verifier = NeonTest::Scram::verifier('pw');
my $workers = 4;

$cp->role('ep-1', alice => $verifier);
$cp->endpoint('ep-1', address => $fc->address);

# without TLS to clients; reuseport: the kernel gives each worker its share; and
# time for the compute, which forks for a request, on a busy machine
sub nginx {
    my ($main, %o) = @_;

    my $port = $t->port;

    $main .= "connect_timeout 12s;\n";

    return $t->nginx(main => $cp->directives . $main, port => $port,
                     workers => $workers, stream => <<"END", %o);
server {
    listen 127.0.0.1:$port reuseport;
    neon_proxy_pass main;
}
END
}

sub enter {
    my ($n, %o) = @_;

    my $name = $o{endpoint} // 'ep-1';
    my $c = $t->client(port => $n->port, source => $o{source});

    $c->login(tls => 'none', password => 'pw', params =>
              [ options => "endpoint=$name" ], %o);
    die 'login: ' . $c->error_text . "\n" if $c->error;
    return $c;
}

# the process that has a connection of ours
sub worker {
    my ($n, $c) = @_;

    my $port = ref $c eq 'HASH' ? $c->{port} : $c->{socket}->sockport;
    my $pid;

    # the last: the kernel may have given the port to somebody before
    eventually {
        my @pids = $n->log
                   =~ /(\d+)#\d+: \*\d+ client [\d.]+:$port connected/g;
        $pid = $pids[-1];
    };

    return $pid;
}

# the process that had the request
sub cancel {
    my ($n, $c, %o) = @_;

    my $k = $t->client(port => $n->port, source => $o{source});
    my %k = (port => $k->{socket}->sockport);

    $k->send(cancel_request($o{pid} // $c->{pid}, $o{key} // $c->{key}));
    is($k->read_all, '', 'not a word') if $o{said};
    $k->read_all;
    $k->drop;

    return $o{who} ? worker($n, \%k) : undef;
}

sub cancels { scalar(() = $fc->notes('cancel')) }

# how many requests reached the compute
sub forwarded {
    my ($n, $c, %o) = @_;

    my $before = cancels();

    cancel($n, $c, %o);
    return cancels() - $before;
}


# --- a real compute, with TLS to it --------------------------------------

my $pg = $t->postgres(ssl => 1);
my $password = $pg->password('alice');

# between the proxy and PostgreSQL: what a connection began with
my $tap = $t->fake_compute(sub {
    my ($c) = @_;

    my $pg_end = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort =>
                                       $pg->port) or die "connect: $@\n";
    my $select = IO::Select->new($c->{socket}, $pg_end);
    my $seen = '';

    while (1) {
        for my $from ($select->can_read) {
            my $to = $from == $pg_end ? $c->{socket} : $pg_end;
            my $n = sysread $from, my $bytes, 65536;

            return if !$n;
            syswrite $to, $bytes;
            next if $from == $pg_end || length $seen >= 9;

            $seen .= $bytes;
            $c->note(began => unpack 'H18', $seen) if length $seen >= 9;
        }
    }
});

# an SSLRequest, and behind it a TLS record of type handshake
my $began = '0000000804d2162f' . '16';

$cp->role('ep-pg', alice => $pg->verifier('alice'));
$cp->endpoint('ep-pg', address => $tap->address);

sub sleeping {
    return $pg->sql("select count(*) from pg_stat_activity"
                    . " where query like '%pg_sleep%' and state = 'active'"
                    . " and usename = 'alice'");
}

sub busy {
    my ($c) = @_;

    $c->send(message('Q', "select pg_sleep(60)\0"));
    eventually { sleeping() == 1 } or die "the query does not run\n";
}

my $n = nginx("compute_ssl require;\n");
my $c = enter($n, endpoint => 'ep-pg', password => $password);
my $owner = worker($n, $c);
my %by;

is($c->value('select ssl from pg_stat_ssl where pid = pg_backend_pid()'), 't',
   'TLS to the compute');

for my $round (1 .. 100) {
    busy($c);
    $by{ cancel($n, $c, who => 1) }++;
    is($c->result->{error}{C}, '57014', "round $round: canceled");
    last if keys %by == $workers;
}

is_deeply([ sort keys %by ], [ sort $n->workers ], 'each worker could');
ok($by{$owner}, "the session's own among them");
is_deeply({ map { $_ => 1 } $tap->notes('began') }, { $began => 1 },
          'over TLS, as the session');

# the session stays with its old worker; no old one takes a request any more
ok($n->reload, 'reload');
busy($c);
my $by = cancel($n, $c, who => 1);
is($c->result->{error}{C}, '57014', 'after a reload: canceled');
ok((grep { $_ == $by } $n->workers), 'by a new worker');
ok(!(grep { $_ == $owner } $n->workers), 'for an old one');
ok($n->reload, 'reload again');
busy($c);
cancel($n, $c);
is($c->result->{error}{C}, '57014', 'after another reload: canceled');
is($c->value('select 1'), 1, 'the session goes on');
$c->close;

# the client is lost: so is its query
$c = enter($n, endpoint => 'ep-pg', password => $password);
busy($c);
$c->abort;
eventually { !sleeping() } 'the client was reset, so is its query';
is_deeply({ map { $_ => 1 } $tap->notes('began') }, { $began => 1 },
          'over TLS, too');

is(scalar(() = $cp->calls('wake')), 1, 'and all that with one wake-up');
$n->quit;


# --- keys ----------------------------------------------------------------

$n = nginx('');

for my $case ([ 4, undef ], [ 32, 3 << 16 | 2 ]) {
    my ($length, $version) = @$case;

    my @c = map { enter($n, version => $version) } 1 .. 40;
    my @key = map { pack('N', $_->{pid}) . $_->{key} } @c;
    my %workers = map { worker($n, $_) => 1 } @c;

    is_deeply([ grep { length $_->{key} != $length } @c ], [],
              "$length bytes: all of that length");
    is(scalar keys %{{ map { $_ => 1 } @key }}, 40,
       "$length bytes: no key twice");
    is(scalar keys %{{ map { $_->{pid} => 1 } @c }}, 40,
       "$length bytes: no pid twice");
    is(scalar keys %workers, $workers, "$length bytes: of all workers");

    # no bit is the same in all 40, but a pid's sign
    my ($and, $or) = ($key[0], $key[0]);

    for (@key) {
        $and &= $_;
        $or |= $_;
    }

    is(unpack('b*', $and) =~ tr/1//, 0, "$length bytes: no bit is always 1");
    is(unpack('H*', $or), '7f' . 'ff' x (3 + $length),
       "$length bytes: none but the pid's sign is always 0");

    # and half of them differ between two keys
    my $bits = 8 * length $key[0];
    my $moved = 0;

    $moved += unpack('b*', $key[$_] ^ $key[$_ - 1]) =~ tr/1// for 1 .. 39;
    cmp_ok(abs($moved - 39 * $bits / 2), '<', 6 * sqrt(39 * $bits) / 2,
           "$length bytes: half of the bits differ");

    unlike(join('', @key), qr/KEY1/, "$length bytes: not the compute's");

    # each leads to its own
    my ($one, $two) = @c;
    is(forwarded($n, $one), 1, "$length bytes: forwarded");
    is(forwarded($n, $one, key => $two->{key}), 0,
       "$length bytes: not with another's key");

    for my $byte (0, $length / 2, $length - 1) {
        my $wrong = $one->{key};

        substr($wrong, $byte, 1) ^= "\1";
        is(forwarded($n, $one, key => $wrong), 0,
           "$length bytes: not with a wrong byte $byte");
    }

    is(forwarded($n, $one, key => substr $one->{key}, 0, $length - 1), 0,
       "$length bytes: not with a shorter one");
    is(forwarded($n, $one, key => "$one->{key}\0"), 0,
       "$length bytes: not with a longer one");
    is(forwarded($n, $one, pid => $one->{pid} ^ 1), 0,
       "$length bytes: not with another pid");
    $_->close for @c;
}

is_deeply({ map {; "@$_" => 1 } $fc->notes('cancel') },
          { '4711 ' . unpack('H*', 'KEY1') => 1 },
          'the compute always gets its own');

# unknown: no connection, no call, no word
$c = enter($n);
$cp->forget;
my $connections = $fc->connections;
cancel($n, $c, said => 1, pid => $_, key => 'none') for 0, 1, 4711, 2 ** 31;
cancel($n, $c, said => 1, pid => 4711, key => 'KEY1');
cancel($n, $c, said => 1, pid => 4711, key => 'x' x $_) for 5, 32, 256;
is($fc->connections, $connections, 'unknown keys: no connection to a compute');
is(scalar(() = $cp->calls), 0, 'unknown keys: no call');
like($n->log, qr/cancel request \(cancel\): no such key/, 'the log says it');
is(forwarded($n, $c), 1, 'a known one is forwarded');

# it dies with its session; the compute would take the key for another one,
# as it gives the same key to all
my $later = enter($n);
$c->close;
eventually { !forwarded($n, $c) } 'a key of the past is good for nothing';
is(forwarded($n, $later), 1, 'that of the present is');

# also while the other side still closes
$c = enter($n);
$c->half_close;
$c->read_all;
is(forwarded($n, $c), 0, 'a session that has ended');
$later->close;


# --- asleep --------------------------------------------------------------

my $drowsy = $t->fake_compute(\&NeonTest::welcome);
$cp->role('ep-2', alice => $verifier);
$cp->endpoint('ep-2', address => $drowsy->address);
$c = enter($n, endpoint => 'ep-2');
$drowsy->stop;
$cp->forget;
cancel($n, $c, said => 1);
is(scalar(() = $cp->calls), 0, 'a compute that is gone is not woken');
like($n->log, qr/\[error\].* cancel request could not be forwarded: .*connect/,
     'the log says it');
$c->close;


# --- from where ----------------------------------------------------------

# a key may be used from where the session's endpoint may be entered
sub listed {
    my ($name, $source, @list) = @_;

    $cp->role($name, alice => $verifier);
    $cp->endpoint($name, address => $fc->address);
    $cp->rules($name, allowed_ips => \@list);

    return enter($n, endpoint => $name, source => $source);
}

$c = listed('ep-one', '127.0.0.2', '127.0.0.2/32');
is(forwarded($n, $c), 0, 'from another address');
is(forwarded($n, $c, source => '127.0.0.3'), 0, 'from its neighbour');
is(forwarded($n, $c, source => '127.0.0.2'), 1, "from the client's own");
like($n->log, qr/cancel request \(cancel\): not from this address/,
     'the log says it');
$cp->rules('ep-one', allowed_ips => [ '127.0.0.1' ]);
is(forwarded($n, $c), 0, 'the list is that of the login');
ok($n->reload, 'reload');
is(forwarded($n, $c), 0, 'after a reload: not from another address');
is(forwarded($n, $c, source => '127.0.0.2'), 1, "from the client's own");
$c->close;

my @far = map { "10.0.$_.0/24" } 1 .. 200;
$c = listed('ep-64', '127.0.0.2', @far[0 .. 62], '127.0.0.0/24');
is(forwarded($n, $c), 1, '64 ranges: from one of them');
is(forwarded($n, $c, source => '127.0.1.2'), 0, 'from none of them');
$c->close;

$c = listed('ep-65', '127.0.0.2', @far[0 .. 63], '127.0.0.0/24');
is(forwarded($n, $c), 0, "65 ranges: just from the client's own address");
is(forwarded($n, $c, source => '127.0.0.2'), 1, 'from that one');
$c->close;

$c = listed('ep-200', '127.0.0.2', @far, '127.0.0.2', '127.0.0.9');
is(forwarded($n, $c, source => '127.0.0.9'), 0, '202 ranges: the same');
is(forwarded($n, $c, source => '127.0.0.2'), 1, 'from its own');
$c->close;

$c = listed('ep-v6', '127.0.0.2', '::/0', '127.0.0.2');
is(forwarded($n, $c), 0, 'all of IPv6 is none of IPv4');
$c->close;


# --- a worker that was killed --------------------------------------------

my @c = map { enter($n) } 1 .. 20;
my %had;
push @{ $had{ worker($n, $_) } }, $_ for @c;
my ($victim) = sort { @{ $had{$b} } <=> @{ $had{$a} } } keys %had;
my $started = $n->started;

kill KILL => $victim;
eventually { $n->started > $started } 'a worker is killed, another one starts';
$_->read_all for @{ $had{$victim} };
eventually { $n->log =~ /process $victim is gone/ } 'which finds what it had';

for my $pid (sort keys %had) {
    my ($expect, $name) = $pid == $victim ? (0, 'the keys of the dead one')
                                          : (1, 'the keys of the others');

    for my $c (@{ $had{$pid} }) {
        my @before = split /\n/, $n->log;

        # why not is in the log
        is(forwarded($n, $c), $expect, $name)
            or diag(join "\n", splice @{[ split /\n/, $n->log ]}, @before);
    }
}

$_->close for @c;


# --- too many ------------------------------------------------------------

# 600 a second from a network, 1500 at once
sub dropped {
    return scalar(() = $n->log =~ /\(cancel\): too many from this network/g);
}

$c = enter($n);
my $other = enter($n, source => '127.0.1.2');
my ($flood, $begun, @another) = (0, time);

# n at once, and in between one of another network
sub flood {
    my ($count) = @_;

    my @k = map { $t->client(port => $n->port) } 1 .. $count;

    $_->send(cancel_request($flood++, 'none')) for @k;
    push @another, forwarded($n, $other, source => '127.0.1.9');
    $_->read_all for @k;
}

flood(100) while !dropped() && $flood < 10000;

SKIP: {
    my $most = 1500 + 600 * (time - $begun) + 1;

    # what flowed off meanwhile has room again
    skip 'too slow a machine for a flood', 3 if !dropped() && $flood <= $most;

    ok(dropped(), 'a flood: some are dropped');
    cmp_ok($flood - dropped(), '>=', 1500, '1500 are not');
    cmp_ok($flood - dropped(), '<=', $most, 'nor are 600 a second');
}

is_deeply([ grep { $_ != 1 } @another ], [],
          'another network is not concerned');
is($c->value('hello'), 'hello', 'sessions go on');
eventually { forwarded($n, $c) } 'later there is room again';
$_->close for $c, $other;

# it ended as it should but for the one that was killed
is($n->quit, 0, 'nginx quits');
is(scalar(() = $n->died =~ /exited/g), 1, 'one worker was killed');
$n->expect(qr/worker process $victim exited on signal 9/);
is($n->unexpected, '', 'no alerts in the log');
is($n->sanitizer, '', 'no sanitizer reports');
$n->{finished} = 1;

$t->done;
