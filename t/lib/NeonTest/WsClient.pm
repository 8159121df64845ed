package NeonTest::WsClient;

# A PostgreSQL client inside a WebSocket (RFC 6455), over TCP or TLS.  What
# PgClient sends goes out in binary frames, and what comes in binary frames is
# what PgClient reads; every frame can also be the test's.
#
#   my $c = NeonTest::WsClient->new(port => $port);
#   $c->start_tls(sni => $host);                  # or not
#   my $r = $c->upgrade(host => $host, path => '/v2');   # the HTTP response
#   $c->login(user => 'alice', password => 'pw');
#   $c->send_frame('x', opcode => 9);             # a ping
#   $c->read_to_end;                              # Close and end of TCP
#   $c->{close}{code}
#
# Kept: {frames} (opcode, fin, rsv, masked, length of each, in order), {pings}
# and {pongs} (payloads), {close} (code, reason), {received} (bytes).
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use parent 'NeonTest::PgClient';

use Digest::SHA qw/sha1_base64/;
use Errno qw/EAGAIN EINTR/;
use IO::Select;
use MIME::Base64 qw/encode_base64/;
use Time::HiRes qw/time/;

use constant {
    CONT => 0, TEXT => 1, BINARY => 2, CLOSE => 8, PING => 9, PONG => 10,
    GUID => '258EAFA5-E914-47DA-95CA-C5AB0DC85B11',
};


# as PgClient's, and: pong => 0: pings are not answered,
# reply => 0: a Close is not answered

sub new {
    my ($class, %o) = @_;

    my $self = NeonTest::PgClient::new($class, %o);

    @$self{qw/raw frames pings pongs received/} = ('', [], [], [], 0);
    $self->{pong} = $o{pong} // 1;
    $self->{reply} = $o{reply} // 1;

    return $self;
}


# --- the upgrade ----------------------------------------------------------

# the Sec-WebSocket-Accept that a key must be answered with

sub accept_of {
    my ($key) = @_;

    return sha1_base64($key . GUID) . '=';
}


# upgrade(host =>, path =>, method =>, http => '1.1', headers => { name =>
# value, values, or undef for none }, early => bytes right behind the request):
# { status, headers, text, body }; frames begin where the status is 101

sub upgrade {
    my ($self, %o) = @_;

    $self->{key64} = encode_base64(join('', map { chr int rand 256 } 1 .. 16),
                                   '');

    my %headers = (
        'Host' => $o{host} // 'ep-1.db.example.com',
        'Upgrade' => 'websocket', 'Connection' => 'Upgrade',
        'Sec-WebSocket-Key' => $self->{key64}, 'Sec-WebSocket-Version' => 13,
        %{ $o{headers} // {} },
    );

    my $method = $o{method} // 'GET';
    my $path = $o{path} // '/v2';
    my $http = $o{http} // '1.1';

    $self->send_plain("$method $path HTTP/$http\r\n"
        . join('', map { header($_ => $headers{$_}) } sort keys %headers)
        . "\r\n" . ($o{early} // ''));

    return $self->{response} = $self->read_response;
}


sub header {
    my ($name, $value) = @_;

    return join '', map { defined $_ ? "$name: $_\r\n" : () }
                    ref $value ? @$value : $value;
}


sub read_response {
    my ($self) = @_;

    my $deadline = time + $self->{timeout};

    while ($self->{raw} !~ /\r\n\r\n/) {
        return { status => 0, headers => {}, text => $self->{raw} }
            if !$self->fill_raw($deadline);
    }

    $self->{raw} =~ s/\A(.*?\r\n)\r\n//s;

    my %r = (text => $1);
    ($r{status}) = $r{text} =~ m{\AHTTP/1\.1 (\d+) };
    $r{headers} = { map { /^([^:]+): (.*?)\r$/ ? (lc $1 => $2) : () }
                    split /\n/, $r{text} };

    if ($r{status} == 101) {
        $self->{upgraded} = 1;
        return \%r;
    }

    my $length = $r{headers}{'content-length'} // 0;

    while (length $self->{raw} < $length) {
        last if !$self->fill_raw($deadline);
    }

    $r{body} = substr $self->{raw}, 0, $length, '';

    return \%r;
}


# --- frames out -----------------------------------------------------------

# the bytes of a frame: opcode => 2, fin => 1, rsv => 0 (bits of the header),
# mask => 1 | 0 | 4 bytes, length => what it declares, form => 7 | 16 | 64

sub frame {
    my ($payload, %o) = @_;

    my $length = $o{length} // length $payload;
    my $form = $o{form} // ($length < 126 ? 7 : $length < 65536 ? 16 : 64);
    my $mask = $o{mask} // 1;

    $mask = pack 'N', 1 + int rand 0xfffffffe if $mask eq '1';

    my $bit = $mask eq '0' ? 0 : 0x80;
    my $head = chr(($o{fin} // 1) << 7 | ($o{rsv} // 0) << 4
                   | ($o{opcode} // BINARY));

    $head .= $form == 7  ? chr($bit | $length)
           : $form == 16 ? pack('Cn', $bit | 126, $length)
                         : pack('CQ>', $bit | 127, $length);

    return $head . $payload if !$bit;
    return $head . $mask . masked($payload, $mask);
}


sub masked {
    my ($payload, $mask) = @_;

    my $n = length $payload;

    return $payload ^ substr $mask x (($n + 3) / 4), 0, $n;
}


# a message of several frames, of `size` bytes each; between => bytes between
# two of them

sub fragments {
    my ($payload, $size, %o) = @_;

    my @pieces = $payload =~ /(.{1,$size})/gs;
    my @frames = map {
        frame($pieces[$_], opcode => $_ ? CONT : BINARY, fin => $_ == $#pieces)
    } 0 .. $#pieces;

    return join $o{between} // '', @frames;
}


# PgClient's messages: one frame, or frames of {split} bytes each

sub send {
    my ($self, $bytes) = @_;

    my @pieces = ($bytes);

    if ($self->{split}) {
        my $size = $self->{split};
        @pieces = $bytes =~ /(.{1,$size})/gs;
    }

    return $self->send_plain(join '', map { frame($_) } @pieces);
}


sub send_frame {
    my ($self, $payload, %o) = @_;

    return $self->send_plain(frame($payload, %o));
}


sub send_close {
    my ($self, $code, $reason) = @_;

    $self->{close_sent} = 1;

    return $self->send_frame(defined $code ? pack('n', $code)
                                             . ($reason // '') : '',
                             opcode => CLOSE);
}


# below the frames, above TLS

sub send_plain {
    my ($self, $bytes) = @_;

    return $self->SUPER::send($bytes);
}


# plain TCP only: as many bytes as go out until nobody takes any for so many
# seconds: their number

sub send_until_blocked {
    my ($self, $bytes, $seconds) = @_;

    my $select = IO::Select->new($self->{socket});
    my $sent = 0;

    while ($sent < length $bytes && $select->can_write($seconds)) {
        my $n = syswrite $self->{socket}, $bytes, 65536, $sent;

        if (!defined $n) {
            next if $! == EAGAIN || $! == EINTR;
            die "send: $!\n";
        }

        $sent += $n;
    }

    return $sent;
}


# --- frames in ------------------------------------------------------------

# PgClient's fill(): payload into {buffer}; 0 at a Close, or the end

sub fill {
    my ($self, $deadline) = @_;

    return $self->SUPER::fill($deadline) if !$self->{upgraded};

    while (1) {
        my $n = $self->take;

        return $n if $n;
        return 0 if $self->{close};
        return 0 if !$self->fill_raw($deadline);
    }
}


sub fill_raw {
    my ($self, $deadline) = @_;

    my $n;

    {
        local $self->{buffer} = '';
        $n = $self->SUPER::fill($deadline);
        $self->{raw} .= $self->{buffer};
    }

    $self->{received} += $n;

    return $n;
}


# whole frames of {raw}: bytes of payload that came with them

sub take {
    my ($self) = @_;

    my $got = 0;

    while (!$self->{close} && length $self->{raw} >= 2) {
        my ($first, $second) = unpack 'CC', $self->{raw};
        my $length = $second & 0x7f;
        my $head = $length == 126 ? 4 : $length == 127 ? 10 : 2;
        my $mask = $second & 0x80 ? 4 : 0;

        last if length $self->{raw} < $head;

        $length = unpack $head == 4 ? 'n' : 'Q>', substr $self->{raw}, 2
            if $head > 2;

        last if length $self->{raw} < $head + $mask + $length;

        my $payload = substr $self->{raw}, $head + $mask, $length;
        $payload = masked($payload, substr $self->{raw}, $head, 4) if $mask;
        substr($self->{raw}, 0, $head + $mask + $length, '');

        my $opcode = $first & 0x0f;

        push @{ $self->{frames} },
             { opcode => $opcode, fin => $first >> 7, length => $length,
               rsv => $first >> 4 & 7, masked => $mask ? 1 : 0 };

        $got += $self->frame_in($opcode, $payload);
    }

    return $got;
}


sub frame_in {
    my ($self, $opcode, $payload) = @_;

    if ($opcode == PING) {
        push @{ $self->{pings} }, $payload;
        $self->send_frame($payload, opcode => PONG) if $self->{pong};
        return 0;
    }

    if ($opcode == PONG) {
        push @{ $self->{pongs} }, $payload;
        return 0;
    }

    if ($opcode == CLOSE) {
        $self->{close} = { code => length $payload >= 2
                                   ? unpack('n', $payload) : 1005,
                           reason => substr($payload . '  ', 2)
                                     =~ s/  \z//r };

        $self->send_close($self->{close}{code} == 1005
                          ? undef : $self->{close}{code})
            if $self->{reply} && !$self->{close_sent};
        return 0;
    }

    $self->{buffer} .= $payload;

    return length $payload;
}


# what is said up to a Close, or to the end without one, and the end of TCP:
# the messages; {ended} tells whether that came

sub read_to_end {
    my ($self, $timeout) = @_;

    my @messages;

    while (my $m = $self->read_message($timeout)) {
        push @messages, $m;
    }

    my $deadline = time + ($timeout // $self->{timeout});

    $self->{ended} = eval { 1 while $self->fill_raw($deadline); 1 };

    return @messages;
}


# until so many pongs are there, or the end

sub wait_pongs {
    my ($self, $n) = @_;

    my $deadline = time + $self->{timeout};

    while (@{ $self->{pongs} } < $n && !$self->{close}) {
        $self->take;
        last if @{ $self->{pongs} } >= $n || !$self->fill_raw($deadline);
    }

    $self->take;

    return scalar @{ $self->{pongs} };
}


sub login {
    my ($self, %o) = @_;

    return $self->SUPER::login(%o, tls => 'none');
}


1;
