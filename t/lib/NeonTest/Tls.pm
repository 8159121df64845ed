package NeonTest::Tls;

# The client side of TLS over memory BIOs: the test sees and may cut, delay or
# rewrite every byte that goes to the server.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Net::SSLeay;

Net::SSLeay::initialize();


# new(sni =>, alpn => [], ca => file, verify => name, max => version,
#     ticket => bytes that make the ClientHello larger,
#     cert => path of the client's own certificate and key, without the suffix)

sub new {
    my ($class, %o) = @_;

    my $ctx = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_client_method())
        or die "TLS: no context\n";

    Net::SSLeay::CTX_set_alpn_protos($ctx, $o{alpn}) if @{ $o{alpn} // [] };
    Net::SSLeay::CTX_load_verify_locations($ctx, $o{ca}, '') if $o{ca};
    Net::SSLeay::CTX_set_verify($ctx, $o{ca} ? Net::SSLeay::VERIFY_PEER()
                                             : Net::SSLeay::VERIFY_NONE());
    Net::SSLeay::CTX_set_max_proto_version($ctx, $o{max}) if $o{max};
    Net::SSLeay::CTX_set_min_proto_version($ctx, $o{min}) if $o{min};

    Net::SSLeay::set_cert_and_key($ctx, "$o{cert}.crt", "$o{cert}.key")
        if $o{cert};

    my $ssl = Net::SSLeay::new($ctx);
    my $in = Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem());
    my $out = Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem());

    Net::SSLeay::set_bio($ssl, $in, $out);
    Net::SSLeay::set_tlsext_host_name($ssl, $o{sni}) if defined $o{sni};
    Net::SSLeay::set_session($ssl, $o{session}) if $o{session};

    Net::SSLeay::set_session_ticket_ext($ssl, $o{ticket}) if $o{ticket};

    if ($o{ca} && defined $o{verify}) {
        my $param = Net::SSLeay::get0_param($ssl);
        Net::SSLeay::X509_VERIFY_PARAM_set1_host($param, $o{verify});
    }

    return bless { ctx => $ctx, ssl => $ssl, in => $in, out => $out }, $class;
}


sub DESTROY {
    my ($self) = @_;

    Net::SSLeay::free($self->{ssl});
    Net::SSLeay::CTX_free($self->{ctx});
}


# bytes that must go to the server now

sub output {
    my ($self) = @_;

    my $bytes = '';

    while (Net::SSLeay::BIO_pending($self->{out})) {
        $bytes .= Net::SSLeay::BIO_read($self->{out});
    }

    return $bytes;
}


sub input {
    my ($self, $bytes) = @_;

    Net::SSLeay::BIO_write($self->{in}, $bytes);
}


# 1: done; 0: wants input; dies where the handshake fails

sub handshake {
    my ($self) = @_;

    Net::SSLeay::ERR_clear_error();

    my $rc = Net::SSLeay::connect($self->{ssl});

    return 1 if $rc == 1;
    return 0 if Net::SSLeay::get_error($self->{ssl}, $rc)
                == Net::SSLeay::ERROR_WANT_READ();

    die 'TLS: ' . errors() . "\n";
}


sub encrypt {
    my ($self, $bytes) = @_;

    Net::SSLeay::ERR_clear_error();

    while (length $bytes) {
        my $n = Net::SSLeay::write($self->{ssl}, substr $bytes, 0, 16384);
        die 'TLS: ' . errors() . "\n" if $n <= 0;
        substr($bytes, 0, $n, '');
    }
}


# bytes; '' where more input is wanted; undef at close_notify

sub decrypt {
    my ($self) = @_;

    Net::SSLeay::ERR_clear_error();

    my ($bytes, $n) = Net::SSLeay::read($self->{ssl}, 65536);

    return $bytes if defined $n && $n > 0 || length($bytes // '');

    my $error = Net::SSLeay::get_error($self->{ssl}, $n // -1);

    return '' if $error == Net::SSLeay::ERROR_WANT_READ();
    return if $error == Net::SSLeay::ERROR_ZERO_RETURN();

    die 'TLS: ' . errors() . "\n";
}


sub shutdown {
    my ($self) = @_;

    Net::SSLeay::shutdown($self->{ssl});
}


sub alpn { Net::SSLeay::P_alpn_selected($_[0]{ssl}) }
sub version { Net::SSLeay::get_version($_[0]{ssl}) }
sub session { Net::SSLeay::get1_session($_[0]{ssl}) }
sub resumed { Net::SSLeay::session_reused($_[0]{ssl}) }


sub subject {
    my ($self) = @_;

    my $cert = Net::SSLeay::get_peer_certificate($self->{ssl}) or return '';
    my $name = Net::SSLeay::X509_NAME_oneline(
        Net::SSLeay::X509_get_subject_name($cert));
    Net::SSLeay::X509_free($cert);

    return $name;
}


# tls-server-end-point, for certificates signed with SHA-256

sub binding {
    my ($self) = @_;

    my $cert = Net::SSLeay::get_peer_certificate($self->{ssl}) or return '';
    my $hex = Net::SSLeay::X509_get_fingerprint($cert, 'sha256');
    Net::SSLeay::X509_free($cert);

    return pack 'H*', $hex =~ s/://gr;
}


sub errors {
    my @list;

    while (my $code = Net::SSLeay::ERR_get_error()) {
        push @list, Net::SSLeay::ERR_error_string($code);
    }

    return @list ? join('; ', @list) : 'unexpected end of the connection';
}


1;
