package NeonTest;

# A test's own little world: a folder, free ports, a PostgreSQL, control
# planes, computes and nginx, all of which end with the test, however it ends.
#
#   use NeonTest;                       # strict, warnings, Test::More
#
#   my $t  = NeonTest->new;
#   my $pg = $t->postgres;
#   my $n  = $t->nginx(main => "...");
#   ...
#   $t->done;                           # checks the logs, done_testing
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Cwd qw/abs_path/;
use File::Basename qw/dirname/;
use File::Path qw/remove_tree/;
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Socket qw/IPPROTO_UDP/;
use Test::More ();
use Time::HiRes qw/sleep time/;

use NeonTest::Process;

our @EXPORT = qw/eventually top build slurp spew run/;

my $top = abs_path(dirname(__FILE__) . '/../..');

# one sanitizer-built worker is slower than the deadlines of a plain one
our $slow = ($ENV{NEON_NGINX} // '') =~ /asan|valgrind/ ? 4 : 1;

my @open;


sub import {
    my ($class) = @_;

    my $caller = caller;

    strict->import;
    warnings->import;
    Test::More->export_to_level(1, $class);

    no strict 'refs';
    *{"${caller}::$_"} = \&{$_} for @EXPORT;
}


sub new {
    my ($class) = @_;

    my $self = bless { owner => $$, parts => [], ports => [] }, $class;

    # short: the path of a socket has 107 bytes at most
    $self->{dir} = File::Temp::tempdir('neon-XXXXXXXX', TMPDIR => 1);
    chmod 0755, $self->{dir};

    srand($$ ^ int(1e6 * time));

    push @open, $self;

    return $self;
}


sub dir { $_[0]{dir} }
sub top { $top }
sub build { $ENV{BUILD} || "$top/build" }


# a port that nobody else gets: it lies below those that the kernel gives to
# outgoing connections, and an UDP socket holds it against parallel tests

sub port {
    my ($self) = @_;

    for (1 .. 1000) {
        my $port = 11000 + int rand 20000;

        my $lock = IO::Socket::INET->new(Proto => 'udp',
            LocalAddr => '127.0.0.1', LocalPort => $port) or next;
        my $try = IO::Socket::INET->new(Proto => 'tcp', Listen => 1,
            LocalAddr => '127.0.0.1', LocalPort => $port) or next;

        close $try;
        push @{ $self->{ports} }, $lock;
        return $port;
    }

    die "no free port\n";
}


sub certs {
    require NeonTest::Certs;
    return NeonTest::Certs::path($_[1]);
}


sub postgres {
    my ($self, %o) = @_;

    require NeonTest::Postgres;
    return $self->part(NeonTest::Postgres->new($self, %o)->start);
}


sub nginx {
    my ($self, %o) = @_;

    require NeonTest::Nginx;
    return $self->part(NeonTest::Nginx->new($self, %o)->start);
}


# configuration only, as `nginx -t` sees it: (exit status, what it says)

sub nginx_test {
    my ($self, %o) = @_;

    require NeonTest::Nginx;
    return NeonTest::Nginx->new($self, %o)->test;
}


sub control_plane {
    my ($self, %o) = @_;

    require NeonTest::ControlPlane;
    return $self->part(NeonTest::ControlPlane->new($self, %o)->start);
}


sub collector {
    my ($self, %o) = @_;

    require NeonTest::Collector;
    return $self->part(NeonTest::Collector->new($self, %o)->start);
}


sub fake_compute {
    my ($self, $handler, %o) = @_;

    require NeonTest::FakeCompute;
    return $self->part(NeonTest::FakeCompute->new($self, $handler, %o)
                       ->start);
}


sub client {
    my ($self, %o) = @_;

    require NeonTest::PgClient;
    return NeonTest::PgClient->new(%o);
}


# a client that has logged in, or was refused: see $client->error

sub login {
    my ($self, %o) = @_;

    require NeonTest::PgClient;
    return NeonTest::PgClient->new(%o)->login(%o);
}


# role and password lines of a PostgreSQL's roles, for `control_plane static`

sub role_file {
    my ($self, $pg, @roles) = @_;

    my $path = $self->{dir} . '/roles' . ++$self->{role_files};

    spew($path, join '', map {
        "\"$_\" \"" . $pg->verifier($_) . "\"\n"
    } @roles);
    chmod 0600, $path;

    return $path;
}


# a static control plane whose endpoint ep-1 is the PostgreSQL

sub static {
    my ($self, $pg, @roles) = @_;

    @roles = qw/alice bob repl trusty clear/ if !@roles;

    return "control_plane static;\nendpoint ep-1 127.0.0.1:" . $pg->port
           . ";\nrole_file " . $self->role_file($pg, @roles) . ";\n";
}


# a control plane, a fake compute that welcomes everybody (or does as `compute`
# says) and nginx before them; alice of ep-1 has the password "pw"; cache => 1:
# with the caches of a proxy that says nothing of them

sub front {
    my ($self, %o) = @_;

    my $handler = delete $o{compute} // \&welcome;
    my $main = delete $o{main} // '';
    my $cp = delete $o{control_plane}
             // $self->control_plane(api => delete $o{api} // 'v1',
                                     cache => delete $o{cache});
    my $compute = $self->fake_compute($handler);

    require NeonTest::Scram;
    $self->{verifier} = NeonTest::Scram::verifier('pw');

    $cp->role('ep-1', alice => $self->{verifier});
    $cp->endpoint('ep-1', address => $compute->address);

    my $nginx = $self->nginx(main => $cp->directives . $main, %o);

    return ($nginx, $cp, $compute);
}


sub welcome {
    my ($c) = @_;

    $c->startup or return;
    $c->welcome;
    $c->serve;
}


# as login(), to the front's TLS port, with the right password

sub enter {
    my ($self, $nginx, %o) = @_;

    return $self->login(
        port => ($o{tls} // '') eq 'none' ? $nginx->plain_port // $nginx->port
                                          : $nginx->port,
        sni => 'ep-1.db.example.com', password => 'pw', %o);
}


# tests: the client was let in, and is served; it leaves

sub served {
    my ($self, $name, $c) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::is($c->error_text, '', "$name: logged in");
    Test::More::is($c->value('hello'), 'hello', "$name: a query");
    $c->close;
}


# a client that has given its proof and now waits: ->authenticate goes on

sub knock {
    my ($self, $nginx, %o) = @_;

    return $self->enter($nginx, %o, stop => 1);
}


sub part {
    my ($self, $part) = @_;

    push @{ $self->{parts} }, $part;
    return $part;
}


# a test: nginx took no more bytes of memory than so many; what the sanitizers
# need is not of our making

sub flat {
    my ($self, $grown, $most, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    SKIP: {
        Test::More::skip('memory of the sanitizer build', 1) if $slow > 1;

        Test::More::cmp_ok($grown, '<=', $most,
                           "$name: " . ($grown >> 10) . ' kB of memory more');
    }
}


# psql through a proxy: endpoint by SNI, certificate verified

sub psql {
    my ($self, $sql, %o) = @_;

    my $password = delete $o{password} // '';
    my $env = delete $o{env} // {};
    my $args = delete $o{args} // [];
    my $timeout = delete $o{timeout} // 60;

    my %info = (
        host => 'ep-1.db.example.com', hostaddr => '127.0.0.1',
        user => 'alice', dbname => 'app', sslmode => 'verify-full',
        sslrootcert => $self->certs('ca.crt'), connect_timeout => 30, %o,
    );

    my $conninfo = join ' ', map {
        (my $v = $info{$_}) =~ s/([\\'])/\\$1/g; "$_='$v'"
    } grep { defined $info{$_} } sort keys %info;

    return run([ 'psql', '-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1',
                 @$args, '-d', $conninfo ],
               stdin => $sql, timeout => $timeout,
               env => { PGPASSWORD => $password, %$env });
}


sub done {
    my ($self) = @_;

    for my $part (reverse @{ $self->{parts} }) {
        $part->finish if $part->can('finish');
    }

    NeonTest::Process->end_all;
    Test::More::done_testing();
}


# Waits until the code says true: polls, and gives up at the deadline.

sub eventually(&;$$) {
    my ($code, $name, $seconds) = @_;

    $seconds = ($seconds // 10) * $slow;

    my $deadline = time + $seconds;
    my $pause = 0.005;

    while (1) {
        my $value = $code->();

        if ($value) {
            Test::More::pass($name) if defined $name;
            return $value;
        }

        last if time > $deadline;

        sleep $pause;
        $pause *= 1.5 if $pause < 0.05;
    }

    Test::More::fail("$name (not within $seconds s)") if defined $name;
    return;
}


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return '';
    local $/;
    return scalar(<$fh>) // '';
}


sub spew {
    my ($path, $text) = @_;

    open my $fh, '>:raw', $path or die "$path: $!\n";
    print $fh $text;
    close $fh or die "$path: $!\n";
    return $path;
}


# runs a program to its end: { rc, out, err, signal }

sub run {
    my ($command, %o) = @_;

    return NeonTest::Process::run($command, %o);
}


sub cleanup {
    my ($self) = @_;

    return if $self->{owner} != $$;

    if ($ENV{NEON_KEEP}) {
        print STDERR "# $self->{dir} is kept\n";
        return;
    }

    remove_tree($self->{dir}, { safe => 0 });
}


# the tail of nginx's log is the first thing one wants to see

sub diagnose {
    my ($self) = @_;

    for my $part (grep { $_->can('log') } @{ $self->{parts} }) {
        my @lines = split /\n/, $part->log;
        splice @lines, 0, @lines - 40 if @lines > 40;
        print STDERR map { "# $_\n" } @lines;
    }
}


for my $signal (qw/INT TERM HUP/) {
    $SIG{$signal} = sub { exit 128 + 15 };
}


END {
    my $status = $?;

    NeonTest::Process->end_all;

    for my $self (@open) {
        next if $self->{owner} != $$;

        $self->diagnose if $status || $ENV{NEON_VERBOSE};
        $self->cleanup;
    }

    $? = $status;
}


1;
