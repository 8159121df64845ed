/*
 * Memory and clocks of a login.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "ngx_neon_confirm.h"
#include "ngx_neon_lookup.h"


#define NGX_NEON_LOGIN_POOL     8192
#define NGX_NEON_BYTES_MIN      512


static void ngx_neon_login_attempt_handler(ngx_event_t *ev);


ngx_int_t
ngx_neon_login_create(ngx_neon_session_t *s)
{
    ngx_pool_t        *pool;
    ngx_neon_login_t  *l;

    pool = ngx_create_pool(NGX_NEON_LOGIN_POOL, s->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    l = ngx_pcalloc(pool, sizeof(ngx_neon_login_t));
    if (l == NULL) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    l->session = s;
    l->pool = pool;
    l->client_clock.left = s->conf->client_timeout;
    l->held_clock.left = s->conf->wake_timeout;

    l->attempt.handler = ngx_neon_login_attempt_handler;
    l->attempt.data = s->client;
    l->attempt.log = s->log;

    s->login = l;

    return NGX_OK;
}


void
ngx_neon_login_destroy(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (l == NULL) {
        return;
    }

    ngx_neon_login_timer_stop(s);
    ngx_neon_notice_stop(s);
    ngx_neon_confirm_stop(s);
    ngx_neon_link_release(s);

    if (l->asked && !l->answered) {
        ngx_neon_lookup_cancel(&l->ctl);
    }

    if (l->dns) {
        ngx_neon_dns_cancel(l->dns);
    }

    if (l->kdf) {
        ngx_neon_kdf_cancel(l->kdf);
    }

    neon_wipe(&l->keys, sizeof(l->keys));
    neon_wipe(&l->verifier, sizeof(l->verifier));

    if (l->md5) {
        neon_wipe((void *) l->md5, sizeof(neon_md5_t));
    }

    if (l->scram) {
        neon_wipe(l->scram, sizeof(neon_scram_server_t));
    }

    if (l->password.data) {
        neon_wipe((void *) l->password.data, l->password.len);
    }

    /* a cleartext password came in here, and went out there */

    if (l->in.start) {
        neon_wipe(l->in.start, l->in.end - l->in.start);
    }

    if (l->cout.start) {
        neon_wipe(l->cout.start, l->cout.end - l->cout.start);
    }

    s->login = NULL;
    ngx_destroy_pool(l->pool);
}


ngx_int_t
ngx_neon_bytes_reserve(ngx_pool_t *pool, ngx_neon_bytes_t *b, size_t n)
{
    u_char  *p;
    size_t   len, size;

    if ((size_t) (b->end - b->last) >= n) {
        return NGX_OK;
    }

    len = b->last - b->pos;

    if (b->start && (size_t) (b->end - b->start) >= len + n) {
        ngx_memmove(b->start, b->pos, len);
        b->pos = b->start;
        b->last = b->start + len;
        return NGX_OK;
    }

    size = b->start ? 2 * (b->end - b->start) : NGX_NEON_BYTES_MIN;

    if (size < len + n) {
        size = len + n;
    }

    p = ngx_pnalloc(pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (b->start) {
        ngx_memcpy(p, b->pos, len);
        neon_wipe(b->start, b->end - b->start);
        (void) ngx_pfree(pool, b->start);
    }

    b->start = p;
    b->pos = p;
    b->last = p + len;
    b->end = p + size;

    return NGX_OK;
}


ngx_int_t
ngx_neon_bytes_writer(ngx_neon_session_t *s, ngx_neon_bytes_t *b, size_t n,
    neon_wr_t *w)
{
    if (ngx_neon_bytes_reserve(s->login->pool, b, n) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    neon_wr_init(w, b->last, b->end - b->last);

    return NGX_OK;
}


ngx_int_t
ngx_neon_bytes_wrote(ngx_neon_session_t *s, ngx_neon_bytes_t *b,
    neon_wr_t *w)
{
    if (w->error) {
        ngx_log_error(NGX_LOG_ALERT, s->log, 0,
                      "neon: a message did not fit its buffer");
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    b->last += neon_wr_len(w);

    return NGX_OK;
}


/*
 * Only one of the clocks runs: a client is not charged for the time that the
 * control plane takes, nor the other way round.
 */

void
ngx_neon_clock_run(ngx_neon_session_t *s, ngx_neon_clock_t *clock)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->clock == clock) {
        return;
    }

    if (l->clock) {
        l->clock->left = ngx_neon_clock_left(s, l->clock);
    }

    l->clock = clock;
    clock->started = ngx_current_msec;

    /* without this ngx_add_timer() may keep a time that is 300 ms off */

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    ngx_add_timer(&s->timer, clock->left);
}


ngx_msec_t
ngx_neon_clock_left(ngx_neon_session_t *s, ngx_neon_clock_t *clock)
{
    ngx_msec_t  gone;

    if (s->login->clock != clock) {
        return clock->left;
    }

    gone = ngx_current_msec - clock->started;

    return gone < clock->left ? clock->left - gone : 0;
}


void
ngx_neon_login_timer(ngx_neon_session_t *s, ngx_msec_t msec)
{
    ngx_neon_login_timer_stop(s);
    ngx_add_timer(&s->login->attempt, msec);
}


void
ngx_neon_login_timer_stop(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    l->timedout = 0;

    if (l->attempt.timer_set) {
        ngx_del_timer(&l->attempt);
    }
}


static void
ngx_neon_login_attempt_handler(ngx_event_t *ev)
{
    ngx_neon_login_t  *l;

    l = (ngx_neon_login_t *)
            ((u_char *) ev - offsetof(ngx_neon_login_t, attempt));

    l->timedout = 1;
    ngx_neon_session_run(l->session);
}
