/*
 * The timed LRU's contract, over the slab and over malloc().
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"


#define KEY_MAX    NGX_NEON_LRU_KEY_MAX
#define VALUE_MAX  NGX_NEON_LRU_VALUE_MAX


static shm_t                  *shm;
static ngx_neon_zone_t        *zone;
static ngx_neon_lru_t         *lru;
static ngx_neon_lru_policy_t   policy;
static ngx_neon_lru_value_t    value;
static uint64_t                generation;
static u_char                  buffer[VALUE_MAX + 1];


static int
setup(void **state)
{
    shm_mode = *(shm_mode_e *) *state;
    shm_budget = 1 << 20;

    shm = shm_create(1 << 20, 64, 64);
    zone = &shm->zone[0];
    lru = &zone->sh->cache[NGX_NEON_CACHE_NODE];

    policy.size = 100;
    policy.ttl = 1000;
    policy.stale = 0;
    policy.negative = 0;

    memset(&value, 0, sizeof(value));
    value.data = buffer;

    return 0;
}


static int
teardown(void **state)
{
    shm_assert(shm);
    shm_destroy(shm);

    return 0;
}


static ngx_int_t
put(const char *name, const char *text, ngx_uint_t flags, ngx_msec_t ttl,
    ngx_msec_t now)
{
    ngx_int_t       rc;
    ngx_neon_key_t  key;

    key = shm_key(shm, name);

    rc = ngx_neon_lru_insert(zone, lru, &key, neon_str(text, strlen(text)),
                             flags, ttl, now, &policy, &generation);

    assert_int_equal(generation != 0, rc == NGX_OK);

    return rc;
}


static ngx_neon_lru_e
get(const char *name, ngx_msec_t now)
{
    ngx_neon_key_t  key;

    key = shm_key(shm, name);
    memset(buffer, 0xee, sizeof(buffer));

    return ngx_neon_lru_get(zone, lru, &key, now, &policy, &value);
}


static ngx_int_t
get_stale(const char *name, ngx_msec_t now)
{
    ngx_neon_key_t  key;

    key = shm_key(shm, name);
    memset(buffer, 0xee, sizeof(buffer));

    return ngx_neon_lru_get_stale(zone, lru, &key, now, &policy, &value);
}


static ngx_int_t
invalidate(const char *name, uint64_t token)
{
    ngx_neon_key_t  key;

    key = shm_key(shm, name);

    return ngx_neon_lru_invalidate(zone, lru, &key, token);
}


static void
assert_value(const char *text)
{
    assert_int_equal(value.len, strlen(text));
    assert_memory_equal(value.data, text, value.len);
    assert_int_equal(value.data[value.len], 0xee);
}


static void
test_hit_and_miss(void **state)
{
    uint64_t    first;
    ngx_uint_t  live;

    live = shm_live;

    assert_int_equal(get("a", 0), NGX_NEON_LRU_MISS);
    assert_int_equal(put("a", "one", 0, 500, 100), NGX_OK);
    assert_int_equal(shm_live, live + 1);

    first = generation;

    assert_int_equal(get("a", 200), NGX_NEON_LRU_HIT);
    assert_value("one");
    assert_int_equal(value.left, 400);
    assert_int_equal(value.flags, 0);
    assert_int_equal(value.generation, first);

    assert_int_equal(get("b", 200), NGX_NEON_LRU_MISS);
    assert_int_equal(get("aa", 200), NGX_NEON_LRU_MISS);
    assert_int_equal(get("", 200), NGX_NEON_LRU_MISS);

    /* another value in its place */

    assert_int_equal(put("a", "another one", NGX_NEON_LRU_ERROR, 500, 300),
                     NGX_OK);
    assert_true(generation > first);
    assert_int_equal(shm_live, live + 1);
    assert_int_equal(lru->table.count, 1);

    assert_int_equal(get("a", 300), NGX_NEON_LRU_HIT);
    assert_value("another one");
    assert_int_equal(value.left, 500);
    assert_int_equal(value.flags, NGX_NEON_LRU_ERROR);
    assert_int_equal(value.generation, generation);

    assert_int_equal(lru->stats.hit, 2);
    assert_int_equal(lru->stats.miss, 4);
    assert_int_equal(lru->stats.inserted, 2);
    assert_int_equal(lru->stats.expired, 0);
    assert_int_equal(lru->stats.evicted_size, 0);
    assert_int_equal(lru->stats.evicted_memory, 0);
    assert_int_equal(lru->stats.invalidated, 0);

    /* the caches do not know each other */

    lru = &zone->sh->cache[NGX_NEON_CACHE_SECRET];
    assert_int_equal(get("a", 300), NGX_NEON_LRU_MISS);
}


static void
test_absolute_time(void **state)
{
    assert_int_equal(put("a", "x", 0, 500, 100), NGX_OK);

    assert_int_equal(get("a", 100), NGX_NEON_LRU_HIT);
    assert_int_equal(get("a", 400), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 200);
    assert_int_equal(get("a", 599), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 1);
    assert_int_equal(get("a", 600), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get("a", 600), NGX_NEON_LRU_MISS);
}


/* a hit restarts the time, with what the policy says now */

static void
test_idle_time(void **state)
{
    assert_int_equal(put("a", "x", NGX_NEON_LRU_IDLE, 500, 100), NGX_OK);

    assert_int_equal(get("a", 599), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 1000);
    assert_int_equal(value.flags, NGX_NEON_LRU_IDLE);

    assert_int_equal(get("a", 1598), NGX_NEON_LRU_HIT);
    assert_int_equal(get("a", 2597), NGX_NEON_LRU_HIT);

    policy.ttl = 10;
    assert_int_equal(get("a", 2598), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 10);

    assert_int_equal(get("a", 2608), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get("a", 2608), NGX_NEON_LRU_MISS);
}


/* the clocks of workers are not the same to the millisecond */

static void
test_signed_time(void **state)
{
    assert_int_equal(put("a", "x", 0, 10, 0), NGX_OK);
    assert_int_equal(get("a", (ngx_msec_t) -5), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 15);

    assert_int_equal(put("a", "x", 0, 10, (ngx_msec_t) -5), NGX_OK);
    assert_int_equal(get("a", 4), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 1);
    assert_int_equal(get("a", 5), NGX_NEON_LRU_EXPIRED);

    assert_int_equal(put("a", "x", 0, 10, 1000), NGX_OK);
    assert_int_equal(get("a", 500), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 510);

    policy.stale = 10;
    assert_int_equal(put("a", "x", 0, 10, (ngx_msec_t) -15), NGX_OK);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get_stale("a", 4), NGX_OK);
    assert_int_equal(get_stale("a", 5), NGX_DECLINED);
}


static void
test_expired_is_removed(void **state)
{
    ngx_uint_t  live;

    live = shm_live;

    assert_int_equal(put("a", "x", 0, 500, 0), NGX_OK);

    /* others do not touch it */

    assert_int_equal(get("b", 600), NGX_NEON_LRU_MISS);
    assert_int_equal(put("b", "y", 0, 500, 600), NGX_OK);
    assert_int_equal(lru->table.count, 2);

    assert_int_equal(get("a", 600), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(lru->table.count, 1);
    assert_int_equal(shm_live, live + 1);
    assert_int_equal(get("a", 600), NGX_NEON_LRU_MISS);

    assert_int_equal(lru->stats.expired, 1);
    assert_int_equal(lru->stats.miss, 2);

    /* a time of 0 is over at once */

    assert_int_equal(put("a", "x", 0, 0, 0), NGX_OK);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_EXPIRED);
}


static void
test_stale(void **state)
{
    uint64_t  token;

    policy.stale = 100;

    assert_int_equal(get_stale("a", 0), NGX_DECLINED);
    assert_int_equal(put("a", "x", 0, 500, 0), NGX_OK);

    token = generation;

    /* valid; expired, again and again; expired for too long */

    assert_int_equal(get_stale("a", 499), NGX_OK);
    assert_value("x");
    assert_int_equal(value.left, 1);

    assert_int_equal(get("a", 500), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get("a", 599), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(lru->table.count, 1);

    assert_int_equal(get_stale("a", 599), NGX_OK);
    assert_value("x");
    assert_int_equal(value.left, 0);
    assert_int_equal(value.generation, token);

    assert_int_equal(get_stale("a", 600), NGX_DECLINED);
    assert_int_equal(get("a", 600), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(lru->table.count, 0);
    assert_int_equal(get("a", 600), NGX_NEON_LRU_MISS);
    assert_int_equal(get_stale("a", 0), NGX_DECLINED);

    assert_int_equal(lru->stats.stale, 2);
    assert_int_equal(lru->stats.expired, 3);
    assert_int_equal(lru->stats.hit, 0);

    /* to be had stale does not prolong the idle time */

    assert_int_equal(put("a", "x", NGX_NEON_LRU_IDLE, 500, 0), NGX_OK);
    assert_int_equal(get_stale("a", 550), NGX_OK);
    assert_int_equal(get("a", 550), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get_stale("a", 600), NGX_DECLINED);

    /* after a reload that turned it off */

    assert_int_equal(put("a", "x", 0, 500, 0), NGX_OK);
    policy.stale = 0;
    assert_int_equal(get_stale("a", 499), NGX_OK);
    assert_int_equal(get_stale("a", 500), NGX_DECLINED);
    assert_int_equal(get("a", 500), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(lru->table.count, 0);
}


/* after a reload with a shorter time: it holds for what is there */

static void
test_shorter(void **state)
{
    assert_int_equal(put("a", "x", 0, 1000, 100), NGX_OK);
    assert_int_equal(put("i", "x", NGX_NEON_LRU_IDLE, 1000, 100), NGX_OK);
    assert_int_equal(put("e", "no", NGX_NEON_LRU_ERROR, 1000, 100), NGX_OK);

    policy.negative = 1000;
    assert_int_equal(put("n", "no", NGX_NEON_LRU_NEGATIVE, 1000, 100), NGX_OK);
    assert_int_equal(put("r", "no", NGX_NEON_LRU_NEGATIVE|NGX_NEON_LRU_ERROR,
                         1000, 100), NGX_OK);

    policy.ttl = 300;

    assert_int_equal(get("a", 399), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 1);
    assert_int_equal(value.age, 299);
    assert_int_equal(get("a", 400), NGX_NEON_LRU_EXPIRED);

    assert_int_equal(get("i", 399), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 300);
    assert_int_equal(value.age, 0);
    assert_int_equal(get("i", 698), NGX_NEON_LRU_HIT);
    assert_int_equal(get("i", 998), NGX_NEON_LRU_EXPIRED);

    assert_int_equal(get("n", 600), NGX_NEON_LRU_HIT);
    assert_int_equal(get("r", 600), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 500);

    policy.negative = 500;

    assert_int_equal(get("n", 600), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get("r", 600), NGX_NEON_LRU_EXPIRED);

    /* a time that was said with it */

    policy.negative = 0;

    assert_int_equal(get("e", 1099), NGX_NEON_LRU_HIT);
    assert_int_equal(value.left, 1);
    assert_int_equal(get("e", 1100), NGX_NEON_LRU_EXPIRED);

    /* a longer one gives it no more than it had */

    assert_int_equal(put("a", "x", 0, 300, 0), NGX_OK);
    policy.ttl = 1000;
    assert_int_equal(get("a", 299), NGX_NEON_LRU_HIT);
    assert_int_equal(get("a", 300), NGX_NEON_LRU_EXPIRED);

    /* behind a shorter time, stale as long as it would have been */

    assert_int_equal(put("a", "x", 0, 1000, 0), NGX_OK);
    policy.ttl = 300;
    policy.stale = 100;
    assert_int_equal(get("a", 300), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get_stale("a", 399), NGX_OK);
    assert_int_equal(value.left, 0);
    assert_int_equal(value.age, 399);
    assert_int_equal(get_stale("a", 400), NGX_DECLINED);

    /* a clock that went back */

    policy.stale = 0;
    assert_int_equal(put("a", "x", 0, 300, 100), NGX_OK);
    assert_int_equal(get("a", 90), NGX_NEON_LRU_HIT);
    assert_int_equal(value.age, 0);
}


/* as invalidated, but for those who may have it stale */

static void
test_expire(void **state)
{
    uint64_t        first;
    ngx_neon_key_t  key;

    policy.stale = 100;
    key = shm_key(shm, "a");

    assert_int_equal(ngx_neon_lru_expire(zone, lru, &key, 1000, 0),
                     NGX_DECLINED);

    assert_int_equal(put("a", "x", 0, 500, 100), NGX_OK);
    first = generation;
    assert_int_equal(put("a", "y", 0, 500, 100), NGX_OK);

    assert_int_equal(ngx_neon_lru_expire(zone, lru, &key, first, 200),
                     NGX_DECLINED);
    assert_int_equal(get("a", 200), NGX_NEON_LRU_HIT);
    assert_int_equal(lru->stats.invalidated, 0);

    assert_int_equal(ngx_neon_lru_expire(zone, lru, &key, generation, 200),
                     NGX_OK);
    assert_int_equal(ngx_neon_lru_expire(zone, lru, &key, generation, 250),
                     NGX_DECLINED);
    assert_int_equal(lru->stats.invalidated, 1);
    assert_int_equal(ngx_neon_lru_generation(zone, lru, &key, 200), 0);

    assert_int_equal(get("a", 200), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get_stale("a", 299), NGX_OK);
    assert_value("y");
    assert_int_equal(get_stale("a", 300), NGX_DECLINED);
    assert_int_equal(get("a", 300), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(get("a", 300), NGX_NEON_LRU_MISS);

    /* what is over already stays as it is; a clock that went back */

    assert_int_equal(put("a", "x", 0, 500, 100), NGX_OK);
    assert_int_equal(ngx_neon_lru_expire(zone, lru, &key, generation, 600),
                     NGX_DECLINED);
    assert_int_equal(get_stale("a", 699), NGX_OK);
    assert_int_equal(ngx_neon_lru_expire(zone, lru, &key, generation, 90),
                     NGX_OK);
    assert_int_equal(get("a", 100), NGX_NEON_LRU_EXPIRED);
}


static void
test_errors_are_never_stale(void **state)
{
    policy.stale = 100;

    assert_int_equal(put("a", "no", NGX_NEON_LRU_ERROR, 500, 0), NGX_OK);
    assert_int_equal(get("a", 499), NGX_NEON_LRU_HIT);
    assert_int_equal(get_stale("a", 499), NGX_DECLINED);
    assert_int_equal(get_stale("a", 500), NGX_DECLINED);
    assert_int_equal(lru->stats.stale, 0);

    assert_int_equal(get("a", 500), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(lru->table.count, 0);
}


static void
test_eviction_by_size(void **state)
{
    policy.size = 3;

    assert_int_equal(put("a", "1", 0, 1000, 0), NGX_OK);
    assert_int_equal(put("b", "2", 0, 1000, 0), NGX_OK);
    assert_int_equal(put("c", "3", 0, 1000, 0), NGX_OK);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_HIT);

    assert_int_equal(put("d", "4", 0, 1000, 0), NGX_OK);
    assert_int_equal(get("b", 0), NGX_NEON_LRU_MISS);
    assert_int_equal(lru->stats.evicted_size, 1);

    /* one in its own place evicts nobody, and is the last used then */

    assert_int_equal(put("c", "5", 0, 1000, 0), NGX_OK);
    assert_int_equal(lru->stats.evicted_size, 1);
    assert_int_equal(put("e", "6", 0, 1000, 0), NGX_OK);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_MISS);
    assert_int_equal(get("d", 0), NGX_NEON_LRU_HIT);
    assert_int_equal(get("c", 0), NGX_NEON_LRU_HIT);
    assert_value("5");

    /* that others are over does not save the least recently used one */

    assert_int_equal(put("e", "7", 0, 10, 0), NGX_OK);
    assert_int_equal(put("f", "8", 0, 1000, 500), NGX_OK);
    assert_int_equal(get("d", 500), NGX_NEON_LRU_MISS);
    assert_int_equal(get("c", 500), NGX_NEON_LRU_HIT);

    /* neither a miss nor an expired look-up is a use, a stale one is */

    policy.stale = 10000;
    assert_int_equal(get("e", 500), NGX_NEON_LRU_EXPIRED);
    assert_int_equal(put("g", "9", 0, 1000, 500), NGX_OK);
    assert_int_equal(get_stale("e", 500), NGX_DECLINED);

    assert_int_equal(get_stale("f", 500), NGX_OK);
    assert_int_equal(put("h", "0", 0, 1000, 500), NGX_OK);
    assert_int_equal(get("c", 500), NGX_NEON_LRU_MISS);
    assert_int_equal(get("f", 500), NGX_NEON_LRU_HIT);

    assert_int_equal(lru->table.count, 3);
    assert_int_equal(lru->stats.evicted_size, 5);
    assert_int_equal(lru->stats.evicted_memory, 0);
}


/* a reload made it smaller: some go with each insert */

static void
test_smaller_size(void **state)
{
    char        name[16];
    ngx_uint_t  i;

    for (i = 0; i < 50; i++) {
        sprintf(name, "k%d", (int) i);
        assert_int_equal(put(name, "x", 0, 1000, 0), NGX_OK);
    }

    policy.size = 5;

    for (i = 0; lru->table.count > 5; i++) {
        assert_in_range(i, 0, 7);
        sprintf(name, "n%d", (int) i);
        assert_int_equal(put(name, "x", 0, 1000, 0), NGX_OK);
    }

    assert_int_equal(lru->stats.evicted_size, 50 + i - 5);

    for (i = 0; i < 20; i++) {
        sprintf(name, "o%d", (int) i);
        assert_int_equal(put(name, "x", 0, 1000, 0), NGX_OK);
        assert_int_equal(lru->table.count, 5);
    }
}


static void
test_size_0(void **state)
{
    ngx_uint_t  live;

    live = shm_live;

    assert_int_equal(put("a", "x", 0, 1000, 0), NGX_OK);
    assert_int_equal(put("b", "x", 0, 1000, 0), NGX_OK);

    policy.size = 0;
    policy.stale = 1000;

    assert_int_equal(get("a", 0), NGX_NEON_LRU_MISS);
    assert_int_equal(get_stale("a", 0), NGX_DECLINED);

    assert_int_equal(put("a", "y", 0, 1000, 0), NGX_DECLINED);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_MISS);

    /* what has another one to come is out of date for those who still cache */

    assert_int_equal(lru->table.count, 1);
    assert_int_equal(shm_live, live + 1);

    policy.size = 10;
    assert_int_equal(get("a", 0), NGX_NEON_LRU_MISS);
    assert_int_equal(get("b", 0), NGX_NEON_LRU_HIT);
}


static void
test_invalidation(void **state)
{
    uint64_t  old;

    assert_int_equal(invalidate("a", 1000), NGX_DECLINED);

    assert_int_equal(put("a", "x", 0, 1000, 0), NGX_OK);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_HIT);
    assert_int_equal(invalidate("b", value.generation), NGX_DECLINED);
    assert_int_equal(invalidate("a", 0), NGX_DECLINED);
    assert_int_equal(invalidate("a", value.generation), NGX_OK);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_MISS);
    assert_int_equal(invalidate("a", value.generation), NGX_DECLINED);
    assert_int_equal(lru->stats.invalidated, 1);

    /* late: somebody has a newer one by now */

    assert_int_equal(put("a", "old", 0, 1000, 0), NGX_OK);
    old = generation;
    assert_int_equal(put("a", "new", 0, 1000, 0), NGX_OK);

    assert_int_equal(invalidate("a", old), NGX_DECLINED);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_HIT);
    assert_value("new");

    /* the generation is the zone's: newer by one insert of whatever */

    assert_int_equal(put("b", "x", 0, 1000, 0), NGX_OK);
    assert_int_equal(invalidate("a", generation), NGX_OK);
    assert_int_equal(invalidate("b", generation - 1), NGX_DECLINED);

    /* one that is over, and was stale */

    policy.stale = 1000;
    assert_int_equal(put("a", "x", 0, 10, 0), NGX_OK);
    assert_int_equal(get_stale("a", 500), NGX_OK);
    assert_int_equal(invalidate("a", value.generation), NGX_OK);
    assert_int_equal(get_stale("a", 500), NGX_DECLINED);

    assert_int_equal(lru->stats.invalidated, 3);
}


static void
test_lengths(void **state)
{
    u_char          *data;
    uint64_t         random;
    ngx_int_t        rc;
    ngx_uint_t       i, j, k, ok;
    ngx_neon_key_t   key;

    static const size_t  keys[] = { 0, 1, KEY_MAX - 1, KEY_MAX, KEY_MAX + 1 };
    static const size_t  values[] = { 0, 1, 255, 256, VALUE_MAX - 1, VALUE_MAX,
                                      VALUE_MAX + 1, VALUE_MAX + 2 };

    data = malloc(KEY_MAX + VALUE_MAX + 2);
    assert_non_null(data);

    random = 42;

    for (i = 0; i < KEY_MAX + VALUE_MAX + 2; i++) {
        data[i] = (u_char) shm_random(&random);
    }

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        key = ngx_neon_lru_key(zone, neon_str(data, keys[i]));

        for (j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
            ok = (keys[i] <= KEY_MAX && values[j] <= VALUE_MAX);

            /* one that is refused leaves none that is out of date */

            for (k = 0; k < 2; k++) {
                rc = ngx_neon_lru_insert(zone, lru, &key,
                                   k ? neon_str(data + KEY_MAX, values[j])
                                     : neon_str("x", 1),
                                   0, 1000, 0, &policy, &generation);

                assert_int_equal(rc, (k ? ok : keys[i] <= KEY_MAX)
                                     ? NGX_OK : NGX_DECLINED);
            }

            memset(buffer, 0, sizeof(buffer));

            assert_int_equal(ngx_neon_lru_get(zone, lru, &key, 0, &policy,
                                              &value),
                             ok ? NGX_NEON_LRU_HIT : NGX_NEON_LRU_MISS);

            if (ok) {
                assert_int_equal(value.len, values[j]);
                assert_memory_equal(value.data, data + KEY_MAX, value.len);
            }
        }
    }

    free(data);
}


static void
test_equal_hashes(void **state)
{
    u_char           names[3][4];
    uint64_t         tokens[3];
    ngx_uint_t       i;
    ngx_neon_key_t   keys[3];

    for (i = 0; i < 3; i++) {
        sprintf((char *) names[i], "k%d", (int) i);
        keys[i].name = neon_str(names[i], i == 2 ? 1 : 2);
        keys[i].hash = 99;

        assert_int_equal(ngx_neon_lru_insert(zone, lru, &keys[i],
                                   neon_str(names[i], 2), 0, 1000, 0, &policy,
                                   &tokens[i]),
                         NGX_OK);
    }

    for (i = 0; i < 3; i++) {
        assert_int_equal(ngx_neon_lru_get(zone, lru, &keys[i], 0, &policy,
                                          &value),
                         NGX_NEON_LRU_HIT);
        assert_memory_equal(value.data, names[i], 2);
        assert_int_equal(value.generation, tokens[i]);
    }

    assert_int_equal(ngx_neon_lru_invalidate(zone, lru, &keys[1], tokens[2]),
                     NGX_OK);

    for (i = 0; i < 3; i++) {
        assert_int_equal(ngx_neon_lru_get(zone, lru, &keys[i], 0, &policy,
                                          &value),
                         i == 1 ? NGX_NEON_LRU_MISS : NGX_NEON_LRU_HIT);
    }
}


static void
test_no_memory(void **state)
{
    if (shm_mode != SHM_MALLOC) {
        skip();
    }

    assert_int_equal(put("a", "x", 0, 1000, 0), NGX_OK);

    shm_budget = 0;

    /* nobody else to make room: and the old one is gone, too */

    assert_int_equal(put("a", "y", 0, 1000, 0), NGX_ERROR);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_MISS);
    assert_int_equal(lru->table.count, 0);
}


static ngx_msec_int_t  lefts[8];
static char            seen[64];


static void
visit(void *data, const ngx_neon_key_t *key, neon_str_t text,
    ngx_uint_t flags, ngx_msec_int_t left)
{
    assert_ptr_equal(data, seen);

    lefts[strlen(seen) / 4] = left;
    sprintf(seen + strlen(seen), "%.*s=%.*s%c", (int) key->name.len,
            key->name.data,
            (int) text.len, text.data, flags ? '!' : ' ');
}


static void
test_visit(void **state)
{
    ngx_neon_lru_visit(zone, lru, 8, 0, &policy, visit, seen);
    assert_string_equal(seen, "");

    assert_int_equal(put("a", "1", 0, 100, 0), NGX_OK);
    assert_int_equal(put("b", "2", NGX_NEON_LRU_ERROR, 200, 0), NGX_OK);
    assert_int_equal(put("c", "3", 0, 300, 0), NGX_OK);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_HIT);

    ngx_neon_lru_visit(zone, lru, 8, 250, &policy, visit, seen);
    assert_string_equal(seen, "a=1 c=3 b=2!");
    assert_int_equal(lefts[0], -150);
    assert_int_equal(lefts[1], 50);
    assert_int_equal(lefts[2], -50);

    seen[0] = '\0';
    ngx_neon_lru_visit(zone, lru, 2, 250, &policy, visit, seen);
    assert_string_equal(seen, "a=1 c=3 ");

    seen[0] = '\0';
    ngx_neon_lru_visit(zone, lru, 0, 250, &policy, visit, seen);
    assert_string_equal(seen, "");
}


static void
test_touch(void **state)
{
    u_char          *p;
    ngx_neon_key_t   key;

    key = shm_key(shm, "a");

    ngx_neon_zone_lock(zone);
    assert_null(ngx_neon_lru_touch_locked(lru, &key));
    ngx_neon_zone_unlock(zone);

    policy.size = 2;
    assert_int_equal(put("a", "old", 0, 100, 0), NGX_OK);
    assert_int_equal(put("b", "x", 0, 100, 0), NGX_OK);

    ngx_neon_zone_lock(zone);
    p = ngx_neon_lru_touch_locked(lru, &key);
    assert_memory_equal(p, "old", 3);
    memcpy(p, "new", 3);
    ngx_neon_zone_unlock(zone);

    assert_int_equal(put("c", "x", 0, 100, 0), NGX_OK);
    assert_int_equal(get("b", 0), NGX_NEON_LRU_MISS);
    assert_int_equal(get("a", 0), NGX_NEON_LRU_HIT);
    assert_value("new");
}


/* somebody was killed in it: queue and counts are made anew */

static void
test_rebuild(void **state)
{
    char        name[16];
    ngx_uint_t  i;

    for (i = 0; i < 20; i++) {
        sprintf(name, "k%d", (int) i);
        assert_int_equal(put(name, name, 0, 1000, 0), NGX_OK);
    }

    lru->queue.next = NULL;
    lru->queue.prev = (ngx_queue_t *) name;
    lru->table.count = 77;
    zone->sh->flights.count = 3;
    zone->sh->cancels.count = 4;
    zone->sh->busy = 1;

    assert_int_equal(get("k7", 0), NGX_NEON_LRU_HIT);
    assert_value("k7");

    assert_int_equal(zone->sh->recovered, 1);
    assert_int_equal(lru->table.count, 20);
    shm_assert(shm);

    policy.size = 1;

    for (i = 0; i < 3; i++) {
        assert_int_equal(put("n", "x", 0, 1000, 0), NGX_OK);
    }

    assert_int_equal(lru->table.count, 1);
    assert_int_equal(zone->sh->recovered, 1);
}


/* whichever way an entry goes, its value goes with it */

static void
test_wiped(void **state)
{
    ngx_uint_t  i;

    for (i = 0; i < 5; i++) {
        policy.size = 100;
        assert_int_equal(put("n", "md5 of a password", 0, 1000, 0), NGX_OK);
        assert_int_equal(shm_holds(shm, "5 of a password"), 1);

        switch (i) {

        case 0:
            assert_int_equal(invalidate("n", generation), NGX_OK);
            break;

        case 1:
            assert_int_equal(get("n", 1000), NGX_NEON_LRU_EXPIRED);
            break;

        case 2:
            assert_int_equal(put("n", "x", 0, 1000, 0), NGX_OK);
            break;

        case 3:
            policy.size = 1;
            assert_int_equal(put("m", "x", 0, 1000, 0), NGX_OK);
            break;

        default:
            ngx_neon_zone_lock(zone);
            while (ngx_neon_lru_evict_locked(lru, zone->shpool) == NGX_OK) {
                /* void */
            }
            ngx_neon_zone_unlock(zone);
        }

        assert_int_equal(shm_holds(shm, "5 of a password"), 0);
    }
}


int
main(void)
{
    static shm_mode_e  modes[] = { SHM_SLAB, SHM_MALLOC };

#define test(name, i)                                                         \
    { #name " " #i, name, setup, teardown, &modes[i] }

#define both(name)  test(name, 0), test(name, 1)

    const struct CMUnitTest tests[] = {
        both(test_hit_and_miss),
        both(test_absolute_time),
        both(test_idle_time),
        both(test_signed_time),
        both(test_expired_is_removed),
        both(test_stale),
        both(test_shorter),
        both(test_expire),
        both(test_errors_are_never_stale),
        both(test_eviction_by_size),
        both(test_smaller_size),
        both(test_size_0),
        both(test_invalidation),
        both(test_lengths),
        both(test_equal_hashes),
        test(test_no_memory, 1),
        both(test_visit),
        both(test_touch),
        both(test_rebuild),
        test(test_wiped, 0)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
