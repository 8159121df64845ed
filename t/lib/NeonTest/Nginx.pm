package NeonTest::Nginx;

# An nginx with the module: configuration from the test's snippets, and at the
# end the proof that its logs are clean and its workers leave.
#
#   NEON_NGINX          the binary (default: nginx of the system)
#   NEON_MODULE         the module; empty: linked into the binary
#   NEON_STREAM_MODULE  nginx's stream module; empty: in the binary
#   NEON_DEBUG          1: error_log at debug
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use Test::More ();
use Time::HiRes qw/time/;

use NeonTest::Certs;
use NeonTest::Process;

my $number = 0;


# new($t, main => directives of neon_proxy main {}, workers => 1,
#     stream => servers (default: one with TLS, and one without if plain => 1),
#     server => more directives for the default servers, http => servers,
#     globals => text before stream {}, stream_head => text before its servers,
#     conf => the whole of it)

sub new {
    my ($class, $t, %o) = @_;

    my $dir = $t->dir . '/nginx' . $number++;

    mkdir $dir or die "$dir: $!\n";
    mkdir "$dir/logs";

    my $self = bless {
        t => $t, dir => $dir, error_log => "$dir/error.log",
        binary => $ENV{NEON_NGINX} || '/usr/sbin/nginx',
        expected => [], %o,
    }, $class;

    die "no nginx at $self->{binary} (make deps)\n" if !-x $self->{binary};

    $self->{port} //= $t->port;
    $self->{plain_port} //= $t->port if $o{plain};
    $self->write_conf;

    return $self;
}


sub port { $_[0]{port} }
sub plain_port { $_[0]{plain_port} }
sub dir { $_[0]{dir} }


sub write_conf {
    my ($self) = @_;

    NeonTest::spew("$self->{dir}/nginx.conf", $self->conf);
}


# changes the snippets for the next reload

sub set {
    my ($self, %o) = @_;

    $self->{$_} = $o{$_} for keys %o;
    $self->write_conf;

    return $self;
}


sub conf {
    my ($self) = @_;

    return modules() . $self->{conf} if defined $self->{conf};

    my $level = $ENV{NEON_DEBUG} ? 'debug' : 'info';
    my $workers = $self->{workers} // 1;
    my $user = $> == 0 ? "user root;\n" : '';
    my $connections = $self->{connections} // 1024;
    my $globals = $self->{globals} // '';
    my $main = defined $self->{main} ? "neon_proxy main {\n$self->{main}\n}\n"
                                     : '';
    my $stream = ($self->{stream_head} // '')
                 . ($self->{stream} // $self->servers);
    my $http = defined $self->{http} ? <<"END" : '';
http {
    access_log off;
    client_body_temp_path $self->{dir}/body;
    proxy_temp_path $self->{dir}/proxy;
    fastcgi_temp_path $self->{dir}/fastcgi;
    uwsgi_temp_path $self->{dir}/uwsgi;
    scgi_temp_path $self->{dir}/scgi;
$self->{http}
}
END

    return modules() . <<"END";
daemon off;
$user
worker_processes $workers;
pid $self->{dir}/nginx.pid;
error_log $self->{error_log} $level;
events { worker_connections $connections; }

$globals
$main
stream {
$stream
}
$http
END
}


sub modules {
    my $build = NeonTest::build();
    my $stream = $ENV{NEON_STREAM_MODULE}
                 // '/usr/lib/nginx/modules/ngx_stream_module.so';
    my $module = $ENV{NEON_MODULE} // "$build/ngx_neon_proxy_module.so";

    return join '', map { "load_module $_;\n" } grep { $_ ne '' }
           $stream, $module;
}


sub servers {
    my ($self) = @_;

    my $certs = NeonTest::Certs::path();
    my $more = $self->{server} // '';
    my $pass = $self->{pass} // 'neon_proxy_pass main;';

    my $text = <<"END";
server {
    listen 127.0.0.1:$self->{port};
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    $more
    $pass
}
END

    $text .= <<"END" if $self->{plain_port};
server {
    listen 127.0.0.1:$self->{plain_port};
    $more
    $pass
}
END

    return $text;
}


sub command {
    my ($self, @more) = @_;

    # older than any log of the configuration, and of a place of our own
    return [ $self->{binary}, '-p', $self->{dir}, '-e', $self->{error_log},
             '-c', "$self->{dir}/nginx.conf", @more ];
}


# for the sanitizer build; `nginx -t` ends without freeing its configuration

sub env {
    my ($self, $leaks) = @_;

    my $path = "log_path=$self->{dir}/sanitizer";
    my $known = NeonTest::top() . '/t/lib/lsan.supp';

    return {
        ASAN_OPTIONS => "$path:detect_leaks=$leaks"
                        . ':detect_stack_use_after_return=1',
        LSAN_OPTIONS => "suppressions=$known:print_suppressions=0",
        UBSAN_OPTIONS => "$path:print_stacktrace=1",
        %{ $self->{env} // {} },
    };
}


# (exit status, all it said)

sub test {
    my ($self) = @_;

    my $r = NeonTest::run($self->command('-t'), env => $self->env(0));

    return wantarray ? ($r->{rc}, $r->{err} . $self->log) : $r->{rc};
}


sub start {
    my ($self) = @_;

    $self->{process} = NeonTest::Process->spawn($self->command,
        out => "$self->{dir}/output", env => $self->env(1));

    my $workers = $self->{workers} // 1;

    NeonTest::eventually(sub {
        die "nginx did not start:\n" . $self->log
            . NeonTest::slurp("$self->{dir}/output")
            if !$self->{process}->alive;
        return $self->started >= $workers;
    }, undef, 15) or die "nginx is not ready:\n" . $self->log;

    return $self;
}


# pids of all workers that were ever started, the oldest first

sub started {
    my ($self) = @_;

    my @pids = $self->log =~ /: start worker process (\d+)$/mg;
    return @pids;
}


# pids of the workers of the present generation

sub workers {
    my ($self) = @_;

    my @started = $self->started;
    my $n = $self->{workers} // 1;

    return @started[-$n .. -1];
}


# bytes of memory that the first of them has

sub rss {
    my ($self) = @_;

    my ($pid) = $self->workers;
    my ($kb) = NeonTest::slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m;

    return 1024 * $kb;
}


sub pid { $_[0]{process}->pid }
sub log { NeonTest::slurp($_[0]{error_log}) }


sub log_like {
    my ($self, $pattern, $name, $seconds) = @_;

    NeonTest::eventually(sub { $self->log =~ $pattern }, undef, $seconds);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::like($self->log, $pattern, $name);
}


# waits until the new workers are there and the old ones accept no more

sub reload {
    my ($self) = @_;

    my $old = $self->started;
    my $new = $old + ($self->{workers} // 1);
    my $failed = () = $self->log =~ /\[emerg\]/g;

    $self->{process}->signal('HUP');

    return NeonTest::eventually(sub {
        my $log = $self->log;

        return 1 if $failed < (() = $log =~ /\[emerg\]/g);
        return $self->started >= $new
               && $old <= (() = $log =~ /: gracefully shutting down$/mg);
    }, undef, 15);
}


sub signal { $_[0]{process}->signal($_[1]) }
sub alive { $_[0]{process}->alive }


# graceful; the wait status, undef if it is not over within the seconds

sub quit {
    my ($self, $seconds) = @_;

    $self->{process}->signal('QUIT');
    return $self->{process}->wait(($seconds // 10) * $NeonTest::slow);
}


# lines of [alert], [crit], [emerg] that the test provokes

sub expect {
    my ($self, $pattern) = @_;

    push @{ $self->{expected} }, $pattern;
}


sub finish {
    my ($self) = @_;

    return if $self->{finished}++ || !$self->{process};

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    if ($self->alive) {
        my $status = $self->quit($self->{quit_timeout} // 15);

        if (!defined $status) {
            $self->{process}->stop('TERM', 10);
        }

        Test::More::is($status, 0, 'nginx quits');
    }

    Test::More::is($self->unexpected, '', 'no alerts in the log');
    Test::More::is($self->died, '', 'all workers ended well');
    Test::More::is($self->sanitizer, '', 'no sanitizer reports');
}


sub unexpected {
    my ($self) = @_;

    my @lines = grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $self->log;

    for my $pattern (@{ $self->{expected} }) {
        @lines = grep { $_ !~ $pattern } @lines;
    }

    return join "\n", @lines;
}


sub died {
    my ($self) = @_;

    # line by line: one pattern over all of it is quadratic

    return join "\n", grep { /process \d+ exited (?:with|on) /
                             && !/with code 0$/ } split /\n/, $self->log;
}


sub sanitizer {
    my ($self) = @_;

    return join "\n", map { NeonTest::slurp($_) }
           grep { -s } glob "$self->{dir}/sanitizer*";
}


1;
