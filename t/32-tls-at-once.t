#!/usr/bin/perl

# A handshake that is over as soon as it begins, since the client's part of it
# is always there before it is looked for: it happens on a busy machine, where a
# worker has to wait between what it writes and what it reads.

use lib 't/lib';
use NeonTest;
use NeonTest::Link;
use NeonTest::Wire;

plan skip_all => 'a sanitizer or valgrind wants to be the first library'
    if $NeonTest::slow > 1;

my $t = NeonTest->new;
my $dir = $t->dir;

# what goes to a socket has an answer before the call comes back
spew("$dir/late.c", <<'END');
#define _GNU_SOURCE
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static ssize_t
answered(int fd, ssize_t rc)
{
    int            type;
    socklen_t      len = sizeof(type);
    struct pollfd  pfd = { fd, POLLIN, 0 };

    if (rc > 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0) {
        (void) poll(&pfd, 1, 300);
    }

    return rc;
}

ssize_t
write(int fd, const void *buf, size_t n)
{
    return answered(fd, syscall(SYS_write, fd, buf, n));
}

ssize_t
send(int fd, const void *buf, size_t n, int flags)
{
    return answered(fd, syscall(SYS_sendto, fd, buf, n, flags, NULL, 0));
}
END

my $r = NeonTest::run([ qw/cc -O1 -shared -fPIC -o/, "$dir/late.so",
                        "$dir/late.c" ]);
is($r->{err}, '', 'a library that makes it so');

my ($crt, $key, $ca) = map { $t->certs($_) } qw/db.crt db.key ca.crt/;
NeonTest::Certs::client($dir, 'ca', 'alice');

my $tls = "ssl_certificate $crt; ssl_certificate_key $key;"
          . " ssl_verify_client on; ssl_client_certificate $ca;";
my $wanted = '28000 connection requires a valid client certificate';
my ($n, $l);

{
    my $port = $t->port;

    local $ENV{LD_PRELOAD} = "$dir/late.so";

    ($n) = $t->front(port => $port, stream => <<"END");
server { listen 127.0.0.1:$port; $tls neon_proxy_pass main; }
END
    $l = NeonTest::Link->new($t, manage => $tls);
}

# of its own, or one that nobody has signed, or none
my @cert = ([ "$dir/alice", 'good' ], [ $t->certs('stranger'), 'bad' ],
            [ undef, 'none' ]);

for my $case (@cert) {
    my ($cert, $name) = @$case;

    for my $how (qw/inband direct/) {
        my $c = $t->enter($n, tls => $how, sni => 'ep-1.db.example.com',
                          alpn => $how eq 'direct' ? [ 'postgresql' ] : undef,
                          cert => $cert, cbind => 'require');

        is($c->error_text, $name eq 'good' ? '' : $wanted, "$how, $name");
        $c->drop;
    }

    my $c = $l->console(tls => 'inband', sni => 'ep-1.db.example.com',
                        cert => $cert);

    is($c->error_text, $name eq 'good' ? '' : $wanted, "management, $name");
    $c->drop;
}

$t->done;
