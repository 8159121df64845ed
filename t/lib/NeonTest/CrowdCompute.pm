package NeonTest::CrowdCompute;

# A compute for a crowd: one process serves all, welcomes everybody, answers
# each query, and dies and comes back when it is told to.
#
#   my $compute = NeonTest::CrowdCompute->new($t);
#   $compute->up($port);                # listens there
#   $compute->up($port, starting => 0.2);    # so long "57P03 starting up"
#   $compute->down('reset');            # or 'fin': all connections end
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use IO::Handle;
use Mojo::IOLoop;
use Mojo::IOLoop::Stream;
use Socket qw/AF_UNIX SOCK_STREAM PF_UNSPEC SOL_SOCKET SO_LINGER/;
use Time::HiRes qw/time/;

use NeonTest::FakeCompute;
use NeonTest::Process;
use NeonTest::Wire;


sub new {
    my ($class, $t) = @_;

    socketpair my $here, my $there, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair: $!\n";
    $_->autoflush(1) for $here, $there;

    my $self = bless { open => {} }, $class;

    $self->{process} = NeonTest::Process->fork_code(sub {
        close $here;
        $self->serve($there);
    }, name => 'compute');

    close $there;
    $self->{pipe} = $here;

    return $t->part($self);
}


sub finish {
    my ($self) = @_;

    close $self->{pipe};
    $self->{process}->stop('TERM', 5);
}


# --- in the test ----------------------------------------------------------

sub up {
    my ($self, $port, %o) = @_;

    return $self->ask("up $port " . ($o{starting} // 0));
}


sub down { $_[0]->ask('down ' . ($_[1] // 'reset')) }


# how many sessions there are

sub sessions { $_[0]->ask('sessions') }


sub ask {
    my ($self, $line) = @_;

    local $/ = "\n";
    $self->{pipe}->print("$line\n");

    my $answer = $self->{pipe}->getline // die "the compute is gone\n";
    chomp $answer;

    return $answer;
}


# --- in its process -------------------------------------------------------

sub serve {
    my ($self, $pipe) = @_;

    # the rest of it is always the same
    $self->{welcome} = NeonTest::FakeCompute::Connection->welcome_bytes;
    $self->{row} = NeonTest::FakeCompute::Connection->row_bytes('1');

    my $stream = Mojo::IOLoop::Stream->new($pipe);
    my $commands = '';

    $stream->timeout(0);
    $stream->on(close => sub { Mojo::IOLoop->stop });
    $stream->on(read => sub {
        $commands .= $_[1];
        $stream->write($self->command(split / /, $1) . "\n")
            while $commands =~ s/^(.*)\n//;
    });

    Mojo::IOLoop->singleton->stream($stream);
    Mojo::IOLoop->start;
}


sub command {
    my ($self, $what, @args) = @_;

    if ($what eq 'up') {
        $self->{ready} = time + $args[1];
        $self->{server} = Mojo::IOLoop->server(
            { address => '127.0.0.1', port => $args[0], reuse => 0,
              backlog => 1024 }, sub { $self->accept($_[1], $_[2]) });

    } elsif ($what eq 'down') {
        Mojo::IOLoop->remove(delete $self->{server}) if $self->{server};
        hang_up($_, $args[0] eq 'reset') for values %{ $self->{open} };
        $self->{open} = {};

    } elsif ($what eq 'sessions') {
        return scalar keys %{ $self->{open} };
    }

    return 'done';
}


sub hang_up {
    my ($stream, $reset) = @_;

    my $handle = $stream->handle or return;

    setsockopt $handle, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 if $reset;
    $stream->close;
}


sub accept {
    my ($self, $stream, $id) = @_;

    my $buffer = '';
    my $started = 0;

    $self->{open}{$id} = $stream;

    $stream->timeout(0);
    $stream->on(error => sub { });
    $stream->on(close => sub { delete $self->{open}{$id} });
    $stream->on(read => sub {
        $buffer .= $_[1];

        while (1) {
            my $head = $started ? 1 : 0;
            return if length $buffer < $head + 4;

            my $size = $head + unpack 'N', substr $buffer, $head, 4;
            return if length $buffer < $size;

            my $message = substr $buffer, 0, $size, '';
            $self->answer($stream, $message, $started++);
        }
    });
}


sub answer {
    my ($self, $stream, $message, $started) = @_;

    if ($started) {
        $stream->write($self->{row}) if $message =~ /^Q/;
        $stream->close_gracefully if $message =~ /^X/;

    } elsif (unpack('x4 N', $message) != 196608) {
        # a CancelRequest
        $stream->close;

    } elsif (time < $self->{ready}) {
        $stream->write(NeonTest::Wire::error_message(
            S => 'FATAL', V => 'FATAL', C => '57P03',
            M => 'the database system is starting up'));
        $stream->close_gracefully;

    } else {
        $stream->write($self->{welcome});
    }
}


1;
