package NeonTest::ControlPlane;

# A control plane that speaks Neon's HTTP API in both forms and does what the
# test says: a process of its own, changed and asked while it runs.
#
#   my $cp = $t->control_plane(api => 'v1');      # or 2023
#   $cp->role('ep-1', alice => $verifier);
#   $cp->endpoint('ep-1', address => '127.0.0.1:5432');
#   $cp->script(wake => { status => 503, json => {...} }, 'pass');
#   $cp->calls('wake')                            # what was asked
#
# An answer is 'pass' (the right one) or a hash:
#
#   status, json | body, headers   the answer
#   delay          seconds before it
#   slow           seconds between its bytes
#   raw            bytes in place of an HTTP answer
#   close, reset   1: the connection ends without an answer
#   truncate       bytes of the body after which it ends
#   hang           1: no answer
#   merge          hash: laid over the right answer's JSON
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use JSON::PP ();
use Socket qw/AF_UNIX SOCK_STREAM PF_UNSPEC SOL_SOCKET SO_LINGER/;
use Time::HiRes qw/time/;

use NeonTest::Process;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;


sub new {
    my ($class, $t, %o) = @_;

    return bless {
        t => $t, port => $t->port, api => $o{api} // 'v1',
        base => $o{base} // '/authenticate/v1',
        tls => $o{tls}, cert => $o{cert} // 'db', cache => $o{cache},
        state => { access => {}, wake => {}, script => {}, always => {} },
    }, $class;
}


sub port { $_[0]{port} }


sub url {
    my ($self) = @_;

    my $scheme = $self->{tls} ? 'https' : 'http';
    my $host = $self->{tls} ? 'localhost' : '127.0.0.1';

    return "$scheme://$host:$self->{port}$self->{base}";
}


# the directives that point a proxy at it; what it is asked is what the test
# counts, so without cache => 1 nothing is remembered

sub directives {
    my ($self) = @_;

    return "control_plane $self->{url_override};" if $self->{url_override};

    my $text = 'control_plane ' . $self->url . ";\n";
    $text .= "control_plane_api $self->{api};\n";
    $text .= "control_plane_token test-token;\n";
    $text .= "node_cache size=0;\nsecret_cache size=0;\n"
             . "limit_unknown off;\n" if !$self->{cache};

    return $text;
}


# --- in the test ----------------------------------------------------------

sub start {
    my ($self) = @_;

    socketpair my $here, my $there, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair: $!\n";
    $_->autoflush(1) for $here, $there;

    $self->{process} = NeonTest::Process->fork_code(sub {
        close $here;
        require NeonTest::ControlPlane::Server;
        NeonTest::ControlPlane::Server->new(%$self)->serve($there);
    }, name => 'control plane');

    close $there;
    $self->{pipe} = $here;
    $self->{inbox} = '';
    $self->ask('listen');

    return $self;
}


# from now on connections are refused

sub stop {
    my ($self) = @_;

    $self->ask('close');
    return $self;
}


sub resume {
    my ($self) = @_;

    $self->ask('listen');
    return $self;
}


sub finish {
    my ($self) = @_;

    close $self->{pipe} if $self->{pipe};
    $self->{process}->stop('TERM', 5);
}


sub ask {
    my ($self, $what, @args) = @_;

    my $line = $json->encode([ $what, @args ]) . "\n";
    my $deadline = time + 20;

    syswrite $self->{pipe}, $line;

    while (index($self->{inbox}, "\n") < 0) {
        IO::Select->new($self->{pipe})->can_read($deadline - time)
            or die "the control plane does not answer\n";
        sysread $self->{pipe}, $self->{inbox}, 65536, length $self->{inbox}
            or die "the control plane is gone\n";
    }

    $self->{inbox} =~ s/^(.*)\n//;

    my ($ok, $answer) = @{ $json->decode($1) };
    die "control plane: $answer\n" if !$ok;

    return $answer;
}


sub push_state {
    my ($self) = @_;

    $self->ask('state', $self->{state});
    return $self;
}


# role(endpoint, role => verifier, ...); verifier undef: takes the role away

sub role {
    my ($self, $endpoint, %roles) = @_;

    for my $role (keys %roles) {
        $self->{state}{access}{$endpoint}{roles}{$role} = $roles{$role};
    }

    return $self->push_state;
}


# fields of get_endpoint_access_control: allowed_ips and so on

sub rules {
    my ($self, $endpoint, %rules) = @_;

    $self->{state}{access}{$endpoint}{rules} = \%rules;

    return $self->push_state;
}


# endpoint(name, address => host:port, server_name => ..., aux => {})

sub endpoint {
    my ($self, $endpoint, %wake) = @_;

    $self->{state}{wake}{$endpoint} = \%wake;
    $self->{state}{access}{$endpoint} //= {};

    return $self->push_state;
}


# many endpoints with the same role and address

sub endpoints {
    my ($self, $endpoints, $role, $verifier, %wake) = @_;

    for my $endpoint (@$endpoints) {
        $self->{state}{access}{$endpoint}{roles}{$role} = $verifier;
        $self->{state}{wake}{$endpoint} = \%wake;
    }

    return $self->push_state;
}


# the next answers to 'access' or 'wake', then the right ones again

sub script {
    my ($self, $call, @answers) = @_;

    $self->ask('script', $call, \@answers);
    return $self;
}


# every answer, until always(call) without one

sub always {
    my ($self, $call, $answer) = @_;

    $self->ask('always', $call, $answer);
    return $self;
}


# what was asked: { call, method, target, path, query, headers, connection }

sub calls {
    my ($self, $call) = @_;

    my @calls = @{ $self->ask('calls') };
    return grep { !defined $call || $_->{call} eq $call } @calls;
}


# how many calls, which is quicker told

sub count {
    my ($self, $call) = @_;

    return $self->ask('count', $call);
}


sub forget {
    my ($self) = @_;

    $self->ask('forget');
    return $self;
}


# waits for so many calls

sub called {
    my ($self, $call, $n, $seconds) = @_;

    return NeonTest::eventually(sub {
        my @calls = $self->calls($call);
        return @calls >= $n;
    }, undef, $seconds);
}


# an error as the control plane's version 1 says it

sub error {
    my ($class, $status, $reason, %o) = @_;

    my %details;
    $details{error_info} = { reason => $reason } if defined $reason;
    $details{retry_info} = { retry_delay_ms => $o{retry} }
        if defined $o{retry};
    $details{user_facing_message} = { message => $o{text} }
        if defined $o{text};

    return { status => $status, json => {
        error => $o{log} // 'text for the log',
        status => { code => 'CODE', message => 'status message',
                    details => \%details },
    } };
}


1;
