/*
 * `control_plane link`: in place of a proof, somebody logs in for the client,
 * in a browser.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CONFIRM_H
#define NGX_NEON_CONFIRM_H


#include "ngx_neon_login.h"


/* the step that is walked then, and which ones are left out */
ngx_int_t ngx_neon_confirm_step(ngx_neon_session_t *s);
ngx_neon_state_e ngx_neon_confirm_next(ngx_neon_state_e state);

/* nobody did; NGX_ERROR */
ngx_int_t ngx_neon_confirm_expired(ngx_neon_session_t *s);

/* nobody waits any more */
void ngx_neon_confirm_stop(ngx_neon_session_t *s);

/* appends to `out`: which session that is */
ngx_int_t ngx_neon_confirm_welcome(ngx_neon_session_t *s);


#endif /* NGX_NEON_CONFIRM_H */
