#!/usr/bin/perl

# The example configurations are good as they stand: only their paths are put
# into the test's folder.

use lib 't/lib';
use NeonTest;

use File::Path qw/make_path/;

my $t = NeonTest->new;
my $dir = $t->dir;
my $top = top();

make_path("$dir/etc/nginx/tls", "$dir/log", "$dir/run");
spew("$dir/etc/nginx/neon.token", "token\n");
chmod 0600, "$dir/etc/nginx/neon.token";

for my $roles (glob "$top/conf/*.txt.example") {
    my ($name) = $roles =~ m{([^/]+)\.example$};

    spew("$dir/etc/nginx/$name", slurp($roles));
    chmod 0600, "$dir/etc/nginx/$name";
}

my @examples = glob "$top/conf/*.conf.example";
cmp_ok(scalar @examples, '>=', 2, 'there are examples');

for my $example (@examples) {
    my ($name) = $example =~ m{([^/]+)$};
    my $conf = slurp($example);

    my @modules = $conf =~ m{^load_module modules/(\w+)\.so;}mg;
    is("@modules", 'ngx_stream_module ngx_neon_proxy_module',
       "$name: the order of the modules");

    $conf =~ s/^\s*load_module .*\n//mg;
    $conf =~ s/^\s*user\s.*\n//mg;
    $conf =~ s{(?<=[\s:])/etc/nginx/tls/[^\s;]*\.(crt|key)}
              {$t->certs("db.$1")}ge;
    $conf =~ s{(?<=[\s:])/etc/nginx/}{$dir/etc/nginx/}g;
    $conf =~ s{(?<=[\s:])/var/log/nginx/}{$dir/log/}g;
    $conf =~ s{(?<=[\s:])/run/}{$dir/run/}g;

    my ($rc, $log) = $t->nginx_test(conf => $conf);
    is($rc, 0, "$name: nginx -t") or diag($log);
    unlike($log, qr/\[warn\]/, "$name: no warnings");
}

$t->done;
