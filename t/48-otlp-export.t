#!/usr/bin/perl

# Export of spans: a collector that is busy, that says no, that is away; the
# bounded queue; that no span is lost by a reload, a quit or a stop, and that
# nothing of it keeps sessions or workers waiting.
#
#   NEON_OTLP_SESSIONS    of the crowd (default 2000)
#
# SPDX-License-Identifier: Apache-2.0

use lib 't/lib';
use NeonTest;
use NeonTest::Crowd;
use NeonTest::CrowdCompute;
use NeonTest::Otlp;
use NeonTest::Page;

use IO::Socket::INET;

my $t = NeonTest->new;
my $col = $t->collector;
my $port = $t->port;
my $page = NeonTest::Page->new($port);
my $log = $t->dir . '/access.log';

my ($n, $cp, $fc) = $t->front(cache => 1, plain => 1, workers => 1,
    main => $col->directive,
    http => NeonTest::Page->server($port, 'main'),
    stream_head => "log_format id '\$neon_session_id';\n",
    server => "access_log $log id;");
my $base = $cp->directives;

sub spans { $page->samples->{"neon_proxy_spans_total{proxy=\"main\",result="
                             . "\"$_[0]\"}"} }

# a login takes 9 spans, with the two calls of the first one 11

sub session {
    my $c = $t->enter($n);
    is($c->error_text, '', 'a session');
    is($c->query('select 1')->{tag}, 'SELECT 1', 'is served');
    $c->close;
}

sub lines { scalar(() = $n->log =~ /otlp: "[^"]*" $_[0]/g) }


# --- what a collector may say --------------------------------------------

session();
eventually { spans('exported') == 11 } 'exported';
is(join(' ', map { spans($_) } qw/rejected dropped failed/), '0 0 0',
   'nothing else');

# busy: the same again, when it says

$col->forget->script({ status => 503, headers => { 'Retry-After' => 2 } },
                     { status => 429 });
session();
eventually { spans('exported') == 20 } 'busy: exported in the end', 60;

my @r = $col->requests;
is(join(' ', map { $_->{status} } @r), '503 429 200', 'busy: three requests');
is($r[1]{body}, $r[0]{body}, 'busy: the same');
is($r[2]{body}, $r[0]{body}, 'busy: and again');
cmp_ok($r[1]{time} - $r[0]{time}, '>', 1.9, 'busy: Retry-After');
is(spans('failed'), 0, 'busy: none failed');
is(lines('answers with status 503'), 1, 'busy: one line in the log');
is(lines('answers with status 429'), 0, 'busy: not two');
eventually { lines('works again') == 1 } 'busy: and one when it is over';

# it does not want them

$col->forget->script({ status => 400 });
session();
eventually { spans('failed') == 9 } 'refused: failed';
session();
eventually { spans('exported') == 29 } 'refused: the next ones are taken';
is(join(' ', map { $_->{status} } $col->requests), '400 200',
   'refused: not sent again');

# ... not all of them

my @answers = ('{"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}}',
               '{"x":{"rejectedSpans":"1"},"partialSuccess":{"y":[{"rejected'
               . 'Spans":"2"}],"rejectedSpans":4}}',
               '{"partialSuccess":{"rejectedSpans":"400"}}',
               '{"partialSuccess":{"rejectedSpans":"-1"}}',
               '{"partialSuccess":{"rejectedSpans":"3"', 'no JSON', '',
               '[' x 10_000, '{}');
my ($exported, $rejected) = (29, 0);

for my $case (map { [ $_, shift @answers ] } 3, 4, 9, (0) x 6) {
    my ($no, $body) = @$case;

    $col->script({ body => $body });
    session();
    $exported += 9 - $no;
    $rejected += $no;
    eventually { spans('exported') == $exported
                 && spans('rejected') == $rejected } "$no rejected";
}

# a page that is too long is no answer

$col->forget->script({ body => ' ' x 100_000 });
session();
$exported += 9;
eventually { spans('exported') == $exported } 'a long answer', 60;


# --- away ----------------------------------------------------------------

eventually { lines('works again') == 3 } 'nothing is open';
$col->stop;
session() for 1 .. 3;
eventually { lines('does not answer') == 2 } 'away: the log says so';
session() for 1 .. 3;

# the queue is bounded: each of these has two spans

my $clients = 4800;

for my $i (1 .. $clients) {
    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->plain_port) or die "$!\n";
    syswrite $c, pack 'NN', 4, 0;
    $i % 50 or sysread $c, my $answer, 100;
}

eventually { ($page->json->{sessions}{tcp}{open} // 1) == 0 } 'all are over';
my $dropped = spans('dropped');
cmp_ok($dropped, '>', 0, 'a full queue: dropped');
session();
eventually { spans('dropped') == $dropped + 9 } 'a full queue: still full';
is(lines('does not answer'), 2, 'away: one line');

$col->resume;
my $all = $exported + $rejected + 9 + 9 * 7 + 2 * $clients;
eventually { spans('exported') + spans('rejected') + spans('dropped')
             + spans('failed') == $all } 'back: all are accounted for', 90;
cmp_ok(spans('exported') - $exported, '>=', 8192 - 512, 'back: exported');
eventually { lines('works again') == 4 } 'back: the log says so';

my @spans = $col->forget->spans;
session();
@spans = $col->sessions(1);
is(join("\n", NeonTest::Otlp::faults(\@spans)), '', 'and all is well');


# --- the end -------------------------------------------------------------

# of those in the access log, and no others

sub logged { my %ids = map { $_ => 1 } split /\n/, slurp($log); \%ids }

sub exported {
    my %ids;

    for my $r (grep { $_->{status} == 200 } $col->requests) {
        while ($r->{body} =~ /"name":"session".*?"neon\.session_id","value":
                              \{"stringValue":"([^"]+)"/gx) {
            $ids{$1}++;
        }
    }

    return \%ids;
}

sub same {
    my ($name) = @_;

    my ($logged, $exported) = (logged(), exported());

    is(scalar(grep { !$exported->{$_} } keys %$logged), 0,
       "$name: none is lost of " . keys %$logged);
    is(scalar(grep { !$logged->{$_} || $exported->{$_} > 1 } keys %$exported),
       0, "$name: none is there twice, or is another one");
}

sub again {
    my (%o) = @_;

    spew($log, '');
    $col->forget->always($o{always});
    $n->finish;
    $n = $t->nginx(main => $base . ($o{main} // $col->directive), plain => 1,
        stream_head => "log_format id '\$neon_session_id';\n",
        server => "access_log $log id;", workers => $o{workers} // 1);
}

sub running { grep { kill 0, $_ } $n->started }

again();
session() for 1 .. 3;
is($n->quit, 0, 'quit');
same('quit');
@spans = $col->spans;
is(join("\n", NeonTest::Otlp::faults(\@spans)), '', 'quit: no faults');

# one request is under way, and the collector is busy once

again(always => { delay => 0.5 });
session();
eventually { scalar $col->requests } 'a batch is under way';
session();
$col->script('pass', { status => 503 });
is($n->quit, 0, 'quit, one batch under way');
same('quit, one batch under way');

# stop: what is open ends, too

again();
session();
my $idle = $t->enter($n);
is($idle->error_text, '', 'a session that is open');
$cp->endpoint('ep-2', address => $fc->address);
$cp->role('ep-2', alice => $t->{verifier});
$cp->script(wake => { hang => 1 });
$cp->forget;
my $waiting = $t->knock($n, sni => 'ep-2.db.example.com');
$cp->called(wake => 1);
$n->signal('TERM');
eventually { !$n->alive } 'stop';
@spans = $col->spans;
is(join("\n", NeonTest::Otlp::faults(\@spans)), '', 'stop: no faults');
is(join("\n", sort map { NeonTest::Otlp::tree($_) =~ s/\(GET [^)]*\)//gr }
        NeonTest::Otlp::by_session(\@spans)),
   join("\n", 'session!(handshake endpoint access authenticate wake connect'
        . ' login relay!)', 'session!(handshake endpoint access authenticate'
        . ' wake!)', 'session(handshake endpoint access authenticate wake'
        . ' connect login relay)'), 'stop: three sessions');
is_deeply([ map { $_->{attr}{'error.type'} } grep { defined $_->{error}
            && $_->{name} eq 'session' } @spans ], [ ('shutdown') x 2 ],
          'stop: why');
$_->drop for $idle, $waiting;

# a collector that does not answer keeps nobody

again(always => { delay => 600 });
session();
is($n->quit(60), 0, 'quit, the collector hangs');

again(main => 'otlp http://127.0.0.1:' . $t->port . '/v1/traces;');
session();
is($n->quit(60), 0, 'quit, no collector');

# one by its name, asked for before the quit and at it

my $name = bless { %$col, host => 'localhost' }, ref $col;
again(main => $name->directive);
session();
is($n->quit, 0, 'quit, by name');
same('quit, by name');

again(main => $name->directive);
session();
$col->sessions(1);
session();
is($n->quit, 0, 'quit, the name is known');
same('quit, the name is known');

# whose certificate nobody knows

my $tls = $t->collector(tls => 1);
again(main => $tls->directive);
session();
$n->log_like(qr/otlp: .* does not answer: .*certificate/, 'TLS is verified');
is(scalar(() = $tls->requests), 0, 'TLS: nothing was sent');
is($n->quit(60), 0, 'TLS: quit');


# --- a crowd -------------------------------------------------------------

my $crowd = NeonTest::Crowd->new($t);
my $sessions = $ENV{NEON_OTLP_SESSIONS} // 2000;
my $compute = NeonTest::CrowdCompute->new($t);
my $there = $t->port;

$compute->up($there);
$cp->endpoint('ep-c', address => "127.0.0.1:$there");
$cp->role('ep-c', alice => $t->{verifier});

again(workers => 2);

my $run = $crowd->start(port => $n->plain_port, n => $sessions, c => 50,
                        e => 'ep-c', y => 20, l => 10, t => 120_000);

eventually { -s $log > 37 * $sessions / 4 } 'a quarter is through', 300;
ok($n->reload, 'reload');
eventually { -s $log > 37 * $sessions / 2 } 'a half is through', 300;
ok($n->reload, 'reload again');

my @clients = $run->clients(600);
is(scalar @clients, $sessions, 'all clients are through');
is(scalar(grep { $_->{outcome} !~ /^(?:ok|left)$/ } @clients), 0,
   'and were served');
eventually { running() == 2 } 'old workers have left', 30;
is($n->quit(60), 0, 'quit');
same("a crowd of $sessions and two reloads");

again(workers => 2);
$run = $crowd->start(port => $n->plain_port, n => $sessions, c => 50,
                     e => 'ep-c', y => 20, l => 10, t => 120_000);
eventually { -s $log > 37 * $sessions / 2 } 'a half is through', 300;
is($n->quit(300), 0, 'quit in the middle');
@clients = $run->clients(600);
same('quit in the middle of a crowd');
cmp_ok(scalar(keys %{ exported() }), '>=',
       scalar(grep { $_->{outcome} eq 'ok' } @clients), 'and of all clients');

for my $r ((grep { $_->{status} == 200 } $col->requests)[0, -1]) {
    my @spans = NeonTest::Otlp::spans($r->{body});
    is_deeply($spans[0]{faults}, [], 'as OTLP has it');
}

$t->done;
