#!/usr/bin/perl

# One event for all that came over TLS: what stands behind a read that was full
# is read, too, and so is the end that stands behind data.  A worker that does
# not run while the client sends gets no other event.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;

my ($n, $cp, $fc) = $t->front(compute => sub {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;

    my $length = length(($c->read_message)[1]);
    $c->send($c->row_bytes("got $length"));
    $c->note(behind => length $c->read_all);
});

my ($worker) = $n->workers;

sub state { (slurp("/proc/$worker/stat") =~ /\) (.)/)[0] }

sub at_once {
    my ($code) = @_;

    kill STOP => $worker;
    eventually { state() eq 'T' } or die "the worker does not stop\n";
    $code->();
    kill CONT => $worker;
}

sub shut { shutdown $_[0]{socket}, 1 }

# OpenSSL reads as much as one record may have

for my $size (1, 16_000, 17_000, 33_000, 60_000) {

    my $c = $t->enter($n, tls => 'inband');
    at_once(sub { $c->send(message('Q', 'x' x $size)) });
    is($c->result->{rows}[0][0], "got $size", "$size bytes at once: all came");

    my $ends = () = $fc->notes('behind');
    $c->close;
    eventually { $ends < (() = $fc->notes('behind')) } undef;

    # no close_notify: that would be read with the data

    $c = $t->enter($n, tls => 'inband');
    at_once(sub { $c->send(message('Q', 'x' x $size)); shut($c) });
    is($c->result->{rows}[0][0], "got $size", "$size bytes and the end: all");
    eventually { $ends + 2 == (() = $fc->notes('behind')) }
               "$size bytes and the end: the compute sees the end";
    is(($fc->notes('behind'))[-1], 0, "$size bytes and the end: no more");
    $c->drop;
}

$t->done;
