/*
 * Last step: tells the client what went wrong, closes both ends so that
 * nothing said is lost, and hands the connection back to its front.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "neon_pg_error.h"

#include "ngx_neon_pass.h"
#include "ngx_neon_trace.h"


#define NGX_NEON_LINGER         2000          /* ms */
#define NGX_NEON_ERROR_MAX      4096


typedef enum {
    NGX_NEON_FINISH_BEGIN = 0,
    NGX_NEON_FINISH_FLUSH,              /* the rest to the client */
    NGX_NEON_FINISH_BYE,                /* a message that ends our side */
    NGX_NEON_FINISH_DRAIN               /* until the client closes too */
} ngx_neon_finish_e;


static ngx_int_t ngx_neon_finish_begin(ngx_neon_session_t *s);
static void ngx_neon_finish_handler(ngx_neon_session_t *s, ngx_event_t *ev);
static ngx_int_t ngx_neon_finish_rest(ngx_neon_session_t *s);
static size_t ngx_neon_finish_error(ngx_neon_session_t *s, u_char *buf);
static ngx_int_t ngx_neon_finish_flush(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_finish_bye(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_finish_drain(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_finish_close(ngx_neon_session_t *s);


ngx_int_t
ngx_neon_finish_step(ngx_neon_session_t *s)
{
    ngx_int_t  rc;

    if (s->phase == NGX_NEON_FINISH_BEGIN) {
        if (ngx_neon_finish_begin(s) != NGX_OK) {
            return ngx_neon_finish_close(s);
        }

        s->phase = NGX_NEON_FINISH_FLUSH;
    }

    if (s->timer.timedout) {
        return ngx_neon_finish_close(s);
    }

    if (s->phase == NGX_NEON_FINISH_FLUSH) {
        rc = ngx_neon_finish_flush(s);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc != NGX_OK || s->client_eof) {
            return ngx_neon_finish_close(s);
        }

        s->phase = NGX_NEON_FINISH_BYE;
    }

    /*
     * close() with unread bytes in the kernel sends RST, and the client may
     * never see what it was told: end our side, and read on for a while.
     */

    if (s->phase == NGX_NEON_FINISH_BYE) {
        rc = ngx_neon_finish_bye(s);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            return ngx_neon_finish_close(s);
        }

        s->phase = NGX_NEON_FINISH_DRAIN;
    }

    if (ngx_neon_finish_drain(s) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    return ngx_neon_finish_close(s);
}


/* NGX_DECLINED: there is nobody to talk to */

static ngx_int_t
ngx_neon_finish_begin(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = s->client;

    ngx_neon_link_close(s);

    if (s->cancel) {
        ngx_neon_cancel_remove(s->conf, s->cancel);
        s->cancel = NULL;
    }

    if (s->up.rest.data) {
        ngx_free(s->up.rest.data);
        s->up.rest.data = NULL;
    }

    rc = NGX_DECLINED;

    if (!s->client_eof && !c->read->error
        && (c->ssl == NULL || c->ssl->handshaked))
    {
        rc = ngx_neon_finish_rest(s);
    }

    ngx_neon_login_destroy(s);

    s->handler = ngx_neon_finish_handler;

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    s->timer.timedout = 0;
    ngx_add_timer(&s->timer, NGX_NEON_LINGER);

    return rc;
}


static void
ngx_neon_finish_handler(ngx_neon_session_t *s, ngx_event_t *ev)
{
    ngx_neon_session_run(s);
}


/*
 * Everything that the client still gets, in s->down.rest: what it was sent and
 * did not take, a compute's error, an error of ours.
 */

static ngx_int_t
ngx_neon_finish_rest(ngx_neon_session_t *s)
{
    u_char            *p, buf[NGX_NEON_ERROR_MAX];
    size_t             n, old, out;
    ngx_neon_bytes_t  *b;

    b = s->login ? &s->login->out : NULL;

    n = ngx_neon_finish_error(s, buf);
    out = b ? b->last - b->pos : 0;
    old = s->down.rest.data ? s->down.rest.last - s->down.rest.pos : 0;

    if (n + out == 0) {
        return NGX_OK;
    }

    p = ngx_alloc(old + out + n, s->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (old) {
        ngx_memcpy(p, s->down.rest.pos, old);
        ngx_free(s->down.rest.data);
    }

    if (out) {
        ngx_memcpy(p + old, b->pos, out);
    }

    ngx_memcpy(p + old + out, buf, n);

    s->down.rest.data = p;
    s->down.rest.pos = p;
    s->down.rest.last = p + old + out + n;

    return NGX_OK;
}


static size_t
ngx_neon_finish_error(ngx_neon_session_t *s, u_char *buf)
{
    neon_wr_t                 w;
    neon_pg_error_t           e;
    ngx_neon_login_t         *l;
    const ngx_neon_reason_t  *r;

    l = s->login;
    r = ngx_neon_reason(s->reason);

    if (r->silent || s->silent) {

        /* a compute's error is in `out` already; else it was not for sending */

        if (l && s->reason != NGX_NEON_REASON_COMPUTE_ERROR) {
            l->out.last = l->out.pos + (l->noticed ? l->greeting : 0);
        }

        return 0;
    }

    /* a login that failed in the end did not succeed in the middle */

    if (l && l->greeting && !l->noticed) {
        l->out.last = l->out.pos;
    }

    /* in the middle of a message of the compute it would be part of that */

    if (neon_pg_walk_left(&s->walk) != 0) {
        return 0;
    }

    neon_wr_init(&w, buf, NGX_NEON_ERROR_MAX);

    if (s->sealed) {
        ngx_neon_pass_alert(s, &w);
        return neon_wr_len(&w);
    }

    ngx_memzero(&e, sizeof(neon_pg_error_t));

    e.severity = neon_str("FATAL", 5);
    e.sqlstate = neon_str(r->sqlstate, ngx_strlen(r->sqlstate));
    e.message = neon_str(s->error.data, ngx_min(s->error.len, 2048));

    if (r->hint) {
        e.hint = neon_str(r->hint, ngx_strlen(r->hint));
    }

    neon_pg_error_write(&w, &e);

    return w.error ? 0 : neon_wr_len(&w);
}


static ngx_int_t
ngx_neon_finish_flush(ngx_neon_session_t *s)
{
    size_t             size;
    ssize_t            n;
    ngx_neon_rest_t   *rest;
    ngx_connection_t  *c;

    c = s->client;
    rest = &s->down.rest;

    while (rest->pos != rest->last) {

        size = rest->last - rest->pos;

        if (s->down.chunk) {
            size = ngx_min(size, s->down.chunk);
        }

        n = c->send(c, rest->pos, size);

        if (n > 0) {
            rest->pos += n;
            s->down.chunk = 0;
            continue;
        }

        if (n == NGX_AGAIN
            && ngx_handle_write_event(c->write, 0) == NGX_OK)
        {
            s->down.chunk = c->ssl ? size : 0;
            return NGX_AGAIN;
        }

        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_finish_bye(ngx_neon_session_t *s)
{
    if (s->front->bye) {
        return s->front->bye(s);
    }

    ngx_neon_shutdown_write(s->client);

    return NGX_OK;
}


static ngx_int_t
ngx_neon_finish_drain(ngx_neon_session_t *s)
{
    u_char             buf[4096];
    ssize_t            n;
    ngx_err_t          err;
    ngx_uint_t         i;
    ngx_connection_t  *c;

    c = s->client;

    for (i = 0; i < 64; i++) {

        if (s->front->bye) {
            n = c->recv(c, buf, sizeof(buf));

        } else {
            /* below TLS: nobody looks at it */

            n = recv(c->fd, buf, sizeof(buf), 0);
            err = ngx_socket_errno;

            if (n == -1 && err == NGX_EAGAIN) {
                c->read->ready = 0;
                n = NGX_AGAIN;
            }
        }

        if (n == NGX_AGAIN) {

            return ngx_handle_read_event(c->read, 0) == NGX_OK ? NGX_AGAIN
                                                                : NGX_ERROR;
        }

        if (n <= 0) {
            return NGX_OK;
        }
    }

    /* a flood is not worth more of our time */

    return NGX_OK;
}


static ngx_int_t
ngx_neon_finish_close(ngx_neon_session_t *s)
{
    if (s->down.rest.data) {
        ngx_free(s->down.rest.data);
        s->down.rest.data = NULL;
    }

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    ngx_neon_count_end(s);
    ngx_neon_trace_end(s);

    if (s->client->ssl) {
        /* what there was to say is said; do not wait for the other */
        s->client->ssl->no_wait_shutdown = 1;
    }

    s->front->finish(s);

    return NGX_DONE;
}
