/*
 * OpenSSL where nginx's own ssl functions do not reach: ALPN "postgresql",
 * channel binding, TLS towards computes, half-close.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_TLS_H
#define NGX_NEON_TLS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "neon_buf.h"

#include "ngx_neon_conf.h"


/* --- clients ----------------------------------------------------------- */

/*
 * Selects "postgresql", refuses an offer without it; no offer passes here
 * (and is refused for direct TLS by the handshake step).
 */
void ngx_neon_tls_set_alpn(ngx_ssl_t *ssl);

/* session tickets keep which certificate their clients saw */
void ngx_neon_tls_set_tickets(ngx_ssl_t *ssl);

/* settings of a connection whose handshake is done */
void ngx_neon_tls_established(ngx_connection_t *c);

/* the SNI, in the pool; empty: none was sent */
ngx_int_t ngx_neon_tls_server_name(ngx_connection_t *c, ngx_pool_t *pool,
    ngx_str_t *name);

/* was "postgresql" negotiated? */
ngx_uint_t ngx_neon_tls_alpn(ngx_connection_t *c);

/*
 * ssl_verify_client of the stock directives: 1: on, 2: optional, 3:
 * optional_no_ca.  NGX_DECLINED: the client's certificate does not do.
 */
ngx_int_t ngx_neon_tls_verify_client(ngx_connection_t *c, ngx_uint_t verify);

/*
 * tls-server-end-point (RFC 5929, section 4.1): the hash of the server's
 * certificate, ours or the compute's.  hash->len 0: no channel binding, since
 * the certificate's signature has no hash function (Ed25519), or the session
 * was resumed without a ticket and the server has several certificates.
 */
ngx_int_t ngx_neon_tls_end_point(ngx_connection_t *c, ngx_uint_t ours,
    ngx_pool_t *pool, neon_str_t *hash);


#define NGX_NEON_TLS_VERIFY_DEPTH  9


/* --- computes ---------------------------------------------------------- */

/* makes conf->ssl; errors are logged with file and line of the block */
ngx_int_t ngx_neon_tls_create(ngx_conf_t *cf, ngx_neon_conf_t *conf,
    ngx_uint_t explicit_ca);

/* starts the handshake as a client; server_name may be empty or an address */
ngx_int_t ngx_neon_tls_connect(ngx_connection_t *c, ngx_neon_conf_t *conf,
    const char *server_name, ngx_connection_handler_pt handler);

/* chain and name; NGX_DECLINED: does not verify, the log says why */
ngx_int_t ngx_neon_tls_verify(ngx_connection_t *c, const char *server_name);


/* --- both -------------------------------------------------------------- */

/* close_notify once; the read side stays open, c->ssl stays */
void ngx_neon_tls_shutdown_write(ngx_connection_t *c);


#endif /* NGX_NEON_TLS_H */
