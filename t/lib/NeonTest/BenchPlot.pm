package NeonTest::BenchPlot;

# Bars as SVG, a panel for each figure: medians, least and most as a line.
#
#   my $plot = NeonTest::BenchPlot->new;
#   $plot->bars('CPU of a query', 'us', { ours => [ 1.2, 1.3 ], nginx => ... });
#   $plot->write('plot.svg');
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use List::Util qw/max min/;

use NeonTest;
use NeonTest::Bench;

my @order = ([ nginx => 'nginx proxy_pass' ], [ haproxy => 'haproxy' ],
             [ pgbouncer => 'pgbouncer' ], [ ours => 'this module' ],
             [ websocket => 'this module, wss' ]);

use constant { WIDTH => 720, LEFT => 150, BAR => 16, GAP => 6, RIGHT => 90,
               HEAD => 30 };


sub new { bless { panels => [] }, $_[0] }


sub bars {
    my ($self, $title, $unit, $v) = @_;

    push @{ $self->{panels} }, { title => $title, unit => $unit, v => $v };
}


sub write {
    my ($self, $file) = @_;

    my $y = 10;
    my $body = '';

    for my $panel (@{ $self->{panels} }) {
        ($y, my $text) = panel($panel, $y);
        $body .= $text;
    }

    spew($file, <<"END");
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 @{[ WIDTH ]} $y"
     font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
$body</svg>
END
}


sub panel {
    my ($panel, $y) = @_;

    my $v = $panel->{v};
    my $most = max(map { @{ $v->{$_->[0]} // [] } } @order) || 1;
    my $scale = (WIDTH - LEFT - RIGHT) / $most;
    my $text = sprintf
        qq{<text x="10" y="%d" font-weight="bold">%s, %s</text>\n},
        $y + 16, @$panel{qw/title unit/};

    $y += HEAD;

    for (@order) {
        my ($name, $label) = @$_;
        my $values = $v->{$name} or next;
        my $median = median(@$values);
        my $middle = $y + BAR / 2;

        $text .= sprintf
            qq{<text x="%d" y="%d" text-anchor="end">%s</text>\n}
            . qq{<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>\n}
            . qq{<path d="M%.1f %.1fH%.1f" stroke="#222"/>\n}
            . qq{<text x="%.1f" y="%d">%s</text>\n},
            LEFT - 8, $y + 12, $label,
            LEFT, $y, $median * $scale, BAR,
            $name =~ /ours|websocket/ ? '#3b7dd8' : '#b9bec6',
            LEFT + min(@$values) * $scale, $middle,
            LEFT + max(@$values) * $scale,
            LEFT + max(@$values) * $scale + 6, $y + 12,
            sprintf $median < 10 ? '%.2f' : '%.0f', $median;

        $y += BAR + GAP;
    }

    return ($y + 10, $text);
}


1;
