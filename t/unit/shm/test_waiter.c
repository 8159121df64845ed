/*
 * Waiters of `control_plane link`: an id is answered once, and nothing of the
 * answer stays behind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"


#define MAX     1000
#define SECRET  "{\"password\":\"a secret that is nowhere else\"}"


static shm_t            *shm;
static ngx_neon_conf_t  *conf;
static ngx_uint_t        live;


static int
setup(void **state)
{
    shm_mode = *(shm_mode_e *) *state;
    shm_budget = 1 << 20;

    shm = shm_create(1 << 20, 1, 1);
    conf = &shm->conf[0];

    shm_claim(shm, 0);
    shm_claim(shm, 1);

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


static neon_str_t
str(const void *z)
{
    return neon_str(z, strlen(z));
}


/* does the zone's memory hold it? */

static ngx_uint_t
holds(const char *text)
{
    return memmem(shm->addr, shm->size, text, strlen(text)) != NULL;
}


static void *
add(ngx_uint_t process, u_char *id)
{
    void  *handle;

    assert_int_equal(ngx_neon_waiter_add(&shm->conf[process], MAX, id,
                                         &handle),
                     NGX_OK);
    assert_non_null(handle);
    assert_int_equal(strlen((char *) id), NGX_NEON_WAITER_ID);
    assert_int_equal(strspn((char *) id, "0123456789abcdef"),
                     NGX_NEON_WAITER_ID);
    assert_int_equal(ngx_neon_waiter_answered(handle), 0);

    return handle;
}


static void
test_answer(void **state)
{
    void        *handle;
    u_char       id[NGX_NEON_WAITER_ID + 1], other[NGX_NEON_WAITER_ID + 1];
    u_char       buf[sizeof(SECRET)];
    ngx_uint_t   i, before;

    handle = add(0, id);
    before = ngx_neon_waiter_answers(conf);

    /* any other id: a digit changed, less, more, upper case */

    for (i = 0; i < NGX_NEON_WAITER_ID; i++) {
        memcpy(other, id, sizeof(id));
        other[i] = (other[i] == '7') ? '8' : '7';
        assert_int_equal(ngx_neon_waiter_answer(conf, str(other),
                                                str(SECRET)),
                         NGX_DECLINED);
        assert_int_equal(ngx_neon_waiter_answer(conf, neon_str(id, i),
                                                str(SECRET)),
                         NGX_DECLINED);
    }

    assert_int_equal(ngx_neon_waiter_answer(conf,
                         neon_str(id, NGX_NEON_WAITER_ID + 1), str(SECRET)),
                     NGX_DECLINED);
    assert_int_equal(ngx_neon_waiter_answers(conf), before);
    assert_false(shm_mode == SHM_SLAB && holds(SECRET));

    /* by another worker, and once */

    assert_int_equal(ngx_neon_waiter_answer(&shm->conf[1], str(id),
                                            str(SECRET)),
                     NGX_OK);
    assert_int_equal(ngx_neon_waiter_answers(conf), before + 1);
    assert_true(shm_mode == SHM_MALLOC || holds(SECRET));

    assert_int_equal(ngx_neon_waiter_answer(&shm->conf[1], str(id),
                                            str("another")),
                     NGX_DECLINED);

    assert_int_equal(ngx_neon_waiter_answered(handle), strlen(SECRET));
    ngx_neon_waiter_take(conf, handle, buf);
    assert_memory_equal(buf, SECRET, strlen(SECRET));

    assert_int_equal(ngx_neon_waiter_answer(conf, str(id), str("another")),
                     NGX_DECLINED);
    assert_false(holds(SECRET));
    assert_int_equal(shm->zone[0].sh->waiters.count, 0);
    assert_int_equal(shm_live, live);
}


static void
test_late(void **state)
{
    void    *handle;
    u_char   id[NGX_NEON_WAITER_ID + 1];

    handle = add(0, id);
    ngx_neon_waiter_remove(conf, handle);

    assert_int_equal(ngx_neon_waiter_answer(conf, str(id), str(SECRET)),
                     NGX_DECLINED);

    /* who goes away just when it was answered takes the answer with him */

    handle = add(0, id);
    assert_int_equal(ngx_neon_waiter_answer(conf, str(id), str(SECRET)),
                     NGX_OK);
    ngx_neon_waiter_remove(conf, handle);

    assert_false(holds(SECRET));
    assert_int_equal(shm_live, live);
}


static void
test_many(void **state)
{
    void        *handles[MAX], *more;
    u_char       id[MAX][NGX_NEON_WAITER_ID + 1];
    u_char       buf[64], other[NGX_NEON_WAITER_ID + 1];
    ngx_uint_t   i, j;

    for (i = 0; i < MAX; i++) {
        handles[i] = add(i % 2, id[i]);

        for (j = 0; j < i; j++) {
            assert_memory_not_equal(id[i], id[j], NGX_NEON_WAITER_ID);
        }
    }

    /* no more than so many, whatever the limit of another configuration */

    assert_int_equal(ngx_neon_waiter_add(conf, MAX, other, &more),
                     NGX_DECLINED);
    assert_null(more);
    assert_int_equal(ngx_neon_waiter_add(conf, MAX + 1, other, &more),
                     NGX_OK);
    ngx_neon_waiter_remove(conf, more);

    for (i = 0; i < MAX; i += 3) {
        assert_int_equal(ngx_neon_waiter_answer(conf, str(id[i]),
                                                str(id[i])),
                         NGX_OK);
    }

    for (i = 0; i < MAX; i++) {
        assert_int_equal(ngx_neon_waiter_answered(handles[i]),
                         i % 3 ? 0 : NGX_NEON_WAITER_ID);

        if (i % 3 == 0) {
            ngx_neon_waiter_take(&shm->conf[i % 2], handles[i], buf);
            assert_memory_equal(buf, id[i], NGX_NEON_WAITER_ID);
            continue;
        }

        ngx_neon_waiter_remove(&shm->conf[i % 2], handles[i]);
    }

    assert_int_equal(shm_live, live);
}


static void
test_sizes(void **state)
{
    void    *handle;
    u_char  *answer, *buf, id[NGX_NEON_WAITER_ID + 1];

    answer = malloc(NGX_NEON_WAITER_ANSWER + 1);
    buf = malloc(NGX_NEON_WAITER_ANSWER);
    assert_non_null(answer);
    assert_non_null(buf);
    memset(answer, 0x61, NGX_NEON_WAITER_ANSWER + 1);

    handle = add(0, id);

    assert_int_equal(ngx_neon_waiter_answer(conf, str(id), neon_str("", 0)),
                     NGX_ERROR);
    assert_int_equal(ngx_neon_waiter_answer(conf, str(id),
                         neon_str(answer, NGX_NEON_WAITER_ANSWER + 1)),
                     NGX_ERROR);
    assert_int_equal(ngx_neon_waiter_answer(conf, str(id),
                         neon_str(answer, NGX_NEON_WAITER_ANSWER)),
                     NGX_OK);
    assert_int_equal(ngx_neon_waiter_answered(handle),
                     NGX_NEON_WAITER_ANSWER);

    ngx_neon_waiter_take(conf, handle, buf);
    assert_memory_equal(buf, answer, NGX_NEON_WAITER_ANSWER);

    free(answer);
    free(buf);
    assert_int_equal(shm_live, live);
}


/* whose process is gone, is gone, too, with what was said to it; others stay */

static void
test_dead_process(void **state)
{
    void        *handles[100];
    u_char       id[100][NGX_NEON_WAITER_ID + 1];
    ngx_uint_t   i;

    for (i = 0; i < 100; i++) {
        handles[i] = add(i % 2, id[i]);
    }

    assert_int_equal(ngx_neon_waiter_answer(conf, str(id[0]), str(SECRET)),
                     NGX_OK);
    ngx_neon_waiter_sweep(&shm->zone[1]);
    assert_int_equal(shm->zone[0].sh->waiters.count, 100);

    shm_die(shm, 0);

    for (i = 0; i < 100; i++) {
        assert_int_equal(ngx_neon_waiter_answer(&shm->conf[1], str(id[i]),
                                                str("hello")),
                         i % 2 ? NGX_OK : NGX_DECLINED);
    }

    /* its slot serves another one now */

    shm_claim(shm, 0);
    assert_int_equal(ngx_neon_waiter_answer(&shm->conf[1], str(id[2]),
                                            str("hello")),
                     NGX_DECLINED);

    ngx_neon_waiter_sweep(&shm->zone[1]);
    assert_int_equal(shm->zone[0].sh->waiters.count, 50);
    assert_false(holds(SECRET));

    for (i = 1; i < 100; i += 2) {
        assert_int_equal(ngx_neon_waiter_answered(handles[i]), 5);
    }

    /* a process that quits takes its own with it */

    ngx_neon_slot_release(&shm->zone[1]);
    assert_int_equal(shm->zone[0].sh->waiters.count, 0);
    assert_int_equal(shm_live, live);
}


static void
test_no_room(void **state)
{
    void    *handle, *waits;
    u_char   id[NGX_NEON_WAITER_ID + 1], other[NGX_NEON_WAITER_ID + 1];

    if (shm_mode != SHM_MALLOC) {
        skip();
    }

    waits = add(0, id);
    shm_budget = 0;
    handle = &waits;

    assert_int_equal(ngx_neon_waiter_add(conf, MAX, other, &handle),
                     NGX_ERROR);
    assert_null(handle);
    assert_int_equal(ngx_neon_waiter_answer(conf, str(id), str(SECRET)),
                     NGX_ERROR);
    assert_int_equal(ngx_neon_waiter_answered(waits), 0);

    /* it was not used up */

    shm_budget = 1 << 20;
    assert_int_equal(ngx_neon_waiter_answer(conf, str(id), str(SECRET)),
                     NGX_OK);
    ngx_neon_waiter_remove(conf, waits);

    /* no slot: nobody would ever sweep it */

    assert_int_equal(ngx_neon_waiter_add(&shm->conf[2], MAX, other, &handle),
                     NGX_ERROR);
    assert_null(handle);
    assert_int_equal(shm_live, live);
}


int
main(void)
{
    static shm_mode_e  modes[] = { SHM_SLAB, SHM_MALLOC };

#define both(name)                                                            \
    { #name " 0", name, setup, teardown, &modes[0] },                         \
    { #name " 1", name, setup, teardown, &modes[1] }

    const struct CMUnitTest tests[] = {
        both(test_answer),
        both(test_late),
        both(test_many),
        both(test_sizes),
        both(test_dead_process),
        both(test_no_room)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
