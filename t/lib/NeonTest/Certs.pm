package NeonTest::Certs;

# Certificates for the tests, made once for a checkout with openssl.
#
#   ca.crt                  signs all but the stranger's
#   db.crt  db.key          *.db.example.com, *.localtest.me (RSA)
#   other.crt ...           *.other.example.org (ECDSA)
#   ed.crt ...              *.ed.example.net (Ed25519)
#   compute.crt ...         compute-1.internal (ECDSA)
#   stranger.crt ...        compute-1.internal, signed by nobody we know
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Fcntl qw/:flock/;
use File::Path qw/make_path remove_tree/;

use NeonTest::Process;

my $version = 2;
my $dir;

my @leaves = (
    [ 'db',      [ qw/-algorithm RSA -pkeyopt rsa_keygen_bits:2048/ ],
                 '*.db.example.com', '*.localtest.me', 'localhost' ],
    [ 'other',   [ qw/-algorithm EC -pkeyopt ec_paramgen_curve:P-256/ ],
                 '*.other.example.org' ],
    [ 'ed',      [ qw/-algorithm ED25519/ ], '*.ed.example.net' ],
    [ 'compute', [ qw/-algorithm EC -pkeyopt ec_paramgen_curve:P-256/ ],
                 'compute-1.internal' ],
);


sub path {
    my ($name) = @_;

    $dir //= make();

    return defined $name ? "$dir/$name" : $dir;
}


sub make {
    my $base = ($ENV{BUILD} || NeonTest::top() . '/build') . '/t';
    my $certs = "$base/certs-$version";

    make_path($base);
    open my $lock, '>', "$base/certs.lock" or die "$base/certs.lock: $!\n";
    flock $lock, LOCK_EX or die "flock: $!\n";

    # of yesterday or newer: they live for a month
    return $certs if -f "$certs/done" && -M "$certs/done" < 20;

    remove_tree($certs);
    make_path($certs);

    authority("$certs/ca", 'Tests CA');
    authority("$certs/nobody", 'Somebody else');

    leaf($certs, 'ca', @$_) for @leaves;
    leaf($certs, 'nobody', 'stranger', $leaves[3][1], 'compute-1.internal');

    NeonTest::spew("$certs/done", '');

    return $certs;
}


sub authority {
    my ($path, $name) = @_;

    key("$path.key", qw/-algorithm EC -pkeyopt ec_paramgen_curve:P-256/);
    openssl('req', '-x509', '-new', '-sha256', '-days', 40, '-key',
            "$path.key", '-subj', "/CN=$name", '-out', "$path.crt",
            '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
}


sub leaf {
    my ($certs, $ca, $name, $algorithm, @names) = @_;

    my $path = "$certs/$name";
    my $signer = "$certs/$ca";

    # an Ed25519 certificate signs itself: only then is its own signature
    # algorithm the one without a hash
    my @sign = $name eq 'ed' ? ('-key', "$path.key")
                             : ('-CA', "$signer.crt", '-CAkey',
                                "$signer.key", '-set_serial',
                                int(1 + rand 2 ** 30));

    key("$path.key", @$algorithm);
    openssl('req', '-new', '-key', "$path.key", '-subj', "/CN=$names[0]",
            '-out', "$path.csr");

    NeonTest::spew("$path.ext", 'subjectAltName='
                   . join(',', map { "DNS:$_" } @names) . "\n"
                   . "extendedKeyUsage=serverAuth\n");
    openssl('x509', '-req', '-in', "$path.csr", '-days', 30,
            '-extfile', "$path.ext", '-out', "$path.crt",
            $name eq 'ed' ? ('-signkey', "$path.key") : ('-sha256', @sign));
}


# client($dir, $ca, $name): a certificate that says who a client is

sub client {
    my ($to, $ca, $name) = @_;

    my $signer = path($ca);

    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:P-256', '-nodes', '-subj', "/CN=$name",
            '-CA', "$signer.crt", '-CAkey', "$signer.key", '-days', 2,
            '-addext', 'extendedKeyUsage=clientAuth',
            '-keyout', "$to/$name.key", '-out', "$to/$name.crt");
    chmod 0600, "$to/$name.key";
}


sub key {
    my ($path, @algorithm) = @_;

    openssl('genpkey', @algorithm, '-out', $path);
    chmod 0600, $path;
}


sub openssl {
    my $r = NeonTest::Process::run([ 'openssl', @_ ]);

    die "openssl @_: $r->{err}\n" if $r->{rc} != 0;
}


1;
