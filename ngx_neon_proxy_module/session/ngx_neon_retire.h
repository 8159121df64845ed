/*
 * The end of idle sessions in a worker that quits (drain idle).
 *
 * Sessions of the relay stand in a queue of their block, conf->drain.sessions.
 * When the time is over, they are taken from it one by one: an idle one is
 * closed, paced over all workers; a busy one leaves the queue, and the relay
 * offers it again with each event.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_RETIRE_H
#define NGX_NEON_RETIRE_H


#include "ngx_neon_session.h"


/* the worker quits: the time before anything is closed begins */
void ngx_neon_retire_begin(ngx_neon_conf_t *conf);

/* s comes into the relay */
void ngx_neon_retire_add(ngx_neon_session_t *s);

/* it leaves, or has left */
void ngx_neon_retire_remove(ngx_neon_session_t *s);

/* the relay had an event, s may have become idle; it is not closed here */
void ngx_neon_retire_offer(ngx_neon_session_t *s);


#endif /* NGX_NEON_RETIRE_H */
