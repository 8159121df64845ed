/*
 * W3C Trace Context of an http request: two headers "traceparent" are none
 * (section 3.2), several "tracestate" are one list (section 3.3).
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_http_neon_trace.h"


typedef struct {
    ngx_list_part_t  *part;
    ngx_uint_t        i;
} ngx_http_neon_trace_walk_t;


static void ngx_http_neon_trace_parent(ngx_http_request_t *r,
    ngx_str_t *parent);
static ngx_int_t ngx_http_neon_trace_state(ngx_http_request_t *r,
    ngx_str_t *state);
static ngx_str_t *ngx_http_neon_trace_next(ngx_http_neon_trace_walk_t *w,
    const char *name);


ngx_int_t
ngx_http_neon_trace(ngx_http_request_t *r, ngx_str_t *parent, ngx_str_t *state)
{
    ngx_http_neon_trace_parent(r, parent);

    return ngx_http_neon_trace_state(r, state);
}


static void
ngx_http_neon_trace_parent(ngx_http_request_t *r, ngx_str_t *parent)
{
    ngx_str_t                   *value;
    ngx_http_neon_trace_walk_t   w = { &r->headers_in.headers.part, 0 };

    ngx_str_null(parent);

    value = ngx_http_neon_trace_next(&w, "traceparent");

    if (value && ngx_http_neon_trace_next(&w, "traceparent") == NULL) {
        *parent = *value;
    }
}


static ngx_int_t
ngx_http_neon_trace_state(ngx_http_request_t *r, ngx_str_t *state)
{
    size_t                       len;
    u_char                      *p;
    ngx_str_t                   *value;
    ngx_uint_t                   n;
    ngx_http_neon_trace_walk_t   count = { &r->headers_in.headers.part, 0 };
    ngx_http_neon_trace_walk_t   join = count;

    ngx_str_null(state);

    len = 0;

    for (n = 0;
         (value = ngx_http_neon_trace_next(&count, "tracestate")) != NULL;
         n++)
    {
        *state = *value;
        len += value->len + 1;
    }

    if (n < 2) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    state->data = p;
    state->len = len - 1;

    while ((value = ngx_http_neon_trace_next(&join, "tracestate")) != NULL) {
        p = ngx_cpymem(p, value->data, value->len);
        *p++ = ',';
    }

    return NGX_OK;
}


static ngx_str_t *
ngx_http_neon_trace_next(ngx_http_neon_trace_walk_t *w, const char *name)
{
    ngx_table_elt_t  *elt;

    for ( ;; ) {

        if (w->i >= w->part->nelts) {
            if (w->part->next == NULL) {
                return NULL;
            }

            w->part = w->part->next;
            w->i = 0;
            continue;
        }

        elt = (ngx_table_elt_t *) w->part->elts + w->i++;

        if (elt->key.len == ngx_strlen(name)
            && ngx_strncmp(elt->lowcase_key, name, elt->key.len) == 0)
        {
            return &elt->value;
        }
    }
}
