/*
 * What a stream server must be for a directive of ours that serves it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_STREAM_NEON_SERVER_H
#define NGX_STREAM_NEON_SERVER_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>

#include "ngx_neon_conf.h"


/*
 * postconfiguration: NGX_ERROR, and said so, where another directive has taken
 * the connections of the server, or where it listens on UDP.  directive: ours,
 * place: of it in that server.
 */
ngx_int_t ngx_stream_neon_server_check(ngx_conf_t *cf,
    ngx_stream_core_srv_conf_t *cscf, ngx_stream_content_handler_pt handler,
    const char *directive, ngx_neon_place_t *place);


#endif /* NGX_STREAM_NEON_SERVER_H */
