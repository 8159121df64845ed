/*
 * The shared-memory zone of one proxy.
 *
 * Layout.  The slab pool's data points at ngx_neon_zone_sh_t, which is
 * allocated once and kept over reloads; everything else hangs on it:
 *
 *   magic, size      checked when a reload takes the zone over
 *   busy             set while the lock is held
 *   generation       counts up; stamps cache entries and leases
 *   secret           from a CSPRNG; mock verifiers, hashed keys
 *   slots            list of process slots, ngx_neon_slot.h
 *   cache            node and secret cache, ngx_neon_lru.h
 *   limits           leaky buckets, ngx_neon_limit.h
 *   flights          leases, ngx_neon_flight.h
 *   cancels          cancel keys, ngx_neon_cancel.h
 *   waiters          of `control_plane link`, ngx_neon_waiter.h
 *   metrics          ngx_neon_metrics.h
 *
 * Rules.  shpool->mutex is the only lock (the master frees it when its holder
 * was killed), held for map operations only: no allocation but from the slab,
 * no logging, no system call.  Pointers into the zone do not leave the lock,
 * except to slots and metrics, which are never freed, and to cancel keys and
 * waiters, which only their owner frees.
 *
 * A holder that was killed leaves `busy` set.  The next one finds it and makes
 * everything anew that can be half done: see ngx_neon_table.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_ZONE_H
#define NGX_NEON_ZONE_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_buf.h"

#include "ngx_neon_conf.h"
#include "ngx_neon_flight.h"
#include "ngx_neon_lru.h"
#include "ngx_neon_metrics.h"
#include "ngx_neon_slot.h"


#define NGX_NEON_ZONE_MAGIC     0x4e454f4e5a303033ULL   /* "NEONZ003" */
#define NGX_NEON_ZONE_SECRET    32


typedef struct {
    uint64_t                magic;
    uint64_t                size;             /* of this struct */

    ngx_atomic_t            busy;
    uint64_t                generation;
    u_char                  secret[NGX_NEON_ZONE_SECRET];

    ngx_neon_slot_t        *slots;
    ngx_neon_lru_t          cache[NGX_NEON_CACHES];
    ngx_neon_lru_t          limits;
    ngx_neon_table_t        flights;
    ngx_neon_table_t        cancels;
    ngx_neon_table_t        waiters;
    ngx_atomic_t            answers;          /* to waiters, so far */
    ngx_neon_metrics_t     *metrics;

    uint64_t                recovered;        /* times that `busy` was found */
} ngx_neon_zone_sh_t;


/* of a process */

struct ngx_neon_zone_s {
    ngx_neon_zone_sh_t     *sh;
    ngx_slab_pool_t        *shpool;
    ngx_neon_slot_t        *slot;             /* NULL: none */
};


/* asks for the zone of a complete block: conf->zone_name, conf->zone_size */
ngx_int_t ngx_neon_zone_add(ngx_conf_t *cf, ngx_neon_conf_t *conf, void *tag);

/* the contents of a zone whose slab pool is there; the caller may be a test */
ngx_int_t ngx_neon_zone_create(ngx_neon_zone_t *zone, size_t size,
    const ngx_uint_t *sizes, ngx_log_t *log);

/* at run time */
ngx_neon_zone_t *ngx_neon_zone(ngx_neon_conf_t *conf);

neon_str_t ngx_neon_zone_secret(ngx_neon_conf_t *conf);

/* SipHash under the zone's secret */
uint64_t ngx_neon_zone_hash(ngx_neon_zone_t *zone, const neon_str_t *parts,
    size_t nparts);

void ngx_neon_zone_lock(ngx_neon_zone_t *zone);
void ngx_neon_zone_unlock(ngx_neon_zone_t *zone);

/* under the lock: from the slab; cache entries make room, those of `first`
   (or NULL) before others.  NULL: no memory */
void *ngx_neon_zone_alloc_locked(ngx_neon_zone_t *zone, size_t size,
    ngx_neon_lru_t *first);


#endif /* NGX_NEON_ZONE_H */
