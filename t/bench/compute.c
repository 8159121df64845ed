/*
 * A compute that costs little, where PostgreSQL's processes would be the limit:
 * one process for all sessions, no TLS, SCRAM-SHA-256 for whatever role, and
 * no data: each query has the same answer.
 *
 *   compute verifier port
 *
 * The verifier is a role's of pg_authid.  It knows `select 1`, simple and
 * extended; COPY of rows "repeat('x', WIDTH)" "generate_series(1, ROWS)" to
 * stdout; COPY from stdin; all else it does in silence.  Any surprise ends it
 * with a message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#define _GNU_SOURCE                          /* accept4() */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>


#define BUFFER     (256 * 1024)
#define MAX_FD     65536
#define NONCE      24


typedef enum {
    STARTUP = 0,
    FIRST,                                   /* client-first-message */
    FINAL,                                   /* client-final-message */
    READY
} state_e;


typedef struct {
    state_e            state;
    char              *auth;                 /* AuthMessage, so far */
    unsigned char     *rest;                 /* begin of a message */
    size_t             nrest;
    size_t             skip;                 /* of a CopyData */
} conn_t;


static conn_t          conns[MAX_FD];
static unsigned char   in[2 * BUFFER], out[BUFFER];
static size_t          nout;

static int             iterations;
static char            salt[64];
static unsigned char   stored_key[32], server_key[32];


static void
fail(const char *what)
{
    fprintf(stderr, "compute: %s\n", what);
    exit(1);
}


static void
put32(unsigned char *p, size_t n)
{
    uint32_t  v = htonl((uint32_t) n);

    memcpy(p, &v, 4);
}


static size_t
get32(const unsigned char *p)
{
    uint32_t  v;

    memcpy(&v, p, 4);

    return ntohl(v);
}


/* --- answers -------------------------------------------------------------- */

/* it waits for the other side: 0 is that it has gone */

static int
flush(int fd)
{
    size_t         done;
    ssize_t        n;
    struct pollfd  pfd = { .fd = fd, .events = POLLOUT };

    for (done = 0; done < nout; done += (size_t) n) {
        n = send(fd, out + done, nout - done, MSG_NOSIGNAL);

        if (n == -1 && errno == EAGAIN) {
            poll(&pfd, 1, -1);
            n = 0;

        } else if (n == -1) {
            break;
        }
    }

    n = (done == nout);
    nout = 0;

    return (int) n;
}


static void
put(int tag, const void *body, size_t n)
{
    if (nout + n + 5 > BUFFER) {
        fail("too many answers at once");
    }

    out[nout] = (unsigned char) tag;
    put32(out + nout + 1, n + 4);
    memcpy(out + nout + 5, body, n);

    nout += n + 5;
}


static void
put_auth(size_t code, const char *text, size_t n)
{
    unsigned char  body[512];

    put32(body, code);
    memcpy(body + 4, text, n);
    put('R', body, n + 4);
}


/* RowDescription of one int4, "?column?" */

static void
put_columns(void)
{
    static const unsigned char  columns[] =
        "\0\1" "?column?\0" "\0\0\0\0" "\0\0" "\0\0\0\x17" "\0\4"
        "\xff\xff\xff\xff" "\0\0";

    put('T', columns, sizeof(columns) - 1);
}


static void
put_row(void)
{
    put('D', "\0\1" "\0\0\0\1" "1", 7);
    put('C', "SELECT 1", sizeof("SELECT 1"));
}


/* what PostgreSQL 15 says of itself */

static void
welcome(int fd)
{
    size_t         i, n;
    char           body[128];
    unsigned char  key[8];

    static const char  *params[][2] = {
        { "application_name", "" },
        { "client_encoding", "UTF8" },
        { "DateStyle", "ISO, MDY" },
        { "default_transaction_read_only", "off" },
        { "in_hot_standby", "off" },
        { "integer_datetimes", "on" },
        { "IntervalStyle", "postgres" },
        { "is_superuser", "off" },
        { "server_encoding", "UTF8" },
        { "server_version", "15.14 (Debian 15.14-0+deb12u1)" },
        { "session_authorization", "alice" },
        { "standard_conforming_strings", "on" },
        { "TimeZone", "Etc/UTC" }
    };

    put_auth(0, "", 0);

    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        n = strlen(params[i][0]) + 1;
        memcpy(body, params[i][0], n);
        strcpy(body + n, params[i][1]);
        put('S', body, n + strlen(params[i][1]) + 1);
    }

    put32(key, (size_t) fd);
    put32(key + 4, 12345);
    put('K', key, 8);
    put('Z', "I", 1);
}


/* --- login (RFC 5802) ----------------------------------------------------- */

static void
hmac(const unsigned char *key, const char *text, unsigned char *mac)
{
    HMAC(EVP_sha256(), key, 32, (const unsigned char *) text, strlen(text),
         mac, NULL);
}


/* client-first-message: flag, authzid, bare part with "r=" at its end */

static void
sasl_first(conn_t *c, const unsigned char *p, size_t n)
{
    size_t         mechanism, len;
    char           text[256], *bare, *nonce, first[400];
    unsigned char  ours[NONCE / 4 * 3], base64[NONCE + 1];

    mechanism = strnlen((const char *) p, n) + 1;

    if (mechanism + 4 > n || (len = n - mechanism - 4) >= sizeof(text)) {
        fail("SASLInitialResponse");
    }

    memcpy(text, p + mechanism + 4, len);
    text[len] = '\0';

    bare = strchr(text, ',');
    bare = bare ? strchr(bare + 1, ',') : NULL;
    nonce = bare ? strstr(bare, "r=") : NULL;

    if (nonce == NULL) {
        fail("client-first-message");
    }

    RAND_bytes(ours, sizeof(ours));
    EVP_EncodeBlock(base64, ours, sizeof(ours));

    len = (size_t) snprintf(first, sizeof(first), "%s%s,s=%s,i=%d", nonce,
                            (char *) base64, salt, iterations);
    put_auth(11, first, len);

    c->auth = malloc(1024);
    if (c->auth == NULL) {
        fail("no memory");
    }

    snprintf(c->auth, 1024, "%s,%s,", bare + 1, first);
}


static void
sasl_final(int fd, conn_t *c, const unsigned char *p, size_t n)
{
    int            i, len;
    char           text[512], *proof, final[64];
    unsigned char  key[48], signature[32], digest[32];

    if (n >= sizeof(text)) {
        fail("SASLResponse");
    }

    memcpy(text, p, n);
    text[n] = '\0';
    proof = strstr(text, ",p=");

    if (proof == NULL || strlen(proof + 3) != 44
        || EVP_DecodeBlock(key, (unsigned char *) proof + 3, 44) != 33)
    {
        fail("client-final-message");
    }

    *proof = '\0';
    len = (int) strlen(c->auth);
    snprintf(c->auth + len, (size_t) (1024 - len), "%s", text);

    hmac(stored_key, c->auth, signature);

    for (i = 0; i < 32; i++) {
        key[i] ^= signature[i];
    }

    EVP_Digest(key, 32, digest, NULL, EVP_sha256(), NULL);

    if (CRYPTO_memcmp(digest, stored_key, 32) != 0) {
        fail("a wrong password");
    }

    hmac(server_key, c->auth, signature);
    memcpy(final, "v=", 2);
    EVP_EncodeBlock((unsigned char *) final + 2, signature, 32);
    put_auth(12, final, strlen(final));

    free(c->auth);
    c->auth = NULL;

    welcome(fd);
}


/* --- what it is asked ----------------------------------------------------- */

static int
copy_out(int fd, const char *sql)
{
    long           width, rows;
    size_t         n;
    const char    *w, *r;
    unsigned char  row[BUFFER / 8];

    w = strstr(sql, "repeat('x', ");
    r = strstr(sql, "generate_series(1, ");

    if (w == NULL || r == NULL) {
        fail(sql);
    }

    width = strtol(w + strlen("repeat('x', "), NULL, 10);
    rows = strtol(r + strlen("generate_series(1, "), NULL, 10);
    n = (size_t) width + 1;

    if (n > sizeof(row)) {
        fail("too wide a row");
    }

    memset(row, 'x', n);
    row[n - 1] = '\n';

    put('H', "\0\0\1\0\0", 5);

    for ( ; rows > 0; rows--) {

        /* as much at once as PostgreSQL's output buffer has */

        if (nout + n + 5 > 8192 && !flush(fd)) {
            return 0;
        }

        put('d', row, n);
    }

    put('c', "", 0);
    put('C', "COPY 1", sizeof("COPY 1"));
    put('Z', "I", 1);

    return 1;
}


static int
query(int fd, const char *sql)
{
    if (strncmp(sql, "select", 6) == 0) {
        put_columns();
        put_row();

    } else if (strncmp(sql, "copy", 4) == 0 && strstr(sql, "from stdin")) {
        put('G', "\0\0\1\0\0", 5);
        return 1;

    } else if (strncmp(sql, "copy", 4) == 0) {
        return copy_out(fd, sql);

    } else {
        put('C', "SET", sizeof("SET"));
    }

    put('Z', "I", 1);

    return 1;
}


/* 0: the connection ends */

static int
command(int fd, conn_t *c, int tag, const unsigned char *p, size_t n)
{
    switch (c->state) {

    case FIRST:
        sasl_first(c, p, n);
        c->state = FINAL;
        return 1;

    case FINAL:
        sasl_final(fd, c, p, n);
        c->state = READY;
        return 1;

    default:
        break;
    }

    switch (tag) {
    case 'Q': return query(fd, (const char *) p);
    case 'P': put('1', "", 0); return 1;
    case 'B': put('2', "", 0); return 1;
    case 'D': put_columns(); return 1;
    case 'E': put_row(); return 1;
    case 'C': put('3', "", 0); return 1;
    case 'S': put('Z', "I", 1); return 1;
    case 'H': return 1;
    case 'X': return 0;

    case 'c': /* CopyDone */
        put('C', "COPY 0", sizeof("COPY 0"));
        put('Z', "I", 1);
        return 1;

    default:
        fail("an unknown message");
        return 0;
    }
}


static int
startup(conn_t *c, const unsigned char *p)
{
    switch (get32(p + 4)) {

    case 80877103: /* SSLRequest */
    case 80877104: /* GSSENCRequest */
        out[nout++] = 'N';
        return 1;

    case 80877102: /* CancelRequest */
        return 0;

    default:
        put_auth(10, "SCRAM-SHA-256\0", sizeof("SCRAM-SHA-256\0"));
        c->state = FIRST;
        return 1;
    }
}


/* whole messages; what remains is kept, but for the data of a COPY */

static int
consume(int fd, conn_t *c, const unsigned char *p, size_t n)
{
    size_t  head, size;

    for ( ;; ) {

        if (c->skip) {
            size = c->skip < n ? c->skip : n;
            c->skip -= size;
            p += size;
            n -= size;
        }

        head = (c->state == STARTUP) ? 4 : 5;

        if (n < head) {
            break;
        }

        size = get32(p + head - 4) + head - 4;

        if (c->state == READY && p[0] == 'd') {
            c->skip = size;
            continue;
        }

        if (size < head || size > BUFFER) {
            fail("a message that is too long");
        }

        if (n < size) {
            break;
        }

        if (c->state == STARTUP ? !startup(c, p)
                                : !command(fd, c, p[0], p + 5, size - 5))
        {
            return 0;
        }

        p += size;
        n -= size;
    }

    free(c->rest);
    c->rest = NULL;
    c->nrest = n;

    if (n) {
        c->rest = malloc(n);
        if (c->rest == NULL) {
            fail("no memory");
        }

        memcpy(c->rest, p, n);
    }

    return flush(fd);
}


static void
end(int fd, conn_t *c)
{
    nout = 0;

    free(c->auth);
    free(c->rest);
    memset(c, 0, sizeof(conn_t));

    close(fd);
}


static void
readable(int fd)
{
    conn_t   *c;
    ssize_t   n;

    c = &conns[fd];

    memcpy(in, c->rest ? c->rest : in, c->nrest);
    n = recv(fd, in + c->nrest, BUFFER, 0);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (n <= 0 || !consume(fd, c, in, c->nrest + (size_t) n)) {
        end(fd, c);
    }
}


/* --- the process ---------------------------------------------------------- */

static void
parse_verifier(const char *text)
{
    char           stored[64], server[64];
    unsigned char  raw[48];

    if (sscanf(text, "SCRAM-SHA-256$%d:%63[^$]$%44[^:]:%44s", &iterations,
               salt, stored, server)
        != 4)
    {
        fail("not a verifier");
    }

    EVP_DecodeBlock(raw, (unsigned char *) stored, 44);
    memcpy(stored_key, raw, 32);

    EVP_DecodeBlock(raw, (unsigned char *) server, 44);
    memcpy(server_key, raw, 32);
}


static int
listen_at(int port)
{
    int                 fd, on = 1;
    struct sockaddr_in  sin = { .sin_family = AF_INET };

    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 4096) == -1)
    {
        perror("compute: listen");
        exit(1);
    }

    return fd;
}


static void
watch(int ep, int fd)
{
    struct epoll_event  ee = { .events = EPOLLIN };

    ee.data.fd = fd;
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ee);
}


int
main(int argc, char **argv)
{
    int                 ep, listener, fd, i, n, on = 1;
    struct epoll_event  events[256];

    if (argc != 3) {
        fail("a verifier and a port");
    }

    parse_verifier(argv[1]);

    ep = epoll_create1(0);
    listener = listen_at(atoi(argv[2]));
    watch(ep, listener);

    printf("ready\n");
    fflush(stdout);

    for ( ;; ) {
        n = epoll_wait(ep, events, 256, -1);

        for (i = 0; i < n; i++) {

            if (events[i].data.fd != listener) {
                readable(events[i].data.fd);
                continue;
            }

            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

            if (fd == -1) {
                continue;
            }

            if (fd >= MAX_FD) {
                fail("too many sessions");
            }

            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            watch(ep, fd);
        }
    }
}
