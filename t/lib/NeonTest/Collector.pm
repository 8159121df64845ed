package NeonTest::Collector;

# A collector of OpenTelemetry: a process that takes OTLP/HTTP with JSON, says
# what the test wants, and keeps what it was sent for NeonTest::Otlp to look at.
#
#   my $col = $t->collector;                      # tls => 1, slow => seconds
#   $col->directive('sample=0.5')                 # otlp URL ...;
#   $col->script({ status => 503, headers => {...}, body => '...' }, 'pass');
#   $col->always({ status => 400 }); $col->always;
#   $col->requests                                # { status, headers, body }
#   $col->spans                                   # of those answered with 2xx
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use JSON::PP ();
use Socket qw/AF_UNIX SOCK_STREAM PF_UNSPEC/;
use Time::HiRes qw/time/;

use NeonTest::Certs;
use NeonTest::Otlp;
use NeonTest::Process;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $number = 0;


sub new {
    my ($class, $t, %o) = @_;

    my $dir = $t->dir . '/collector' . $number++;
    mkdir $dir or die "$dir: $!\n";

    return bless { t => $t, port => $t->port, dir => $dir, tls => $o{tls},
                   slow => $o{slow}, seen => 0, requests => [] }, $class;
}


sub url {
    my ($self) = @_;

    my $host = $self->{host} // '127.0.0.1';

    return ($self->{tls} ? 'https' : 'http') . "://$host:$self->{port}"
           . '/v1/traces';
}


sub directive {
    my ($self, @more) = @_;

    return join(' ', 'otlp', $self->url, @more) . ";\n";
}


# --- in the test ----------------------------------------------------------

sub start {
    my ($self) = @_;

    socketpair my $here, my $there, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair: $!\n";
    $_->autoflush(1) for $here, $there;

    $self->{process} = NeonTest::Process->fork_code(sub {
        close $here;
        $self->serve($there);
    }, name => 'collector');

    close $there;
    $self->{pipe} = $here;
    $self->ask('listen');

    return $self;
}


sub ask {
    my ($self, $what, @args) = @_;

    my $answer = '';
    my $deadline = time + 60;

    syswrite $self->{pipe}, $json->encode([ $what, @args ]) . "\n";

    while ($answer !~ /\n/) {
        IO::Select->new($self->{pipe})->can_read($deadline - time)
            or die "the collector does not answer\n";
        sysread $self->{pipe}, $answer, 65536, length $answer
            or die "the collector is gone\n";
    }

    return $self;
}


sub stop { $_[0]->ask('close') }
sub resume { $_[0]->ask('listen') }
sub script { my $self = shift; $self->ask('script', \@_) }
sub always { $_[0]->ask('always', $_[1]) }


sub finish {
    my ($self) = @_;

    close $self->{pipe} if $self->{pipe};
    $self->{process}->stop('TERM', 5);
}


# what came, the oldest first

sub requests {
    my ($self) = @_;

    open my $fh, '<', "$self->{dir}/log" or return;
    my @lines = grep { /\n\z/ } <$fh>;

    for my $line (@lines[$self->{seen} .. $#lines]) {
        my $request = $json->decode($line);
        $request->{body}
            = NeonTest::slurp("$self->{dir}/body" . $self->{seen}++);
        push @{ $self->{requests} }, $request;
    }

    return @{ $self->{requests} };
}


sub spans {
    my ($self) = @_;

    return map { @{ $_->{spans} //= [ NeonTest::Otlp::spans($_->{body}) ] } }
           grep { $_->{status} =~ /^2/ } $self->requests;
}


# how many spans of that name, without looking into them

sub count {
    my ($self, $name) = @_;

    my $n = 0;

    for my $request (grep { $_->{status} =~ /^2/ } $self->requests) {
        $request->{names}{$name}
            //= () = $request->{body} =~ /"name":"\Q$name\E"/g;
        $n += $request->{names}{$name};
    }

    return $n;
}


sub forget {
    my ($self) = @_;

    $self->requests;
    $self->{requests} = [];

    return $self;
}


# waits until so many sessions are there whole: their spans

sub sessions {
    my ($self, $n, $seconds) = @_;

    NeonTest::eventually(sub { $self->count('session') >= $n }, undef,
                         $seconds // 20);

    return $self->spans;
}


# --- the process ----------------------------------------------------------

sub serve {
    my ($self, $pipe) = @_;

    require Mojo::IOLoop;
    require Mojo::IOLoop::Stream;

    my $commands = '';
    my $stream = Mojo::IOLoop::Stream->new($pipe);

    $stream->timeout(0);
    $stream->on(close => sub { Mojo::IOLoop->stop });
    $stream->on(read => sub {
        $commands .= $_[1];

        while ($commands =~ s/^(.*)\n//) {
            $self->command(@{ $json->decode($1) });
            $stream->write("1\n");
        }
    });

    Mojo::IOLoop->singleton->stream($stream);
    Mojo::IOLoop->start;
}


sub command {
    my ($self, $what, $args) = @_;

    if ($what eq 'listen') {
        $self->listen;

    } elsif ($what eq 'close') {
        delete $self->{daemon};

    } elsif ($what eq 'script') {
        $self->{script} = $args;

    } else {
        $self->{always} = $args;
    }
}


sub listen {
    my ($self) = @_;

    require Mojo::Server::Daemon;

    my $url = "http://127.0.0.1:$self->{port}";

    if ($self->{tls}) {
        $url = "https://127.0.0.1:$self->{port}?cert="
               . NeonTest::Certs::path('db.crt') . '&key='
               . NeonTest::Certs::path('db.key');
    }

    my $daemon = Mojo::Server::Daemon->new(listen => [ $url ], silent => 1,
        inactivity_timeout => 0, max_requests => 1e6);

    $daemon->unsubscribe('request');
    $daemon->on(request => sub { $self->take($_[1]) });
    $daemon->start;
    $self->{daemon} = $daemon;
}


sub take {
    my ($self, $tx) = @_;

    my $how = shift @{ $self->{script} // [] } // $self->{always};
    $how = {} if !ref $how;

    my $status = $how->{status} // 200;
    my $n = $self->{taken}++ // 0;

    NeonTest::spew("$self->{dir}/body$n", $tx->req->body);

    open my $fh, '>>', "$self->{dir}/log" or die "$self->{dir}/log: $!\n";
    syswrite $fh, $json->encode({
        time => time, status => $status, method => $tx->req->method,
        path => $tx->req->url->to_string,
        headers => { map { lc $_ => $tx->req->headers->header($_) }
                     @{ $tx->req->headers->names } },
    }) . "\n";

    my $delay = $how->{delay} // $self->{slow};

    if ($delay) {
        Mojo::IOLoop->timer($delay => sub { $self->give($tx, $how) });

    } else {
        $self->give($tx, $how);
    }
}


sub give {
    my ($self, $tx, $how) = @_;

    my $res = $tx->res;

    $res->code($how->{status} // 200);
    $res->headers->content_type('application/json');
    $res->headers->header($_ => $how->{headers}{$_})
        for keys %{ $how->{headers} // {} };
    $res->body($how->{body} // '{}');
    $tx->resume;
}


1;
