/*
 * The zone: making room, and what a reload keeps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"

#include "neon_hash.h"


static ngx_neon_lru_policy_t  policy = { 100000, 1000, 0, 0 };
static u_char                 buffer[NGX_NEON_LRU_VALUE_MAX];


static ngx_int_t
put(shm_t *shm, ngx_neon_cache_e cache, ngx_uint_t n, size_t len)
{
    char             name[32];
    uint64_t         generation;
    ngx_neon_key_t   key;

    memset(buffer, (int) n & 0xff, len);
    sprintf(name, "key-%08u", (unsigned) n);
    key = shm_key(shm, name);

    return ngx_neon_lru_insert(&shm->zone[0], &shm->zone[0].sh->cache[cache],
                               &key, neon_str(buffer, len), 0, 1000, 0,
                               &policy, &generation);
}


static ngx_uint_t
has(shm_t *shm, ngx_neon_cache_e cache, ngx_uint_t n, size_t len)
{
    char                  name[32];
    ngx_neon_key_t        key;
    ngx_neon_lru_value_t  value;

    value.data = buffer;
    sprintf(name, "key-%08u", (unsigned) n);
    key = shm_key(shm, name);

    if (ngx_neon_lru_get(&shm->zone[0], &shm->zone[0].sh->cache[cache], &key,
                         0, &policy, &value)
        != NGX_NEON_LRU_HIT)
    {
        return 0;
    }

    assert_int_equal(value.len, len);
    assert_int_equal(value.data[0], n & 0xff);
    assert_int_equal(value.data[len - 1], n & 0xff);

    return 1;
}


/* a full zone: what was least recently used goes, one for one */

static void
test_full(void **state)
{
    shm_t           *shm;
    ngx_uint_t       i, n;
    ngx_neon_lru_t  *lru;

    shm_mode = SHM_SLAB;
    shm = shm_create(256 * 1024, 64, 64);
    lru = &shm->zone[0].sh->cache[NGX_NEON_CACHE_NODE];

    for (n = 0; lru->stats.evicted_memory == 0; n++) {
        assert_int_equal(put(shm, NGX_NEON_CACHE_NODE, n, 150), NGX_OK);
    }

    assert_int_equal(lru->table.count, n - 1);
    assert_false(has(shm, NGX_NEON_CACHE_NODE, 0, 150));
    assert_true(has(shm, NGX_NEON_CACHE_NODE, 1, 150));

    for (i = 0; i < 100; i++) {
        assert_int_equal(put(shm, NGX_NEON_CACHE_NODE, n + i, 150), NGX_OK);
        assert_int_equal(lru->table.count, n - 1);
    }

    assert_int_equal(lru->stats.evicted_memory, 101);
    assert_true(has(shm, NGX_NEON_CACHE_NODE, 1, 150));
    assert_false(has(shm, NGX_NEON_CACHE_NODE, 101, 150));

    for (i = 102; i < n + 100; i++) {
        assert_true(has(shm, NGX_NEON_CACHE_NODE, i, 150));
    }

    shm_assert(shm);
    shm_destroy(shm);
}


/* the cache that wants memory gives its own first, then the others do */

static void
test_who_makes_room(void **state)
{
    shm_t               *shm;
    ngx_uint_t           n;
    ngx_neon_rate_t      rate = { 1000, 1000 };
    ngx_neon_zone_sh_t  *sh;

    shm_mode = SHM_MALLOC;
    shm_budget = 65536;
    shm = shm_create(256 * 1024, 16, 16);
    sh = shm->zone[0].sh;

    for (n = 0; n < 50; n++) {
        (void) ngx_neon_limit_take(&shm->zone[0], NGX_NEON_LIMIT_WAKE,
                                   neon_str(&n, sizeof(n)), &rate);
    }

    assert_int_equal(sh->limits.table.count, 50);

    for (n = 0; n < 100; n++) {
        assert_int_equal(put(shm, NGX_NEON_CACHE_NODE, n, 150), NGX_OK);
    }

    for (n = 0; sh->cache[NGX_NEON_CACHE_SECRET].stats.evicted_memory < 10;
         n++)
    {
        assert_int_equal(put(shm, NGX_NEON_CACHE_SECRET, n, 150), NGX_OK);

        if (n == 0) {
            shm_budget = 32768;
        }
    }

    /* the one secret went first, then nodes, as many as it took */

    assert_int_equal(sh->cache[NGX_NEON_CACHE_NODE].stats.evicted_memory, 0);
    assert_int_equal(sh->cache[NGX_NEON_CACHE_NODE].table.count, 100);
    assert_int_equal(sh->limits.table.count, 50);

    ngx_neon_zone_lock(&shm->zone[0]);

    shm_budget = 0;

    while (sh->cache[NGX_NEON_CACHE_SECRET].table.count
           || sh->cache[NGX_NEON_CACHE_NODE].table.count
           || sh->limits.table.count)
    {
        /* 64 of them for one that gets nothing */
        assert_null(ngx_neon_zone_alloc_locked(&shm->zone[0], 1000,
                                        &sh->cache[NGX_NEON_CACHE_SECRET]));

        assert_true(sh->cache[NGX_NEON_CACHE_NODE].table.count == 100
                    || sh->cache[NGX_NEON_CACHE_SECRET].table.count == 0);
        assert_true(sh->limits.table.count == 50
                    || sh->cache[NGX_NEON_CACHE_NODE].table.count == 0);
    }

    ngx_neon_zone_unlock(&shm->zone[0]);

    shm_assert(shm);
    shm_destroy(shm);
}


/*
 * The slab keeps sizes apart by pages.  Where all of them hold entries of
 * another size, some inserts in a row find no room, each of them after it has
 * evicted some; they come to an end.
 */

static void
test_other_sizes(void **state)
{
    shm_t           *shm;
    uint64_t         random;
    ngx_uint_t       i, n, refused, row, longest;
    ngx_neon_lru_t  *node, *secret;

    shm_mode = SHM_SLAB;
    shm = shm_create(1024 * 1024, 64, 64);
    node = &shm->zone[0].sh->cache[NGX_NEON_CACHE_NODE];
    secret = &shm->zone[0].sh->cache[NGX_NEON_CACHE_SECRET];
    random = shm_seed();

    for (n = 0; node->stats.evicted_memory == 0; n++) {
        assert_int_equal(put(shm, NGX_NEON_CACHE_NODE, n, 150), NGX_OK);
    }

    for (i = 0; i < 10 * n; i++) {
        (void) has(shm, NGX_NEON_CACHE_NODE, shm_random(&random) % n, 150);
    }

    refused = 0;
    longest = 0;
    row = 0;

    for (i = 0; i < n; i++) {
        if (put(shm, NGX_NEON_CACHE_SECRET, i, 900) == NGX_OK) {
            assert_true(has(shm, NGX_NEON_CACHE_SECRET, i, 900));
            row = 0;
            continue;
        }

        refused++;
        row++;
        longest = ngx_max(longest, row);
    }

    print_message("# %d nodes filled the zone; of %d secrets %d found no room,"
                  " %d in a row; then %d nodes and %d secrets\n",
                  (int) n - 1, (int) n, (int) refused, (int) longest,
                  (int) node->table.count, (int) secret->table.count);

    assert_in_range(longest, 0, n / 64 + 1);

    shm_assert(shm);
    shm_destroy(shm);
}


/* --- nginx's side of it --------------------------------------------------- */

static ngx_cycle_t *
new_cycle(void)
{
    ngx_pool_t   *pool;
    ngx_cycle_t  *cycle;

    shm_init();

    pool = ngx_create_pool(4096, &shm_log);
    assert_non_null(pool);

    cycle = ngx_pcalloc(pool, sizeof(ngx_cycle_t));
    assert_non_null(cycle);

    cycle->pool = pool;
    cycle->log = &shm_log;

    assert_int_equal(ngx_list_init(&cycle->shared_memory, pool, 1,
                                   sizeof(ngx_shm_zone_t)),
                     NGX_OK);

    return cycle;
}


static ngx_int_t
add_zone(ngx_cycle_t *cycle, ngx_neon_conf_t *conf, const char *name)
{
    ngx_conf_t         cf;
    ngx_conf_file_t    file;

    static ngx_uint_t  tag;

    memset(&cf, 0, sizeof(cf));
    memset(&file, 0, sizeof(file));

    file.file.fd = NGX_INVALID_FILE;

    cf.cycle = cycle;
    cf.pool = cycle->pool;
    cf.log = &shm_log;
    cf.conf_file = &file;

    ngx_str_set(&conf->name, "test");
    conf->zone_name.data = (u_char *) name;
    conf->zone_name.len = strlen(name);
    conf->zone_size = 1024 * 1024;
    conf->file = (u_char *) "nginx.conf";
    conf->line = 1;

    return ngx_neon_zone_add(&cf, conf, &tag);
}


/* as ngx_init_cycle() does it with a zone that is new */

static void
map_zone(ngx_shm_zone_t *zone)
{
    ngx_slab_pool_t  *pool;

    zone->shm.log = &shm_log;
    assert_int_equal(ngx_shm_alloc(&zone->shm), NGX_OK);

    pool = (ngx_slab_pool_t *) zone->shm.addr;
    pool->end = zone->shm.addr + zone->shm.size;
    pool->min_shift = 3;
    pool->addr = zone->shm.addr;

    assert_int_equal(ngx_shmtx_create(&pool->mutex, &pool->lock, NULL),
                     NGX_OK);
    ngx_slab_init(pool);
}


static void
test_add_twice(void **state)
{
    ngx_cycle_t      *cycle;
    ngx_neon_conf_t   one, two;

    memset(&one, 0, sizeof(one));
    memset(&two, 0, sizeof(two));

    cycle = new_cycle();

    assert_int_equal(add_zone(cycle, &one, "main"), NGX_OK);
    assert_int_equal(add_zone(cycle, &two, "other"), NGX_OK);
    assert_ptr_not_equal(one.zone, two.zone);
    assert_int_equal(shm_logged, 0);

    assert_int_equal(add_zone(cycle, &two, "main"), NGX_ERROR);
    assert_int_equal(shm_logged, 1);
    shm_logged = 0;

    ngx_destroy_pool(cycle->pool);
}


static void
test_reload(void **state)
{
    uint64_t                generation;
    ngx_uint_t              i;
    neon_str_t              secret;
    ngx_cycle_t            *cycle, *cycle2;
    ngx_neon_key_t          key;
    ngx_neon_conf_t         conf, conf2;
    ngx_neon_zone_t        *zone, *zone2;
    ngx_neon_lru_t         *lru;
    ngx_neon_lru_value_t    value;

    shm_mode = SHM_SLAB;
    memset(&conf, 0, sizeof(conf));
    memset(&conf2, 0, sizeof(conf2));

    cycle = new_cycle();
    conf.node_cache.size = 10;
    conf.secret_cache.size = 0;

    assert_int_equal(add_zone(cycle, &conf, "main"), NGX_OK);
    map_zone(conf.zone);
    assert_int_equal(conf.zone->init(conf.zone, NULL), NGX_OK);

    zone = ngx_neon_zone(&conf);
    lru = &zone->sh->cache[NGX_NEON_CACHE_NODE];

    assert_string_equal((char *) zone->shpool->log_ctx,
                        " in neon zone \"main\"");
    assert_int_equal(zone->shpool->log_nomem, 0);
    assert_int_equal(lru->table.mask + 1, 16);
    assert_int_equal(zone->sh->cache[NGX_NEON_CACHE_SECRET].table.mask + 1, 1);
    assert_null(zone->slot);

    for (i = 0; i < 40; i++) {
        key = ngx_neon_lru_key(zone, neon_str(&i, sizeof(i)));
        assert_int_equal(ngx_neon_lru_insert(zone, lru, &key,
                                       neon_str("value", 5), 0, 1000, 0,
                                       &policy, &generation),
                         NGX_OK);
    }

    /* a reload with a larger cache; the old workers are still there */

    cycle2 = new_cycle();
    conf2.node_cache.size = 100;
    conf2.secret_cache.size = 1000000000;

    assert_int_equal(add_zone(cycle2, &conf2, "main"), NGX_OK);
    conf2.zone->shm = conf.zone->shm;
    assert_int_equal(conf2.zone->init(conf2.zone, conf.zone->data), NGX_OK);

    zone2 = ngx_neon_zone(&conf2);
    assert_ptr_not_equal(zone2, zone);
    assert_ptr_equal(zone2->sh, zone->sh);
    assert_ptr_equal(zone2->shpool, zone->shpool);
    assert_null(zone2->slot);

    secret = ngx_neon_zone_secret(&conf2);
    assert_int_equal(secret.len, NGX_NEON_ZONE_SECRET);
    assert_ptr_equal(secret.data, zone->sh->secret);

    assert_int_equal(lru->table.mask + 1, 128);
    assert_int_equal(zone->sh->cache[NGX_NEON_CACHE_SECRET].table.mask + 1,
                     1024);

    value.data = buffer;

    for (i = 0; i < 40; i++) {
        key = ngx_neon_lru_key(i % 2 ? zone : zone2, neon_str(&i, sizeof(i)));
        assert_int_equal(ngx_neon_lru_get(i % 2 ? zone2 : zone, lru, &key, 0,
                                          &policy, &value),
                         NGX_NEON_LRU_HIT);
    }

    assert_int_equal(shm_logged, 0);
    assert_null(shm_slab_fault(zone->shpool));

    /* the layout of another build is refused */

    zone->sh->size++;
    assert_int_equal(conf2.zone->init(conf2.zone, conf.zone->data), NGX_ERROR);
    zone->sh->size--;
    zone->sh->magic++;
    assert_int_equal(conf2.zone->init(conf2.zone, conf.zone->data), NGX_ERROR);

    assert_int_equal(shm_logged, 2);
    shm_logged = 0;

    ngx_shmtx_destroy(&zone->shpool->mutex);
    ngx_shm_free(&conf.zone->shm);
    ngx_destroy_pool(cycle->pool);
    ngx_destroy_pool(cycle2->pool);
}


/* one that is too small is refused, and nothing else happens */

static void
test_too_small(void **state)
{
    size_t            size;
    ngx_int_t         rc;
    ngx_cycle_t      *cycle;
    ngx_neon_conf_t   conf;

    shm_mode = SHM_SLAB;
    memset(&conf, 0, sizeof(conf));
    conf.node_cache.size = 4000;
    conf.secret_cache.size = 10000;

    cycle = new_cycle();
    assert_int_equal(add_zone(cycle, &conf, "main"), NGX_OK);

    rc = NGX_ERROR;

    for (size = 3; rc != NGX_OK && size < 64; size++) {
        conf.zone->shm.size = size * ngx_pagesize;
        map_zone(conf.zone);

        rc = conf.zone->init(conf.zone, NULL);
        assert_int_equal(shm_logged, rc != NGX_OK);

        shm_logged = 0;
        ngx_shm_free(&conf.zone->shm);
    }

    assert_int_equal(rc, NGX_OK);
    print_message("# smallest zone: %d pages\n", (int) size - 1);

    ngx_destroy_pool(cycle->pool);
}


static void
test_hash(void **state)
{
    shm_t       *one, *two;
    uint64_t     hash;
    neon_str_t   parts[2], whole;

    shm_mode = SHM_SLAB;
    one = shm_create(256 * 1024, 1, 1);
    two = shm_create(256 * 1024, 1, 1);

    parts[0] = neon_str("ab", 2);
    parts[1] = neon_str("cdef", 4);
    whole = neon_str("abcdef", 6);

    hash = ngx_neon_zone_hash(&one->zone[0], parts, 2);

    assert_int_equal(hash, ngx_neon_zone_hash(&one->zone[0], &whole, 1));
    assert_int_equal(hash, neon_hash(one->zone[0].sh->secret, &whole, 1));
    assert_int_equal(hash, shm_key(one, "abcdef").hash);

    /* nobody outside knows it */
    assert_int_not_equal(hash, ngx_neon_zone_hash(&two->zone[0], &whole, 1));

    shm_destroy(one);
    shm_destroy(two);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_who_makes_room),
        cmocka_unit_test(test_other_sizes),
        cmocka_unit_test(test_add_twice),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_too_small),
        cmocka_unit_test(test_hash)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
