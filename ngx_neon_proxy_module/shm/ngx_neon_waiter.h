/*
 * Waiters of `control_plane link`: clients that wait until somebody has logged
 * in for them in a browser.  In the zone, as the answer comes to any worker,
 * also after a reload.
 *
 * An id is made here and may be answered once, as long as its client waits.
 * What is answered holds a password: it is wiped when it was taken, and when
 * nobody will take it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_WAITER_H
#define NGX_NEON_WAITER_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_buf.h"

#include "ngx_neon_zone.h"


/*
 * 16 hexadecimal digits, as Neon's consoles know them: 64 bits of a CSPRNG.
 * The id is all that its bearer has to show to the console, but he must be
 * logged in there, and cannot get at another's database with it: a guess that
 * hits sends a stranger's client to the guesser's own.  With 10,000 that wait,
 * a million guesses a second would need three weeks for one in a million.
 */

#define NGX_NEON_WAITER_ID      16
#define NGX_NEON_WAITER_ANSWER  32768         /* bytes at most */


/*
 * Draws an id, with a NUL behind it.  NGX_DECLINED: `max` are waiting;
 * NGX_ERROR: the zone is full.  *handle is for the functions below and good
 * until _take() or _remove().
 */
ngx_int_t ngx_neon_waiter_add(ngx_neon_conf_t *conf, ngx_uint_t max,
    u_char id[NGX_NEON_WAITER_ID + 1], void **handle);

/*
 * Answers an id.  NGX_DECLINED: nobody waits for it, or not any more;
 * NGX_ERROR: the zone is full.
 */
ngx_int_t ngx_neon_waiter_answer(ngx_neon_conf_t *conf, neon_str_t id,
    neon_str_t answer);

/* counts answers: while it stays the same nobody needs to look for his */
ngx_uint_t ngx_neon_waiter_answers(ngx_neon_conf_t *conf);

/* bytes of the answer; 0: there is none yet */
size_t ngx_neon_waiter_answered(void *handle);

/* moves the answer into buf, which has room for it; the waiter is gone */
void ngx_neon_waiter_take(ngx_neon_conf_t *conf, void *handle, u_char *buf);

void ngx_neon_waiter_remove(ngx_neon_conf_t *conf, void *handle);

/* frees the waiters of processes that are gone */
void ngx_neon_waiter_sweep(ngx_neon_zone_t *zone);


#endif /* NGX_NEON_WAITER_H */
