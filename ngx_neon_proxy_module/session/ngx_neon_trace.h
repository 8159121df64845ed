/*
 * The spans of a session: one for each step, and one above them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_TRACE_H
#define NGX_NEON_TRACE_H


#include "ngx_neon_session.h"


/* the step of s->state is over, and `next` begins */
void ngx_neon_trace_step(ngx_neon_session_t *s, ngx_neon_state_e next,
    uint64_t now);

/* the session is over */
void ngx_neon_trace_end(ngx_neon_session_t *s);

/* exit_process: so are all that are left */
void ngx_neon_trace_exit(void);


#endif /* NGX_NEON_TRACE_H */
