/*
 * How the proxy proves to the compute that it may log in for the client.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_ENTER_H
#define NGX_NEON_ENTER_H


#include "ngx_neon_login.h"

#include "neon_pg_error.h"


/*
 * Answers an AuthenticationRequest other than AuthenticationOk: appends to
 * cout.  NGX_DECLINED: we cannot, s->detail says why; *salt is set where the
 * verifier that we have is not the compute's.  NGX_AGAIN: the session runs when
 * it can go on, with the same request once more.
 */
ngx_int_t ngx_neon_enter(ngx_neon_session_t *s, uint32_t code,
    neon_str_t rest, ngx_uint_t *salt);

/*
 * What to do after an ErrorResponse before AuthenticationOk; *again: it is
 * worth one more wake-up.
 */
ngx_neon_failure_e ngx_neon_login_failure(neon_pg_error_t *e,
    ngx_uint_t *again);


#endif /* NGX_NEON_ENTER_H */
