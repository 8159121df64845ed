/*
 * A hash table in shared memory: chains of items that carry their link
 * themselves.
 *
 * An item is linked and unlinked by the store of one pointer, so a chain is
 * whole whenever the holder of the lock is killed.  What else hangs on an item
 * (queues, counts) may be half done then, and is made anew from the chains.
 *
 * The caller holds the zone's lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_TABLE_H
#define NGX_NEON_TABLE_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_neon_item_s  ngx_neon_item_t;

/* the first member of what is in a table */

struct ngx_neon_item_s {
    ngx_neon_item_t        *next;
    uint64_t                hash;
};


typedef struct {
    ngx_neon_item_t       **bucket;
    ngx_uint_t              mask;             /* number of buckets - 1 */
    ngx_uint_t              count;
} ngx_neon_table_t;


/*
 * About so many buckets, rounded up to a power of two; fewer where memory does
 * not suffice.  NGX_ERROR: not even one.
 */
ngx_int_t ngx_neon_table_init(ngx_neon_table_t *table,
    ngx_slab_pool_t *shpool, ngx_uint_t buckets);

/* more buckets; stays as it is where memory does not suffice */
void ngx_neon_table_grow(ngx_neon_table_t *table, ngx_slab_pool_t *shpool,
    ngx_uint_t buckets);

void ngx_neon_table_add(ngx_neon_table_t *table, ngx_neon_item_t *item);
void ngx_neon_table_remove(ngx_neon_table_t *table, ngx_neon_item_t *item);

/* the count, from the chains */
void ngx_neon_table_recount(ngx_neon_table_t *table);

/* the first item of that hash, and the one behind; NULL: none */
ngx_neon_item_t *ngx_neon_table_find(ngx_neon_table_t *table, uint64_t hash);
ngx_neon_item_t *ngx_neon_table_next(ngx_neon_item_t *item);


#endif /* NGX_NEON_TABLE_H */
