/*
 * The timed LRU: a cache in the zone, shared by all workers.
 *
 * Entry: key, value, generation, expiry.  Generations come from one counter of
 * the zone, not from a clock, so "newer" is exact: an invalidation that comes
 * late, by somebody who looked an older entry up, does not remove a newer one.
 *
 * Values are copied in and out; no pointer into the zone leaves the lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LRU_H
#define NGX_NEON_LRU_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_buf.h"

#include "ngx_neon_table.h"


#define NGX_NEON_LRU_KEY_MAX    1024
#define NGX_NEON_LRU_VALUE_MAX  65535

/* flags of an entry */
#define NGX_NEON_LRU_IDLE       1             /* a hit restarts its time */
#define NGX_NEON_LRU_ERROR      2             /* the value is an error: never
                                                 returned as stale */
#define NGX_NEON_LRU_NEGATIVE   4             /* its time is ->negative */


typedef struct ngx_neon_zone_s  ngx_neon_zone_t;


/* in the zone; touched under its lock */

typedef struct {
    uint64_t                hit;
    uint64_t                miss;
    uint64_t                expired;
    uint64_t                stale;
    ngx_atomic_t            spurious;         /* hits that led nowhere; not
                                                 under the lock */
    uint64_t                inserted;
    uint64_t                evicted_size;     /* to stay within `size` */
    uint64_t                evicted_memory;   /* to make room in the zone */
    uint64_t                invalidated;
} ngx_neon_lru_stats_t;


typedef struct {
    ngx_neon_table_t        table;
    ngx_queue_t             queue;            /* the last used comes first */
    ngx_neon_lru_stats_t    stats;
} ngx_neon_lru_t;


/* a key and its hash, made outside of the lock */

typedef struct {
    neon_str_t              name;
    uint64_t                hash;
} ngx_neon_key_t;


/*
 * How a cache is to behave: of this process's configuration.  An entry lives as
 * long as it was given, and no longer than the one who looks would give it: a
 * reload that shortens a time holds for what is there, too.  Errors that are
 * not NEGATIVE have a time of their own.
 */

typedef struct {
    ngx_uint_t              size;             /* 0: keeps nothing */
    ngx_msec_t              ttl;
    ngx_msec_t              stale;            /* kept for so long behind its
                                                 expiry, for _get_stale() */
    ngx_msec_t              negative;         /* in place of ttl */
} ngx_neon_lru_policy_t;


typedef enum {
    NGX_NEON_LRU_MISS = 0,
    NGX_NEON_LRU_HIT,
    NGX_NEON_LRU_EXPIRED                      /* a miss */
} ngx_neon_lru_e;


/* a look-up's result; data: the caller's, of NGX_NEON_LRU_VALUE_MAX bytes */

typedef struct {
    u_char                 *data;
    size_t                  len;
    uint64_t                generation;       /* names the entry to
                                                 _invalidate() */
    ngx_msec_t              left;             /* until it expires */
    ngx_msec_t              age;              /* since it came, or was
                                                 used (IDLE) */
    ngx_uint_t              flags;
} ngx_neon_lru_value_t;


ngx_int_t ngx_neon_lru_init(ngx_neon_lru_t *lru, ngx_slab_pool_t *shpool,
    ngx_uint_t buckets);

ngx_neon_key_t ngx_neon_lru_key(ngx_neon_zone_t *zone, neon_str_t name);

/*
 * HIT: *value was filled, the entry comes first in the order of use and, with
 * NGX_NEON_LRU_IDLE, has policy->ttl again.  EXPIRED: it was there but its
 * time was over; it is removed, unless policy->stale keeps it.
 */
ngx_neon_lru_e ngx_neon_lru_get(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, ngx_neon_lru_value_t *value);

/* what is valid or expired less than policy->stale ago; NGX_DECLINED: none */
ngx_int_t ngx_neon_lru_get_stale(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, ngx_neon_lru_value_t *value);

/*
 * Replaces the entry of that key.  Above policy->size, and where the zone is
 * full, what was least recently used goes.  NGX_DECLINED: the policy or a
 * limit does not allow it; NGX_ERROR: no memory.  In both cases an older entry
 * is gone, too: it was said to be out of date.
 */
ngx_int_t ngx_neon_lru_insert(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, neon_str_t value, ngx_uint_t flags,
    ngx_msec_t ttl, ngx_msec_t now, const ngx_neon_lru_policy_t *policy,
    uint64_t *generation);

/* removes the entry unless it is newer than `generation`; NGX_DECLINED: it is,
   or there is none */
ngx_int_t ngx_neon_lru_invalidate(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, uint64_t generation);

/* as _invalidate(), but what policy->stale keeps may still be had stale */
ngx_int_t ngx_neon_lru_expire(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, uint64_t generation, ngx_msec_t now);

/* of the entry, an error's aside, without it counting as use; 0: none that is
   valid */
uint64_t ngx_neon_lru_generation(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, ngx_msec_t now);


/* --- for shm/, under the zone's lock ------------------------------------- */

ngx_neon_lru_e ngx_neon_lru_get_locked(ngx_neon_lru_t *lru,
    ngx_slab_pool_t *shpool, const ngx_neon_key_t *key, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, ngx_neon_lru_value_t *value);

ngx_int_t ngx_neon_lru_insert_locked(ngx_neon_zone_t *zone,
    ngx_neon_lru_t *lru, const ngx_neon_key_t *key, neon_str_t value,
    ngx_uint_t flags, ngx_msec_t ttl, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, uint64_t *generation);

/* the value of an entry, to be changed in place, and its entry made the last
   used one; NULL: none */
u_char *ngx_neon_lru_touch_locked(ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key);

/* frees the least recently used entry; NGX_DECLINED: there is none */
ngx_int_t ngx_neon_lru_evict_locked(ngx_neon_lru_t *lru,
    ngx_slab_pool_t *shpool);

/* the order of use and the count, from the chains */
void ngx_neon_lru_rebuild_locked(ngx_neon_lru_t *lru);


/* --- for the status page -------------------------------------------------- */

/*
 * Called for at most n entries, the last used first, under the lock: no
 * allocation, no logging, no waiting in it.
 */
typedef void (*ngx_neon_lru_visit_pt)(void *data, const ngx_neon_key_t *key,
    neon_str_t value, ngx_uint_t flags, ngx_msec_int_t left);

void ngx_neon_lru_visit(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    ngx_uint_t n, ngx_msec_t now, const ngx_neon_lru_policy_t *policy,
    ngx_neon_lru_visit_pt visit, void *data);


#endif /* NGX_NEON_LRU_H */
