/*
 * Waiters of `control_plane link` in the zone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_waiter.h"

#include "neon_crypto.h"


/*
 * The hash is a keyed one, so the time of a look-up says nothing about how
 * much of a guessed id was right.  An answer is what `answer` points to, and
 * `size` stands before it does: there is something to wipe whoever is killed
 * where.  `len` comes last: the owner reads it without the lock.
 */

typedef struct {
    ngx_neon_item_t           item;
    ngx_neon_slot_t          *slot;           /* of the session's process */
    uint64_t                  slot_id;
    u_char                    id[NGX_NEON_WAITER_ID];
    size_t                    size;
    u_char                   *answer;         /* NULL: none yet */
    ngx_atomic_t              len;            /* 0: none yet, or not whole */
} ngx_neon_waiter_node_t;


static ngx_neon_waiter_node_t *ngx_neon_waiter_find(ngx_neon_zone_t *zone,
    neon_str_t id, uint64_t hash);
static void ngx_neon_waiter_free(ngx_neon_zone_t *zone,
    ngx_neon_waiter_node_t *n);
static uint64_t ngx_neon_waiter_hash(ngx_neon_zone_t *zone, neon_str_t id);


ngx_int_t
ngx_neon_waiter_add(ngx_neon_conf_t *conf, ngx_uint_t max,
    u_char id[NGX_NEON_WAITER_ID + 1], void **handle)
{
    u_char                   raw[NGX_NEON_WAITER_ID / 2];
    uint64_t                 hash;
    ngx_int_t                rc;
    neon_str_t               name;
    ngx_neon_zone_t         *zone;
    ngx_neon_waiter_node_t  *n;

    *handle = NULL;

    zone = ngx_neon_zone(conf);

    if (neon_random(raw, sizeof(raw)) != NEON_OK || zone->slot == NULL) {
        return NGX_ERROR;
    }

    *ngx_hex_dump(id, raw, sizeof(raw)) = '\0';

    name = neon_str(id, NGX_NEON_WAITER_ID);
    hash = ngx_neon_waiter_hash(zone, name);

    n = NULL;
    rc = NGX_DECLINED;

    ngx_neon_zone_lock(zone);

    if (zone->sh->waiters.count < max) {
        n = ngx_neon_zone_alloc_locked(zone, sizeof(ngx_neon_waiter_node_t),
                                       NULL);
        rc = NGX_ERROR;
    }

    if (n) {
        n->item.hash = hash;
        n->slot = zone->slot;
        n->slot_id = zone->slot->id;
        ngx_memcpy(n->id, id, NGX_NEON_WAITER_ID);
        n->answer = NULL;
        n->len = 0;

        ngx_neon_table_add(&zone->sh->waiters, &n->item);

        *handle = n;
        rc = NGX_OK;
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_neon_waiter_answer(ngx_neon_conf_t *conf, neon_str_t id,
    neon_str_t answer)
{
    uint64_t                 hash;
    ngx_int_t                rc;
    ngx_neon_zone_t         *zone;
    ngx_neon_waiter_node_t  *n;

    if (id.len != NGX_NEON_WAITER_ID) {
        return NGX_DECLINED;
    }

    if (answer.len == 0 || answer.len > NGX_NEON_WAITER_ANSWER) {
        return NGX_ERROR;
    }

    zone = ngx_neon_zone(conf);
    hash = ngx_neon_waiter_hash(zone, id);
    rc = NGX_DECLINED;

    ngx_neon_zone_lock(zone);

    n = ngx_neon_waiter_find(zone, id, hash);

    if (n && n->answer == NULL) {
        n->size = answer.len;
        n->answer = ngx_neon_zone_alloc_locked(zone, answer.len, NULL);
        rc = NGX_ERROR;

        if (n->answer) {
            ngx_memcpy(n->answer, answer.data, answer.len);
            ngx_memory_barrier();
            n->len = answer.len;

            (void) ngx_atomic_fetch_add(&zone->sh->answers, 1);
            rc = NGX_OK;
        }
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


ngx_uint_t
ngx_neon_waiter_answers(ngx_neon_conf_t *conf)
{
    return ngx_neon_zone(conf)->sh->answers;
}


/* without the lock, here and below: only its owner frees a node */

size_t
ngx_neon_waiter_answered(void *handle)
{
    ngx_neon_waiter_node_t  *n;

    n = handle;

    return n->len;
}


void
ngx_neon_waiter_take(ngx_neon_conf_t *conf, void *handle, u_char *buf)
{
    ngx_neon_waiter_node_t  *n;

    n = handle;

    /* an answer is written once */

    ngx_memory_barrier();
    ngx_memcpy(buf, n->answer, n->len);

    ngx_neon_waiter_remove(conf, handle);
}


void
ngx_neon_waiter_remove(ngx_neon_conf_t *conf, void *handle)
{
    ngx_neon_zone_t  *zone;

    zone = ngx_neon_zone(conf);

    ngx_neon_zone_lock(zone);

    ngx_neon_waiter_free(zone, handle);

    ngx_neon_zone_unlock(zone);
}


void
ngx_neon_waiter_sweep(ngx_neon_zone_t *zone)
{
    ngx_uint_t               i;
    ngx_neon_item_t         *item, *next;
    ngx_neon_table_t        *table;
    ngx_neon_waiter_node_t  *n;

    table = &zone->sh->waiters;

    ngx_neon_zone_lock(zone);

    for (i = 0; i <= table->mask; i++) {
        for (item = table->bucket[i]; item; item = next) {
            next = item->next;
            n = (ngx_neon_waiter_node_t *) item;

            if (!ngx_neon_slot_alive(n->slot, n->slot_id)) {
                ngx_neon_waiter_free(zone, n);
            }
        }
    }

    ngx_neon_zone_unlock(zone);
}


static ngx_neon_waiter_node_t *
ngx_neon_waiter_find(ngx_neon_zone_t *zone, neon_str_t id, uint64_t hash)
{
    ngx_neon_item_t         *item;
    ngx_neon_waiter_node_t  *n;

    for (item = ngx_neon_table_find(&zone->sh->waiters, hash);
         item;
         item = ngx_neon_table_next(item))
    {
        n = (ngx_neon_waiter_node_t *) item;

        if (neon_equal(n->id, id.data, NGX_NEON_WAITER_ID)
            && ngx_neon_slot_alive(n->slot, n->slot_id))
        {
            return n;
        }
    }

    return NULL;
}


static void
ngx_neon_waiter_free(ngx_neon_zone_t *zone, ngx_neon_waiter_node_t *n)
{
    if (n->answer) {
        neon_wipe(n->answer, n->size);
    }

    ngx_neon_table_remove(&zone->sh->waiters, &n->item);

    if (n->answer) {
        ngx_slab_free_locked(zone->shpool, n->answer);
    }

    ngx_slab_free_locked(zone->shpool, n);
}


static uint64_t
ngx_neon_waiter_hash(ngx_neon_zone_t *zone, neon_str_t id)
{
    return ngx_neon_zone_hash(zone, &id, 1);
}
