/*
 * The timed LRU beside a model of it: an array that is searched from end to
 * end.  Random operations, and no difference in any answer, value, counter or
 * in the order of use.
 *
 * Where the zone is too small, entries go to make room.  How many is for the
 * slab to say; that they are the least recently used ones is for the model.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"


#define KEYS   100
#define STEPS  10000000
#define CHECK  500                    /* steps from one full look to the next */
#define POOL   (2 * NGX_NEON_LRU_VALUE_MAX)


typedef struct {
    ngx_uint_t              present;
    uint64_t                generation;
    ngx_msec_t              since;
    ngx_msec_t              ttl;
    ngx_uint_t              flags;
    neon_str_t              value;
    uint64_t                used;             /* greater: later */
} entry_t;


typedef struct {
    entry_t                 entry[KEYS];
    ngx_uint_t              count;
    ngx_neon_lru_stats_t    stats;
    ngx_neon_lru_policy_t   policy;
    ngx_neon_lru_t         *lru;
} cache_t;


static shm_t            *shm;
static ngx_neon_zone_t  *zone;
static ngx_neon_key_t    keys[KEYS];
static u_char            names[KEYS][64];
static cache_t           caches[NGX_NEON_CACHES];

static ngx_msec_t        now;
static uint64_t          random_state, used, generation, token;
static ngx_uint_t        tiny, failed;

static u_char            pool[POOL];          /* values are parts of it */
static u_char            buffer[NGX_NEON_LRU_VALUE_MAX];


static ngx_uint_t
draw(ngx_uint_t n)
{
    return shm_random(&random_state) % n;
}


/* --- the model ------------------------------------------------------------ */

static void
drop(cache_t *c, entry_t *e)
{
    e->present = 0;
    c->count--;
}


static void
evict(cache_t *c)
{
    ngx_uint_t   i;
    entry_t     *e, *last;

    last = NULL;

    for (i = 0; i < KEYS; i++) {
        e = &c->entry[i];

        if (e->present && (last == NULL || e->used < last->used)) {
            last = e;
        }
    }

    assert_non_null(last);
    drop(c, last);
}


static ngx_uint_t
over(ngx_msec_t time)
{
    return (int64_t) (time - now) <= 0;
}


static ngx_msec_t
expires(cache_t *c, entry_t *e)
{
    ngx_msec_t  ttl;

    ttl = e->ttl;

    if (e->flags & NGX_NEON_LRU_NEGATIVE) {
        ttl = ngx_min(ttl, c->policy.negative);

    } else if (!(e->flags & NGX_NEON_LRU_ERROR)) {
        ttl = ngx_min(ttl, c->policy.ttl);
    }

    return e->since + ttl;
}


static ngx_neon_lru_e
model_get(cache_t *c, entry_t *e)
{
    if (c->policy.size == 0) {
        return NGX_NEON_LRU_MISS;
    }

    if (!e->present) {
        c->stats.miss++;
        return NGX_NEON_LRU_MISS;
    }

    if (over(expires(c, e))) {
        c->stats.expired++;

        if ((e->flags & NGX_NEON_LRU_ERROR)
            || over(expires(c, e) + c->policy.stale))
        {
            drop(c, e);
        }

        return NGX_NEON_LRU_EXPIRED;
    }

    if (e->flags & NGX_NEON_LRU_IDLE) {
        e->since = now;
        e->ttl = c->policy.ttl;
    }

    e->used = ++used;
    c->stats.hit++;

    return NGX_NEON_LRU_HIT;
}


static ngx_int_t
model_get_stale(cache_t *c, entry_t *e)
{
    if (c->policy.size == 0
        || !e->present
        || (e->flags & NGX_NEON_LRU_ERROR)
        || over(expires(c, e) + c->policy.stale))
    {
        return NGX_DECLINED;
    }

    e->used = ++used;
    c->stats.stale++;

    return NGX_OK;
}


/* up to the allocation */

static ngx_int_t
model_room(cache_t *c, entry_t *e, size_t len)
{
    ngx_uint_t  n;

    if (e->present) {
        drop(c, e);
    }

    if (c->policy.size == 0 || len > NGX_NEON_LRU_VALUE_MAX) {
        return NGX_DECLINED;
    }

    for (n = 0; n < 8 && c->count >= c->policy.size; n++) {
        evict(c);
        c->stats.evicted_size++;
    }

    return NGX_OK;
}


/* what went to make room: first of the cache itself */

static void
model_memory(cache_t *c)
{
    cache_t     *other;
    ngx_uint_t   i, n, gone[NGX_NEON_CACHES];

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        other = &caches[i];

        gone[i] = other->lru->stats.evicted_memory
                  - other->stats.evicted_memory;
        other->stats.evicted_memory += gone[i];

        for (n = 0; n < gone[i]; n++) {
            evict(other);
        }

        assert_true(tiny || gone[i] == 0);
    }

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        assert_true(gone[i] == 0 || &caches[i] == c || c->count == 0);
    }
}


/* --- the steps ------------------------------------------------------------ */

static void
same_value(cache_t *c, entry_t *e, const ngx_neon_lru_value_t *v)
{
    assert_int_equal(v->len, e->value.len);
    assert_int_equal(ngx_memcmp(v->data, e->value.data, v->len), 0);
    assert_int_equal(v->generation, e->generation);
    assert_int_equal(v->flags, e->flags);
    assert_int_equal(v->left, over(expires(c, e)) ? 0 : expires(c, e) - now);
    assert_int_equal(v->age, over(e->since) ? now - e->since : 0);

    if (draw(8) == 0) {
        token = v->generation;
    }
}


static void
step_get(cache_t *c, ngx_uint_t k)
{
    ngx_neon_lru_e        rc;
    ngx_neon_lru_value_t  v;

    v.data = buffer;
    rc = ngx_neon_lru_get(zone, c->lru, &keys[k], now, &c->policy, &v);

    assert_int_equal(rc, model_get(c, &c->entry[k]));

    if (rc == NGX_NEON_LRU_HIT) {
        same_value(c, &c->entry[k], &v);
    }
}


static void
step_get_stale(cache_t *c, ngx_uint_t k)
{
    ngx_int_t             rc;
    ngx_neon_lru_value_t  v;

    v.data = buffer;
    rc = ngx_neon_lru_get_stale(zone, c->lru, &keys[k], now, &c->policy, &v);

    assert_int_equal(rc, model_get_stale(c, &c->entry[k]));

    if (rc == NGX_OK) {
        same_value(c, &c->entry[k], &v);
    }
}


static void
step_insert(cache_t *c, ngx_uint_t k)
{
    entry_t      *e;
    uint64_t      g;
    ngx_int_t     rc, expected;
    ngx_msec_t    ttl;
    ngx_uint_t    flags;
    neon_str_t    value;

    value.len = draw(tiny ? 50 : 2000) ? draw(250)
                                       : draw(NGX_NEON_LRU_VALUE_MAX + 3);
    value.data = pool + draw(POOL - value.len);
    flags = draw(8);
    ttl = draw(60);

    rc = ngx_neon_lru_insert(zone, c->lru, &keys[k], value, flags, ttl, now,
                             &c->policy, &g);

    e = &c->entry[k];
    expected = model_room(c, e, value.len);
    model_memory(c);

    if (tiny && expected == NGX_OK && rc == NGX_ERROR) {
        failed++;
        assert_int_equal(g, 0);
        return;
    }

    assert_int_equal(rc, expected);

    if (rc != NGX_OK) {
        assert_int_equal(g, 0);
        return;
    }

    e->present = 1;
    e->generation = ++generation;
    e->since = now;
    e->ttl = ttl;
    e->flags = flags;
    e->value = value;
    e->used = ++used;

    c->count++;
    c->stats.inserted++;

    assert_int_equal(g, e->generation);
}


static void
step_invalidate(cache_t *c, ngx_uint_t k)
{
    entry_t    *e;
    uint64_t    t;
    ngx_int_t   expected;

    e = &c->entry[k];

    switch (draw(4)) {
    case 0:
        t = token;                    /* of some look-up, perhaps long ago */
        break;
    case 1:
        t = e->generation - 1;
        break;
    case 2:
        t = draw(generation + 2);
        break;
    default:
        t = e->generation;
    }

    expected = NGX_DECLINED;

    if (e->present && e->generation <= t) {
        drop(c, e);
        c->stats.invalidated++;
        expected = NGX_OK;
    }

    assert_int_equal(ngx_neon_lru_invalidate(zone, c->lru, &keys[k], t),
                     expected);
}


/* a configuration's */

static void
step_reload(cache_t *c)
{
    c->policy.size = draw(8) == 0 ? 0 : tiny ? 1000 : draw(KEYS + 10);
    c->policy.ttl = draw(60);
    c->policy.negative = draw(60);
    c->policy.stale = draw(3) ? draw(40) : 0;

    if (draw(4) == 0 && !tiny) {
        ngx_neon_zone_lock(zone);
        ngx_neon_table_grow(&c->lru->table, shm->pool,
                            ngx_min(c->policy.size, 64));
        ngx_neon_zone_unlock(zone);
    }
}


static void
step(void)
{
    cache_t     *c;
    ngx_uint_t   k, n;

    c = &caches[draw(NGX_NEON_CACHES)];
    k = draw(8) ? draw(KEYS / 4) : draw(KEYS);
    n = draw(1000);

    if (n < 450) {
        step_get(c, k);

    } else if (n < 550) {
        step_get_stale(c, k);

    } else if (n < 800) {
        step_insert(c, k);

    } else if (n < 900) {
        step_invalidate(c, k);

    } else if (n < 995) {
        now += draw(4);

    } else if (n < 999) {
        now -= draw(3);

    } else {
        step_reload(c);
    }
}


/* --- the full look -------------------------------------------------------- */

static void
same_entry(void *data, const ngx_neon_key_t *key, neon_str_t value,
    ngx_uint_t flags, ngx_msec_int_t left)
{
    cache_t   *c;
    entry_t   *e;
    uint64_t  *last;

    void  **args;

    args = data;
    c = args[0];
    last = args[1];

    e = &c->entry[key->name.data[0]];

    assert_int_equal(key->name.len, keys[e - c->entry].name.len);
    assert_true(key->hash == keys[e - c->entry].hash);
    assert_true(e->present);
    assert_true(e->used < *last);
    assert_int_equal(value.len, e->value.len);
    assert_int_equal(ngx_memcmp(value.data, e->value.data, value.len), 0);
    assert_int_equal(flags, e->flags);
    assert_int_equal(left, (ngx_msec_int_t) (expires(c, e) - now));

    *last = e->used;
}


static void
look(void)
{
    void        *args[2];
    cache_t     *c;
    uint64_t     last;
    ngx_uint_t   i;

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        c = &caches[i];

        assert_int_equal(c->lru->table.count, c->count);
        assert_memory_equal(&c->lru->stats, &c->stats, sizeof(c->stats));

        last = (uint64_t) -1;
        args[0] = c;
        args[1] = &last;

        ngx_neon_lru_visit(zone, c->lru, KEYS + 1, now, &c->policy, same_entry,
                           args);
    }

    shm_assert(shm);
    assert_int_equal(zone->sh->generation, generation);
}


static void
run(size_t size, ngx_uint_t steps)
{
    size_t      len;
    ngx_uint_t  i, n, live;

    shm = shm_create(size, 4, 4);
    zone = &shm->zone[0];
    live = shm_live;

    memset(caches, 0, sizeof(caches));

    now = 1000000;
    random_state = shm_seed();
    generation = 0;
    token = 0;
    failed = 0;

    for (i = 0; i < POOL; i++) {
        pool[i] = (u_char) draw(256);
    }

    for (i = 0; i < KEYS; i++) {
        len = 1 + draw(60);
        memset(names[i], 'k', len);
        names[i][0] = (u_char) i;

        keys[i] = ngx_neon_lru_key(zone, neon_str(names[i], len));

        if (i % 3 == 0) {
            keys[i].hash %= 8;        /* some are equal */
        }
    }

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        caches[i].lru = &zone->sh->cache[i];
        caches[i].policy.size = tiny ? 1000 : 30;
        caches[i].policy.ttl = 50;
    }

    for (n = 0; n < steps; n++) {
        step();

        if (n % CHECK == 0) {
            look();
        }
    }

    look();

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        print_message("# %llu steps: %llu hits, %llu misses, %llu expired,"
                      " %llu stale, %llu inserted, %llu invalidated,"
                      " evicted %llu by size, %llu for memory, %llu had no"
                      " room\n",
                      (unsigned long long) steps,
                      (unsigned long long) caches[i].stats.hit,
                      (unsigned long long) caches[i].stats.miss,
                      (unsigned long long) caches[i].stats.expired,
                      (unsigned long long) caches[i].stats.stale,
                      (unsigned long long) caches[i].stats.inserted,
                      (unsigned long long) caches[i].stats.invalidated,
                      (unsigned long long) caches[i].stats.evicted_size,
                      (unsigned long long) caches[i].stats.evicted_memory,
                      (unsigned long long) failed);
    }

    /* nothing was lost on the way */

    ngx_neon_zone_lock(zone);

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        while (ngx_neon_lru_evict_locked(caches[i].lru, shm->pool) == NGX_OK) {
            caches[i].count--;
        }

        assert_int_equal(caches[i].count, 0);
    }

    ngx_neon_zone_unlock(zone);

    assert_int_equal(shm_live, live);
    shm_assert(shm);
    shm_destroy(shm);
}


static void
test_large_zone(void **state)
{
    tiny = 0;
    shm_mode = SHM_SLAB;

    run(32 * 1024 * 1024, shm_number("NEON_STEPS", STEPS));
}


static void
test_over_malloc(void **state)
{
    tiny = 0;
    shm_mode = SHM_MALLOC;
    shm_budget = 32 * 1024 * 1024;

    run(256 * 1024, shm_number("NEON_STEPS", STEPS));
}


static void
test_tiny_zone(void **state)
{
    tiny = 1;
    shm_mode = SHM_SLAB;

    run(80 * 1024, shm_number("NEON_STEPS", STEPS));

    assert_true(caches[0].stats.evicted_memory > 0);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_zone),
        cmocka_unit_test(test_over_malloc),
        cmocka_unit_test(test_tiny_zone)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
