#!/usr/bin/perl

# The lint scripts find what they are for.

use lib 't/lib';
use NeonTest;

use File::Path qw/make_path/;

my $t = NeonTest->new;
my $top = top();
my $head = "/*\n * A purpose.\n *\n * SPDX-License-Identifier: Apache-2.0\n"
           . " */\n\n";

sub tree {
    my (%files) = @_;

    my $dir = $t->dir . '/tree' . ++$t->{trees};

    for my $file (keys %files) {
        my ($folder) = "$dir/$file" =~ m{^(.*)/};
        make_path($folder);
        spew("$dir/$file", $files{$file});
    }

    return $dir;
}

sub lint {
    my ($script, %files) = @_;

    return run([ 'perl', "$top/t/lint/$script", tree(%files) ]);
}

my $m = 'ngx_neon_proxy_module';


# --- style ---------------------------------------------------------------

my $function = "static int\nneon_x(int a)\n{\n    return a;\n}\n";

sub style {
    my ($text, $fault, $file) = @_;

    my $r = lint('style.pl', ($file // "$m/wire/neon_x.c") => $text);

    if (!defined $fault) {
        is($r->{out}, '', 'clean');
        is($r->{rc}, 0, 'exit status 0');
        return;
    }

    like($r->{out}, qr/neon_x|x\.t|Makefile/, "$fault: where");
    like($r->{out}, qr/\Q$fault/, $fault);
    is($r->{rc}, 1, "$fault: exit status");
}

style($head . $function);
style($head . "/* " . 'x' x 90 . " */\n", 'longer than 80 columns');
style($head . "int\tx;\n", 'tab');
style($head . "int x; \n", 'trailing blank');
style($head . "int x;\r\n", 'carriage return');
style($head . 'int x;', 'ends without a newline');
style($head . "int x;\n\n", 'ends with blank lines');
style($head . "int x;  // no\n", '// comment');
style($head . "/* TODO: x */\n", 'TODO');
style("int x;\n", 'no SPDX line');
style("/*\n * SPDX-License-Identifier: Apache-2.0\n */\n",
      'a sentence of purpose');
style($head . "int x;\n" x 700, 'longer than 700 lines');
style($head . "static int neon_x(int a)\n{\n    return a;\n}\n",
      'a line of its own');
style($head . $function . "\n" . $function, 'two blank lines');
style($head . "static int\nneon_x(int a)\n{\n" . "    a++;\n" x 101 . "}\n",
      'function of 101 lines');
style($head . "static int\nneon_x(int a)\n{\n    if (a) {\n        return 1;\n"
      . "    } else {\n        return 2;\n    }\n}\n", 'else after return');
style($head . "static int\nneon_x(int a)\n{\n    if(a) {\n        return 1;\n"
      . "    }\n}\n", 'blank before its parenthesis');
style("use strict;\n\tprint 1;\n", 'tab', 't/x.t');
style("all:\n\techo x \n", 'trailing blank', 'Makefile');

my $r = lint('style.pl', "$m/wire/neon_x.c" => $head . $function,
             "$m/base/neon_x.c" => $head . $function);
like($r->{out}, qr/the same name/, 'file names are unique');


# --- includes ------------------------------------------------------------

sub includes {
    my ($file, $include, $fault) = @_;

    my $first = $file =~ /^wire/ ? "\n" : "#include <ngx_config.h>\n";
    my $r = lint('includes.pl',
                 "$m/$file" => "$head$first#include $include\n",
                 "$m/wire/neon_w.h" => $head, "$m/session/ngx_neon_s.h"
                 => $head, "$m/face/ngx_neon_f.h" => $head);

    if (!defined $fault) {
        is($r->{out}, '', "$file may include $include");
        return;
    }

    like($r->{out}, qr/^\Q$m\/$file\E:8: .*$fault/,
         "$file may not include $include");
    is($r->{rc}, 1, 'exit status');
}

includes('wire/neon_x.c', '"neon_w.h"');
includes('wire/neon_x.c', '<string.h>');
includes('face/ngx_neon_x.c', '"ngx_neon_s.h"');
includes('face/ngx_neon_x.c', '<ngx_stream.h>');
includes('io/ngx_neon_x.c', '<curl/curl.h>');
includes('wire/neon_crypto.c', '<openssl/evp.h>');
includes('wire/neon_x.c', '"ngx_neon_s.h"', 'may not include');
includes('wire/neon_x.c', '<ngx_core.h>', 'may not be included');
includes('wire/neon_x.c', '<stdlib.h>', 'may not include');
includes('wire/neon_x.c', '<sys/socket.h>', 'may not include');
includes('wire/neon_x.c', '<openssl/evp.h>', 'may not be included');
includes('session/ngx_neon_x.c', '"ngx_neon_f.h"', 'may not include');
includes('session/ngx_neon_x.c', '<ngx_http.h>', 'may not be included');
includes('control/ngx_neon_x.c', '"ngx_neon_s.h"', 'may not include');
includes('control/ngx_neon_x.c', '<curl/curl.h>', 'may not be included');
includes('session/ngx_neon_x.c', '"no_such.h"', 'no such header');

$r = lint('includes.pl', "$m/io/ngx_neon_a.c" => "$head#include <curl/c.h>\n",
          "$m/io/ngx_neon_b.c" => "$head#include <curl/c.h>\n");
like($r->{out}, qr/more than one file/, 'one door for a library');

$r = lint('includes.pl', "$m/wire/neon_w.h" => $head, "$m/io/ngx_neon_a.c"
          => "$head#include \"neon_w.h\"\n#include <ngx_config.h>\n");
like($r->{out}, qr/neon_w\.h comes before ngx_config\.h/,
     'ngx_config.h comes first');

$r = lint('includes.pl', "$m/attic/ngx_neon_a.c" => $head);
like($r->{out}, qr/stands in no room/, 'rooms are known');

$r = lint('includes.pl', "$m/io/ngx_neon_a.c"
          => "$head#if (nginx_version > 1)\n#endif\n");
like($r->{out}, qr/version guards/, 'nginx version guards');


# --- symbols -------------------------------------------------------------

sub symbols {
    my ($code, @flags) = @_;

    my $so = $t->dir . '/x.so';
    my $modules = "int ngx_modules, ngx_module_names, ngx_module_order;\n";

    spew("$so.c", $modules . $code);
    my $r = run([ 'gcc', '-shared', '-fPIC', @flags, '-o', $so, "$so.c" ]);
    die $r->{err} if $r->{rc};

    return run([ "$top/t/lint/symbols.sh", $so ]);
}

my $good = 'int neon_a, ngx_neon_b, ngx_stream_neon_c, ngx_http_neon_d;'
           . ' static int x;';

$r = symbols($good, '-Wl,-Bsymbolic');
is($r->{rc}, 0, 'our prefixes') or diag($r->{out});

$r = symbols("$good int parse(void) { return x; }", '-Wl,-Bsymbolic');
is($r->{rc}, 1, 'a foreign name: exit status');
like($r->{out}, qr/^ +parse$/m, 'a foreign name');

$r = symbols($good);
is($r->{rc}, 1, 'no -Bsymbolic: exit status');
like($r->{out}, qr/Bsymbolic/, 'no -Bsymbolic');


# --- hardening -----------------------------------------------------------

my $stack = '#include <string.h>' . "\n"
            . 'void neon_f(const char *s)'
            . ' { char b[64]; strcpy(b, s); __asm__("" : : "r" (b)); }';

sub hardening {
    my (@flags) = @_;

    my $so = $t->dir . '/y.so';

    spew("$so.c", $stack);
    my $r = run([ 'gcc', '-shared', '-fPIC', '-O2', '-D_FORTIFY_SOURCE=2',
                  '-fstack-protector-strong', '-Wl,-z,relro,-z,now', @flags,
                  '-o', $so, "$so.c" ]);
    die $r->{err} if $r->{rc};

    return run([ "$top/t/lint/hardening.sh", $so ]);
}

$r = hardening();
is($r->{rc}, 0, 'hardened') or diag($r->{out});

for my $case ([ 'RELRO', '-Wl,-z,norelro' ], [ '-z now', '-Wl,-z,lazy' ],
              [ 'stack may be executed', '-Wl,-z,execstack' ],
              [ 'path of its own', '-Wl,-rpath,/opt/lib' ],
              [ 'stack protector', '-fno-stack-protector' ],
              [ '_FORTIFY_SOURCE', '-U_FORTIFY_SOURCE' ])
{
    my ($fault, $flag) = @$case;

    $r = hardening($flag);
    is($r->{rc}, 1, "$flag: exit status");
    like($r->{out}, qr/\Q$fault/, "$flag: $fault");
}

$t->done;
