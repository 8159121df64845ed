/*
 * WebSocket as an I/O layer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ws.h"

#include "neon_ws.h"


#define NGX_NEON_WS_TURNS    16               /* reads without data before
                                                 others' turn */
#define NGX_NEON_WS_RECORD   16384            /* of TLS, at most */
#define NGX_NEON_WS_MISSED   2                /* pings */


typedef struct {
    ngx_connection_t     *connection;

    ngx_recv_pt           recv;               /* the layer below */
    ngx_send_pt           send;

    u_char               *early;
    u_char               *early_last;

    neon_ws_decoder_t     in;

    /* the frame that is being sent */
    size_t                left;               /* of its payload */
    u_char                head[NEON_WS_HEAD];
    u_char                head_pos;
    u_char                head_len;

    /* one control frame, sent between frames */
    u_char                control[NEON_WS_CONTROL_FRAME];
    u_char                control_pos;
    u_char                control_len;
    uint16_t              close;              /* code of a Close that could
                                                 not be queued, or 0 */

    ngx_event_t           ping;
    ngx_msec_t            interval;
    ngx_uint_t            missed;

    unsigned              tried:1;            /* the control frame: it may
                                                 not change any more */
    unsigned              close_sent:1;       /* or queued */
    unsigned              close_received:1;
    unsigned              dead:1;
} ngx_neon_ws_t;


static ngx_neon_ws_t *ngx_neon_ws_get(ngx_connection_t *c);
static void ngx_neon_ws_cleanup(void *data);
static ssize_t ngx_neon_ws_recv(ngx_connection_t *c, u_char *buf, size_t size);
static ssize_t ngx_neon_ws_read(ngx_connection_t *c, ngx_neon_ws_t *ws,
    u_char *buf, size_t size);
static ssize_t ngx_neon_ws_decode(ngx_connection_t *c, ngx_neon_ws_t *ws,
    u_char *buf, size_t size);
static ssize_t ngx_neon_ws_failed(ngx_connection_t *c, ngx_neon_ws_t *ws);
static ssize_t ngx_neon_ws_send(ngx_connection_t *c, u_char *buf, size_t size);
static ssize_t ngx_neon_ws_write_head(ngx_connection_t *c, ngx_neon_ws_t *ws,
    u_char *buf, size_t size);
static ssize_t ngx_neon_ws_writev(ngx_connection_t *c, ngx_neon_ws_t *ws,
    u_char *buf, size_t size);
static ssize_t ngx_neon_ws_write_record(ngx_connection_t *c,
    ngx_neon_ws_t *ws, u_char *buf, size_t size);
static void ngx_neon_ws_queue(ngx_neon_ws_t *ws, ngx_uint_t opcode,
    const u_char *payload, size_t n);
static void ngx_neon_ws_queue_close(ngx_neon_ws_t *ws, ngx_uint_t code,
    const char *reason);
static ngx_int_t ngx_neon_ws_write_control(ngx_connection_t *c,
    ngx_neon_ws_t *ws);
static void ngx_neon_ws_ping_handler(ngx_event_t *ev);


/* a header and payload in one TLS record; the same bytes on a retry */
static u_char  ngx_neon_ws_record[NGX_NEON_WS_RECORD];


ngx_int_t
ngx_neon_ws_install(ngx_connection_t *c, u_char *early, u_char *last,
    ngx_msec_t ping)
{
    ngx_neon_ws_t       *ws;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(c->pool, sizeof(ngx_neon_ws_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_neon_ws_cleanup;

    ws = cln->data;
    ngx_memzero(ws, sizeof(ngx_neon_ws_t));

    ws->connection = c;
    ws->recv = c->recv;
    ws->send = c->send;
    ws->early = early;
    ws->early_last = last;

    neon_ws_decoder_init(&ws->in);

    ws->interval = ping;
    ws->ping.handler = ngx_neon_ws_ping_handler;
    ws->ping.data = ws;
    ws->ping.log = c->log;
    ws->ping.cancelable = 1;

    if (ping) {
        ngx_add_timer(&ws->ping, ping);
    }

    c->recv = ngx_neon_ws_recv;
    c->send = ngx_neon_ws_send;

    if (early != last) {
        /* no event will tell of it */
        c->read->ready = 1;
    }

    return NGX_OK;
}


/* c->data is its owner's: the layer is found by its clean-up, newest first */

static ngx_neon_ws_t *
ngx_neon_ws_get(ngx_connection_t *c)
{
    ngx_pool_cleanup_t  *cln;

    cln = c->pool->cleanup;

    while (cln->handler != ngx_neon_ws_cleanup) {
        cln = cln->next;
    }

    return cln->data;
}


static void
ngx_neon_ws_cleanup(void *data)
{
    ngx_neon_ws_t  *ws = data;

    if (ws->ping.timer_set) {
        ngx_del_timer(&ws->ping);
    }
}


void
ngx_neon_ws_remove(ngx_connection_t *c)
{
    ngx_neon_ws_t  *ws;

    ws = ngx_neon_ws_get(c);

    ngx_neon_ws_cleanup(ws);

    c->recv = ws->recv;
    c->send = ws->send;
}


static ssize_t
ngx_neon_ws_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    ssize_t         n;
    ngx_uint_t      turns;
    ngx_neon_ws_t  *ws;

    ws = ngx_neon_ws_get(c);

    for (turns = 0; turns < NGX_NEON_WS_TURNS; turns++) {

        if (ws->dead) {
            return NGX_ERROR;
        }

        if (ws->close_received) {
            c->read->ready = 0;
            c->read->eof = 1;
            return 0;
        }

        n = ngx_neon_ws_read(c, ws, buf, size);

        if (n <= 0) {
            return n;
        }

        n = ngx_neon_ws_decode(c, ws, buf, n);

        if (n != 0) {
            return n;
        }
    }

    /* control frames and empty ones without end */

    ngx_post_event(c->read, &ngx_posted_next_events);

    return NGX_AGAIN;
}


static ssize_t
ngx_neon_ws_read(ngx_connection_t *c, ngx_neon_ws_t *ws, u_char *buf,
    size_t size)
{
    size_t   n;
    ssize_t  rc;

    n = ws->early_last - ws->early;

    if (n) {
        n = ngx_min(n, size);
        ngx_memcpy(buf, ws->early, n);
        ws->early += n;

        /* no event tells of these, nor of what the socket has by now */

        c->read->ready = 1;

        return n;
    }

    rc = ws->recv(c, buf, size);

    if (rc > 0) {
        ws->missed = 0;
    }

    return rc;
}


/* payload of buf..buf + size to buf; 0: none, NGX_ERROR: the peer is out */

static ssize_t
ngx_neon_ws_decode(ngx_connection_t *c, ngx_neon_ws_t *ws, u_char *buf,
    size_t size)
{
    size_t             n;
    u_char            *out;
    const uint8_t     *in, *last;
    neon_ws_decoder_t *d;

    d = &ws->in;
    in = buf;
    last = buf + size;
    out = buf;

    for ( ;; ) {
        switch (neon_ws_decode(d, &in, last, out, &n)) {

        case NEON_WS_MORE:
            (void) ngx_neon_ws_write_control(c, ws);
            return out - buf;

        case NEON_WS_DATA:
            out += n;
            break;

        case NEON_WS_PING:
            ngx_neon_ws_queue(ws, NEON_WS_OP_PONG, d->control, d->control_len);
            break;

        case NEON_WS_PONG:
            break;

        case NEON_WS_CLOSE:
            ws->close_received = 1;

            ngx_neon_ws_queue_close(ws, d->code == NEON_WS_NO_STATUS
                                        ? NEON_WS_NORMAL : d->code, "");
            (void) ngx_neon_ws_write_control(c, ws);

            /* what came before it is read first */

            c->read->ready = 1;

            return out - buf;

        default: /* NEON_WS_FAIL */
            return ngx_neon_ws_failed(c, ws);
        }
    }
}


static ssize_t
ngx_neon_ws_failed(ngx_connection_t *c, ngx_neon_ws_t *ws)
{
    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "client sent an invalid WebSocket frame: %s",
                  ws->in.reason);

    ngx_neon_ws_queue_close(ws, ws->in.code, ws->in.reason);
    (void) ngx_neon_ws_write_control(c, ws);

    ws->dead = 1;

    /* for those who ask what errno was */
    ngx_set_socket_errno(0);

    return NGX_ERROR;
}


static ssize_t
ngx_neon_ws_send(ngx_connection_t *c, u_char *buf, size_t size)
{
    ssize_t         n;
    ngx_int_t       rc;
    ngx_neon_ws_t  *ws;

    ws = ngx_neon_ws_get(c);

    if (ws->dead || ws->close_sent) {
        ngx_set_socket_errno(0);
        return NGX_ERROR;
    }

    rc = ngx_neon_ws_write_control(c, ws);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ws->left == 0) {
        ws->left = ngx_min(size, NEON_WS_FRAME_MAX);
        ws->head_pos = 0;
        ws->head_len = neon_ws_head(ws->head, ws->left);
    }

    size = ngx_min(size, ws->left);

    n = ws->head_pos == ws->head_len
        ? ws->send(c, buf, size)
        : ngx_neon_ws_write_head(c, ws, buf, size);

    if (n <= 0) {
        return n;
    }

    ws->left -= n;

    /* an answer to a ping may have waited for the end of the frame */

    if (ngx_neon_ws_write_control(c, ws) == NGX_ERROR) {
        return NGX_ERROR;
    }

    return n;
}


static ssize_t
ngx_neon_ws_write_head(ngx_connection_t *c, ngx_neon_ws_t *ws, u_char *buf,
    size_t size)
{
    size_t   head;
    ssize_t  n;

    head = ws->head_len - ws->head_pos;

    n = c->ssl ? ngx_neon_ws_write_record(c, ws, buf, size)
               : ngx_neon_ws_writev(c, ws, buf, size);

    if (n <= 0) {
        return n;
    }

    if ((size_t) n <= head) {
        ws->head_pos += n;
        return NGX_AGAIN;
    }

    ws->head_pos = ws->head_len;

    return n - head;
}


static ssize_t
ngx_neon_ws_writev(ngx_connection_t *c, ngx_neon_ws_t *ws, u_char *buf,
    size_t size)
{
    ssize_t       n;
    ngx_err_t     err;
    ngx_event_t  *wev;
    struct iovec  iov[2];

    wev = c->write;

    iov[0].iov_base = ws->head + ws->head_pos;
    iov[0].iov_len = ws->head_len - ws->head_pos;
    iov[1].iov_base = buf;
    iov[1].iov_len = size;

    do {
        n = writev(c->fd, iov, 2);
        err = ngx_socket_errno;
    } while (n == -1 && err == NGX_EINTR);

    if (n == -1 && err == NGX_EAGAIN) {
        wev->ready = 0;
        return NGX_AGAIN;
    }

    if (n == -1) {
        wev->error = 1;
        (void) ngx_connection_error(c, err, "writev() failed");
        return NGX_ERROR;
    }

    if ((size_t) n < iov[0].iov_len + size) {
        wev->ready = 0;
    }

    c->sent += n;

    return n;
}


static ssize_t
ngx_neon_ws_write_record(ngx_connection_t *c, ngx_neon_ws_t *ws, u_char *buf,
    size_t size)
{
    size_t   head;
    u_char  *p;

    head = ws->head_len - ws->head_pos;
    size = ngx_min(size, NGX_NEON_WS_RECORD - head);

    p = ngx_cpymem(ngx_neon_ws_record, ws->head + ws->head_pos, head);
    p = ngx_cpymem(p, buf, size);

    return ws->send(c, ngx_neon_ws_record, p - ngx_neon_ws_record);
}


/* the newest pong, or a ping of ours, or the Close; never behind a Close */

static void
ngx_neon_ws_queue(ngx_neon_ws_t *ws, ngx_uint_t opcode, const u_char *payload,
    size_t n)
{
    if (ws->tried || ws->close_sent) {
        return;
    }

    ws->control_pos = 0;
    ws->control_len = neon_ws_control(ws->control, opcode, payload, n);
}


static void
ngx_neon_ws_queue_close(ngx_neon_ws_t *ws, ngx_uint_t code,
    const char *reason)
{
    if (ws->close_sent) {
        return;
    }

    ws->close_sent = 1;

    if (ws->tried) {
        ws->close = code;
        return;
    }

    ws->control_pos = 0;
    ws->control_len = neon_ws_close(ws->control, code, reason);
}


static ngx_int_t
ngx_neon_ws_write_control(ngx_connection_t *c, ngx_neon_ws_t *ws)
{
    ssize_t  n;

    while (ws->left == 0 && ws->control_len) {

        n = ws->send(c, ws->control + ws->control_pos,
                     ws->control_len - ws->control_pos);

        if (n == NGX_AGAIN) {
            ws->tried = 1;
            return ngx_handle_write_event(c->write, 0) == NGX_OK ? NGX_AGAIN
                                                                 : NGX_ERROR;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }

        ws->control_pos += n;

        if (ws->control_pos < ws->control_len) {
            ws->tried = 1;
            continue;
        }

        ws->tried = 0;
        ws->control_pos = 0;
        ws->control_len = 0;

        if (ws->close) {
            ws->control_len = neon_ws_close(ws->control, ws->close, "");
            ws->close = 0;
        }
    }

    return NGX_OK;
}


void
ngx_neon_ws_flush(ngx_connection_t *c)
{
    /* an error shows where the next read or write is */

    (void) ngx_neon_ws_write_control(c, ngx_neon_ws_get(c));
}


ngx_int_t
ngx_neon_ws_close(ngx_connection_t *c, ngx_uint_t code, const char *reason)
{
    ngx_neon_ws_t  *ws;

    ws = ngx_neon_ws_get(c);

    if (ws->left) {
        /* it gave up in the middle of a frame: nothing can follow that */
        return NGX_ERROR;
    }

    ngx_neon_ws_queue_close(ws, code, reason);

    return ngx_neon_ws_write_control(c, ws);
}


ngx_uint_t
ngx_neon_ws_refused(ngx_connection_t *c)
{
    return ngx_neon_ws_get(c)->in.reason != NULL;
}


static void
ngx_neon_ws_ping_handler(ngx_event_t *ev)
{
    ngx_neon_ws_t     *ws;
    ngx_connection_t  *c;

    ws = ev->data;
    c = ws->connection;

    /* what it said is an answer, also while nobody has the time to read it */

    if (c->read->ready) {
        ws->missed = 0;
    }

    if (ws->missed == NGX_NEON_WS_MISSED) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client did not answer %ui WebSocket pings",
                      ws->missed);

        ws->dead = 1;
        c->read->error = 1;
        c->read->ready = 1;
        ngx_set_socket_errno(NGX_ETIMEDOUT);

        c->read->handler(c->read);
        return;
    }

    /* one that reads nothing is not asked: its silence would say nothing */

    if (ws->left == 0 && ws->control_len == 0) {
        ngx_neon_ws_queue(ws, NEON_WS_OP_PING, NULL, 0);

        if (ngx_neon_ws_write_control(c, ws) != NGX_ERROR) {
            ws->missed++;
        }
    }

    ngx_add_timer(&ws->ping, ws->interval);
}
