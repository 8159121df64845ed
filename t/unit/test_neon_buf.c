/*
 * Bounded cursors: what fits, and what must not be read or written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "neon_buf.h"


#define STR(s)  neon_str(s, sizeof(s) - 1)


static void
strings_compare(void **state)
{
    (void) state;

    assert_true(neon_str_eq(STR("abc"), STR("abc")));
    assert_false(neon_str_eq(STR("abc"), STR("abd")));
    assert_false(neon_str_eq(STR("abc"), STR("ab")));
    assert_true(neon_str_eq(neon_str(NULL, 0), neon_str(NULL, 0)));
    assert_true(neon_str_eq(neon_str(NULL, 0), STR("")));
    assert_false(neon_str_eq(STR("a\0b"), STR("a\0c")));

    assert_true(neon_str_eqz(STR("abc"), "abc"));
    assert_false(neon_str_eqz(STR("abc\0"), "abc"));
    assert_false(neon_str_eqz(STR("ab"), "abc"));
    assert_true(neon_str_eqz(neon_str(NULL, 0), ""));
}


static void
numbers(void **state)
{
    size_t    i;
    uint32_t  n;

    static const struct {
        const char  *text;
        uint32_t     max;
        int64_t      want;                /* -1: refused */
    } cases[] = {
        { "0", 0, 0 }, { "1", 0, -1 }, { "9", 9, 9 }, { "9", 8, -1 },
        { "128", 128, 128 }, { "129", 128, -1 }, { "65535", 65535, 65535 },
        { "65536", 65535, -1 }, { "4294967295", UINT32_MAX, UINT32_MAX },
        { "4294967296", UINT32_MAX, -1 }, { "99999999999", UINT32_MAX, -1 },
        { "", 9, -1 }, { "00", 9, -1 }, { "01", 9, -1 }, { "-1", 9, -1 },
        { "+1", 9, -1 }, { " 1", 9, -1 }, { "1 ", 9, -1 }, { "1x", 9, -1 },
        { "/", 9, -1 }, { ":", 9, -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n = 4711;

        if (cases[i].want < 0) {
            assert_int_equal(neon_str_number(&n, neon_str(cases[i].text,
                                                 strlen(cases[i].text)),
                                             cases[i].max), NEON_ERROR);
            assert_int_equal(n, 4711);
            continue;
        }

        assert_int_equal(neon_str_number(&n, neon_str(cases[i].text,
                                                      strlen(cases[i].text)),
                                         cases[i].max), NEON_OK);
        assert_int_equal(n, cases[i].want);
    }
}


static void
reads_big_endian(void **state)
{
    neon_rd_t             rd;
    static const uint8_t  in[] = { 0xff, 0x80, 0x01, 0xfe, 0xdc, 0xba, 0x98,
                                   'x', 'y', 'z', 0, 0, 'q' };

    (void) state;

    neon_rd_init(&rd, in, sizeof(in));
    assert_int_equal(neon_rd_left(&rd), sizeof(in));

    assert_int_equal(neon_rd_u8(&rd), 0xff);
    assert_int_equal(neon_rd_u16(&rd), 0x8001);
    assert_int_equal(neon_rd_u32(&rd), 0xfedcba98);
    assert_true(neon_str_eqz(neon_rd_bytes(&rd, 2), "xy"));
    assert_true(neon_str_eqz(neon_rd_cstr(&rd), "z"));
    assert_int_equal(neon_rd_cstr(&rd).len, 0);
    assert_int_equal(rd.error, 0);

    assert_int_equal(neon_rd_left(&rd), 1);
    assert_null(neon_rd_cstr(&rd).data);
    assert_int_equal(rd.error, 1);
}


/* each kind of read, one byte too long, on every length that is too short */

static void
reads_past_the_end_fail(void **state)
{
    size_t                n;
    unsigned              kind;
    uint64_t              v;
    neon_rd_t             rd;
    neon_str_t            s;
    static const size_t   need[] = { 1, 2, 4, 7, SIZE_MAX };
    static const uint8_t  in[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

    (void) state;

    for (kind = 0; kind < 5; kind++) {
        for (n = 0; n < sizeof(in) && n < need[kind]; n++) {

            neon_rd_init(&rd, in, n);

            v = 0;
            s = neon_str(NULL, 0);

            switch (kind) {
            case 0:
                v = neon_rd_u8(&rd);
                break;
            case 1:
                v = neon_rd_u16(&rd);
                break;
            case 2:
                v = neon_rd_u32(&rd);
                break;
            default:
                s = neon_rd_bytes(&rd, need[kind]);
            }

            assert_int_equal(rd.error, 1);
            assert_int_equal(v, 0);
            assert_int_equal(s.len, 0);

            /* and it stays so */

            assert_int_equal(neon_rd_left(&rd), 0);
            assert_int_equal(neon_rd_u8(&rd), 0);
            assert_int_equal(rd.error, 1);
        }
    }
}


static void
null_reader_is_empty(void **state)
{
    neon_rd_t  rd;

    (void) state;

    neon_rd_init(&rd, NULL, 0);
    assert_int_equal(neon_rd_left(&rd), 0);
    assert_int_equal(neon_rd_bytes(&rd, 0).len, 0);
    assert_int_equal(rd.error, 0);
    (void) neon_rd_cstr(&rd);
    assert_int_equal(rd.error, 1);
}


static void
writes_big_endian(void **state)
{
    neon_wr_t   w;
    uint8_t     out[32];

    static const uint8_t  want[] = { 0xff, 0x80, 0x01, 0xfe, 0xdc, 0xba, 0x98,
                                     'a', 'b', 'c', 'd', 'e', 0, 0 };

    (void) state;

    neon_wr_init(&w, out, sizeof(out));
    neon_wr_u8(&w, 0xff);
    neon_wr_u16(&w, 0x8001);
    neon_wr_u32(&w, 0xfedcba98);
    neon_wr_bytes(&w, "ab", 2);
    neon_wr_bytes(&w, NULL, 0);
    neon_wr_str(&w, STR("c"));
    neon_wr_str(&w, neon_str(NULL, 0));
    neon_wr_z(&w, "d");
    neon_wr_cstr(&w, STR("e"));
    neon_wr_cstr(&w, neon_str(NULL, 0));

    assert_int_equal(w.error, 0);
    assert_int_equal(neon_wr_len(&w), sizeof(want));
    assert_memory_equal(out, want, sizeof(want));
}


/* whatever the room, nothing is written behind it, and no hole is left */

static void
writes_past_the_end_fail(void **state)
{
    size_t     size, i;
    uint8_t    out[24];
    neon_wr_t  w;

    (void) state;

    for (size = 0; size < 17; size++) {
        memset(out, 0xee, sizeof(out));

        neon_wr_init(&w, out, size);
        neon_wr_u32(&w, 1);
        neon_wr_u16(&w, 2);
        neon_wr_z(&w, "abc");
        neon_wr_cstr(&w, STR("defg"));
        neon_wr_u16(&w, 3);
        neon_wr_u8(&w, 4);

        assert_int_equal(w.error, 1);
        assert_true(neon_wr_len(&w) <= size);

        for (i = neon_wr_len(&w); i < sizeof(out); i++) {
            assert_int_equal(out[i], 0xee);
        }

        /* a write that would fit now is refused as well */

        i = neon_wr_len(&w);
        neon_wr_u8(&w, 5);
        assert_int_equal(neon_wr_len(&w), i);
    }

    neon_wr_init(&w, out, 17);
    neon_wr_u32(&w, 1);
    neon_wr_u16(&w, 2);
    neon_wr_z(&w, "abc");
    neon_wr_cstr(&w, STR("defg"));
    neon_wr_u16(&w, 3);
    neon_wr_u8(&w, 4);
    assert_int_equal(w.error, 0);
    assert_int_equal(neon_wr_len(&w), 17);

    neon_wr_init(&w, NULL, 0);
    neon_wr_u8(&w, 1);
    assert_int_equal(w.error, 1);
    assert_int_equal(neon_wr_len(&w), 0);
}


static void
cstr_refuses_a_nul(void **state)
{
    uint8_t    out[16];
    neon_wr_t  w;

    (void) state;

    neon_wr_init(&w, out, sizeof(out));
    neon_wr_cstr(&w, STR("user\0admin"));
    assert_int_equal(w.error, 1);
    assert_int_equal(neon_wr_len(&w), 0);
}


static void
messages_get_their_length(void **state)
{
    uint8_t    *begin;
    uint8_t     out[32];
    neon_wr_t   w;

    (void) state;

    neon_wr_init(&w, out, sizeof(out));
    neon_wr_u8(&w, '!');

    begin = neon_wr_begin(&w, 'X');
    neon_wr_end(&w, begin);

    begin = neon_wr_begin(&w, 'p');
    neon_wr_z(&w, "abc");
    neon_wr_end(&w, begin);

    begin = neon_wr_begin(&w, 0);
    neon_wr_u8(&w, 9);
    neon_wr_end(&w, begin);

    assert_int_equal(w.error, 0);
    assert_int_equal(neon_wr_len(&w), 19);
    assert_memory_equal(out, "!X\0\0\0\4p\0\0\0\7abc\0\0\0\5\t", 19);

    /* no room for the length, or for what is in it */

    neon_wr_init(&w, out, 4);
    begin = neon_wr_begin(&w, 'X');
    neon_wr_end(&w, begin);
    assert_int_equal(w.error, 1);

    neon_wr_init(&w, out, 6);
    begin = neon_wr_begin(&w, 'X');
    neon_wr_u16(&w, 7);
    neon_wr_end(&w, begin);
    assert_int_equal(w.error, 1);
    assert_memory_equal(out, "X\0\0\0\0", 5);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(strings_compare),
        cmocka_unit_test(numbers),
        cmocka_unit_test(reads_big_endian),
        cmocka_unit_test(reads_past_the_end_fail),
        cmocka_unit_test(null_reader_is_empty),
        cmocka_unit_test(writes_big_endian),
        cmocka_unit_test(writes_past_the_end_fail),
        cmocka_unit_test(cstr_refuses_a_nul),
        cmocka_unit_test(messages_get_their_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
