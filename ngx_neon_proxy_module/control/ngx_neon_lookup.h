/*
 * The look-up in front of every control plane: the zone's caches, and one
 * question at a time for each key, of whichever worker, for all who wait for
 * its answer.  It is asked again where that may help (wake_retry).
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LOOKUP_H
#define NGX_NEON_LOOKUP_H


#include "ngx_neon_ctl.h"
#include "ngx_neon_lru.h"


/*
 * As ngx_neon_ctl_start(), and r->cached, ->generation, ->retries say where
 * the answer is from.  NGX_OK: it is there, the handler is not called.
 * NGX_AGAIN: the handler will be called, never from inside this call.
 */
ngx_int_t ngx_neon_lookup_start(ngx_neon_ctl_request_t *r);

/* the handler will not be called any more; the others get their answer */
void ngx_neon_lookup_cancel(ngx_neon_ctl_request_t *r);

/* exit_process: questions that are open are given up; what they keep in the
   zone is free at once for those of others */
void ngx_neon_lookup_exit(void);

/*
 * What r's call was told under that generation proved wrong.  NGX_DECLINED:
 * the cache has something newer by now, or nothing.
 */
ngx_int_t ngx_neon_lookup_forget(ngx_neon_ctl_request_t *r,
    uint64_t generation);

/*
 * It may be wrong: the next one asks anew, and has it still where the control
 * plane is down, and `stale` allows it.
 */
ngx_int_t ngx_neon_lookup_doubt(ngx_neon_ctl_request_t *r,
    uint64_t generation);

/* does the cache have something newer than that for r's call? */
ngx_uint_t ngx_neon_lookup_newer(ngx_neon_ctl_request_t *r,
    uint64_t generation);

ngx_neon_cache_e ngx_neon_lookup_cache(ngx_neon_ctl_call_e call);

/*
 * The key of a name.  It is another one for another control plane, and for the
 * roles of another `md5_verifiers`: a reload may change both, while workers of
 * before still learn, and ask.
 */
ngx_neon_key_t ngx_neon_lookup_name(ngx_neon_conf_t *conf,
    ngx_neon_cache_e cache, neon_str_t name);


#endif /* NGX_NEON_LOOKUP_H */
