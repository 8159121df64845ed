/*
 * The end of idle sessions in a worker that quits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_retire.h"

#include "ngx_neon_limit.h"
#include "ngx_neon_zone.h"


#define NGX_NEON_RETIRE_TURNS   64            /* sessions before others' turn */
#define NGX_NEON_RETIRE_GRACE   5000          /* ms for the first query */


static void ngx_neon_retire_handler(ngx_event_t *ev);
static ngx_msec_t ngx_neon_retire_wait(ngx_neon_conf_t *conf);
static ngx_uint_t ngx_neon_retire_idle(ngx_neon_session_t *s);
static ngx_uint_t ngx_neon_retire_silent(ngx_connection_t *c);


void
ngx_neon_retire_begin(ngx_neon_conf_t *conf)
{
    ngx_event_t  *ev;

    if (!conf->drain.idle) {
        return;
    }

    ev = &conf->drain.event;

    ev->handler = ngx_neon_retire_handler;
    ev->data = conf;
    ev->log = ngx_cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, conf->drain.after);
}


void
ngx_neon_retire_add(ngx_neon_session_t *s)
{
    if (!s->conf->drain.idle) {
        return;
    }

    ngx_queue_insert_tail(&s->conf->drain.sessions, &s->retire);
    s->retiring = 1;

    if (s->conf->drain.active && !s->conf->drain.event.timer_set) {
        ngx_add_timer(&s->conf->drain.event, 1);
    }
}


void
ngx_neon_retire_remove(ngx_neon_session_t *s)
{
    if (s->retiring) {
        ngx_queue_remove(&s->retire);
        s->retiring = 0;
    }
}


void
ngx_neon_retire_offer(ngx_neon_session_t *s)
{
    if (s->conf->drain.active && !s->retiring && ngx_neon_retire_idle(s)) {
        ngx_neon_retire_add(s);
    }
}


static void
ngx_neon_retire_handler(ngx_event_t *ev)
{
    ngx_uint_t           i;
    ngx_msec_t           wait;
    ngx_queue_t         *q;
    ngx_neon_conf_t     *conf;
    ngx_neon_session_t  *s;

    conf = ev->data;

    if (!conf->drain.active) {
        conf->drain.active = 1;

        ngx_log_error(NGX_LOG_NOTICE, ev->log, 0,
                      "neon_proxy \"%V\": closing idle sessions", &conf->name);
    }

    for (i = 0; !ngx_queue_empty(&conf->drain.sessions); i++) {

        if (i == NGX_NEON_RETIRE_TURNS) {
            ngx_add_timer(ev, 1);
            return;
        }

        q = ngx_queue_head(&conf->drain.sessions);
        s = ngx_queue_data(q, ngx_neon_session_t, retire);

        if (!ngx_neon_retire_idle(s)) {
            ngx_neon_retire_remove(s);
            continue;
        }

        wait = ngx_neon_retire_wait(conf);

        if (wait) {
            ngx_add_timer(ev, wait);
            return;
        }

        s->err = 0;
        (void) ngx_neon_session_error(s, NGX_NEON_REASON_DRAINED);
        ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
        ngx_neon_session_run(s);
    }
}


/* the rate is that of all workers, also of those of older cycles */

static ngx_msec_t
ngx_neon_retire_wait(ngx_neon_conf_t *conf)
{
    if (conf->drain.rate.rate == 0) {
        return 0;
    }

    return ngx_neon_limit_take(ngx_neon_zone(conf), NGX_NEON_LIMIT_DRAIN,
                               neon_str("", 0), &conf->drain.rate);
}


static ngx_uint_t
ngx_neon_retire_idle(ngx_neon_session_t *s)
{
    ngx_msec_t  age;

    if (!neon_pg_walk_idle(&s->walk) || s->up.rest.data || s->down.rest.data
        || s->client_eof || s->down.eof)
    {
        return 0;
    }

    /* a client that has just logged in has something to ask */

    if (s->down.bytes == 0) {
        age = (ngx_msec_t) ((ngx_neon_usec() - s->entered) / 1000);

        if (age < NGX_NEON_RETIRE_GRACE) {
            ngx_add_timer(&s->timer, NGX_NEON_RETIRE_GRACE - age);
            return 0;
        }
    }

    return ngx_neon_retire_silent(s->client)
           && ngx_neon_retire_silent(s->compute);
}


/* what the kernel has for us and nobody has read yet is a message under way */

static ngx_uint_t
ngx_neon_retire_silent(ngx_connection_t *c)
{
    u_char   ch;
    ssize_t  n;

    if (c->read->posted) {
        return 0;
    }

    n = recv(c->fd, &ch, 1, MSG_PEEK|MSG_DONTWAIT);

    return n == -1 && ngx_socket_errno == NGX_EAGAIN;
}
