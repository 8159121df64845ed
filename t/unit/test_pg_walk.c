/*
 * The boundary walker's framing: torn, long and senseless streams.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pg_walk_pass.h"


/* many messages in one chunk are the same as each byte on its own */

static void
bytes_and_chunks_agree(void **state)
{
    size_t           i, n, size;
    uint8_t          stream[512];
    neon_pg_walk_t   whole, bytes, chunks;

    static const uint8_t  tags[] = "12TDDDCSANE";

    (void) state;

    n = 0;

    for (i = 0; n + 64 < sizeof(stream); i++) {
        size = (i * 7) % 40;
        stream[n] = tags[i % (sizeof(tags) - 1)];
        memset(stream + n + 1, 0, 3);
        stream[n + 4] = (uint8_t) (4 + size);
        memset(stream + n + 5, 'Z', size);
        n += 5 + size;

        if (i % 5 == 4) {
            memcpy(stream + n, "Z\0\0\0\5T", 6);
            n += 6;
        }
    }

    for (size = 1; size < n; size++) {
        neon_pg_walk_init(&whole, 'I');
        neon_pg_walk_init(&bytes, 'I');
        neon_pg_walk_init(&chunks, 'I');

        for (i = 0; i < 30; i++) {
            pass(&whole, 1, 'Q', 0, 0);
            pass(&bytes, 1, 'Q', 0, 1);
            pass(&chunks, 1, 'Q', 0, 2);
        }

        /* of every length, so that every field is cut somewhere */

        neon_pg_walk_compute(&whole, stream, size);

        for (i = 0; i < size; i++) {
            neon_pg_walk_compute(&bytes, stream + i, 1);
        }

        neon_pg_walk_compute(&chunks, stream, size / 2);
        neon_pg_walk_compute(&chunks, stream + size / 2, size - size / 2);

        whole.client.tag = bytes.client.tag = chunks.client.tag = 0;
        whole.compute.tag = bytes.compute.tag = chunks.compute.tag = 0;

        assert_memory_equal(&whole, &bytes, sizeof(whole));
        assert_memory_equal(&whole, &chunks, sizeof(whole));
        assert_false(whole.lost);
    }
}


/* what is left of the compute's message leads to a boundary, and only there */

static void
left(void **state)
{
    size_t          i;
    neon_pg_walk_t  w;

    static const uint8_t  rows[] = "D\0\0\0\7abcD\0\0\0\4D\0\0\0\5x";

    static const size_t  want[] = { 0, 4, 3, 2, 1, 3, 2, 1,
                                    0, 4, 3, 2, 1,
                                    0, 4, 3, 2, 1, 1, 0 };

    (void) state;

    neon_pg_walk_init(&w, 'I');

    for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_int_equal(neon_pg_walk_left(&w), want[i]);
        neon_pg_walk_compute(&w, &rows[i], 1);
    }

    /* the client's own stream does not matter */

    neon_pg_walk_init(&w, 'I');
    neon_pg_walk_client(&w, (const uint8_t *) "Q\0\0\0", 4);
    assert_int_equal(neon_pg_walk_left(&w), 0);

    neon_pg_walk_compute(&w, (const uint8_t *) "Z\0\0\0\4", 5);
    assert_true(w.lost);
    assert_int_equal(neon_pg_walk_left(&w), SIZE_MAX);
}


static void
boundaries(void **state)
{
    neon_pg_walk_t  w;

    (void) state;

    neon_pg_walk_init(&w, 'I');
    assert_true(neon_pg_walk_boundary(&w));
    assert_false(neon_pg_walk_busy(&w));

    /* half a Query: nobody works on it, but it is no place for a message */

    neon_pg_walk_client(&w, (const uint8_t *) "Q\0\0\0", 4);
    assert_false(neon_pg_walk_boundary(&w));
    assert_false(neon_pg_walk_busy(&w));
    assert_false(neon_pg_walk_idle(&w));

    neon_pg_walk_client(&w, (const uint8_t *) "\6x", 2);
    assert_true(neon_pg_walk_busy(&w));
    assert_false(neon_pg_walk_boundary(&w));

    neon_pg_walk_client(&w, (const uint8_t *) "\0", 1);
    assert_true(neon_pg_walk_boundary(&w));

    pass(&w, 0, 'C', 0, 0);
    neon_pg_walk_compute(&w, (const uint8_t *) "Z\0\0\0\5", 5);
    assert_false(neon_pg_walk_boundary(&w));
    assert_true(neon_pg_walk_busy(&w));

    neon_pg_walk_compute(&w, NULL, 0);
    assert_false(neon_pg_walk_boundary(&w));
    assert_int_equal(neon_pg_walk_left(&w), 1);

    /* a message that breaks off in the very last chunk byte */

    neon_pg_walk_compute(&w, (const uint8_t *) "IA", 2);
    assert_false(w.lost);
    assert_false(neon_pg_walk_busy(&w));
    assert_false(neon_pg_walk_boundary(&w));
    assert_false(neon_pg_walk_idle(&w));
}


static void
statuses(void **state)
{
    neon_pg_walk_t  w;

    (void) state;

    neon_pg_walk_init(&w, 'T');
    assert_false(neon_pg_walk_idle(&w));
    assert_false(neon_pg_walk_busy(&w));
    assert_true(neon_pg_walk_boundary(&w));

    neon_pg_walk_init(&w, 'E');
    assert_false(neon_pg_walk_idle(&w));

    neon_pg_walk_init(&w, 'I');
    assert_true(neon_pg_walk_idle(&w));
}


/* bodies are skipped by their length, whatever is in them */

static void
bodies_are_not_looked_at(void **state)
{
    size_t           i;
    neon_pg_walk_t   w;
    static uint8_t   row[70000];

    (void) state;

    memset(row, 'Z', sizeof(row));
    memcpy(row, "D\0\1\x11\x6f", 5);      /* 69999 and the tag */

    neon_pg_walk_init(&w, 'I');
    pass(&w, 1, 'Q', 0, 0);

    for (i = 0; i < sizeof(row); i += 1000) {
        assert_int_equal(neon_pg_walk_boundary(&w), i == 0);
        neon_pg_walk_compute(&w, row + i, 1000);
    }

    assert_true(neon_pg_walk_boundary(&w));
    pass(&w, 0, 'Z', 'I', 0);
    assert_true(neon_pg_walk_idle(&w));
}


static void
senseless_streams_are_lost(void **state)
{
    size_t          i, k, n;
    neon_pg_walk_t  w;

    static const struct {
        unsigned     client;
        const char  *bytes;
        size_t       len;
    } t[] = {
        { 1, "Q\0\0\0\0", 5 },
        { 1, "Q\0\0\0\3", 5 },
        { 1, "d\0\0\0\2", 5 },
        { 1, "d\x80\0\0\0", 5 },
        { 1, "d\xff\xff\xff\xff", 5 },
        { 0, "D\0\0\0\3", 5 },
        { 0, "D\x80\0\0\4", 5 },
        { 0, "Z\0\0\0\4", 5 },
        { 0, "Z\0\0\0\6II", 7 },
        { 0, "Z\0\0\0\5I", 6 },           /* answers nothing */
        { 0, "D\0\0\0\4Z\0\0\0\5I", 11 }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        for (n = 0; n < 2; n++) {
            neon_pg_walk_init(&w, 'I');

            if (n == 0) {
                (t[i].client ? neon_pg_walk_client : neon_pg_walk_compute)
                    (&w, (const uint8_t *) t[i].bytes, t[i].len);

            } else {
                for (k = 0; k < t[i].len; k++) {
                    (t[i].client ? neon_pg_walk_client : neon_pg_walk_compute)
                        (&w, (const uint8_t *) t[i].bytes + k, 1);
                }
            }

            assert_true(w.lost);
            assert_false(neon_pg_walk_idle(&w));
            assert_false(neon_pg_walk_boundary(&w));
            assert_true(neon_pg_walk_busy(&w));

            /* and for ever */

            pass(&w, 1, 'Q', 0, 0);
            pass(&w, 0, 'C', 0, 0);
            pass(&w, 0, 'Z', 'I', 0);
            assert_true(w.lost);
            assert_false(neon_pg_walk_idle(&w));
        }
    }

    /* an answer to a Query that says nothing */

    neon_pg_walk_init(&w, 'I');
    pass(&w, 1, 'Q', 0, 0);
    pass(&w, 0, 'N', 0, 0);
    pass(&w, 0, 'Z', 'I', 0);
    assert_true(w.lost);

    /* nor does the Sync of a failed copy answer for ever */

    neon_pg_walk_init(&w, 'I');
    pass(&w, 1, 'Q', 0, 0);
    pass(&w, 0, 'G', 0, 0);
    pass(&w, 1, 'S', 0, 0);
    pass(&w, 0, 'E', 0, 0);
    pass(&w, 0, 'Z', 'I', 0);
    pass(&w, 0, 'Z', 'I', 0);
    assert_false(w.lost);
    assert_true(neon_pg_walk_idle(&w));
    pass(&w, 0, 'Z', 'I', 0);
    assert_true(w.lost);

    /* the largest length that PostgreSQL's own header can carry is sense */

    neon_pg_walk_init(&w, 'I');
    neon_pg_walk_client(&w, (const uint8_t *) "d\x7f\xff\xff\xff", 5);
    assert_false(w.lost);
    assert_int_equal(w.client.left, 0x7fffffff - 4);
}


/* a message of a kind that we do not know may be work */

static void
unknown_messages(void **state)
{
    neon_pg_walk_t  w;

    (void) state;

    neon_pg_walk_init(&w, 'I');
    pass(&w, 1, 'y', 0, 0);
    assert_false(neon_pg_walk_idle(&w));
    assert_true(neon_pg_walk_busy(&w));
    assert_false(w.lost);

    neon_pg_walk_init(&w, 'I');
    pass(&w, 1, 'Q', 0, 0);
    pass(&w, 0, 'y', 0, 0);
    assert_false(w.lost);
    pass(&w, 0, 'Z', 'I', 0);
    assert_true(neon_pg_walk_idle(&w));
}


/*
 * More than the walker can count.  A million messages, each a byte longer than
 * nothing: quick.
 */

static void
absurd_numbers_of_requests(void **state)
{
    size_t           i;
    neon_pg_walk_t   w;
    static uint8_t   syncs[5 * 1024];

    (void) state;

    for (i = 0; i < sizeof(syncs); i += 5) {
        memcpy(syncs + i, "S\0\0\0\4", 5);
    }

    neon_pg_walk_init(&w, 'I');

    for (i = 0; i < 1023; i++) {
        neon_pg_walk_client(&w, syncs, sizeof(syncs));
        assert_false(w.lost);
        assert_false(neon_pg_walk_idle(&w));
    }

    neon_pg_walk_client(&w, syncs, sizeof(syncs));
    neon_pg_walk_client(&w, syncs, sizeof(syncs));
    assert_true(w.lost);

    /* in the window of a copy they count for nothing, if it succeeds */

    neon_pg_walk_init(&w, 'I');
    pass(&w, 1, 'Q', 0, 0);
    pass(&w, 0, 'G', 0, 0);

    for (i = 0; i < 2000; i++) {
        neon_pg_walk_client(&w, syncs, sizeof(syncs));
    }

    pass(&w, 1, 'c', 0, 0);
    pass(&w, 0, 'C', 0, 0);
    pass(&w, 0, 'Z', 'I', 0);
    assert_true(neon_pg_walk_idle(&w));
}


static void
a_blind_one_sees_nothing(void **state)
{
    neon_pg_walk_t  w;

    (void) state;

    neon_pg_walk_init(&w, 'I');
    neon_pg_walk_blind(&w);

    /* what would end a session, and what would make it idle */

    pass(&w, 1, 'X', 0, 0);
    pass(&w, 0, 'Z', 'I', 0);

    assert_false(w.terminate);
    assert_false(neon_pg_walk_idle(&w));
    assert_false(neon_pg_walk_boundary(&w));
}


/* does a compute that ends here leave work without a word? */

static void
cut(void **state)
{
    size_t          i;
    neon_pg_walk_t  w;

    static const struct {
        const char  *client;
        const char  *compute;
        int          told, cut;
    } cases[] = {
        { "", "", 0, 0 },
        { "", "A", 0, 0 },
        { "", "E", 1, 0 },
        { "", "N", 0, 0 },
        { "Q", "", 0, 1 },
        { "Q", "N", 0, 1 },
        { "Q", "T", 0, 1 },
        { "Q", "TD", 0, 1 },
        { "Q", "TDE", 1, 0 },
        { "Q", "TDEN", 1, 0 },
        { "Q", "TDC", 1, 0 },
        { "Q", "TDCT", 0, 1 },
        { "Q", "TDCZ", 0, 0 },
        { "Q", "EZ", 0, 0 },
        { "QQ", "EZ", 0, 1 },
        { "P", "", 0, 1 },
        { "P", "1", 0, 1 },
        { "Q", "G", 0, 1 },
        { "Q", "W", 0, 1 },
        { "Q", "Wd", 0, 1 },
        { "Q", "WdC", 1, 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char  *p;

        neon_pg_walk_init(&w, 'I');

        for (p = cases[i].client; *p; p++) {
            pass(&w, 1, (uint8_t) *p, 0, 0);
        }

        for (p = cases[i].compute; *p; p++) {
            pass(&w, 0, (uint8_t) *p, 'I', 0);
        }

        assert_int_equal(neon_pg_walk_told(&w), cases[i].told);
        assert_int_equal(neon_pg_walk_cut(&w), cases[i].cut);

        /* in the middle of a message, whatever was said before */

        neon_pg_walk_compute(&w, (const uint8_t *) "E\0", 2);
        assert_false(neon_pg_walk_told(&w));
        assert_true(neon_pg_walk_cut(&w));

        neon_pg_walk_compute(&w, (const uint8_t *) "\0\0\6x", 4);
        assert_false(neon_pg_walk_told(&w));
        assert_true(neon_pg_walk_cut(&w));

        neon_pg_walk_compute(&w, (const uint8_t *) "", 1);
        assert_true(neon_pg_walk_told(&w));
        assert_false(neon_pg_walk_cut(&w));
    }

    neon_pg_walk_blind(&w);
    assert_false(neon_pg_walk_told(&w));
    assert_false(neon_pg_walk_cut(&w));
}


static void
there_is_one_per_idle_session(void **state)
{
    (void) state;

    assert_true(sizeof(neon_pg_walk_t) <= 48);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(bytes_and_chunks_agree),
        cmocka_unit_test(left),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(statuses),
        cmocka_unit_test(bodies_are_not_looked_at),
        cmocka_unit_test(senseless_streams_are_lost),
        cmocka_unit_test(unknown_messages),
        cmocka_unit_test(absurd_numbers_of_requests),
        cmocka_unit_test(a_blind_one_sees_nothing),
        cmocka_unit_test(cut),
        cmocka_unit_test(there_is_one_per_idle_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
