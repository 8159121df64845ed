/*
 * The shared-memory zone of one proxy.
 *
 * Layout.  The slab pool's data points at ngx_neon_zone_sh_t, which is
 * allocated once and kept over reloads; everything else hangs on it:
 *
 *   magic, size      checked when a reload takes the zone over
 *   generation       counts up; stamps cache entries and names them to a late
 *                    invalidation (never the clock)
 *   secret           from a CSPRNG; mock verifiers, hashed keys
 *   cancel           tree of cancel keys, see ngx_neon_cancel.h
 *
 * Rules.  shpool->mutex is the only lock (the master frees it when its holder
 * was killed), held for map operations only.  A crash of the holder may leave
 * the last write half done: fill a node, then link it; unlink it, then free
 * it.  Pointers into the zone do not leave the lock.  Keys are hashed and
 * values copied outside it.  Counters are ngx_atomic_t, touched without it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_ZONE_H
#define NGX_NEON_ZONE_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_buf.h"

#include "ngx_neon_conf.h"


#define NGX_NEON_ZONE_MAGIC     0x4e454f4e5a303031ULL   /* "NEONZ001" */
#define NGX_NEON_ZONE_SECRET    32


typedef struct {
    uint64_t                magic;
    uint64_t                size;             /* of this struct */

    ngx_atomic_t            generation;
    u_char                  secret[NGX_NEON_ZONE_SECRET];

    ngx_rbtree_t            cancel;
    ngx_rbtree_node_t       cancel_sentinel;
} ngx_neon_zone_sh_t;


typedef struct {
    ngx_neon_zone_sh_t     *sh;
    ngx_slab_pool_t        *shpool;
} ngx_neon_zone_t;


/* asks for the zone of a complete block: conf->zone_name, conf->zone_size */
ngx_int_t ngx_neon_zone_add(ngx_conf_t *cf, ngx_neon_conf_t *conf, void *tag);

/* at run time */
ngx_neon_zone_t *ngx_neon_zone(ngx_neon_conf_t *conf);

neon_str_t ngx_neon_zone_secret(ngx_neon_conf_t *conf);


#endif /* NGX_NEON_ZONE_H */
