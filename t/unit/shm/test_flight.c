/*
 * Flights: one leader, and what becomes of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"


#define LEASE   NGX_NEON_FLIGHT_LEASE
#define LINGER  NGX_NEON_FLIGHT_LINGER


static shm_t                  *shm;
static ngx_neon_lru_t         *lru;
static ngx_neon_lru_policy_t   policy;
static ngx_neon_lru_value_t    value;
static uint64_t                generation;
static ngx_uint_t              live;
static ngx_neon_ticket_t       a, b, c;       /* of zone[0], [1], [2] */
static u_char                  buffer[NGX_NEON_LRU_VALUE_MAX];


static int
setup(void **state)
{
    shm_mode = *(shm_mode_e *) *state;
    shm_budget = 1 << 20;

    shm = shm_create(1 << 20, 64, 64);
    lru = &shm->zone[0].sh->cache[NGX_NEON_CACHE_NODE];

    shm_claim(shm, 0);
    shm_claim(shm, 1);
    shm_claim(shm, 2);

    policy.size = 100;
    policy.ttl = 1000;
    policy.stale = 0;

    memset(&value, 0, sizeof(value));
    value.data = buffer;

    memset(&a, 0, sizeof(a));
    a.cache = NGX_NEON_CACHE_NODE;
    a.key = shm_key(shm, "ep-1");
    b = a;
    c = a;

    live = shm_live;

    return 0;
}


static int
teardown(void **state)
{
    shm_assert(shm);
    shm_destroy(shm);

    return 0;
}


static ngx_neon_flight_e
enter(ngx_uint_t i, ngx_neon_ticket_t *ticket, ngx_msec_t now)
{
    memset(buffer, 0xee, sizeof(buffer));

    return ngx_neon_flight_enter(&shm->zone[i], ticket, now, &policy, 0,
                                 &value);
}


static ngx_int_t
look(ngx_uint_t i, ngx_neon_ticket_t *ticket, ngx_msec_t now)
{
    memset(buffer, 0xee, sizeof(buffer));

    return ngx_neon_flight_poll(&shm->zone[i], ticket, now, &value);
}


static void
finish(ngx_uint_t i, ngx_neon_ticket_t *ticket, const char *text,
    ngx_msec_t ttl, ngx_msec_t now)
{
    ngx_neon_flight_finish(&shm->zone[i], ticket, neon_str(text, strlen(text)),
                           ttl ? 0 : NGX_NEON_LRU_ERROR, ttl, now, &policy,
                           &generation);
}


static void
assert_value(const char *text)
{
    assert_int_equal(value.len, strlen(text));
    assert_memory_equal(value.data, text, value.len);
}


static void
assert_nothing_left(ngx_uint_t entries)
{
    assert_int_equal(shm->zone[0].sh->flights.count, 0);
    assert_int_equal(lru->table.count, entries);
    assert_int_equal(shm_live, live + entries);
}


static uint64_t
role(ngx_neon_flight_role_e r)
{
    return shm->zone[0].sh->metrics->flights[NGX_NEON_CACHE_NODE][r];
}


static void
test_one_leads(void **state)
{
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(a.looked, NGX_NEON_LRU_MISS);
    assert_int_not_equal(a.id, 0);

    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(enter(2, &c, 5), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(b.id, a.id);
    assert_int_equal(b.looked, NGX_NEON_LRU_MISS);

    assert_int_equal(look(1, &b, 10), NGX_AGAIN);
    assert_int_equal(look(2, &c, 10), NGX_AGAIN);

    finish(0, &a, "node", 500, 20);
    assert_int_not_equal(generation, 0);

    /* who joined gets it with the name of its entry */

    assert_int_equal(look(1, &b, 20), NGX_OK);
    assert_value("node");
    assert_int_equal(value.generation, generation);

    assert_int_equal(enter(1, &b, 20), NGX_NEON_FLIGHT_HIT);
    assert_value("node");
    assert_int_equal(value.left, 500);
    assert_int_equal(value.generation, generation);
    assert_int_equal(b.id, 0);
    assert_int_equal(b.looked, NGX_NEON_LRU_HIT);

    assert_int_equal(shm->zone[0].sh->flights.count, 1);
    assert_int_equal(look(2, &c, 30), NGX_OK);
    assert_value("node");
    assert_nothing_left(1);

    assert_int_equal(role(NGX_NEON_FLIGHT_LED), 1);
    assert_int_equal(role(NGX_NEON_FLIGHT_JOINED), 2);
    assert_int_equal(role(NGX_NEON_FLIGHT_TOOK_OVER), 0);

    /* the next flight begins when the entry is over */

    assert_int_equal(enter(2, &c, 519), NGX_NEON_FLIGHT_HIT);
    assert_int_equal(enter(2, &c, 520), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(c.looked, NGX_NEON_LRU_EXPIRED);
    ngx_neon_flight_abandon(&shm->zone[2], &c);
    assert_nothing_left(0);
}


static void
test_keys_and_caches(void **state)
{
    a.key.hash = b.key.hash = c.key.hash = 5;

    b.key.name = neon_str("ep-2", 4);
    c.cache = NGX_NEON_CACHE_SECRET;

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(2, &c, 0), NGX_NEON_FLIGHT_LEAD);

    finish(0, &a, "1", 500, 0);
    finish(1, &b, "2", 500, 0);
    finish(2, &c, "3", 500, 0);

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_HIT);
    assert_value("1");
    assert_int_equal(enter(0, &b, 0), NGX_NEON_FLIGHT_HIT);
    assert_value("2");
    assert_int_equal(enter(0, &c, 0), NGX_NEON_FLIGHT_HIT);
    assert_value("3");

    assert_int_equal(shm->zone[0].sh->flights.count, 0);
}


/* what is not cached is for those who joined, and for nobody else */

static void
test_result_without_cache(void **state)
{
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(enter(2, &c, 0), NGX_NEON_FLIGHT_JOIN);

    finish(0, &a, "no answer", 0, 100);
    assert_int_equal(generation, 0);

    assert_int_equal(look(1, &b, 110), NGX_OK);
    assert_value("no answer");
    assert_int_equal(value.flags, NGX_NEON_LRU_ERROR);
    assert_int_equal(value.generation, 0);
    assert_int_equal(value.left, 0);

    assert_int_equal(look(2, &c, 150), NGX_OK);
    assert_value("no answer");
    assert_nothing_left(0);

    /* with nobody there it is for nobody */

    assert_int_equal(enter(0, &a, 200), NGX_NEON_FLIGHT_LEAD);
    finish(0, &a, "no answer", 0, 200);
    assert_nothing_left(0);

    /* an empty one is one, too */

    assert_int_equal(enter(0, &a, 300), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 300), NGX_NEON_FLIGHT_JOIN);
    finish(0, &a, "", 0, 300);
    assert_int_equal(look(1, &b, 300), NGX_OK);
    assert_int_equal(value.len, 0);
    assert_nothing_left(0);

    /* the cache is off */

    policy.size = 0;
    assert_int_equal(enter(0, &a, 400), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 400), NGX_NEON_FLIGHT_JOIN);
    finish(0, &a, "node", 500, 400);
    assert_int_equal(generation, 0);
    assert_int_equal(look(1, &b, 400), NGX_OK);
    assert_value("node");
    assert_nothing_left(0);
}


/* what was a verifier is not there any more when the last one has looked */

static void
test_result_is_wiped(void **state)
{
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(enter(2, &c, 0), NGX_NEON_FLIGHT_JOIN);

    finish(0, &a, "md5 of a password", 0, 100);
    assert_int_equal(shm_holds(shm, "5 of a password"), 1);

    assert_int_equal(look(1, &b, 110), NGX_OK);
    assert_int_equal(shm_holds(shm, "5 of a password"), 1);
    assert_int_equal(look(2, &c, 150), NGX_OK);
    assert_value("md5 of a password");

    assert_nothing_left(0);
    assert_int_equal(shm_holds(shm, "5 of a password"), 0);
}


/* somebody asks anew before those who waited have looked */

static void
test_result_outlives_next_flight(void **state)
{
    ngx_neon_ticket_t  d;

    d = a;

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    finish(0, &a, "first", 0, 10);

    assert_int_equal(enter(2, &c, 11), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(0, &d, 12), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(d.id, c.id);
    assert_int_not_equal(c.id, a.id);
    finish(2, &c, "second", 0, 13);

    assert_int_equal(enter(2, &c, 14), NGX_NEON_FLIGHT_LEAD);

    assert_int_equal(look(1, &b, 20), NGX_OK);
    assert_value("first");
    assert_int_equal(look(0, &d, 20), NGX_OK);
    assert_value("second");

    assert_int_equal(shm->zone[0].sh->flights.count, 1);
    finish(2, &c, "third", 0, 21);
    assert_nothing_left(0);
}


static void
test_result_lengths(void **state)
{
    u_char      *data;
    neon_str_t   str;

    data = malloc(NGX_NEON_LRU_VALUE_MAX + 1);
    assert_non_null(data);
    memset(data, 'x', NGX_NEON_LRU_VALUE_MAX + 1);

    str = neon_str(data, NGX_NEON_LRU_VALUE_MAX);

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    ngx_neon_flight_finish(&shm->zone[0], &a, str, 0, 0, 0, &policy,
                           &generation);
    assert_int_equal(look(1, &b, 0), NGX_OK);
    assert_int_equal(value.len, str.len);
    assert_memory_equal(value.data, data, str.len);

    /* one that nobody has room for: they ask for themselves */

    str.len++;

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    ngx_neon_flight_finish(&shm->zone[0], &a, str, 0, 500, 0, &policy,
                           &generation);
    assert_int_equal(generation, 0);
    assert_int_equal(look(1, &b, 0), NGX_DECLINED);
    assert_nothing_left(0);

    free(data);
}


static void
test_abandon(void **state)
{
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);

    ngx_neon_flight_abandon(&shm->zone[0], &a);
    assert_nothing_left(0);

    assert_int_equal(look(1, &b, 0), NGX_DECLINED);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_LEAD);

    /* the first one has nothing to say any more */

    ngx_neon_flight_abandon(&shm->zone[0], &a);
    assert_int_equal(ngx_neon_flight_renew(&shm->zone[0], &a, 0),
                     NGX_DECLINED);
    assert_int_equal(ngx_neon_flight_renew(&shm->zone[1], &b, 0), NGX_OK);

    ngx_neon_flight_abandon(&shm->zone[1], &b);
    assert_nothing_left(0);
}


static void
test_leave(void **state)
{
    /* the flight goes on without them */

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(enter(2, &c, 0), NGX_NEON_FLIGHT_JOIN);

    ngx_neon_flight_leave(&shm->zone[1], &b);
    finish(0, &a, "no", 0, 10);
    assert_int_equal(shm->zone[0].sh->flights.count, 1);
    ngx_neon_flight_leave(&shm->zone[2], &c);
    assert_nothing_left(0);

    /* all have left before it is over */

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    ngx_neon_flight_leave(&shm->zone[1], &b);
    finish(0, &a, "no", 0, 10);
    assert_nothing_left(0);

    /* a flight that is not theirs any more */

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(enter(2, &c, LEASE), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(0, &a, LEASE), NGX_NEON_FLIGHT_JOIN);
    ngx_neon_flight_leave(&shm->zone[1], &b);
    finish(2, &c, "yes", 0, LEASE);
    assert_int_equal(look(0, &a, LEASE), NGX_OK);
    assert_value("yes");
    assert_nothing_left(0);

    ngx_neon_flight_leave(&shm->zone[1], &b);
    assert_nothing_left(0);
}


static void
test_take_over_by_deadline(void **state)
{
    uint64_t  newer;

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 10), NGX_NEON_FLIGHT_JOIN);

    assert_int_equal(look(1, &b, LEASE - 1), NGX_AGAIN);
    assert_int_equal(enter(2, &c, LEASE - 1), NGX_NEON_FLIGHT_JOIN);

    /* a renewal counts from when it is made */

    assert_int_equal(ngx_neon_flight_renew(&shm->zone[0], &a, 1000), NGX_OK);
    assert_int_equal(look(1, &b, 1000 + LEASE - 1), NGX_AGAIN);
    assert_int_equal(look(1, &b, 1000 + LEASE), NGX_DECLINED);

    /* even late, as long as nobody took it */

    assert_int_equal(ngx_neon_flight_renew(&shm->zone[0], &a, 5000), NGX_OK);
    assert_int_equal(enter(1, &b, 5000 + LEASE - 1), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(look(1, &b, 5000 + LEASE), NGX_DECLINED);
    assert_int_equal(enter(1, &b, 5000 + LEASE), NGX_NEON_FLIGHT_LEAD);
    assert_int_not_equal(a.id, b.id);
    assert_int_equal(role(NGX_NEON_FLIGHT_TOOK_OVER), 1);

    /* who had joined the first one joins the second */

    assert_int_equal(look(2, &c, 8000), NGX_DECLINED);
    assert_int_equal(enter(2, &c, 8000), NGX_NEON_FLIGHT_JOIN);

    /* and the first one, whether it is done or not, changes nothing */

    assert_int_equal(ngx_neon_flight_renew(&shm->zone[0], &a, 8000),
                     NGX_DECLINED);
    finish(0, &a, "old", 500, 8000);
    assert_int_equal(generation, 0);
    ngx_neon_flight_abandon(&shm->zone[0], &a);
    assert_int_equal(look(2, &c, 8000), NGX_AGAIN);

    finish(1, &b, "new", 500, 8001);
    newer = generation;
    assert_int_equal(look(2, &c, 8002), NGX_OK);
    assert_value("new");
    assert_int_equal(value.generation, newer);

    finish(0, &a, "old", 500, 8003);
    assert_int_equal(generation, 0);
    assert_int_equal(enter(2, &c, 8004), NGX_NEON_FLIGHT_HIT);
    assert_value("new");
    assert_int_equal(value.generation, newer);
    assert_nothing_left(1);
}


static void
test_take_over_by_slot(void **state)
{
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);

    shm_die(shm, 0);

    assert_int_equal(look(1, &b, 1), NGX_DECLINED);

    /* another process sits in the slot by now */

    shm_claim(shm, 0);
    assert_int_equal(enter(2, &c, 1), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 1), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(role(NGX_NEON_FLIGHT_TOOK_OVER), 1);

    /* a whole worker's life in the same slot is not that worker */

    shm_die(shm, 2);
    shm_claim(shm, 2);
    assert_int_equal(look(1, &b, 2), NGX_DECLINED);
    assert_int_equal(enter(1, &b, 2), NGX_NEON_FLIGHT_LEAD);

    finish(1, &b, "x", 500, 3);
    assert_nothing_left(1);
}


/* the cache forgets it before those who joined look again */

static void
test_short_lived(void **state)
{
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    finish(0, &a, "busy", 1, 0);

    assert_int_equal(look(1, &b, 50), NGX_OK);
    assert_value("busy");
    assert_int_equal(enter(2, &c, 50), NGX_NEON_FLIGHT_LEAD);
    ngx_neon_flight_abandon(&shm->zone[2], &c);
    assert_nothing_left(0);
}


static void
test_retry(void **state)
{
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    ngx_neon_flight_finish(&shm->zone[0], &a, neon_str("no", 2),
                           NGX_NEON_LRU_ERROR, 500, 0, &policy, &generation);

    assert_int_equal(enter(1, &b, 10), NGX_NEON_FLIGHT_HIT);
    assert_int_equal(value.flags, NGX_NEON_LRU_ERROR);

    assert_int_equal(ngx_neon_flight_enter(&shm->zone[0], &a, 10, &policy, 1,
                                           &value),
                     NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(ngx_neon_flight_enter(&shm->zone[1], &b, 10, &policy, 1,
                                           &value),
                     NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(enter(2, &c, 10), NGX_NEON_FLIGHT_HIT);

    finish(0, &a, "yes", 500, 20);
    assert_int_equal(look(1, &b, 20), NGX_OK);
    assert_value("yes");

    /* what is no error is a hit in any case */

    assert_int_equal(ngx_neon_flight_enter(&shm->zone[1], &b, 20, &policy, 1,
                                           &value),
                     NGX_NEON_FLIGHT_HIT);
    assert_value("yes");
    assert_nothing_left(1);
}


/* without a lease we lead for ourselves */

static void
test_no_lease(void **state)
{
    uint64_t         id;
    ngx_neon_slot_t  *slot;

    static u_char    name[NGX_NEON_LRU_KEY_MAX + 1];

    /* the key is too long */

    a.key = ngx_neon_lru_key(&shm->zone[0], neon_str(name, sizeof(name)));
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(a.id, 0);
    assert_int_equal(ngx_neon_flight_renew(&shm->zone[0], &a, 0), NGX_OK);
    finish(0, &a, "x", 500, 0);
    assert_int_equal(generation, 0);
    ngx_neon_flight_abandon(&shm->zone[0], &a);
    assert_nothing_left(0);

    /* no slot */

    a = b;
    slot = shm->zone[0].slot;
    shm->zone[0].slot = NULL;

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(a.id, 0);
    finish(0, &a, "x", 500, 0);
    assert_int_not_equal(generation, 0);
    assert_nothing_left(1);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_HIT);

    /* no slot, and a flight that is led; lost; over */

    assert_int_equal(enter(1, &b, 500), NGX_NEON_FLIGHT_LEAD);
    id = b.id;
    assert_int_equal(enter(0, &a, 500), NGX_NEON_FLIGHT_JOIN);
    assert_int_equal(a.id, id);
    ngx_neon_flight_leave(&shm->zone[0], &a);

    assert_int_equal(enter(0, &a, 500 + LEASE), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(a.id, 0);
    ngx_neon_flight_abandon(&shm->zone[0], &a);

    assert_int_equal(enter(2, &c, 500 + LEASE), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 500 + LEASE), NGX_NEON_FLIGHT_JOIN);
    finish(2, &c, "no", 0, 500 + LEASE);
    assert_int_equal(enter(0, &a, 500 + LEASE), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(a.id, 0);
    assert_int_equal(look(1, &b, 500 + LEASE), NGX_OK);
    assert_nothing_left(0);

    shm->zone[0].slot = slot;

    /* no memory */

    if (shm_mode == SHM_MALLOC) {
        shm_budget = 0;
        assert_int_equal(enter(0, &a, 9000), NGX_NEON_FLIGHT_LEAD);
        assert_int_equal(enter(1, &b, 9000), NGX_NEON_FLIGHT_LEAD);
        assert_int_equal(a.id, 0);
        assert_int_equal(b.id, 0);
        finish(0, &a, "x", 500, 9000);
        assert_int_equal(generation, 0);
        assert_nothing_left(0);

        /* none for the result: who joined asks for itself */

        shm_budget = 1 << 20;
        assert_int_equal(enter(0, &a, 9000), NGX_NEON_FLIGHT_LEAD);
        assert_int_equal(enter(1, &b, 9000), NGX_NEON_FLIGHT_JOIN);
        shm_budget = 0;
        finish(0, &a, "x", 500, 9000);
        assert_int_equal(look(1, &b, 9000), NGX_DECLINED);
        assert_nothing_left(0);
    }
}


static void
test_sweep(void **state)
{
    ngx_neon_ticket_t  d;

    d = a;
    d.key.name = neon_str("ep-2", 4);         /* in the bucket of the others */

    /* results whose readers died: till the next flight of the bucket */

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    finish(0, &a, "no", 0, 10);

    assert_int_equal(enter(2, &d, 10 + LINGER - 1), NGX_NEON_FLIGHT_LEAD);
    ngx_neon_flight_abandon(&shm->zone[2], &d);
    assert_int_equal(shm->zone[0].sh->flights.count, 1);
    assert_int_equal(look(1, &b, 10 + LINGER - 1), NGX_OK);
    assert_nothing_left(0);

    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &b, 0), NGX_NEON_FLIGHT_JOIN);
    finish(0, &a, "no", 0, 10);

    assert_int_equal(enter(2, &d, 10 + LINGER), NGX_NEON_FLIGHT_LEAD);
    ngx_neon_flight_abandon(&shm->zone[2], &d);
    assert_nothing_left(0);
    assert_int_equal(look(1, &b, 10 + LINGER), NGX_DECLINED);

    /* all of the zone: by deadline, by slot */

    d.key = shm_key(shm, "ep-3");
    assert_int_equal(enter(0, &a, 0), NGX_NEON_FLIGHT_LEAD);
    assert_int_equal(enter(1, &d, 1), NGX_NEON_FLIGHT_LEAD);

    ngx_neon_zone_lock(&shm->zone[0]);
    ngx_neon_flight_sweep_locked(&shm->zone[0], LEASE - 1);
    assert_int_equal(shm->zone[0].sh->flights.count, 2);
    ngx_neon_flight_sweep_locked(&shm->zone[0], LEASE);
    assert_int_equal(shm->zone[0].sh->flights.count, 1);
    ngx_neon_zone_unlock(&shm->zone[0]);

    shm_die(shm, 1);

    ngx_neon_zone_lock(&shm->zone[0]);
    ngx_neon_flight_sweep_locked(&shm->zone[0], 2);
    ngx_neon_zone_unlock(&shm->zone[0]);

    assert_nothing_left(0);
}


int
main(void)
{
    static shm_mode_e  modes[] = { SHM_SLAB, SHM_MALLOC };

#define both(name)                                                            \
    { #name " 0", name, setup, teardown, &modes[0] },                         \
    { #name " 1", name, setup, teardown, &modes[1] }

    const struct CMUnitTest tests[] = {
        both(test_one_leads),
        both(test_keys_and_caches),
        both(test_result_without_cache),
        { "test_result_is_wiped", test_result_is_wiped, setup, teardown,
          &modes[0] },
        both(test_result_outlives_next_flight),
        both(test_result_lengths),
        both(test_abandon),
        both(test_leave),
        both(test_take_over_by_deadline),
        both(test_take_over_by_slot),
        both(test_short_lived),
        both(test_retry),
        both(test_no_lease),
        both(test_sweep)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
