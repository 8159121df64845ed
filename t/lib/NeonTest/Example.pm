package NeonTest::Example;

# A configuration of conf/, as it stands but for what only a test has to
# change: paths go into a folder of its own, ports to free ones of 127.0.0.1
# and, where the system has it, ::1.
#
#   my $e = NeonTest::Example->new($t, 'static.conf.example');
#   $e->put('10.0.0.11:5432' => $pg->address);    # must be there
#   $e->file('proxy.pgpass', $text);              # /etc/nginx/proxy.pgpass
#   my ($rc, $said) = $e->test;                   # nginx -t
#   my $n = $e->start;
#   $e->port(5432)                                # where it listens
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use File::Path qw/make_path/;
use IO::Socket::IP ();

use NeonTest::Certs;
use NeonTest::Nginx;


sub names {
    return map { m{([^/]+)$} } glob NeonTest::top() . '/conf/*.conf.example';
}


sub new {
    my ($class, $t, $name) = @_;

    my $conf = NeonTest::top() . '/conf';
    my $dir = $t->dir . "/$name";

    make_path("$dir/etc/nginx", "$dir/log", "$dir/run");

    my $self = bless {
        t => $t, dir => $dir, name => $name,
        text => NeonTest::slurp("$conf/$name"), ports => {},
    }, $class;

    # the files that come with the examples, and one that each makes for itself

    for my $path (glob "$conf/*.txt.example") {
        my ($file) = $path =~ m{([^/]+)\.example$};
        $self->file($file, NeonTest::slurp($path));
    }

    $self->file('neon.token', "token\n");

    return $self;
}


sub text { $_[0]{text} }


# what stands in the place of an address or a URL

sub put {
    my ($self, $old, $new) = @_;

    $self->{text} =~ s/\Q$old\E/$new/g
        or die "$self->{name}: there is no \"$old\"\n";

    return $self;
}


sub file {
    my ($self, $name, $text) = @_;

    my $path = "$self->{dir}/etc/nginx/$name";

    NeonTest::spew($path, $text);
    chmod 0600, $path;
}


sub port {
    my ($self, $port) = @_;

    return $self->{ports}{$port} //= $self->{t}->port;
}


sub conf {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $text = $self->{text};
    my $user = $> == 0 ? 'user root;' : '';

    $text =~ s/^\s*load_module .*\n//mg;
    $text =~ s/^\s*user\s.*/$user/mg;

    $text =~ s{(?<=[\s:=])/etc/nginx/tls/[^\s;]*internal-ca\.crt}
              {NeonTest::Certs::path('ca.crt')}ge;
    $text =~ s{(?<=[\s:=])/etc/nginx/tls/[^\s;]*\.(crt|key)}
              {NeonTest::Certs::path("db.$1")}ge;
    $text =~ s{(?<=[\s:=])/etc/nginx/}{$dir/etc/nginx/}g;
    $text =~ s{(?<=[\s:=])/var/log/nginx/}{$dir/log/}g;
    $text =~ s{(?<=[\s:=])/run/}{$dir/run/}g;

    $text =~ s{^(\s*listen\s+)(?:[\d.]+:)?(\d+)(?=[\s;])}
              {$1 . '127.0.0.1:' . $self->port($2)}mge;
    $text =~ s{^(\s*listen\s+)\[[\da-f:]+\]:(\d+)([^;]*;)}
              {six() ? "$1\[::1]:" . $self->port($2) . $3 : ''}mge;

    # what a package sets when it builds nginx

    my $http = join '', "access_log $dir/log/access.log;\n", map {
        "${_}_temp_path $dir/run/$_;\n"
    } qw/client_body proxy fastcgi uwsgi scgi/;

    $text =~ s/^http \{\n/http {\n$http/m;

    return $text;
}


sub six {
    return IO::Socket::IP->new(LocalHost => '::1', Listen => 1) ? 1 : 0;
}


sub test {
    my ($self) = @_;

    return $self->{t}->nginx_test(conf => $self->conf);
}


sub start {
    my ($self) = @_;

    my $n = $self->{t}->nginx(conf => "daemon off;\n" . $self->conf,
                              error_log => "$self->{dir}/log/error.log");

    # more descriptors than the machine gives: the default has to do
    $n->expect(qr/setrlimit\(RLIMIT_NOFILE, \d+\) failed/);

    return $n;
}


1;
