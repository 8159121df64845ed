/*
 * A PostgreSQL client that costs little: many sessions in one process, plain,
 * with in-band TLS (SSLRequest) or TLS from the first byte, and in WebSockets.
 *
 *   load [-t none|inband|direct] [-W] [-e endpoint] [-u user] [-w password]
 *        [-d database] [-c sessions] port
 *
 * With -W the endpoint is named by Host (and SNI), not in the options.
 *
 * It opens the sessions, says "ready", and then obeys its standard input:
 *
 *   query N          N prepared queries over all sessions, each session with
 *                    one of them on its way at a time
 *   copy SQL         COPY TO STDOUT on the first session
 *   login N          N logins one after the other, closed at once
 *   refused N        as login, and each has to be refused
 *   first N          -W only: N times connect, and login and first query in
 *                    one message, one after the other
 *   idle N           -W only: N seconds, in which only pings may come
 *
 * and answers "done NUMBER": queries, bytes, logins or seconds; behind that of
 * `first` come microseconds to the query's result, one number for each.  Any
 * surprise ends it with a message.  The server's certificate is not verified.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>


#define BUFFER  (256 * 1024)
#define NONCE   "AAAAAAAAAAAAAAAAAAAAAAAA"


typedef struct {
    unsigned char    *data;
    size_t            len;
} reply_t;


static const char     *tls = "none", *endpoint, *user = "postgres";
static const char     *password = "", *database = "app";
static int             port, websocket;
static SSL_CTX        *ctx;
static unsigned char   buffer[BUFFER];


/* --- bytes ---------------------------------------------------------------- */

static size_t
receive(conn_t *c, unsigned char *p, size_t n)
{
    return c->ws ? ws_receive(c, p, n) : receive_plain(c, p, n);
}


static void
transmit(conn_t *c, const unsigned char *p, size_t n)
{
    if (c->ws) {
        ws_transmit(c, p, n);
        return;
    }

    transmit_plain(c, p, n);
}


static size_t
put_message(unsigned char *p, int tag, const void *body, size_t n)
{
    p[0] = (unsigned char) tag;
    put32(p + 1, n + 4);
    memcpy(p + 5, body, n);

    return n + 5;
}


static void
message(conn_t *c, int tag, const void *body, size_t n)
{
    unsigned char  p[4096];

    transmit(c, p, put_message(p, tag, body, n));
}


/*
 * Whole messages up to one of the tags: answers that one.  Nothing may come
 * behind it, so one buffer serves all sessions.
 */

static int
await(conn_t *c, const char *tags, reply_t *reply)
{
    int             tag;
    size_t          n, have, size;
    unsigned char  *p;

    p = buffer;
    have = 0;

    for ( ;; ) {

        while (have >= 5 && have >= (size = (size_t) get32(p + 1) + 1)) {

            tag = p[0];

            if (tag == 'E' && !strchr(tags, 'E')) {
                fail("error", p + 5, size - 5);
            }

            /* AuthenticationOk asks for nothing */

            if (strchr(tags, tag) && (tag != 'R' || get32(p + 5) != 0)) {
                reply->data = p + 5;
                reply->len = size - 5;

                return tag;
            }

            p += size;
            have -= size;
        }

        memmove(buffer, p, have);
        p = buffer;

        n = receive(c, buffer + have, BUFFER - have);

        if (n == 0) {
            fail("the connection was closed, awaiting", tags, strlen(tags));
        }

        have += n;
    }
}


/* --- login ---------------------------------------------------------------- */

static void
hmac(const unsigned char *key, const void *text, size_t n, unsigned char *out)
{
    HMAC(EVP_sha256(), key, 32, text, n, out, NULL);
}


/* RFC 5802, section 3; the slow part is done once for a salt */

static void
scram_proof(const char *salt, int iterations, const char *auth, char *out)
{
    int                   i, n;
    unsigned char         key[32], stored[32], signature[32];
    static char           known[256];
    static unsigned char  raw[192], salted[32];

    if (strcmp(known, salt) != 0) {
        snprintf(known, sizeof(known), "%s", salt);

        n = EVP_DecodeBlock(raw, (const unsigned char *) salt,
                            (int) strlen(salt));

        for (i = (int) strlen(salt) - 1; i >= 0 && salt[i] == '='; i--) {
            n--;
        }

        PKCS5_PBKDF2_HMAC(password, (int) strlen(password), raw, n,
                          iterations, EVP_sha256(), 32, salted);
    }

    hmac(salted, "Client Key", 10, key);
    EVP_Digest(key, 32, stored, NULL, EVP_sha256(), NULL);
    hmac(stored, auth, strlen(auth), signature);

    for (i = 0; i < 32; i++) {
        key[i] ^= signature[i];
    }

    EVP_EncodeBlock((unsigned char *) out, key, 32);
}


static void
scram(conn_t *c)
{
    int             iterations;
    char            nonce[256], salt[256], first[512], auth[1200], proof[64];
    char            body[700];
    size_t          n;
    reply_t         reply;
    unsigned char  *p;

    /* RFC 5802, section 5.1: "n", we have no channel binding */

    n = strlen("SCRAM-SHA-256") + 1;
    memcpy(body, "SCRAM-SHA-256", n);
    put32((unsigned char *) body + n, strlen("n,,n=,r=" NONCE));
    memcpy(body + n + 4, "n,,n=,r=" NONCE, strlen("n,,n=,r=" NONCE));
    message(c, 'p', body, n + 4 + strlen("n,,n=,r=" NONCE));

    await(c, "R", &reply);
    p = reply.data;

    if (get32(p) != 11 || reply.len - 4 >= sizeof(first)) {
        fail("not an AuthenticationSASLContinue", p, reply.len);
    }

    memcpy(first, p + 4, reply.len - 4);
    first[reply.len - 4] = '\0';

    if (sscanf(first, "r=%255[^,],s=%255[^,],i=%d", nonce, salt, &iterations)
        != 3)
    {
        fail("server-first-message", first, strlen(first));
    }

    snprintf(auth, sizeof(auth), "n=,r=" NONCE ",%s,c=biws,r=%s", first,
             nonce);
    scram_proof(salt, iterations, auth, proof);

    n = (size_t) snprintf(body, sizeof(body), "c=biws,r=%s,p=%s", nonce,
                          proof);
    message(c, 'p', body, n);
}


static size_t
put_startup(unsigned char *p, size_t size)
{
    int          i, n;
    const char  *params[] = { "user", user, "database", database,
                              "options", endpoint };

    n = 8;
    put32(p + 4, 196608);

    for (i = 0; i < (endpoint && !websocket ? 6 : 4); i++) {
        n += snprintf((char *) p + n, size - (size_t) n - 1, "%s%s",
                      i == 5 ? "endpoint=" : "", params[i]) + 1;
    }

    p[n++] = '\0';
    put32(p, (size_t) n);

    return (size_t) n;
}


static void
startup(conn_t *c)
{
    unsigned char  p[1024];

    transmit(c, p, put_startup(p, sizeof(p)));
}


static void
start_tls(conn_t *c, const char *name)
{
    char           answer;
    unsigned char  p[8];

    if (strcmp(tls, "inband") == 0) {
        put32(p, 8);
        put32(p + 4, 80877103);
        transmit(c, p, 8);

        if (recv(c->fd, &answer, 1, 0) != 1 || answer != 'S') {
            fail("no TLS", NULL, 0);
        }
    }

    c->ssl = SSL_new(ctx);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, name);

    if (SSL_connect(c->ssl) != 1) {
        fail("TLS handshake failed", NULL, 0);
    }
}


static void
connect_to(conn_t *c)
{
    int                 on = 1;
    char                name[256];
    struct sockaddr_in  sin = { .sin_family = AF_INET };

    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    c->ssl = NULL;
    c->ws = NULL;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);

    if (c->fd == -1
        || connect(c->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1)
    {
        perror("load: connect");
        exit(1);
    }

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

    snprintf(name, sizeof(name), "%s.db.example.com",
             endpoint ? endpoint : "ep-1");

    if (strcmp(tls, "none") != 0) {
        start_tls(c, name);
    }

    if (websocket) {
        ws_upgrade(c, name);
    }
}


/* 'Z', or 'E' if it was refused */

static int
login(conn_t *c)
{
    int      tag;
    reply_t  reply;

    connect_to(c);
    startup(c);

    tag = await(c, "RZE", &reply);

    if (tag != 'R') {
        return tag;
    }

    switch (get32(reply.data)) {

    case 3: /* AuthenticationCleartextPassword */
        message(c, 'p', password, strlen(password) + 1);
        break;

    case 10: /* AuthenticationSASL */
        scram(c);
        break;

    default:
        fail("neither trust nor SCRAM nor a password in clear", NULL, 0);
    }

    return await(c, "ZE", &reply);
}


static void
hang_up(conn_t *c)
{
    if (c->ssl) {
        SSL_free(c->ssl);
    }

    free(c->ws);
    close(c->fd);
}


static void
leave(conn_t *c)
{
    message(c, 'X', NULL, 0);

    while (c->ws && receive(c, buffer, BUFFER) != 0) {
        /* up to its Close */
    }

    if (c->ssl) {
        SSL_shutdown(c->ssl);
    }

    hang_up(c);
}


/* --- what it is asked to do ----------------------------------------------- */

static unsigned long
run_login(unsigned long n, int expected)
{
    conn_t         c;
    unsigned long  i;

    for (i = 0; i < n; i++) {

        if (login(&c) != expected) {
            fail(expected == 'Z' ? "a login was refused"
                                 : "a login was not refused", NULL, 0);
        }

        if (expected == 'Z') {
            leave(&c);
            continue;
        }

        hang_up(&c);
    }

    return n;
}


/* as a driver says it: startup packet, password and query in one message */

static void
enter(conn_t *c)
{
    size_t               n, have;
    unsigned char        p[2048];
    const unsigned char  result[] = "C\0\0\0\rSELECT 1\0" "Z\0\0\0\5I";

    connect_to(c);

    n = put_startup(p, 1024);
    n += put_message(p + n, 'p', password, strlen(password) + 1);
    n += put_message(p + n, 'Q', "select 1", sizeof("select 1"));
    transmit(c, p, n);

    have = 0;

    do {
        n = receive(c, buffer + have, BUFFER - have);

        if (n == 0) {
            fail("no result of the first query", buffer, have);
        }

        have += n;

    } while (have < sizeof(result) - 1
             || memcmp(buffer + have - (sizeof(result) - 1), result,
                       sizeof(result) - 1) != 0);
}


static void
run_first(unsigned long n)
{
    conn_t           c;
    unsigned long    i;
    struct timespec  start, end;

    printf("done %lu", n);

    for (i = 0; i < n; i++) {
        clock_gettime(CLOCK_MONOTONIC, &start);
        enter(&c);
        clock_gettime(CLOCK_MONOTONIC, &end);
        leave(&c);

        printf(" %ld", (end.tv_sec - start.tv_sec) * 1000000
                       + (end.tv_nsec - start.tv_nsec) / 1000);
    }

    printf("\n");
}


static void
prepare(conn_t *c)
{
    reply_t              reply;
    const unsigned char  parse[] = "s\0select 1\0\0";

    message(c, 'P', parse, sizeof(parse));
    message(c, 'S', NULL, 0);
    await(c, "Z", &reply);
}


static unsigned long
run_query(conn_t *conns, int nconns, unsigned long n)
{
    int                 i, k, ep;
    conn_t             *c;
    reply_t             reply;
    unsigned long       sent, done;
    struct epoll_event  events[64];

    /* Bind, Describe, Execute, Sync: as libpq's PQsendQueryPrepared() */

    static const unsigned char  query[] =
        "B\0\0\0\x0d\0s\0\0\0\0\0\0\0" "D\0\0\0\x06P\0"
        "E\0\0\0\x09\0\0\0\0\0" "S\0\0\0\x04";

    ep = watch(conns, nconns);

    for (sent = 0, done = 0; (int) sent < nconns && sent < n; sent++) {
        transmit(&conns[sent], query, sizeof(query) - 1);
    }

    while (done < n) {
        k = epoll_wait(ep, events, 64, -1);

        for (i = 0; i < k; i++) {
            c = events[i].data.ptr;
            await(c, "Z", &reply);
            done++;

            if (sent < n) {
                transmit(c, query, sizeof(query) - 1);
                sent++;
            }
        }
    }

    close(ep);

    return done;
}


/* the payload must be text: only ReadyForQuery ends like this */

static unsigned long
run_copy(conn_t *c, const char *sql)
{
    size_t         n, have;
    unsigned long  bytes;

    message(c, 'Q', sql, strlen(sql) + 1);

    bytes = 0;
    have = 0;

    for ( ;; ) {
        n = receive(c, buffer + have, BUFFER - have);

        if (n == 0) {
            fail("the connection was closed in COPY", NULL, 0);
        }

        if (bytes == 0 && buffer[0] == 'E') {
            fail("error", buffer + 5, n);
        }

        bytes += n;
        have += n;

        if (have >= 6 && memcmp(buffer + have - 6, "Z\0\0\0\5I", 6) == 0) {
            return bytes;
        }

        if (have > 6) {
            memmove(buffer, buffer + have - 6, 6);
            have = 6;
        }
    }
}


static void
obey(conn_t *conns, int nconns)
{
    int            prepared, i;
    char           line[4096], *word;
    unsigned long  n;

    prepared = 0;

    while (fgets(line, sizeof(line), stdin)) {

        line[strcspn(line, "\n")] = '\0';
        word = strchr(line, ' ');

        if (word == NULL) {
            fail("unknown command", line, strlen(line));
        }

        *word++ = '\0';
        n = strtoul(word, NULL, 10);

        if (strcmp(line, "query") == 0) {

            for (i = 0; !prepared && i < nconns; i++) {
                prepare(&conns[i]);
            }

            prepared = 1;
            n = n ? run_query(conns, nconns, n) : 0;

        } else if (strcmp(line, "copy") == 0) {
            n = run_copy(&conns[0], word);

        } else if (strcmp(line, "login") == 0) {
            n = run_login(n, 'Z');

        } else if (strcmp(line, "refused") == 0) {
            n = run_login(n, 'E');

        } else if (websocket && strcmp(line, "idle") == 0) {
            ws_run_idle(conns, nconns, n);

        } else if (websocket && strcmp(line, "first") == 0) {
            run_first(n);
            continue;

        } else {
            fail("unknown command", line, strlen(line));
        }

        printf("done %lu\n", n);
    }
}


int
main(int argc, char **argv)
{
    int      i, opt, nconns;
    conn_t  *conns;

    nconns = 0;

    while ((opt = getopt(argc, argv, "t:We:u:w:d:c:")) != -1) {
        switch (opt) {
        case 't': tls = optarg; break;
        case 'W': websocket = 1; break;
        case 'e': endpoint = optarg; break;
        case 'u': user = optarg; break;
        case 'w': password = optarg; break;
        case 'd': database = optarg; break;
        case 'c': nconns = atoi(optarg); break;
        default: return 2;
        }
    }

    if (optind != argc - 1) {
        fprintf(stderr, "load: exactly one port\n");
        return 2;
    }

    port = atoi(argv[optind]);
    setvbuf(stdout, NULL, _IOLBF, 0);

    ctx = SSL_CTX_new(TLS_client_method());
    conns = calloc((size_t) nconns + 1, sizeof(conn_t));

    if (ctx == NULL || conns == NULL) {
        return 1;
    }

    /* fewer calls of recv() than records */

    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, 128 * 1024);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);

    for (i = 0; i < nconns; i++) {
        if (login(&conns[i]) != 'Z') {
            fail("a session was refused", NULL, 0);
        }
    }

    printf("ready\n");
    obey(conns, nconns);

    return 0;
}
