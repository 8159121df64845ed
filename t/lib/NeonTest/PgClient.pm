package NeonTest::PgClient;

# A PostgreSQL client that can also misbehave: every byte is the test's.
#
#   my $c = $t->client(port => $port);            # TCP only
#   $c->send(ssl_request); $c->read_n(1);
#   $c->start_tls(sni => 'ep-1.db.example.com');
#   $c->send(startup_packet([ user => 'alice' ]));
#   my $m = $c->read_message;                     # { type, body }
#
#   my $c = $t->login(port => $port, sni => ..., user => ..., password => ...);
#   $c->error or $c->query('select 1');
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Errno qw/EAGAIN EINTR EINPROGRESS ECONNRESET EPIPE/;
use IO::Select;
use IO::Socket::INET;
use Socket qw/IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER SHUT_WR/;
use Time::HiRes qw/time/;

use NeonTest::Scram;
use NeonTest::Wire;


# new(port =>, host =>, timeout =>, source => address), or new(socket =>)

sub new {
    my ($class, %o) = @_;

    my $socket = $o{socket} // IO::Socket::INET->new(
        PeerAddr => $o{host} // '127.0.0.1', PeerPort => $o{port},
        Proto => 'tcp', Timeout => 10,
        $o{source} ? (LocalAddr => $o{source}) : (),
    ) or die "connect to port $o{port}: $@\n";

    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    $socket->blocking(0);

    return bless { socket => $socket, buffer => '', params => {},
                   notices => [], messages => [],
                   timeout => $o{timeout} // 15 * $NeonTest::slow }, $class;
}


# --- bytes ---------------------------------------------------------------

sub send {
    my ($self, $bytes) = @_;

    return $self->send_raw($bytes) if !$self->{tls};

    $self->{tls}->encrypt($bytes);
    return $self->send_raw($self->{tls}->output);
}


# 1, or 0 where the other side is gone

sub send_raw {
    my ($self, $bytes) = @_;

    my $deadline = time + $self->{timeout};
    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes;

        if (defined $n) {
            substr($bytes, 0, $n, '');
            next;
        }

        if ($! == EPIPE || $! == ECONNRESET) {
            $self->{reset} = 1;
            return 0;
        }

        die "send: $!\n" if $! != EAGAIN && $! != EINTR;
        die "send: timed out\n" if time > $deadline;
        IO::Select->new($self->{socket})->can_write(0.1);
    }

    return 1;
}


# some more bytes into the buffer: how many, 0 at the end

sub fill {
    my ($self, $deadline) = @_;

    while (1) {
        if ($self->{tls}) {
            my $bytes = $self->{tls}->decrypt;

            if (!defined $bytes) {
                $self->{eof} = $self->{close_notify} = 1;
                return 0;
            }

            if (length $bytes) {
                $self->{buffer} .= $bytes;
                return length $bytes;
            }
        }

        my $raw = $self->receive_raw($deadline);
        return 0 if !length $raw;

        if ($self->{tls}) {
            $self->{tls}->input($raw);
            next;
        }

        $self->{buffer} .= $raw;
        return length $raw;
    }
}


sub receive_raw {
    my ($self, $deadline) = @_;

    return '' if $self->{eof};

    while (1) {
        my $n = sysread $self->{socket}, my $raw, 65536;

        return $raw if $n;

        if (defined $n) {
            $self->{eof} = 1;
            return '';
        }

        if ($! == ECONNRESET) {
            $self->{eof} = $self->{reset} = 1;
            return '';
        }

        die "receive: $!\n" if $! != EAGAIN && $! != EINTR;

        my $left = $deadline - time;
        die "receive: timed out\n" if $left <= 0;
        IO::Select->new($self->{socket})->can_read($left);
    }
}


# n bytes, or fewer at the end of the stream

sub read_n {
    my ($self, $n, $timeout) = @_;

    my $deadline = time + ($timeout // $self->{timeout});

    while (length $self->{buffer} < $n) {
        last if !$self->fill($deadline);
    }

    return substr $self->{buffer}, 0, $n, '';
}


# everything up to the end of the stream

sub read_all {
    my ($self, $timeout) = @_;

    my $deadline = time + ($timeout // $self->{timeout});

    1 while $self->fill($deadline);

    my $bytes = $self->{buffer};
    $self->{buffer} = '';

    return $bytes;
}


# has anything arrived, within so many seconds?

sub readable {
    my ($self, $seconds) = @_;

    return 1 if length $self->{buffer};
    return eval { $self->fill(time + $seconds); 1 } ? 1 : 0;
}


sub half_close {
    my ($self) = @_;

    if ($self->{tls}) {
        $self->{tls}->shutdown;
        $self->send_raw($self->{tls}->output);
    }

    shutdown $self->{socket}, SHUT_WR;
}


sub close {
    my ($self) = @_;

    return if !$self->{socket};

    eval { $self->send(message('X')) } if $self->{ready};
    CORE::close($self->{socket});
    delete $self->{socket};
}


# RST in place of FIN

sub abort {
    my ($self) = @_;

    setsockopt $self->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    CORE::close($self->{socket});
    delete $self->{socket};
}


sub drop {
    my ($self) = @_;

    CORE::close($self->{socket});
    delete $self->{socket};
}


# --- TLS -----------------------------------------------------------------

# start_tls(sni =>, alpn => [], send => sub { bytes -> list of pieces })
# dies where the handshake fails

sub start_tls {
    my ($self, %o) = @_;

    require NeonTest::Tls;

    my $tls = NeonTest::Tls->new(%o);
    my $deadline = time + $self->{timeout};

    while (1) {
        my $done = eval { $tls->handshake };
        my $error = $@;
        my $bytes = $tls->output;

        if (length $bytes) {
            my @pieces = $o{send} ? $o{send}->($bytes) : ($bytes);

            for my $piece (@pieces) {
                $self->send_raw($piece);

                # the kernel must not glue them together again
                select undef, undef, undef, 0.002 if @pieces > 1;
            }
        }

        die $error if !defined $done;
        last if $done;

        if (length $self->{buffer}) {
            $tls->input($self->{buffer});
            $self->{buffer} = '';
            next;
        }

        my $raw = $self->receive_raw($deadline);
        die "TLS: connection closed during the handshake\n" if !length $raw;
        $tls->input($raw);
    }

    $self->{tls} = $tls;

    return $self;
}


# SSLRequest, its answer, and the handshake

sub inband_tls {
    my ($self, %o) = @_;

    $self->send(ssl_request);

    my $answer = $self->read_n(1);
    die "SSLRequest was answered with '$answer'\n" if $answer ne 'S';

    return $self->start_tls(%o);
}


# --- messages ------------------------------------------------------------

# { type, body }, or undef at the end of the stream

sub read_message {
    my ($self, $timeout) = @_;

    my $head = $self->read_n(5, $timeout);
    return if length $head < 5;

    my ($type, $length) = unpack 'aN', $head;
    my $body = $self->read_n($length - 4, $timeout);

    return { type => $type, body => $body };
}


sub password_message { $_[0]->send(message('p', "$_[1]\0")) }


# login(tls => 'inband'|'direct'|'none', sni =>, alpn =>, user =>, database =>,
#       password =>, params => [], version =>, cbind => require|prefer|disable,
#       answer => to AuthenticationMD5Password, in place of the right one)

sub login {
    my ($self, %o) = @_;

    my $tls = $o{tls} // 'inband';

    if ($tls ne 'none') {
        my $how = $tls eq 'inband' ? 'inband_tls' : 'start_tls';

        $self->$how(
            alpn => $tls eq 'direct' ? [ 'postgresql' ] : undef,
            map { $_ => $o{$_} }
                grep { exists $o{$_} } qw/sni alpn ca verify max min send
                                           session cert/);
    }

    my @params = (user => $o{user} // 'alice');
    push @params, database => $o{database} // 'app'
        unless exists $o{database} && !defined $o{database};
    push @params, @{ $o{params} // [] };

    $self->send(startup_packet(\@params, $o{version}));

    return $self->authenticate(%o);
}


# answers what the server asks, up to ReadyForQuery or an ErrorResponse;
# stop => 1: only until the password was given or proven, for another
# authenticate() later; behind => bytes that follow the proof at once

sub authenticate {
    my ($self, %o) = @_;

    while (my $m = $self->read_message($o{wait})) {
        push @{ $self->{messages} }, $m;

        my ($type, $body) = @$m{qw/type body/};

        if ($type eq 'R') {
            my $code = unpack 'N', $body;
            $self->auth_request($code, substr($body, 4), %o);
            last if $o{stop} && $code =~ /^(?:3|5|11)$/;

        } elsif ($type eq 'E') {
            $self->{error} = error_fields($body);
            last;

        } elsif ($type eq 'N') {
            push @{ $self->{notices} }, error_fields($body);

        } elsif ($type eq 'S') {
            my ($name, $value) = cstrings($body);
            $self->{params}{$name} = $value // '';

        } elsif ($type eq 'K') {
            ($self->{pid}, $self->{key}) = unpack 'Na*', $body;

        } elsif ($type eq 'v') {
            my ($version, $n, $names) = unpack 'NNa*', $body;
            $self->{negotiate} = { version => $version, count => $n,
                                   names => [ cstrings($names) ] };

        } elsif ($type eq 'Z') {
            $self->{ready} = $body;
            last;
        }
    }

    return $self;
}


sub auth_request {
    my ($self, $code, $rest, %o) = @_;

    push @{ $self->{auth} }, $code;

    if ($code == 0) {
        $self->{authenticated} = 1;

    } elsif ($code == 3) {
        $self->password_message($o{password});

    } elsif ($code == 5) {
        push @{ $self->{md5_salts} }, $rest;
        $self->password_message($o{answer} // NeonTest::Wire::md5_answer(
            $o{password}, $o{user} // 'alice', $rest));

    } elsif ($code == 10) {
        $self->sasl_start([ cstrings($rest) ], %o);

    } elsif ($code == 11) {
        $self->send(message('p', $self->{scram}->final($rest))
                    . ($o{behind} // ''));

    } elsif ($code == 12) {
        die "the server's signature is wrong\n"
            if !$self->{scram}->verify($rest);
        $self->{server_verified} = 1;

    } else {
        die "authentication request $code\n";
    }
}


sub sasl_start {
    my ($self, $mechanisms, %o) = @_;

    my $cbind = $o{cbind} // 'prefer';
    my $plus = grep { $_ eq 'SCRAM-SHA-256-PLUS' } @$mechanisms;
    my ($mechanism, $flag) = ('SCRAM-SHA-256', 'n');

    $self->{mechanisms} = $mechanisms;

    die "channel binding required, but not offered\n"
        if $cbind eq 'require' && !$plus;

    if ($cbind ne 'disable' && $self->{tls}) {
        ($mechanism, $flag) = $plus ? ('SCRAM-SHA-256-PLUS', 'p')
                                    : ('SCRAM-SHA-256', 'y');
    }

    $self->{mechanism} = $mechanism = $o{mechanism} // $mechanism;
    $self->{scram} = NeonTest::Scram->client(
        $o{password} // '', gs2 => $o{gs2} // $flag,
        cbind => $o{cbind_data}
                 // ($self->{tls} ? $self->{tls}->binding : ''),
        $o{nonce} ? (nonce => $o{nonce}) : ());

    my $first = $self->{scram}->first;

    $self->send(message('p', "$mechanism\0" . pack('N', length $first)
                             . $first));
}


# the ErrorResponse that ended the login or the last query, or undef

sub error { $_[0]{error} }


# "SQLSTATE message" of it, for is() and like()

sub error_text {
    my ($self) = @_;

    my $e = $self->{error} or return '';
    return "$e->{C} $e->{M}";
}


# the SQLSTATE of the ErrorResponse that is all that comes before the end;
# where something else does, what that is

sub only_error {
    my ($self) = @_;

    my $m = $self->read_message or return 'closed';
    my $rest = $self->read_all;

    return "$m->{type}..." if $m->{type} ne 'E';
    return "and more: $rest" if $rest ne '';
    return error_fields($m->{body})->{C};
}


# simple query: { rows => [[...]], tag =>, error => }

sub query {
    my ($self, $sql, $timeout) = @_;

    $self->send(message('Q', "$sql\0"));

    return $self->result($timeout);
}


sub result {
    my ($self, $timeout) = @_;

    my %result = (rows => []);
    delete $self->{error};

    while (my $m = $self->read_message($timeout)) {
        my ($type, $body) = @$m{qw/type body/};

        if ($type eq 'D') {
            push @{ $result{rows} }, row($body);

        } elsif ($type eq 'C') {
            ($result{tag}) = cstrings($body);

        } elsif ($type eq 'E') {
            $self->{error} = $result{error} = error_fields($body);

        } elsif ($type eq 'A') {
            my ($pid, $rest) = unpack 'Na*', $body;
            my ($channel, $payload) = cstrings($rest);
            push @{ $self->{notifications} },
                 { pid => $pid, channel => $channel, payload => $payload };

        } elsif ($type eq 'Z') {
            $self->{ready} = $body;
            return \%result;
        }
    }

    $result{eof} = 1;
    return \%result;
}


sub row {
    my ($body) = @_;

    my $n = unpack 'n', $body;
    my $pos = 2;
    my @values;

    for (1 .. $n) {
        my $length = unpack 'l>', substr $body, $pos, 4;
        $pos += 4;
        push @values, $length < 0 ? undef : substr $body, $pos, $length;
        $pos += $length if $length > 0;
    }

    return \@values;
}


# the first value of the first row

sub value {
    my ($self, $sql, $timeout) = @_;

    my $r = $self->query($sql, $timeout);
    return $r->{rows}[0] && $r->{rows}[0][0];
}


1;
