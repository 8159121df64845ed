/*
 * WebSocket as an I/O layer: frames below, a plain byte stream above, the way
 * nginx installs TLS.  c->recv and c->send of a server's connection are
 * replaced; what they answer is what they answer for TCP.
 *
 * No payload is copied or kept but for the first record of a frame over TLS:
 * incoming data is unmasked in the reader's buffer, outgoing data is written
 * from the writer's.  Therefore a writer whose write was not taken whole must
 * come again with the rest of those bytes, and with no others; more may
 * follow them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_WS_H
#define NGX_NEON_WS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/*
 * early..last was read already and stays where it is until it was received.
 * ping 0: none are sent; else one each `ping` ms, and a peer from which
 * nothing comes for two of them is gone: c->read->error is set, and its
 * handler called.  What came and was not read yet counts.
 */
ngx_int_t ngx_neon_ws_install(ngx_connection_t *c, u_char *early,
    u_char *last, ngx_msec_t ping);

/* for each write event, before the handler: control frames that wait */
void ngx_neon_ws_flush(ngx_connection_t *c);

/* says Close, once; NGX_AGAIN: a write event goes on with it */
ngx_int_t ngx_neon_ws_close(ngx_connection_t *c, ngx_uint_t code,
    const char *reason);

/* the peer broke the protocol, was told so, and may still be sending */
ngx_uint_t ngx_neon_ws_refused(ngx_connection_t *c);

/* gives the connection its own functions back */
void ngx_neon_ws_remove(ngx_connection_t *c);


#endif /* NGX_NEON_WS_H */
