/*
 * A copy of what the zone holds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_snapshot.h"

#include "ngx_neon_lookup.h"
#include "ngx_neon_lookup_flight.h"
#include "ngx_neon_page.h"


/* keys as they are copied under the lock: one behind the other */

typedef struct {
    ngx_neon_snapshot_t    *snapshot;
    ngx_neon_conf_t        *conf;
    u_char                 *last;
    ngx_str_t              *keys;
} ngx_neon_snapshot_visit_t;


static ngx_int_t ngx_neon_snapshot_workers(ngx_pool_t *pool,
    ngx_neon_snapshot_t *snapshot, ngx_neon_zone_t *zone);
static void ngx_neon_snapshot_zone(ngx_neon_snapshot_t *snapshot,
    ngx_neon_conf_t *conf, ngx_neon_zone_t *zone);
static ngx_int_t ngx_neon_snapshot_computes(ngx_pool_t *pool,
    ngx_neon_snapshot_t *snapshot, ngx_neon_conf_t *conf, ngx_uint_t n);
static void ngx_neon_snapshot_visit(void *data, const ngx_neon_key_t *key,
    neon_str_t value, ngx_uint_t flags, ngx_msec_int_t left);
static ngx_int_t ngx_neon_snapshot_key(ngx_pool_t *pool,
    ngx_neon_snapshot_compute_t *compute, ngx_str_t *key);


const ngx_neon_snapshot_number_t  ngx_neon_snapshot_numbers[] = {

    { { "size", "Size" }, ngx_neon_snapshot_offset(size) },
    { { "entries", "Entries" }, ngx_neon_snapshot_offset(entries) },
    { { "hits", "Hits" }, ngx_neon_snapshot_offset(stats.hit) },
    { { "misses", "Misses" }, ngx_neon_snapshot_offset(stats.miss) },
    { { "expired", "Expired" }, ngx_neon_snapshot_offset(stats.expired) },
    { { "stale", "Used stale" }, ngx_neon_snapshot_offset(stats.stale) },
    { { "spurious", "Hits that led nowhere" },
      ngx_neon_snapshot_offset(stats.spurious) },
    { { "insertions", "Added" }, ngx_neon_snapshot_offset(stats.inserted) },
    { { "evictions_size", "Evicted: cache full" },
      ngx_neon_snapshot_offset(stats.evicted_size) },
    { { "evictions_memory", "Evicted: zone full" },
      ngx_neon_snapshot_offset(stats.evicted_memory) },
    { { "invalidations", "Invalidated" },
      ngx_neon_snapshot_offset(stats.invalidated) },
    { { NULL, NULL }, 0 }
};


ngx_neon_snapshot_t *
ngx_neon_snapshot(ngx_pool_t *pool, ngx_neon_conf_t *conf,
    ngx_uint_t computes)
{
    ngx_neon_zone_t      *zone;
    ngx_neon_snapshot_t  *snapshot;

    snapshot = ngx_pcalloc(pool, sizeof(ngx_neon_snapshot_t));
    if (snapshot == NULL) {
        return NULL;
    }

    zone = ngx_neon_zone(conf);

    snapshot->time = ngx_time();

    /* words that others add to meanwhile: each is whole, and that suffices */

    ngx_memcpy(&snapshot->metrics, zone->sh->metrics,
               sizeof(ngx_neon_metrics_t));

    ngx_neon_snapshot_zone(snapshot, conf, zone);

    if (ngx_neon_page_clean(pool, &snapshot->name, conf->name.data,
                            conf->name.len)
        != NGX_OK
        || ngx_neon_snapshot_workers(pool, snapshot, zone) != NGX_OK
        || ngx_neon_snapshot_computes(pool, snapshot, conf, computes)
           != NGX_OK)
    {
        return NULL;
    }

    return snapshot;
}


/* the list only grows at its head: it is read without the lock */

static ngx_int_t
ngx_neon_snapshot_workers(ngx_pool_t *pool, ngx_neon_snapshot_t *snapshot,
    ngx_neon_zone_t *zone)
{
    ngx_uint_t                   i, n;
    ngx_neon_slot_t             *slot, *head;
    ngx_neon_snapshot_worker_t  *worker;

    ngx_neon_slot_reap(zone, pool->log);

    head = zone->sh->slots;

    for (n = 0, slot = head; slot; slot = slot->next) {
        n++;
    }

    snapshot->workers = ngx_pcalloc(pool, (n + 1)
                                          * sizeof(ngx_neon_snapshot_worker_t));
    if (snapshot->workers == NULL) {
        return NGX_ERROR;
    }

    for (slot = head; slot; slot = slot->next) {

        if (slot->id == 0) {
            continue;
        }

        worker = &snapshot->workers[snapshot->nworkers++];

        worker->pid = slot->pid;
        worker->since = slot->since;
        worker->flights = slot->flights;
        worker->waiting = slot->waiting;
        worker->draining = (slot->draining != 0);

        for (i = 0; i < NGX_NEON_FRONTS; i++) {
            snapshot->sessions[i] += slot->sessions[i];
            worker->sessions += slot->sessions[i];
        }

        snapshot->flights += worker->flights;
        snapshot->waiting += worker->waiting;
    }

    return NGX_OK;
}


static void
ngx_neon_snapshot_zone(ngx_neon_snapshot_t *snapshot, ngx_neon_conf_t *conf,
    ngx_neon_zone_t *zone)
{
    ngx_uint_t                  i;
    ngx_neon_lru_t             *lru;
    ngx_neon_snapshot_cache_t  *cache;

    snapshot->size = conf->zone->shm.size;

    snapshot->caches[NGX_NEON_CACHE_NODE].size = conf->node_cache.size;
    snapshot->caches[NGX_NEON_CACHE_SECRET].size = conf->secret_cache.size;

    ngx_neon_zone_lock(zone);

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        lru = &zone->sh->cache[i];
        cache = &snapshot->caches[i];

        cache->entries = lru->table.count;
        cache->stats = lru->stats;
    }

    snapshot->free = zone->shpool->pfree * ngx_pagesize;
    snapshot->recovered = zone->sh->recovered;

    ngx_neon_zone_unlock(zone);
}


static ngx_int_t
ngx_neon_snapshot_computes(ngx_pool_t *pool, ngx_neon_snapshot_t *snapshot,
    ngx_neon_conf_t *conf, ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_neon_zone_t           *zone;
    ngx_neon_lru_policy_t      policy;
    ngx_neon_snapshot_visit_t  visit;

    n = ngx_min(n, snapshot->caches[NGX_NEON_CACHE_NODE].entries);

    if (n == 0) {
        return NGX_OK;
    }

    snapshot->computes = ngx_pcalloc(pool,
                                     n * sizeof(ngx_neon_snapshot_compute_t));
    visit.snapshot = snapshot;
    visit.conf = conf;
    visit.keys = ngx_palloc(pool, n * sizeof(ngx_str_t));
    visit.last = ngx_pnalloc(pool, n * NGX_NEON_LRU_KEY_MAX);

    if (snapshot->computes == NULL || visit.keys == NULL || visit.last == NULL)
    {
        return NGX_ERROR;
    }

    zone = ngx_neon_zone(conf);
    policy = ngx_neon_lookup_policy(conf, NGX_NEON_CACHE_NODE);

    ngx_neon_lru_visit(zone, &zone->sh->cache[NGX_NEON_CACHE_NODE], n,
                       ngx_current_msec, &policy, ngx_neon_snapshot_visit,
                       &visit);

    for (i = 0; i < snapshot->ncomputes; i++) {
        if (ngx_neon_snapshot_key(pool, &snapshot->computes[i],
                                  &visit.keys[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* under the zone's lock; what another control plane said is none of ours */

static void
ngx_neon_snapshot_visit(void *data, const ngx_neon_key_t *key,
    neon_str_t value, ngx_uint_t flags, ngx_msec_int_t left)
{
    ngx_neon_snapshot_visit_t *visit = data;

    ngx_str_t                    *copy;
    ngx_neon_snapshot_compute_t  *compute;

    if (ngx_neon_lookup_name(visit->conf, NGX_NEON_CACHE_NODE, key->name).hash
        != key->hash)
    {
        return;
    }

    copy = &visit->keys[visit->snapshot->ncomputes];
    compute = &visit->snapshot->computes[visit->snapshot->ncomputes++];

    compute->left = left > 0 ? left / 1000 : 0;
    compute->state = (flags & NGX_NEON_LRU_ERROR) ? NGX_NEON_COMPUTE_REFUSED
                     : left > 0 ? NGX_NEON_COMPUTE_KNOWN
                     : NGX_NEON_COMPUTE_EXPIRED;

    copy->data = visit->last;
    copy->len = key->name.len;

    visit->last = ngx_cpymem(visit->last, key->name.data, key->name.len);
}


/* ngx_neon_lookup_key(): the endpoint, then options, each behind a NUL */

static ngx_int_t
ngx_neon_snapshot_key(ngx_pool_t *pool, ngx_neon_snapshot_compute_t *compute,
    ngx_str_t *key)
{
    u_char  *p, *nul, *last;

    last = key->data + key->len;
    nul = ngx_strlchr(key->data, last, '\0');

    if (nul == NULL) {
        return ngx_neon_page_clean(pool, &compute->endpoint, key->data,
                                   key->len);
    }

    for (p = nul; p < last; p++) {
        if (*p == '\0') {
            *p = ' ';
        }
    }

    if (ngx_neon_page_clean(pool, &compute->endpoint, key->data,
                            nul - key->data)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    nul++;

    return ngx_neon_page_clean(pool, &compute->options, nul, last - nul);
}


uint64_t
ngx_neon_snapshot_count(const ngx_neon_histogram_t *h)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i <= NGX_NEON_HISTOGRAM_BUCKETS; i++) {
        n += h->bucket[i];
    }

    return n;
}


ngx_int_t
ngx_neon_snapshot_hit_ratio(const ngx_neon_snapshot_cache_t *cache)
{
    uint64_t                     all;
    const ngx_neon_lru_stats_t  *stats;

    stats = &cache->stats;
    all = stats->hit + stats->miss + stats->expired;

    return all ? (ngx_int_t) (stats->hit * 1000 / all) : NGX_ERROR;
}
