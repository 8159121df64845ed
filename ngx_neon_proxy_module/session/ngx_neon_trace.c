/*
 * The spans of a session.  Who is sampled shows at the end of the handshake,
 * for a client may name its own trace in the startup packet; until then, and
 * for all others, nothing is kept and no clock is read.  Names of attributes:
 * OpenTelemetry's semantic conventions (stable ones of databases), and ours
 * below "neon.".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_trace.h"

#include "neon_crypto.h"

#include "ngx_neon_login.h"


#define NGX_NEON_TRACE_MESSAGE  NGX_NEON_SPAN_VALUE_MAX


static void ngx_neon_trace_begin(ngx_neon_session_t *s, uint64_t now);
static ngx_uint_t ngx_neon_trace_root(ngx_neon_session_t *s);
static void ngx_neon_trace_create(ngx_neon_session_t *s,
    ngx_neon_spans_t *spans, ngx_uint_t has_parent, uint64_t now);
static ngx_int_t ngx_neon_trace_copy(ngx_neon_session_t *s,
    ngx_neon_trace_t *trace);
static void ngx_neon_trace_attrs(ngx_neon_session_t *s,
    ngx_neon_span_t *span);
static void ngx_neon_trace_asked(ngx_neon_session_t *s,
    ngx_neon_span_t *span);
static void ngx_neon_trace_compute(ngx_neon_session_t *s,
    ngx_neon_span_t *span);
static void ngx_neon_trace_host(ngx_str_t *addr);
static void ngx_neon_trace_client(ngx_neon_session_t *s,
    ngx_neon_span_t *span, ngx_neon_trace_t *trace, u_char *text);
static void ngx_neon_trace_server(ngx_neon_session_t *s,
    ngx_neon_span_t *span, ngx_neon_trace_t *trace, ngx_str_t *addr);
static void ngx_neon_trace_neon(ngx_neon_session_t *s, ngx_neon_span_t *span,
    ngx_str_t *id);
static void ngx_neon_trace_fail(ngx_neon_session_t *s, ngx_neon_span_t *span,
    ngx_neon_reason_e reason, ngx_str_t *detail, u_char *message);


/* of the worker, those that are not over yet */
static ngx_queue_t  ngx_neon_traces;


void
ngx_neon_trace_step(ngx_neon_session_t *s, ngx_neon_state_e next, uint64_t now)
{
    u_char              message[NGX_NEON_TRACE_MESSAGE];
    ngx_neon_span_t     span;
    ngx_neon_trace_t   *trace;
    ngx_neon_reason_e   failed;

    if (s->state == NGX_NEON_STATE_HANDSHAKE) {
        ngx_neon_trace_begin(s, now);
    }

    failed = (next == NGX_NEON_STATE_FINISH || next == NGX_NEON_STATE_CANCEL)
             ? s->reason : s->failed;
    s->failed = NGX_NEON_REASON_NONE;

    if (failed == s->ended) {
        /* of the step before: its client was lost, and its query canceled */
        failed = NGX_NEON_REASON_NONE;
    }

    trace = s->trace;

    if (trace == NULL || s->state == NGX_NEON_STATE_FINISH) {
        return;
    }

    ngx_neon_span_init(&span, trace, trace->step,
                       (char *) ngx_neon_state(s->state)->name.data,
                       s->entered, now);

    span.has_parent = 1;
    ngx_memcpy(span.parent, trace->root, NEON_SPAN_ID_LEN);

    ngx_neon_trace_attrs(s, &span);
    ngx_neon_trace_fail(s, &span, failed, &s->detail, message);

    ngx_neon_spans_add(trace->spans, &span);

    trace->entered = now;

    if (next != NGX_NEON_STATE_FINISH) {
        (void) ngx_neon_span_id(trace->step);
        ngx_memcpy(s->context.span_id, trace->step, NEON_SPAN_ID_LEN);
    }
}


/*
 * The parent decides, where there is one; else the trace's id does.  What is
 * not sampled goes to the control plane as it came, without our ids.
 */

static void
ngx_neon_trace_begin(ngx_neon_session_t *s, uint64_t now)
{
    neon_str_t         text, state;
    ngx_uint_t         has_parent;
    ngx_neon_spans_t  *spans;

    text = neon_str(s->traceparent.data, s->traceparent.len);
    state = neon_str(s->tracestate.data, s->tracestate.len);

    if (text.len == 0 && s->login) {
        text = s->login->options.traceparent;
        state = s->login->options.tracestate;

        /* a byte that is escaped there would not be what was meant */

        if (state.len && memchr(state.data, '\\', state.len)) {
            state.len = 0;
        }
    }

    has_parent = (neon_traceparent_parse(&s->context, text) == NEON_OK);

    state = has_parent ? neon_traceparent_state(state) : neon_str(NULL, 0);

    s->tracestate.data = (u_char *) state.data;
    s->tracestate.len = state.len;

    spans = s->conf->otlp ? s->conf->otlp->spans : NULL;

    if (spans == NULL || (!has_parent && !ngx_neon_trace_root(s))) {
        return;
    }

    if (s->context.flags & NEON_TRACEPARENT_SAMPLED) {
        ngx_neon_trace_create(s, spans, has_parent, now);
    }
}


/* a trace of our own; 0: no random bytes */

static ngx_uint_t
ngx_neon_trace_root(ngx_neon_session_t *s)
{
    uint64_t             r;
    ngx_uint_t           i;
    neon_traceparent_t  *context;

    context = &s->context;

    if (neon_random(context->trace_id, NEON_TRACE_ID_LEN) != NEON_OK
        || ngx_neon_span_id(context->span_id) != NGX_OK)
    {
        return 0;
    }

    r = 0;

    for (i = NEON_TRACE_ID_LEN - 7; i < NEON_TRACE_ID_LEN; i++) {
        r = r << 8 | context->trace_id[i];
    }

    context->given = 1;
    context->flags = (r >= s->conf->otlp->threshold)
                     ? NEON_TRACEPARENT_SAMPLED : 0;

    return 1;
}


static void
ngx_neon_trace_create(ngx_neon_session_t *s, ngx_neon_spans_t *spans,
    ngx_uint_t has_parent, uint64_t now)
{
    struct timespec      ts;
    ngx_neon_trace_t    *trace;
    neon_traceparent_t  *context;

    context = &s->context;

    trace = ngx_pcalloc(s->pool, sizeof(ngx_neon_trace_t));

    if (trace == NULL
        || ngx_neon_trace_copy(s, trace) != NGX_OK
        || ngx_neon_span_id(trace->root) != NGX_OK
        || ngx_neon_span_id(trace->step) != NGX_OK)
    {
        return;
    }

    ngx_memcpy(trace->id, context->trace_id, NEON_TRACE_ID_LEN);

    if (has_parent) {
        trace->has_parent = 1;
        ngx_memcpy(trace->parent, context->span_id, NEON_SPAN_ID_LEN);
    }

    /* one look at the time for the whole session: nothing in it can lie
       outside of what it is a part of, whatever becomes of the clock */

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    trace->offset = (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec
                    - (int64_t) now * 1000;

    trace->spans = spans;
    trace->session = s;
    s->trace = trace;

    if (ngx_neon_traces.next == NULL) {
        ngx_queue_init(&ngx_neon_traces);
    }

    ngx_queue_insert_tail(&ngx_neon_traces, &trace->queue);
}


/* what is gone at the end of the session */

static ngx_int_t
ngx_neon_trace_copy(ngx_neon_session_t *s, ngx_neon_trace_t *trace)
{
    ngx_str_t  *name;

    trace->peer_len = sizeof(ngx_sockaddr_t);

    if (getpeername(s->client->fd, &trace->peer.sockaddr, &trace->peer_len)
        == -1)
    {
        trace->peer_len = 0;
    }

    name = s->login ? &s->login->server_name : &s->host;

    if (name->len) {
        trace->server_name.data = ngx_pstrdup(s->pool, name);
        if (trace->server_name.data == NULL) {
            return NGX_ERROR;
        }

        trace->server_name.len = name->len;
    }

    if (s->tracestate.len) {
        trace->state.data = ngx_pstrdup(s->pool, &s->tracestate);
        if (trace->state.data == NULL) {
            return NGX_ERROR;
        }

        trace->state.len = s->tracestate.len;
    }

    return NGX_OK;
}


static void
ngx_neon_trace_attrs(ngx_neon_session_t *s, ngx_neon_span_t *span)
{
    switch (s->state) {

    case NGX_NEON_STATE_HANDSHAKE:
        ngx_neon_span_text(span, "neon.tls", s->sealed ? "passthrough"
                           : !s->tls ? "off"
                           : s->direct_tls ? "direct"
                           : s->front->starttls ? "in-band" : "https");
        break;

    case NGX_NEON_STATE_ENDPOINT:
        ngx_neon_span_string(span, "neon.endpoint", &s->endpoint);
        break;

    case NGX_NEON_STATE_ACCESS:
    case NGX_NEON_STATE_WAKE:
        ngx_neon_trace_asked(s, span);
        break;

    case NGX_NEON_STATE_AUTHENTICATE:
        ngx_neon_span_text(span, "neon.auth_method", s->auth_method);
        break;

    case NGX_NEON_STATE_CONNECT:
    case NGX_NEON_STATE_LOGIN:
        ngx_neon_trace_compute(s, span);
        break;

    case NGX_NEON_STATE_RELAY:
        ngx_neon_span_number(span, "neon.bytes.to_compute", s->up.bytes);
        ngx_neon_span_number(span, "neon.bytes.to_client", s->down.bytes);
        break;

    default:
        break;
    }
}


static void
ngx_neon_trace_asked(ngx_neon_session_t *s, ngx_neon_span_t *span)
{
    ngx_neon_node_t         *node;
    ngx_neon_ctl_request_t  *r;

    r = &s->login->ctl;

    ngx_neon_span_string(span, "neon.cache", ngx_neon_cached_name(r->cached));

    if (r->led || r->joined) {
        ngx_neon_span_text(span, "neon.flight", r->led ? "led" : "joined");
    }

    node = r->node;

    if (s->state == NGX_NEON_STATE_ACCESS || node == NULL) {
        return;
    }

    ngx_neon_span_string(span, "neon.cold_start", &s->cold_start);
    ngx_neon_span_string(span, "neon.project_id", &node->project_id);
    ngx_neon_span_string(span, "neon.branch_id", &node->branch_id);
    ngx_neon_span_string(span, "neon.compute_id", &node->compute_id);
}


static void
ngx_neon_trace_compute(ngx_neon_session_t *s, ngx_neon_span_t *span)
{
    ngx_str_t          addr;
    ngx_neon_login_t  *l;

    l = s->login;
    span->kind = NGX_NEON_SPAN_CLIENT;

    ngx_neon_span_text(span, "db.system.name", "postgresql");
    ngx_neon_span_string(span, "db.namespace", &s->database);

    if (l->node) {
        ngx_neon_span_string(span, "server.address", &l->node->host);
        ngx_neon_span_number(span, "server.port", l->node->port);
    }

    addr = s->compute_addr;

    if (l->dns && addr.len) {
        ngx_neon_trace_host(&addr);
        ngx_neon_span_string(span, "network.peer.address", &addr);
        ngx_neon_span_number(span, "network.peer.port", l->dns->port);
    }

    if (s->reason == NGX_NEON_REASON_COMPUTE_ERROR) {
        ngx_neon_span_text(span, "db.response.status_code",
                           (char *) s->sqlstate);
    }
}


/* HOST:PORT or [HOST]:PORT, without the port */

static void
ngx_neon_trace_host(ngx_str_t *addr)
{
    while (addr->len && addr->data[addr->len - 1] != ':') {
        addr->len--;
    }

    if (addr->len) {
        addr->len--;
    }

    if (addr->len > 2 && addr->data[0] == '[') {
        addr->data++;
        addr->len -= 2;
    }
}


void
ngx_neon_trace_end(ngx_neon_session_t *s)
{
    u_char             peer[NGX_SOCKADDR_STRLEN], local[NGX_SOCKADDR_STRLEN];
    ngx_str_t          addr, id;
    ngx_neon_span_t    span;
    ngx_neon_trace_t  *trace;

    trace = s->trace;

    if (trace == NULL) {
        return;
    }

    s->trace = NULL;
    ngx_queue_remove(&trace->queue);

    ngx_neon_span_init(&span, trace, trace->root, "session", s->begun,
                       ngx_neon_usec());

    span.kind = NGX_NEON_SPAN_SERVER;
    span.has_parent = trace->has_parent;
    ngx_memcpy(span.parent, trace->parent, NEON_SPAN_ID_LEN);

    addr.data = local;
    addr.len = sizeof(local);

    ngx_neon_span_text(&span, "db.system.name", "postgresql");
    ngx_neon_span_string(&span, "db.namespace", &s->database);
    ngx_neon_trace_client(s, &span, trace, peer);
    ngx_neon_trace_server(s, &span, trace, &addr);
    ngx_neon_trace_neon(s, &span, &id);
    ngx_neon_trace_fail(s, &span, s->reason, NULL, NULL);

    ngx_neon_spans_add(trace->spans, &span);
}


/* who it says that it is (PROXY protocol, realip), and who is at the socket */

static void
ngx_neon_trace_client(ngx_neon_session_t *s, ngx_neon_span_t *span,
    ngx_neon_trace_t *trace, u_char *text)
{
    ngx_str_t          addr;
    ngx_connection_t  *c;

    c = s->client;

    if (c->sockaddr->sa_family == AF_UNIX) {
        ngx_neon_span_text(span, "network.transport", "unix");
        return;
    }

    ngx_neon_span_text(span, "network.transport", "tcp");
    ngx_neon_span_string(span, "client.address", &c->addr_text);
    ngx_neon_span_number(span, "client.port",
                         ngx_inet_get_port(c->sockaddr));

    if (trace->peer_len) {
        addr.data = text;
        addr.len = ngx_sock_ntop(&trace->peer.sockaddr, trace->peer_len, text,
                                 NGX_SOCKADDR_STRLEN, 0);

        ngx_neon_span_string(span, "network.peer.address", &addr);
        ngx_neon_span_number(span, "network.peer.port",
                             ngx_inet_get_port(&trace->peer.sockaddr));
    }
}


/* the name that the client wanted, else our address */

static void
ngx_neon_trace_server(ngx_neon_session_t *s, ngx_neon_span_t *span,
    ngx_neon_trace_t *trace, ngx_str_t *addr)
{
    ngx_connection_t  *c;

    c = s->client;

    if (c->sockaddr->sa_family == AF_UNIX
        || ngx_connection_local_sockaddr(c, addr, 0) != NGX_OK)
    {
        return;
    }

    ngx_neon_span_string(span, "server.address",
                         trace->server_name.len ? &trace->server_name : addr);
    ngx_neon_span_number(span, "server.port",
                         ngx_inet_get_port(c->local_sockaddr));
}


static void
ngx_neon_trace_neon(ngx_neon_session_t *s, ngx_neon_span_t *span,
    ngx_str_t *id)
{
    id->data = s->id;
    id->len = ngx_strlen(s->id);

    ngx_neon_span_string(span, "neon.session_id", id);
    ngx_neon_span_string(span, "neon.front", &s->front->name);
    ngx_neon_span_string(span, "neon.endpoint", &s->endpoint);
    ngx_neon_span_string(span, "neon.user", &s->user);
    ngx_neon_span_string(span, "neon.application_name", &s->application_name);
    ngx_neon_span_text(span, "neon.auth_method", s->auth_method);
    ngx_neon_span_string(span, "neon.secret_cache",
                         ngx_neon_cached_name(s->secret_cache));
    ngx_neon_span_string(span, "neon.node_cache",
                         ngx_neon_cached_name(s->node_cache));
    ngx_neon_span_string(span, "neon.cold_start", &s->cold_start);
    ngx_neon_span_number(span, "neon.retries", s->retries);
    ngx_neon_span_number(span, "neon.bytes.to_compute", s->up.bytes);
    ngx_neon_span_number(span, "neon.bytes.to_client", s->down.bytes);
    ngx_neon_span_text(span, "neon.sqlstate", (char *) s->sqlstate);

    if (s->reason == NGX_NEON_REASON_COMPUTE_ERROR) {
        ngx_neon_span_text(span, "db.response.status_code",
                           (char *) s->sqlstate);
    }
}


/* the detail is for the step that failed: it lives as long as the login */

static void
ngx_neon_trace_fail(ngx_neon_session_t *s, ngx_neon_span_t *span,
    ngx_neon_reason_e reason, ngx_str_t *detail, u_char *message)
{
    ngx_str_t                 text;
    const ngx_neon_reason_t  *r;

    if (reason == NGX_NEON_REASON_NONE || reason == NGX_NEON_REASON_CANCEL) {
        return;
    }

    r = ngx_neon_reason(reason);
    text = s->error;

    /* what is tried again the client is not told */

    if (reason != s->reason) {
        text.data = (u_char *) r->message;
        text.len = ngx_strlen(r->message);
    }

    if (detail && detail->len) {
        text.len = ngx_snprintf(message, NGX_NEON_TRACE_MESSAGE, "%V: %V",
                                &text, detail)
                   - message;
        text.data = message;
    }

    ngx_neon_span_string(span, "error.type", &r->name);
    ngx_neon_span_fail(span, &text);
}


/*
 * nginx -s stop: sessions are where they are, and will not go on.  Their
 * memory is there, and nothing of it runs any more.
 */

void
ngx_neon_trace_exit(void)
{
    ngx_queue_t         *q;
    ngx_neon_trace_t    *trace;
    ngx_neon_session_t  *s;

    if (ngx_neon_traces.next == NULL) {
        return;
    }

    while (!ngx_queue_empty(&ngx_neon_traces)) {
        q = ngx_queue_head(&ngx_neon_traces);
        trace = ngx_queue_data(q, ngx_neon_trace_t, queue);
        s = trace->session;

        if (s->reason == NGX_NEON_REASON_NONE) {
            (void) ngx_neon_session_error(s, NGX_NEON_REASON_SHUTDOWN);
        }

        ngx_neon_trace_step(s, NGX_NEON_STATE_FINISH, ngx_neon_usec());
        ngx_neon_trace_end(s);
    }
}
