/*
 * A hash table in shared memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_table.h"


ngx_int_t
ngx_neon_table_init(ngx_neon_table_t *table, ngx_slab_pool_t *shpool,
    ngx_uint_t buckets)
{
    ngx_uint_t  n;

    for (n = 1; n < buckets; n *= 2) { /* void */ }

    for ( /* void */ ; n; n /= 2) {

        table->bucket = ngx_slab_calloc_locked(shpool,
                                               n * sizeof(ngx_neon_item_t *));
        if (table->bucket) {
            table->mask = n - 1;
            table->count = 0;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


/* by the master, in a reload: nobody kills that one and goes on */

void
ngx_neon_table_grow(ngx_neon_table_t *table, ngx_slab_pool_t *shpool,
    ngx_uint_t buckets)
{
    ngx_uint_t         i, n;
    ngx_neon_item_t  **old, **bucket, *item;

    for (n = 1; n < buckets; n *= 2) { /* void */ }

    if (n <= table->mask + 1) {
        return;
    }

    bucket = ngx_slab_calloc_locked(shpool, n * sizeof(ngx_neon_item_t *));
    if (bucket == NULL) {
        return;
    }

    old = table->bucket;

    for (i = 0; i <= table->mask; i++) {
        while (old[i]) {
            item = old[i];
            old[i] = item->next;

            item->next = bucket[item->hash & (n - 1)];
            bucket[item->hash & (n - 1)] = item;
        }
    }

    table->bucket = bucket;
    table->mask = n - 1;

    ngx_slab_free_locked(shpool, old);
}


void
ngx_neon_table_add(ngx_neon_table_t *table, ngx_neon_item_t *item)
{
    ngx_neon_item_t  **bucket;

    bucket = &table->bucket[item->hash & table->mask];

    item->next = *bucket;
    ngx_memory_barrier();
    *bucket = item;

    table->count++;
}


void
ngx_neon_table_remove(ngx_neon_table_t *table, ngx_neon_item_t *item)
{
    ngx_neon_item_t  **link;

    for (link = &table->bucket[item->hash & table->mask];
         *link;
         link = &(*link)->next)
    {
        if (*link == item) {
            *link = item->next;
            ngx_memory_barrier();

            table->count--;
            return;
        }
    }
}


void
ngx_neon_table_recount(ngx_neon_table_t *table)
{
    ngx_uint_t        i;
    ngx_neon_item_t  *item;

    table->count = 0;

    for (i = 0; i <= table->mask; i++) {
        for (item = table->bucket[i]; item; item = item->next) {
            table->count++;
        }
    }
}


ngx_neon_item_t *
ngx_neon_table_find(ngx_neon_table_t *table, uint64_t hash)
{
    ngx_neon_item_t  *item;

    item = table->bucket[hash & table->mask];

    while (item && item->hash != hash) {
        item = item->next;
    }

    return item;
}


ngx_neon_item_t *
ngx_neon_table_next(ngx_neon_item_t *item)
{
    uint64_t  hash;

    hash = item->hash;

    do {
        item = item->next;
    } while (item && item->hash != hash);

    return item;
}
