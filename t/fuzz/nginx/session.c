/*
 * Sessions by a script: each byte is something that one side does, some with
 * more bytes behind.  The high bit of it: nginx does not run until the next.
 *
 * What depends on what the other side has said (proofs, cancel keys) is
 * computed, so that a script still logs in when the fuzzer has changed what
 * stands in front of that.
 *
 * NEON_FUZZ_LOG='FILE debug' shows what nginx makes of one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "session.h"

#include "callback.h"
#include "compute.h"
#include "control.h"
#include "lack.h"
#include "peer.h"
#include "place.h"
#include "server.h"
#include "tls.h"

#include <openssl/err.h>

#include "neon_pg_msg.h"
#include "neon_pg_startup.h"
#include "neon_scram.h"


#define PEERS       4                 /* connections of one kind */
#define TURNS       20000             /* more without an end is a loop */
#define OPERATIONS  200
#define BULK        24                /* messages of 8 KiB, less than that */
#define SERVERS     6                 /* of one kind */
#define SPANS       2                 /* turns until they have left */
#define PAUSE       3600000           /* ms: what limits count is forgotten */


typedef enum {
    CLIENT_BYTES = 0,                 /* length, bytes */
    CLIENT_MESSAGE,                   /* type, length, bytes of the body */
    CLIENT_FRAME,                     /* first byte, length, bytes */
    CLIENT_SSL_REQUEST,
    CLIENT_TLS,                       /* whether with ALPN */
    CLIENT_STARTUP,                   /* endpoint, length, more parameters */
    CLIENT_PASSWORD,
    CLIENT_SASL_FIRST,
    CLIENT_SASL_FINAL,
    CLIENT_UPGRADE,                   /* length, bytes of headers */
    CLIENT_TUNNEL,                    /* the same, to a raw tunnel */
    CLIENT_CANCEL,                    /* on a connection of its own */
    CLIENT_BULK,                      /* how much */
    CLIENT_STALL,                     /* whether to read what comes */
    CLIENT_SHUT,
    CLIENT_RESET,
    COMPUTE_BYTES,
    COMPUTE_MESSAGE,
    COMPUTE_SASL,
    COMPUTE_SASL_CONTINUE,
    COMPUTE_SASL_FINAL,
    COMPUTE_WELCOME,
    COMPUTE_READY,
    COMPUTE_BULK,
    COMPUTE_STALL,
    COMPUTE_SHUT,
    COMPUTE_RESET,
    LATER,                            /* the power of two, in milliseconds */
    NO_MEMORY,                        /* which allocation fails */
    COMPUTE_ERROR,                    /* SQLSTATE, fields, length, more */
    COMPUTE_AUTH,                     /* code, length, bytes */
    CLIENT_DIAL,                      /* which server, in place of the first */
    CLIENT_MD5,                       /* to the salt that it was told */
    CONTROL_ANSWER,                   /* status, length, body */
    CONTROL_GOOD,                     /* length, more members */
    CALLBACK,                         /* the same */
    OPERATIONS_END
} operation_e;


static session_front_e        front;
static peer_t                 client, canceler, console;
static peer_t                 computes[PEERS];
static ngx_uint_t             ncomputes, proved, traced;
static neon_scram_client_t    scram_client;


/* of which an input may choose, the first at the beginning */
static const char  *servers[][SERVERS] = {
    { "pg", "pass", "link", "web", "private", "manage" },
    { "tls", "sealed", "web-tls" },
    { "ws", "ws-web" }
};

static const uint8_t  nonce[NEON_SCRAM_RAW_NONCE] = "eighteen byte long";

void
session_start(void)
{
    place_start();

    client.fd = -1;
    canceler.fd = -1;
    console.fd = -1;
}


static peer_t *
compute(void)
{
    static peer_t  none = { -1, 0, NULL, 0, { 0 } };

    return ncomputes ? &computes[(ncomputes - 1) % PEERS] : &none;
}


static ngx_uint_t
accept_compute(void)
{
    int      fd;
    peer_t  *p;

    fd = place_accept();
    if (fd == -1) {
        return 0;
    }

    /* a password may be among bytes of the fuzzer's; a proof cannot */

    server_check(proved || front != SESSION_TCP,
                 "no compute is spoken to before a proof");

    p = &computes[ncomputes % PEERS];

    if (ncomputes >= PEERS) {
        peer_hang_up(p);
    }

    ncomputes++;
    p->fd = fd;
    p->ssl = NULL;
    p->len = 0;
    p->stalled = 0;

    return 1;
}


/* until nothing moves any more */

static void
run(void)
{
    ngx_uint_t  i, n, some;

    for (n = 0; n < TURNS; n++) {
        some = server_turn();
        some += accept_compute();
        some += peer_receive(&client);
        some += peer_receive(&canceler);
        some += peer_receive(&console);

        for (i = 0; i < PEERS; i++) {
            if (i < ncomputes) {
                some += peer_receive(&computes[i]);
            }
        }

        if (some == 0 && server_idle()) {
            return;
        }
    }

    server_check(0, "nginx comes to rest");
}


/* what the client says in Postgres's protocol: in a frame, on WebSocket */

static void
say(const neon_wr_t *w)
{
    size_t   len, head;
    uint8_t  frame[8];

    len = neon_wr_len(w);
    head = len < 126 ? 6 : 8;

    if (front != SESSION_WEBSOCKET) {
        peer_send(&client, w->start, len);
        return;
    }

    /* the mask of zeros is one, too */

    memset(frame, 0, sizeof(frame));
    frame[0] = 0x82;
    frame[1] = (uint8_t) (0x80 | ngx_min(len, 126));

    if (len >= 126) {
        frame[2] = (uint8_t) (len >> 8);
        frame[3] = (uint8_t) len;
    }

    peer_send(&client, frame, head);
    peer_send(&client, w->start, len);
}


/* bytes of a length that stands in front of them */

static neon_str_t
operand(neon_rd_t *rd)
{
    size_t  n;

    n = neon_rd_u8(rd);

    return neon_rd_bytes(rd, ngx_min(n, neon_rd_left(rd)));
}


static void
client_startup(neon_wr_t *w, neon_rd_t *rd)
{
    char      endpoint[32];
    uint8_t  *begin;

    begin = w->pos;
    snprintf(endpoint, sizeof(endpoint), "endpoint=ep-%d",
             neon_rd_u8(rd) % 4 + 1);

    neon_wr_u32(w, 0);
    neon_wr_u32(w, 0x00030000);
    neon_wr_z(w, "user");
    neon_wr_u8(w, 0);
    neon_wr_z(w, "alice");
    neon_wr_u8(w, 0);
    neon_wr_z(w, "options");
    neon_wr_u8(w, 0);
    neon_wr_z(w, endpoint);
    neon_wr_u8(w, 0);
    neon_wr_str(w, operand(rd));

    neon_pg_startup_end(w, begin);
}


static void
client_sasl_first(neon_wr_t *w)
{
    neon_wr_t  text;
    uint8_t    buf[NEON_SCRAM_MSG_MAX];

    neon_wr_init(&text, buf, sizeof(buf));
    memset(&scram_client, 0, sizeof(scram_client));

    neon_scram_client_first(&scram_client, 'n', neon_str("", 0), nonce, &text);
    neon_pg_sasl_initial_write(w, "SCRAM-SHA-256",
                               neon_str(buf, neon_wr_len(&text)));
}


static void
client_sasl_final(neon_wr_t *w)
{
    neon_wr_t  text;
    uint8_t    buf[NEON_SCRAM_MSG_MAX];

    neon_wr_init(&text, buf, sizeof(buf));

    proved = 1;
    (void) neon_scram_client_final(&scram_client,
                                   peer_find(&client, 'R', "\0\0\0\013", 4),
                                   &place.verifier, &place.keys, &text);
    neon_pg_sasl_response_write(w, neon_str(buf, neon_wr_len(&text)));
}


static void
client_upgrade(operation_e op, neon_str_t headers)
{
    char       line[64];
    neon_wr_t  w;
    uint8_t    buf[1024];

    snprintf(line, sizeof(line), "GET %s127.0.0.1:%d HTTP/1.1\r\n",
             op == CLIENT_TUNNEL ? "/v1?address=" : "/v2?", place.port);

    neon_wr_init(&w, buf, sizeof(buf));
    neon_wr_z(&w, line);
    neon_wr_z(&w, "Host: ep-1.example.com\r\n"
                  "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n");
    neon_wr_str(&w, headers);
    neon_wr_z(&w, "\r\n");

    peer_send(&client, buf, neon_wr_len(&w));
}


static void
client_cancel(void)
{
    uint32_t    pid;
    uint8_t     buf[512];
    neon_wr_t   w;
    neon_str_t  key, body;

    body = peer_find(&client, 'K', "", 0);

    if (neon_pg_key_data_parse(&pid, &key, body) != NEON_OK) {
        pid = 1;
        key = neon_str("none", 4);
    }

    neon_wr_init(&w, buf, sizeof(buf));
    neon_pg_cancel_write(&w, pid, key);

    peer_hang_up(&canceler);
    peer_dial(&canceler, place.dir, "pg");
    peer_send(&canceler, buf, neon_wr_len(&w));
}


/* whom only a compute asks for a proof, or somebody with a browser */

static void
client_dial(uint8_t n)
{
    const char  *name;

    name = servers[front][n % SERVERS];
    name = name ? name : servers[front][0];

    peer_hang_up(&client);
    peer_dial(&client, place.dir, name);

    traced |= (n % SERVERS != 0);

    if (ngx_strcmp(name, "pass") == 0) {
        proved = 1;
    }
}


static void
client_md5(neon_wr_t *w)
{
    uint8_t     answer[NEON_MD5_TEXT_LEN];
    neon_str_t  salt;

    salt = peer_find(&client, 'R', "\0\0\0\005", 4);

    if (salt.len == NEON_MD5_SALT_LEN) {
        proved = 1;
        (void) neon_md5_answer(answer, &place.md5, salt);
        neon_pg_password_write(w, neon_str(answer, sizeof(answer)));
    }
}


static void
callback(neon_str_t members)
{
    proved = 1;

    peer_hang_up(&console);
    peer_dial(&console, place.dir, "manage");
    callback_send(&console, &client, members);
}


static void
play_control(operation_e op, neon_rd_t *rd)
{
    uint8_t  n;

    static const ngx_uint_t  statuses[] = { 200, 0, 400, 404, 423, 429, 503 };

    if (op == CALLBACK) {
        callback(operand(rd));

    } else if (op == CONTROL_GOOD) {
        control_answer_good(operand(rd));

    } else {
        n = neon_rd_u8(rd) % (sizeof(statuses) / sizeof(statuses[0]));
        control_answer(statuses[n], operand(rd));
    }
}


static void
bulk(peer_t *p, uint8_t type, ngx_uint_t n)
{
    static uint8_t  message[8192];
    neon_wr_t       w;
    uint8_t        *begin;

    neon_wr_init(&w, message, sizeof(message));
    begin = neon_wr_begin(&w, type);
    w.pos = w.start + sizeof(message) - 16;
    neon_wr_end(&w, begin);

    /* a frame of its own, to look at the same bytes */

    while (n--) {
        if (p == &client) {
            say(&w);

        } else {
            peer_send(p, message, neon_wr_len(&w));
        }
    }
}


static void
message(neon_wr_t *w, neon_rd_t *rd)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, neon_rd_u8(rd));
    neon_wr_str(w, operand(rd));
    neon_wr_end(w, begin);
}


static void
play_client(operation_e op, neon_rd_t *rd)
{
    uint8_t     buf[2048], head[6];
    neon_wr_t   w;
    neon_str_t  text;

    neon_wr_init(&w, buf, sizeof(buf));

    switch (op) {

    case CLIENT_BYTES:
        text = operand(rd);

        /* past TLS, too */

        if (client.fd != -1) {
            (void) !send(client.fd, text.data, text.len, MSG_NOSIGNAL);
        }
        return;

    case CLIENT_TLS:
        op = neon_rd_u8(rd) & 1;

        if (client.fd != -1 && client.ssl == NULL) {
            client.ssl = tls_client(client.fd, op);
        }
        return;

    case CLIENT_FRAME:
        memset(head, 0, sizeof(head));
        head[0] = neon_rd_u8(rd);
        text = operand(rd);
        head[1] = (uint8_t) (0x80 | ngx_min(text.len, 125));
        peer_send(&client, head, sizeof(head));
        peer_send(&client, text.data, ngx_min(text.len, 125));
        return;

    case CLIENT_UPGRADE:
    case CLIENT_TUNNEL:
        client_upgrade(op, operand(rd));
        return;

    case CLIENT_CANCEL:
        client_cancel();
        return;

    case CLIENT_BULK:
        bulk(&client, 'd', neon_rd_u8(rd) % BULK);
        return;

    case CLIENT_STALL:
        client.stalled = !client.stalled;
        return;

    case CLIENT_SHUT:
        if (client.fd != -1) {
            if (client.ssl) {
                (void) SSL_shutdown(client.ssl);
                ERR_clear_error();
            }

            (void) shutdown(client.fd, SHUT_WR);
        }
        return;

    case CLIENT_RESET:
        peer_hang_up(&client);
        return;

    case CLIENT_DIAL:
        client_dial(neon_rd_u8(rd));
        return;

    case CLIENT_MESSAGE:
        message(&w, rd);
        break;

    case CLIENT_SSL_REQUEST:
        neon_pg_ssl_request_write(&w);
        break;

    case CLIENT_STARTUP:
        client_startup(&w, rd);
        break;

    case CLIENT_PASSWORD:
        neon_pg_password_write(&w, neon_str(PLACE_PASSWORD,
                                            sizeof(PLACE_PASSWORD) - 1));
        break;

    case CLIENT_SASL_FIRST:
        client_sasl_first(&w);
        break;

    case CLIENT_MD5:
        client_md5(&w);
        break;

    default: /* CLIENT_SASL_FINAL */
        client_sasl_final(&w);
    }

    say(&w);
}


static void
play_compute(operation_e op, neon_rd_t *rd)
{
    uint8_t     n, fields, buf[2048];
    neon_wr_t   w;
    neon_str_t  text;

    neon_wr_init(&w, buf, sizeof(buf));

    switch (op) {

    case COMPUTE_BYTES:
        text = operand(rd);
        peer_send(compute(), text.data, text.len);
        return;

    case COMPUTE_BULK:
        bulk(compute(), 'D', neon_rd_u8(rd) % BULK);
        return;

    case COMPUTE_STALL:
        compute()->stalled = !compute()->stalled;
        return;

    case COMPUTE_SHUT:
        if (compute()->fd != -1) {
            (void) shutdown(compute()->fd, SHUT_WR);
        }
        return;

    case COMPUTE_RESET:
        peer_hang_up(compute());
        return;

    case COMPUTE_MESSAGE:
        message(&w, rd);
        break;

    case COMPUTE_SASL:
        neon_pg_auth_sasl_write(&w, 0);
        break;

    case COMPUTE_WELCOME:
        compute_welcome(&w);
        break;

    case COMPUTE_READY:
        neon_pg_ready_write(&w, "ITE"[neon_rd_u8(rd) % 3]);
        break;

    case COMPUTE_ERROR:
        n = neon_rd_u8(rd);
        fields = neon_rd_u8(rd);
        compute_error(&w, n, fields, operand(rd));
        break;

    case COMPUTE_AUTH:
        n = neon_rd_u8(rd);
        compute_auth(&w, n, operand(rd));
        break;

    default: /* COMPUTE_SASL_CONTINUE, COMPUTE_SASL_FINAL */
        compute_scram(&w, compute(), op == COMPUTE_SASL_FINAL);
    }

    peer_send(compute(), buf, neon_wr_len(&w));
}


static void
hang_up_computes(void)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_min(ncomputes, PEERS); i++) {
        peer_hang_up(&computes[i]);
    }

    ncomputes = 0;
}


/* everybody has gone: nginx has to see that, at the latest with time */

static void
finish(ngx_uint_t connections)
{
    ngx_uint_t  i;

    peer_hang_up(&client);
    peer_hang_up(&canceler);
    peer_hang_up(&console);

    for (i = 0; i < 100; i++) {
        hang_up_computes();
        run();

        if (control_end() == 0
            && i >= (traced ? SPANS : 0)
            && ngx_cycle->free_connection_n == connections)
        {
            hang_up_computes();
            place_check();
            return;
        }

        server_later(5000);
    }

    server_check(0, "nginx lets go of its connections");
}


void
session_play(session_front_e on, const uint8_t *data, size_t size)
{
    uint8_t       byte;
    neon_rd_t     rd;
    operation_e   op;
    ngx_uint_t    n, connections;

    front = on;
    proved = 0;
    traced = 0;
    connections = ngx_cycle->free_connection_n;

    server_reset();
    server_later(PAUSE);
    neon_rd_init(&rd, data, size);

    if (size == 0 || (data[0] & 0x7f) % OPERATIONS_END != CLIENT_DIAL) {
        client_dial(0);
    }

    for (n = 0; n < OPERATIONS && neon_rd_left(&rd) != 0; n++) {
        byte = neon_rd_u8(&rd);
        op = (byte & 0x7f) % OPERATIONS_END;

        if (op == LATER) {
            server_later((ngx_msec_t) 1 << (neon_rd_u8(&rd) % 18));

        } else if (op == NO_MEMORY) {
            lack(neon_rd_u8(&rd));

        } else if (op >= CONTROL_ANSWER) {
            play_control(op, &rd);

        } else if (op < COMPUTE_BYTES || op >= CLIENT_DIAL) {
            play_client(op, &rd);

        } else {
            play_compute(op, &rd);
        }

        if (!(byte & 0x80)) {
            run();
        }
    }

    finish(connections);
}
