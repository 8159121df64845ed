#!/usr/bin/perl

# How sessions end, one after another: what the access log, the error log, the
# metrics and the spans say of each, and that they say nothing else.

use lib 't/lib';
use NeonTest;
use NeonTest::Otlp;
use NeonTest::Page;
use NeonTest::Scram;
use NeonTest::WsClient;
use NeonTest::Wire;

my $t = NeonTest->new;
my $col = $t->collector;
my ($metrics, $ws, $wss) = map { $t->port } 1 .. 3;
my $page = NeonTest::Page->new($metrics);
my $log = $t->dir . '/access.log';
my $certs = $t->certs;

my $closed = "the compute closes\n";

sub fatal {
    $_[0]->error(S => 'FATAL', V => 'FATAL', C => '57P01', M => 'terminated');
}

# the query's text says what the compute does

my %does = (
    close => sub { die $closed },
    reset => sub { $_[0]->reset; die $closed },
    row => sub { $_[0]->send(message('T', pack 'n', 0)); die $closed },
    half => sub { $_[0]->send("D\0\0\1\0abc"); die $closed },
    fatal => sub { fatal($_[0]); die $closed },
    fatal_reset => sub {
        fatal($_[0]);
        select undef, undef, undef, 0.1;
        $_[0]->reset;
        die $closed;
    },
    # at the end of a stream of WAL
    complete => sub {
        $_[0]->send(message('W', "\0\0\0") . message('C', "COPY 0\0"));
        die $closed;
    },
    # when nobody asked
    later => sub { $_[0]->send($_[0]->row_bytes('later')); fatal($_[0]);
                   die $closed },
    sleep => sub {
        $_[0]->note(sleeping => 1);
        $_[0]->until_canceled or die $closed;
        $_[0]->send(error_message(S => 'ERROR', C => '57014', M => 'canceled')
                    . message('Z', 'I'));
    },
);

my ($n, $cp, $fc) = $t->front(cache => 1, plain => 1,
    main => $col->directive . "tls_required off;\nwebsocket_insecure on;\n",
    stream_head => <<"END",
log_format t '\$status \$bytes_received \$bytes_sent \$neon_error';
access_log $log t;
END
    http => <<"END" . NeonTest::Page->server($metrics, 'main'),
log_format w '\$status \$request_length \$bytes_sent -';
server {
    listen 127.0.0.1:$ws;
    listen 127.0.0.1:$wss ssl;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    access_log $log w;
    location / { neon_proxy_websocket main; }
}
END
    compute => sub {
        my ($c) = @_;

        my $p = $c->startup or return;
        $c->welcome;

        while (1) {
            my ($type, $body) = $c->read_message;
            return if $type eq 'X';
            my ($what) = $body =~ /^(\w+)\0/;
            ($does{$what} // sub { $_[0]->send($_[0]->row_bytes('row')) })
                ->($c);
        }
    });

sub enter {
    my ($how) = @_;

    if ($how !~ /^ws/) {
        return $t->enter($n, tls => $how,
                         params => [ options => 'endpoint=ep-1' ]);
    }

    my $c = NeonTest::WsClient->new(port => $how eq 'wss' ? $wss : $ws);
    $c->start_tls(sni => 'ep-1.db.example.com') if $how eq 'wss';
    $c->upgrade;
    return $c->login(tls => 'none', user => 'alice', password => 'pw',
                     database => 'app');
}

# one that fills the caches
enter('none')->close;
$col->sessions(1);
$col->forget;
eventually { slurp($log) =~ /\n/ };

my $said = length $n->log;
my $lines = slurp($log);
my $samples = $page->samples;

# what changed: "outcome reason" of sessions, errors, cancels

sub counted {
    my ($front) = @_;

    my $before = $samples;
    my (@changed, %bytes);
    $samples = $page->samples;

    for my $name (sort keys %$samples) {
        my $more = $samples->{$name} - ($before->{$name} // 0);
        next if !$more;

        if ($name =~ /bytes_total.*front="(\w+)",direction="(\w+)"/) {
            $bytes{$2} = $more;
        } elsif ($name =~ /^neon_proxy_(?:sessions|errors|cancels)_total\{/) {
            my ($what) = $name =~ /(?:outcome|reason|result)="(\w+)"/;
            push @changed, $what . ($more == 1 ? '' : "*$more");
        } elsif ($name =~ /^neon_proxy_sessions\{/) {
            push @changed, $name;
        }
    }

    return (join(' ', sort @changed), \%bytes);
}

my $steps = 'handshake endpoint access authenticate wake connect login';

sub ended {
    my ($name, $how, $end, $bytes) = @_;

    my ($status, $reason, $level, $counts, $spans) = @$end;
    my $ws = $how =~ /^ws/;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @spans = $col->sessions(1);
    my ($trace) = NeonTest::Otlp::by_session(\@spans);
    $col->forget;

    is(join("\n", NeonTest::Otlp::faults(\@spans)), '', "$name: spans");
    is(NeonTest::Otlp::tree($trace), $spans, "$name: spans which failed");

    eventually { length slurp($log) > length $lines };
    my $line = substr slurp($log), length $lines;
    $lines .= $line;

    like($line, $ws ? qr/^101 \d+ \d+ -\n\z/
                    : qr/^$status \d+ \d+ (?:-|connection .*)\n\z/,
         "$name: the access log");
    is($line =~ / -\n/ ? 1 : 0, $reason && !$ws ? 0 : 1, "$name: its error");

    my $more = substr $n->log, $said;
    $said += length $more;
    my @told = map { /\[(\w+)\] .*\((\w+)\)(?: \(\d+: .*?\))? (while [\w ]+),/
                     ? "$1 $2 $3" : () } split /\n/, $more;
    is(join("\n", @told), $reason ? "$level $reason while proxying session"
                                 : '',
       "$name: the error log");

    my ($counted, $moved) = counted();
    is($counted, $counts, "$name: metrics");
    is($moved->{to_compute} // 0, $bytes, "$name: bytes to the compute");

    my ($relay) = grep { $_->{name} eq 'relay' } @$trace;
    is($relay->{attr}{'neon.bytes.to_compute'}, $bytes, "$name: in the span");
}

my @ok = (200, '', '', 'ok', "session($steps relay)");
my @broken = (502, 'compute_reset', 'error', 'compute compute_reset',
              "session!($steps relay!)");
my @lost = (400, 'client_reset', 'info', 'client client_reset',
            "session!($steps relay!)");
my @orphan = (@lost[0 .. 2], 'client client_reset orphan',
              "session!($steps relay! cancel)");

sub ask { message('Q', "$_[0]\0") }

for my $how (qw/none inband ws wss/) {

    # --- the client ends --------------------------------------------------

    for my $case (
        [ 'Terminate, FIN', 'X', 'drop', \@ok ],
        [ 'Terminate, RST', 'X', 'abort', \@ok ],
        [ 'FIN', '', 'drop', \@ok ],
        [ 'RST', '', 'abort', \@lost ],
        $how =~ /^ws/ ? (
            [ 'Terminate, Close', 'X', 'send_close', \@ok ],
            [ 'Close', '', 'send_close', \@ok ],
        ) : (
            [ 'Terminate, half-closed', 'X', 'half_close', \@ok ],
            [ 'half-closed', '', 'half_close', \@ok ],
        ))
    {
        my ($name, $messages, $leave, $end) = @$case;

        my $c = enter($how);
        $c->query('hey');
        $c->send(join '', map { message($_) } split //, $messages);
        $c->$leave;
        $c->read_all if $c->{socket};
        ended("$how: $name", $how, $end, 9 + 5 * length $messages);
    }

    # --- in the middle of a query -------------------------------------------

    for my $leave (qw/abort drop/) {
        next if $leave eq 'drop' && $how !~ /^ws/;

        my $slept = () = $fc->notes('sleeping');
        my $c = enter($how);
        $c->send(ask('sleep'));
        eventually { $slept < (() = $fc->notes('sleeping')) };
        $c->$leave;
        ended("$how: $leave in a query", $how, \@orphan, 11);
    }

    # --- the compute ends -------------------------------------------------

    for my $case ([ reset => \@broken ], [ close => \@broken ],
                  [ row => \@broken ], [ half => \@broken ],
                  [ fatal => \@ok ], [ fatal_reset => \@ok ],
                  [ complete => \@ok ], [ later => \@ok ])
    {
        my ($what, $end) = @$case;

        my $c = enter($how);
        $c->send(ask($what));
        $c->read_all;
        $c->drop;
        ended("$how: the compute: $what", $how, $end, 6 + length $what);
    }

    # --- nobody logs in -----------------------------------------------------

    next if $how =~ /^ws/;

    my $c = $t->enter($n, tls => $how,
                      password => 'wrong',
                      params => [ options => 'endpoint=ep-1' ]);
    is($c->error && $c->error->{C}, '28P01', "$how: a wrong password");
    $c->read_all;
    $c->drop;
    $col->sessions(1);
    $col->forget;
    eventually { length slurp($log) > length $lines };
    $lines = slurp($log);
    $said = length $n->log;
    my ($counted, $moved) = counted();
    is($counted, 'client password', "$how: a wrong password: metrics");
    is_deeply($moved, {}, "$how: a wrong password: nothing was relayed");

    # the verifier is fetched again, and not by a session that is watched
    enter($how)->close;
    $col->sessions(1);
    $col->forget;
    eventually { length slurp($log) > length $lines };
    $lines = slurp($log);
    counted();
}

my $open = join ' ', map { $page->samples->{$_} }
           grep { /^neon_proxy_sessions(?:_draining)?\{/ } sort keys %$samples;
is($open, '0 0 0 0', 'nobody is left');

$t->done;
