/*
 * Killed at every single instruction.
 *
 * A child does one operation, step by step under ptrace(2).  Whenever the
 * shared memory has changed, it is what a SIGKILL at this point would leave.
 * A copy of it is given to a process that does what nginx's master and the
 * next worker do, and then uses the zone as hard as it can.
 *
 * What the module made must be whole after each of them.  nginx's slab makes
 * no such promise: how often its lists are not in order then, and what comes
 * of it, is counted and printed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include "neon_crypto.h"


#define SIZE   (20 * 4096)
#define KEYS   24
#define FAULTS 32
#define BYTES  8                      /* of a long copy, these one by one */


/* how the zone was after a kill */

typedef enum {
    CLEAN = 0,
    LEAK,                             /* chunks that nobody has */
    DAMAGED,                          /* the slab is, and nothing came of it */
    BROKEN,                           /* the slab is, and use went wrong */
    OURS,                             /* the zone's own structures are */

    RESULTS
} result_e;


typedef struct {
    const char   *name;
    void        (*prepare)(void);
    void        (*op)(void);
} scenario_t;


/* of the checking process, for the test */

typedef struct {
    const char   *fault;              /* of the slab or of ours */
    const char   *broken;
    ngx_uint_t    left;
} report_t;


/* by fault of the slab; the first: none */

typedef struct {
    const char   *fault;
    ngx_uint_t    states[RESULTS];
    ngx_uint_t    steps[RESULTS];     /* under the lock */
} tally_t;


static shm_t                  *shm;
static ngx_neon_zone_t        *zone;
static ngx_neon_lru_t         *node, *secret;
static ngx_neon_lru_policy_t   policy;
static ngx_neon_ticket_t       ticket;
static void                   *handle;
static u_char                  id[NGX_NEON_WAITER_ID + 1];
static u_char                  other_id[NGX_NEON_WAITER_ID + 1];
static u_char                  buffer[NGX_NEON_LRU_VALUE_MAX];
static u_char                  now[SIZE];
static report_t               *report;
static tally_t                 tally[FAULTS];
static ngx_uint_t              states, steps, locked, baseline, hangs;

static const char  *result_names[] = {
    "clean", "a leak", "no harm", "BROKEN", "OURS"
};


/* --- values that tell whether they are whole ------------------------------ */

static ngx_int_t
put(ngx_neon_lru_t *lru, ngx_uint_t k, size_t len, ngx_msec_t ttl)
{
    u_char           text[KEYS + 8192];
    char             name[32];
    uint64_t         generation;
    ngx_neon_key_t   key;

    memset(text, (int) ('a' + k), len);
    sprintf(name, "key-%u", (unsigned) k);
    key = shm_key(shm, name);

    return ngx_neon_lru_insert(zone, lru, &key, neon_str(text, len), 0, ttl,
                               0, &policy, &generation);
}


static ngx_neon_lru_e
get(ngx_neon_lru_t *lru, ngx_uint_t k, ngx_msec_t at)
{
    char                  name[32];
    size_t                i;
    ngx_neon_lru_e        rc;
    ngx_neon_key_t        key;
    ngx_neon_lru_value_t  value;

    sprintf(name, "key-%u", (unsigned) k);
    key = shm_key(shm, name);
    value.data = buffer;

    rc = ngx_neon_lru_get(zone, lru, &key, at, &policy, &value);

    if (rc == NGX_NEON_LRU_HIT) {
        for (i = 0; i < value.len; i++) {
            if (value.data[i] != 'a' + k) {
                report->broken = "a value is not what was inserted";
            }
        }
    }

    return rc;
}


static void
enter(ngx_uint_t process, ngx_msec_t at)
{
    ngx_neon_lru_value_t  value;

    value.data = buffer;
    (void) ngx_neon_flight_enter(&shm->zone[process], &ticket, at, &policy, 0,
                                 &value);
}


static void
finish(size_t len, ngx_msec_t ttl)
{
    uint64_t  generation;

    memset(buffer, 'r', len);
    ngx_neon_flight_finish(zone, &ticket, neon_str(buffer, len), 0, ttl, 0,
                           &policy, &generation);
}


/* --- what is done, step by step ------------------------------------------- */

static void
some(void)
{
    ngx_uint_t  k;

    for (k = 0; k < 5; k++) {
        put(node, k, 40, 1000);
        put(secret, k, 120, 1000);
    }
}


/* pages with one free chunk, pages with one used, and none free */

static void
full(void)
{
    ngx_uint_t  k;

    policy.size = 1000;

    for (k = 0; node->stats.evicted_memory == 0; k++) {
        put(node, k, 60 + 200 * (k % 3), 1000);
    }
}


static void
insert_new(void)
{
    put(node, 9, 40, 1000);
}


static void
insert_page(void)
{
    put(node, 9, 600, 1000);
}


static void
insert_pages(void)
{
    put(node, 9, 8000, 1000);
}


/* of the size for which the slab needs no map of its own: 64 bytes */

static void
insert_exact(void)
{
    put(node, 9, 5, 1000);
}


static void
replace(void)
{
    put(node, 2, 44, 1000);
}


static void
replace_by_longer(void)
{
    put(node, 2, 600, 1000);
}


static void
small(void)
{
    some();
    policy.size = 5;
}


static void
smaller(void)
{
    some();
    policy.size = 2;
}


static void
insert_large(void)
{
    put(secret, 9, 1500, 1000);
}


static void
hit(void)
{
    get(node, 2, 0);
}


static void
expired(void)
{
    get(node, 2, 1000);
}


static void
one_page(void)
{
    put(node, 2, 600, 1000);
}


static void
two_pages(void)
{
    put(node, 2, 5000, 1000);
}


/* between pages that are free, so that three runs become one */

static void
between_free(void)
{
    put(node, 1, 3000, 1000);
    put(node, 2, 3000, 1000);
    put(node, 3, 3000, 1000);
    get(node, 1, 1000);
    put(secret, 4, 3000, 1000);
    get(node, 3, 1000);
    get(secret, 4, 1000);
}


static void
stale(void)
{
    ngx_neon_key_t        key;
    ngx_neon_lru_value_t  value;

    key = shm_key(shm, "key-2");
    value.data = buffer;
    (void) ngx_neon_lru_get_stale(zone, node, &key, 0, &policy, &value);
}


static void
invalidate(void)
{
    ngx_neon_key_t  key;

    key = shm_key(shm, "key-2");
    (void) ngx_neon_lru_invalidate(zone, node, &key, (uint64_t) -1);
}


static void
lead(void)
{
    enter(0, 0);
}


static void
led(void)
{
    some();
    enter(0, 0);
}


static void
joined(void)
{
    ngx_neon_ticket_t  mine;

    led();

    mine = ticket;
    enter(1, 0);
    ticket = mine;
}


static void
led_by_other(void)
{
    some();
    enter(1, 0);
}


static void
join(void)
{
    enter(0, 0);
}


static void
take_over(void)
{
    enter(0, NGX_NEON_FLIGHT_LEASE);
}


static void
renew(void)
{
    (void) ngx_neon_flight_renew(zone, &ticket, 500);
}


static void
finish_cached(void)
{
    finish(70, 1000);
}


static void
finish_uncached(void)
{
    finish(7, 0);
}


static void
abandon(void)
{
    ngx_neon_flight_abandon(zone, &ticket);
}


static void
result(void)
{
    joined();
    finish(30, 0);
}


static void
look(void)
{
    ngx_neon_lru_value_t  value;

    value.data = buffer;
    (void) ngx_neon_flight_poll(zone, &ticket, 0, &value);
}


static void
leave(void)
{
    ngx_neon_flight_leave(zone, &ticket);
}


static void
sweep(void)
{
    ngx_neon_zone_lock(zone);
    ngx_neon_flight_sweep_locked(zone, 100000);
    ngx_neon_zone_unlock(zone);
}


static void
limit(void)
{
    static const ngx_neon_rate_t  rate = { 1000, 2000 };

    (void) ngx_neon_limit_take(zone, NGX_NEON_LIMIT_LOGIN, neon_str("a", 1),
                               &rate);
}


static void
limited(void)
{
    some();
    limit();
}


static void
cancel_add(void)
{
    ngx_neon_cancel_key_t      key;
    ngx_neon_cancel_target_t   target;

    memset(&target, 0, sizeof(target));
    target.len = 4;
    key.len = NGX_NEON_CANCEL_KEY_3_0;
    (void) ngx_neon_cancel_add(&shm->conf[0], &key, &shm_no_link, &target,
                               NULL, 0, &handle);
}


static void
cancels(void)
{
    some();
    cancel_add();
}


static void
cancel_remove(void)
{
    ngx_neon_cancel_remove(&shm->conf[0], handle);
}


static void
cancels_of_the_dead(void)
{
    cancels();
    cancel_add();
    cancel_add();
    shm_die(shm, 0);
    shm_claim(shm, 0);
}


static void
cancel_sweep(void)
{
    ngx_neon_cancel_sweep(zone);
}


static void
waiters(void)
{
    void  *other;

    some();
    (void) ngx_neon_waiter_add(&shm->conf[0], 10, id, &handle);
    (void) ngx_neon_waiter_add(&shm->conf[0], 10, other_id, &other);
}


static void
waiter_add(void)
{
    u_char  more[NGX_NEON_WAITER_ID + 1];

    (void) ngx_neon_waiter_add(&shm->conf[0], 10, more, &handle);
}


static void
waiter_answer(void)
{
    (void) ngx_neon_waiter_answer(&shm->conf[0],
                                  neon_str(id, NGX_NEON_WAITER_ID),
                                  neon_str("a password", 10));
}


static void
waiter_remove(void)
{
    ngx_neon_waiter_remove(&shm->conf[0], handle);
}


static void
waiter_answered(void)
{
    waiters();
    waiter_answer();
}


static void
waiters_of_the_dead(void)
{
    waiter_answered();
    shm_die(shm, 0);
    shm_claim(shm, 0);
}


static void
waiter_sweep(void)
{
    ngx_neon_waiter_sweep(zone);
}


static void
claim(void)
{
    ngx_neon_slot_claim(zone, &shm_log);
}


static void
release(void)
{
    ngx_neon_slot_release(zone);
}


/* one that was killed within another's making it anew */

static void
half_done(void)
{
    some();
    node->queue.next = NULL;
    node->table.count = 1;
    zone->sh->busy = 1;
}


static const scenario_t  scenarios[] = {
    { "insert", some, insert_new },
    { "insert, a page", some, insert_page },
    { "insert, some pages", some, insert_pages },
    { "insert, 64 bytes", some, insert_exact },
    { "insert, first", NULL, insert_new },
    { "replace", some, replace },
    { "replace by a longer one", some, replace_by_longer },
    { "insert over the size", small, insert_new },
    { "insert far over the size", smaller, insert_new },
    { "insert into a full zone", full, insert_new },
    { "insert a large one into a full zone", full, insert_large },
    { "hit", some, hit },
    { "expired", some, expired },
    { "expired, a page", one_page, expired },
    { "expired, some pages", two_pages, expired },
    { "expired, among free pages", between_free, expired },
    { "stale", some, stale },
    { "invalidate", some, invalidate },
    { "lead", some, lead },
    { "lead, zone full", full, lead },
    { "join", led_by_other, join },
    { "take over", led_by_other, take_over },
    { "renew", led, renew },
    { "finish, cached", joined, finish_cached },
    { "finish, cached, alone", led, finish_cached },
    { "finish, uncached", joined, finish_uncached },
    { "finish, uncached, alone", led, finish_uncached },
    { "abandon", joined, abandon },
    { "poll", result, look },
    { "poll too early", joined, look },
    { "leave", result, leave },
    { "sweep", result, sweep },
    { "limit", limited, limit },
    { "limit, first", some, limit },
    { "cancel key", some, cancel_add },
    { "cancel key, zone full", full, cancel_add },
    { "cancel key removed", cancels, cancel_remove },
    { "cancel keys swept", cancels_of_the_dead, cancel_sweep },
    { "waiter", waiters, waiter_add },
    { "waiter answered", waiters, waiter_answer },
    { "waiter removed", waiter_answered, waiter_remove },
    { "waiters swept", waiters_of_the_dead, waiter_sweep },
    { "claim a slot", some, claim },
    { "release a slot", cancels, release },
    { "recovery", half_done, hit }
};


/* --- master and next worker ----------------------------------------------- */

static void
use(void)
{
    uint64_t    random;
    ngx_uint_t  i, k;

    zone = &shm->zone[1];
    random = 3;

    for (i = 0; i < 600; i++) {
        policy.size = i < 300 ? 100 : 8;
        k = shm_random(&random) % KEYS;

        put(i % 2 ? node : secret, k, shm_random(&random) % 700, 1000);
        get(i % 2 ? node : secret, (k * 5) % KEYS, 0);

        if (i % 10 == 0) {
            enter(1, 200000 + i);
            finish(shm_random(&random) % 100, i % 20 ? 1000 : 0);
            limit();
        }

        if (report->fault == NULL && report->broken == NULL) {
            report->broken = shm_fault(shm);
        }
    }

    ngx_neon_zone_lock(zone);

    while (ngx_neon_zone_alloc_locked(zone, SIZE, NULL) == NULL
           && (node->table.count || secret->table.count
               || zone->sh->limits.table.count))
    { /* void */ }

    ngx_neon_flight_sweep_locked(zone, 1000000);

    ngx_neon_zone_unlock(zone);

    for (i = 0; i < SHM_PROCESSES; i++) {
        if (shm->zone[i].slot) {
            shm->zone[i].slot->id = 0;
        }
    }

    ngx_neon_cancel_sweep(zone);
    ngx_neon_waiter_sweep(zone);

    if (report->broken == NULL) {
        report->broken = shm_fault(shm);
    }

    if (report->broken == NULL && shm_logged) {
        report->broken = "the slab's alerts";
    }
}


/* chunks that are left when nobody has any: slots stay */

static ngx_uint_t
left(void)
{
    ngx_uint_t        i, n;
    ngx_neon_slot_t  *slot;

    n = 0;

    for (i = 0; i < ngx_pagesize_shift - shm->pool->min_shift; i++) {
        n += shm->pool->stats[i].used;
    }

    for (slot = shm->zone[1].sh->slots; slot; slot = slot->next) {
        n--;
    }

    return n * 1000 + (shm->pool->last - shm->pool->pages)
           - shm->pool->pfree;
}


static void
examine(pid_t pid)
{
    u_char           *p;
    uint64_t          recovered;
    ngx_uint_t        busy, i;
    struct rlimit     limit;
    ngx_neon_slot_t  *slot;

    p = mmap(shm->addr, SIZE, PROT_READ|PROT_WRITE,
             MAP_ANON|MAP_PRIVATE|MAP_FIXED, -1, 0);
    if (p != shm->addr) {
        _exit(OURS);
    }

    memcpy(p, now, SIZE);

    /* milliseconds do; else it is one that turns or waits for ever */

    limit.rlim_cur = 2;
    limit.rlim_max = 2;
    (void) setrlimit(RLIMIT_CPU, &limit);
    alarm(60);

    /* cmocka's handlers would go on with the next test */

    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    signal(SIGFPE, SIG_DFL);

    ngx_pid = getpid();
    shm_logged = 0;
    busy = zone->sh->busy;
    recovered = zone->sh->recovered;

    (void) ngx_shmtx_force_unlock(&shm->pool->mutex, pid);

    for (slot = zone->sh->slots; slot; slot = slot->next) {
        if (slot->pid == pid) {
            slot->id = 0;
        }
    }

    ngx_neon_zone_lock(&shm->zone[1]);
    ngx_neon_zone_unlock(&shm->zone[1]);

    report->fault = shm_fault(shm);

    if (report->fault == NULL && zone->sh->recovered != recovered + busy) {
        report->fault = "zone: was not made anew";
    }

    for (i = 0; i < KEYS && report->fault == NULL; i++) {
        get(node, i, 0);
        get(secret, i, 0);
        report->fault = report->broken;
    }

    if (report->fault) {
        _exit(OURS);
    }

    report->fault = shm_slab_fault(shm->pool);

    use();

    if (report->broken) {
        _exit(report->fault ? BROKEN : OURS);
    }

    report->left = left();

    _exit(report->fault ? DAMAGED : CLEAN);
}


static void
kill_here(const scenario_t *s, pid_t pid, ngx_uint_t n)
{
    int          status;
    pid_t        checker;
    result_e     r;
    ngx_uint_t   i, hung;

    memset(report, 0, sizeof(report_t));

    checker = fork();
    assert_true(checker >= 0);

    if (checker == 0) {
        examine(pid);
    }

    assert_int_equal(waitpid(checker, &status, 0), checker);

    if (WIFEXITED(status)) {
        r = WEXITSTATUS(status);

    } else {
        r = report->fault ? BROKEN : OURS;
        hung = (WTERMSIG(status) != SIGSEGV && WTERMSIG(status) != SIGBUS);
        report->broken = hung ? "it hangs" : "a crash";
        hangs += hung;
    }

    if (r == CLEAN) {
        if (n == 0 && baseline == 0) {
            baseline = report->left;
        }

        if (report->left != baseline) {
            r = LEAK;
        }
    }

    for (i = 0; i < FAULTS - 1; i++) {
        if (tally[i].fault == report->fault) {
            break;
        }

        if (i && tally[i].fault == NULL) {
            tally[i].fault = report->fault;
            break;
        }
    }

    states++;
    tally[i].states[r]++;
    tally[i].steps[r] += n;

    if (r == OURS) {
        print_error("killed in \"%s\": %s; %s\n", s->name,
                    report->fault ? report->fault : "the slab is in order",
                    report->broken ? report->broken : "nothing broken");
    }
}


/* --- step by step --------------------------------------------------------- */

static void
prepare(const scenario_t *s)
{
    shm_mode = SHM_SLAB;
    shm = shm_create(SIZE, 8, 8);
    zone = &shm->zone[0];
    node = &zone->sh->cache[NGX_NEON_CACHE_NODE];
    secret = &zone->sh->cache[NGX_NEON_CACHE_SECRET];

    shm_claim(shm, 0);
    shm_claim(shm, 1);

    policy.size = 100;
    policy.ttl = 1000;
    policy.stale = 0;

    memset(&ticket, 0, sizeof(ticket));
    ticket.cache = NGX_NEON_CACHE_NODE;
    ticket.key = shm_key(shm, "flight");

    if (s->prepare) {
        s->prepare();
    }
}


/* how many bytes of the memory have changed */

static ngx_uint_t
differs(void)
{
    ngx_uint_t   i, j, n;

    if (memcmp(now, shm->addr, SIZE) == 0) {
        return 0;
    }

    n = 0;

    for (i = 0; i < SIZE; i += 4096) {
        if (memcmp(now + i, shm->addr + i, 4096) != 0) {
            for (j = i; j < i + 4096; j++) {
                n += (now[j] != shm->addr[j]);
            }
        }
    }

    return n;
}


static void
run(const scenario_t *s)
{
    int          status;
    pid_t        pid;
    ngx_uint_t   n, first, changed, bytes;

    prepare(s);

    baseline = 0;
    bytes = 0;
    first = states;

    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        ngx_pid = getpid();

        if (zone->slot) {
            zone->slot->pid = ngx_pid;
        }

        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1) {
            _exit(2);
        }

        /* the first time takes long */
        (void) neon_random(buffer, 1);

        raise(SIGSTOP);
        s->op();
        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);

    if (!WIFSTOPPED(status)) {
        skip();
    }

    memcpy(now, shm->addr, SIZE);
    n = 0;

    for ( ;; ) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);

        if (!WIFSTOPPED(status)) {
            break;
        }

        steps++;

        changed = differs();

        if (changed) {
            bytes = (changed == 1) ? bytes + 1 : 0;

            if (bytes < BYTES) {
                kill_here(s, pid, n);
                n = 0;
            }

            memcpy(now, shm->addr, SIZE);
        }

        if (*shm->pool->mutex.lock) {
            locked++;
            n++;
        }
    }

    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    kill_here(s, pid, n);
    assert_true(states - first > 2);

    shm_destroy(shm);
}


static void
test_every_instruction(void **state)
{
    ngx_uint_t  i, r;

#if !(__x86_64__)
    skip();       /* elsewhere a step may break an atomic operation */
#endif

    report = mmap(NULL, sizeof(report_t), PROT_READ|PROT_WRITE,
                  MAP_ANON|MAP_SHARED, -1, 0);
    assert_ptr_not_equal(report, MAP_FAILED);

    for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        run(&scenarios[i]);
    }

    print_message("# %d operations, %d instructions, %d of them under the"
                  " lock, %d states of the memory, %d hangs\n",
                  (int) (sizeof(scenarios) / sizeof(scenarios[0])),
                  (int) steps, (int) locked, (int) states, (int) hangs);

    for (i = 0; i < FAULTS; i++) {
        for (r = 0; r < RESULTS; r++) {
            if (tally[i].states[r]) {
                print_message("# %-55s %-10s %5d states %6d instructions\n",
                              tally[i].fault ? tally[i].fault : "slab: whole",
                              result_names[r], (int) tally[i].states[r],
                              (int) tally[i].steps[r]);
            }
        }
    }

    for (i = 0; i < FAULTS; i++) {
        assert_int_equal(tally[i].states[OURS], 0);
    }

    assert_true(tally[0].states[CLEAN] + tally[0].states[LEAK] > states / 2);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_instruction)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
