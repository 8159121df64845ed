package NeonTest::NameServer;

# A name server (RFC 1035, UDP) for the names that a test gives it.
#
#   my $ns = NeonTest::NameServer->new($t);
#   $ns->name('db.test' => '127.0.0.1', '127.0.0.2');
#   $ns->name('gone.test' => 'NXDOMAIN');       # or SERVFAIL
#   $ns->name('slow.test' => 'HOLD');    # none before it gets another answer
#   ... "resolver 127.0.0.1:" . $ns->port . " ipv6=off;"
#   $ns->asked('db.test')                       # how many times so far
#
# A name that it was not given is NXDOMAIN.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw/inet_aton/;

use NeonTest::Process;

use constant { TYPE_A => 1, CLASS_IN => 1, TTL => 1 };

my %rcode = (SERVFAIL => 2, NXDOMAIN => 3);


sub new {
    my ($class, $t) = @_;

    my $dir = $t->dir . '/names';
    mkdir $dir or die "$dir: $!\n";

    my $socket = IO::Socket::INET->new(Proto => 'udp',
        LocalAddr => '127.0.0.1', LocalPort => 0)
        or die "no UDP socket: $!\n";

    my $self = bless { dir => $dir, socket => $socket }, $class;

    $self->{process} = NeonTest::Process->fork_code(sub { $self->serve },
                                                    name => 'name server');
    return $t->part($self);
}


sub port { $_[0]{socket}->sockport }

sub finish { $_[0]{process}->stop('TERM', 5) }


sub name {
    my ($self, $name, @answers) = @_;

    # whole at once: the server may be reading it
    NeonTest::spew("$self->{dir}/.new", join "\n", @answers);
    rename "$self->{dir}/.new", "$self->{dir}/$name" or die "$name: $!\n";
}


sub asked {
    my ($self, $name) = @_;

    return length NeonTest::slurp("$self->{dir}/.$name");
}


# --- in the server --------------------------------------------------------

sub serve {
    my ($self) = @_;

    my $select = IO::Select->new($self->{socket});
    my @held;

    while (1) {
        my $ready = $select->can_read(@held ? 0.01 : ());

        if ($ready) {
            my $peer = $self->{socket}->recv(my $query, 512);
            push @held, [ $query, $peer ] if defined $peer;
        }

        @held = grep { !$self->answer(@$_) } @held;
    }
}


# false: later
# RFC 1035, section 4.1

sub answer {
    my ($self, $query, $peer) = @_;

    my $id = unpack 'n', $query;
    my ($labels) = substr($query, 12) =~ /^((?:[\x01-\x3f].+?)*?\x00)/s
        or return 1;
    my $question = substr $query, 12, length($labels) + 4;
    my $type = unpack 'n', substr $question, -4;
    my $name = lc join '.', unpack '(C/a)*', substr $labels, 0, -1;

    my $path = "$self->{dir}/$name";
    my @answers = -e $path ? split /\n/, NeonTest::slurp($path) : 'NXDOMAIN';
    my $key = $id . $peer;

    if (!$self->{counted}{$key}++) {
        open my $fh, '>>', "$self->{dir}/.$name" or die "$name: $!\n";
        print $fh '.';
        close $fh;
    }

    return if $answers[0] eq 'HOLD';

    delete $self->{counted}{$key};

    my $rcode = $rcode{ $answers[0] } // 0;

    @answers = () if $rcode || $type != TYPE_A;

    # each names the question's name, by its place
    my $answer = pack('nnnnnn', $id, 0x8180 | $rcode, 1, scalar @answers, 0, 0)
                 . $question
                 . join '', map {
                     pack('nnnNn/a', 0xc00c, TYPE_A, CLASS_IN, TTL,
                          inet_aton($_))
                 } @answers;

    $self->{socket}->send($answer, 0, $peer);

    return 1;
}


1;
