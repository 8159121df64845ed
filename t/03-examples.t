#!/usr/bin/perl

# The example configurations are good as they stand: nginx -t says so, without
# a warning.

use lib 't/lib';
use NeonTest;
use NeonTest::Example;

my $t = NeonTest->new;
my @examples = NeonTest::Example->names;

cmp_ok(scalar @examples, '>=', 3, 'there are examples');

for my $name (@examples) {
    my $example = NeonTest::Example->new($t, $name);

    my @modules = $example->text =~ m{^load_module modules/(\w+)\.so;}mg;
    is("@modules", 'ngx_stream_module ngx_neon_proxy_module',
       "$name: the order of the modules");

    my ($rc, $log) = $example->test;
    is($rc, 0, "$name: nginx -t") or diag($log);
    unlike($log, qr/\[warn\]/, "$name: no warnings");
}

$t->done;
