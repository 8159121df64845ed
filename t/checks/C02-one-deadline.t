#!/usr/bin/perl

# One deadline over SSLRequest, ClientHello, StartupMessage and SASL: who stalls
# behind any byte is cut (Traefik CVE-2026-25949), and a byte now and then does
# not move it.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use Time::HiRes qw/time/;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1, main => "client_timeout 1s;\n");
my $startup = startup_packet([ user => 'alice', database => 'app',
                               options => 'endpoint=ep-1' ]);

# each begins, stalls, and is cut: what it was told

sub inband {
    my $c = $t->client(port => $n->port);
    $c->send(ssl_request);
    $c->read_n(1);
    return $c;
}

sub secure { inband()->start_tls(sni => 'ep-1.db.example.com') }

sub plain { $t->client(port => $n->plain_port) }

sub asked {
    my $c = secure();
    $c->send($startup);
    $c->read_message;
    return $c;
}

my %stall = (
    'says nothing'                => \&plain,
    'one byte'                    => sub { my $c = plain();
                                           $c->send("\0"); $c },
    '7 bytes'                     => sub { my $c = plain();
                                           $c->send("\0" x 3 . "\x20\0\x03\0");
                                           $c },
    'half a StartupMessage'       => sub { my $c = plain();
                                           $c->send(substr $startup, 0, 20);
                                           $c },
    'SSLRequest'                  => \&inband,
    'half a ClientHello'          => sub { my $c = inband();
                                           $c->send("\x16\x03\x01\x02\0\x01");
                                           $c },
    'half a direct ClientHello'   => sub { my $c = plain();
                                           $c = $t->client(port => $n->port);
                                           $c->send("\x16\x03\x01\x02\0\x01");
                                           $c },
    'TLS, then nothing'           => \&secure,
    'TLS, half a StartupMessage'  => sub { my $c = secure();
                                           $c->send(substr $startup, 0, 20);
                                           $c },
    'no SASLInitialResponse'      => \&asked,
    'half of it'                  => sub { my $c = asked();
                                           $c->send("p\0\0\0\x40SCRAM");
                                           $c },
    'no proof'                    => sub {
        my $c = asked();
        my $first = 'n,,n=,r=clientnonce';
        $c->send(message('p', "SCRAM-SHA-256\0" . pack('N', length $first)
                              . $first));
        $c->read_message;
        $c
    },
    'no password'                 => sub {
        my $c = inband()->start_tls;
        $c->send(startup_packet([ user => 'alice' ]));
        $c->read_message;
        $c
    },
);

# all at the same time
my %clients = map { $_ => $stall{$_}->() } sort keys %stall;

for my $name (sort keys %clients) {
    my $c = $clients{$name};
    my $said = eval { $c->read_all(10) };

    ok(defined $said, "$name: cut") or next;

    like(error_fields(substr $said, 5)->{C}, qr/^57014$/,
         "$name: and told why") if $said =~ /^E/;

    # where there is nobody yet to read a message, none must be sent
    unlike($said, qr/^E/, "$name: nothing in plaintext into a handshake")
        if $name =~ /ClientHello|SSLRequest/;
    like($said, qr/^E/, "$name: an ErrorResponse")
        if $name =~ /^(?:TLS|no |half of it)/;
}

is(scalar(() = $cp->calls('wake')), 0, 'nobody was woken');

# --- one deadline --------------------------------------------------------

# neither a byte now and then moves it, wherever it comes, ...

my $long = startup_packet([ user => 'alice', database => 'app', pad =>
                            'x' x 1000 ]);

sub hello {
    my $tls = NeonTest::Tls->new(sni => 'ep-1.db.example.com', @_);

    $tls->handshake;
    return $tls->output;
}

# a client, and the bytes that it takes so much time for
my %dribble = (
    'a StartupMessage'  => sub { (plain(), $long) },
    'a ClientHello'     => sub { (inband(), hello()) },
    'a ClientHello of direct TLS' => sub {
        ($t->client(port => $n->port), hello(alpn => [ 'postgresql' ]))
    },
    'a StartupMessage within TLS' => sub {
        my $c = secure();
        $c->{tls}->encrypt($long);
        ($c, $c->{tls}->output)
    },
    'a SASLInitialResponse' => sub {
        my $c = asked();
        $c->{tls}->encrypt($_) for split //, "p\0\0\0\x40SCRAM";
        ($c, $c->{tls}->output)
    },
    'a password' => sub {
        my $c = inband()->start_tls;
        $c->send(startup_packet([ user => 'alice' ]));
        $c->read_message;
        $c->{tls}->encrypt($_) for split //, "p\0\0\0\x40endpoint=ep-1;";
        ($c, $c->{tls}->output)
    },
);

my %slow = map { $_ => [ $dribble{$_}->() ] } sort keys %dribble;
my $end = time + 10 * $NeonTest::slow;

while (%slow && time < $end) {
    for my $name (sort keys %slow) {
        my ($c) = @{ $slow{$name} };
        my $byte = substr $slow{$name}[1], 0, 1, '';

        if ($byte eq '') {
            fail("$name, byte by byte: could be said to its end");
            delete $slow{$name};

        } elsif (!$c->send_raw($byte) || $c->{eof}
                 || eval { $c->readable(0) && $c->read_all; 1 } && $c->{eof})
        {
            pass("$name, byte by byte: cut");
            delete $slow{$name};
        }
    }

    select undef, undef, undef, 0.1;
}

is(join(', ', sort keys %slow), '', 'nobody is left');

# ... nor does it begin anew where a part of the login is over

my $c = inband();
my $pause = sub { select undef, undef, undef, 0.6 };
my $in = eval {
    $pause->();
    $c->start_tls(sni => 'ep-1.db.example.com');
    $pause->();
    $c->send($startup);
    $c->{messages} = [];
    $pause->();
    $c->authenticate(password => 'pw', stop => 1);
    1
} && $c->{scram};

ok(!$in || $c->error, 'each part in its time, all of it not: cut')
    or diag explain $c->{messages};
is(scalar(() = $cp->calls('wake')), 0, 'nobody was woken');

$t->done;
