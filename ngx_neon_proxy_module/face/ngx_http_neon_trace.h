/*
 * W3C Trace Context of an http request.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_HTTP_NEON_TRACE_H
#define NGX_HTTP_NEON_TRACE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* both empty where there is none; they live as long as r does */
ngx_int_t ngx_http_neon_trace(ngx_http_request_t *r, ngx_str_t *parent,
    ngx_str_t *state);


#endif /* NGX_HTTP_NEON_TRACE_H */
