/*
 * The table: chains, equal hashes, growing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"


#define ITEMS  1000


static ngx_neon_item_t  *items[ITEMS];


/* how often the item is found under its hash */

static ngx_uint_t
found(ngx_neon_table_t *table, ngx_neon_item_t *item)
{
    ngx_uint_t        n;
    ngx_neon_item_t  *i;

    n = 0;

    for (i = ngx_neon_table_find(table, item->hash);
         i;
         i = ngx_neon_table_next(i))
    {
        assert_int_equal(i->hash, item->hash);
        n += (i == item);
    }

    return n;
}


static void
add(ngx_neon_table_t *table, ngx_uint_t i, uint64_t hash)
{
    items[i] = malloc(sizeof(ngx_neon_item_t));
    assert_non_null(items[i]);

    items[i]->hash = hash;
    ngx_neon_table_add(table, items[i]);
}


static void
drop(ngx_neon_table_t *table, ngx_uint_t i)
{
    ngx_neon_table_remove(table, items[i]);
    free(items[i]);
    items[i] = NULL;
}


static void
test_buckets(void **state)
{
    shm_t             *shm;
    ngx_uint_t         i;
    ngx_neon_table_t   table;

    static const ngx_uint_t  buckets[][2] = {
        { 0, 1 }, { 1, 1 }, { 2, 2 }, { 3, 4 }, { 1000, 1024 }, { 1024, 1024 }
    };

    shm_mode = SHM_MALLOC;
    shm_budget = 1 << 20;
    shm = shm_create(1 << 20, 16, 16);

    for (i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
        assert_int_equal(ngx_neon_table_init(&table, shm->pool,
                                             buckets[i][0]), NGX_OK);
        assert_int_equal(table.mask + 1, buckets[i][1]);
        assert_int_equal(table.count, 0);
        assert_null(ngx_neon_table_find(&table, 0));

        ngx_slab_free_locked(shm->pool, table.bucket);
    }

    shm_destroy(shm);
}


/* as many as there is memory for */

static void
test_no_memory(void **state)
{
    shm_t             *shm;
    ngx_neon_table_t   table;

    shm_mode = SHM_MALLOC;
    shm_budget = 1 << 20;
    shm = shm_create(1 << 20, 1, 1);

    shm_budget = 0;
    assert_int_equal(ngx_neon_table_init(&table, shm->pool, 1024), NGX_ERROR);

    shm_destroy(shm);

    shm_mode = SHM_SLAB;
    shm = shm_create(128 * 1024, 1, 1);

    assert_int_equal(ngx_neon_table_init(&table, shm->pool, 1 << 20), NGX_OK);
    assert_in_range(table.mask + 1, 1024, 16384);

    shm_destroy(shm);
}


static void
test_equal_hashes(void **state)
{
    shm_t             *shm;
    ngx_uint_t         i, j;
    ngx_neon_table_t   table;

    shm_mode = SHM_MALLOC;
    shm_budget = 1 << 20;
    shm = shm_create(1 << 20, 1, 1);

    assert_int_equal(ngx_neon_table_init(&table, shm->pool, 4), NGX_OK);

    /* the same hash; the same bucket; another one */

    for (i = 0; i < 12; i++) {
        add(&table, i, i < 4 ? 7 : i < 8 ? 7 + (i << 32) : i);
    }

    assert_int_equal(table.count, 12);

    /* the middle, the head, the tail of a chain; then the others */

    for (i = 0; i < 12; i++) {
        for (j = 0; j < 12; j++) {
            if (items[j]) {
                assert_int_equal(found(&table, items[j]), 1);
            }
        }

        drop(&table, (i * 5 + 1) % 12);
        assert_int_equal(table.count, 11 - i);
        assert_int_equal(shm_count(shm, &table), 11 - i);
    }

    assert_null(ngx_neon_table_find(&table, 7));

    ngx_slab_free_locked(shm->pool, table.bucket);
    shm_destroy(shm);
}


static void
test_grow(void **state)
{
    shm_t             *shm;
    uint64_t           random;
    ngx_uint_t         i, live;
    ngx_neon_item_t  **bucket;
    ngx_neon_table_t   table;

    shm_mode = SHM_MALLOC;
    shm_budget = 1 << 20;
    shm = shm_create(1 << 20, 1, 1);

    assert_int_equal(ngx_neon_table_init(&table, shm->pool, 4), NGX_OK);

    random = 1;

    for (i = 0; i < ITEMS; i++) {
        add(&table, i, shm_random(&random) % (ITEMS / 2) << (i % 3 * 8));
    }

    live = shm_live;

    ngx_neon_table_grow(&table, shm->pool, 100);

    assert_int_equal(table.mask + 1, 128);
    assert_int_equal(table.count, ITEMS);
    assert_int_equal(shm_count(shm, &table), ITEMS);
    assert_int_equal(shm_live, live);

    for (i = 0; i < ITEMS; i++) {
        assert_int_equal(found(&table, items[i]), 1);
    }

    /* never smaller, and as it was where there is no memory */

    bucket = table.bucket;
    ngx_neon_table_grow(&table, shm->pool, 128);
    ngx_neon_table_grow(&table, shm->pool, 1);
    shm_budget = 0;
    ngx_neon_table_grow(&table, shm->pool, 1000);

    assert_ptr_equal(table.bucket, bucket);
    assert_int_equal(table.mask + 1, 128);

    table.count = 0;
    ngx_neon_table_recount(&table);
    assert_int_equal(table.count, ITEMS);

    for (i = 0; i < ITEMS; i++) {
        drop(&table, i);
    }

    assert_int_equal(table.count, 0);
    assert_int_equal(shm_count(shm, &table), 0);

    ngx_slab_free_locked(shm->pool, table.bucket);
    shm_destroy(shm);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_equal_hashes),
        cmocka_unit_test(test_grow)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
