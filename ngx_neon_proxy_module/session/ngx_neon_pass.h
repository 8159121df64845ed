/*
 * `auth passthrough`: the compute authenticates its clients itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_PASS_H
#define NGX_NEON_PASS_H


#include "ngx_neon_login.h"


/* --- ngx_neon_pass.c: messages of the exchange, both ways ---------------- */

/*
 * Appends an AuthenticationRequest of the compute to `out`.  NGX_DECLINED: it
 * cannot be passed on, s->detail says why.
 */
ngx_int_t ngx_neon_pass_request(ngx_neon_session_t *s, uint32_t code,
    neon_str_t rest);

/*
 * The client's turn: writes `out`, and appends what it answers to `cout`.
 * NGX_AGAIN also where it was not asked.
 */
ngx_int_t ngx_neon_pass_answer(ngx_neon_session_t *s);


/* --- ngx_neon_pass_tls.c: TLS that is not ours --------------------------- */

/* reads the ClientHello, which stays in `in`: l->server_name */
ngx_int_t ngx_neon_pass_hello(ngx_neon_session_t *s);

/* what s->reason is for somebody who waits for a ServerHello */
void ngx_neon_pass_alert(ngx_neon_session_t *s, neon_wr_t *w);


#endif /* NGX_NEON_PASS_H */
