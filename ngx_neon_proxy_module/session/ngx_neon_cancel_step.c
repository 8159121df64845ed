/*
 * A CancelRequest: looked up, forwarded to the compute with the compute's own
 * key over the compute's own TLS setting, and closed without a word.
 * PostgreSQL docs, chapter "Canceling Requests in Progress".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "ngx_neon_limit.h"


typedef enum {
    NGX_NEON_CANCEL_BEGIN = 0,
    NGX_NEON_CANCEL_OPEN,               /* where to is known */
    NGX_NEON_CANCEL_LINK,
    NGX_NEON_CANCEL_SEND,
    NGX_NEON_CANCEL_WAIT,               /* until the compute closes */
    NGX_NEON_CANCEL_HELD                /* has the query ended? */
} ngx_neon_cancel_e;


#define NGX_NEON_CANCEL_PAUSE   20      /* ms before it is asked again */
#define NGX_NEON_CANCEL_TURNS   16      /* reads before others' turn */


static ngx_int_t ngx_neon_cancel_begin(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_cancel_end(ngx_neon_session_t *s,
    ngx_neon_canceled_e result, char *detail);
static ngx_int_t ngx_neon_cancel_failed(ngx_neon_session_t *s);
static void ngx_neon_cancel_handler(ngx_neon_session_t *s, ngx_event_t *ev);
static ngx_int_t ngx_neon_cancel_open(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_cancel_link(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_cancel_send(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_cancel_wait(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_cancel_held(ngx_neon_session_t *s);


/* of one client network: 600 a second, 1500 at once */

static const ngx_neon_rate_t  ngx_neon_cancel_rate = { 600000, 1500000 };


ngx_int_t
ngx_neon_cancel_step(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    l = s->login;

    for ( ;; ) {

        if (s->timer.timedout) {
            s->err = NGX_ETIMEDOUT;
            ngx_str_set(&s->detail, "timed out");

            return ngx_neon_cancel_failed(s);
        }

        switch (l->phase) {

        case NGX_NEON_CANCEL_BEGIN:
            rc = ngx_neon_cancel_begin(s);
            break;

        case NGX_NEON_CANCEL_OPEN:
            rc = ngx_neon_cancel_open(s);
            break;

        case NGX_NEON_CANCEL_LINK:
            rc = ngx_neon_cancel_link(s);
            break;

        case NGX_NEON_CANCEL_SEND:
            rc = ngx_neon_cancel_send(s);
            break;

        case NGX_NEON_CANCEL_WAIT:
            rc = ngx_neon_cancel_wait(s);
            break;

        default: /* NGX_NEON_CANCEL_HELD */
            rc = ngx_neon_cancel_held(s);
        }

        if (rc == NGX_DECLINED) {
            return ngx_neon_cancel_failed(s);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_neon_cancel_begin(ngx_neon_session_t *s)
{
    neon_ip_t          address, subnet, *ip;
    ngx_neon_login_t  *l;

    l = s->login;

    /* nothing is ever said in reply */

    s->silent = 1;
    (void) ngx_neon_session_error(s, NGX_NEON_REASON_CANCEL);

    if (ngx_neon_access_network(s, &subnet) == NGX_OK
        && ngx_neon_limit_take(ngx_neon_zone(s->conf), NGX_NEON_LIMIT_CANCEL,
                               ngx_neon_limit_subnet(&subnet),
                               &ngx_neon_cancel_rate))
    {
        return ngx_neon_cancel_end(s, NGX_NEON_CANCELED_LIMITED,
                                   "too many from this network");
    }

    ip = (ngx_neon_access_address(s, &address) == NGX_OK) ? &address : NULL;

    switch (ngx_neon_cancel_find(s->conf, &l->cancel, ngx_neon_access_link(s),
                                 ip, &l->target)) {

    case NGX_OK:
        return ngx_neon_cancel_open(s);

    case NGX_ABORT:
        return ngx_neon_cancel_end(s, NGX_NEON_CANCELED_DENIED,
                                   "not from this address");

    default:
        return ngx_neon_cancel_end(s, NGX_NEON_CANCELED_NOT_FOUND,
                                   "no such key");
    }
}


static ngx_int_t
ngx_neon_cancel_end(ngx_neon_session_t *s, ngx_neon_canceled_e result,
    char *detail)
{
    ngx_neon_metrics_t  *m;

    m = ngx_neon_count_metrics(s);

    if (s->reason != NGX_NEON_REASON_CANCEL
        && result == NGX_NEON_CANCELED_FORWARDED)
    {
        result = NGX_NEON_CANCELED_ORPHAN;
    }

    (void) ngx_atomic_fetch_add(&m->cancels[result], 1);

    if (s->reason == NGX_NEON_REASON_CANCEL) {
        s->detail.data = (u_char *) detail;
        s->detail.len = ngx_strlen(detail);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_neon_cancel_failed(ngx_neon_session_t *s)
{
    if (s->login->pause) {
        /* one before it was forwarded */
        return ngx_neon_cancel_end(s, NGX_NEON_CANCELED_FORWARDED,
                                   "forwarded");
    }

    ngx_log_error(NGX_LOG_ERR, s->log, s->err,
                  "cancel request could not be forwarded: %V", &s->detail);

    return ngx_neon_cancel_end(s, NGX_NEON_CANCELED_FAILED, "not forwarded");
}


ngx_int_t
ngx_neon_cancel_orphan(ngx_neon_session_t *s)
{
    if (s->cancel == NULL || ngx_neon_login_create(s) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_neon_cancel_get(s->conf, s->cancel, &s->login->target);

    /* what ended the relay may have been the timer */
    s->timer.timedout = 0;

    /* a pooler in front of the compute forgets the key with the connection */

    ngx_neon_link_hold(s);

    s->handler = ngx_neon_cancel_handler;
    ngx_neon_session_set_state(s, NGX_NEON_STATE_CANCEL);
    s->login->phase = NGX_NEON_CANCEL_OPEN;

    return NGX_OK;
}


static void
ngx_neon_cancel_handler(ngx_neon_session_t *s, ngx_event_t *ev)
{
    ngx_neon_session_run(s);
}


static ngx_int_t
ngx_neon_cancel_open(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    /* the client's time is over; the compute has as much as for a connect */

    if (l->pause == 0) {
        if (s->timer.timer_set) {
            ngx_del_timer(&s->timer);
        }

        s->timer.timedout = 0;
        ngx_add_timer(&s->timer, s->conf->connect_timeout);
    }

    l->ssl = l->target.ssl;
    l->phase = NGX_NEON_CANCEL_LINK;

    return ngx_neon_link_open(s, &l->target.sockaddr.sockaddr,
                              l->target.socklen);
}


static ngx_int_t
ngx_neon_cancel_link(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;
    ngx_neon_reason_e  reason;

    l = s->login;

    rc = ngx_neon_link_process(s, (char *) l->target.server_name, &reason);

    if (rc == NGX_OK) {
        l->phase = NGX_NEON_CANCEL_SEND;
    }

    return rc;
}


static ngx_int_t
ngx_neon_cancel_send(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->cout.pos == l->cout.last) {
        if (ngx_neon_bytes_writer(s, &l->cout, l->target.len + 16, &w)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        neon_pg_cancel_write(&w, l->target.pid,
                             neon_str(l->target.key, l->target.len));

        if (ngx_neon_bytes_wrote(s, &l->cout, &w) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rc = ngx_neon_link_flush(s);

    if (rc == NGX_OK) {
        l->phase = NGX_NEON_CANCEL_WAIT;
    }

    return rc;
}


/*
 * PostgreSQL closes when it has sent the signal.  The client is closed only
 * then: a query that it sends afterwards is not the one that is canceled.
 */

static ngx_int_t
ngx_neon_cancel_wait(ngx_neon_session_t *s)
{
    u_char             buf[4096];
    ssize_t            n;
    ngx_uint_t         turns;
    ngx_connection_t  *pc;
    ngx_neon_login_t  *l;

    l = s->login;
    pc = s->compute;

    turns = 0;

    do {
        if (turns++ == NGX_NEON_CANCEL_TURNS) {
            ngx_post_event(pc->read, &ngx_posted_next_events);
            return NGX_AGAIN;
        }

        n = pc->recv(pc, buf, sizeof(buf));

    } while (n > 0);

    if (n == NGX_AGAIN) {
        if (ngx_handle_read_event(pc->read, 0) != NGX_OK) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        return NGX_AGAIN;
    }

    if (l->held == NULL || s->stopping) {
        return ngx_neon_cancel_end(s, NGX_NEON_CANCELED_FORWARDED,
                                   "forwarded");
    }

    ngx_neon_link_close(s);

    l->pause = l->pause ? 2 * l->pause : NGX_NEON_CANCEL_PAUSE;
    ngx_neon_login_timer(s, l->pause);

    l->phase = NGX_NEON_CANCEL_HELD;

    return NGX_OK;
}


/*
 * PostgreSQL ignores a request that comes before the query does, as it may
 * where the client left right behind it, and one request ends one query of
 * those that were pipelined: it is asked again until nothing runs.
 */

static ngx_int_t
ngx_neon_cancel_held(ngx_neon_session_t *s)
{
    u_char             buf[4096];
    ssize_t            n;
    ngx_uint_t         turns;
    ngx_connection_t  *pc;
    ngx_neon_login_t  *l;

    l = s->login;
    pc = l->held;

    for (turns = 0; turns < NGX_NEON_CANCEL_TURNS; turns++) {

        n = pc->recv(pc, buf, sizeof(buf));

        if (n == NGX_AGAIN) {
            break;
        }

        if (n > 0) {
            neon_pg_walk_compute(&s->walk, buf, n);
        }

        if (n <= 0 || !neon_pg_walk_busy(&s->walk)) {
            return ngx_neon_cancel_end(s, NGX_NEON_CANCELED_FORWARDED,
                                       "forwarded");
        }
    }

    if (turns == NGX_NEON_CANCEL_TURNS) {
        ngx_post_event(pc->read, &ngx_posted_next_events);

    } else if (ngx_handle_read_event(pc->read, 0) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    if (!l->timedout) {
        return NGX_AGAIN;
    }

    ngx_neon_login_timer_stop(s);
    l->phase = NGX_NEON_CANCEL_OPEN;

    return NGX_OK;
}
