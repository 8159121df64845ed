/*
 * What a server for the fuzzer stands on: a directory with its configuration,
 * a role file and a certificate, and the computes' port.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "place.h"

#include <ftw.h>
#include <netdb.h>

#include "neon_crypto.h"

#include "server.h"
#include "tls.h"


#define BUFFER      16384             /* of sockets: full after little */
#define NOBODY      1                 /* a port */


int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);
int __real_getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);


place_t  place = { .dir = "/tmp/neon-fuzz-XXXXXX" };


/*
 * Paths are those of the directory, but not those of sockets.  Nothing is
 * cached: what an input does, another one does not find.
 */

#define PLACE_CONF_RETRY                                                      \
    "    connect_retry attempts=2 base=100ms factor=2;\n"                     \
    "    wake_retry attempts=2 base=100ms factor=2;\n"

#define PLACE_CONF_WEB                                                        \
    "    control_plane http://127.0.0.1:1;\n"                                 \
    "    control_plane_token token;\n"                                        \
    "    node_cache size=0;\n"                                                \
    "    secret_cache size=0;\n"                                              \
    "    md5_verifiers on;\n"                                                 \
    "    otlp http://127.0.0.1:1/v1/traces sample=1;\n"                       \
    PLACE_CONF_RETRY

#define PLACE_CONF_VARIABLES                                                  \
    "    log_format all '$neon_session_id $neon_endpoint $neon_user"          \
    " $neon_database $neon_application_name $neon_vpc_endpoint_id"            \
    " $neon_auth_method $neon_secret_cache $neon_node_cache"                  \
    " $neon_cold_start $neon_compute_addr $neon_retries $neon_sqlstate"       \
    " $neon_error $neon_handshake_time $neon_access_time $neon_auth_time"     \
    " $neon_wake_time $neon_connect_time $neon_login_time';\n"                \
    "    access_log /dev/null all;\n"

static const char  place_proxies[] =
    PLACE_CONF_HEAD
    "neon_proxy main {\n"
    "    zone main 1m;\n"
    "    control_plane static;\n"
    "    endpoint ep-1 127.0.0.1:%d;\n"
    "    endpoint ep-2 127.0.0.1:1;\n"
    "    endpoint ep-3 127.0.0.1:%d ssl=prefer;\n"
    "    role_file roles;\n"
    "    md5_verifiers on;\n"
    "    wake_notice 1s;\n"
    "    websocket_insecure on;\n"
    "    websocket_tunnel 127.0.0.1:%d;\n"
    PLACE_CONF_RETRY
    "}\n"
    "neon_proxy pass {\n"
    "    zone pass 1m;\n"
    "    control_plane static;\n"
    "    auth passthrough;\n"
    "    endpoint ep-1 127.0.0.1:%d;\n"
    PLACE_CONF_RETRY
    "}\n"
    "neon_proxy sealed {\n"
    "    zone sealed 1m;\n"
    "    control_plane static;\n"
    "    auth passthrough tls;\n"
    "    endpoint ep-1 127.0.0.1:%d;\n"
    PLACE_CONF_RETRY
    "}\n"
    "neon_proxy link {\n"
    "    zone link 1m;\n"
    "    control_plane link " PLACE_CONSOLE ";\n"
    "    tls_required off;\n"
    "    otlp http://127.0.0.1:1/v1/traces sample=1;\n"
    "    connect_retry attempts=2 base=100ms factor=2;\n"
    "}\n"
    "neon_proxy web {\n"
    "    zone web 1m;\n"
    "    forward_parameters neon;\n"
    "    tls_required off;\n"
    "    websocket_insecure on;\n"
    "    websocket_origins https://*.example.com;\n"
    PLACE_CONF_WEB
    "}\n"
    "neon_proxy private {\n"
    "    zone private 1m;\n"
    "    private_access on;\n"
    PLACE_CONF_WEB
    "}\n";

static const char  place_stream[] =
    "stream {\n"
    PLACE_CONF_VARIABLES
    "    server { listen unix:pg sndbuf=16k; neon_proxy_pass main; }\n"
    "    server { listen unix:pass sndbuf=16k; neon_proxy_pass pass; }\n"
    "    server { listen unix:sealed sndbuf=16k; neon_proxy_pass sealed; }\n"
    "    server { listen unix:link sndbuf=16k; neon_proxy_pass link; }\n"
    "    server { listen unix:manage sndbuf=16k; neon_proxy_manage link; }\n"
    "    server { listen unix:web sndbuf=16k; neon_proxy_pass web; }\n"
    "    server {\n"
    "        listen unix:private sndbuf=16k proxy_protocol;\n"
    "        set_real_ip_from unix:;\n"
    "        neon_proxy_pass private;\n"
    "    }\n"
    "    server {\n"
    "        listen unix:tls sndbuf=16k;\n"
    "        ssl_certificate db.crt;\n"
    "        ssl_certificate_key db.key;\n"
    "        neon_proxy_pass main;\n"
    "    }\n"
    "    server {\n"
    "        listen unix:web-tls sndbuf=16k;\n"
    "        ssl_certificate db.crt;\n"
    "        ssl_certificate_key db.key;\n"
    "        neon_proxy_pass web;\n"
    "    }\n"
    "}\n";

static const char  place_http[] =
    "http {\n"
    PLACE_CONF_VARIABLES
    "    client_body_temp_path body;\n"
    "    proxy_temp_path proxy;\n"
    "    fastcgi_temp_path fastcgi;\n"
    "    uwsgi_temp_path uwsgi;\n"
    "    scgi_temp_path scgi;\n"
    "    server {\n"
    "        listen unix:ws sndbuf=16k;\n"
    "        location / { neon_proxy_websocket main; }\n"
    "    }\n"
    "    server {\n"
    "        listen unix:ws-web sndbuf=16k;\n"
    "        location / { neon_proxy_websocket web; }\n"
    "        location = /status { neon_proxy_status web; }\n"
    "        location = /metrics { neon_proxy_metrics web; }\n"
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

    snprintf(place.secret, sizeof(place.secret), "SCRAM-SHA-256$2:%s$%s:%s",
             text[0], text[1], text[2]);

    server_check(neon_md5_make(&place.md5,
                               neon_str(PLACE_PASSWORD,
                                        sizeof(PLACE_PASSWORD) - 1),
                               neon_str("bob", 3))
                 == NEON_OK, "MD5");

    snprintf(name, sizeof(name), "%s/roles", place.dir);
    umask(077);

    f = fopen(name, "w");
    server_check(f != NULL, "role file");
    fprintf(f, "alice %s\nbob md5%.*s\n", place.secret, NEON_MD5_HEX,
            place.md5.hex);
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


/* an input may name any host: none but ours is spoken to, nor asked for */

int
__wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
    const struct sockaddr_in  *sin;

    sin = (const struct sockaddr_in *) sa;

    if (sa->sa_family == AF_UNIX
        || (sa->sa_family == AF_INET
            && sin->sin_addr.s_addr == htonl(INADDR_LOOPBACK)
            && (ntohs(sin->sin_port) == place.port
                || ntohs(sin->sin_port) == NOBODY)))
    {
        return __real_connect(fd, sa, len);
    }

    errno = ENETUNREACH;
    return -1;
}


int
__wrap_getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    if (strcmp(name, "localhost") != 0) {
        return EAI_NONAME;
    }

    return __real_getaddrinfo("127.0.0.1", service, hints, res);
}


/* sockets have whole paths */

static size_t
place_sockets(char *text, size_t size, const char *from)
{
    size_t       len;
    const char  *p;

    len = 0;

    while ((p = strstr(from, "listen unix:")) != NULL) {
        p += sizeof("listen unix:") - 1;
        len += (size_t) snprintf(text + len, size - len, "%.*s%s/",
                                 (int) (p - from), from, place.dir);
        from = p;
    }

    return len + (size_t) snprintf(text + len, size - len, "%s", from);
}


void
place_start(void)
{
    char    text[16384];
    size_t  len;

    place_make();
    place_role();
    tls_start(place.dir);

    len = (size_t) snprintf(text, sizeof(text), place_proxies, place_log(),
                            place.port, place.port, place.port, place.port,
                            place.port);
    len += place_sockets(text + len, sizeof(text) - len, place_stream);
    len += place_sockets(text + len, sizeof(text) - len, place_http);

    server_check(len < sizeof(text), "room for nginx.conf");
    server_start(place.dir, text);
}
