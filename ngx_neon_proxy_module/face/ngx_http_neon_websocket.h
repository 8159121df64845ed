/*
 * The location `neon_proxy_websocket`: Postgres over WebSocket.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_HTTP_NEON_WEBSOCKET_H
#define NGX_HTTP_NEON_WEBSOCKET_H


#include <ngx_config.h>
#include <ngx_core.h>


/* directive handler */
char *ngx_http_neon_websocket(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* NGX_HTTP_NEON_WEBSOCKET_H */
