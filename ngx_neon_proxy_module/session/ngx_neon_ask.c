/*
 * A question to the control plane, asked again where that may help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"


static ngx_int_t ngx_neon_ask_start(ngx_neon_session_t *s,
    ngx_neon_ctl_call_e call);
static void ngx_neon_ask_handler(ngx_neon_ctl_request_t *r);
static ngx_int_t ngx_neon_ask_failed(ngx_neon_session_t *s);


ngx_int_t
ngx_neon_ask(ngx_neon_session_t *s, ngx_neon_ctl_call_e call)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    l = s->login;

    ngx_neon_clock_run(s, &l->held_clock);

    if (ngx_neon_client_check(s) != NGX_OK) {
        return NGX_ERROR;
    }

    for ( ;; ) {

        if (l->pausing) {
            if (!l->timedout) {
                return NGX_AGAIN;
            }

            l->pausing = 0;
            l->timedout = 0;
        }

        if (!l->asked) {
            rc = ngx_neon_ask_start(s, call);
            if (rc == NGX_ERROR) {
                return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
            }

            l->answered = (rc == NGX_OK);
            l->asked = 1;
        }

        if (!l->answered) {
            return NGX_AGAIN;
        }

        l->asked = 0;

        if (l->ctl.rc == NGX_OK) {
            l->asks = 0;
            return NGX_OK;
        }

        if (ngx_neon_ask_failed(s) != NGX_AGAIN) {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_neon_ask_start(ngx_neon_session_t *s, ngx_neon_ctl_call_e call)
{
    ngx_neon_login_t        *l;
    ngx_neon_ctl_request_t  *r;

    l = s->login;
    r = &l->ctl;

    ngx_memzero(r, sizeof(ngx_neon_ctl_request_t));

    r->conf = s->conf;
    r->call = call;
    r->pool = l->pool;
    r->log = s->log;
    r->endpoint = s->endpoint;
    r->role = s->user;
    r->session_id.data = s->id;
    r->session_id.len = ngx_strlen(s->id);
    r->application_name = s->application_name;
    r->front = s->front->name;
    r->options = &l->options;
    r->handler = ngx_neon_ask_handler;
    r->data = s;

    return ngx_neon_ctl_start(r);
}


static void
ngx_neon_ask_handler(ngx_neon_ctl_request_t *r)
{
    ngx_neon_session_t  *s;

    s = r->data;
    s->login->answered = 1;

    ngx_neon_session_run(s);
}


/* NGX_AGAIN: a pause before the next try was set */

static ngx_int_t
ngx_neon_ask_failed(ngx_neon_session_t *s)
{
    ngx_msec_t               delay;
    ngx_neon_login_t        *l;
    const ngx_neon_retry_t  *retry;
    ngx_neon_ctl_request_t  *r;

    l = s->login;
    r = &l->ctl;
    retry = &s->conf->wake_retry;

    if (r->retryable && l->asks + 1 < retry->attempts) {

        delay = r->retry_delay ? r->retry_delay
                               : ngx_neon_retry_delay(retry, l->asks);

        if (delay < ngx_neon_clock_left(s, &l->held_clock)) {
            ngx_log_error(NGX_LOG_INFO, s->log, 0,
                          "control plane: %V, next try in %M ms",
                          &r->detail, delay);

            l->asks++;
            s->retries++;
            l->pausing = 1;
            ngx_neon_login_timer(s, delay);

            return NGX_AGAIN;
        }
    }

    s->err = 0;
    s->detail = r->detail;

    if (r->message.len) {
        return ngx_neon_session_errorf(s, r->reason, "%V", &r->message);
    }

    return ngx_neon_session_error(s, r->reason);
}
