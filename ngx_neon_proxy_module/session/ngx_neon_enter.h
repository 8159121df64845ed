/*
 * How the proxy proves to the compute that it may log in for the client.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_ENTER_H
#define NGX_NEON_ENTER_H


#include "ngx_neon_login.h"


/*
 * Answers an AuthenticationRequest other than AuthenticationOk: appends to
 * cout.  NGX_DECLINED: we cannot, s->detail says why; *salt is set where the
 * verifier that we have is not the compute's.  NGX_AGAIN: the session runs when
 * it can go on, with the same request once more.
 */
ngx_int_t ngx_neon_enter(ngx_neon_session_t *s, uint32_t code,
    neon_str_t rest, ngx_uint_t *salt);


#endif /* NGX_NEON_ENTER_H */
