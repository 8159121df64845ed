#!/usr/bin/perl

# The list of mechanisms of a compute is read to its end, PLUS first or last
# (odyssey#1569); what a client is offered is ours, not the compute's
# (pgt-proxy#6).

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $list = spew($t->dir . '/list', '');
my $verifier = spew($t->dir . '/verifier', '');

my ($n, $cp, $fc) = $t->front(plain => 1, compute => sub {
    my ($c) = @_;

    $c->startup or return;
    $c->scram(slurp($verifier), mechanisms => [ split ' ', slurp $list ])
        or return;
    $c->welcome;
    $c->serve;
}, main => "connect_retry attempts=1 base=1ms factor=1;\n");

spew($verifier, $t->{verifier});

for my $order ('SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS SCRAM-SHA-256',
               'SCRAM-SHA-256 SCRAM-SHA-256-PLUS',
               'OAUTHBEARER SCRAM-SHA-256-PLUS X SCRAM-SHA-256',
               join ' ', (map { "X-$_" } 1 .. 100), 'SCRAM-SHA-256')
{
    spew($list, $order);

    my $name = length $order > 70 ? '100 others first' : $order;

    $t->served($name, $t->enter($n));
    is(($fc->notes('mechanism'))[-1], 'SCRAM-SHA-256', "$name: chosen");
}

for my $order ('SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1', 'SCRAM-SHA-256X', '') {
    spew($list, $order);
    is($t->enter($n)->error->{C}, '08006', "only '$order': refused");
}


# --- PostgreSQL over TLS, which lists PLUS first -------------------------

my $pg = $t->postgres(ssl => 1);
my $secure = $t->nginx(main => $t->static($pg) . "compute_ssl require;\n",
                       plain => 1);

my $c = $t->enter($secure, password => $pg->password('alice'));
is($c->error_text, '', 'TLS on both sides: logged in');
is("@{ $c->{mechanisms} }", 'SCRAM-SHA-256-PLUS SCRAM-SHA-256',
   'TLS on both sides: PLUS is offered');
is($c->value('select ssl from pg_stat_ssl where pid = pg_backend_pid()'), 't',
   'TLS on both sides: to the server, too');
$c->close;

$c = $t->enter($secure, tls => 'none', password => $pg->password('alice'),
               params => [ options => 'endpoint=ep-1' ]);
is($c->error_text, '', 'a plaintext client: logged in');
is("@{ $c->{mechanisms} }", 'SCRAM-SHA-256',
   'a plaintext client: PLUS is not offered, though the server has it');
$c->close;

$t->done;
