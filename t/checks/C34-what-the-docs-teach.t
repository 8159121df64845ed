#!/usr/bin/perl

# Bugs of nginx's own in captures, slice and others reach our users by what the
# documentation shows: no example has an unnamed capture or needs the modules
# concerned, and the README says to keep nginx up to date.

use lib 't/lib';
use NeonTest;

my $readme = slurp top() . '/README.md';
my @examples = (glob(quotemeta(top()) . '/conf/*.conf.example'),
                top() . '/conf/demo/nginx.conf.in');

my %config = map { s{.*/}{}r => slurp($_) } @examples;
my $blocks = 0;

while ($readme =~ /^```nginx\n(.*?)^```/msg) {
    $config{'README, block ' . ++$blocks} = $1;
}

cmp_ok($blocks, '>=', 3, 'the README has examples');
cmp_ok(scalar @examples, '>=', 4, 'and conf/');

for my $name (sort keys %config) {
    my $text = $config{$name};

    # parameters of a query are none of nginx's
    $text =~ s/^[#\s]*\w+_query\s+"[^"]*";//mg;

    isnt($text, '', "$name: there");

    # in comments neither: they are made to be used
    unlike($text, qr/\$\d/, "$name: no capture by its number");
    unlike($text, qr/~\S*\((?!\?)/, "$name: none without a name");
    unlike($text, qr/(?:^|[#;{}])\s*(?:slice|rewrite|perl|mp4|dav_methods)\s/m,
           "$name: none of the modules concerned");
}

like($readme, qr/Keep nginx itself up to date/, 'the README says it');
like($readme, qr/named captures/, 'and how to write captures');

done_testing();
