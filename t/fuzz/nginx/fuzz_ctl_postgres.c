/*
 * Questions to a PostgreSQL that says what the input has it say: libpq and all
 * that stands around it.  Each question is answered once, with something
 * complete or an error that says what it is, and nothing stays open.
 *
 * A script as in session.c; the high bit of an operation: nginx does not run
 * until the next one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "peer.h"
#include "place.h"
#include "server.h"

#include "neon_pg_error.h"
#include "neon_pg_msg.h"

#include "ngx_neon_ctl_postgres.h"
#include "ngx_neon_proxy_module.h"


#define TURNS       2000              /* more without an end is a loop */
#define OPERATIONS  64
#define QUESTIONS   4
#define PEERS       4


typedef enum {
    ASK_ACCESS = 0,
    ASK_WAKE,
    CANCEL,                           /* which question */
    WELCOME,
    ANSWER,                           /* rows: see below */
    PROBED,                           /* true or false */
    ERROR,                            /* which code, length, bytes */
    NOTICE,
    MESSAGE,                          /* type, length, bytes of the body */
    BYTES,                            /* length, bytes */
    READY,
    OTHER,                            /* the server's next connection */
    SHUT,
    HANG_UP,
    LATER,                            /* the power of two, in milliseconds */
    OPERATIONS_END
} operation_e;


typedef struct {
    ngx_neon_ctl_request_t  r;
    ngx_uint_t              open;
} question_t;


static const char  conf[] =
    PLACE_CONF_HEAD
    "neon_proxy main {\n"
    "    zone main 1m;\n"
    "    control_plane postgres://u:p@127.0.0.1:%d/d?sslmode=disable;\n"
    "    control_plane_connections 2;\n"
    "    node_query 'select host, port from n where e = $1';\n"
    "    md5_verifiers on;\n"
    "}\n";

static const char  *const columns[] = {
    "rolpassword", "rolvaliduntil", "allowed_ips", "block_public_connections",
    "host", "port", "ssl", "server_name"
};

static const uint32_t  types[] = { 25, 1184, 16 };

static const char  *const states[] = {
    "28P01", "57P03", "22021", "42P01", "53300", "57P01", "25006"
};


static peer_t       peers[PEERS];
static ngx_uint_t   npeers, now;
static question_t   questions[QUESTIONS];
static ngx_uint_t   nquestions;


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);


/* libpq asks for as much as a message says that it has: 2 GiB are no error of
   ours, but take ASan seconds to look after */

const char *
__asan_default_options(void)
{
    return "max_allocation_size_mb=64:allocator_may_return_null=1";
}


static ngx_neon_conf_t *
proxy(void)
{
    ngx_neon_main_conf_t  *nmcf;

    nmcf = (ngx_neon_main_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                                 ngx_neon_proxy_module);

    return *(ngx_neon_conf_t **) nmcf->proxies.elts;
}


static ngx_uint_t
accept_peer(void)
{
    int      fd;
    peer_t  *p;

    fd = place_accept();
    if (fd == -1) {
        return 0;
    }

    now = npeers++ % PEERS;
    p = &peers[now];

    peer_hang_up(p);
    p->fd = fd;
    p->len = 0;

    return 1;
}


static void
run(void)
{
    ngx_uint_t  i, n, some;

    for (n = 0; n < TURNS; n++) {
        some = server_turn();
        some += accept_peer();

        for (i = 0; i < PEERS; i++) {
            some += peer_receive(&peers[i]);
        }

        if (some == 0 && server_idle()) {
            return;
        }
    }

    server_check(0, "nginx comes to rest");
}


static void
answered(ngx_neon_ctl_request_t *r)
{
    question_t  *q;

    q = r->data;

    server_check(q->open, "a question is answered once");
    q->open = 0;

    if (r->rc == NGX_OK) {
        server_check(r->call == NGX_NEON_CTL_ACCESS ? r->access != NULL
                     : r->node && r->node->port && r->node->host.len,
                     "an answer is complete");
    } else {
        server_check(r->reason != NGX_NEON_REASON_NONE && r->detail.len != 0,
                     "an error says what it is");
    }
}


static void
ask(ngx_neon_ctl_call_e call)
{
    question_t  *q;

    if (nquestions == QUESTIONS) {
        return;
    }

    q = &questions[nquestions++];
    ngx_memzero(q, sizeof(question_t));

    q->open = 1;
    q->r.conf = proxy();
    q->r.call = call;
    q->r.log = ngx_cycle->log;
    q->r.rc = NGX_ERROR;
    q->r.handler = answered;
    q->r.data = q;
    ngx_str_set(&q->r.endpoint, "ep-1-pooler");
    ngx_str_set(&q->r.role, "alice");

    q->r.pool = ngx_create_pool(1024, q->r.log);
    server_check(q->r.pool != NULL, "memory");

    if (ngx_neon_ctl_start(&q->r) == NGX_OK) {
        answered(&q->r);
    }
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
complete(neon_wr_t *w, uint8_t status)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'C');
    neon_wr_z(w, "SELECT 1");
    neon_wr_u8(w, 0);
    neon_wr_end(w, begin);

    neon_pg_ready_write(w, status);
}


static void
described(neon_wr_t *w, const char *name, uint32_t type)
{
    neon_wr_z(w, name);
    neon_wr_u8(w, 0);
    neon_wr_u32(w, 0);
    neon_wr_u16(w, 0);
    neon_wr_u32(w, type);
    neon_wr_u16(w, 0xffff);
    neon_wr_u32(w, 0xffffffff);
    neon_wr_u16(w, 0);
}


/* ParseComplete, BindComplete */

static void
bound(neon_wr_t *w)
{
    neon_wr_bytes(w, "1\0\0\0\4" "2\0\0\0\4", 10);
}


static void
answer_probe(neon_wr_t *w, uint8_t yes)
{
    uint8_t  *begin;

    bound(w);

    begin = neon_wr_begin(w, 'T');
    neon_wr_u16(w, 1);
    described(w, "?column?", 16);
    neon_wr_end(w, begin);

    begin = neon_wr_begin(w, 'D');
    neon_wr_u16(w, 1);
    neon_wr_u32(w, 1);
    neon_wr_u8(w, (yes & 1) ? 't' : 'f');
    neon_wr_end(w, begin);

    complete(w, 'I');
}


/*
 * How many columns and rows; name and type of each column; each value with its
 * length, where 255 is NULL.
 */

static void
answer(neon_wr_t *w, neon_rd_t *rd)
{
    uint8_t     n, nrows, byte, *begin;
    neon_str_t  value;
    ngx_uint_t  i;

    byte = neon_rd_u8(rd);
    n = byte % 5;
    nrows = byte / 5 % 3;

    bound(w);

    begin = neon_wr_begin(w, 'T');
    neon_wr_u16(w, n);

    for (i = 0; i < n; i++) {
        byte = neon_rd_u8(rd);
        described(w, columns[byte % 8], types[byte / 8 % 3]);
    }

    neon_wr_end(w, begin);

    while (nrows--) {
        begin = neon_wr_begin(w, 'D');
        neon_wr_u16(w, n);

        for (i = 0; i < n; i++) {
            byte = neon_rd_u8(rd);

            if (byte == 255) {
                neon_wr_u32(w, 0xffffffff);
                continue;
            }

            value = neon_rd_bytes(rd, ngx_min(byte, neon_rd_left(rd)));
            neon_wr_u32(w, (uint32_t) value.len);
            neon_wr_str(w, value);
        }

        neon_wr_end(w, begin);
    }

    complete(w, 'I');
}


static void
failure(neon_wr_t *w, neon_rd_t *rd, ngx_uint_t notice)
{
    neon_pg_error_t  e;

    ngx_memzero(&e, sizeof(neon_pg_error_t));

    e.severity = neon_str("FATAL", 5);
    e.sqlstate = neon_str(states[neon_rd_u8(rd) % 7], 5);
    e.message = operand(rd);

    if (notice) {
        neon_pg_notice_write(w, &e);

    } else {
        neon_pg_error_write(w, &e);
    }
}


static void
welcome(neon_wr_t *w)
{
    neon_pg_auth_write(w, NEON_PG_AUTH_OK, neon_str("", 0));
    neon_pg_parameter_status_write(w, "client_encoding", neon_str("UTF8", 4));
    neon_pg_key_data_write(w, 4711, neon_str("\1\2\3\4", 4));
    neon_pg_ready_write(w, 'I');
}


static void
play_server(operation_e op, neon_rd_t *rd)
{
    peer_t     *p;
    uint8_t     buf[4096], *begin;
    neon_wr_t   w;

    p = &peers[now];
    neon_wr_init(&w, buf, sizeof(buf));

    switch (op) {

    case WELCOME:
        welcome(&w);
        break;

    case ANSWER:
        answer(&w, rd);
        break;

    case PROBED:
        answer_probe(&w, neon_rd_u8(rd));
        break;

    case ERROR:
    case NOTICE:
        failure(&w, rd, op == NOTICE);
        break;

    case MESSAGE:
        begin = neon_wr_begin(&w, neon_rd_u8(rd));
        neon_wr_str(&w, operand(rd));
        neon_wr_end(&w, begin);
        break;

    case BYTES:
        neon_wr_str(&w, operand(rd));
        break;

    case READY:
        neon_pg_ready_write(&w, "ITE"[neon_rd_u8(rd) % 3]);
        break;

    case OTHER:
        now = (now + 1) % PEERS;
        return;

    case SHUT:
        if (p->fd != -1) {
            (void) shutdown(p->fd, SHUT_WR);
        }
        return;

    default: /* HANG_UP */
        peer_hang_up(p);
        return;
    }

    peer_send(p, buf, neon_wr_len(&w));
}


static void
play(operation_e op, neon_rd_t *rd)
{
    question_t  *q;

    switch (op) {

    case ASK_ACCESS:
        ask(NGX_NEON_CTL_ACCESS);
        break;

    case ASK_WAKE:
        ask(NGX_NEON_CTL_WAKE);
        break;

    case CANCEL:
        q = &questions[neon_rd_u8(rd) % QUESTIONS];

        if (q->open) {
            q->open = 0;
            ngx_neon_ctl_cancel(&q->r);
        }
        break;

    case LATER:
        server_later((ngx_msec_t) 1 << (neon_rd_u8(rd) % 18));
        break;

    default:
        play_server(op, rd);
    }
}


/* the server has gone: every question must be answered by that, or with time */

static void
finish(ngx_uint_t connections)
{
    ngx_uint_t  i, n, open;

    for (n = 0; n < 100; n++) {

        for (i = 0; i < PEERS; i++) {
            peer_hang_up(&peers[i]);
        }

        run();
        open = 0;

        for (i = 0; i < nquestions; i++) {
            open += questions[i].open;
        }

        if (open == 0 && ngx_cycle->free_connection_n == connections) {
            break;
        }

        server_later(5000);
    }

    server_check(n < 100, "all is answered and closed");

    for (i = 0; i < nquestions; i++) {
        ngx_destroy_pool(questions[i].r.pool);
    }

    place_check();
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char        text[2048];
    ngx_uint_t  i;

    for (i = 0; i < PEERS; i++) {
        peers[i].fd = -1;
    }

    place_make();
    snprintf(text, sizeof(text), conf, place_log(), place.port);
    server_start(place.dir, text);

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t                        byte;
    neon_rd_t                      rd;
    ngx_uint_t                     n, connections;
    ngx_neon_ctl_postgres_conf_t  *pgcf;

    npeers = 0;
    now = 0;
    nquestions = 0;
    ngx_memzero(questions, sizeof(questions));
    connections = ngx_cycle->free_connection_n;

    /* what the last input has taught it */

    pgcf = proxy()->ctl_conf;
    pgcf->pool.pause = 0;
    pgcf->pool.shift = 0;

    server_reset();
    neon_rd_init(&rd, data, size);

    for (n = 0; n < OPERATIONS && neon_rd_left(&rd) != 0; n++) {
        byte = neon_rd_u8(&rd);
        play((byte & 0x7f) % OPERATIONS_END, &rd);

        if (!(byte & 0x80)) {
            run();
        }
    }

    finish(connections);

    return 0;
}
