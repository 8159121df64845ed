/*
 * TLS of stream servers that negotiate it in-band.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_STREAM_NEON_SSL_H
#define NGX_STREAM_NEON_SSL_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>

#include "ngx_neon_compat.h"
#include "ngx_neon_conf.h"


/*
 * postconfiguration: a server that has certificates has a context, whatever
 * its "listen" says.  place: of our directive in that server.
 */
ngx_int_t ngx_stream_neon_ssl_init(ngx_conf_t *cf,
    ngx_neon_stream_ssl_conf_t *sslcf, ngx_neon_place_t *place);

/*
 * NGX_AGAIN: the handler is called once it is done or has failed, and before
 * that where c->close or the timer of c->read wants to be looked at.  It has to
 * set both of the connection's event handlers.
 */
ngx_int_t ngx_stream_neon_ssl_handshake(ngx_connection_t *c,
    ngx_connection_handler_pt handler);


#endif /* NGX_STREAM_NEON_SSL_H */
