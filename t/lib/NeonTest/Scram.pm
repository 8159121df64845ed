package NeonTest::Scram;

# SCRAM-SHA-256 (RFC 5802, 7677), both sides, for tests that must look inside.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Digest::SHA qw/hmac_sha256 sha256/;
use MIME::Base64 qw/encode_base64 decode_base64/;
use Unicode::Normalize qw/NFKC/;

my %salted;


sub b64 { encode_base64($_[0], '') }


sub random {
    my ($n) = @_;

    open my $fh, '<:raw', '/dev/urandom' or die "urandom: $!\n";
    read($fh, my $bytes, $n);
    return $bytes;
}


sub salted_password {
    my ($password, $salt, $iterations) = @_;

    # SASLprep (RFC 4013), as far as the tests' passwords need it

    if ($password =~ /[^\x00-\x7f]/ && utf8::decode(my $text = $password)) {
        $password = NFKC($text);
        utf8::encode($password);
    }

    return $salted{"$iterations $salt $password"} //= do {
        my $u = hmac_sha256($salt . pack('N', 1), $password);
        my $sum = $u;

        for (2 .. $iterations) {
            $u = hmac_sha256($u, $password);
            $sum ^= $u;
        }

        $sum
    };
}


# verifier(password, iterations => 4096, salt => 16 bytes)

sub verifier {
    my ($password, %o) = @_;

    my $iterations = $o{iterations} // 4096;
    my $salt = $o{salt} // random(16);
    my $salted = salted_password($password, $salt, $iterations);

    return "SCRAM-SHA-256\$$iterations:" . b64($salt) . '$'
           . b64(sha256(hmac_sha256('Client Key', $salted))) . ':'
           . b64(hmac_sha256('Server Key', $salted));
}


# --- client: NeonTest::Scram->client(password, gs2 => 'n', cbind => bytes)

sub client {
    my ($class, $password, %o) = @_;

    my $flag = $o{gs2} // 'n';
    my $gs2 = $flag eq 'p' ? 'p=' . ($o{type} // 'tls-server-end-point')
                           : $flag;

    return bless {
        password => $password, cbind => $o{cbind} // '',
        gs2 => "$gs2,,", nonce => $o{nonce} // b64(random(18)),
    }, $class;
}


sub first {
    my ($self) = @_;

    $self->{bare} = "n=,r=$self->{nonce}";
    return $self->{gs2} . $self->{bare};
}


sub final {
    my ($self, $server_first) = @_;

    my ($nonce, $salt, $iterations) =
        $server_first =~ /^r=([^,]+),s=([^,]+),i=(\d+)/
        or die "bad server-first-message: $server_first\n";

    @$self{qw/server_nonce salt iterations/} =
        ($nonce, decode_base64($salt), $iterations);

    my $cbind = $self->{gs2} =~ /^p/ ? $self->{cbind} : '';
    my $without = 'c=' . b64($self->{gs2} . $cbind) . ",r=$nonce";
    my $auth = "$self->{bare},$server_first,$without";
    my $salted = salted_password($self->{password}, $self->{salt},
                                 $iterations);

    my $client_key = hmac_sha256('Client Key', $salted);
    my $proof = $client_key ^ hmac_sha256($auth, sha256($client_key));

    $self->{signature} = b64(hmac_sha256($auth,
                             hmac_sha256('Server Key', $salted)));

    return "$without,p=" . b64($proof);
}


sub verify {
    my ($self, $server_final) = @_;

    return $server_final eq "v=$self->{signature}";
}


# --- server: NeonTest::Scram->server(verifier)

sub server {
    my ($class, $verifier) = @_;

    my ($iterations, $salt, $stored, $server) =
        $verifier =~ /^SCRAM-SHA-256\$(\d+):([^\$]+)\$([^:]+):(.+)$/
        or die "bad verifier\n";

    return bless { iterations => $iterations, salt => $salt,
                   stored => decode_base64($stored),
                   server => decode_base64($server) }, $class;
}


sub server_first {
    my ($self, $client_first) = @_;

    my ($gs2, $bare, $nonce) =
        $client_first =~ /^((?:[ny]|p=[^,]+),[^,]*,)(n=[^,]*,r=([^,]+))/
        or die "bad client-first-message: $client_first\n";

    $self->{gs2} = $gs2;
    $self->{nonce} = $nonce . ($self->{add} // b64(random(18)));

    my $first = "r=$self->{nonce},s=$self->{salt},i=$self->{iterations}";
    $self->{auth} = "$bare,$first";

    return $first;
}


# server-final-message, or undef where the proof is wrong

sub server_final {
    my ($self, $client_final) = @_;

    my ($without, $proof) = $client_final =~ /^(.+),p=([^,]+)$/ or return;
    my $auth = "$self->{auth},$without";
    my $key = decode_base64($proof) ^ hmac_sha256($auth, $self->{stored});

    return if sha256($key) ne $self->{stored};
    return 'v=' . b64(hmac_sha256($auth, $self->{server}));
}


1;
