/*
 * What a server for the fuzzer stands on: a directory with its configuration,
 * a role file and a certificate, and the computes' port.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "place.h"

#include <ftw.h>

#include "neon_crypto.h"

#include "server.h"
#include "tls.h"


#define BUFFER      16384             /* of sockets: full after little */


place_t  place = { .dir = "/tmp/neon-fuzz-XXXXXX" };


/* paths are those of the directory, but not those of sockets */

static const char  place_conf[] =
    PLACE_CONF_HEAD
    "neon_proxy main {\n"
    "    zone main 1m;\n"
    "    control_plane static;\n"
    "    endpoint ep-1 127.0.0.1:%d;\n"
    "    endpoint ep-2 127.0.0.1:1;\n"
    "    endpoint ep-3 127.0.0.1:%d ssl=prefer;\n"
    "    role_file roles;\n"
    "    connect_retry attempts=2 base=100ms factor=2;\n"
    "    wake_retry attempts=2 base=100ms factor=2;\n"
    "    wake_notice 1s;\n"
    "    websocket_insecure on;\n"
    "    websocket_tunnel 127.0.0.1:%d;\n"
    "}\n"
    "stream {\n"
    "    server { listen unix:%s/pg sndbuf=16k; neon_proxy_pass main; }\n"
    "    server {\n"
    "        listen unix:%s/tls sndbuf=16k;\n"
    "        ssl_certificate db.crt;\n"
    "        ssl_certificate_key db.key;\n"
    "        neon_proxy_pass main;\n"
    "    }\n"
    "}\n"
    "http {\n"
    "    access_log off;\n"
    "    client_body_temp_path body;\n"
    "    proxy_temp_path proxy;\n"
    "    fastcgi_temp_path fastcgi;\n"
    "    uwsgi_temp_path uwsgi;\n"
    "    scgi_temp_path scgi;\n"
    "    server {\n"
    "        listen unix:%s/ws sndbuf=16k;\n"
    "        location / { neon_proxy_websocket main; }\n"
    "    }\n"
    "}\n";


/* a verifier of two rounds: the fuzzer has no time for more */

static void
place_role(void)
{
    FILE        *f;
    char         name[128];
    uint8_t      salted[NEON_SHA256_LEN], text[3][64];
    neon_str_t   key, part;

    place.verifier.iterations = 2;
    place.verifier.salt_len = 16;
    memcpy(place.verifier.salt, "salt of 16 bytes", 16);

    neon_pbkdf2_sha256(salted, neon_str(PLACE_PASSWORD,
                                        sizeof(PLACE_PASSWORD) - 1),
                       neon_str(place.verifier.salt, 16), 2);

    key = neon_str(salted, sizeof(salted));
    part = neon_str("Client Key", 10);
    neon_hmac_sha256(place.keys.client_key, key, &part, 1);
    neon_sha256(place.verifier.stored_key, place.keys.client_key,
                NEON_SCRAM_KEY_LEN);

    part = neon_str("Server Key", 10);
    neon_hmac_sha256(place.keys.server_key, key, &part, 1);
    memcpy(place.verifier.server_key, place.keys.server_key,
           NEON_SCRAM_KEY_LEN);

    memset(text, 0, sizeof(text));
    neon_base64_encode(text[0], neon_str(place.verifier.salt, 16));
    neon_base64_encode(text[1], neon_str(place.verifier.stored_key,
                                         NEON_SCRAM_KEY_LEN));
    neon_base64_encode(text[2], neon_str(place.verifier.server_key,
                                         NEON_SCRAM_KEY_LEN));

    snprintf(name, sizeof(name), "%s/roles", place.dir);
    umask(077);

    f = fopen(name, "w");
    server_check(f != NULL, "role file");
    fprintf(f, "alice SCRAM-SHA-256$2:%s$%s:%s\n", text[0], text[1], text[2]);
    fclose(f);
}


void
place_check(void)
{
    char         name[128];
    struct stat  st;

    snprintf(name, sizeof(name), "%s/alert.log", place.dir);

    server_check(stat(name, &st) == 0 && st.st_size == 0,
                 "nginx has nothing to alert anybody of (see alert.log)");
}


static int
place_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}


static void
place_clean(void)
{
    (void) nftw(place.dir, place_remove, 8, FTW_DEPTH | FTW_PHYS);
}


void
place_make(void)
{
    int                 size;
    socklen_t           len;
    struct sockaddr_in  sin;

    server_check(mkdtemp(place.dir) != NULL, "mkdtemp");
    atexit(place_clean);

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    len = sizeof(sin);

    size = BUFFER;
    place.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void) setsockopt(place.listener, SOL_SOCKET, SO_RCVBUF, &size,
                      sizeof(size));

    server_check(bind(place.listener, (struct sockaddr *) &sin, len) == 0
                 && listen(place.listener, 16) == 0, "listening");

    (void) getsockname(place.listener, (struct sockaddr *) &sin, &len);

    place.port = ntohs(sin.sin_port);
}


const char *
place_log(void)
{
    const char  *log;

    log = getenv("NEON_FUZZ_LOG");

    return log ? log : "/dev/null info";
}


int
place_accept(void)
{
    int  fd, on;

    fd = accept4(place.listener, NULL, NULL, SOCK_NONBLOCK);

    if (fd != -1) {

        /* else what is sent may arrive later, by the kernel's clock */

        on = 1;
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }

    return fd;
}


void
place_start(void)
{
    char  text[4096];

    place_make();
    place_role();
    tls_start(place.dir);

    snprintf(text, sizeof(text), place_conf, place_log(), place.port,
             place.port, place.port, place.dir, place.dir, place.dir);

    server_start(place.dir, text);
}
