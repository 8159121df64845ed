/*
 * Processes that use one zone as hard as they can, and are killed.
 *
 * The parent does what nginx's master does: it unlocks what the dead one
 * held, and starts another.  A process is stopped first, so that one that is
 * just in nginx's slab can be told; it is let go on then, for the slab's lists
 * need not be in order (see test_crash.c).  With NEON_KILL_SLAB=1 it is killed
 * as well, until that shows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"

#include <sys/wait.h>


#define WORKERS  4
#define KILLS    200
#define KEYS     600


/* beside the zone: what the workers and the parent tell each other */

typedef struct {
    ngx_atomic_t   stop;
    ngx_atomic_t   beats[WORKERS];
    ngx_atomic_t   in_slab[WORKERS];
    ngx_atomic_t   flights;
    ngx_atomic_t   hits;
    char           fault[256];
} control_t;


static shm_t                        *shm;
static control_t                    *control;
static ngx_neon_zone_t              *zone;
static ngx_uint_t                    me;
static uint64_t                      random_state;
static u_char                        buffer[NGX_NEON_LRU_VALUE_MAX];
static const ngx_neon_lru_policy_t   policy = { 400, 50, 20, 50 };


static ngx_msec_t
msec(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* --- a worker ------------------------------------------------------------- */

static void
slab_hook(void)
{
    control->in_slab[me] ^= 1;
}


static ngx_uint_t
draw(ngx_uint_t n)
{
    return shm_random(&random_state) % n;
}


static void
wrong(const char *what)
{
    sprintf(control->fault, "%s", what);
    _exit(3);
}


/* a value: its length and the key's number in each byte */

static neon_str_t
value_of(ngx_uint_t k)
{
    size_t  len;

    len = draw(50) ? 1 + draw(300) : 1 + draw(5000);
    memset(buffer, (int) k & 0xff, len);

    return neon_str(buffer, len);
}


static void
look_at(ngx_neon_lru_value_t *value, ngx_uint_t k)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] != (k & 0xff)) {
            wrong("a value is not what was inserted");
        }
    }

    (void) ngx_atomic_fetch_add(&control->hits, 1);
}


static void
fly(ngx_neon_ticket_t *ticket, ngx_uint_t k)
{
    uint64_t              generation;
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_neon_lru_value_t  value;

    value.data = buffer;

    switch (ngx_neon_flight_enter(zone, ticket, msec(), &policy, 0, &value)) {

    case NGX_NEON_FLIGHT_HIT:
        look_at(&value, k);
        return;

    case NGX_NEON_FLIGHT_LEAD:
        (void) ngx_atomic_fetch_add(&control->flights, 1);

        for (i = draw(20); i; i--) {
            (void) ngx_neon_flight_renew(zone, ticket, msec());
        }

        if (draw(10) == 0) {
            ngx_neon_flight_abandon(zone, ticket);
            return;
        }

        ngx_neon_flight_finish(zone, ticket, value_of(k), 0,
                               draw(2) ? draw(20) : 0, msec(), &policy,
                               &generation);
        return;

    default: /* NGX_NEON_FLIGHT_JOIN */

        for (i = 0; i < 200; i++) {
            rc = ngx_neon_flight_poll(zone, ticket, msec(), &value);

            if (rc == NGX_OK) {
                look_at(&value, k);
            }

            if (rc != NGX_AGAIN) {
                return;
            }
        }

        ngx_neon_flight_leave(zone, ticket);
    }
}


static void
step(void **handle)
{
    char                       name[32];
    uint64_t                   generation;
    ngx_uint_t                 k, n;
    ngx_neon_key_t             key;
    ngx_neon_lru_t            *lru;
    ngx_neon_ticket_t          ticket;
    ngx_neon_lru_value_t       value;
    ngx_neon_cancel_key_t      cancel;
    ngx_neon_cancel_target_t   target;

    static const ngx_neon_rate_t  rate = { 1000, 5000 };

    k = draw(KEYS);
    n = draw(100);
    sprintf(name, "key-%u", (unsigned) k);
    key = shm_key(shm, name);
    value.data = buffer;
    lru = &zone->sh->cache[k % 2];

    if (n < 30) {
        if (ngx_neon_lru_get(zone, lru, &key, msec(), &policy, &value)
            == NGX_NEON_LRU_HIT)
        {
            look_at(&value, k);
        }

    } else if (n < 35) {
        if (ngx_neon_lru_get_stale(zone, lru, &key, msec(), &policy, &value)
            == NGX_OK)
        {
            look_at(&value, k);
        }

    } else if (n < 60) {
        (void) ngx_neon_lru_insert(zone, lru, &key, value_of(k), draw(2),
                                   draw(100), msec(), &policy, &generation);

    } else if (n < 70) {
        (void) ngx_neon_lru_invalidate(zone, lru, &key,
                                       zone->sh->generation - draw(50));

    } else if (n < 80) {
        ngx_current_msec = msec();
        (void) ngx_neon_limit_take(zone, NGX_NEON_LIMIT_LOGIN, key.name,
                                   &rate);

    } else if (n < 85) {
        if (*handle) {
            ngx_neon_cancel_remove(&shm->conf[0], *handle);
            *handle = NULL;

        } else {
            memset(&target, 0, sizeof(target));
            target.len = 4;
            cancel.len = NGX_NEON_CANCEL_KEY_3_0;
            (void) ngx_neon_cancel_add(&shm->conf[0], &cancel, &shm_no_link,
                                       &target, NULL, 0, handle);
        }

    } else {
        memset(&ticket, 0, sizeof(ticket));

        k = draw(4);
        sprintf(name, "flight-%u", (unsigned) k);
        ticket.cache = NGX_NEON_CACHE_NODE;
        ticket.key = shm_key(shm, name);

        fly(&ticket, k);
    }
}


static pid_t
spawn(ngx_uint_t i, uint64_t seed)
{
    void   *handle;
    pid_t   pid;

    pid = fork();
    assert_true(pid >= 0);

    if (pid) {
        return pid;
    }

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);

    ngx_pid = getpid();
    me = i;
    random_state = seed;
    handle = NULL;
    zone->slot = NULL;
    ngx_current_msec = msec();

    control->in_slab[me] = 0;
    shm_hook = slab_hook;

    ngx_neon_slot_claim(zone, &shm_log);

    while (!control->stop) {
        step(&handle);
        control->beats[me]++;
    }

    ngx_neon_slot_release(zone);

    _exit(shm_logged ? 4 : 0);
}


/* --- the parent ----------------------------------------------------------- */

/* have all of the others done something since?  NULL: they have */

static const char *
stuck(pid_t *pids, ngx_uint_t but, ngx_uint_t seconds)
{
    ngx_uint_t       i, n, beats[WORKERS];
    ngx_msec_t       end;

    for (i = 0; i < WORKERS; i++) {
        beats[i] = control->beats[i];
    }

    end = msec() + seconds * 1000;

    do {
        n = 0;

        for (i = 0; i < WORKERS; i++) {
            n += (i == but || control->beats[i] != beats[i]);
        }

        if (n == WORKERS) {
            return NULL;
        }

        for (i = 0; i < WORKERS; i++) {
            if (i != but && waitpid(pids[i], NULL, WNOHANG) > 0) {
                pids[i] = 0;
                return control->fault[0] ? control->fault : "one has crashed";
            }
        }

        usleep(100);

    } while (msec() < end);

    return "nothing moves";
}


/* allocations: chunks, and runs of pages */

static ngx_uint_t
chunks(void)
{
    ngx_uint_t        i, n;
    ngx_slab_page_t  *page;

    n = 0;

    for (i = 0; i < ngx_pagesize_shift - shm->pool->min_shift; i++) {
        n += shm->pool->stats[i].used;
    }

    for (page = shm->pool->pages; page < shm->pool->last; page++) {
        n += (page->prev == 0 && page->slab >> 63 && ~page->slab);
    }

    return n;
}


static void
test_killed(void **state)
{
    int           status;
    pid_t         pids[WORKERS];
    const char   *fault;
    ngx_uint_t    i, k, n, kills, slab, in_slab, held, stalls, before, used;

    ngx_neon_slot_t  *slot;

    n = shm_number("NEON_KILLS", KILLS);
    slab = shm_number("NEON_KILL_SLAB", 0);

    shm_mode = SHM_SLAB;
    shm = shm_create(256 * 1024, 256, 256);
    zone = &shm->zone[0];
    random_state = shm_seed();
    before = chunks();

    /* notices of the dead are not what this is about */
    shm_log.log_level = NGX_LOG_WARN;

    control = mmap(NULL, sizeof(control_t), PROT_READ|PROT_WRITE,
                   MAP_ANON|MAP_SHARED, -1, 0);
    assert_ptr_not_equal(control, MAP_FAILED);

    for (i = 0; i < WORKERS; i++) {
        pids[i] = spawn(i, shm_random(&random_state));
    }

    held = 0;
    in_slab = 0;
    stalls = 0;
    fault = stuck(pids, WORKERS, 60);

    for (kills = 0; kills < n && fault == NULL; /* void */ ) {

        usleep(draw(2000));
        k = draw(WORKERS);

        assert_int_equal(kill(pids[k], SIGSTOP), 0);
        assert_int_equal(waitpid(pids[k], &status, WUNTRACED), pids[k]);

        if (!WIFSTOPPED(status)) {
            fault = control->fault[0] ? control->fault : "one has crashed";
            pids[k] = 0;
            break;
        }

        if (control->in_slab[k]) {
            in_slab++;

            if (!slab) {
                assert_int_equal(kill(pids[k], SIGCONT), 0);
                continue;
            }
        }

        assert_int_equal(kill(pids[k], SIGKILL), 0);
        assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
        kills++;

        held += ngx_shmtx_force_unlock(&shm->pool->mutex, pids[k]);

        if (stuck(pids, k, 1)) {
            stalls++;
        }

        pids[k] = spawn(k, shm_random(&random_state));
        fault = stuck(pids, WORKERS, 60);
    }

    control->stop = 1;

    for (i = 0; i < WORKERS; i++) {
        if (pids[i] == 0) {
            continue;
        }

        if (fault) {
            (void) kill(pids[i], SIGKILL);
        }

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        (void) ngx_shmtx_force_unlock(&shm->pool->mutex, pids[i]);

        if (fault == NULL && status) {
            fault = control->fault[0] ? control->fault : "an error was logged";
        }
    }

    print_message("# %d kills, %d of them under the lock, %d just in the slab"
                  " were%s killed, made anew %d times; others stood still"
                  " until somebody came: %d; %d flights, %d hits\n",
                  (int) kills, (int) held, (int) in_slab, slab ? "" : " not",
                  (int) zone->sh->recovered, (int) stalls,
                  (int) control->flights, (int) control->hits);

    if (slab) {
        print_message("# what came of it: %s; at the end, the slab: %s\n",
                      fault ? fault : "nothing",
                      shm_slab_fault(shm->pool) ? shm_slab_fault(shm->pool)
                                                : "in order");
        return;
    }

    if (fault) {
        fail_msg("%s", fault);
    }

    /* what the dead had goes with the next one */

    ngx_current_msec = msec() + NGX_NEON_FLIGHT_LEASE;
    ngx_neon_slot_claim(zone, &shm_log);

    assert_int_equal(zone->sh->flights.count, 0);
    assert_int_equal(zone->sh->cancels.count, 0);
    assert_true(n < KILLS || zone->sh->recovered > 0);
    assert_true(zone->sh->recovered <= held);

    shm_assert(shm);

    /* a kill may cost what was allocated and not yet linked, and no more */

    used = chunks() - before;
    used -= zone->sh->cache[0].table.count + zone->sh->cache[1].table.count
            + zone->sh->limits.table.count;

    for (slot = zone->sh->slots; slot; slot = slot->next) {
        used--;
    }

    print_message("# chunks that the dead took with them: %d\n", (int) used);

    assert_in_range(used, 0, 2 * held);

    ngx_neon_slot_release(zone);
    shm_destroy(shm);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
