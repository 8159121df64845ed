/*
 * What a stream server must be for a directive of ours that serves it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>

#include "ngx_neon_compat.h"
#include "ngx_stream_neon_server.h"


static ngx_uint_t ngx_stream_neon_server_is_udp(
    ngx_stream_core_main_conf_t *cmcf, ngx_stream_core_srv_conf_t *cscf);


ngx_int_t
ngx_stream_neon_server_check(ngx_conf_t *cf, ngx_stream_core_srv_conf_t *cscf,
    ngx_stream_content_handler_pt handler, const char *directive,
    ngx_neon_place_t *place)
{
    ngx_stream_core_main_conf_t  *cmcf;

    if (cscf->handler != handler) {

        /* the other one would pass clients on unauthenticated */

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" and another directive that serves the connection"
                      " are in one server in %s:%ui",
                      directive, place->file, place->line);
        return NGX_ERROR;
    }

    cmcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_core_module);

    if (ngx_stream_neon_server_is_udp(cmcf, cscf)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"listen ... udp\" is in a server with \"%s\", which"
                      " serves TCP only, in %s:%ui",
                      directive, place->file, place->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


#if (NGX_NEON_STREAM_VIRTUAL_SERVERS)

static ngx_uint_t
ngx_stream_neon_server_is_udp(ngx_stream_core_main_conf_t *cmcf,
    ngx_stream_core_srv_conf_t *cscf)
{
    ngx_uint_t                     i, j, k;
    ngx_stream_conf_addr_t        *addr;
    ngx_stream_conf_port_t        *port;
    ngx_stream_core_srv_conf_t   **server;

    port = cmcf->ports ? cmcf->ports->elts : NULL;

    for (i = 0; port && i < cmcf->ports->nelts; i++) {

        if (port[i].type != SOCK_DGRAM) {
            continue;
        }

        addr = port[i].addrs.elts;

        for (j = 0; j < port[i].addrs.nelts; j++) {
            server = addr[j].servers.elts;

            for (k = 0; k < addr[j].servers.nelts; k++) {
                if (server[k] == cscf) {
                    return 1;
                }
            }
        }
    }

    return 0;
}


#else

static ngx_uint_t
ngx_stream_neon_server_is_udp(ngx_stream_core_main_conf_t *cmcf,
    ngx_stream_core_srv_conf_t *cscf)
{
    ngx_uint_t            i;
    ngx_stream_listen_t  *listen;

    listen = cmcf->listen.elts;

    for (i = 0; i < cmcf->listen.nelts; i++) {
        if (listen[i].type == SOCK_DGRAM && listen[i].ctx == cscf->ctx) {
            return 1;
        }
    }

    return 0;
}


#endif
