/*
 * Spans of the calls to the control plane: children of the step of the session
 * that led to them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_lookup_flight.h"

#include "ngx_neon_time.h"
#include "ngx_neon_url.h"


static void ngx_neon_lookup_trace_end(ngx_neon_lookup_flight_t *f,
    uint64_t end, ngx_uint_t answered);
static void ngx_neon_lookup_trace_http(ngx_neon_span_t *span,
    ngx_neon_ctl_request_t *call, u_char *status);
static void ngx_neon_lookup_trace_result(ngx_neon_span_t *span,
    ngx_neon_ctl_request_t *call);


/* the one who waits for the longest time has the call in its trace */

void
ngx_neon_lookup_trace_call(ngx_neon_lookup_flight_t *f)
{
    ngx_neon_ctl_request_t  *r, *call;

    call = &f->call;

    f->calling = 0;
    call->trace = NULL;
    call->traceparent.given = 0;
    ngx_str_null(&call->tracestate);

    if (f->tracer == NULL && !ngx_queue_empty(&f->waiters)) {
        f->tracer = ngx_queue_data(ngx_queue_head(&f->waiters),
                                   ngx_neon_ctl_request_t, queue);
    }

    r = f->tracer;

    if (r == NULL) {
        return;
    }

    call->traceparent = r->traceparent;
    call->tracestate = r->tracestate;

    if (r->trace == NULL || ngx_neon_span_id(f->span) != NGX_OK) {
        return;
    }

    call->trace = r->trace;
    ngx_memcpy(call->traceparent.span_id, f->span, NEON_SPAN_ID_LEN);

    f->calling = 1;
}


void
ngx_neon_lookup_trace_answer(ngx_neon_lookup_flight_t *f)
{
    if (f->calling) {
        ngx_neon_lookup_trace_end(f, ngx_neon_usec(), 1);
    }
}


/* the call goes on for others: its span ends with the step that it is of */

void
ngx_neon_lookup_trace_leave(ngx_neon_lookup_flight_t *f)
{
    if (f->calling) {
        ngx_neon_lookup_trace_end(f, f->tracer->trace->entered, 0);
    }

    f->tracer = NULL;
}


static void
ngx_neon_lookup_trace_end(ngx_neon_lookup_flight_t *f, uint64_t end,
    ngx_uint_t answered)
{
    u_char                   status[NGX_INT_T_LEN + 1];
    ngx_neon_span_t          span;
    ngx_neon_trace_t        *trace;
    ngx_neon_ctl_request_t  *call;

    call = &f->call;
    trace = call->trace;

    f->calling = 0;
    call->trace = NULL;

    ngx_neon_span_init(&span, trace, f->span,
                       call->span ? call->span : "control plane",
                       f->asked, ngx_max(end, f->asked));

    span.kind = NGX_NEON_SPAN_CLIENT;
    span.has_parent = 1;
    ngx_memcpy(span.parent, f->tracer->trace->step, NEON_SPAN_ID_LEN);

    ngx_neon_lookup_trace_http(&span, call, status);

    ngx_neon_span_string(&span, "neon.endpoint", &call->endpoint);
    ngx_neon_span_string(&span, "neon.session_id", &call->session_id);

    if (f->attempts) {
        ngx_neon_span_number(&span, "http.request.resend_count", f->attempts);
    }

    if (answered) {
        ngx_neon_lookup_trace_result(&span, call);

    } else {
        ngx_neon_span_text(&span, "neon.result", "left");
    }

    ngx_neon_spans_add(trace->spans, &span);
}


static void
ngx_neon_lookup_trace_http(ngx_neon_span_t *span, ngx_neon_ctl_request_t *call,
    u_char *status)
{
    const char      *err;
    ngx_neon_url_t   u;

    if (call->span == NULL) {
        return;
    }

    ngx_neon_span_text(span, "http.request.method", "GET");
    ngx_neon_span_string(span, "url.full", &call->url);

    if (call->url.len && ngx_neon_url_parse(&u, &call->url, &err) == NGX_OK) {
        ngx_neon_span_string(span, "server.address", &u.host);
        ngx_neon_span_number(span, "server.port", u.port);
    }

    if (call->status) {
        ngx_neon_span_number(span, "http.response.status_code", call->status);
    }

    if (call->status >= 400) {
        ngx_sprintf(status, "%ui%Z", call->status);
        ngx_neon_span_text(span, "error.type", (char *) status);
    }
}


static void
ngx_neon_lookup_trace_result(ngx_neon_span_t *span,
    ngx_neon_ctl_request_t *call)
{
    if (call->rc == NGX_OK) {
        ngx_neon_span_text(span, "neon.result", "ok");

        /* it says so of unknown roles: for HTTP an error, for us an answer */

        span->error = (call->status >= 400);
        return;
    }

    ngx_neon_span_text(span, "neon.result",
                       call->refused ? "refused" : "failed");

    if (call->status < 400) {
        ngx_neon_span_string(span, "error.type",
                             &ngx_neon_reason(call->reason)->name);
    }

    ngx_neon_span_fail(span, &call->detail);
}
