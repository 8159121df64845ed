#!/usr/bin/perl

# A compute that says one thing after another, faster than it is understood:
# inside TLS no event tells how much there is, and whoever reads until there is
# no more reads for ever.  It costs nobody but its own client anything.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use IO::Socket::SSL;

my $t = NeonTest->new;
my $cert = $t->certs('compute.crt');
my $key = $t->certs('compute.key');

my %flood = (
    versions => message('v', pack 'NN', 3 << 16, 0),
    keys => message('K', pack('N', 1) . 'KEY2'),
    parameters => message('S', "a\0b\0"),
    questions => message('R', pack('N', 10) . "SCRAM-SHA-256\0\0"),
    finals => message('R', pack('N', 12) . 'x' x 60000),
    cancel => 'x' x 100,
);

# until nobody takes it any more

sub flood {
    my ($c, $name) = @_;

    my $bytes = $flood{$name} x (1 + 65536 / length $flood{$name});

    eval { $c->send($bytes) while 1 };
    $c->note(end => $name);
}

sub compute {
    my ($c) = @_;

    my $first = $c->read_n(8);

    if ($first eq ssl_request) {
        $c->send('S');
        IO::Socket::SSL->start_SSL($c->{socket}, SSL_server => 1,
            SSL_cert_file => $cert, SSL_key_file => $key)
            or die "TLS: $SSL_ERROR\n";

    } else {
        $c->{buffer} = $first . $c->{buffer};
    }

    my $params = $c->startup // return flood($c, 'cancel');
    my $what = $params->{application_name} // '';

    return flood($c, $what) if $flood{$what};

    $c->welcome;
    $c->serve;
}

my $main = <<'END';
connect_timeout 1s;
login_timeout 1s;
connect_retry attempts=1 base=10ms factor=1;
wake_timeout 5s;
END

my ($n, $cp, $fc) = $t->front(compute => \&compute,
                              main => $main . "compute_ssl require;\n");
my $passing = $t->nginx(plain => 1, main => $main . "control_plane static;\n"
                                . "auth passthrough;\n"
                                . 'endpoint ep-1 ' . $fc->address . ";\n");

sub ended {
    my ($what) = @_;

    eventually { grep { $_ eq $what } $fc->notes('end') } "$what: it ended";
}


# --- before ReadyForQuery ------------------------------------------------

for my $what (qw/versions keys parameters questions/) {
    my $c = $t->enter($n, params => [ application_name => $what ]);
    like($c->error_text, qr/^08006/, "$what: a clear error");
    is($c->read_all, '', "$what: closed");
    ended($what);
}

$n->log_like(qr/compute sends without end during login/, 'the log says so');
$n->log_like(qr/compute asks for authentication more than once/,
             'or that it asked twice');

# these leave with what comes behind them
my $k = $t->client(port => $passing->plain_port);
$k->send(startup_packet([ user => 'alice', options => 'endpoint=ep-1',
                          application_name => 'finals' ]));
my $said = $k->read_all;
ok($said =~ /C08006\0/, 'passed on: a clear error');
cmp_ok(length $said, '<', 3e6, 'passed on: not more than that');
ended('finals');
$passing->log_like(qr/compute sends without end during login/, 'and why');


# --- in answer to a cancel request ---------------------------------------

my $c = $t->enter($n);
$k = $t->client(port => $n->port);
$k->send(cancel_request($c->{pid}, $c->{key}));
is($k->read_all, '', 'cancel: closed');
ended('cancel');
is($c->value('hello'), 'hello', 'cancel: the session goes on');
$c->close;

$t->served('the same worker', $t->enter($n));

$t->done;
