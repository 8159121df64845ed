/*
 * The timed LRU.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_lru.h"

#include "neon_crypto.h"

#include "ngx_neon_zone.h"


#define NGX_NEON_LRU_EVICT  8             /* entries above the size that one
                                             insert removes: it may have become
                                             smaller by a reload */


typedef struct {
    ngx_neon_item_t         item;
    ngx_queue_t             queue;
    uint64_t                generation;
    ngx_msec_t              since;
    ngx_msec_t              ttl;
    uint16_t                key_len;
    uint16_t                value_len;
    uint8_t                 flags;
    u_char                  data[1];          /* key, value */
} ngx_neon_lru_entry_t;


static ngx_neon_lru_entry_t *ngx_neon_lru_find(ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key);
static ngx_msec_t ngx_neon_lru_expires(ngx_neon_lru_entry_t *e,
    const ngx_neon_lru_policy_t *policy);
static ngx_msec_t ngx_neon_lru_age(ngx_neon_lru_entry_t *e, ngx_msec_t now);
static void ngx_neon_lru_value(ngx_neon_lru_entry_t *e, ngx_msec_t now,
    ngx_msec_t expires, ngx_neon_lru_value_t *value);
static void ngx_neon_lru_front(ngx_neon_lru_t *lru, ngx_neon_lru_entry_t *e);
static void ngx_neon_lru_remove(ngx_neon_lru_t *lru, ngx_slab_pool_t *shpool,
    ngx_neon_lru_entry_t *e);


/* an entry is over when the time that it had is gone, to the millisecond */

#define ngx_neon_lru_over(expires, now)                                       \
    ((ngx_msec_int_t) ((expires) - (now)) <= 0)


ngx_int_t
ngx_neon_lru_init(ngx_neon_lru_t *lru, ngx_slab_pool_t *shpool,
    ngx_uint_t buckets)
{
    ngx_queue_init(&lru->queue);
    ngx_memzero(&lru->stats, sizeof(ngx_neon_lru_stats_t));

    return ngx_neon_table_init(&lru->table, shpool, buckets);
}


ngx_neon_key_t
ngx_neon_lru_key(ngx_neon_zone_t *zone, neon_str_t name)
{
    ngx_neon_key_t  key;

    key.name = name;
    key.hash = ngx_neon_zone_hash(zone, &name, 1);

    return key;
}


ngx_neon_lru_e
ngx_neon_lru_get(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, ngx_neon_lru_value_t *value)
{
    ngx_neon_lru_e  rc;

    ngx_neon_zone_lock(zone);

    rc = ngx_neon_lru_get_locked(lru, zone->shpool, key, now, policy, value);

    ngx_neon_zone_unlock(zone);

    return rc;
}


ngx_neon_lru_e
ngx_neon_lru_get_locked(ngx_neon_lru_t *lru, ngx_slab_pool_t *shpool,
    const ngx_neon_key_t *key, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, ngx_neon_lru_value_t *value)
{
    ngx_msec_t             expires;
    ngx_neon_lru_entry_t  *e;

    if (policy->size == 0) {
        return NGX_NEON_LRU_MISS;
    }

    e = ngx_neon_lru_find(lru, key);

    if (e == NULL) {
        lru->stats.miss++;
        return NGX_NEON_LRU_MISS;
    }

    expires = ngx_neon_lru_expires(e, policy);

    if (ngx_neon_lru_over(expires, now)) {

        if (ngx_neon_lru_over(expires + policy->stale, now)
            || (e->flags & NGX_NEON_LRU_ERROR))
        {
            ngx_neon_lru_remove(lru, shpool, e);
        }

        lru->stats.expired++;
        return NGX_NEON_LRU_EXPIRED;
    }

    if (e->flags & NGX_NEON_LRU_IDLE) {
        e->since = now;
        e->ttl = policy->ttl;
        expires = ngx_neon_lru_expires(e, policy);
    }

    ngx_neon_lru_front(lru, e);
    ngx_neon_lru_value(e, now, expires, value);

    lru->stats.hit++;

    return NGX_NEON_LRU_HIT;
}


ngx_int_t
ngx_neon_lru_get_stale(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, ngx_neon_lru_value_t *value)
{
    ngx_int_t              rc;
    ngx_msec_t             expires;
    ngx_neon_lru_entry_t  *e;

    rc = NGX_DECLINED;

    ngx_neon_zone_lock(zone);

    e = policy->size ? ngx_neon_lru_find(lru, key) : NULL;
    expires = e ? ngx_neon_lru_expires(e, policy) : 0;

    if (e
        && !(e->flags & NGX_NEON_LRU_ERROR)
        && !ngx_neon_lru_over(expires + policy->stale, now))
    {
        ngx_neon_lru_front(lru, e);
        ngx_neon_lru_value(e, now, expires, value);

        lru->stats.stale++;
        rc = NGX_OK;
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_neon_lru_insert(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, neon_str_t value, ngx_uint_t flags,
    ngx_msec_t ttl, ngx_msec_t now, const ngx_neon_lru_policy_t *policy,
    uint64_t *generation)
{
    ngx_int_t  rc;

    ngx_neon_zone_lock(zone);

    rc = ngx_neon_lru_insert_locked(zone, lru, key, value, flags, ttl, now,
                                    policy, generation);

    ngx_neon_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_neon_lru_insert_locked(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, neon_str_t value, ngx_uint_t flags,
    ngx_msec_t ttl, ngx_msec_t now, const ngx_neon_lru_policy_t *policy,
    uint64_t *generation)
{
    size_t                 size;
    ngx_uint_t             n;
    ngx_neon_lru_entry_t  *e;

    *generation = 0;

    e = ngx_neon_lru_find(lru, key);
    if (e) {
        ngx_neon_lru_remove(lru, zone->shpool, e);
    }

    if (policy->size == 0
        || key->name.len > NGX_NEON_LRU_KEY_MAX
        || value.len > NGX_NEON_LRU_VALUE_MAX)
    {
        return NGX_DECLINED;
    }

    for (n = 0; lru->table.count >= policy->size; n++) {

        if (n == NGX_NEON_LRU_EVICT
            || ngx_neon_lru_evict_locked(lru, zone->shpool) != NGX_OK)
        {
            break;
        }

        lru->stats.evicted_size++;
    }

    size = offsetof(ngx_neon_lru_entry_t, data) + key->name.len + value.len;

    e = ngx_neon_zone_alloc_locked(zone, size, lru);
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->item.hash = key->hash;
    e->generation = ++zone->sh->generation;
    e->since = now;
    e->ttl = ttl;
    e->key_len = (uint16_t) key->name.len;
    e->value_len = (uint16_t) value.len;
    e->flags = (uint8_t) flags;

    ngx_memcpy(ngx_cpymem(e->data, key->name.data, key->name.len),
               value.data, value.len);

    ngx_neon_table_add(&lru->table, &e->item);
    ngx_queue_insert_head(&lru->queue, &e->queue);

    lru->stats.inserted++;
    *generation = e->generation;

    return NGX_OK;
}


ngx_int_t
ngx_neon_lru_invalidate(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, uint64_t generation)
{
    ngx_int_t              rc;
    ngx_neon_lru_entry_t  *e;

    rc = NGX_DECLINED;

    ngx_neon_zone_lock(zone);

    e = ngx_neon_lru_find(lru, key);

    if (e && e->generation <= generation) {
        ngx_neon_lru_remove(lru, zone->shpool, e);
        lru->stats.invalidated++;
        rc = NGX_OK;
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_neon_lru_expire(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, uint64_t generation, ngx_msec_t now)
{
    ngx_int_t              rc;
    ngx_neon_lru_entry_t  *e;

    rc = NGX_DECLINED;

    ngx_neon_zone_lock(zone);

    e = ngx_neon_lru_find(lru, key);

    if (e && e->generation <= generation
        && !ngx_neon_lru_over(e->since + e->ttl, now))
    {
        e->ttl = ngx_neon_lru_age(e, now);
        lru->stats.invalidated++;
        rc = NGX_OK;
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


uint64_t
ngx_neon_lru_generation(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru,
    const ngx_neon_key_t *key, ngx_msec_t now)
{
    uint64_t               generation;
    ngx_neon_lru_entry_t  *e;

    ngx_neon_zone_lock(zone);

    e = ngx_neon_lru_find(lru, key);

    generation = (e
                  && !(e->flags & NGX_NEON_LRU_ERROR)
                  && !ngx_neon_lru_over(e->since + e->ttl, now))
                 ? e->generation : 0;

    ngx_neon_zone_unlock(zone);

    return generation;
}


u_char *
ngx_neon_lru_touch_locked(ngx_neon_lru_t *lru, const ngx_neon_key_t *key)
{
    ngx_neon_lru_entry_t  *e;

    e = ngx_neon_lru_find(lru, key);

    if (e == NULL) {
        return NULL;
    }

    ngx_neon_lru_front(lru, e);

    return e->data + e->key_len;
}


ngx_int_t
ngx_neon_lru_evict_locked(ngx_neon_lru_t *lru, ngx_slab_pool_t *shpool)
{
    ngx_queue_t  *q;

    if (ngx_queue_empty(&lru->queue)) {
        return NGX_DECLINED;
    }

    q = ngx_queue_last(&lru->queue);

    ngx_neon_lru_remove(lru, shpool,
                        ngx_queue_data(q, ngx_neon_lru_entry_t, queue));

    return NGX_OK;
}


void
ngx_neon_lru_rebuild_locked(ngx_neon_lru_t *lru)
{
    ngx_uint_t             i;
    ngx_neon_item_t       *item;
    ngx_neon_lru_entry_t  *e;

    ngx_queue_init(&lru->queue);
    lru->table.count = 0;

    for (i = 0; i <= lru->table.mask; i++) {
        for (item = lru->table.bucket[i]; item; item = item->next) {
            e = (ngx_neon_lru_entry_t *) item;
            ngx_queue_insert_head(&lru->queue, &e->queue);
            lru->table.count++;
        }
    }
}


void
ngx_neon_lru_visit(ngx_neon_zone_t *zone, ngx_neon_lru_t *lru, ngx_uint_t n,
    ngx_msec_t now, const ngx_neon_lru_policy_t *policy,
    ngx_neon_lru_visit_pt visit, void *data)
{
    ngx_queue_t           *q;
    ngx_neon_key_t         key;
    ngx_neon_lru_entry_t  *e;

    ngx_neon_zone_lock(zone);

    for (q = ngx_queue_head(&lru->queue);
         n && q != ngx_queue_sentinel(&lru->queue);
         q = ngx_queue_next(q), n--)
    {
        e = ngx_queue_data(q, ngx_neon_lru_entry_t, queue);

        key.name = neon_str(e->data, e->key_len);
        key.hash = e->item.hash;

        visit(data, &key, neon_str(e->data + e->key_len, e->value_len),
              e->flags,
              (ngx_msec_int_t) (ngx_neon_lru_expires(e, policy) - now));
    }

    ngx_neon_zone_unlock(zone);
}


static ngx_neon_lru_entry_t *
ngx_neon_lru_find(ngx_neon_lru_t *lru, const ngx_neon_key_t *key)
{
    ngx_neon_item_t       *item;
    ngx_neon_lru_entry_t  *e;

    for (item = ngx_neon_table_find(&lru->table, key->hash);
         item;
         item = ngx_neon_table_next(item))
    {
        e = (ngx_neon_lru_entry_t *) item;

        if (e->key_len == key->name.len
            && ngx_memcmp(e->data, key->name.data, e->key_len) == 0)
        {
            return e;
        }
    }

    return NULL;
}


static ngx_msec_t
ngx_neon_lru_expires(ngx_neon_lru_entry_t *e,
    const ngx_neon_lru_policy_t *policy)
{
    ngx_msec_t  most;

    if (e->flags & NGX_NEON_LRU_NEGATIVE) {
        most = policy->negative;

    } else if (e->flags & NGX_NEON_LRU_ERROR) {
        most = e->ttl;

    } else {
        most = policy->ttl;
    }

    return e->since + ngx_min(e->ttl, most);
}


/* not before it came: processes look at their clocks at different times */

static ngx_msec_t
ngx_neon_lru_age(ngx_neon_lru_entry_t *e, ngx_msec_t now)
{
    return ngx_neon_lru_over(e->since, now) ? now - e->since : 0;
}


static void
ngx_neon_lru_value(ngx_neon_lru_entry_t *e, ngx_msec_t now,
    ngx_msec_t expires, ngx_neon_lru_value_t *value)
{
    ngx_memcpy(value->data, e->data + e->key_len, e->value_len);

    value->len = e->value_len;
    value->generation = e->generation;
    value->left = ngx_neon_lru_over(expires, now) ? 0 : expires - now;
    value->age = ngx_neon_lru_age(e, now);
    value->flags = e->flags;
}


static void
ngx_neon_lru_front(ngx_neon_lru_t *lru, ngx_neon_lru_entry_t *e)
{
    if (ngx_queue_head(&lru->queue) == &e->queue) {
        return;
    }

    ngx_queue_remove(&e->queue);
    ngx_queue_insert_head(&lru->queue, &e->queue);
}


static void
ngx_neon_lru_remove(ngx_neon_lru_t *lru, ngx_slab_pool_t *shpool,
    ngx_neon_lru_entry_t *e)
{
    ngx_neon_table_remove(&lru->table, &e->item);
    ngx_queue_remove(&e->queue);

    /* a verifier does not outlive its entry */

    neon_wipe(e->data + e->key_len, e->value_len);
    ngx_slab_free_locked(shpool, e);
}
