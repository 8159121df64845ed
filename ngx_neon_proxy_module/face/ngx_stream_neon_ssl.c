/*
 * TLS of stream servers that negotiate it in-band.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>

#include "ngx_stream_neon_ssl.h"

#include "ngx_neon_tls.h"


static void ngx_stream_neon_ssl_read_handler(ngx_event_t *ev);


ngx_int_t
ngx_stream_neon_ssl_init(ngx_conf_t *cf, ngx_neon_stream_ssl_conf_t *sslcf,
    ngx_neon_place_t *place)
{
#if (NGX_NEON_STREAM_SSL_BY_LISTEN)
    ngx_stream_module_t         *ssl;
    ngx_stream_conf_ctx_t       *ctx;
    ngx_neon_stream_ssl_conf_t  *parent;

    /*
     * TLS is in-band, so there is no "listen ... ssl" to make the stock
     * module build the context.  Its merge is made to run once more, to its
     * end: what is set already stays, what it left out is inherited now.
     */

    if (sslcf->ssl.ctx == NULL && sslcf->certificates) {
        sslcf->listen = 1;
        sslcf->file = place->file;
        sslcf->line = place->line;

        /* that of stream {}: cf->ctx is the last server's */
        ctx = (ngx_stream_conf_ctx_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                     ngx_stream_module);
        parent = ctx->srv_conf[ngx_stream_ssl_module.ctx_index];
        ssl = ngx_stream_ssl_module.ctx;

        if (ssl->merge_srv_conf(cf, parent, sslcf) != NGX_CONF_OK) {
            return NGX_ERROR;
        }
    }
#endif

    if (sslcf->ssl.ctx) {
        ngx_neon_tls_set_tickets(&sslcf->ssl);

        if (sslcf->alpn.len == 0) {
            ngx_neon_tls_set_alpn(&sslcf->ssl);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_stream_neon_ssl_handshake(ngx_connection_t *c,
    ngx_connection_handler_pt handler)
{
    ngx_int_t  rc;

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = handler;
        c->read->handler = ngx_stream_neon_ssl_read_handler;
    }

    return rc;
}


/* nginx's own handler would not see c->close of worker_shutdown_timeout */

static void
ngx_stream_neon_ssl_read_handler(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_connection_handler_pt   handler;

    c = ev->data;
    handler = c->ssl->handler;

    if (c->close || ev->timedout
        || ngx_stream_neon_ssl_handshake(c, handler) != NGX_AGAIN)
    {
        handler(c);
    }
}
