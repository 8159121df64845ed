#!/usr/bin/perl

# An end that is lost in the relay is found at once, and the log says which;
# what a compute says cannot write lines of its own into the log.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $gate = $t->dir . '/gate';

my %does = (
    reset => sub { $_[0]->reset },
    bye => sub { $_[0]->read_message; $_[0]->reset },
    # does not read, but holds its connection
    deaf => sub { select undef, undef, undef, 0.01 until -e $gate },
);

my ($n, $cp, $fc) = $t->front(plain => 1, compute => sub {
    my ($c) = @_;

    my $params = $c->startup or return;
    my $name = $params->{application_name} // '';

    if ($name eq 'liar') {
        # the first is answered by a new wake-up, the second passed on
        return $c->error(S => 'FATAL', V => 'FATAL',
                         C => $c->{n} % 2 ? 'XX000' : '3D000',
                         M => "no\n1970/01/01 00:00:00 [error] 1#1: a lie");
    }

    $c->welcome;
    my (undef, $body) = $c->read_message;
    $does{$body =~ s/\0//r}->($c);
});

my @liar = (tls => 'none', params => [ options => 'endpoint=ep-1',
                                       application_name => 'liar' ]);

like($t->enter($n, @liar)->error_text, qr/^3D000 no\n1970/,
     'the client gets what the compute says, as it is');
unlike($n->log, qr/^1970/m, 'the log has no line of the compute');
like($n->log, qr/compute says: no\?1970/, 'one answered by a wake-up');
like($n->log, qr/ no\?1970.*\(compute_error, SQLSTATE 3D000\)/,
     'one passed on');

sub lost {
    my ($what) = @_;

    return scalar(() = $n->log =~ /\($what\)/g);
}

for my $tls (qw/none inband/) {
    my @how = (tls => $tls, params => [ options => 'endpoint=ep-1' ]);

    my $before = lost('compute_reset');
    my $c = $t->enter($n, @how);
    $c->send(message('Q', "reset\0"));
    $c->read_all;
    eventually { lost('compute_reset') == $before + 1 }
               "$tls: reset by the compute, and not its end";

    $c = $t->enter($n, @how);
    $c->send(message('Q', "bye\0"));
    $c->send(message('X'));
    $c->read_all;
    is(lost('compute_reset'), $before + 1, "$tls: a reset behind Terminate");

    # the compute takes no more, so the client is not read from
    unlink $gate;
    $before = lost('client_reset');
    $c = $t->enter($n, @how);
    $c->send(message('Q', "deaf\0"));

    $c->{timeout} = 1;
    ok(!eval { $c->send(message('Q', 'x' x 40_000_000 . "\0")); 1 },
       "$tls: all buffers are full");
    $c->abort;
    eventually { lost('client_reset') == $before + 1 }
               "$tls: reset by the client behind them";
    spew($gate, '');
}

like($n->log, qr/\[error\].*\(compute_reset\)/, 'a lost compute is an error');
like($n->log, qr/\[info\].*\(client_reset\)/, 'a lost client is not');

$t->done;
