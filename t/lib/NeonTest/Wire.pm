package NeonTest::Wire;

# Bytes of the PostgreSQL protocol, both directions, for clients and computes,
# and of what balancers put before it.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Digest::MD5 qw/md5_hex/;
use Exporter 'import';
use Socket qw/inet_aton inet_pton AF_INET6/;

our @EXPORT = qw/startup_packet message error_fields error_message
                 ssl_request gssenc_request cancel_request cstrings
                 parse_startup md5_verifier md5_answer
                 proxy_v1 proxy_v2 proxy_v2_raw/;


# startup_packet([ user => ..., ... ], version): parameters in this order

sub startup_packet {
    my ($params, $version) = @_;

    my $body = pack('N', $version // 196608)
               . join('', map { "$_\0" } @$params) . "\0";

    return pack('N', 4 + length $body) . $body;
}


sub ssl_request    { pack 'NN', 8, 80877103 }
sub gssenc_request { pack 'NN', 8, 80877104 }


sub cancel_request {
    my ($pid, $key) = @_;

    return pack('NNN', 12 + length $key, 80877102, $pid) . $key;
}


sub message {
    my ($type, $body) = @_;

    $body //= '';
    return $type . pack('N', 4 + length $body) . $body;
}


# ErrorResponse and NoticeResponse: { S =>, V =>, C =>, M =>, ... }

sub error_fields {
    my ($body) = @_;

    my %fields;
    $fields{$1} = $2 while $body =~ /\G([^\0])([^\0]*)\0/g;
    return \%fields;
}


# error_message(S => 'FATAL', C => ..., M => ...): fields in this order

sub error_message {
    my @fields = @_;

    my $body = '';
    while (@fields) {
        my ($name, $value) = splice @fields, 0, 2;
        $body .= "$name$value\0";
    }

    return message('E', "$body\0");
}


# the MD5 verifier of a role, and what a client answers to a salt

sub md5_verifier { 'md5' . md5_hex("$_[0]$_[1]") }

sub md5_answer {
    my ($password, $user, $salt) = @_;

    return 'md5' . md5_hex(md5_hex("$password$user") . $salt);
}


sub cstrings { split /\0/, $_[0] }


# the body behind length and version: (\%params, \@names in order)

sub parse_startup {
    my ($body) = @_;

    my @list = split /\0/, $body, -1;
    my (%params, @names);

    while (@list >= 2 && $list[0] ne '') {
        my ($name, $value) = splice @list, 0, 2;
        $params{$name} = $value;
        push @names, $name;
    }

    return (\%params, \@names);
}


# --- PROXY headers ---------------------------------------------------------

# haproxy.org, "The PROXY protocol", versions 1 and 2: from an address

sub proxy_v1 {
    my ($from) = @_;

    my $family = $from =~ /:/ ? 'TCP6' : 'TCP4';

    return "PROXY $family $from $from 56324 5432\r\n";
}


# command 1: PROXY, 0: LOCAL; family 0x11: TCP over IPv4, 0x21: over IPv6

sub proxy_v2_raw {
    my ($command, $family, $bytes) = @_;

    return "\r\n\r\n\0\r\nQUIT\n" . pack('CCn', 0x20 | $command, $family,
                                         length $bytes) . $bytes;
}


# type => value, ... as TLVs

sub proxy_v2 {
    my ($from, @tlvs) = @_;

    my $six = $from =~ /:/;
    my $raw = $six ? inet_pton(AF_INET6, $from) : inet_aton($from);
    my $bytes = $raw . $raw . pack('nn', 56324, 5432);

    while (@tlvs) {
        my ($type, $value) = splice @tlvs, 0, 2;
        $bytes .= pack 'Cn/a', $type, $value;
    }

    return proxy_v2_raw(1, $six ? 0x21 : 0x11, $bytes);
}


1;
