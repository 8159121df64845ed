/*
 * WebSocket, RFC 6455, for load.c: the client's side of it, as cheap as can
 * be.  The mask of all our frames is zero, which is legal and leaves nothing
 * to do here; the server does not know and unmasks all the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>


#define FRAME_MAX   65535                     /* payload of ours */
#define FRAME_HEAD  8                        /* with the mask */

#define OP_CONT     0x0
#define OP_BINARY   0x2
#define OP_CLOSE    0x8
#define OP_PING     0x9
#define OP_PONG     0xa


static void idle(conn_t *c);
static size_t decode(conn_t *c, unsigned char *p, size_t n);
static void begin(conn_t *c);
static void send_frame(conn_t *c, int opcode, const void *payload, size_t n);


void
ws_upgrade(conn_t *c, const char *host)
{
    size_t  n, have;
    char    text[4096];

    n = (size_t) snprintf(text, sizeof(text),
                          "GET /v2 HTTP/1.1\r\n"
                          "Host: %s\r\n"
                          "Upgrade: websocket\r\n"
                          "Connection: Upgrade\r\n"
                          "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                          "Sec-WebSocket-Version: 13\r\n\r\n", host);

    transmit_plain(c, (unsigned char *) text, n);

    /* the server says nothing more before it is spoken to */

    have = 0;

    do {
        n = receive_plain(c, (unsigned char *) text + have,
                          sizeof(text) - 1 - have);

        if (n == 0) {
            fail("no upgrade", text, have);
        }

        have += n;
        text[have] = '\0';

    } while (strstr(text, "\r\n\r\n") == NULL);

    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0) {
        fail("no upgrade", text, have);
    }

    c->ws = calloc(1, sizeof(ws_t));

    if (c->ws == NULL) {
        fail("no memory", NULL, 0);
    }

    c->ws->need = 2;
}


size_t
ws_receive(conn_t *c, unsigned char *p, size_t n)
{
    size_t  got, size;

    size = 0;

    while (size == 0 && c->ws->opcode != OP_CLOSE) {
        got = receive_plain(c, p, n);

        if (got == 0) {
            break;
        }

        size = decode(c, p, got);
    }

    return size;
}


void
ws_transmit(conn_t *c, const unsigned char *p, size_t n)
{
    send_frame(c, OP_BINARY, p, n);
}


void
ws_run_idle(conn_t *conns, int nconns, unsigned long seconds)
{
    int                 i, k, ep;
    time_t              end;
    struct epoll_event  events[64];

    ep = watch(conns, nconns);

    for (end = time(NULL) + (time_t) seconds; time(NULL) < end; /* void */ ) {
        k = epoll_wait(ep, events, 64, 100);

        for (i = 0; i < k; i++) {
            idle(events[i].data.ptr);
        }
    }

    close(ep);
}


/* what came is read, and may be nothing but pings, which are answered */

static void
idle(conn_t *c)
{
    size_t         n;
    unsigned char  p[4096];

    do {
        n = receive_plain(c, p, sizeof(p));

        if (n == 0 || decode(c, p, n) != 0 || c->ws->opcode == OP_CLOSE) {
            fail("an idle session is not idle", NULL, 0);
        }

    } while (c->ssl && SSL_has_pending(c->ssl));
}


/* payload of data frames in p..p + n moves to p: its length */

static size_t
decode(conn_t *c, unsigned char *p, size_t n)
{
    ws_t           *ws;
    size_t          size;
    unsigned char  *out, *last;

    ws = c->ws;
    out = p;
    last = p + n;

    while (p != last) {

        if (ws->have < ws->need) {
            ws->head[ws->have++] = *p++;

            if (ws->have == ws->need) {
                begin(c);
            }

            continue;
        }

        size = (size_t) (last - p);

        if (size > ws->left) {
            size = (size_t) ws->left;
        }

        if (ws->opcode == OP_CLOSE) {
            break;
        }

        if (ws->opcode == OP_CONT || ws->opcode == OP_BINARY) {
            memmove(out, p, size);
            out += size;
        }

        p += size;
        ws->left -= size;

        if (ws->left == 0) {
            ws->have = 0;
            ws->need = 2;
        }
    }

    return (size_t) (out - (last - n));
}


/* ws->need bytes of the head are there */

static void
begin(conn_t *c)
{
    ws_t    *ws;
    size_t   i;

    ws = c->ws;

    if (ws->have == 2) {
        ws->opcode = ws->head[0] & 0x0f;
        ws->left = ws->head[1];

        if (ws->left >= 126) {
            ws->need = ws->left == 126 ? 4 : 10;
            return;
        }

    } else {
        for (i = 2, ws->left = 0; i < ws->need; i++) {
            ws->left = ws->left << 8 | ws->head[i];
        }
    }

    if (ws->opcode == OP_PING) {

        if (ws->left != 0) {
            fail("a ping with payload", NULL, 0);
        }

        send_frame(c, OP_PONG, NULL, 0);
    }

    if (ws->left == 0 && ws->opcode != OP_CLOSE) {
        ws->have = 0;
        ws->need = 2;
    }
}


static void
send_frame(conn_t *c, int opcode, const void *payload, size_t n)
{
    size_t         head;
    unsigned char  p[FRAME_HEAD + FRAME_MAX];

    if (n > FRAME_MAX) {
        fail("too large for a frame", NULL, 0);
    }

    /* the mask, too, which leaves the payload as it is */
    memset(p, 0, FRAME_HEAD);

    p[0] = (unsigned char) (0x80 | opcode);

    if (n < 126) {
        p[1] = (unsigned char) (0x80 | n);
        head = 6;

    } else {
        p[1] = 0x80 | 126;
        p[2] = (unsigned char) (n >> 8);
        p[3] = (unsigned char) n;
        head = 8;
    }

    if (n) {
        memcpy(p + head, payload, n);
    }

    transmit_plain(c, p, head + n);
}
