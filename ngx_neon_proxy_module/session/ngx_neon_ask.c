/*
 * A question to the control plane, through the caches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "ngx_neon_lookup.h"


static void ngx_neon_ask_request(ngx_neon_session_t *s,
    ngx_neon_ctl_call_e call);
static void ngx_neon_ask_handler(ngx_neon_ctl_request_t *r);
static void ngx_neon_ask_cached(ngx_neon_session_t *s,
    ngx_neon_ctl_call_e call);
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

    if (!l->asked) {
        ngx_neon_ask_request(s, call);

        rc = ngx_neon_lookup_start(&l->ctl);
        if (rc == NGX_ERROR) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        l->answered = (rc == NGX_OK);
        l->asked = 1;
        ngx_neon_ask_cached(s, call);
    }

    if (!l->answered) {
        return NGX_AGAIN;
    }

    l->asked = 0;
    ngx_neon_ask_cached(s, call);
    s->retries += l->ctl.retries;

    return l->ctl.rc == NGX_OK ? NGX_OK : ngx_neon_ask_failed(s);
}


void
ngx_neon_ask_forget(ngx_neon_session_t *s, ngx_neon_ctl_call_e call,
    uint64_t generation)
{
    ngx_neon_ctl_request_t  *r;

    r = &s->login->ctl;

    ngx_neon_ask_request(s, call);

    if (ngx_neon_lookup_forget(r, generation) == NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, s->log, 0, "forgot the cached %s",
                      call == NGX_NEON_CTL_WAKE ? "compute" : "verifier");
    }
}


void
ngx_neon_ask_doubt(ngx_neon_session_t *s)
{
    ngx_neon_ask_request(s, NGX_NEON_CTL_ACCESS);

    if (ngx_neon_lookup_doubt(&s->login->ctl, s->login->access_generation)
        == NGX_OK)
    {
        ngx_log_error(NGX_LOG_INFO, s->log, 0, "forgot the cached verifier");
    }
}


ngx_uint_t
ngx_neon_ask_newer(ngx_neon_session_t *s, uint64_t generation)
{
    if (s->conf->ctl->local || generation == 0) {
        return 0;
    }

    ngx_neon_ask_request(s, NGX_NEON_CTL_WAKE);

    return ngx_neon_lookup_newer(&s->login->ctl, generation);
}


static void
ngx_neon_ask_request(ngx_neon_session_t *s, ngx_neon_ctl_call_e call)
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
    r->traceparent = s->context;
    r->tracestate = s->tracestate;
    r->trace = s->trace;
    r->handler = ngx_neon_ask_handler;
    r->data = s;

    (void) ngx_neon_access_network(s, &r->client);
}


static void
ngx_neon_ask_handler(ngx_neon_ctl_request_t *r)
{
    ngx_neon_session_t  *s;

    s = r->data;
    s->login->answered = 1;

    ngx_neon_session_run(s);
}


/* a node is asked for again after a failure only: what counts is the first */

static void
ngx_neon_ask_cached(ngx_neon_session_t *s, ngx_neon_ctl_call_e call)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (call == NGX_NEON_CTL_ACCESS) {
        s->secret_cache = l->ctl.cached;

    } else if (!l->rewoken && !l->reentered) {
        s->node_cache = l->ctl.cached;
    }
}


static ngx_int_t
ngx_neon_ask_failed(ngx_neon_session_t *s)
{
    ngx_neon_ctl_request_t  *r;

    r = &s->login->ctl;

    s->err = 0;
    s->detail = r->detail;

    if (r->message.len) {
        return ngx_neon_session_errorf(s, r->reason, "%V", &r->message);
    }

    return ngx_neon_session_error(s, r->reason);
}
