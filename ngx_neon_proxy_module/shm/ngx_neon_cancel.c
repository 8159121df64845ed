/*
 * Cancel keys in the zone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_cancel.h"

#include "neon_crypto.h"


#define NGX_NEON_CANCEL_SWEEP  64             /* buckets for one hold of the
                                                 lock */


/*
 * The hash is a keyed one, so the time of a look-up says nothing about how
 * much of a guessed key was right.  It is over the private link too, which so
 * needs no room of its own.  Allocated with just the room that
 * target.key needs, which stands last, and in front of it the ranges.
 */

typedef struct {
    ngx_neon_item_t           item;
    ngx_neon_slot_t          *slot;           /* of the session's process */
    uint64_t                  slot_id;
    neon_ip_range_t          *ranges;
    ngx_uint_t                nranges;
    ngx_neon_cancel_key_t     key;
    ngx_neon_cancel_target_t  target;
} ngx_neon_cancel_node_t;


static uint64_t ngx_neon_cancel_hash(ngx_neon_zone_t *zone, uint32_t pid,
    neon_str_t key, const ngx_str_t *link);
static ngx_uint_t ngx_neon_cancel_allowed(ngx_neon_cancel_node_t *n,
    const neon_ip_t *ip);
static void ngx_neon_cancel_free(ngx_neon_zone_t *zone,
    ngx_neon_cancel_node_t *n);


ngx_int_t
ngx_neon_cancel_add(ngx_neon_conf_t *conf, ngx_neon_cancel_key_t *key,
    const ngx_str_t *link, const ngx_neon_cancel_target_t *target,
    const neon_ip_range_t *ranges, ngx_uint_t nranges, void **handle)
{
    size_t                   size, list;
    uint64_t                 hash;
    ngx_neon_zone_t         *zone;
    ngx_neon_cancel_node_t  *n;

    *handle = NULL;

    zone = ngx_neon_zone(conf);

    if (neon_random(&key->pid, sizeof(key->pid)) != NEON_OK
        || neon_random(key->key, key->len) != NEON_OK
        || zone->slot == NULL)
    {
        return NGX_ERROR;
    }

    /* clients take it for a process id, and print it: a positive int32 */
    key->pid = key->pid % INT32_MAX + 1;

    hash = ngx_neon_cancel_hash(zone, key->pid, neon_str(key->key, key->len),
                                link);

    list = nranges * sizeof(neon_ip_range_t);
    size = ngx_align(offsetof(ngx_neon_cancel_node_t, target)
                     + offsetof(ngx_neon_cancel_target_t, key) + target->len,
                     NGX_ALIGNMENT);

    ngx_neon_zone_lock(zone);

    n = ngx_neon_zone_alloc_locked(zone, size + list, NULL);

    if (n) {
        n->item.hash = hash;
        n->slot = zone->slot;
        n->slot_id = zone->slot->id;
        n->nranges = nranges;
        n->ranges = (neon_ip_range_t *) ((u_char *) n + size);
        n->key = *key;
        ngx_memcpy(&n->target, target,
                   offsetof(ngx_neon_cancel_target_t, key) + target->len);
        ngx_memcpy(n->ranges, ranges, list);

        ngx_neon_table_add(&zone->sh->cancels, &n->item);
    }

    ngx_neon_zone_unlock(zone);

    *handle = n;

    return n ? NGX_OK : NGX_ERROR;
}


/*
 * Without the lock: a node is written once, before it is linked, and only its
 * owner frees it.
 */

void
ngx_neon_cancel_get(ngx_neon_conf_t *conf, void *handle,
    ngx_neon_cancel_target_t *target)
{
    ngx_neon_cancel_node_t  *n;

    n = handle;

    ngx_memcpy(target, &n->target,
               offsetof(ngx_neon_cancel_target_t, key) + n->target.len);
}


void
ngx_neon_cancel_remove(ngx_neon_conf_t *conf, void *handle)
{
    ngx_neon_zone_t  *zone;

    zone = ngx_neon_zone(conf);

    ngx_neon_zone_lock(zone);

    ngx_neon_cancel_free(zone, handle);

    ngx_neon_zone_unlock(zone);
}


ngx_int_t
ngx_neon_cancel_find(ngx_neon_conf_t *conf, const neon_pg_cancel_t *cancel,
    const ngx_str_t *link, const neon_ip_t *ip,
    ngx_neon_cancel_target_t *target)
{
    uint64_t                 hash;
    ngx_int_t                rc;
    ngx_neon_item_t         *item;
    ngx_neon_zone_t         *zone;
    ngx_neon_cancel_node_t  *n;

    rc = NGX_DECLINED;
    zone = ngx_neon_zone(conf);
    hash = ngx_neon_cancel_hash(zone, cancel->pid, cancel->key, link);

    ngx_neon_zone_lock(zone);

    for (item = ngx_neon_table_find(&zone->sh->cancels, hash);
         item;
         item = ngx_neon_table_next(item))
    {
        n = (ngx_neon_cancel_node_t *) item;

        if (n->key.pid != cancel->pid
            || n->key.len != cancel->key.len
            || !neon_equal(n->key.key, cancel->key.data, n->key.len)
            || !ngx_neon_slot_alive(n->slot, n->slot_id))
        {
            continue;
        }

        rc = NGX_ABORT;

        if (ngx_neon_cancel_allowed(n, ip)) {
            ngx_memcpy(target, &n->target,
                       offsetof(ngx_neon_cancel_target_t, key)
                       + n->target.len);
            rc = NGX_OK;
        }

        break;
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


void
ngx_neon_cancel_sweep(ngx_neon_zone_t *zone)
{
    ngx_uint_t               i;
    ngx_neon_item_t         *item, *next;
    ngx_neon_table_t        *table;
    ngx_neon_cancel_node_t  *n;

    table = &zone->sh->cancels;

    for (i = 0; i <= table->mask; i++) {

        if (i % NGX_NEON_CANCEL_SWEEP == 0) {
            if (i) {
                ngx_neon_zone_unlock(zone);
            }

            ngx_neon_zone_lock(zone);
        }

        for (item = table->bucket[i]; item; item = next) {
            next = item->next;
            n = (ngx_neon_cancel_node_t *) item;

            if (!ngx_neon_slot_alive(n->slot, n->slot_id)) {
                ngx_neon_cancel_free(zone, n);
            }
        }
    }

    ngx_neon_zone_unlock(zone);
}


static ngx_uint_t
ngx_neon_cancel_allowed(ngx_neon_cancel_node_t *n, const neon_ip_t *ip)
{
    ngx_uint_t  i;

    for (i = 0; ip && i < n->nranges; i++) {
        if (neon_ip_in_range(ip, &n->ranges[i])) {
            return 1;
        }
    }

    return n->nranges == 0;
}


static void
ngx_neon_cancel_free(ngx_neon_zone_t *zone, ngx_neon_cancel_node_t *n)
{
    ngx_neon_table_remove(&zone->sh->cancels, &n->item);
    ngx_slab_free_locked(zone->shpool, n);
}


static uint64_t
ngx_neon_cancel_hash(ngx_neon_zone_t *zone, uint32_t pid, neon_str_t key,
    const ngx_str_t *link)
{
    neon_str_t  parts[3];

    parts[0] = neon_str(&pid, sizeof(pid));
    parts[1] = key;
    parts[2] = neon_str(link->data, link->len);

    return ngx_neon_zone_hash(zone, parts, 3);
}
