package NeonTest::ControlPlane::Server;

# The process behind NeonTest::ControlPlane: HTTP by hand on Mojo::IOLoop, so
# that an answer may also be one that no HTTP server would give.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use JSON::PP ();
use Mojo::IOLoop;
use Mojo::IOLoop::Stream;
use Socket qw/SOL_SOCKET SO_LINGER/;

use NeonTest::Certs;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

my %names = (
    get_endpoint_access_control => 'access', proxy_get_role_secret => 'access',
    wake_compute => 'wake', proxy_wake_compute => 'wake',
);


sub new {
    my ($class, %o) = @_;

    return bless { %o, calls => [], script => {}, always => {},
                   connections => 0, open => {} }, $class;
}


sub serve {
    my ($self, $pipe) = @_;

    my $commands = '';
    my $stream = Mojo::IOLoop::Stream->new($pipe);

    $stream->timeout(0);
    $stream->on(close => sub { Mojo::IOLoop->stop });
    $stream->on(read => sub {
        my (undef, $bytes) = @_;

        $commands .= $bytes;

        while ($commands =~ s/^(.*)\n//) {
            my ($what, @args) = @{ $json->decode($1) };
            my $answer = eval { $self->command($what, @args) };
            my $reply = $@ ? [ 0, "$@" ] : [ 1, $answer ];
            $stream->write($json->encode($reply) . "\n");
        }
    });

    Mojo::IOLoop->singleton->stream($stream);
    Mojo::IOLoop->start;
}


sub command {
    my ($self, $what, @args) = @_;

    if ($what eq 'listen') {
        $self->listen;

    } elsif ($what eq 'close') {
        Mojo::IOLoop->remove(delete $self->{server}) if $self->{server};
        Mojo::IOLoop->remove($_) for keys %{ $self->{open} };
        $self->{open} = {};

    } elsif ($what eq 'state') {
        $self->{state} = $args[0];

    } elsif ($what eq 'script') {
        $self->{script}{$args[0]} = $args[1];

    } elsif ($what eq 'always') {
        $self->{always}{$args[0]} = $args[1];

    } elsif ($what eq 'calls') {
        return $self->{calls};

    } elsif ($what eq 'count') {
        return scalar grep { $_->{call} eq $args[0] } @{ $self->{calls} };

    } elsif ($what eq 'forget') {
        $self->{calls} = [];

    } else {
        die "unknown command $what\n";
    }

    return 1;
}


sub listen {
    my ($self) = @_;

    return if $self->{server};

    my %tls = $self->{tls}
        ? (tls => 1, tls_cert => NeonTest::Certs::path("$self->{cert}.crt"),
           tls_key => NeonTest::Certs::path("$self->{cert}.key"))
        : ();

    $self->{server} = Mojo::IOLoop->server(
        { address => '127.0.0.1', port => $self->{port}, reuse => 0, %tls },
        sub { $self->accept($_[1], $_[2]) });
}


sub accept {
    my ($self, $stream, $id) = @_;

    my $connection = ++$self->{connections};
    my $buffer = '';
    my $busy = 0;

    $self->{open}{$id} = 1;

    # one request after the other: an answer may take its time
    my $next;
    $next = sub {
        return if $busy || $buffer !~ s/^(.*?\r\n)\r\n//s;

        my $call = $self->parse($1, $connection);
        $busy = 1;
        $self->answer($stream, $call, sub { $busy = 0; $next->() });
    };

    $stream->timeout(0);
    $stream->on(read => sub { $buffer .= $_[1]; $next->() });
    $stream->on(error => sub { });
    $stream->on(close => sub { delete $self->{open}{$id}; undef $next });
}


sub parse {
    my ($self, $head, $connection) = @_;

    my ($line, @headers) = split /\r\n/, $head;
    my ($method, $target) = split ' ', $line;
    my ($path, $query) = split /\?/, $target, 2;
    my ($name) = $path =~ m{([^/]*)$};
    my (%query, %headers);

    for my $pair (split /&/, $query // '') {
        my ($key, $value) = map { unescape($_) } split /=/, $pair, 2;
        $query{$key} = $value // '';
    }

    for (@headers) {
        my ($key, $value) = /^([^:]+):\s*(.*)$/;
        $headers{lc $key} = $value;
    }

    my $call = {
        call => $names{$name} // 'unknown', method => $method,
        line => $line, target => $target, path => $path, query => \%query,
        headers => \%headers, connection => $connection,
    };

    push @{ $self->{calls} }, $call;
    return $call;
}


sub unescape {
    my ($text) = @_;

    $text =~ tr/+/ /;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;

    return $text;
}


sub answer {
    my ($self, $stream, $call, $done) = @_;

    my $how = shift @{ $self->{script}{$call->{call}} // [] }
              // $self->{always}{$call->{call}} // 'pass';
    my $answer = $self->right($call);

    if (ref $how) {
        $how = { %$how };
        my $merge = delete $how->{merge};
        $answer->{json} = { %{ $answer->{json} }, %$merge } if $merge;
        delete $answer->{json} if exists $how->{body};
        $answer = { %$answer, %$how };
    }

    $call->{answer} = $answer->{status};

    return if $answer->{hang};

    if ($answer->{delay}) {
        Mojo::IOLoop->timer($answer->{delay} => sub {
            $self->give($stream, $answer, $done);
        });
        return;
    }

    $self->give($stream, $answer, $done);
}


sub give {
    my ($self, $stream, $answer, $done) = @_;

    my $handle = $stream->handle or return;

    if ($answer->{reset}) {
        setsockopt $handle, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
        $stream->close;
        return;
    }

    if ($answer->{close}) {
        $stream->close;
        return;
    }

    my $bytes = $answer->{raw} // http($answer);
    my $end = exists $answer->{raw} || exists $answer->{truncate};

    if ($answer->{slow}) {
        trickle($stream, $bytes, $answer->{slow}, $done);
        return;
    }

    $stream->write($bytes => sub {
        return $stream->close if $end;
        $done->();
    });
}


sub trickle {
    my ($stream, $bytes, $pause, $done) = @_;

    return $done->() if $bytes eq '';

    $stream->write(substr $bytes, 0, 1, '');
    Mojo::IOLoop->timer($pause => sub {
        trickle($stream, $bytes, $pause, $done) if $stream->handle;
    });
}


sub http {
    my ($answer) = @_;

    my $body = $answer->{body} // $json->encode($answer->{json});
    my %headers = ('Content-Type' => 'application/json',
                   'Content-Length' => length $body,
                   %{ $answer->{headers} // {} });

    $body = substr $body, 0, $answer->{truncate}
        if exists $answer->{truncate};

    return "HTTP/1.1 $answer->{status} Answer\r\n"
           . join('', map { "$_: $headers{$_}\r\n" }
                      grep { defined $headers{$_} } sort keys %headers)
           . "\r\n$body";
}


# what a control plane without a script says

sub right {
    my ($self, $call) = @_;

    my $old = $self->{api} eq '2023';
    my $endpoint = $call->{query}{$old ? 'project' : 'endpointish'} // '';
    my $name = $endpoint =~ s/-pooler$//r;

    if ($call->{call} eq 'access') {
        my $access = $self->{state}{access}{$name}
            or return not_found($old);
        my $secret = $access->{roles}{$call->{query}{role} // ''};

        return not_found($old) if $old && !defined $secret;
        return { status => 200, json => { role_secret => $secret // '',
                                          %{ $access->{rules} // {} } } };
    }

    if ($call->{call} eq 'wake') {
        my $wake = $self->{state}{wake}{$name} or return not_found($old);
        return { status => 200, json => { aux => {
            endpoint_id => $name, project_id => 'project-1',
            branch_id => 'br-1' }, %$wake } };
    }

    return { status => 400, json => { error => 'no such call' } };
}


sub not_found {
    my ($old) = @_;

    return { status => 404, json => { error => 'no such project' } } if $old;

    return { status => 404, json => {
        error => 'endpoint not found',
        status => { code => 'NOT_FOUND', message => 'endpoint not found',
                    details => {
                        error_info => { reason => 'ENDPOINT_NOT_FOUND' },
                        retry_info => undef, user_facing_message => undef,
                    } },
    } };
}


1;
