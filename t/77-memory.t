#!/usr/bin/perl

# Sessions leave nothing behind: after a warm-up the worker's memory does not
# grow, whether they end well, are refused or are cut off.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1, main => <<'END');
connect_retry attempts=2 base=1ms factor=1;
END

my @options = (params => [ options => 'endpoint=ep-1' ]);

my %session = (
    tls => sub { my $c = $t->enter($n); $c->value('x'); $c->close },
    plaintext => sub { my $c = $t->enter($n, tls => 'none', @options);
                       $c->value('x'); $c->close },
    refused => sub { $t->enter($n, password => 'wrong')->drop },
    prefix => sub { $t->enter($n, sni => undef, password =>
                              'endpoint=ep-1;pw')->close },
    garbage => sub { my $c = $t->client(port => $n->plain_port);
                     $c->send('x' x 100); $c->read_all; $c->drop },
    cut => sub { $t->knock($n, tls => 'none', @options)->abort },
    canceled => sub { my $c = $t->client(port => $n->plain_port);
                      $c->send(cancel_request(1, 'abcd')); $c->read_all;
                      $c->drop },
);

for my $name (sort keys %session) {
    $session{$name}->() for 1 .. 100;

    my $before = $n->rss;
    $session{$name}->() for 1 .. 400;
    $t->flat($n->rss - $before, 256 * 1024, "400 sessions, $name");
}

$t->done;
