/*
 * What the zone of a proxy holds at one moment, copied out for the pages.  Of
 * the secret cache there is nothing in it but numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_SNAPSHOT_H
#define NGX_NEON_SNAPSHOT_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_labels.h"
#include "ngx_neon_zone.h"


typedef struct {
    ngx_pid_t               pid;
    time_t                  since;
    uint64_t                sessions;
    uint64_t                flights;
    uint64_t                waiting;
    ngx_uint_t              draining;         /* 0 or 1 */
} ngx_neon_snapshot_worker_t;


typedef struct {
    uint64_t                size;             /* 0: off */
    uint64_t                entries;
    ngx_neon_lru_stats_t    stats;
} ngx_neon_snapshot_cache_t;


/* its numbers, for tables and JSON: ended by an empty name */

typedef struct {
    ngx_neon_label_t        label;
    size_t                  offset;
} ngx_neon_snapshot_number_t;

extern const ngx_neon_snapshot_number_t  ngx_neon_snapshot_numbers[];

#define ngx_neon_snapshot_offset(member)                                      \
    offsetof(ngx_neon_snapshot_cache_t, member)

#define ngx_neon_snapshot_number(cache, offset)                               \
    (*(const uint64_t *) ((const u_char *) (cache) + (offset)))


/* an entry of the node cache */

typedef struct {
    ngx_str_t               endpoint;         /* clean */
    ngx_str_t               options;          /* clean, or empty */
    ngx_uint_t              left;             /* s */
    ngx_neon_compute_state_e  state;
} ngx_neon_snapshot_compute_t;


typedef struct {
    ngx_str_t               name;             /* clean */
    time_t                  time;

    uint64_t                sessions[NGX_NEON_FRONTS];
    uint64_t                flights;
    uint64_t                waiting;

    ngx_uint_t              nworkers;
    ngx_neon_snapshot_worker_t   *workers;

    ngx_neon_snapshot_cache_t     caches[NGX_NEON_CACHES];

    ngx_uint_t              ncomputes;
    ngx_neon_snapshot_compute_t  *computes;   /* the last used comes first */

    uint64_t                size;             /* bytes of the zone */
    uint64_t                free;             /* in whole pages */
    uint64_t                recovered;

    ngx_neon_metrics_t      metrics;
} ngx_neon_snapshot_t;


/* with at most so many computes; NULL: no memory */
ngx_neon_snapshot_t *ngx_neon_snapshot(ngx_pool_t *pool,
    ngx_neon_conf_t *conf, ngx_uint_t computes);

/* how much was observed */
uint64_t ngx_neon_snapshot_count(const ngx_neon_histogram_t *h);

/* in thousandths; NGX_ERROR: nothing was looked up */
ngx_int_t ngx_neon_snapshot_hit_ratio(const ngx_neon_snapshot_cache_t *cache);


#endif /* NGX_NEON_SNAPSHOT_H */
