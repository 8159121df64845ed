/*
 * The shared-memory zone: made at the first start, taken over by reloads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_zone.h"

#include "neon_crypto.h"
#include "neon_hash.h"

#include "ngx_neon_cancel.h"


/*
 * Buckets: one for each entry that a cache may hold, but no more than this
 * part of the zone for a table; for the others a part of the zone, too.
 */
#define NGX_NEON_ZONE_BUCKETS   128           /* bytes of the zone for one */
#define NGX_NEON_ZONE_OTHERS    4096
#define NGX_NEON_ZONE_FLIGHTS   1024          /* buckets at most */
#define NGX_NEON_ZONE_WAITERS   1024

#define NGX_NEON_ZONE_EVICT     64            /* entries that go for one */


static ngx_int_t ngx_neon_zone_init(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_neon_zone_check(ngx_shm_zone_t *zone,
    ngx_neon_zone_sh_t *sh);
static void ngx_neon_zone_log_new(ngx_shm_zone_t *shm_zone);
static void ngx_neon_zone_sizes(ngx_neon_conf_t *conf, ngx_uint_t *sizes);
static ngx_int_t ngx_neon_zone_tables(ngx_neon_zone_t *zone, size_t size,
    const ngx_uint_t *sizes);
static void ngx_neon_zone_resize(ngx_neon_zone_t *zone, size_t size,
    const ngx_uint_t *sizes);
static void ngx_neon_zone_forget(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru);
static void ngx_neon_zone_recover(ngx_neon_zone_t *zone);


/* shm_zone->data: what a process keeps of the zone, and the block's */

typedef struct {
    ngx_neon_zone_t         zone;
    ngx_neon_conf_t        *conf;
} ngx_neon_zone_data_t;


ngx_int_t
ngx_neon_zone_add(ngx_conf_t *cf, ngx_neon_conf_t *conf, void *tag)
{
    ngx_neon_zone_data_t  *data;

    data = ngx_pcalloc(cf->pool, sizeof(ngx_neon_zone_data_t));
    if (data == NULL) {
        return NGX_ERROR;
    }

    data->conf = conf;

    conf->zone = ngx_shared_memory_add(cf, &conf->zone_name, conf->zone_size,
                                       tag);
    if (conf->zone == NULL) {
        return NGX_ERROR;
    }

    if (conf->zone->data) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "zone \"%V\" of neon_proxy \"%V\" in %s:%ui"
                      " is used by another neon_proxy already",
                      &conf->zone_name, &conf->name, conf->file, conf->line);
        return NGX_ERROR;
    }

    conf->zone->init = ngx_neon_zone_init;
    conf->zone->data = data;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_zone_init(ngx_shm_zone_t *shm_zone, void *old_data)
{
    ngx_neon_zone_data_t  *old = old_data;

    size_t                 len;
    u_char                *name;
    ngx_uint_t             sizes[NGX_NEON_CACHES];
    ngx_neon_zone_t       *zone;
    ngx_neon_zone_data_t  *data;

    data = shm_zone->data;
    zone = &data->zone;

    ngx_neon_zone_sizes(data->conf, sizes);

    if (old) {
        zone->sh = old->zone.sh;
        zone->shpool = old->zone.shpool;

        if (ngx_neon_zone_check(shm_zone, zone->sh) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_neon_zone_resize(zone, shm_zone->shm.size, sizes);

        /* nobody finds them any more, but each is as good as a password */

        if (old->conf->md5_verifiers && !data->conf->md5_verifiers) {
            ngx_neon_zone_forget(zone,
                                 &zone->sh->cache[NGX_NEON_CACHE_SECRET]);
        }

        return NGX_OK;
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

        return ngx_neon_zone_check(shm_zone, zone->sh);
    }

    zone->shpool->log_nomem = 0;
    ngx_neon_zone_log_new(shm_zone);

    len = sizeof(" in neon zone \"\"") + shm_zone->shm.name.len;
    name = ngx_slab_alloc(zone->shpool, len);

    if (name == NULL
        || ngx_neon_zone_create(zone, shm_zone->shm.size, sizes,
                                shm_zone->shm.log)
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "neon zone \"%V\" could not be made: is it large"
                      " enough?", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    ngx_sprintf(name, " in neon zone \"%V\"%Z", &shm_zone->shm.name);
    zone->shpool->log_ctx = name;

    return NGX_OK;
}


/* at a reload ngx_cycle is still the one that is being replaced */

static void
ngx_neon_zone_log_new(ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *old;
    ngx_list_part_t  *part;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        old = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (old[i].tag == shm_zone->tag
                && old[i].shm.name.len == shm_zone->shm.name.len
                && ngx_strncmp(old[i].shm.name.data, shm_zone->shm.name.data,
                               shm_zone->shm.name.len)
                   == 0)
            {
                ngx_log_error(NGX_LOG_NOTICE, shm_zone->shm.log, 0,
                              "neon zone \"%V\" has another size now: it"
                              " starts empty, and sessions of old workers"
                              " cannot be canceled any more",
                              &shm_zone->shm.name);
                return;
            }
        }
    }
}


ngx_int_t
ngx_neon_zone_create(ngx_neon_zone_t *zone, size_t size,
    const ngx_uint_t *sizes, ngx_log_t *log)
{
    ngx_neon_zone_sh_t  *sh;

    sh = ngx_slab_calloc(zone->shpool, sizeof(ngx_neon_zone_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    zone->sh = sh;

    if (neon_random(sh->secret, NGX_NEON_ZONE_SECRET) != NEON_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "neon zone: no random bytes");
        return NGX_ERROR;
    }

    sh->metrics = ngx_slab_calloc(zone->shpool, sizeof(ngx_neon_metrics_t));

    if (sh->metrics == NULL
        || ngx_neon_zone_tables(zone, size, sizes) != NGX_OK)
    {
        return NGX_ERROR;
    }

    sh->size = sizeof(ngx_neon_zone_sh_t);
    sh->magic = NGX_NEON_ZONE_MAGIC;
    zone->shpool->data = sh;

    return NGX_OK;
}


static void
ngx_neon_zone_sizes(ngx_neon_conf_t *conf, ngx_uint_t *sizes)
{
    sizes[NGX_NEON_CACHE_NODE] = conf->node_cache.size;
    sizes[NGX_NEON_CACHE_SECRET] = conf->secret_cache.size;
}


static ngx_int_t
ngx_neon_zone_tables(ngx_neon_zone_t *zone, size_t size,
    const ngx_uint_t *sizes)
{
    ngx_int_t            rc;
    ngx_uint_t           i, most, others;
    ngx_neon_zone_sh_t  *sh;

    sh = zone->sh;
    most = size / NGX_NEON_ZONE_BUCKETS / sizeof(void *);
    others = size / NGX_NEON_ZONE_OTHERS;

    ngx_shmtx_lock(&zone->shpool->mutex);

    rc = NGX_OK;

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        rc |= ngx_neon_lru_init(&sh->cache[i], zone->shpool,
                                ngx_min(sizes[i], most));
    }

    rc |= ngx_neon_lru_init(&sh->limits, zone->shpool, others);
    rc |= ngx_neon_table_init(&sh->flights, zone->shpool,
                              ngx_min(others, NGX_NEON_ZONE_FLIGHTS));
    rc |= ngx_neon_table_init(&sh->cancels, zone->shpool, others);
    rc |= ngx_neon_table_init(&sh->waiters, zone->shpool,
                              ngx_min(others, NGX_NEON_ZONE_WAITERS));

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


static void
ngx_neon_zone_resize(ngx_neon_zone_t *zone, size_t size,
    const ngx_uint_t *sizes)
{
    ngx_uint_t  i, most;

    most = size / NGX_NEON_ZONE_BUCKETS / sizeof(void *);

    ngx_neon_zone_lock(zone);

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        ngx_neon_table_grow(&zone->sh->cache[i].table, zone->shpool,
                            ngx_min(sizes[i], most));
    }

    ngx_neon_zone_unlock(zone);
}


/* some at a time: workers want the lock, too */

static void
ngx_neon_zone_forget(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru)
{
    ngx_uint_t  n;

    do {
        ngx_neon_zone_lock(zone);

        for (n = 0; n < NGX_NEON_ZONE_EVICT; n++) {
            if (ngx_neon_lru_evict_locked(lru, zone->shpool) != NGX_OK) {
                break;
            }

            lru->stats.invalidated++;
        }

        ngx_neon_zone_unlock(zone);

    } while (n == NGX_NEON_ZONE_EVICT);
}


/*
 * A reload runs the code that made the zone, so this cannot fail unless two
 * builds were mixed; then live sessions are worth more than the new
 * configuration.
 */

static ngx_int_t
ngx_neon_zone_check(ngx_shm_zone_t *zone, ngx_neon_zone_sh_t *sh)
{
    if (sh->magic == NGX_NEON_ZONE_MAGIC
        && sh->size == sizeof(ngx_neon_zone_sh_t))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                  "neon zone \"%V\" has the layout of another build:"
                  " restart nginx instead of reloading", &zone->shm.name);

    return NGX_ERROR;
}


ngx_neon_zone_t *
ngx_neon_zone(ngx_neon_conf_t *conf)
{
    ngx_neon_zone_data_t  *data;

    data = conf->zone->data;

    return &data->zone;
}


neon_str_t
ngx_neon_zone_secret(ngx_neon_conf_t *conf)
{
    return neon_str(ngx_neon_zone(conf)->sh->secret, NGX_NEON_ZONE_SECRET);
}


uint64_t
ngx_neon_zone_hash(ngx_neon_zone_t *zone, const neon_str_t *parts,
    size_t nparts)
{
    return neon_hash(zone->sh->secret, parts, nparts);
}


void
ngx_neon_zone_lock(ngx_neon_zone_t *zone)
{
    ngx_shmtx_lock(&zone->shpool->mutex);

    if (zone->sh->busy) {
        ngx_neon_zone_recover(zone);
    }

    zone->sh->busy = 1;
    ngx_memory_barrier();
}


void
ngx_neon_zone_unlock(ngx_neon_zone_t *zone)
{
    ngx_memory_barrier();
    zone->sh->busy = 0;

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


static void
ngx_neon_zone_recover(ngx_neon_zone_t *zone)
{
    ngx_uint_t           i;
    ngx_neon_zone_sh_t  *sh;

    sh = zone->sh;

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        ngx_neon_lru_rebuild_locked(&sh->cache[i]);
    }

    ngx_neon_lru_rebuild_locked(&sh->limits);

    ngx_neon_table_recount(&sh->flights);
    ngx_neon_table_recount(&sh->cancels);
    ngx_neon_table_recount(&sh->waiters);

    sh->recovered++;
}


void *
ngx_neon_zone_alloc_locked(ngx_neon_zone_t *zone, size_t size,
    ngx_neon_lru_t *first)
{
    void            *p;
    ngx_uint_t       i, n, tries;
    ngx_neon_lru_t  *lru[NGX_NEON_CACHES + 2];

    p = ngx_slab_alloc_locked(zone->shpool, size);

    if (p) {
        return p;
    }

    n = 0;

    if (first) {
        lru[n++] = first;
    }

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        lru[n++] = &zone->sh->cache[i];
    }

    lru[n++] = &zone->sh->limits;

    /*
     * Until there is room: the slab keeps sizes apart by pages, so that one
     * entry that goes does not make room for any other.
     */

    i = 0;

    for (tries = 0; tries < NGX_NEON_ZONE_EVICT && i < n; tries++) {

        if (ngx_neon_lru_evict_locked(lru[i], zone->shpool) != NGX_OK) {
            i++;
            continue;
        }

        lru[i]->stats.evicted_memory++;

        p = ngx_slab_alloc_locked(zone->shpool, size);

        if (p) {
            return p;
        }
    }

    return NULL;
}
