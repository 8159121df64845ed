package NeonTest::Process;

# Child processes that never outlive the test: ended by pid when the test
# ends, and by the kernel (pdeathsig) when the test is killed.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use IO::Select;
use POSIX qw/:sys_wait_h/;
use Time::HiRes qw/sleep time/;

my %children;


# spawn(\@command, out => file, user => name, env => {}, death => signal)

sub spawn {
    my ($class, $command, %o) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        child($command, %o);
    }

    my $self = bless { pid => $pid, owner => $$, name => $command->[0],
                       end => $o{end} // 'TERM' }, $class;
    $children{$pid} = $self;

    return $self;
}


sub child {
    my ($command, %o) = @_;

    $SIG{$_} = 'DEFAULT' for qw/INT TERM HUP PIPE/;

    open STDIN, '<', $o{in} // '/dev/null';

    if (defined $o{out}) {
        open STDOUT, '>>', $o{out} or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT;
    }

    my $env = $o{env} // {};
    $ENV{$_} = $env->{$_} for keys %$env;

    exec as_user($o{user}, $o{end} // 'TERM', @$command)
        or POSIX::_exit(127);
}


sub as_user {
    my ($user, $signal, @command) = @_;

    my @priv = ('setpriv', '--pdeathsig', $signal);

    if ($> == 0 && defined $user) {
        my (undef, undef, undef, $gid) = getpwnam $user;
        push @priv, "--reuid=$user", "--regid=$gid", '--clear-groups';
    }

    return (@priv, '--', @command);
}


# a child that runs Perl code; it ends when the code does

sub fork_code {
    my ($class, $code, %o) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw/INT TERM HUP/;
        %children = ();

        eval { $code->(); 1 } or print STDERR "# $o{name}: $@";
        POSIX::_exit(0);
    }

    my $self = bless { pid => $pid, owner => $$, name => $o{name},
                       end => 'TERM' }, $class;
    $children{$pid} = $self;

    return $self;
}


sub pid { $_[0]{pid} }


sub alive {
    my ($self) = @_;

    return 0 if defined $self->{status};

    if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
        $self->{status} = $?;
        delete $children{$self->{pid}};
        return 0;
    }

    return 1;
}


sub signal {
    my ($self, $signal) = @_;

    return $self->alive && kill $signal, $self->{pid};
}


# it does nothing until ->release; the kernel takes its connections meanwhile

sub hold {
    my ($self) = @_;

    kill STOP => $self->{pid};

    NeonTest::eventually(sub {
        NeonTest::slurp("/proc/$self->{pid}/stat") =~ /\) T /
    }) or die "process $self->{pid} was not stopped\n";
}


sub release { kill CONT => $_[0]{pid} }


# the wait status, or undef if it still lives at the deadline

sub wait {
    my ($self, $seconds) = @_;

    my $deadline = time + $seconds;

    while ($self->alive) {
        return if time > $deadline;
        sleep 0.005;
    }

    return $self->{status};
}


sub stop {
    my ($self, $signal, $seconds) = @_;

    $self->signal($signal // $self->{end});

    my $status = $self->wait($seconds // 10);

    if (!defined $status) {
        $self->signal('KILL');
        $self->wait(10);
    }

    return $status;
}


sub end_all {
    my @left = grep { $_->{owner} == $$ } values %children;

    $_->signal($_->{end}) for @left;
    $_->stop($_->{end}, 5) for @left;
}


# run(\@command, stdin => bytes, env => {}, timeout => s, user => name)

sub run {
    my ($command, %o) = @_;

    pipe my $in_r, my $in_w or die "pipe: $!\n";
    pipe my $out_r, my $out_w or die "pipe: $!\n";
    pipe my $err_r, my $err_w or die "pipe: $!\n";

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        open STDIN, '<&', $in_r;
        open STDOUT, '>&', $out_w;
        open STDERR, '>&', $err_w;
        $SIG{$_} = 'DEFAULT' for qw/INT TERM HUP PIPE/;
        chdir $o{cwd} if defined $o{cwd};

        my $env = $o{env} // {};
        for (keys %$env) {
            if (defined $env->{$_}) {
                $ENV{$_} = $env->{$_};
            } else {
                delete $ENV{$_};
            }
        }

        exec as_user($o{user}, 'TERM', @$command) or POSIX::_exit(127);
    }

    close $_ for $in_r, $out_w, $err_w;

    my $self = bless { pid => $pid, owner => $$, name => $command->[0],
                       end => 'TERM' }, __PACKAGE__;
    $children{$pid} = $self;

    my ($out, $err) = pump($in_w, $out_r, $err_r, $o{stdin} // '',
                           time + ($o{timeout} // 60));

    if (!defined $out) {
        $self->stop('KILL', 5);
        return { rc => -1, signal => 9, out => '',
                 err => "$command->[0]: timed out" };
    }

    $self->wait(30);

    return { rc => $self->{status} >> 8, signal => $self->{status} & 127,
             out => $out, err => $err };
}


sub pump {
    my ($in, $out, $err, $stdin, $deadline) = @_;

    my %text = (fileno $out => '', fileno $err => '');
    my $readers = IO::Select->new($out, $err);
    my $writers = IO::Select->new($in);

    local $SIG{PIPE} = 'IGNORE';
    $in->blocking(0);

    while ($readers->count) {
        if ($stdin eq '' && $writers->count) {
            $writers->remove($in);
            close $in;
        }

        my $left = $deadline - time;
        return if $left <= 0;

        my ($r, $w) = IO::Select->select($readers, $writers, undef, $left);

        for my $fh (@{ $r // [] }) {
            my $n = sysread $fh, $text{fileno $fh}, 65536,
                            length $text{fileno $fh};
            $readers->remove($fh) unless $n;
        }

        for my $fh (@{ $w // [] }) {
            my $n = syswrite $fh, $stdin;

            if (defined $n) {
                substr($stdin, 0, $n, '');
            } else {
                $stdin = '' unless $!{EAGAIN};
            }
        }
    }

    return ($text{fileno $out}, $text{fileno $err});
}


1;
