#!/usr/bin/perl
#
# source.pl PACKAGE same|newer DIR: a Debian source package, such as nginx,
# unpacked to DIR/src.  "same" is the suite of this machine, "newer" the newest
# suite that its mirror has.  The apt configuration of the machine is read, not
# changed: lists and cache live under DIR.
#
# The version that is installed comes first, then the newest.  Where it cannot
# be fetched the next older one is, and where no whole package can be,
# upstream's tarball of a package, without Debian's patches.  Exit status 2:
# nothing could be fetched (no network, no mirror).
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Cwd qw/abs_path/;
use File::Path qw/make_path remove_tree/;

my ($package, $which, $dir) = @ARGV;

die "usage: source.pl PACKAGE same|newer DIR\n"
    unless defined $dir && $which =~ /^(?:same|newer)$/;

make_path($dir);
$dir = abs_path($dir);

if (-d "$dir/src" && -f "$dir/version") {
    print version(), "\n";
    exit 0;
}

my @entries = grep { $_->{uri} =~ m{^(?:https?|file|copy|mirror\+)} } entries();
my @own = own(@entries);

if (!@own) {
    print STDERR "$0: no entry of apt's sources names this machine's suite\n";
    exit 2;
}

my @tries = $which eq 'same' ? (\@own) : newer($own[0]);

@tries = map { prepare(@$_) } @tries;

for my $tar_only (0, 1) {
    for my $try (@tries) {
        if (fetch($try, $tar_only)) {
            remove_tree("$dir/apt");
            print version(), "\n";
            exit 0;
        }
    }
}

print STDERR "$0: the source of $package could not be fetched, see"
             . " $dir/apt.log\n";
exit 2;


sub version {
    open my $fh, '<', "$dir/version" or return 'unknown version';
    chomp(my $v = <$fh>);
    return $v;
}


sub slurp {
    my ($path) = @_;

    open my $fh, '<', $path or return '';
    local $/;
    return scalar(<$fh>) // '';
}


# apt's sources, in both forms: { uri, suite, components, options }

sub entries {
    my (@list, $etc);

    chomp($etc = `apt-config shell D Dir::Etc/d`);
    $etc = $etc =~ /'(.*)'/ ? $1 : '/etc/apt';
    $etc =~ s{/$}{};

    for my $file ("$etc/sources.list", glob "$etc/sources.list.d/*.list") {
        for (split /\n/, slurp($file)) {
            next unless /^\s*deb(?:-src)?\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)
                          \s+([^#]+)/x;
            my ($options, $uri, $suite, $components) = ($1 // '', $2, $3, $4);
            my %option = $options =~ /([\w-]+)=(\S+)/g;

            push @list, { uri => $uri, suite => $suite,
                          components => [ split ' ', $components ],
                          signed_by => $option{'signed-by'} };
        }
    }

    for my $file (glob "$etc/sources.list.d/*.sources") {
        for my $stanza (split /\n[ \t]*\n+/, slurp($file)) {
            $stanza =~ s/^#.*\n?//mg;

            my %field;
            while ($stanza =~ /^([\w-]+):[ \t]*(.*(?:\n[ \t]+.*)*)/mg) {
                $field{lc $1} = $2;
            }

            next if ($field{enabled} // 'yes') =~ /^(?:no|false|0)/i;
            next unless $field{uris} && $field{suites};

            for my $uri (split ' ', $field{uris}) {
                push @list, map { {
                    uri => $uri, suite => $_,
                    components => [ split ' ', $field{components} // '' ],
                    signed_by => $field{'signed-by'},
                } } split ' ', $field{suites};
            }
        }
    }

    return @list;
}


# the entries of this machine's suite; its main one first

sub own {
    my %os = slurp('/etc/os-release') =~ /^(\w+)="?([^"\n]*)/mg;
    my $codename = $os{VERSION_CODENAME} // return;
    my (@own, %seen);

    for my $entry (@_) {
        next unless grep { $_ eq 'main' } @{ $entry->{components} };
        next unless $entry->{suite} =~ /^\Q$codename\E(?:-updates|-security)?$/;
        next if $seen{"$entry->{uri} $entry->{suite}"}++;
        push @own, $entry;
    }

    return sort { length $a->{suite} <=> length $b->{suite} } @own;
}


# newer suites on the same mirror, the newest first

sub newer {
    my ($main) = @_;

    my %os = slurp('/etc/os-release') =~ /^(\w+)="?([^"\n]*)/mg;
    my @suites = ($os{ID} // '') eq 'ubuntu' ? ('devel')
                                             : qw/sid forky trixie/;

    return map { [ { %$main, suite => $_ } ] } @suites;
}


# the options that give apt a life of its own under DIR, with lists fetched

sub prepare {
    my @sources = @_;

    my $suites = join ' ', map { $_->{suite} } @sources;
    my $apt = "$dir/apt/$sources[0]{suite}";

    remove_tree($apt);
    make_path(map { "$apt/$_" } qw{lists/partial cache/archives/partial
                                   etc/parts state});

    my $text = '';

    for my $s (@sources) {
        $text .= "Types: deb-src\nURIs: $s->{uri}\nSuites: $s->{suite}\n"
                 . "Components: main\n";
        $text .= "Signed-By: $s->{signed_by}\n" if $s->{signed_by};
        $text .= "\n";
    }

    write_file("$apt/etc/parts/own.sources", $text);
    write_file("$apt/state/status", '');

    my @apt = ('-o', "Dir::State=$apt/state",
               '-o', "Dir::State::status=$apt/state/status",
               '-o', "Dir::State::lists=$apt/lists",
               '-o', "Dir::Cache=$apt/cache",
               '-o', "Dir::Etc::sourcelist=$apt/etc/none",
               '-o', "Dir::Etc::sourceparts=$apt/etc/parts",
               '-o', 'Acquire::Languages=none',
               '-o', 'Acquire::Retries=2');

    push @apt, '-o', 'APT::Sandbox::User=root' if $> == 0;

    if (run($dir, 'apt-get', @apt, '--error-on=any', 'update') != 0) {
        print STDERR "$0: apt-get update of $suites failed\n";
        return;
    }

    return { suites => $suites, apt => \@apt, versions => [ versions(@apt) ] };
}


sub fetch {
    my ($try, $tar_only) = @_;

    for my $version (@{ $try->{versions} }) {
        my $what = "$package $version"
                   . ($tar_only ? ", upstream's tarball" : '');

        remove_tree("$dir/download", "$dir/src", "$dir/version");
        make_path("$dir/download");

        if (run("$dir/download", 'apt-get', @{ $try->{apt} }, 'source',
                '--download-only', $tar_only ? '--tar-only' : (),
                "$package=$version") != 0)
        {
            print STDERR "$0: $what of $try->{suites} cannot be fetched\n";
            next;
        }

        if (!unpack_source()) {
            print STDERR "$0: $what of $try->{suites} cannot be unpacked\n";
            remove_tree("$dir/src");
            next;
        }

        write_file("$dir/version", "$what ($try->{suites})\n");
        return 1;
    }

    return 0;
}


sub unpack_source {
    my ($dsc) = glob "$dir/download/*.dsc";
    my ($tar) = glob "$dir/download/*.orig.tar.*z";

    return 0 == run($dir, 'dpkg-source', '--no-check', '-x', $dsc, "$dir/src")
        if defined $dsc;

    make_path("$dir/src");
    return 0 == run($dir, 'tar', '-xf', $tar, '-C', "$dir/src",
                    '--strip-components=1');
}


sub versions {
    my @apt = @_;

    open my $fh, '-|', 'apt-cache', @apt, 'showsrc', $package or return;
    my %versions;

    # the package itself, not sources that build a package like it
    my $name = '';

    while (<$fh>) {
        $name = $1 if /^Package: (\S+)/;
        $versions{$1} = 1 if /^Version: (\S+)/ && $name eq $package;
    }

    my $installed = `dpkg-query -W -f '\${source:Version}' $package 2>&1`;
    my @first = delete $versions{$installed} ? $installed : ();

    return @first, sort {
        system('dpkg', '--compare-versions', $a, 'gt', $b) == 0 ? -1 : 1
    } keys %versions;
}


sub write_file {
    my ($path, $text) = @_;

    open my $fh, '>', $path or die "$path: $!\n";
    print $fh $text;
    close $fh or die "$path: $!\n";
}


sub run {
    my ($cwd, @command) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        chdir $cwd or die "$cwd: $!\n";
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$dir/apt.log" or die "$dir/apt.log: $!\n";
        open STDERR, '>&', \*STDOUT;
        $ENV{LC_ALL} = 'C';
        exec @command or die "$command[0]: $!\n";
    }

    waitpid $pid, 0;
    return $?;
}
