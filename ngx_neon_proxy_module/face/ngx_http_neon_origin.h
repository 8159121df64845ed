/*
 * `websocket_origins`: which web pages may connect.  RFC 6455, section 10.2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_HTTP_NEON_ORIGIN_H
#define NGX_HTTP_NEON_ORIGIN_H


#include <ngx_config.h>
#include <ngx_core.h>


/* patterns as in the directive, of ngx_str_t */
ngx_uint_t ngx_http_neon_origin_allowed(ngx_array_t *origins,
    ngx_str_t *origin);


#endif /* NGX_HTTP_NEON_ORIGIN_H */
