/*
 * A whole nginx with the module in this process, without time and chance: its
 * clock stands until it is turned, random bytes are the same for each input,
 * and what threads would do is done at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_SERVER_H
#define NEON_FUZZ_SERVER_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/* begins with this nginx.conf, up to where the first event would be waited
   for; dir is of the caller's */
void server_start(const char *dir, const char *conf);

/* the same chance as before the last input */
void server_reset(void);

/* one turn of the event loop, without waiting; how many events there were */
ngx_uint_t server_turn(void);

/* nothing is posted for the next turn */
ngx_uint_t server_idle(void);

void server_later(ngx_msec_t msec);

/* says it and aborts unless ok */
void server_check(int ok, const char *what);


#endif /* NEON_FUZZ_SERVER_H */
