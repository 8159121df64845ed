/*
 * Neon's HTTP API: what is asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_http.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_error.h"
#include "ngx_neon_ctl_http_answer.h"
#include "ngx_neon_ctl_json.h"
#include "ngx_neon_curl.h"
#include "ngx_neon_url.h"


#define NGX_NEON_CTL_HTTP_POOL  2048

/* PostgreSQL itself keeps no more of it (NAMEDATALEN) */
#define NGX_NEON_CTL_HTTP_APP   63


/* of a question in progress; lives, with the HTTP answer, in its own pool */

typedef struct {
    ngx_neon_ctl_request_t    *r;
    ngx_pool_t                *pool;
    ngx_neon_curl_t            curl;
    ngx_str_t                  headers[4];
    u_char                     traceparent[sizeof("traceparent: ")
                                           + NEON_TRACEPARENT_LEN];
} ngx_neon_ctl_http_ctx_t;


static ngx_int_t ngx_neon_ctl_http_init(ngx_conf_t *cf,
    ngx_neon_conf_t *conf);
static ngx_int_t ngx_neon_ctl_http_init_token(ngx_conf_t *cf,
    ngx_neon_ctl_http_conf_t *hconf);
static ngx_int_t ngx_neon_ctl_http_start(ngx_neon_ctl_request_t *r);
static void ngx_neon_ctl_http_cancel(ngx_neon_ctl_request_t *r);
static void ngx_neon_ctl_http_handler(ngx_neon_curl_t *curl);

static ngx_int_t ngx_neon_ctl_http_url(ngx_neon_ctl_http_ctx_t *ctx);
static size_t ngx_neon_ctl_http_url_size(ngx_neon_ctl_request_t *r);
static u_char *ngx_neon_ctl_http_v1(u_char *p, ngx_neon_ctl_request_t *r);
static u_char *ngx_neon_ctl_http_v1_options(u_char *p,
    const neon_pg_options_t *options);
static u_char *ngx_neon_ctl_http_2023(u_char *p, ngx_neon_ctl_request_t *r);
static u_char *ngx_neon_ctl_http_arg(u_char *p, const char *name,
    ngx_str_t *value);
static u_char *ngx_neon_ctl_http_escape(u_char *p, const void *data,
    size_t len);
static ngx_str_t ngx_neon_ctl_http_application(ngx_neon_ctl_request_t *r);
static ngx_int_t ngx_neon_ctl_http_headers(ngx_neon_ctl_http_ctx_t *ctx);
static void ngx_neon_ctl_http_traceparent(ngx_neon_ctl_http_ctx_t *ctx,
    ngx_str_t *header);
static void ngx_neon_ctl_http_trace(ngx_neon_ctl_http_ctx_t *ctx);


ngx_neon_ctl_t  ngx_neon_ctl_http = {
    ngx_string("http"),
    0,                                    /* local */
    ngx_neon_ctl_http_init,
    ngx_neon_ctl_http_start,
    ngx_neon_ctl_http_cancel
};


static ngx_int_t
ngx_neon_ctl_http_init(ngx_conf_t *cf, ngx_neon_conf_t *conf)
{
    ngx_str_t                  parts[2];
    ngx_neon_ctl_http_conf_t  *hconf;

    hconf = conf->ctl_conf;

    /* a new token makes no other control plane */

    parts[0] = hconf->url;
    parts[1].data = (u_char *) &hconf->api;
    parts[1].len = sizeof(hconf->api);

    ngx_neon_ctl_identify(conf, parts, 2);

    return ngx_neon_ctl_http_init_token(cf, hconf);
}


char *
ngx_neon_ctl_http_directive(ngx_conf_t *cf, ngx_neon_ctl_http_conf_t *hconf)
{
    const char      *err;
    ngx_neon_url_t   u;

    err = "query in the URL";

    if (ngx_neon_url_parse(&u, &hconf->url, &err) == NGX_OK
        && ngx_strlchr(u.rest.data, u.rest.data + u.rest.len, '?') == NULL)
    {
        while (hconf->url.data[hconf->url.len - 1] == '/') {
            hconf->url.len--;
        }

        return NGX_CONF_OK;
    }

    ngx_neon_url_hide(&hconf->url);

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid control_plane \"%V\": %s, it must be "
                       "http://HOST[:PORT][/PATH] or "
                       "https://HOST[:PORT][/PATH]",
                       &hconf->url, err);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_neon_ctl_http_init_token(ngx_conf_t *cf, ngx_neon_ctl_http_conf_t *hconf)
{
    u_char  *p;
    size_t   i;

    if (hconf->token.len == 0) {
        return NGX_OK;
    }

    for (i = 0; i < hconf->token.len; i++) {
        if (hconf->token.data[i] <= ' ' || hconf->token.data[i] >= 0x7f) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid control_plane_token: it must be of "
                               "visible ASCII characters only, without spaces "
                               "and line breaks");
            return NGX_ERROR;
        }
    }

    p = ngx_pnalloc(cf->pool,
                    sizeof("Authorization: Bearer ") + hconf->token.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    hconf->authorization.data = p;
    hconf->authorization.len = ngx_sprintf(p, "Authorization: Bearer %V%Z",
                                           &hconf->token)
                               - p - 1;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_ctl_http_start(ngx_neon_ctl_request_t *r)
{
    ngx_pool_t                *pool;
    ngx_neon_curl_t           *curl;
    ngx_neon_ctl_http_ctx_t   *ctx;
    ngx_neon_ctl_http_conf_t  *hconf;

    hconf = r->conf->ctl_conf;

    pool = ngx_create_pool(NGX_NEON_CTL_HTTP_POOL, r->log);
    if (pool == NULL) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return NGX_OK;
    }

    ctx = ngx_pcalloc(pool, sizeof(ngx_neon_ctl_http_ctx_t));
    if (ctx == NULL) {
        goto failed;
    }

    ctx->r = r;
    ctx->pool = pool;

    curl = &ctx->curl;

    curl->conf = r->conf;
    curl->pool = pool;
    curl->log = r->log;
    curl->connect_timeout = hconf->connect_timeout;
    curl->timeout = hconf->request_timeout;
    curl->max_response = NGX_NEON_CTL_JSON_MAX;
    curl->slow = (r->call == NGX_NEON_CTL_WAKE);
    curl->handler = ngx_neon_ctl_http_handler;
    curl->data = ctx;

    if (ngx_neon_ctl_http_url(ctx) != NGX_OK
        || ngx_neon_ctl_http_headers(ctx) != NGX_OK
        || ngx_neon_curl_start(curl) != NGX_AGAIN)
    {
        goto failed;
    }

    r->ctx = ctx;

    if (r->trace) {
        ngx_neon_ctl_http_trace(ctx);
    }

    return NGX_AGAIN;

failed:

    ngx_destroy_pool(pool);
    ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");

    return NGX_OK;
}


static void
ngx_neon_ctl_http_cancel(ngx_neon_ctl_request_t *r)
{
    ngx_neon_ctl_http_ctx_t  *ctx;

    ctx = r->ctx;
    r->ctx = NULL;

    ngx_neon_curl_cancel(&ctx->curl);
    ngx_destroy_pool(ctx->pool);
}


static void
ngx_neon_ctl_http_handler(ngx_neon_curl_t *curl)
{
    ngx_neon_ctl_request_t   *r;
    ngx_neon_ctl_http_ctx_t  *ctx;

    ctx = curl->data;
    r = ctx->r;

    r->status = curl->status;

    if (curl->status == 0) {
        ngx_neon_ctl_error_transport(r, curl->error);

        /* that was an answer, and the next one will be no better */

        if (curl->too_large) {
            r->transport = 0;
            r->retryable = 0;
        }

    } else {
        ngx_neon_ctl_http_answer(r, curl->status, &curl->response, ctx->pool);
    }

    r->ctx = NULL;
    ngx_destroy_pool(ctx->pool);

    r->handler(r);
}


/*
 * Role, application name and options come from clients who have not yet shown
 * who they are: everything is escaped.
 */

static ngx_int_t
ngx_neon_ctl_http_url(ngx_neon_ctl_http_ctx_t *ctx)
{
    u_char                    *p;
    ngx_neon_ctl_request_t    *r;
    ngx_neon_ctl_http_conf_t  *hconf;

    r = ctx->r;
    hconf = r->conf->ctl_conf;

    p = ngx_pnalloc(ctx->pool,
                    hconf->url.len + ngx_neon_ctl_http_url_size(r));
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->curl.url.data = p;

    p = ngx_cpymem(p, hconf->url.data, hconf->url.len);

    p = (hconf->api == NGX_NEON_CTL_API_V1) ? ngx_neon_ctl_http_v1(p, r)
                                            : ngx_neon_ctl_http_2023(p, r);

    ctx->curl.url.len = p - ctx->curl.url.data;
    *p = '\0';

    return NGX_OK;
}


static size_t
ngx_neon_ctl_http_url_size(ngx_neon_ctl_request_t *r)
{
    size_t    size;
    unsigned  i;

    size = sizeof("/get_endpoint_access_control?session_id=&application_name="
                  "%2F&endpointish=&role=")
           + 3 * (r->session_id.len + r->application_name.len + r->front.len
                  + r->endpoint.len + r->role.len);

    if (r->options) {
        for (i = 0; i < r->options->noptions; i++) {
            size += sizeof("&options%5B%5D=")
                    + 3 * (r->options->option[i].name.len
                           + r->options->option[i].value.len);
        }
    }

    return size;
}


static u_char *
ngx_neon_ctl_http_v1(u_char *p, ngx_neon_ctl_request_t *r)
{
    ngx_str_t   app;
    ngx_uint_t  access;

    access = (r->call == NGX_NEON_CTL_ACCESS);
    app = ngx_neon_ctl_http_application(r);

    p = ngx_sprintf(p, "%s?", access ? "/get_endpoint_access_control"
                                     : "/wake_compute");

    p = ngx_neon_ctl_http_arg(p, "session_id=", &r->session_id);
    p = ngx_neon_ctl_http_arg(p, "&application_name=", &app);
    p = ngx_cpymem(p, "%2F", 3);
    p = ngx_neon_ctl_http_escape(p, r->front.data, r->front.len);
    p = ngx_neon_ctl_http_arg(p, "&endpointish=", &r->endpoint);

    if (access) {
        return ngx_neon_ctl_http_arg(p, "&role=", &r->role);
    }

    return ngx_neon_ctl_http_v1_options(p, r->options);
}


/* options[NAME]=VALUE */

static u_char *
ngx_neon_ctl_http_v1_options(u_char *p, const neon_pg_options_t *options)
{
    unsigned                 i;
    const neon_pg_option_t  *o;

    if (options == NULL) {
        return p;
    }

    for (i = 0; i < options->noptions; i++) {
        o = &options->option[i];

        p = ngx_cpymem(p, "&options%5B", sizeof("&options%5B") - 1);
        p = ngx_neon_ctl_http_escape(p, o->name.data, o->name.len);
        p = ngx_cpymem(p, "%5D=", sizeof("%5D=") - 1);
        p = ngx_neon_ctl_http_escape(p, o->value.data, o->value.len);
    }

    return p;
}


static u_char *
ngx_neon_ctl_http_2023(u_char *p, ngx_neon_ctl_request_t *r)
{
    ngx_str_t   app;
    ngx_uint_t  access;

    access = (r->call == NGX_NEON_CTL_ACCESS);
    app = ngx_neon_ctl_http_application(r);

    p = ngx_sprintf(p, "%s?", access ? "/proxy_get_role_secret"
                                     : "/proxy_wake_compute");

    p = ngx_neon_ctl_http_arg(p, "session_id=", &r->session_id);

    if (app.len) {
        p = ngx_neon_ctl_http_arg(p, "&application_name=", &app);
    }

    p = ngx_neon_ctl_http_arg(p, "&project=", &r->endpoint);

    if (access) {
        p = ngx_neon_ctl_http_arg(p, "&role=", &r->role);
    }

    return p;
}


static u_char *
ngx_neon_ctl_http_arg(u_char *p, const char *name, ngx_str_t *value)
{
    p = ngx_cpymem(p, name, ngx_strlen(name));

    return ngx_neon_ctl_http_escape(p, value->data, value->len);
}


static u_char *
ngx_neon_ctl_http_escape(u_char *p, const void *data, size_t len)
{
    return (u_char *) ngx_escape_uri(p, (u_char *) data, len,
                                     NGX_ESCAPE_URI_COMPONENT);
}


static ngx_str_t
ngx_neon_ctl_http_application(ngx_neon_ctl_request_t *r)
{
    ngx_str_t  app;

    app = r->application_name;

    if (app.len > NGX_NEON_CTL_HTTP_APP) {
        app.len = NGX_NEON_CTL_HTTP_APP;

        /* not in the middle of a UTF-8 sequence */

        while (app.len && (app.data[app.len] & 0xc0) == 0x80) {
            app.len--;
        }
    }

    return app;
}


static ngx_int_t
ngx_neon_ctl_http_headers(ngx_neon_ctl_http_ctx_t *ctx)
{
    u_char                    *p;
    ngx_neon_ctl_request_t    *r;
    ngx_neon_ctl_http_conf_t  *hconf;

    r = ctx->r;
    hconf = r->conf->ctl_conf;

    p = ngx_pnalloc(ctx->pool, sizeof("X-Request-ID: ") + r->session_id.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->headers[0].data = p;
    ctx->headers[0].len = ngx_sprintf(p, "X-Request-ID: %V%Z", &r->session_id)
                          - p - 1;

    ctx->curl.headers = ctx->headers;
    ctx->curl.nheaders = 1;

    if (hconf->authorization.len) {
        ctx->headers[ctx->curl.nheaders++] = hconf->authorization;
    }

    if (!r->traceparent.given) {
        return NGX_OK;
    }

    ngx_neon_ctl_http_traceparent(ctx, &ctx->headers[ctx->curl.nheaders++]);

    if (r->tracestate.len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(ctx->pool, sizeof("tracestate: ") + r->tracestate.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->headers[ctx->curl.nheaders].data = p;
    ctx->headers[ctx->curl.nheaders++].len =
                       ngx_sprintf(p, "tracestate: %V%Z", &r->tracestate)
                       - p - 1;

    return NGX_OK;
}


static void
ngx_neon_ctl_http_traceparent(ngx_neon_ctl_http_ctx_t *ctx, ngx_str_t *header)
{
    u_char  *p;

    p = ngx_sprintf(ctx->traceparent, "traceparent: ");
    neon_traceparent_write(p, &ctx->r->traceparent);
    p[NEON_TRACEPARENT_LEN] = '\0';

    header->data = ctx->traceparent;
    header->len = sizeof(ctx->traceparent) - 1;
}


/* what a span says: OpenTelemetry, semantic conventions for HTTP clients */

static void
ngx_neon_ctl_http_trace(ngx_neon_ctl_http_ctx_t *ctx)
{
    ngx_neon_ctl_request_t    *r;
    ngx_neon_ctl_http_conf_t  *hconf;

    static const char *const  names[2][2] = {
        { "GET /get_endpoint_access_control", "GET /wake_compute" },
        { "GET /proxy_get_role_secret", "GET /proxy_wake_compute" }
    };

    r = ctx->r;
    hconf = r->conf->ctl_conf;

    r->span = names[hconf->api][r->call];
    r->url.data = ngx_pstrdup(r->pool, &ctx->curl.url);
    r->url.len = r->url.data ? ctx->curl.url.len : 0;
}
