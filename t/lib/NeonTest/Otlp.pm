package NeonTest::Otlp;

# OTLP's JSON as its specification has it (JSON mapping of
# opentelemetry/proto/collector/trace/v1), strictly: an unknown field, a
# number where a string should be, or a child outside of its parent is a fault.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use B ();
use JSON::PP ();
use Test::More ();

my $json = JSON::PP->new->utf8;

# field => [ check, required ]; a check is a sub, or a table like this one for
# an object, in brackets for a list of them

my %value = (
    stringValue => [ \&is_string ], boolValue => [ \&is_bool ],
    intValue => [ \&is_int64 ], doubleValue => [ \&is_number ],
);

my %attribute = (
    key => [ \&is_name, 1 ],
    value => [ \%value, 1 ],
);

my %span = (
    traceId => [ sub { is_hex($_[0], 32) }, 1 ],
    spanId => [ sub { is_hex($_[0], 16) }, 1 ],
    parentSpanId => [ sub { is_hex($_[0], 16) } ],
    traceState => [ \&is_name ],
    name => [ \&is_name, 1 ],
    kind => [ sub { is_number($_[0]) && $_[0] =~ /^[1-5]\z/ }, 1 ],
    startTimeUnixNano => [ \&is_nanos, 1 ],
    endTimeUnixNano => [ \&is_nanos, 1 ],
    attributes => [ [ \%attribute ] ],
    status => [ {
        code => [ sub { is_number($_[0]) && $_[0] =~ /^[0-2]\z/ } ],
        message => [ \&is_string ],
    } ],
);

my %request = (
    resourceSpans => [ [ {
        resource => [ { attributes => [ [ \%attribute ], 1 ] }, 1 ],
        scopeSpans => [ [ {
            scope => [ { name => [ \&is_name, 1 ],
                         version => [ \&is_name, 1 ] }, 1 ],
            spans => [ [ \%span ], 1 ],
        } ], 1 ],
    } ], 1 ],
);


# as JSON said it: "1" or 1

sub is_number {
    my ($v) = @_;

    return defined $v && !ref $v
           && !(B::svref_2object(\$v)->FLAGS & B::SVf_POK);
}

sub is_string { defined $_[0] && !ref $_[0] && !is_number($_[0]) }
sub is_name { is_string($_[0]) && $_[0] =~ /\S/ }
sub is_bool { JSON::PP::is_bool($_[0]) }
sub is_int64 { is_string($_[0]) && $_[0] =~ /^-?\d{1,19}\z/ }
sub is_nanos { is_string($_[0]) && $_[0] =~ /^1[5-9]\d{17}\z/ }

sub is_hex {
    my ($v, $n) = @_;

    return is_string($v) && $v =~ /^[0-9a-f]{$n}\z/ && $v =~ /[^0]/;
}


sub check {
    my ($what, $v, $path, $faults) = @_;

    if (ref $what eq 'CODE') {
        push @$faults, "$path: " . ($v // 'null') if !$what->($v);

    } elsif (ref $what eq 'ARRAY') {
        return push @$faults, "$path: no list" if ref $v ne 'ARRAY';
        check($what->[0], $v->[$_], "$path\[$_]", $faults) for 0 .. $#$v;

    } else {
        return push @$faults, "$path: no object" if ref $v ne 'HASH';

        for (keys %$v) {
            push @$faults, "$path: unknown field $_" if !$what->{$_};
        }

        for (grep { exists $v->{$_} || $what->{$_}[1] } keys %$what) {
            check($what->{$_}[0], $v->{$_}, "$path.$_", $faults);
        }
    }

    push @$faults, "$path: one value" if $what == \%value && keys %$v != 1;
}


# the spans of a request, flat: ids, name, kind, start, end, attr, error,
# resource, with faults of the whole in the first one

sub spans {
    my ($body) = @_;

    my (@spans, @faults);
    my $request = eval { $json->decode($body) };

    if (!defined $request) {
        return { name => 'no JSON', faults => [ "$@" ] };
    }

    check(\%request, $request, 'request', \@faults);

    for my $rs (@{ $request->{resourceSpans} // [] }) {
        my $resource = attributes($rs->{resource}{attributes}, \@faults);

        for my $ss (@{ $rs->{scopeSpans} // [] }) {
            push @spans, map { span($_, $resource, \@faults) }
                         @{ $ss->{spans} // [] };
        }
    }

    @spans = { name => 'no spans' } if !@spans;
    $spans[0]{faults} = \@faults;

    return @spans;
}


sub span {
    my ($s, $resource, $faults) = @_;

    return {
        trace => $s->{traceId}, id => $s->{spanId},
        parent => $s->{parentSpanId}, name => $s->{name},
        state => $s->{traceState},
        kind => (qw/? internal server client/)[$s->{kind} // 0],
        start => $s->{startTimeUnixNano}, end => $s->{endTimeUnixNano},
        attr => attributes($s->{attributes}, $faults), resource => $resource,
        error => ($s->{status}{code} // 0) == 2
                 ? $s->{status}{message} // '' : undef,
    };
}


sub attributes {
    my ($list, $faults) = @_;

    my %attr;

    for (@{ $list // [] }) {
        push @$faults, "attribute $_->{key} twice" if exists $attr{$_->{key}};
        ($attr{$_->{key}}) = values %{ $_->{value} };
    }

    return \%attr;
}


# all that is wrong with a set of spans; callers => the span ids that are not
# ours

sub faults {
    my ($spans, %o) = @_;

    my (%by_id, @faults);
    my %callers = map { $_ => 1 } @{ $o{callers} // [] };

    for my $s (@$spans) {
        push @faults, @{ $s->{faults} // [] };
        next if !defined $s->{id};

        push @faults, "$s->{name}: id $s->{id} twice" if $by_id{$s->{id}};
        push @faults, "$s->{name}: ends before it starts"
            if $s->{end} < $s->{start};
        push @faults, "$s->{name}: ends in the future"
            if $s->{end} > (time + 2) * 1e9;
        $by_id{$s->{id}} = $s;
    }

    for my $s (grep { defined $_->{parent} } @$spans) {
        my $p = $by_id{$s->{parent}};

        if (!$p) {
            push @faults, "$s->{name}: no parent $s->{parent}"
                if !$callers{$s->{parent}};
            next;
        }

        push @faults, "$s->{name}: in another trace than $p->{name}"
            if $s->{trace} ne $p->{trace};
        push @faults, "$s->{name}: outside of $p->{name}"
            if $s->{start} < $p->{start} || $s->{end} > $p->{end};
    }

    return @faults;
}


# "session(handshake access(GET /x) ...)", an error marked by "!"

sub tree {
    my ($spans, $root) = @_;

    ($root) = grep { $_->{name} eq 'session' } @$spans if !$root;

    my @children = sort { $a->{start} <=> $b->{start}
                          || $a->{end} <=> $b->{end} }
                   grep { ($_->{parent} // '') eq $root->{id} } @$spans;

    return $root->{name} . (defined $root->{error} ? '!' : '')
           . (@children ? '(' . join(' ', map { tree($spans, $_) } @children)
                          . ')' : '');
}


# those of each session, in the order in which they began

sub by_session {
    my ($spans) = @_;

    my %parent = map { $_->{id} => $_->{parent} // '' } @$spans;
    my %of;

    for my $s (@$spans) {
        my $id = $s->{id};
        $id = $parent{$id} while exists $parent{$parent{$id}};
        push @{ $of{$id} }, $s;
    }

    return sort { start($a) <=> start($b) } values %of;
}


sub start {
    my ($start) = sort { $a <=> $b } map { $_->{start} } @{ $_[0] };
    return $start;
}


1;
