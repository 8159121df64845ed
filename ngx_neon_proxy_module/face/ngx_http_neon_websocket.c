/*
 * The location `neon_proxy_websocket`: the upgrade (RFC 6455, section 4.2),
 * and the front that serves what comes behind it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_http_neon_websocket.h"

#include "neon_ws.h"

#include "ngx_http_neon_origin.h"
#include "ngx_http_neon_pages.h"
#include "ngx_http_neon_trace.h"
#include "ngx_http_neon_tunnel.h"
#include "ngx_neon_proxy_module.h"
#include "ngx_neon_session.h"
#include "ngx_neon_tls.h"
#include "ngx_neon_vpc.h"
#include "ngx_neon_ws.h"


#define NGX_HTTP_NEON_UPGRADE_REQUIRED  426


typedef struct {
    ngx_str_t     key;
    ngx_str_t     version;
    ngx_str_t     origin;
    ngx_uint_t    websocket;                  /* is in Upgrade */
    ngx_uint_t    upgrade;                    /* is in Connection */
    ngx_uint_t    repeated;                   /* one of those above */
} ngx_http_neon_websocket_headers_t;


static ngx_int_t ngx_http_neon_websocket_handler(ngx_http_request_t *r);
static void ngx_http_neon_websocket_headers(ngx_http_request_t *r,
    ngx_http_neon_websocket_headers_t *h);
static ngx_uint_t ngx_http_neon_websocket_is(ngx_str_t *name,
    const char *other);
static void ngx_http_neon_websocket_once(ngx_http_neon_websocket_headers_t *h,
    ngx_str_t *known, ngx_str_t *value);
static ngx_uint_t ngx_http_neon_websocket_token(ngx_str_t *list,
    const char *token);
static ngx_int_t ngx_http_neon_websocket_check(ngx_http_request_t *r,
    ngx_http_neon_websocket_headers_t *h);
static ngx_int_t ngx_http_neon_websocket_refuse(ngx_http_request_t *r,
    ngx_uint_t status, const char *text);
static ngx_int_t ngx_http_neon_websocket_accept(ngx_http_request_t *r,
    ngx_str_t *key);
static void ngx_http_neon_websocket_write_handler(ngx_http_request_t *r);
static void ngx_http_neon_websocket_upgraded(ngx_http_request_t *r);
static void ngx_http_neon_websocket_start_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_neon_websocket_start(ngx_http_request_t *r);
static void ngx_http_neon_websocket_event_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_neon_websocket_bye(ngx_neon_session_t *s);
static void ngx_http_neon_websocket_finish(ngx_neon_session_t *s);
static void ngx_http_neon_websocket_close(ngx_http_request_t *r,
    ngx_int_t rc);
static u_char *ngx_http_neon_websocket_log(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);


static const ngx_neon_front_t  ngx_http_neon_websocket_front = {
    ngx_string("ws"),
    NGX_NEON_FRONT_WS,
    NGX_NEON_REASON_WEBSOCKET_INSECURE,
    NULL,
    ngx_http_neon_websocket_bye,
    ngx_http_neon_websocket_finish
};


static ngx_int_t
ngx_http_neon_websocket_handler(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_http_neon_websocket_headers_t  h;

    ngx_http_neon_websocket_headers(r, &h);

    rc = ngx_http_neon_websocket_check(r, &h);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    return ngx_http_neon_websocket_accept(r, &h.key);
}


/* Upgrade and Connection are lists, and may come in pieces */

static void
ngx_http_neon_websocket_headers(ngx_http_request_t *r,
    ngx_http_neon_websocket_headers_t *h)
{
    ngx_str_t        *name, *value;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *elts;

    ngx_memzero(h, sizeof(ngx_http_neon_websocket_headers_t));

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        elts = part->elts;

        for (i = 0; i < part->nelts; i++) {
            name = &elts[i].key;
            value = &elts[i].value;

            if (ngx_http_neon_websocket_is(name, "Upgrade")) {
                h->websocket |= ngx_http_neon_websocket_token(value,
                                                              "websocket");

            } else if (ngx_http_neon_websocket_is(name, "Connection")) {
                h->upgrade |= ngx_http_neon_websocket_token(value, "upgrade");

            } else if (ngx_http_neon_websocket_is(name,
                                                  "Sec-WebSocket-Key"))
            {
                ngx_http_neon_websocket_once(h, &h->key, value);

            } else if (ngx_http_neon_websocket_is(name,
                                                  "Sec-WebSocket-Version"))
            {
                ngx_http_neon_websocket_once(h, &h->version, value);

            } else if (ngx_http_neon_websocket_is(name, "Origin")) {
                ngx_http_neon_websocket_once(h, &h->origin, value);
            }
        }
    }
}


static ngx_uint_t
ngx_http_neon_websocket_is(ngx_str_t *name, const char *other)
{
    return name->len == ngx_strlen(other)
           && ngx_strncasecmp(name->data, (u_char *) other, name->len) == 0;
}


static void
ngx_http_neon_websocket_once(ngx_http_neon_websocket_headers_t *h,
    ngx_str_t *known, ngx_str_t *value)
{
    if (known->data) {
        h->repeated = 1;
    }

    *known = *value;
}


/* is the token in a comma-separated list? */

static ngx_uint_t
ngx_http_neon_websocket_token(ngx_str_t *list, const char *token)
{
    size_t   len;
    u_char  *p, *start, *last, *end;

    len = ngx_strlen(token);
    p = list->data;
    last = p + list->len;

    while (p < last) {
        start = p;
        p = ngx_strlchr(p, last, ',');

        if (p == NULL) {
            p = last;
        }

        end = p++;

        while (start < end && (*start == ' ' || *start == '\t')) {
            start++;
        }

        while (end > start && (end[-1] == ' ' || end[-1] == '\t')) {
            end--;
        }

        if ((size_t) (end - start) == len
            && ngx_strncasecmp(start, (u_char *) token, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* NGX_DECLINED: nothing is wrong, upgrade it; else what was answered */

static ngx_int_t
ngx_http_neon_websocket_check(ngx_http_request_t *r,
    ngx_http_neon_websocket_headers_t *h)
{
    ngx_int_t                  rc;
    const char                *text;
    ngx_neon_node_t           *node;
    ngx_http_neon_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_neon_module);

    if (r != r->main
        || r->method != NGX_HTTP_GET
        || r->http_version != NGX_HTTP_VERSION_11
        || !h->websocket
        || !h->upgrade)
    {
        return ngx_http_neon_websocket_refuse(r,
                      NGX_HTTP_NEON_UPGRADE_REQUIRED,
                      "This is a Postgres server for WebSocket clients, such"
                      " as npm @neondatabase/serverless.\n"
                      "Connect with a WebSocket client over HTTP/1.1.\n");
    }

    /* a 101 would be sent with the status of the error in its place */

    if (r->err_status) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "no WebSocket behind an \"error_page\" that keeps the"
                      " status %ui: it has no \"=\"", r->err_status);

        return ngx_http_neon_websocket_refuse(r, r->err_status,
                      "This is the page of an error, and no WebSocket.\n");
    }

    if (h->repeated) {
        return ngx_http_neon_websocket_refuse(r, NGX_HTTP_BAD_REQUEST,
                      "Sec-WebSocket-Key, Sec-WebSocket-Version or Origin"
                      " came twice.\n");
    }

    /* its bytes could not be told from frames */

    if (r->headers_in.content_length_n > 0 || r->headers_in.chunked) {
        return ngx_http_neon_websocket_refuse(r, NGX_HTTP_BAD_REQUEST,
                      "A WebSocket handshake has no body.\n");
    }

    if (h->version.len != 2 || ngx_strncmp(h->version.data, "13", 2) != 0) {

        if (ngx_http_neon_pages_header(r, "Sec-WebSocket-Version", "13")
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_neon_websocket_refuse(r,
                      NGX_HTTP_NEON_UPGRADE_REQUIRED,
                      "Sec-WebSocket-Version must be 13.\n");
    }

    /* those who have no Origin are no browsers */

    if (h->origin.len && nlcf->conf->websocket_origins
        && !ngx_http_neon_origin_allowed(nlcf->conf->websocket_origins,
                                         &h->origin))
    {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "origin \"%V\" is not one of \"websocket_origins\"",
                      &h->origin);

        return ngx_http_neon_websocket_refuse(r, NGX_HTTP_FORBIDDEN,
                      "This origin may not connect (websocket_origins).\n");
    }

    text = NULL;

    rc = ngx_http_neon_tunnel(r, nlcf->conf, &node, &text);

    if (text) {
        return ngx_http_neon_websocket_refuse(r, rc, text);
    }

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


static ngx_int_t
ngx_http_neon_websocket_refuse(ngx_http_request_t *r, ngx_uint_t status,
    const char *text)
{
    ngx_str_t                  type = ngx_string("text/plain");
    ngx_http_complex_value_t   cv;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    cv.value.data = (u_char *) text;
    cv.value.len = ngx_strlen(text);

    /*
     * RFC 9110, section 7.8: both or none, beside nginx's own Connection; RFC
     * 9113, section 8.2.2: HTTP/2 has neither
     */

    if (status == NGX_HTTP_NEON_UPGRADE_REQUIRED
        && r->http_version < NGX_HTTP_VERSION_20
        && (ngx_http_neon_pages_header(r, "Upgrade", "websocket") != NGX_OK
            || ngx_http_neon_pages_header(r, "Connection", "upgrade")
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_send_response(r, status, &type, &cv);
}


static ngx_int_t
ngx_http_neon_websocket_accept(ngx_http_request_t *r, ngx_str_t *key)
{
    u_char     *p;
    ngx_int_t   rc;

    p = ngx_pnalloc(r->pool, NEON_WS_ACCEPT_LEN + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p[NEON_WS_ACCEPT_LEN] = '\0';

    if (neon_ws_accept(p, neon_str(key->data, key->len)) != NEON_OK) {
        return ngx_http_neon_websocket_refuse(r, NGX_HTTP_BAD_REQUEST,
                      "Sec-WebSocket-Key must be base64 of 16 bytes.\n");
    }

    if (ngx_http_neon_pages_header(r, "Upgrade", "websocket") != NGX_OK
        || ngx_http_neon_pages_header(r, "Sec-WebSocket-Accept", (char *) p)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");
    r->headers_out.content_length_n = -1;
    r->keepalive = 0;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return rc;
    }

    if (ngx_http_send_special(r, NGX_HTTP_FLUSH) == NGX_ERROR) {
        return NGX_ERROR;
    }

    r->main->count++;

    if (r->buffered || r->connection->buffered) {
        r->write_event_handler = ngx_http_neon_websocket_write_handler;

        if (ngx_handle_write_event(r->connection->write, 0) != NGX_OK) {
            r->main->count--;
            return NGX_ERROR;
        }

        return NGX_DONE;
    }

    ngx_http_neon_websocket_upgraded(r);

    return NGX_DONE;
}


/* the 101 itself could not be written whole */

static void
ngx_http_neon_websocket_write_handler(ngx_http_request_t *r)
{
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (c->write->timedout
        || ngx_http_output_filter(r, NULL) == NGX_ERROR)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (r->buffered || c->buffered) {
        if (!c->write->delayed) {
            ngx_add_timer(c->write, clcf->send_timeout);
        }

        if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
        }

        return;
    }

    ngx_http_neon_websocket_upgraded(r);
}


/*
 * The http code that called us goes on with r after we return: the session,
 * which may end at once, begins with an event of its own.
 */

static void
ngx_http_neon_websocket_upgraded(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    r->write_event_handler = ngx_http_request_empty_handler;
    r->read_event_handler = ngx_http_block_reading;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->handler = ngx_http_neon_websocket_start_handler;
    c->write->handler = ngx_http_neon_websocket_start_handler;

    ngx_post_event(c->read, &ngx_posted_events);
}


static void
ngx_http_neon_websocket_start_handler(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ev->data;
    r = c->data;

    if (ngx_http_neon_websocket_start(r) != NGX_OK) {
        ngx_http_neon_websocket_close(r, NGX_ERROR);
    }
}


static ngx_int_t
ngx_http_neon_websocket_start(ngx_http_request_t *r)
{
    ngx_buf_t                 *b;
    ngx_int_t                  rc;
    const char                *text;
    ngx_connection_t          *c;
    ngx_neon_session_t        *s;
    ngx_http_neon_loc_conf_t  *nlcf;

    c = r->connection;
    b = r->header_in;
    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_neon_module);

    s = ngx_pcalloc(r->pool, sizeof(ngx_neon_session_t));
    if (s == NULL) {
        return NGX_ERROR;
    }

    if (c->ssl) {
        ngx_neon_tls_established(c);

        /* http's output buffer: nothing is sent through it any more */

        if (c->ssl->buf && c->ssl->buf->start
            && ngx_pfree(c->pool, c->ssl->buf->start) == NGX_OK)
        {
            c->ssl->buf->start = NULL;
        }
    }

    if (ngx_neon_ws_install(c, b->pos, b->last, nlcf->conf->websocket_ping)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* else http would take it for the next request */

    b->pos = b->last;

    if (ngx_tcp_nodelay(c) != NGX_OK) {
        return NGX_ERROR;
    }

    s->client = c;
    s->conf = nlcf->conf;
    s->pool = r->pool;
    s->log = c->log;
    s->front = &ngx_http_neon_websocket_front;
    s->front_data = r;
    s->host = r->headers_in.server;
    s->vpc_endpoint_id = ngx_neon_vpc_id(c, r->pool);

    if (ngx_http_neon_trace(r, &s->traceparent, &s->tracestate) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_neon_tunnel(r, nlcf->conf, &s->tunnel, &text);

    if (rc != NGX_OK && rc != NGX_DECLINED) {
        return NGX_ERROR;
    }

    s->tls = (c->ssl != NULL);
    s->tls_required = !nlcf->conf->websocket_insecure;
    s->cleartext = 1;
    s->framed = 1;

    ngx_http_set_ctx(r, s, ngx_http_neon_module);
    r->log_handler = ngx_http_neon_websocket_log;

    c->read->handler = ngx_http_neon_websocket_event_handler;
    c->write->handler = ngx_http_neon_websocket_event_handler;

    ngx_neon_session_start(s);

    return NGX_OK;
}


/* c->data stays the request: http's code relies on it */

static void
ngx_http_neon_websocket_event_handler(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ev->data;
    r = c->data;

    if (ev->write) {
        ngx_neon_ws_flush(c);
    }

    ngx_neon_session_event(ngx_http_get_module_ctx(r, ngx_http_neon_module),
                           ev);
}


static ngx_int_t
ngx_http_neon_websocket_bye(ngx_neon_session_t *s)
{
    u_char      reason[NEON_WS_CONTROL_MAX];
    ngx_uint_t  code;

    /* a Postgres error went out before, and a good end has no reason */

    if (s->tunnel == NULL || s->reason == NGX_NEON_REASON_NONE) {
        return ngx_neon_ws_close(s->client, NEON_WS_NORMAL, "");
    }

    code = s->reason == NGX_NEON_REASON_SHUTDOWN ? NEON_WS_GOING_AWAY
                                                 : NEON_WS_ERROR;

    (void) ngx_snprintf(reason, sizeof(reason), "%V%Z", &s->error);
    reason[sizeof(reason) - 1] = '\0';

    return ngx_neon_ws_close(s->client, code, (char *) reason);
}


static void
ngx_http_neon_websocket_finish(ngx_neon_session_t *s)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = s->front_data;
    c = s->client;

    r->request_length += s->received + s->up.bytes;

    /*
     * A peer that broke the protocol is told why, and may be sending still:
     * nginx reads on for a while, or the reset would overtake the Close.
     */

    r->lingering_close = ngx_neon_ws_refused(c);

    ngx_neon_ws_remove(c);

    ngx_http_neon_websocket_close(r, r->lingering_close ? NGX_OK : NGX_ERROR);
}


static void
ngx_http_neon_websocket_close(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static u_char *
ngx_http_neon_websocket_log(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char              *p;
    ngx_neon_session_t  *s;

    p = buf;

    if (r->headers_in.server.len) {
        p = ngx_snprintf(p, len, ", server: %V", &r->headers_in.server);
        len -= p - buf;
        buf = p;
    }

    p = ngx_snprintf(p, len, ", request: \"%V\"", &r->request_line);
    len -= p - buf;

    s = ngx_http_get_module_ctx(r, ngx_http_neon_module);

    return ngx_neon_session_log(s, p, len);
}


char *
ngx_http_neon_websocket(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_neon_loc_conf_t *nlcf = conf;

    char  *rv;

    rv = ngx_http_neon_pages_set(cf, nlcf, ngx_http_neon_websocket_handler);

    if (rv == NGX_CONF_OK && nlcf->conf->websocket.file == NULL) {
        ngx_neon_proxy_place(cf, &nlcf->conf->websocket);
    }

    return rv;
}
