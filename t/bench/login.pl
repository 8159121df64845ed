#!/usr/bin/perl
#
# What a login costs that finds verifier and address in the caches, beside one
# of `control_plane static`, which has both in its own memory: CPU of the
# worker, both in the same worker, in rounds.
#
#   t/bench/login.pl [--rounds 11] [--logins 1000] [--tls]
#
# Prints a Markdown table.  The control plane must have been called once for
# each question, or it fails.
#
# SPDX-License-Identifier: Apache-2.0

use FindBin qw/$Bin/;
use lib "$Bin/../lib";
use NeonTest;

use File::Copy qw/copy/;
use Getopt::Long;
use IPC::Open2;

my %o = (rounds => 11, logins => 1000, tls => 0);

GetOptions(\%o, 'rounds=i', 'logins=i', 'tls') or die "see the head of $0\n";

$| = 1;
Test::More->builder->output('/dev/null');

my $t = NeonTest->new;
my $load = $t->dir . '/load';
my $built = run([ 'cc', '-O2', '-o', $load, glob("$Bin/load*.c"), '-lssl',
                  '-lcrypto' ]);
die $built->{err} if $built->{rc};

if (!defined $ENV{NEON_MODULE}) {
    $ENV{NEON_MODULE} = $t->dir . '/module.so';
    copy(build() . '/ngx_neon_proxy_module.so', $ENV{NEON_MODULE})
        or die build() . "/ngx_neon_proxy_module.so: $!\n";
}

my $pg = $t->postgres(conf => { log_connections => 'off' });
my $cp = $t->control_plane(cache => 1);
$cp->role('ep-1', alice => $pg->verifier('alice'));
$cp->endpoint('ep-1', address => $pg->address);

my $certs = $t->certs;
my $tls = $o{tls} ? "ssl_certificate $certs/db.crt;"
                    . " ssl_certificate_key $certs/db.key;"
                    . ' ssl_protocols TLSv1.2 TLSv1.3;' : '';
my %port = map { $_ => $t->port } qw/static cached/;

my $n = $t->nginx(main => $cp->directives,
    globals => "neon_proxy fixed {\n" . $t->static($pg) . "}\n",
    stream => 'error_log ' . $t->dir . "/stream.log warn;\n"
        . "server { listen 127.0.0.1:$port{cached}; $tls"
        . " neon_proxy_pass main; }\n"
        . "server { listen 127.0.0.1:$port{static}; $tls"
        . " neon_proxy_pass fixed; }\n");
my ($worker) = $n->workers;

my %client = map { $_ => client($port{$_}) } keys %port;
my (%us, @ratio, @more);

ask($client{$_}, 200) for qw/static cached/;

for my $round (1 .. $o{rounds}) {
    my %cost;

    for my $who ($round % 2 ? qw/static cached/ : qw/cached static/) {
        my $before = cpu();
        ask($client{$who}, $o{logins});
        $cost{$who} = 1e6 * (cpu() - $before) / $o{logins};
        push @{ $us{$who} }, $cost{$who};
    }

    push @ratio, $cost{cached} / $cost{static};
    push @more, $cost{cached} - $cost{static};
}

my @calls = $cp->calls;
die scalar(@calls) . " calls to the control plane\n" if @calls != 2;

printf "| CPU per login, %s, median (least-most) | |\n|---|---|\n",
       $o{tls} ? 'TLS' : 'plain';
printf "| static control plane | %s µs |\n", spread(@{ $us{static} });
printf "| http control plane, both caches hit | %s µs |\n",
       spread(@{ $us{cached} });
printf "| ratio | %s |\n", spread3(@ratio);
printf "| difference | %s µs |\n", spread(@more);

$t->done;


sub client {
    my ($port) = @_;

    my $pid = open2(my $out, my $in, 'setpriv', '--pdeathsig', 'TERM', '--',
                    $load, $o{tls} ? ('-t', 'inband') : (), '-e', 'ep-1',
                    '-u', 'alice', '-w', $pg->password('alice'), $port);

    my $line = <$out> // '';
    die "load did not start\n" if $line ne "ready\n";

    return { in => $in, out => $out };
}


sub ask {
    my ($client, $logins) = @_;

    print { $client->{in} } "login $logins\n";
    $client->{in}->flush;

    my $out = $client->{out};
    (<$out> // '') =~ /^done \d+$/ or die "load failed\n";
}


# seconds on a CPU, user and system

sub cpu {
    my $ns = 0;

    $ns += (split ' ', slurp($_))[0] for glob "/proc/$worker/task/*/schedstat";

    return $ns / 1e9;
}


sub spread { sprintf '%.1f (%.1f-%.1f)', middle(@_) }
sub spread3 { sprintf '%.3f (%.3f-%.3f)', middle(@_) }


sub middle {
    my @sorted = sort { $a <=> $b } @_;

    return (@sorted[@sorted / 2], $sorted[0], $sorted[-1]);
}
