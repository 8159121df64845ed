#!/usr/bin/perl

# How a session ends: half-closed, reset, with bytes still under way; and that
# a slow side costs no memory.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use Digest::MD5 qw/md5_hex/;

my $t = NeonTest->new;
my $big = 30_000_000;
my $gate = $t->dir . '/gate';

# one relay buffer and what allocators round up; ASan keeps what was freed
my $little = 4_000_000 * $NeonTest::slow ** 2;

# the query's text says what the compute does

my %does = (
    # reads up to the client's end, then answers: after a half-close
    collect => sub {
        my ($c) = @_;
        my $all = $c->read_all;
        $c->note(collected => length $all);
        $c->send($c->row_bytes('got ' . length $all));
    },
    # a large answer, and the end
    send_and_close => sub { $_[0]->send('x' x $big) },
    send_and_reset => sub { $_[0]->send('x' x 1000); $_[0]->reset },
    reset => sub { $_[0]->reset },
    close => sub { },
    # does not read until the gate opens
    wait => sub {
        my ($c) = @_;
        select undef, undef, undef, 0.01 until -e $gate;
        my $all = $c->read_all;
        $c->note(md5 => md5_hex($all));
    },
    # sends without end until somebody is gone
    endless => sub {
        my ($c) = @_;
        my $sent = 0;
        eval {
            while (1) {
                $c->send('y' x 65536);
                $c->note(sent => $sent += 65536) if $sent < 10 * 65536;
            }
        };
        $c->note(ended => "$@");
    },
    # answers, hears that the client terminates, and does not end itself
    idle => sub {
        my ($c) = @_;
        $c->send($c->row_bytes('idle'));
        $c->note(terminated => ($c->read_message)[0]);
        select undef, undef, undef, 0.01 until -e $gate;
    },
    # takes rows, and complains of what it got at the end
    copy => sub {
        my ($c) = @_;
        $c->send(message('G', "\0\0\0"));
        my $all = $c->read_all;
        $c->error(S => 'ERROR', V => 'ERROR', C => '08P01',
                  M => 'got ' . length $all);
    },
    quiet => sub { $_[0]->note(rest => unpack 'H*', $_[0]->read_all) },
);

my ($n, $cp, $fc) = $t->front(plain => 1, compute => sub {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;
    my (undef, $body) = $c->read_message;
    $does{($body =~ /(\w+)/)[0]}->($c);
});

sub enter {
    my ($tls, $what, @messages) = @_;

    my $c = $t->enter($n, tls => $tls,
                      params => [ options => 'endpoint=ep-1' ]);
    @messages = message('Q', "$what\0") if !@messages;
    $c->send(join '', @messages);
    return $c;
}

sub sockets {
    my ($pid) = $n->workers;

    return scalar grep { /^socket/ } map { readlink($_) // '' }
                                     glob "/proc/$pid/fd/*";
}

# is the session of the client that came from there "lost" in the log?

sub lost {
    my ($from) = @_;

    my @ids = $n->log =~ /(\*\d+) client 127\.0\.0\.1:$from connected/g
        or die "no client from port $from\n";
    return $n->log =~ /\Q$ids[-1]\E connection to the client was lost/ ? 1 : 0;
}


enter('none', 'close')->read_all;
my $sockets = sockets();

for my $tls (qw/none inband/) {

    # --- half-close ------------------------------------------------------

    my $c = enter($tls, 'collect');
    $c->send(message('d', 'z' x 1000)) for 1 .. 100;
    $c->half_close;
    my $r = $c->result;
    is($r->{rows}[0][0], 'got ' . 100 * 1005,
       "$tls: half-closed by the client, answered after it");
    is($c->read_all, '', "$tls: then the end");

    # --- all bytes before the end ----------------------------------------

    $c = enter($tls, 'send_and_close');
    is(length $c->read_all(60), $big, "$tls: closed by the compute, all came");
    ok(!$c->{reset}, "$tls: no reset");
    ok($c->{close_notify}, "$tls: close_notify") if $tls ne 'none';

    $c = enter($tls, 'close');
    is($c->read_all, '', "$tls: closed by the compute at once");

    # --- reset -----------------------------------------------------------

    for my $what (qw/reset send_and_reset/) {
        $c = enter($tls, $what);
        my $got = $c->read_all;
        like($got, qr/^x*$/, "$tls, $what: the client's session ends");
    }

    my $ended = () = $fc->notes('ended');
    $c = enter($tls, 'endless');
    $c->read_n(1_000_000);
    $c->abort;
    eventually { $ended < (() = $fc->notes('ended')) }
               "$tls: reset by the client, the compute hears of it";

    $ended = () = $fc->notes('ended');
    $c = enter($tls, 'endless');
    $c->read_n(1_000_000);
    $c->drop;
    eventually { $ended < (() = $fc->notes('ended')) }
               "$tls: closed by the client, the compute hears of it";

    # Terminate is the compute's business
    my $rest = () = $fc->notes('rest');
    $c = enter($tls, 'quiet');
    $c->send(message('X'));
    $c->drop;
    eventually { $rest < (() = $fc->notes('rest')) }
               "$tls: Terminate reaches the compute";
    is(($fc->notes('rest'))[-1], unpack('H*', message('X')),
       "$tls: and nothing else");

    # a query is under way: it is answered, though the client said all
    $c = enter($tls, 'collect');
    $c->send(message('X'));
    $c->half_close;
    is($c->result->{rows}[0][0], 'got 5',
       "$tls: Terminate behind a query, which is answered");
    $c->read_all;

    # Parse, Bind, Execute, Flush: no Sync says that an answer is due
    $c = enter($tls, 'collect', message('P', "\0collect\0\0\0"),
               message('B', "\0" x 8), message('E', "\0" x 5), message('H'),
               message('X'));
    $c->half_close;
    is($c->result->{rows}[0][0], 'got 33',
       "$tls: Terminate behind an open batch, which is answered");
    $c->read_all;

    $c = enter($tls, 'copy');
    is($c->read_message->{type}, 'G', "$tls: a COPY begins");
    $c->send(message('d', 'row'), message('X'));
    $c->half_close;
    like($c->read_all, qr/got 8\0/, "$tls: Terminate in a COPY");

    # none is: a compute that does not end holds nothing
    unlink $gate;
    my $open = sockets();

    for my $end (qw/drop abort/) {
        my $terminated = () = $fc->notes('terminated');
        $c = enter($tls, 'idle');
        $c->result;
        $c->send(message('X'));
        my $from = $c->{socket}->sockport;
        $c->$end;
        eventually { $terminated < (() = $fc->notes('terminated')) }
                   "$tls, $end: an idle compute hears Terminate";
        eventually { sockets() <= $open } "$tls, $end: it is not waited for";
        is(lost($from), 0, "$tls, $end: it was not lost");
    }

    # --- slow sides ------------------------------------------------------

    my $before = $n->rss;
    my $sent = () = $fc->notes('sent');
    $c = enter($tls, 'endless');
    eventually { $sent + 5 < (() = $fc->notes('sent')) }
               "$tls: the compute sends";

    # until the compute stands still: kernel buffers are full then
    my $last = -1;
    eventually {
        my $now = slurp('/proc/net/tcp');
        my $same = $now eq $last;
        $last = $now;
        select undef, undef, undef, 0.05;
        $same
    } undef, 3;

    cmp_ok($n->rss - $before, '<', $little,
           "$tls: a client that does not read costs no memory");
    $c->abort;

    unlink $gate;
    $before = $n->rss;
    $c = enter($tls, 'wait');
    my $data = join '', map { "line $_\n" } 1 .. 2_000_000;
    my $pid = fork() // die;

    if ($pid == 0) {
        $c->send($data);
        $c->half_close;
        $c->read_all(60);
        POSIX::_exit(0);
    }

    # the child's write stands still when all buffers are full
    $last = -1;
    eventually {
        my ($now) = slurp("/proc/$pid/io") =~ /wchar: (\d+)/;
        my $same = $now == $last && $now > 0;
        $last = $now;
        select undef, undef, undef, 0.05;
        $same
    } undef, 10;

    cmp_ok($n->rss - $before, '<', $little,
           "$tls: a compute that does not read costs no memory");
    $c->drop;
    spew($gate, '');

    eventually { scalar grep { $_ eq md5_hex($data) } $fc->notes('md5') }
               "$tls: everything arrives in the end", 60;
    waitpid $pid, 0;
}

# --- nothing stays -------------------------------------------------------

# as many sockets as after the first session: those of the control plane stay
eventually { sockets() <= $sockets + 1 } 'all connections are closed';

$t->done;
