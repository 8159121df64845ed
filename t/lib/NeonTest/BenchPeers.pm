package NeonTest::BenchPeers;

# The proxies that t/bench/peers.pl compares, each with one worker or process,
# before the same compute.
#
#   my $peers = NeonTest::BenchPeers->new($t, compute => 'fake', files => N);
#   for my $peer ($peers->all) { $peer->{name}, $peer->{worker} }
#   $peers->options($peer, 'tls')      # load.c's, and the port
#   $peers->finish;
#
# A peer: { name, worker => pid, port => { plain, tls }, tls => as load.c's -t,
# endpoint => is named, websocket }.  `direct` has no worker, and no TLS.
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use IO::Socket::INET;

use NeonTest;
use NeonTest::Process;
use NeonTest::Scram;

my $number = 0;

our @names = qw/direct nginx haproxy pgbouncer ours websocket/;


# workers => of nginx

sub new {
    my ($class, $t, %o) = @_;

    my $self = bless { t => $t, files => $o{files},
                       dir => $t->dir . '/peers' . $number++,
                       workers => $o{workers} // 1,
                       only => { map { $_ => 1 } @{ $o{only} // \@names } },
                       processes => [] }, $class;

    mkdir $self->{dir} or die "$self->{dir}: $!\n";

    $self->{password} = 'pw';
    $self->{verifier} = NeonTest::Scram::verifier('pw');
    $o{postgres} ? $self->use_postgres : $self->start_compute;

    $self->start_nginx;
    $self->start_haproxy if $self->{only}{haproxy};
    $self->start_pgbouncer if $self->{only}{pgbouncer};

    $self->{peer}{direct} = { tls => 'none', port => {
        plain => $self->{compute} } };
    $self->{peer}{$_}{name} = $_ for keys %{ $self->{peer} };

    return $self;
}


sub all {
    my ($self) = @_;

    return map { $self->{peer}{$_} } grep { $self->{only}{$_} } @names;
}


sub peer { $_[0]{peer}{$_[1]} }

sub pids {
    my ($self) = @_;

    return ($self->{nginx}->workers, map { $_->pid } @{ $self->{processes} });
}


sub control_plane { $_[0]{cp} }


# what load.c is told, the port is the last; none: it has no TLS

sub options {
    my ($self, $peer, $scheme, @more) = @_;

    my $port = $peer->{port}{$scheme eq 'plain' ? 'plain' : 'tls'} // return;
    my $endpoint = $peer->{endpoint} ? $self->{endpoint} // 'ep-1' : undef;

    return ($scheme eq 'plain' ? () : ('-t', $peer->{tls}),
            $scheme eq 'resumed' ? '-r' : (),
            $peer->{websocket} ? '-W' : (),
            defined $endpoint ? ('-e', $endpoint) : (),
            '-u', 'alice', '-w', $self->{password}, @more, $port);
}


sub finish {
    my ($self) = @_;

    $self->{nginx}->finish;
    $_->stop('TERM', 5) for @{ $self->{processes} };
}


# --- what is behind them --------------------------------------------------

sub start_compute {
    my ($self) = @_;

    my $program = "$self->{dir}/compute";
    my $built = run([ 'cc', '-O2', '-o', $program,
                      top() . '/t/bench/compute.c', '-lcrypto' ]);
    die $built->{err} if $built->{rc};

    $self->{compute} = $self->{t}->port;
    $self->start('compute', [ $program, $self->{verifier},
                              $self->{compute} ], $self->{compute});
}


sub use_postgres {
    my ($self) = @_;

    my $pg = $self->{pg} //= $self->{t}->postgres(
        conf => { max_connections => 200, log_connections => 'off' });

    $self->{compute} = $pg->port;
    $self->{password} = $pg->password('alice');
    $self->{verifier} = $pg->verifier('alice');
}


# --- the proxies ----------------------------------------------------------

sub start {
    my ($self, $name, $command, $port, %o) = @_;

    my $out = "$self->{dir}/$name.out";
    my $process = NeonTest::Process->spawn(
        [ 'sh', '-c', "ulimit -n $self->{files}; exec \"\$@\"", $name,
          @$command ], out => $out, %o);

    eventually {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
    } or die "$name did not start: " . slurp($out);

    push @{ $self->{processes} }, $process;

    return $process->pid;
}


# stock's proxy_pass and ours, in the same worker

sub start_nginx {
    my ($self) = @_;

    my $t = $self->{t};
    my $certs = $t->certs;
    my $cp = $self->{cp} = $t->control_plane(cache => 1);
    my %port = map { $_ => $t->port } qw/plain tls stock stocktls ws wss/;

    $cp->role('ep-1', alice => $self->{verifier});
    $cp->endpoint('ep-1', address => "127.0.0.1:$self->{compute}");

    my $tls = "ssl_certificate $certs/db.crt;"
              . " ssl_certificate_key $certs/db.key;"
              . ' ssl_protocols TLSv1.2 TLSv1.3;';
    my $stock = "proxy_pass 127.0.0.1:$self->{compute};";

    $self->{nginx} = $t->nginx(
        workers => $self->{workers}, connections => $self->{files} - 100,
        globals => "worker_rlimit_nofile $self->{files};",
        main => $cp->directives . "websocket_insecure on;\n"
                . "websocket_ping off;\n",
        stream => "error_log @{[ $t->dir ]}/stream.log warn;\n" . join('', map {
            "server { listen 127.0.0.1:$_->[0] backlog=4096$_->[1]; $_->[2] }\n"
        } [ $port{plain}, '', 'neon_proxy_pass main;' ],
          [ $port{tls}, '', "$tls neon_proxy_pass main;" ],
          [ $port{stock}, '', $stock ],
          [ $port{stocktls}, ' ssl', "$tls $stock" ]),
        http => <<"END");
error_log @{[ $t->dir ]}/http.log warn;
server {
    listen 127.0.0.1:$port{ws} backlog=4096;
    listen 127.0.0.1:$port{wss} ssl backlog=4096;
    $tls
    location / { neon_proxy_websocket main; }
}
END

    my ($worker) = $self->{nginx}->workers;

    $self->{peer}{nginx} = { worker => $worker, tls => 'direct', port => {
        plain => $port{stock}, tls => $port{stocktls} } };
    $self->{peer}{ours} = { worker => $worker, tls => 'inband', endpoint => 1,
        port => { plain => $port{plain}, tls => $port{tls} } };
    $self->{peer}{websocket} = { worker => $worker, tls => 'direct',
        endpoint => 1, websocket => 1,
        port => { plain => $port{ws}, tls => $port{wss} } };
}


sub start_haproxy {
    my ($self) = @_;

    my $t = $self->{t};
    my $conf = "$self->{dir}/haproxy.cfg";
    my $pem = "$self->{dir}/haproxy.pem";
    my ($plain, $tls) = map { $t->port } 1 .. 2;
    my $most = int $self->{files} / 2 - 100;

    spew($pem, slurp($t->certs('db.crt')) . slurp($t->certs('db.key')));
    spew($conf, <<"END");
global
    nbthread 1
    maxconn $most
    fd-hard-limit $self->{files}
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode tcp
    maxconn $most
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen plain
    bind 127.0.0.1:$plain
    server compute 127.0.0.1:$self->{compute}
listen tls
    bind 127.0.0.1:$tls ssl crt $pem
    server compute 127.0.0.1:$self->{compute}
END

    my $pid = $self->start('haproxy', [ 'haproxy', '-db', '-f', $conf ],
                           $plain);

    $self->{peer}{haproxy} = { worker => $pid, tls => 'direct',
        port => { plain => $plain, tls => $tls } };
}


# a new connection to the compute for each client, as the others make it

sub start_pgbouncer {
    my ($self) = @_;

    my $t = $self->{t};
    my $dir = "$self->{dir}/pgbouncer";
    my $port = $t->port;
    my $most = int $self->{files} / 2 - 100;

    mkdir $dir or die "$dir: $!\n";

    # it does not run as root, and reads the key as whom it is
    spew("$dir/db.$_", slurp($t->certs("db.$_"))) for qw/crt key/;
    spew("$dir/users", qq{"alice" "$self->{verifier}"\n});
    spew("$dir/pgbouncer.ini", <<"END");
[databases]
app = host=127.0.0.1 port=$self->{compute} dbname=app
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $dir/users
pool_mode = session
default_pool_size = $most
max_client_conn = $most
server_lifetime = 0
listen_backlog = 4096
client_tls_sslmode = allow
client_tls_cert_file = $dir/db.crt
client_tls_key_file = $dir/db.key
log_connections = 0
log_disconnections = 0
END

    chmod 0644, glob "$dir/*";

    my $pid = $self->start('pgbouncer', [ 'pgbouncer', '-q',
                                          "$dir/pgbouncer.ini" ], $port,
                           user => 'nobody');

    $self->{peer}{pgbouncer} = { worker => $pid, tls => 'inband',
        port => { plain => $port, tls => $port } };
}


1;
