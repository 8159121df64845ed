/*
 * The table of steps, and the one function that moves a session along it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_session.h"

#include "neon_crypto.h"

#include "ngx_neon_confirm.h"
#include "ngx_neon_login.h"
#include "ngx_neon_retire.h"
#include "ngx_neon_trace.h"


typedef ngx_int_t (*ngx_neon_step_pt)(ngx_neon_session_t *s);


static void ngx_neon_session_id(ngx_neon_session_t *s);
static ngx_neon_state_e ngx_neon_session_next(ngx_neon_session_t *s);
static void ngx_neon_session_log_end(ngx_neon_session_t *s);
static void ngx_neon_session_handler(ngx_neon_session_t *s, ngx_event_t *ev);
static void ngx_neon_session_timer_handler(ngx_event_t *ev);


static ngx_neon_step_pt  ngx_neon_steps[NGX_NEON_STATES] = {
    ngx_neon_handshake_step,        /* NGX_NEON_STATE_HANDSHAKE */
    ngx_neon_endpoint_step,         /* NGX_NEON_STATE_ENDPOINT */
    ngx_neon_access_step,           /* NGX_NEON_STATE_ACCESS */
    ngx_neon_authenticate_step,     /* NGX_NEON_STATE_AUTHENTICATE */
    ngx_neon_wake_step,             /* NGX_NEON_STATE_WAKE */
    ngx_neon_connect_step,          /* NGX_NEON_STATE_CONNECT */
    ngx_neon_login_step,            /* NGX_NEON_STATE_LOGIN */
    ngx_neon_relay_step,            /* NGX_NEON_STATE_RELAY */
    ngx_neon_cancel_step,           /* NGX_NEON_STATE_CANCEL */
    ngx_neon_finish_step            /* NGX_NEON_STATE_FINISH */
};


void
ngx_neon_session_start(ngx_neon_session_t *s)
{
    s->handler = ngx_neon_session_handler;
    s->entered = ngx_neon_usec();

    s->timer.handler = ngx_neon_session_timer_handler;
    s->timer.data = s->client;
    s->timer.log = s->log;

    ngx_neon_session_id(s);
    ngx_neon_count_start(s);

    if (s->tunnel) {
        /* before it is entered, so that no time counts for another step */
        s->state = NGX_NEON_STATE_CONNECT;
    }

    ngx_neon_session_set_state(s, s->state);
    s->begun = s->entered;

    if (ngx_neon_login_create(s) != NGX_OK) {
        s->silent = 1;
        (void) ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
        ngx_neon_session_run(s);
        return;
    }

    if (s->tunnel) {
        ngx_neon_tunnel_begin(s);

    } else {
        s->login->server_name = s->host;
        ngx_neon_clock_run(s, &s->login->client_clock);
    }

    ngx_neon_session_run(s);
}


void
ngx_neon_session_run(ngx_neon_session_t *s)
{
    ngx_int_t         rc;
    ngx_neon_state_e  state;

    for ( ;; ) {
        state = s->state;
        rc = ngx_neon_steps[state](s);

        switch (rc) {

        case NGX_AGAIN:
            return;

        case NGX_OK:
            ngx_neon_session_set_state(s, ngx_neon_session_next(s));
            break;

        case NGX_DECLINED:
            /* the step chose another one */
            break;

        case NGX_DONE:
            if (state == NGX_NEON_STATE_FINISH) {
                /* s is gone */
                return;
            }

            s->silent = 1;
            ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
            break;

        default: /* NGX_ERROR */
            ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
            break;
        }
    }
}


static ngx_neon_state_e
ngx_neon_session_next(ngx_neon_session_t *s)
{
    if (s->tunnel) {
        return ngx_neon_tunnel_next(s->state);
    }

    if (s->conf->ctl == &ngx_neon_ctl_link) {
        return ngx_neon_confirm_next(s->state);
    }

    return s->state + 1;
}


void
ngx_neon_session_set_state(ngx_neon_session_t *s, ngx_neon_state_e state)
{
    uint64_t  now;

    ngx_neon_retire_remove(s);

    now = ngx_neon_usec();

    if (s->begun) {
        ngx_neon_trace_step(s, state, now);
    }

    if ((state == NGX_NEON_STATE_FINISH || state == NGX_NEON_STATE_CANCEL)
        && s->state != state)
    {
        ngx_neon_session_log_end(s);
    }

    s->spent[s->state] += (uint32_t) (now - s->entered);
    s->entered = now;
    s->state = state;
    s->log->action = ngx_neon_state(state)->action;

    if (s->login) {
        s->login->phase = 0;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, s->log, 0,
                   "neon session %s: %V", s->id, &ngx_neon_state(state)->name);
}


/* the one line that says why, with the action of the state it happened in */

static void
ngx_neon_session_log_end(ngx_neon_session_t *s)
{
    const ngx_neon_reason_t  *r;

    if (s->reason == s->ended) {
        return;
    }

    s->ended = s->reason;
    r = ngx_neon_reason(s->reason);

    if (s->sqlstate[0] == '\0') {
        ngx_memcpy(s->sqlstate, r->sqlstate, ngx_strlen(r->sqlstate));
    }

    ngx_log_error(r->level, s->log, s->err, "%V (%V%s%s)%s%V",
                  &s->error, &r->name, s->sqlstate[0] ? ", SQLSTATE " : "",
                  s->sqlstate, s->detail.len ? ": " : "", &s->detail);
}


void
ngx_neon_session_event(ngx_neon_session_t *s, ngx_event_t *ev)
{
    /*
     * worker_shutdown_timeout, or an idle connection at its end; a cancel
     * request has little time of its own, and may be what that has caused
     */

    if (s->client->close
        && s->state != NGX_NEON_STATE_CANCEL
        && s->state != NGX_NEON_STATE_FINISH)
    {
        s->client->close = 0;

        if (s->state == NGX_NEON_STATE_RELAY) {
            ngx_neon_relay_stop(s);
            return;
        }

        (void) ngx_neon_session_error(s, NGX_NEON_REASON_SHUTDOWN);
        ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
        ngx_neon_session_run(s);
        return;
    }

    s->handler(s, ev);
}


static void
ngx_neon_session_handler(ngx_neon_session_t *s, ngx_event_t *ev)
{
    ngx_neon_session_run(s);
}


static void
ngx_neon_session_timer_handler(ngx_event_t *ev)
{
    ngx_neon_login_t    *l;
    ngx_neon_session_t  *s;

    s = (ngx_neon_session_t *)
            ((u_char *) ev - offsetof(ngx_neon_session_t, timer));
    l = s->login;

    if (s->state == NGX_NEON_STATE_RELAY) {
        ngx_neon_session_event(s, ev);
        return;
    }

    if (s->state == NGX_NEON_STATE_FINISH
        || s->state == NGX_NEON_STATE_CANCEL)
    {
        ngx_neon_session_run(s);
        return;
    }

    if (s->tunnel) {
        s->err = NGX_ETIMEDOUT;
        (void) ngx_neon_tunnel_failed(s);

    } else if (l->clock == &l->confirm_clock) {
        (void) ngx_neon_confirm_expired(s);

    } else if (l->clock == &l->client_clock) {
        (void) ngx_neon_session_error(s, NGX_NEON_REASON_CLIENT_TIMEOUT);

    } else {
        (void) ngx_neon_session_error(s, NGX_NEON_REASON_WAKE_TIMEOUT);

        if (l->starting && s->detail.len == 0) {
            /* also where the next attempt has begun */
            ngx_str_set(&s->detail, "compute says that it is starting");
        }
    }

    ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
    ngx_neon_session_run(s);
}


ngx_int_t
ngx_neon_session_error(ngx_neon_session_t *s, ngx_neon_reason_e reason)
{
    const ngx_neon_reason_t  *r;

    r = ngx_neon_reason(reason);

    s->reason = reason;
    s->error.data = (u_char *) r->message;
    s->error.len = ngx_strlen(r->message);

    return NGX_ERROR;
}


ngx_int_t ngx_cdecl
ngx_neon_session_errorf(ngx_neon_session_t *s, ngx_neon_reason_e reason,
    const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;

    (void) ngx_neon_session_error(s, reason);

    p = ngx_pnalloc(s->pool, NGX_MAX_ERROR_STR);
    if (p == NULL) {
        return NGX_ERROR;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(p, p + NGX_MAX_ERROR_STR, fmt, args);
    va_end(args);

    s->error.data = p;
    s->error.len = last - p;

    /* it may quote the client, and goes to the log */

    ngx_neon_session_printable(s->error.data, s->error.len);

    return NGX_ERROR;
}


void
ngx_neon_session_printable(u_char *p, size_t n)
{
    u_char  *last;

    for (last = p + n; p < last; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
}


u_char *
ngx_neon_session_log(ngx_neon_session_t *s, u_char *buf, size_t len)
{
    u_char  *p;

    p = ngx_snprintf(buf, len, ", session: %s", s->id);
    len -= p - buf;
    buf = p;

    if (s->endpoint.len) {
        p = ngx_snprintf(buf, len, ", endpoint: %V", &s->endpoint);
        len -= p - buf;
        buf = p;
    }

    if (s->compute_addr.len) {
        p = ngx_snprintf(buf, len, ", compute: %V", &s->compute_addr);
    }

    return p;
}


/* UUID version 4, RFC 9562 section 5.4 */

static void
ngx_neon_session_id(ngx_neon_session_t *s)
{
    u_char  *p, id[16];

    if (neon_random(id, sizeof(id)) != NEON_OK) {
        ngx_memzero(id, sizeof(id));
    }

    id[6] = (u_char) ((id[6] & 0x0f) | 0x40);
    id[8] = (u_char) ((id[8] & 0x3f) | 0x80);

    p = s->id;
    p = ngx_hex_dump(p, id, 4);
    *p++ = '-';
    p = ngx_hex_dump(p, id + 4, 2);
    *p++ = '-';
    p = ngx_hex_dump(p, id + 6, 2);
    *p++ = '-';
    p = ngx_hex_dump(p, id + 8, 2);
    *p++ = '-';
    p = ngx_hex_dump(p, id + 10, 6);
    *p = '\0';
}
