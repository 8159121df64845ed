/*
 * Flights, exhaustively: what two and three processes do with one key, in
 * every order, over the real code.  The shared memory is copied at each step
 * and put back for the next one; states that differ in names only (which id,
 * which absolute time) are visited once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"

/* its inside is looked at, too */
#include "ngx_neon_flight.c"


#define PROCESSES  3
#define CALLS      16
#define DEPTH      64
#define TICK       1500               /* two of them end a lease or a result */
#define STATES     (1 << 22)
#define MEMORY     (12 * 4096)


typedef enum {
    OUT = 0,                          /* wants the value */
    WORK,                             /* leads */
    WAIT,                             /* joined */
    IN,                               /* has the value */
    DEAD,                             /* killed */
    GONE                              /* ... and its slot was freed */
} phase_e;


typedef struct {
    phase_e            phase;
    ngx_uint_t         rounds;        /* more times to come */
    ngx_uint_t         lives;
    ngx_uint_t         call;          /* that it makes or waits for */
    ngx_neon_ticket_t  ticket;
} process_t;


/* what became of a call */

typedef struct {
    ngx_uint_t         result;        /* for those who joined it */
    ngx_msec_t         finished;
} call_t;


typedef struct {
    process_t          process[PROCESSES];
    call_t             call[CALLS];
    ngx_uint_t         calls;
    ngx_uint_t         cached;        /* the call whose value is cached */
    ngx_uint_t         ticks;
    ngx_uint_t         kills;
    ngx_uint_t         killed;
    ngx_uint_t         live;
    ngx_msec_t         now;
} world_t;


/* what may happen */

typedef struct {
    ngx_uint_t         processes;
    ngx_uint_t         rounds;
    ngx_uint_t         ticks;
    ngx_uint_t         kills;
    ngx_uint_t         lives;
    ngx_uint_t         cached;        /* results are cached; */
    ngx_uint_t         uncached;      /* are not */
    ngx_uint_t         abandon;
    ngx_uint_t         leave;
    ngx_uint_t         renew;
} rules_t;


typedef enum {
    ENTER = 0,
    FINISH,
    FAIL,
    ABANDON,
    RENEW,
    POLL,
    LEAVE,
    AGAIN,
    KILL,
    REAP,
    RESPAWN,
    PASS,                             /* of time: nobody's */

    ACTIONS
} action_e;


static const char  *action_names[] = {
    "enter", "finish", "fail", "abandon", "renew", "poll", "leave", "again",
    "kill", "reap", "respawn", "pass"
};


static shm_t                  *shm;
static world_t                 w;
static const rules_t          *rules;
static ngx_neon_lru_policy_t   policy;
static u_char                  buffer[NGX_NEON_LRU_VALUE_MAX];
static ngx_uint_t              baseline;

static uint64_t                seen[STATES * 2];
static ngx_uint_t              states, transitions, deepest, longest;
static struct { action_e action; ngx_uint_t i; }  path[DEPTH];
static ngx_uint_t              depth;
static u_char                  snapshots[DEPTH][MEMORY];


static void
fault(const char *what)
{
    ngx_uint_t  i;

    for (i = 0; i < depth; i++) {
        print_error("  %d: %s %d\n", (int) i, action_names[path[i].action],
                    (int) path[i].i);
    }

    fail_msg("%s", what);
}


static void
check(ngx_uint_t ok, const char *what)
{
    if (!ok) {
        fault(what);
    }
}


/* --- the steps ------------------------------------------------------------ */

static ngx_uint_t
alive(process_t *p)
{
    return p->phase != DEAD && p->phase != GONE;
}


static ngx_uint_t
enabled(action_e action, process_t *p)
{
    switch (action) {
    case ENTER:    return p->phase == OUT;
    case FINISH:   return p->phase == WORK && rules->cached;
    case FAIL:     return p->phase == WORK && rules->uncached;
    case ABANDON:  return p->phase == WORK && rules->abandon;
    case RENEW:    return p->phase == WORK && rules->renew;
    case POLL:     return p->phase == WAIT;
    case LEAVE:    return p->phase == WAIT && rules->leave;
    case AGAIN:    return p->phase == IN && p->rounds;
    case KILL:     return w.kills && (p->phase == WORK || p->phase == WAIT);
    case REAP:     return p->phase == DEAD;
    case RESPAWN:  return p->phase == GONE && p->lives;
    default:       return w.ticks > 0;
    }
}


static ngx_neon_lru_value_t
no_value(void)
{
    ngx_neon_lru_value_t  value;

    memset(&value, 0, sizeof(value));
    value.data = buffer;

    return value;
}


/* a value is the number of the call that brought it */

static ngx_uint_t
number(ngx_neon_lru_value_t *value)
{
    ngx_uint_t  n;

    check(value->len == sizeof(n), "a value that nobody gave");
    memcpy(&n, value->data, sizeof(n));

    return n;
}


static void
do_enter(process_t *p, ngx_neon_zone_t *zone)
{
    ngx_uint_t             i;
    ngx_neon_lru_value_t   value;

    value = no_value();

    switch (ngx_neon_flight_enter(zone, &p->ticket, w.now, &policy, 0,
                                  &value))
    {
    case NGX_NEON_FLIGHT_HIT:
        check(w.cached && number(&value) == w.cached, "a hit on what is not");
        p->phase = IN;
        break;

    case NGX_NEON_FLIGHT_LEAD:
        check(w.cached == 0, "leads though the value is cached");
        check(p->ticket.id != 0, "leads without a lease");
        check(w.calls + 1 < CALLS, "calls without end");

        p->phase = WORK;
        p->call = ++w.calls;
        w.call[p->call].result = 0;
        break;

    default: /* NGX_NEON_FLIGHT_JOIN */
        check(w.cached == 0, "joins though the value is cached");

        for (i = 0; i < rules->processes; i++) {
            if (&w.process[i] != p
                && w.process[i].ticket.id == p->ticket.id
                && (w.process[i].phase == WORK || w.process[i].phase == DEAD))
            {
                break;
            }
        }

        check(i < rules->processes, "joins nobody");

        p->phase = WAIT;
        p->call = w.process[i].call;
    }
}


static void
do_finish(process_t *p, ngx_neon_zone_t *zone, ngx_msec_t ttl)
{
    uint64_t               generation;
    ngx_uint_t             mine;
    ngx_neon_key_t         key;
    ngx_neon_lru_e         rc;
    ngx_neon_lru_value_t   value;

    key = p->ticket.key;
    mine = (ngx_neon_flight_mine(zone, &p->ticket) != NULL);

    ngx_neon_flight_finish(zone, &p->ticket,
                           neon_str(&p->call, sizeof(p->call)), 0, ttl, w.now,
                           &policy, &generation);

    check((generation != 0) == (mine && ttl), "cached by whom?");

    if (mine) {
        check(p->call > w.cached, "an older value over a newer one");

        if (ttl) {
            w.cached = p->call;
        }

        w.call[p->call].result = 1;
        w.call[p->call].finished = w.now;
    }

    value = no_value();
    ngx_neon_zone_lock(zone);
    rc = ngx_neon_lru_get_locked(&zone->sh->cache[p->ticket.cache],
                                 zone->shpool, &key, w.now, &policy, &value);
    ngx_neon_zone_unlock(zone);

    check((rc == NGX_NEON_LRU_HIT) == (w.cached != 0), "the cache has it");
    check(w.cached == 0 || number(&value) == w.cached, "the cache's value");

    p->phase = IN;
}


static void
do_poll(process_t *p, ngx_neon_zone_t *zone)
{
    call_t                *call;
    ngx_uint_t             i, due;
    ngx_neon_lru_value_t   value;

    value = no_value();
    call = &w.call[p->call];
    due = (call->result && w.now - call->finished < NGX_NEON_FLIGHT_LINGER);

    switch (ngx_neon_flight_poll(zone, &p->ticket, w.now, &value)) {

    case NGX_OK:
        check(call->result && number(&value) == p->call, "another's result");
        p->phase = IN;
        break;

    case NGX_AGAIN:
        check(!due, "waits though the result is there");

        for (i = 0; i < rules->processes; i++) {
            if (w.process[i].ticket.id == p->ticket.id
                && (w.process[i].phase == WORK || w.process[i].phase == DEAD))
            {
                break;
            }
        }

        check(i < rules->processes, "waits for nobody");
        break;

    default: /* NGX_DECLINED */
        check(!due, "the result of a call was lost");
        p->phase = OUT;
    }
}


static void
act(action_e action, ngx_uint_t i)
{
    process_t        *p;
    ngx_neon_zone_t  *zone;

    p = &w.process[i];
    zone = &shm->zone[i];

    switch (action) {

    case ENTER:
        do_enter(p, zone);
        break;

    case FINISH:
        do_finish(p, zone, 1000000);
        break;

    case FAIL:
        do_finish(p, zone, 0);
        break;

    case ABANDON:
        ngx_neon_flight_abandon(zone, &p->ticket);
        p->phase = IN;
        break;

    case RENEW:
        (void) ngx_neon_flight_renew(zone, &p->ticket, w.now);
        break;

    case POLL:
        do_poll(p, zone);
        break;

    case LEAVE:
        ngx_neon_flight_leave(zone, &p->ticket);
        p->phase = IN;
        break;

    case AGAIN:
        p->rounds--;
        p->phase = OUT;
        break;

    case KILL:
        w.kills--;
        w.killed = 1;
        p->phase = DEAD;
        break;

    case REAP:
        shm_die(shm, i);
        p->phase = GONE;
        break;

    case RESPAWN:
        shm_claim(shm, i);
        p->lives--;
        p->phase = OUT;
        break;

    default: /* PASS */
        w.ticks--;
        w.now += TICK;
    }
}


/* --- what must hold ------------------------------------------------------- */

static void
check_state(void)
{
    ngx_uint_t          i, leases, flights;
    const char         *what;
    process_t          *p;
    ngx_neon_item_t    *item;
    ngx_neon_flight_t  *f;

    what = shm_fault(shm);

    if (what) {
        fault(what);
    }

    leases = 0;

    for (i = 0; i < rules->processes; i++) {
        p = &w.process[i];

        if (p->phase == WORK
            && ngx_neon_flight_mine(&shm->zone[i], &p->ticket))
        {
            leases++;
        }
    }

    check(leases <= 1, "two leases");

    if (rules->ticks == 0 && rules->kills == 0 && rules->cached
        && !rules->uncached && !rules->abandon)
    {
        check(w.calls <= 1, "two calls");
    }

    flights = 0;

    p = &w.process[0];

    for (item = ngx_neon_table_find(&shm->zone[0].sh->flights,
                                    p->ticket.key.hash);
         item;
         item = ngx_neon_table_next(item))
    {
        f = (ngx_neon_flight_t *) item;

        flights += !f->done;
        check(f->done || f->result == NULL, "a result before the end");
        check(f->joined <= PROCESSES * 4, "more than there are have joined");
    }

    check(flights <= 1, "two flights");
}


/* from here on nobody is killed, and all go on in turns: they must arrive */

static void
check_arrival(action_e end)
{
    ngx_uint_t  i, n, moved, there;
    phase_e     phase;

    for (n = 0; n < 20; n++) {
        moved = 0;
        there = 1;

        for (i = 0; i < rules->processes; i++) {
            phase = w.process[i].phase;

            if (phase == OUT) {
                act(ENTER, i);

            } else if (phase == WAIT) {
                act(POLL, i);

            } else if (phase == WORK) {
                act(end, i);
            }

            moved += (phase != w.process[i].phase);
            there &= (!alive(&w.process[i]) || w.process[i].phase == IN);
        }

        if (there) {
            longest = ngx_max(longest, n);
            break;
        }

        if (!moved) {
            w.now += NGX_NEON_FLIGHT_LEASE;
        }
    }

    check(n < 20, "somebody waits for ever");
    check_state();

    /* what is left is the value in the cache, and what the dead joined */

    if (!w.killed) {
        check(shm_count(shm, &shm->zone[0].sh->flights) == 0
              && shm_live == baseline + (w.cached != 0), "a leak");
        return;
    }

    ngx_neon_zone_lock(&shm->zone[0]);
    ngx_neon_flight_sweep_locked(&shm->zone[0],
                                 w.now + NGX_NEON_FLIGHT_LEASE);
    ngx_neon_zone_unlock(&shm->zone[0]);

    check(shm->zone[0].sh->flights.count == 0
          && shm_live == baseline + (w.cached != 0), "a leak after a kill");
}


/* --- all of them ---------------------------------------------------------- */

static ngx_uint_t
rank(uint64_t *ids, ngx_uint_t n, uint64_t id)
{
    ngx_uint_t  i, r;

    if (id == 0) {
        return 0;
    }

    r = 1;

    for (i = 0; i < n; i++) {
        r += (ids[i] < id);
    }

    return r;
}


static void
mix(uint64_t *hash, uint64_t n)
{
    *hash = (*hash ^ n) * 0x9e3779b97f4a7c15ULL;
    *hash ^= *hash >> 29;
}


/* the order of flights in their chain counts, too */

static uint64_t
digest(void)
{
    uint64_t            hash, ids[32];
    ngx_uint_t          i, n, result;
    process_t          *p;
    ngx_neon_item_t    *item;
    ngx_neon_flight_t  *f;

    n = 0;

    for (i = 0; i < rules->processes; i++) {
        ids[n++] = w.process[i].ticket.id;
    }

    item = ngx_neon_table_find(&shm->zone[0].sh->flights,
                               w.process[0].ticket.key.hash);

    for ( /* void */ ; item; item = ngx_neon_table_next(item)) {
        check(n < 32, "flights without end");
        ids[n++] = ((ngx_neon_flight_t *) item)->id;
    }

    hash = 1;

    for (i = 0; i < rules->processes; i++) {
        p = &w.process[i];

        mix(&hash, p->phase | p->rounds << 4 | p->lives << 8);

        /* only where it says something of the steps to come */

        if (p->phase == WORK || p->phase == WAIT || p->phase == DEAD) {
            mix(&hash, rank(ids, n, p->ticket.id) | p->call << 8);
            mix(&hash, w.call[p->call].result
                       ? w.now - w.call[p->call].finished : (uint64_t) -1);
        }
    }

    mix(&hash, w.calls | w.cached << 8 | w.ticks << 16 | w.kills << 24
               | w.killed << 28);

    item = ngx_neon_table_find(&shm->zone[0].sh->flights,
                               w.process[0].ticket.key.hash);

    for ( /* void */ ; item; item = ngx_neon_table_next(item)) {
        f = (ngx_neon_flight_t *) item;
        result = 0;

        if (f->result) {
            memcpy(&result, f->result, sizeof(result));
        }

        mix(&hash, rank(ids, n, f->id) | f->joined << 8 | f->done << 16
                   | result << 24);
        mix(&hash, f->deadline - w.now);

        for (i = 0; i < rules->processes; i++) {
            if (f->slot == shm->zone[i].slot) {
                mix(&hash, i + (f->slot->id == f->slot_id) * 8);
            }
        }
    }

    return hash ? hash : 1;
}


static ngx_uint_t
visited(uint64_t hash)
{
    ngx_uint_t  i;

    for (i = hash % (STATES * 2); seen[i]; i = (i + 1) % (STATES * 2)) {
        if (seen[i] == hash) {
            return 1;
        }
    }

    check(states < STATES, "more states than this test has room for");

    seen[i] = hash;
    states++;

    return 0;
}


static void
save(u_char *memory, world_t *world)
{
    w.live = shm_live;
    *world = w;
    memcpy(memory, shm->addr, MEMORY);
}


static void
restore(u_char *memory, world_t *world)
{
    memcpy(shm->addr, memory, MEMORY);
    w = *world;
    shm_live = w.live;
}


static void
explore(void)
{
    u_char      *memory;
    world_t      world;
    action_e     action;
    ngx_uint_t   i;

    deepest = ngx_max(deepest, depth);
    check(depth < DEPTH, "steps without end");

    memory = snapshots[depth];
    save(memory, &world);

    if (rules->cached) {
        check_arrival(FINISH);
        restore(memory, &world);
    }

    if (rules->uncached) {
        check_arrival(FAIL);
        restore(memory, &world);
    }

    for (action = 0; action < ACTIONS; action++) {
        for (i = 0; i < rules->processes; i++) {

            if (!enabled(action, &w.process[i]) || (action == PASS && i)) {
                continue;
            }

            path[depth].action = action;
            path[depth++].i = i;
            transitions++;

            act(action, i);
            check_state();

            if (!visited(digest())) {
                explore();
            }

            depth--;
            restore(memory, &world);
        }
    }
}


static void
explore_all(const rules_t *r)
{
    ngx_uint_t  i;

    rules = r;
    shm_mode = SHM_SLAB;
    shm = shm_create(MEMORY, 1, 1);

    policy.size = 10;
    policy.ttl = 1000000;
    policy.stale = 0;

    memset(&w, 0, sizeof(w));
    memset(seen, 0, sizeof(seen));
    states = 0;
    transitions = 0;
    deepest = 0;
    longest = 0;
    depth = 0;

    w.now = 1;
    w.ticks = r->ticks;
    w.kills = r->kills;

    for (i = 0; i < r->processes; i++) {
        shm_claim(shm, i);
        w.process[i].rounds = r->rounds - 1;
        w.process[i].lives = r->lives;
        w.process[i].ticket.cache = NGX_NEON_CACHE_NODE;
        w.process[i].ticket.key = shm_key(shm, "ep");
    }

    baseline = shm_live;

    explore();

    print_message("# %d processes, %d times each, %d kills, %d ticks: %d"
                  " states, %d steps, %d deep, there after %d turns\n",
                  (int) r->processes, (int) r->rounds, (int) r->kills,
                  (int) r->ticks, (int) states, (int) transitions,
                  (int) deepest, (int) longest);

    shm_assert(shm);
    shm_destroy(shm);
}


static void
test_cached(void **state)
{
    static const rules_t  two = { .processes = 2, .rounds = 3, .cached = 1,
                                  .renew = 1, .leave = 1 };
    static const rules_t  three = { .processes = 3, .rounds = 3, .cached = 1,
                                    .renew = 1, .leave = 1 };

    explore_all(&two);
    explore_all(&three);
}


static void
test_uncached(void **state)
{
    static const rules_t  two = { .processes = 2, .rounds = 4, .uncached = 1,
                                  .abandon = 1, .leave = 1 };
    static const rules_t  three = { .processes = 3, .rounds = 3,
                                    .uncached = 1 };

    explore_all(&two);
    explore_all(&three);
}


static void
test_time(void **state)
{
    static const rules_t  two = { .processes = 2, .rounds = 2, .ticks = 5,
                                  .cached = 1, .uncached = 1, .abandon = 1,
                                  .leave = 1, .renew = 1 };
    static const rules_t  three = { .processes = 3, .rounds = 2, .ticks = 4,
                                    .cached = 1, .uncached = 1, .renew = 1 };

    explore_all(&two);
    explore_all(&three);
}


static void
test_kills(void **state)
{
    static const rules_t  two = { .processes = 2, .rounds = 2, .ticks = 3,
                                  .kills = 2, .lives = 1, .cached = 1,
                                  .uncached = 1, .abandon = 1, .leave = 1 };
    static const rules_t  three = { .processes = 3, .rounds = 1, .ticks = 3,
                                    .kills = 2, .lives = 1, .cached = 1,
                                    .uncached = 1 };

    explore_all(&two);
    explore_all(&three);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cached),
        cmocka_unit_test(test_uncached),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_kills)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
