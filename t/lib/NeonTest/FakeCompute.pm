package NeonTest::FakeCompute;

# A compute that fails in the way that the test needs.  The handler is called
# for each connection, in a process of its own, with blocking I/O:
#
#   my $fc = $t->fake_compute(sub {
#       my ($c) = @_;
#       $c->startup;
#       $c->error(S => 'FATAL', V => 'FATAL', C => '57P03', M => 'starting');
#   });
#
# $c->{n} is the number of the connection; $c->note(...) tells the test.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Fcntl qw/:flock/;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();

use NeonTest::Process;

my $number = 0;
my $json = JSON::PP->new->latin1->canonical->allow_nonref;


# new($t, $handler, port => a port that is used already, backlog => n)

sub new {
    my ($class, $t, $handler, %o) = @_;

    return bless { t => $t, handler => $handler, port => $o{port} // $t->port,
                   notes => $t->dir . '/compute' . $number++ }, $class;
}


sub port { $_[0]{port} }
sub address { "127.0.0.1:$_[0]{port}" }


sub start {
    my ($self) = @_;

    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $self->{port}, Listen => 128,
        ReuseAddr => 1, Proto => 'tcp') or die "port $self->{port}: $@\n";

    pipe my $alive, my $here or die "pipe: $!\n";

    $self->{process} = NeonTest::Process->fork_code(sub {
        close $here;
        $self->accept_loop($listen, $alive);
    }, name => 'fake compute');

    close $alive;
    close $listen;
    $self->{pipe} = $here;

    return $self;
}


# connections are refused from now on

sub stop {
    my ($self) = @_;

    close delete $self->{pipe} if $self->{pipe};
    $self->{process}->stop('TERM', 5);

    return $self;
}


sub finish { $_[0]->stop }


sub accept_loop {
    my ($self, $listen, $alive) = @_;

    $SIG{CHLD} = 'IGNORE';

    my $n = 0;
    my $select = IO::Select->new($listen, $alive);

    while (1) {
        for my $fh ($select->can_read) {

            # the test is gone: its end of the pipe was closed
            return if $fh == $alive;

            my $socket = $listen->accept or next;
            $n++;

            my $pid = fork() // die "fork: $!\n";

            if ($pid == 0) {
                close $listen;
                $self->connection($socket, $n, $alive);
                POSIX::_exit(0);
            }
        }
    }
}


sub connection {
    my ($self, $socket, $n, $alive) = @_;

    alarm 300;

    my $c = bless { socket => $socket, n => $n, notes => $self->{notes},
                    buffer => '', alive => $alive },
                  'NeonTest::FakeCompute::Connection';

    $c->note(accepted => $n);
    eval { $self->{handler}->($c); 1 } or $c->note(died => "$@");
    close $socket;
}


# all notes, or the values of one name

sub notes {
    my ($self, $name) = @_;

    my @notes = map { $json->decode($_) } split /\n/,
                NeonTest::slurp($self->{notes});

    return @notes if !defined $name;
    return map { $_->[1] } grep { $_->[0] eq $name } @notes;
}


sub connections { scalar(() = $_[0]->notes('accepted')) }


package NeonTest::FakeCompute::Connection;

use Socket qw/SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY/;

use NeonTest::Scram;
use NeonTest::Wire;


sub note {
    my ($self, $name, $value) = @_;

    open my $fh, '>>', $self->{notes} or die "$self->{notes}: $!\n";
    flock $fh, Fcntl::LOCK_EX();
    syswrite $fh, $json->encode([ $name, $value ]) . "\n";
}


sub send {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes or die "send: $!\n";
        substr($bytes, 0, $n, '');
    }
}


# in pieces of so many bytes, each a segment of its own

sub dribble {
    my ($self, $bytes, $size) = @_;

    setsockopt $self->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;

    for my $piece ($bytes =~ /(.{1,$size})/gs) {
        $self->send($piece);
        select undef, undef, undef, 0.001;
    }
}


sub read_n {
    my ($self, $n) = @_;

    while (length $self->{buffer} < $n) {
        sysread $self->{socket}, $self->{buffer}, 65536,
                length $self->{buffer} or die "the client is gone\n";
    }

    return substr $self->{buffer}, 0, $n, '';
}


# waits until the other side closes: what came meanwhile

sub read_all {
    my ($self) = @_;

    1 while sysread $self->{socket}, $self->{buffer}, 65536,
                    length $self->{buffer};

    return $self->{buffer};
}


# until the test ends, or the connection does

sub hang { $_[0]->read_all }


# as a query that takes long: 1 when a cancel request came, whosever it was, 0
# when the connection ends

sub until_canceled {
    my ($self) = @_;

    my $select = IO::Select->new($self->{socket});
    my $cancels = sub { () = NeonTest::slurp($self->{notes})
                             =~ /^\["cancel"/mg };
    my $before = $cancels->();

    while ($cancels->() == $before) {
        next if !$select->can_read(0.01);

        sysread $self->{socket}, $self->{buffer}, 65536,
                length $self->{buffer} or return 0;
    }

    return 1;
}


sub reset {
    my ($self) = @_;

    setsockopt $self->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    close $self->{socket};
}


# the StartupMessage's parameters; an SSLRequest is answered with ssl => 'N'

sub startup {
    my ($self, %o) = @_;

    while (1) {
        my ($length, $code) = unpack 'NN', $self->read_n(8);
        my $body = $self->read_n($length - 8);

        if ($code == 80877103) {
            $self->note(ssl_request => 1);
            $self->send($o{ssl} // 'N');
            next;
        }

        if ($code == 80877102) {
            my ($pid, $key) = unpack 'Na*', $body;
            $self->note(cancel => [ $pid, unpack 'H*', $key ]);
            return;
        }

        my ($params) = parse_startup($body);
        $self->note(startup => { version => $code, %$params });

        return $params;
    }
}


sub error {
    my ($self, @fields) = @_;

    $self->send(error_message(@fields));
}


sub read_message {
    my ($self) = @_;

    my ($type, $length) = unpack 'aN', $self->read_n(5);
    return ($type, $self->read_n($length - 4));
}


sub auth {
    my ($self, $code, $data) = @_;

    $self->send(NeonTest::Wire::message('R', pack('N', $code)
                                             . ($data // '')));
}


# asks for a password in the clear: what was answered

sub cleartext {
    my ($self) = @_;

    $self->auth(3);

    my (undef, $body) = $self->read_message;
    return $body =~ s/\0\z//r;
}


# SCRAM against a verifier: 1 where the proof is right

sub scram {
    my ($self, $verifier, %o) = @_;

    my $server = NeonTest::Scram->server($verifier);
    $server->{add} = $o{nonce} if defined $o{nonce};

    $self->auth(10, join('', map { "$_\0" }
                         @{ $o{mechanisms} // [ 'SCRAM-SHA-256' ] }) . "\0");

    my (undef, $body) = $self->read_message;
    my ($mechanism, undef, $first) = $body =~ /^([^\0]*)\0(.{4})(.*)\z/s;
    $self->note(mechanism => $mechanism);

    my $server_first = $server->server_first($first);
    $server_first = $o{first}->($server_first) if $o{first};
    $self->auth(11, $server_first);

    (undef, $body) = $self->read_message;
    my $final = $server->server_final($body);

    return 0 if !defined $final;

    $final = $o{final}->($final) if $o{final};
    $self->auth(12, $final);

    return 1;
}


# AuthenticationOk, parameters, key, ReadyForQuery: the bytes

sub welcome_bytes {
    my ($self, %o) = @_;

    my %params = (server_version => '15.0', client_encoding => 'UTF8',
                  %{ $o{params} // {} });

    return join '', NeonTest::Wire::message('R', pack 'N', 0),
        (map { NeonTest::Wire::message('S', "$_\0$params{$_}\0") }
             sort keys %params),
        $o{nokey} ? ()
                  : NeonTest::Wire::message('K', pack('N', $o{pid} // 4711)
                                            . ($o{key} // 'KEY1')),
        NeonTest::Wire::message('Z', 'I');
}


sub welcome {
    my ($self, %o) = @_;

    $self->send($self->welcome_bytes(%o));
}


# one row of text for each Query: by default the query itself

sub serve {
    my ($self, $answer) = @_;

    while (1) {
        my ($type, $body) = $self->read_message;

        return if $type eq 'X';
        next if $type ne 'Q';

        (my $sql = $body) =~ s/\0\z//;
        my $text = $answer ? $answer->($sql) : $sql;

        $self->send($self->row_bytes($text));
    }
}


sub row_bytes {
    my ($self, $text) = @_;

    return NeonTest::Wire::message('T', pack('n', 1) . "text\0"
               . pack('NnNnNn', 0, 0, 25, 0xffff, 0xffffffff, 0))
           . NeonTest::Wire::message('D', pack('nN', 1, length $text) . $text)
           . NeonTest::Wire::message('C', "SELECT 1\0")
           . NeonTest::Wire::message('Z', 'I');
}


1;
