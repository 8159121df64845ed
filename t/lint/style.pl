#!/usr/bin/perl
#
# style.pl [DIR]: how the code of the repository in DIR must look.  Prints
# file:line: message for each fault; exit status 1 if there is one.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use File::Find qw/find/;

use constant {
    COLUMNS        => 80,
    FILE_LINES     => 700,
    HEADER_LINES   => 300,
    FUNCTION_LINES => 100,
    SWITCH_LINES   => 150,
    NESTING        => 4,
};

my $top = shift // '.';
my $faults = 0;

for my $file (files()) {
    my $text = slurp("$top/$file");

    check_text($file, $text);

    next unless $file =~ /\.[ch]$/;

    check_file($file, $text);
    check_functions($file, $text) if $file =~ /^ngx_neon_proxy_module/;
}

check_names();

exit($faults ? 1 : 0);


sub fault {
    my ($file, $line, $message) = @_;

    print "$file:$line: $message\n";
    $faults++;
}


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$fh>;
}


sub files {
    my @files;

    find({ no_chdir => 1, wanted => sub {
        return if $_ eq $top;

        my $name = substr($_, length($top) + 1);

        if (-d && $name =~ m{^(build|node_modules|\.git|t/js/node_modules)$}) {
            $File::Find::prune = 1;
            return;
        }

        return unless -f;

        push @files, $name
            if $name =~ m{(?:^|/)(?:Makefile|config|run)$}
               || $name =~ /\.(?:c|h|t|pl|pm|sh|mk|js|py|go|java|conf)$/;
    } }, $top);

    return sort @files;
}


# every text file

sub check_text {
    my ($file, $text) = @_;

    my $tabs_ok = $file =~ m{(?:^|/)(?:Makefile|[^/]*\.mk|[^/]*\.go)$};
    my $n = 0;

    fault($file, 1, 'is empty') if $text eq '';
    fault($file, 1, 'ends without a newline')
        if $text ne '' && $text !~ /\n\z/;
    fault($file, 1, 'ends with blank lines') if $text =~ /\n\n\z/;

    for (split /\n/, $text) {
        $n++;

        fault($file, $n, 'carriage return') if /\r/;
        fault($file, $n, 'trailing blank') if /[ \t]\z/;
        fault($file, $n, 'tab') if !$tabs_ok && /\t/;

        # a tab of a Makefile counts eight, as editors show it
        (my $wide = $_) =~ s/\t/        /g;
        utf8::decode($wide);
        fault($file, $n, 'longer than ' . COLUMNS . ' columns')
            if length($wide) > COLUMNS;
    }
}


# C and its headers, without what stands in comments and strings

sub blanked {
    my ($text) = @_;

    $text =~ s{(/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')}{
        my $s = $1;
        my $comment = $s =~ m{^/\*};
        $s =~ s/[^\n]/ /g;
        substr($s, 0, 1) = substr($s, -1) = '"' unless $comment;
        $s
    }gse;

    return $text;
}


sub check_file {
    my ($file, $text) = @_;

    my @lines = split /\n/, $text;
    my $limit = $file !~ m{^ngx} ? 2000
                : $file =~ /\.h$/ ? HEADER_LINES : FILE_LINES;

    fault($file, scalar @lines, "longer than $limit lines")
        if @lines > $limit;
    fault($file, 1, 'no SPDX line in the head')
        if $text !~ m{\A/\*.*?SPDX-License-Identifier: Apache-2\.0\n \*/}s;
    fault($file, 1, 'the head needs a sentence of purpose')
        if $text =~ m{\A/\*[\s*]*SPDX};

    # tests may be terse
    return if $file !~ /^ngx/;

    my $n = 0;

    for (split /\n/, blanked($text)) {
        $n++;

        fault($file, $n, '// comment') if m{//};
        fault($file, $n, 'TODO') if $lines[$n - 1] =~ /\b(?:TODO|FIXME|XXX)\b/;
        fault($file, $n, 'two statements on a line')
            if /;\s*\w/ && !/\bfor\b/ && !/^#/;
        fault($file, $n, 'if without braces, or with the brace elsewhere')
            if /^\s+(?:if|while)\s*\(.*\)\s*\S.*;\s*$/ && !/\{/
               && !/^\s*(?:\} )?while .*\);$/;
        fault($file, $n, 'condition needs a blank before its parenthesis')
            if /\b(?:if|for|while|switch)\(/;
        fault($file, $n, '!p for a pointer is fine for flags only')
            if /!\w+(?:->|\.)(?:data|next|prev|pool|connection)\b/;
        fault($file, $n, 'sizeof and parenthesis belong together')
            if /\bsizeof /;
    }
}


sub check_functions {
    my ($file, $text) = @_;

    return if $file !~ /\.c$/;

    my @raw = split /\n/, $text;
    my @lines = split /\n/, blanked($text);
    my ($start, $head, $deepest) = (0, 0, 0);

    for my $i (0 .. $#lines) {
        my $line = $lines[$i];

        if (!$start && $line =~ /^\{/ && ($lines[$i - 1] // '') =~ /\)$/) {
            $start = $i;

            for ($head = $i - 1; $head > 0; $head--) {
                last if $lines[$head - 1] !~ /\S/;
            }

            fault($file, $head + 1, "the type stands on a line of its own")
                if $lines[$head] =~ /\(/;
            $deepest = 0;
        }

        next unless $start;

        if ($line =~ /^\}/) {
            my $length = $i - $start - 1;
            my $body = join "\n", @lines[$start .. $i];
            my $limit = $body =~ /^    switch /m ? SWITCH_LINES
                                                 : FUNCTION_LINES;

            fault($file, $start + 1, "function of $length lines")
                if $length > $limit;
            fault($file, $start + 1, "nested $deepest deep")
                if $deepest > NESTING;

            # two blank lines behind it
            fault($file, $i + 1, 'two blank lines belong behind a function')
                if $i < $#raw
                   && join("\n", @raw[$i + 1 .. $i + 3]) !~ /\A\n\n\S/;

            $start = 0;
            next;
        }

        if ($line =~ /^( +)(?:if|for|while|switch|do|\} else)\b/) {
            my $level = length($1) / 4;
            $deepest = $level if $level > $deepest;
        }

        # return, then else: the else says nothing
        fault($file, $i + 1, 'else after return')
            if $line =~ /^( +)\} else\b/
               && $lines[$i - 1] =~ /^\s+(?:return|goto|continue|break)\b.*;$/
               && !chained(\@lines, $i, length $1);
    }
}


# "if … return … else if … else" where an earlier branch does not return

sub chained {
    my ($lines, $i, $indent) = @_;

    for (my $k = $i - 1; $k >= 0; $k--) {
        next if $lines->[$k] !~ /^ {$indent}\S/;
        return 0 if $lines->[$k] =~ /^ {$indent}(?:if|for|while|switch)\b/;
        return 1 if $lines->[$k] =~ /^ {$indent}\} else if\b/
                    && $lines->[$k - 1] !~ /^\s+(?:return|goto)\b/;
    }

    return 0;
}


# objects of one folder name share one place in nginx's build

sub check_names {
    my %seen;

    for my $file (files()) {
        next unless $file =~ m{^ngx_neon_proxy_module/.*?([^/]+)$};

        fault($file, 1, "the same name as $seen{$1}") if $seen{$1};
        $seen{$1} = $file;
    }
}
