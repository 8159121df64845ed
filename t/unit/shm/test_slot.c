/*
 * Process slots, with processes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"

#include <sys/wait.h>


static shm_t  *shm;


static int
setup(void **state)
{
    shm_mode = SHM_SLAB;
    shm = shm_create(256 * 1024, 16, 16);

    return 0;
}


static int
teardown(void **state)
{
    shm_assert(shm);
    shm_destroy(shm);

    return 0;
}


static ngx_uint_t
slots(void)
{
    ngx_uint_t        n;
    ngx_neon_slot_t  *slot;

    n = 0;

    for (slot = shm->zone[0].sh->slots; slot; slot = slot->next) {
        n++;
    }

    return n;
}


/* a process that has a slot, and is there until its end of the pipe closes */

static pid_t
spawn(int *pipe_end)
{
    int    fds[2], back[2];
    char   c;
    pid_t  pid;

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe(back), 0);

    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        ngx_pid = getpid();
        close(fds[1]);

        ngx_neon_slot_claim(&shm->zone[1], &shm_log);
        (void) ngx_atomic_fetch_add(&shm->zone[1].slot->sessions[0], 3);
        (void) ngx_atomic_fetch_add(&shm->zone[1].slot->flights, 2);
        (void) ngx_atomic_fetch_add(&shm->zone[1].slot->waiting, 4);
        shm->zone[1].slot->draining = 1;

        (void) !write(back[1], "x", 1);
        (void) !read(fds[0], &c, 1);
        _exit(0);
    }

    close(fds[0]);
    close(back[1]);
    assert_int_equal(read(back[0], &c, 1), 1);
    close(back[0]);

    *pipe_end = fds[1];

    return pid;
}


static void
test_claim(void **state)
{
    char              line[64];
    uint64_t          id;
    ngx_neon_slot_t  *slot;

    ngx_neon_slot_claim(&shm->zone[0], &shm_log);

    slot = shm->zone[0].slot;
    assert_non_null(slot);
    assert_int_equal(slot->pid, getpid());
    assert_int_not_equal(slot->id, 0);
    assert_int_not_equal(slot->started, 0);
    assert_int_equal(slot->since, ngx_time());
    assert_int_equal(slot->sessions[0], 0);
    assert_int_equal(slot->draining, 0);
    assert_true(ngx_neon_slot_alive(slot, slot->id));
    assert_false(ngx_neon_slot_alive((ngx_neon_slot_t *) NULL, 0));

    id = slot->id;
    slot->sessions[1] = 7;
    slot->draining = 1;

    ngx_neon_slot_release(&shm->zone[0]);
    assert_null(shm->zone[0].slot);
    assert_int_equal(slot->id, 0);
    assert_int_equal(slot->sessions[1], 0);
    assert_false(ngx_neon_slot_alive(slot, id));

    ngx_neon_slot_release(&shm->zone[0]);

    /* the next one takes it, under another id */

    ngx_neon_slot_claim(&shm->zone[0], &shm_log);
    assert_ptr_equal(shm->zone[0].slot, slot);
    assert_true(slot->id > id);
    assert_int_equal(slot->draining, 0);
    assert_int_equal(slots(), 1);

    /* what has our pid was another's: we have just begun */

    id = slot->id;
    shm_message[0] = '\0';
    ngx_neon_slot_claim(&shm->zone[0], &shm_log);
    assert_ptr_equal(shm->zone[0].slot, slot);
    assert_true(slot->id > id);
    assert_int_equal(slots(), 1);

    sprintf(line, "process %d is gone", (int) getpid());
    assert_non_null(strstr(shm_message, line));
}


static void
test_killed(void **state)
{
    int                        fd, fd2;
    void                      *handle;
    pid_t                      pid, pid2;
    uint64_t                   id;
    ngx_neon_slot_t           *slot, *slot2;
    ngx_neon_ticket_t          ticket;
    ngx_neon_cancel_key_t      key;
    ngx_neon_cancel_target_t   target;

    pid = spawn(&fd);
    slot = shm->zone[0].sh->slots;
    id = slot->id;

    pid2 = spawn(&fd2);
    slot2 = shm->zone[0].sh->slots;

    assert_ptr_not_equal(slot, slot2);
    assert_int_equal(slot->pid, pid);
    assert_int_equal(slot2->pid, pid2);
    assert_int_not_equal(slot->id, slot2->id);

    /* a lease and a cancel key of the first one */

    shm->zone[1].slot = slot;
    memset(&ticket, 0, sizeof(ticket));
    ticket.key = shm_key(shm, "ep");
    ngx_current_msec = 0;

    {
        ngx_neon_lru_value_t         value = { NULL, 0, 0, 0, 0, 0 };
        const ngx_neon_lru_policy_t  policy = { 10, 1000, 0, 0 };

        assert_int_equal(ngx_neon_flight_enter(&shm->zone[1], &ticket, 0,
                                               &policy, 0, &value),
                         NGX_NEON_FLIGHT_LEAD);
    }

    memset(&target, 0, sizeof(target));
    target.len = 4;
    key.len = NGX_NEON_CANCEL_KEY_3_0;
    assert_int_equal(ngx_neon_cancel_add(&shm->conf[1], &key, &shm_no_link,
                                         &target, NULL, 0, &handle),
                     NGX_OK);

    /* killed, but nobody has waited for it: the master will */

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, pid, NULL, WEXITED|WNOWAIT), 0);

    ngx_neon_slot_claim(&shm->zone[0], &shm_log);
    assert_int_equal(slots(), 3);
    assert_int_equal(slot->id, id);
    assert_int_equal(slot->sessions[0], 3);
    assert_int_equal(shm->zone[0].sh->flights.count, 1);
    assert_int_equal(shm->zone[0].sh->cancels.count, 1);

    ngx_neon_slot_release(&shm->zone[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);

    /* now: with all that it had */

    ngx_neon_slot_claim(&shm->zone[0], &shm_log);
    assert_int_equal(slots(), 3);
    assert_int_equal(shm->zone[0].sh->flights.count, 0);
    assert_int_equal(shm->zone[0].sh->cancels.count, 0);
    assert_ptr_not_equal(shm->zone[0].slot, slot2);

    if (shm->zone[0].slot == slot) {
        assert_int_equal(slot->pid, getpid());

    } else {
        assert_int_equal(slot->id, 0);
    }

    assert_int_equal(slot->sessions[0], 0);
    assert_int_equal(slot->flights, 0);
    assert_int_equal(slot->waiting, 0);
    assert_int_equal(shm->zone[0].slot->draining, 0);

    /* the other one is as it was */

    assert_int_equal(slot2->pid, pid2);
    assert_int_equal(slot2->sessions[0], 3);
    assert_int_equal(slot2->draining, 1);

    close(fd);
    close(fd2);
    assert_int_equal(waitpid(pid2, NULL, 0), pid2);
}


/* a pid that is somebody else's by now */

static void
test_reused_pid(void **state)
{
    int               fd;
    pid_t             pid;
    uint64_t          id;
    ngx_neon_slot_t  *slot;

    pid = spawn(&fd);
    slot = shm->zone[0].sh->slots;
    id = slot->id;

    ngx_neon_slot_claim(&shm->zone[0], &shm_log);
    assert_int_equal(slot->id, id);
    ngx_neon_slot_release(&shm->zone[0]);

    /* when it started is not known: it is there, that must do */

    slot->started = 0;
    ngx_neon_slot_claim(&shm->zone[0], &shm_log);
    assert_int_equal(slot->id, id);
    ngx_neon_slot_release(&shm->zone[0]);

    /* another one started with that pid */

    slot->started = 1;
    ngx_neon_slot_claim(&shm->zone[0], &shm_log);
    assert_true(slot->id != id);
    assert_int_equal(slot->sessions[0], 0);

    close(fd);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}


/* the 22nd field, whatever the name of the program is */

static void
test_started(void **state)
{
    int       fd;
    pid_t     pid;
    FILE     *f;
    char      stat[1024], *p;
    long      n;

    assert_int_equal(prctl(PR_SET_NAME, "a) R 1 2 (b", 0, 0, 0), 0);

    pid = spawn(&fd);
    snprintf(stat, sizeof(stat), "/proc/%d/stat", (int) pid);

    f = fopen(stat, "r");
    assert_non_null(f);
    assert_non_null(fgets(stat, sizeof(stat), f));
    fclose(f);

    p = strrchr(stat, ')') + 1;

    for (n = 0; n < 19; n++) {
        p = strchr(p + 1, ' ');
        assert_non_null(p);
    }

    assert_int_equal(shm->zone[0].sh->slots->started, atoll(p));

    close(fd);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(prctl(PR_SET_NAME, "test_slot", 0, 0, 0), 0);
}


static void
test_no_memory(void **state)
{
    ngx_uint_t  logged;

    shm_mode = SHM_MALLOC;
    shm_budget = 0;
    logged = shm_logged;

    ngx_neon_slot_claim(&shm->zone[0], &shm_log);

    assert_null(shm->zone[0].slot);
    assert_non_null(strstr(shm_message, "neon zone is full"));
    assert_int_equal(shm_logged, logged + 1);
    assert_int_equal(slots(), 0);

    ngx_neon_slot_release(&shm->zone[0]);

    shm_logged = logged;
    shm_mode = SHM_SLAB;
}


int
main(void)
{
#define test(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

    const struct CMUnitTest tests[] = {
        test(test_claim),
        test(test_killed),
        test(test_reused_pid),
        test(test_started),
        test(test_no_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
