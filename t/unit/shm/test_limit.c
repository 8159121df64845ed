/*
 * Leaky buckets: when they overflow, and for how long.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"


static shm_t            *shm;
static ngx_neon_zone_t  *zone;
static ngx_neon_lru_t   *lru;


static int
setup(void **state)
{
    shm_mode = SHM_MALLOC;
    shm_budget = 1 << 20;

    shm = shm_create(256 * 1024, 1, 1);
    zone = &shm->zone[0];
    lru = &zone->sh->limits;

    ngx_current_msec = 12345;

    return 0;
}


static int
teardown(void **state)
{
    shm_assert(shm);
    shm_destroy(shm);

    return 0;
}


static ngx_msec_t
take(const char *key, const ngx_neon_rate_t *rate)
{
    return ngx_neon_limit_take(zone, NGX_NEON_LIMIT_LOGIN,
                               neon_str(key, strlen(key)), rate);
}


static ngx_int_t
reserve(const char *key, const ngx_neon_rate_t *rate)
{
    return ngx_neon_limit_reserve(zone, NGX_NEON_LIMIT_LOGIN,
                                  neon_str(key, strlen(key)), rate);
}


static void
settle(const char *key, const ngx_neon_rate_t *rate, ngx_uint_t take)
{
    ngx_neon_limit_settle(zone, NGX_NEON_LIMIT_LOGIN,
                          neon_str(key, strlen(key)), rate, take);
}


/* one drop is 2 ms, and 4 s of them fit */

static void
test_vector(void **state)
{
    ngx_uint_t  i, taken;

    static const ngx_neon_rate_t  rate = { 500000, 2000000 };

    for (i = 0; i < 2000; i++) {
        assert_int_equal(take("ep", &rate), 0);
    }

    assert_int_equal(take("ep", &rate), 2);
    assert_int_equal(take("ep", &rate), 2);

    ngx_current_msec += 1;
    assert_int_equal(take("ep", &rate), 1);

    ngx_current_msec += 1;
    assert_int_equal(take("ep", &rate), 0);
    assert_int_equal(take("ep", &rate), 2);

    /* in the long run as many as the rate says */

    taken = 0;

    for (i = 0; i < 10000; i++) {
        ngx_current_msec += 1;
        taken += (take("ep", &rate) == 0);
    }

    assert_int_equal(taken, 5000);

    /* a pause fills it again, but not with more than fits */

    ngx_current_msec += 3999;

    for (i = 0; take("ep", &rate) == 0; i++) { /* void */ }
    assert_int_equal(i, 1999);

    ngx_current_msec += 1000000;

    for (i = 0; take("ep", &rate) == 0; i++) { /* void */ }
    assert_int_equal(i, 2000);

    assert_int_equal(lru->table.count, 1);
}


/* what is kept counts until it is settled, and then only if it is taken */

static void
test_reserve(void **state)
{
    ngx_uint_t  i;

    static const ngx_neon_rate_t  none = { 0, 0 };
    static const ngx_neon_rate_t  rate = { 1000, 3000 };

    for (i = 0; i < 10; i++) {
        assert_int_equal(reserve("off", &none), NGX_OK);
    }

    for (i = 0; i < 3; i++) {
        assert_int_equal(reserve("ep", &rate), NGX_OK);
    }

    assert_int_equal(reserve("ep", &rate), NGX_AGAIN);
    assert_int_equal(reserve("other", &rate), NGX_OK);

    settle("ep", &rate, 0);
    assert_int_equal(reserve("ep", &rate), NGX_OK);
    assert_int_equal(reserve("ep", &rate), NGX_AGAIN);

    for (i = 0; i < 3; i++) {
        settle("ep", &rate, 1);
    }

    assert_int_equal(reserve("ep", &rate), NGX_DECLINED);
    assert_int_equal(take("ep", &rate), 1000);

    ngx_current_msec += 1000;
    assert_int_equal(reserve("ep", &rate), NGX_OK);

    ngx_current_msec += 1000;
    assert_int_equal(reserve("ep", &rate), NGX_OK);
    assert_int_equal(reserve("ep", &rate), NGX_AGAIN);

    settle("ep", &rate, 0);
    settle("ep", &rate, 0);
    settle("ep", &rate, 0);
    assert_int_equal(reserve("ep", &rate), NGX_OK);
    assert_int_equal(reserve("ep", &rate), NGX_OK);
    assert_int_equal(reserve("ep", &rate), NGX_AGAIN);

    /* nobody settles for those that were killed */

    ngx_current_msec += 61000;

    for (i = 0; i < 3; i++) {
        assert_int_equal(reserve("ep", &rate), NGX_OK);
    }

    assert_int_equal(reserve("ep", &rate), NGX_AGAIN);
}


/* the rate is what it says now: in a reload, or of the control plane */

static void
test_other_rate(void **state)
{
    ngx_uint_t  i;

    static const ngx_neon_rate_t  slow = { 1, 20000 };
    static const ngx_neon_rate_t  fast = { 100000, 2000 };

    for (i = 0; i < 20; i++) {
        assert_int_equal(take("ep", &slow), 0);
    }

    assert_int_equal(take("ep", &slow), 1000000);

    assert_int_equal(take("ep", &fast), 10);
    ngx_current_msec += 10;
    assert_int_equal(take("ep", &fast), 0);
    assert_int_equal(reserve("ep", &fast), NGX_DECLINED);

    /* 20 ms of the fast one are nothing to the slow one */

    for (i = 0; i < 19; i++) {
        assert_int_equal(take("ep", &slow), 0);
    }

    assert_true(take("ep", &slow) > 0);
}


static void
test_rates(void **state)
{
    ngx_uint_t  i;

    static const ngx_neon_rate_t  none = { 0, 0 };
    static const ngx_neon_rate_t  one = { 100000, 0 };
    static const ngx_neon_rate_t  slow = { 1, 1000 };
    static const ngx_neon_rate_t  fast = { 3000000, 1000 };
    static const ngx_neon_rate_t  faster = { 2000000000, 1000 };
    static const ngx_neon_rate_t  wide = { 1, (ngx_uint_t) 1000000000 };

    for (i = 0; i < 100; i++) {
        assert_int_equal(take("none", &none), 0);
    }

    assert_int_equal(lru->table.count, 0);

    /* less than one drop always has room for one */

    assert_int_equal(take("one", &one), 0);
    assert_int_equal(take("one", &one), 10);
    ngx_current_msec += 10;
    assert_int_equal(take("one", &one), 0);

    /* one in 1000 s */

    assert_int_equal(take("slow", &slow), 0);
    assert_int_equal(take("slow", &slow), 1000000);
    ngx_current_msec += 999999;
    assert_int_equal(take("slow", &slow), 1);
    ngx_current_msec += 1;
    assert_int_equal(take("slow", &slow), 0);

    /* what is left of a millisecond is one: 333 us for a drop */

    assert_int_equal(take("fast", &fast), 0);
    assert_int_equal(take("fast", &fast), 1);
    ngx_current_msec += 1;
    assert_int_equal(take("fast", &fast), 0);
    assert_int_equal(take("fast", &fast), 1);

    for (i = 0; i < 100; i++) {
        assert_int_equal(take("faster", &faster), 0);
    }

    for (i = 0; i < 1000; i++) {
        assert_int_equal(take("wide", &wide), 0);
    }

    assert_int_equal(take("slow", &none), 0);
}


static void
test_keys(void **state)
{
    char        name[300];
    uint64_t    raw;
    ngx_uint_t  i, n;

    static const ngx_neon_rate_t  rate = { 1000, 1000 };

    assert_int_equal(take("a", &rate), 0);
    assert_int_equal(take("a", &rate), 1000);
    assert_int_equal(take("b", &rate), 0);
    assert_int_equal(take("", &rate), 0);
    assert_int_equal(take("", &rate), 1000);

    raw = 0;

    assert_int_equal(ngx_neon_limit_take(zone, NGX_NEON_LIMIT_WAKE,
                                         neon_str("a", 1), &rate), 0);
    assert_int_equal(ngx_neon_limit_take(zone, NGX_NEON_LIMIT_CANCEL,
                                         neon_str("a", 1), &rate), 0);
    assert_int_equal(ngx_neon_limit_take(zone, NGX_NEON_LIMIT_UNKNOWN,
                                         neon_str(&raw, 8), &rate), 0);
    assert_int_equal(ngx_neon_limit_take(zone, NGX_NEON_LIMIT_UNKNOWN,
                                         neon_str(&raw, 8), &rate), 1000);
    assert_int_equal(ngx_neon_limit_take(zone, NGX_NEON_LIMIT_UNKNOWN,
                                         neon_str(&raw, 7), &rate), 0);

    /* of a long one, the beginning */

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';

    assert_int_equal(take(name, &rate), 0);
    assert_int_equal(take(name, &rate), 1000);
    name[254] = 'y';
    assert_int_equal(take(name, &rate), 0);
    name[255] = 'y';
    assert_int_equal(take(name, &rate), 1000);

    /* there are not more buckets than the zone was made for; the first goes */

    n = 4 * (lru->table.mask + 1);

    for (i = 0; i < n; i++) {
        sprintf(name, "n%d", (int) i);
        assert_int_equal(take(name, &rate), 0);
    }

    assert_int_equal(lru->table.count, n);
    assert_true(lru->stats.evicted_size > 0);
    assert_int_equal(take("n0", &rate), 1000);
    assert_int_equal(take("a", &rate), 0);
}


/* where there is no room for a bucket, nobody is held up */

static void
test_no_memory(void **state)
{
    ngx_uint_t  i;

    static const ngx_neon_rate_t  rate = { 1000, 1000 };

    shm_budget = 0;

    for (i = 0; i < 3; i++) {
        assert_int_equal(take("a", &rate), 0);
    }

    assert_int_equal(lru->table.count, 0);
}


/* a worker whose clock is behind */

static void
test_clock(void **state)
{
    static const ngx_neon_rate_t  rate = { 1000, 2000 };

    assert_int_equal(take("a", &rate), 0);
    ngx_current_msec -= 5;
    assert_int_equal(take("a", &rate), 5);
    ngx_current_msec += 5;
    assert_int_equal(take("a", &rate), 0);
    assert_int_equal(take("a", &rate), 1000);
}


static void
test_subnet(void **state)
{
    neon_ip_t   ip;
    neon_str_t  s;

    static const uint8_t  v4[] = { 192, 0, 2, 77 };
    static const uint8_t  v6[] = { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4,
                                   5, 6, 7, 8, 9, 10, 11, 12 };

    assert_int_equal(neon_ip_set(&ip, v4, 4), NEON_OK);
    s = ngx_neon_limit_subnet(&ip);
    assert_int_equal(s.len, 4);
    assert_memory_equal(s.data, "\300\0\2\0", 4);

    assert_int_equal(neon_ip_set(&ip, v6, 16), NEON_OK);
    s = ngx_neon_limit_subnet(&ip);
    assert_int_equal(s.len, 16);
    assert_memory_equal(s.data, v6, 8);
    assert_memory_equal(s.data + 8, "\0\0\0\0\0\0\0\0", 8);
}


int
main(void)
{
#define test(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

    const struct CMUnitTest tests[] = {
        test(test_vector),
        test(test_reserve),
        test(test_other_rate),
        test(test_rates),
        test(test_keys),
        test(test_no_memory),
        test(test_clock),
        test(test_subnet)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
