#!/usr/bin/perl

# COPY of 1 GB in and out through the proxy, over TLS, with equal checksums;
# NEON_COPY_MB sets another size.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $pg = $t->postgres(conf => { max_wal_size => '4GB',
                                synchronize_seqscans => 'off',
                                autovacuum => 'off' });
my $n = $t->nginx(main => $t->static($pg), plain => 1);
my $megabytes = $ENV{NEON_COPY_MB} // 1024;
my $dir = $t->dir;

# rows below 2 kB are neither compressed nor stored elsewhere
my $rows = int($megabytes * 1024 * 1024 / 1024);

spew("$dir/generate.pl", <<'END');
my ($rows) = @ARGV;
my $pad = join '', map { chr(97 + $_ % 26) } 1 .. 1012;
my $block = '';

for my $n (1 .. $rows) {
    $block .= sprintf "%010d %s\n", $n, $pad;

    if (length $block > 1 << 20) {
        print $block;
        $block = '';
    }
}

print $block;
END

sub conninfo {
    my ($tls) = @_;

    my $port = $tls ? $n->port : $n->plain_port;
    my $more = $tls ? 'sslmode=verify-full sslrootcert='
                      . $t->certs('ca.crt')
                    : "sslmode=disable options='endpoint=ep-1'";

    return "host=ep-1.db.example.com hostaddr=127.0.0.1 port=$port"
           . " user=alice dbname=app $more";
}

# all of a pipe counts, not only its last part

sub shell {
    my ($script) = @_;

    return run([ 'bash', '-o', 'pipefail', '-c', $script ], timeout => 900,
               env => { PGPASSWORD => $pg->password('alice') });
}

my $psql = 'psql -X -q -v ON_ERROR_STOP=1';

$pg->sql("create unlogged table big (line text)");
$pg->sql('alter table big owner to alice');

my $r = shell("perl $dir/generate.pl $rows | tee >(md5sum > $dir/in.md5)"
              . " | $psql -d \"" . conninfo(1) . '" -c "copy big from stdin"'
              . " && sync $dir/in.md5");
is($r->{rc}, 0, "COPY in of $megabytes MB over TLS") or diag($r->{err});

is($pg->sql('select count(*) from big'), $rows, "all $rows rows are there");

my ($in) = eventually { slurp("$dir/in.md5") =~ /^([0-9a-f]{32})/ }
                      'checksum of what was sent';
($in) = slurp("$dir/in.md5") =~ /^(\w+)/;

for my $tls (1, 0) {
    my $name = $tls ? 'over TLS' : 'in plaintext';

    $r = shell("$psql -d \"" . conninfo($tls)
               . '" -c "copy big to stdout" | md5sum');
    is($r->{rc}, 0, "COPY out $name") or diag($r->{err});

    my ($out) = $r->{out} =~ /^(\w+)/;
    is($out, $in, "COPY out $name: the same checksum");
}

$t->done;
