package NeonTest::Page;

# The pages of a proxy, as a client of them sees them.
#
#   my $page = NeonTest::Page->new($port);
#   my $r = $page->get('/status?format=json');    # { status, headers, content }
#   $page->json->{sessions}{tcp}{open}            # of /status
#   $page->samples->{'neon_proxy_flights{proxy="main"}'}   # of /metrics
#   $page->wait_for('flights{proxy="main"}' => 1, 'a flight')
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP ();
use Test::More ();


sub new {
    my ($class, $port) = @_;

    return bless { port => $port, http => HTTP::Tiny->new(timeout => 20) },
           $class;
}


# the locations that the methods below expect

sub server {
    my ($class, $port, $proxy) = @_;

    return <<"END";
server {
    listen 127.0.0.1:$port;
    location = /status { neon_proxy_status "$proxy"; }
    location = /metrics { neon_proxy_metrics "$proxy"; }
}
END
}


sub request {
    my ($self, $method, $path, %o) = @_;

    return $self->{http}->request($method,
                                  "http://127.0.0.1:$self->{port}$path", \%o);
}


sub get { $_[0]->request('GET', $_[1]) }
sub json { JSON::PP->new->utf8->decode($_[0]->get('/status?format=json')
                                       ->{content}) }


# name{labels} => value, each line of the page but comments

sub samples {
    my ($self, $text) = @_;

    $text //= $self->get('/metrics')->{content};

    my %samples;

    for (split /\n/, $text) {
        next if /^#/;

        my ($name, $value) = /^(\S+?\{.*\}) (\S+)$/
            or die "no sample: $_\n";
        die "twice: $name\n" if exists $samples{$name};

        $samples{$name} = $value;
    }

    return \%samples;
}


# counters follow their events a little later

sub wait_for {
    my ($self, $name, $value, $what) = @_;

    my $seen;

    NeonTest::eventually(sub {
        $seen = $self->samples->{"neon_proxy_$name"};
        return defined $seen && $seen == $value;
    });

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is($seen, $value, $what);
}


1;
