#!/usr/bin/perl
#
# includes.pl [DIR]: who may include what.  A room includes itself and the
# rooms that stand before it in the list; every foreign library has one door.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use File::Find qw/find/;

my @rooms = qw/wire base shm trace io control session sql face/;

# header => [files that may include it, how many of them may]

my @doors = (
    [ qr{^curl/},         qr{^io/},                                   1 ],
    [ qr{^hiredis},       qr{^io/},                                   1 ],
    [ qr{^yajl/yajl_gen}, qr{^(?:trace|sql)/},                        2 ],
    [ qr{^yajl/yajl_common}, qr{^base/ngx_neon_yajl\.h$},            1 ],
    [ qr{^yajl/},         qr{^(?:control|trace|sql)/},                3 ],
    [ qr{^libpq-fe\.h$},  qr{^(?:io/|control/ngx_neon_ctl_postgres|sql/)},  9 ],
    [ qr{^openssl/},      qr{^wire/neon_crypto\.c$},                  1 ],
    [ qr{^ngx_event_openssl\.h$}, qr{^(?:base|io|session|face)/},    99 ],
    [ qr{^ngx_stream},    qr{^face/},                                99 ],
    [ qr{^ngx_http},      qr{^(?:face|sql)/},                        99 ],
    [ qr{^ngx_},          qr{^(?!wire/)},                           999 ],
    [ qr{^cmocka},        qr{^$},                                     0 ],
);

# what C99 brings, and no more, for wire/
my $c99 = qr{^(?:assert|ctype|errno|float|inttypes|limits|math|stdarg|stdbool
               |stddef|stdint|stdio|stdlib|string|time)\.h$}x;
# (stdio.h for snprintf(): what wire/ calls is checked by its symbols)
my $wire = qr{^(?:limits|stdarg|stddef|stdint|stdio|string|arpa/inet)\.h$};

my $top = shift // '.';
my $dir = "$top/ngx_neon_proxy_module";
my $faults = 0;

my %room;
@room{@rooms} = 0 .. $#rooms;

my (%home, @files, %users);

find({ no_chdir => 1, wanted => sub {
    return unless -f && /\.[ch]$/;

    my $file = substr($_, length($dir) + 1);
    my ($in, $name) = $file =~ m{^([^/]+)/([^/]+)$};

    if (!defined $in || !exists $room{$in}) {
        fault($file, 1, 'stands in no room: ' . join(', ', @rooms));
        return;
    }

    push @files, $file;
    $home{$name} = $in;
} }, $dir);

for my $file (sort @files) {
    check($file);
    first($file) if $file !~ /^wire/;
}

for my $door (@doors) {
    my ($header, undef, $limit) = @$door;
    my %files = map { $_ => 1 } @{ $users{$header} || [] };
    my @list = sort keys %files;

    fault($list[-1], 1, "$header is included by more than one file: @list")
        if @list > $limit;
}

exit($faults ? 1 : 0);


sub fault {
    my ($file, $line, $message) = @_;

    print "ngx_neon_proxy_module/$file:$line: $message\n";
    $faults++;
}


sub check {
    my ($file) = @_;

    my ($in) = $file =~ m{^([^/]+)/};

    open my $fh, '<', "$dir/$file" or die "$dir/$file: $!\n";

    local $_;
    while (<$fh>) {
        fault($file, $., 'nginx version guards belong in ngx_neon_compat.h')
            if /^\s*#.*\bnginx_version\b/
               && $file ne 'base/ngx_neon_compat.h';

        next unless /^\s*#\s*include\s*([<"])([^>"]+)[>"]/;

        include($file, $in, $1, $2);
    }
}


# ngx_config.h asks for _GNU_SOURCE, and libc's headers look only once: it must
# be the first of all, there or in what is included first

sub first {
    my ($file) = @_;

    my $at = $file;

    while (1) {
        open my $fh, '<', "$dir/$at" or die "$dir/$at: $!\n";
        my ($header) = map { /^\s*#\s*include\s*[<"]([^>"]+)/ } <$fh>;

        # nothing is included: nothing can be wrong
        return if !defined $header || $header eq 'ngx_config.h';

        my $home = $home{$header};

        if (!defined $home) {
            fault($file, 1, "$header comes before ngx_config.h"
                            . ($at eq $file ? '' : " (in $at)"));
            return;
        }

        if ($home eq 'wire') {
            fault($file, 1, "$header comes before ngx_config.h")
                if $at eq $file;
            return;
        }

        $at = "$home/$header";
    }
}


sub include {
    my ($file, $in, $quote, $header) = @_;

    if (exists $home{$header}) {
        my $from = $home{$header};

        fault($file, $., "$in/ may not include $from/$header")
            if $room{$from} > $room{$in};
        return;
    }

    if ($quote eq '"') {
        fault($file, $., "no such header of ours: $header");
        return;
    }

    for my $door (@doors) {
        my ($which, $who) = @$door;

        next if $header !~ $which;

        fault($file, $., "$header may not be included here")
            if $file !~ $who;
        push @{ $users{$which} }, $file;
        return;
    }

    fault($file, $., "wire/ may not include $header")
        if $in eq 'wire' && $header !~ $wire;
    fault($file, $., "$header comes through ngx_config.h")
        if $in ne 'wire' && $header =~ $c99;
}
