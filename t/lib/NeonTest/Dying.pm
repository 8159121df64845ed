package NeonTest::Dying;

# No lost wake-ups: a crowd logs in while its compute dies at a random moment,
# and comes back somewhere else.  t/88-dying-compute.t and t/bench/dying.pl.
#
#   my $dying = NeonTest::Dying->new($t, clients => 50, workers => 2,
#       wake_timeout => 5, slack => seconds beyond it);
#   my $run = $dying->run;       # { clients, how }: what was done, and to whom
#   my @lost = $dying->lost($run);
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Time::HiRes qw/sleep/;

use NeonTest::Crowd;
use NeonTest::CrowdCompute;
use NeonTest::Scram;

use constant SPREAD => 0.15;


sub new {
    my ($class, $t, %o) = @_;

    my $self = bless { t => $t, %o, ports => [ $t->port, $t->port ],
                       crowd => NeonTest::Crowd->new($t),
                       compute => NeonTest::CrowdCompute->new($t) }, $class;

    my $cp = $self->{cp} = $t->control_plane(cache => 1);
    my $seconds = $o{wake_timeout} * $NeonTest::slow;

    $cp->role('ep-1', alice => NeonTest::Scram::verifier('pw'));
    $self->comes_back;

    # not three lines for each of very many clients
    $self->{nginx} = $t->nginx(plain => 1, workers => $o{workers},
        stream_head => "error_log error.log warn;\n", http => $o{http},
        connections => 4 * $o{clients} + 200, main => $cp->directives . <<"");
        zone main 4m;
        client_timeout 1h;
        wake_timeout ${seconds}s;
        wake_retry base=10ms;
        connect_retry attempts=12 base=10ms;

    return $self;
}


sub nginx { $_[0]{nginx} }
sub cp { $_[0]{cp} }


# at the other port

sub comes_back {
    my ($self, %o) = @_;

    $self->moves if !$o{known};
    $self->{compute}->up($self->{port}, %o);
}


# the control plane knows the new address

sub moves {
    my ($self) = @_;

    push @{ $self->{ports} }, $self->{port} = shift @{ $self->{ports} };
    $self->{cp}->endpoint('ep-1', address => "127.0.0.1:$self->{port}");
}


# any moment, and any way: a connection that breaks or is closed; refused for
# a while, then perhaps "starting up"; the control plane fast or slow, busy for
# a moment, or aware of the new address only when the compute is back

sub run {
    my ($self) = @_;

    my %how = (
        after => rand 1.5 * SPREAD, by => (qw/reset fin/)[rand 2],
        gone => rand(2) < 1 ? 0 : rand 0.2,
        starting => rand(2) < 1 ? 0 : rand 0.1,
        known => rand(2) < 1 ? 1 : 0,
        delay => rand(2) < 1 ? 0 : rand 0.05,
        busy => rand(3) < 1 ? 1 : 0,
    );

    my $limit = ($self->{wake_timeout} * $NeonTest::slow + $self->{slack})
                * 1000;

    $self->{cp}->always(wake => { delay => $how{delay} });

    my $crowd = $self->{crowd}->start(port => $self->{nginx}->plain_port,
        c => $self->{clients}, n => $self->{clients}, o => SPREAD * 1000,
        e => 'ep-1', y => 20, t => $limit, k => int rand 1e6);

    sleep $how{after};
    $self->{compute}->down($how{by});
    $self->{cp}->script(wake => $self->{cp}->error(
        503, 'RUNNING_OPERATIONS', retry => 30)) if $how{busy};
    $self->moves if $how{known};

    sleep $how{gone};
    $self->comes_back(starting => $how{starting}, known => $how{known});

    my @clients = $crowd->clients($limit / 1000 + 60 * $NeonTest::slow);

    return { clients => \@clients, limit => $limit,
             how => join(', ', map { "$_ $how{$_}" } sort keys %how) };
}


# Those who did not get in, nor a clear word in time.  Who was in is so even if
# its session ended with the compute.

sub lost {
    my ($self, $run) = @_;

    return grep {
        !connected($_)
        && !($_->{outcome} eq 'error'
             && $_->{text} =~ /^(?:57P03|08006) \S/
             && $_->{time} <= $run->{limit})
    } @{ $run->{clients} };
}


sub connected {
    my ($client) = @_;

    return $client->{outcome} eq 'ok'
           || $client->{stage} =~ /^(?:query|stay)$/
              && $client->{outcome} ne 'hung';
}


1;
