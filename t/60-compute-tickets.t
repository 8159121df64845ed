#!/usr/bin/perl

# A compute that sends session tickets and nothing else, faster than OpenSSL
# takes them: its client gives up, and all others have what is theirs meanwhile.

use lib 't/lib';
use NeonTest;
use NeonTest::Process;
use NeonTest::Wire;

my $t = NeonTest->new;
my $dir = $t->dir;

my $r = NeonTest::run([ qw/cc -O1 -o/, "$dir/tickets",
                        NeonTest::top() . '/t/lib/tickets.c',
                        qw/-lssl -lcrypto/ ]);
is($r->{err}, '', 'the compute');

my $process = NeonTest::Process->spawn(
    [ "$dir/tickets", $t->certs('compute.crt'), $t->certs('compute.key') ],
    out => "$dir/tickets.out");
my $port;

eventually { ($port) = slurp("$dir/tickets.out") =~ /^(\d+)\n/ } 'it listens';

my ($n, $cp) = $t->front(main => <<'END');
compute_ssl prefer;
login_timeout 2s;
connect_retry attempts=1 base=10ms factor=1;
END

$cp->role('ep-2', alice => $t->{verifier});
$cp->endpoint('ep-2', address => "127.0.0.1:$port");

my $neighbour = $t->enter($n);
my $c = $t->knock($n, sni => 'ep-2.db.example.com');

like($c->authenticate->error_text, qr/^08006/, 'a clear error');
is($neighbour->value('hello'), 'hello', 'a neighbour is there');
eventually { slurp("$dir/tickets.out") =~ /^lost\n/m } 'it is left';
$n->log_like(qr/no data in \d+ bytes of TLS/, 'the log says why');

$_->close for $neighbour, $c;
$process->stop;
$t->served('the same worker', $t->enter($n));

$t->done;
