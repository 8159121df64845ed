/*
 * Messages and logins.
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
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>


#define NONCE   "AAAAAAAAAAAAAAAAAAAAAAAA"


options_t             options = {
    .tls = "none", .user = "postgres", .password = "", .database = "app",
};

unsigned char         buffer[BUFFER];

static SSL_CTX       *ctx;
static SSL_SESSION   *newest;


/* --- bytes ---------------------------------------------------------------- */

size_t
receive(conn_t *c, unsigned char *p, size_t n)
{
    return c->ws ? ws_receive(c, p, n) : receive_plain(c, p, n);
}


void
transmit(conn_t *c, const unsigned char *p, size_t n)
{
    if (c->ws) {
        ws_transmit(c, p, n);
        return;
    }

    transmit_plain(c, p, n);
}


size_t
put_message(unsigned char *p, int tag, const void *body, size_t n)
{
    p[0] = (unsigned char) tag;
    put32(p + 1, n + 4);
    memcpy(p + 5, body, n);

    return n + 5;
}


void
message(conn_t *c, int tag, const void *body, size_t n)
{
    unsigned char  p[4096];

    transmit(c, p, put_message(p, tag, body, n));
}


/*
 * Whole messages up to one of the tags: answers that one.  Nothing may come
 * behind it, so one buffer serves all sessions.
 */

int
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


/* --- TLS ------------------------------------------------------------------ */

/* TLS 1.3 sends tickets behind the handshake, with the first answers */

static int
keep_newest(SSL *ssl, SSL_SESSION *session)
{
    (void) ssl;

    SSL_SESSION_free(newest);
    newest = session;

    return 1;
}


int
prepare_tls(void)
{
    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        return 0;
    }

    /* fewer calls of recv() than records */

    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, 128 * 1024);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);

    if (options.resume) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT
                                            | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, keep_newest);
    }

    return 1;
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

        PKCS5_PBKDF2_HMAC(options.password, (int) strlen(options.password),
                          raw, n, iterations, EVP_sha256(), 32, salted);
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


size_t
put_startup(unsigned char *p, size_t size)
{
    int          i, n;
    const char  *params[] = { "user", options.user,
                              "database", options.database,
                              "options", options.endpoint };

    n = 8;
    put32(p + 4, 196608);

    for (i = 0; i < (options.endpoint && !options.websocket ? 6 : 4); i++) {
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
    int            resuming;
    char           answer;
    unsigned char  p[8];

    if (strcmp(options.tls, "inband") == 0) {
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

    resuming = newest && SSL_set_session(c->ssl, newest);

    if (SSL_connect(c->ssl) != 1) {
        fail("TLS handshake failed", NULL, 0);
    }

    if (resuming && !SSL_session_reused(c->ssl)) {
        fail("the TLS session was not resumed", NULL, 0);
    }
}


void
connect_to(conn_t *c)
{
    int                 on = 1;
    char                name[256];
    struct sockaddr_in  sin = { .sin_family = AF_INET };

    sin.sin_port = htons((uint16_t) options.port);
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
             options.endpoint ? options.endpoint : "ep-1");

    if (strcmp(options.tls, "none") != 0) {
        start_tls(c, name);
    }

    if (options.websocket) {
        ws_upgrade(c, name);
    }
}


/* 'Z', or 'E' if it was refused */

int
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
        message(c, 'p', options.password, strlen(options.password) + 1);
        break;

    case 10: /* AuthenticationSASL */
        scram(c);
        break;

    default:
        fail("neither trust nor SCRAM nor a password in clear", NULL, 0);
    }

    return await(c, "ZE", &reply);
}


void
hang_up(conn_t *c)
{
    if (c->ssl) {
        SSL_free(c->ssl);
    }

    free(c->ws);
    close(c->fd);
}


void
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
