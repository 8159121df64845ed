/*
 * The locations `neon_proxy_status` and `neon_proxy_metrics`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_http_neon_pages.h"

#include "ngx_neon_page_metrics.h"
#include "ngx_neon_page_status.h"
#include "ngx_neon_proxy_module.h"


#define NGX_HTTP_NEON_PAGES_COMPUTES  100


typedef void (*ngx_http_neon_pages_pt)(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);


static ngx_int_t ngx_http_neon_pages_metrics_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_neon_pages_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_neon_pages_begin(ngx_http_request_t *r);
static ngx_int_t ngx_http_neon_pages_bad_format(ngx_http_request_t *r);
static ngx_int_t ngx_http_neon_pages_print(ngx_http_request_t *r,
    const char *type, ngx_http_neon_pages_pt print, ngx_uint_t computes);
static ngx_int_t ngx_http_neon_pages_send(ngx_http_request_t *r,
    const char *type, ngx_neon_page_t *page);


static ngx_int_t
ngx_http_neon_pages_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_neon_pages_begin(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_neon_pages_print(r,
                                 "text/plain; version=0.0.4; charset=utf-8",
                                 ngx_neon_page_metrics, 0);
}


static ngx_int_t
ngx_http_neon_pages_status_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  format;

    rc = ngx_http_neon_pages_begin(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_arg(r, (u_char *) "format", 6, &format) != NGX_OK
        || (format.len == 4 && ngx_strncmp(format.data, "html", 4) == 0))
    {
        /* names of strangers are escaped; should one slip through, it still
           runs and loads nothing */

        if (ngx_http_neon_pages_header(r, "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline';"
                " base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_neon_pages_print(r, "text/html; charset=utf-8",
                                         ngx_neon_page_status_html,
                                         NGX_HTTP_NEON_PAGES_COMPUTES);
    }

    if (format.len == 4 && ngx_strncmp(format.data, "json", 4) == 0) {
        return ngx_http_neon_pages_print(r, "application/json",
                                         ngx_neon_page_status_json,
                                         NGX_HTTP_NEON_PAGES_COMPUTES);
    }

    return ngx_http_neon_pages_bad_format(r);
}


static ngx_int_t
ngx_http_neon_pages_begin(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (ngx_http_neon_pages_header(r, "Cache-Control", "no-store") != NGX_OK
        || ngx_http_neon_pages_header(r, "X-Content-Type-Options", "nosniff")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        rc = ngx_http_neon_pages_header(r, "Allow", "GET, HEAD");

        return rc == NGX_OK ? NGX_HTTP_NOT_ALLOWED
                            : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_discard_request_body(r);
}


static ngx_int_t
ngx_http_neon_pages_bad_format(ngx_http_request_t *r)
{
    ngx_neon_page_t  page;

    r->headers_out.status = NGX_HTTP_BAD_REQUEST;

    ngx_neon_page_init(&page, r->pool);
    ngx_neon_page_print(&page, "unknown format: it is \"html\" or \"json\"\n");

    return ngx_http_neon_pages_send(r, "text/plain; charset=utf-8", &page);
}


static ngx_int_t
ngx_http_neon_pages_print(ngx_http_request_t *r, const char *type,
    ngx_http_neon_pages_pt print, ngx_uint_t computes)
{
    ngx_neon_page_t            page;
    ngx_neon_snapshot_t       *snapshot;
    ngx_http_neon_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_neon_module);

    snapshot = ngx_neon_snapshot(r->pool, nlcf->conf, computes);
    if (snapshot == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;

    ngx_neon_page_init(&page, r->pool);
    print(&page, snapshot);

    return ngx_http_neon_pages_send(r, type, &page);
}


static ngx_int_t
ngx_http_neon_pages_send(ngx_http_request_t *r, const char *type,
    ngx_neon_page_t *page)
{
    off_t         size;
    size_t        len;
    ngx_int_t     rc;
    ngx_chain_t  *out, *cl;

    size = ngx_neon_page_end(page, &out);

    if (size == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = ngx_strlen(type);

    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = len;

    /* the type alone: that it is shorter tells nginx to add no charset */

    r->headers_out.content_type_len = strcspn(type, ";");
    r->headers_out.content_length_n = size;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    for (cl = out; cl->next; cl = cl->next) { /* void */ }

    cl->buf->last_buf = (r == r->main);
    cl->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, out);
}


ngx_int_t
ngx_http_neon_pages_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}


char *
ngx_http_neon_pages_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_neon_pages_set(cf, conf,
                                   ngx_http_neon_pages_status_handler);
}


char *
ngx_http_neon_pages_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_neon_pages_set(cf, conf,
                                   ngx_http_neon_pages_metrics_handler);
}


char *
ngx_http_neon_pages_set(ngx_conf_t *cf, ngx_http_neon_loc_conf_t *nlcf,
    ngx_http_handler_pt handler)
{
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (nlcf->conf && clcf->handler == handler) {
        return "is duplicate";
    }

    if (clcf->handler) {
        return "cannot be used where another directive serves the location";
    }

    value = cf->args->elts;

    nlcf->conf = ngx_neon_proxy_get(cf, &value[1]);
    if (nlcf->conf == NULL) {
        return NGX_CONF_ERROR;
    }

    clcf->handler = handler;

    return NGX_CONF_OK;
}
