package NeonTest::Postgres;

# A PostgreSQL server of the test's own.  initdb runs once for a checkout;
# each server starts from a copy of what it made.
#
#   roles      password            how the server lets them in
#   postgres   -                   trust, on the Unix socket only
#   alice      alice's secret      scram-sha-256; owns database app
#   bob        pässwörd ①          scram-sha-256
#   mapped     soft\xadhyphen\xa0space as bob, for SASLprep's mapping
#   repl       repl                scram-sha-256; may replicate
#   trusty     trusty              trust
#   md5er      md5er               md5
#   clear      clear               password (cleartext)
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;
use utf8;

use DBI;
use Fcntl qw/:flock/;
use File::Path qw/make_path remove_tree/;

use NeonTest::Process;

my $version = 4;

our %password = (
    alice  => "alice's secret",
    bob    => "p\xe4ssw\xf6rd \x{2460}",
    mapped => "soft\xadhyphen\xa0space",
    repl   => 'repl',
    trusty => 'trusty',
    md5er  => 'md5er',
    clear  => 'clear',
);

utf8::encode($_) for values %password;

my $hba = <<'END';
local   all             all                             trust
host    all             trusty  127.0.0.1/32            trust
host    all             md5er   127.0.0.1/32            md5
host    all             clear   127.0.0.1/32            password
host    all             all     127.0.0.1/32            scram-sha-256
host    replication     repl    127.0.0.1/32            scram-sha-256
END

my $number = 0;


# new($t, ssl => 1, key => 'compute', conf => {}, hba => lines)

sub new {
    my ($class, $t, %o) = @_;

    my $self = bless {
        port => $t->port, dir => $t->dir . '/pg' . $number++,
        user => user(), %o,
    }, $class;

    copy(template(), $self->{dir});

    NeonTest::spew("$self->{dir}/pg_hba.conf", ($o{hba} // '') . $hba);
    $self->tls($o{key} // 'compute') if $o{ssl};
    own($self->{user}, $self->{dir});

    return $self;
}


sub port { $_[0]{port} }
sub address { "127.0.0.1:$_[0]{port}" }
sub password { $password{$_[1]} }


sub tls {
    my ($self, $name) = @_;

    require NeonTest::Certs;

    for my $kind (qw/crt key/) {
        my $file = "$self->{dir}/server.$kind";
        unlink $file;
        NeonTest::spew($file,
                       NeonTest::slurp(NeonTest::Certs::path("$name.$kind")));
        chmod 0600, $file;
    }

    own($self->{user}, $self->{dir});
}


sub start {
    my ($self) = @_;

    my %conf = (
        port => $self->{port}, listen_addresses => '127.0.0.1',
        unix_socket_directories => $self->{dir}, fsync => 'off',
        full_page_writes => 'off', synchronous_commit => 'off',
        shared_buffers => '32MB', max_connections => 100,
        log_connections => 'on', log_min_messages => 'info',
        ssl => $self->{ssl} ? 'on' : 'off',
        %{ $self->{conf} // {} },
    );

    unlink "$self->{dir}/postmaster.pid";

    $self->{process} = NeonTest::Process->spawn(
        [ bin('postgres'), '-D', $self->{dir},
          map { ('-c', "$_=$conf{$_}") } sort keys %conf ],
        out => "$self->{dir}.log", user => $self->{user}, end => 'INT');

    NeonTest::eventually(sub {
        die "PostgreSQL did not start:\n"
            . NeonTest::slurp("$self->{dir}.log")
            if !$self->{process}->alive;
        return NeonTest::slurp("$self->{dir}/postmaster.pid")
               =~ /^ready\s*$/m;
    }, undef, 30) or die "PostgreSQL is not ready\n";

    return $self;
}


# fast: sessions are cut with 57P01; immediate: as a crash

sub stop {
    my ($self, $mode) = @_;

    delete $self->{dbh};
    $self->{process}->stop(($mode // 'fast') eq 'fast' ? 'INT' : 'QUIT', 30);

    return $self;
}


sub restart { $_[0]->stop($_[1])->start }


sub log_text { NeonTest::slurp("$_[0]{dir}.log") }


# as superuser: rows of the result, or their single value in scalar context

sub sql {
    my ($self, $sql, @bind) = @_;

    $self->{dbh} //= DBI->connect(
        "dbi:Pg:dbname=app;host=$self->{dir};port=$self->{port}", 'postgres',
        '', { RaiseError => 1, PrintError => 0, PrintWarn => 0,
              AutoInactiveDestroy => 1 });

    my $st = $self->{dbh}->prepare($sql);
    $st->execute(@bind);

    my $rows = $st->{NUM_OF_FIELDS} ? $st->fetchall_arrayref : [];

    return wantarray ? @$rows : $rows->[0] && $rows->[0][0];
}


# the SCRAM verifier, as a control plane keeps it

sub verifier {
    my ($self, $role) = @_;

    return scalar $self->sql(
        'select rolpassword from pg_authid where rolname = ?', $role);
}


# sessions of a role at this moment

sub sessions {
    my ($self, $role) = @_;

    return scalar $self->sql(
        'select count(*) from pg_stat_activity where usename = ?', $role);
}


sub finish {
    my ($self) = @_;

    delete $self->{dbh};
    $self->{process}->stop('INT', 20);
}


sub bin {
    my ($name) = @_;

    my @found = sort { version($b) <=> version($a) }
                grep { -x } glob "/usr/lib/postgresql/*/bin/$name";

    die "no $name: the package postgresql is missing (make deps)\n"
        if !@found;
    return $found[0];
}


sub version { $_[0] =~ m{/postgresql/(\d+)/} ? $1 : 0 }


# PostgreSQL refuses to run as root

sub user {
    return undef if $> != 0;
    return defined getpwnam('postgres') ? 'postgres' : 'nobody';
}


sub own {
    my ($user, @paths) = @_;

    return unless defined $user;

    my (undef, undef, $uid, $gid) = getpwnam $user;

    for my $path (@paths) {
        my $r = NeonTest::Process::run([ 'chown', '-R', "$uid:$gid", $path ]);
        die "chown: $r->{err}" if $r->{rc};
    }
}


sub copy {
    my ($from, $to) = @_;

    my $r = NeonTest::Process::run([ 'cp', '-a', '--reflink=auto', $from,
                                     $to ]);
    die "cp: $r->{err}" if $r->{rc};
    chmod 0700, $to;
}


sub template {
    my $base = ($ENV{BUILD} || NeonTest::top() . '/build') . '/t';
    my $pg = version(bin('initdb'));
    my $template = "$base/pg-$pg-$version-$>";

    make_path($base);
    open my $lock, '>', "$base/pg.lock" or die "$base/pg.lock: $!\n";
    flock $lock, LOCK_EX or die "flock: $!\n";

    return $template if -d $template;

    # the server's user may not reach a checkout, so it is made elsewhere

    my $tmp = File::Temp::tempdir('neon-initdb-XXXXXX', TMPDIR => 1,
                                  CLEANUP => 1);
    my $user = user();

    own($user, $tmp);
    initdb("$tmp/data", $tmp, $user);
    copy("$tmp/data", "$template.new");
    rename "$template.new", $template or die "$template: $!\n";

    return $template;
}


sub initdb {
    my ($data, $tmp, $user) = @_;

    my $sql = "set password_encryption = 'scram-sha-256';\n";

    for my $role (sort keys %password) {
        (my $quoted = $password{$role}) =~ s/'/''/g;
        my $rights = $role eq 'repl' ? 'login replication' : 'login';

        $sql .= "set password_encryption = 'md5';\n" if $role eq 'md5er';
        $sql .= "create role $role $rights password '$quoted';\n";
        $sql .= "set password_encryption = 'scram-sha-256';\n";
    }

    $sql .= "create database app owner alice;\n";

    my @r = (NeonTest::Process::run(
        [ bin('initdb'), '-D', $data, '-U', 'postgres', '-A', 'trust', '-N',
          '-E', 'UTF8', '--locale=C.UTF-8', '--no-instructions' ],
        user => $user, cwd => '/'));

    die "initdb: $r[0]{err}\n" if $r[0]{rc};

    # the single-user mode needs no socket and no port

    my $r = NeonTest::Process::run(
        [ bin('postgres'), '--single', '-j', '-D', $data, 'postgres' ],
        user => $user, cwd => '/', stdin => $sql =~ s/;\n/;\n\n/gr);

    die "postgres --single: $r->{err}$r->{out}\n"
        if $r->{rc} || $r->{err} =~ /ERROR|FATAL/;
}


1;
