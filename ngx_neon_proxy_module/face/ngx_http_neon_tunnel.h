/*
 * `websocket_tunnel`: does a request to a WebSocket location name an address,
 * and may it?
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_HTTP_NEON_TUNNEL_H
#define NGX_HTTP_NEON_TUNNEL_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_neon_conf.h"
#include "ngx_neon_ctl.h"


/*
 * NGX_OK: it wants a tunnel to *node, and gets it; NGX_DECLINED: it wants none,
 * or there are none; else the status to refuse it with, and *text says why.
 */
ngx_int_t ngx_http_neon_tunnel(ngx_http_request_t *r, ngx_neon_conf_t *conf,
    ngx_neon_node_t **node, const char **text);


#endif /* NGX_HTTP_NEON_TUNNEL_H */
