package NeonTest::Crowd;

# Many clients at once (crowd.c), and what became of each.
#
#   my $crowd = NeonTest::Crowd->new($t);
#   my $run = $crowd->start(port => $port, n => 200, e => 'ep-1', ...);
#   my @clients = $run->clients(30);        # when all have ended, or undef
#
# A client: { outcome, stage, endpoint, port, start, time, text }, see crowd.c.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use NeonTest::Process;


sub new {
    my ($class, $t) = @_;

    my $program = $t->dir . '/crowd';
    my $r = NeonTest::run([ 'cc', '-O2', '-o', $program,
                            NeonTest::top() . '/t/lib/crowd.c', '-lcrypto' ]);

    die $r->{err} if $r->{rc};

    return bless { program => $program, dir => $t->dir, runs => 0 }, $class;
}


# options by the letters of crowd.c

sub start {
    my ($self, %o) = @_;

    my $port = delete $o{port};
    my $out = "$self->{dir}/crowd.out" . ++$self->{runs};
    my @options = map { +"-$_" => $o{$_} } sort keys %o;

    my $process = NeonTest::Process->spawn(
        [ $self->{program}, @options, $port ], out => $out);

    return bless { process => $process, out => $out },
           'NeonTest::Crowd::Run';
}


package NeonTest::Crowd::Run;


sub alive { $_[0]{process}->alive }


sub clients {
    my ($self, $seconds) = @_;

    my $status = $self->{process}->wait($seconds);

    if (!defined $status || $status != 0) {
        $self->{process}->stop('TERM', 5);
        print STDERR "# crowd: " . ($status // 'takes too long') . ': '
                     . substr(NeonTest::slurp($self->{out}), -200) . "\n";
        return;
    }

    my @names = qw/outcome stage endpoint port start time text/;
    my @clients = map {
        my %client;
        @client{@names} = split / /, $_, @names;
        \%client
    } split /\n/, NeonTest::slurp($self->{out});

    unlink $self->{out};

    return @clients;
}


1;
