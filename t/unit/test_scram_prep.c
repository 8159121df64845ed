/*
 * SASLprep's mapping step: what is mapped, and that only UTF-8 is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neon_scram_prep.h"


static neon_rc_e
map(neon_wr_t *w, uint8_t *out, size_t size, neon_str_t in)
{
    neon_wr_init(w, out, size);

    return neon_scram_prep_map(w, in);
}


static void
test_map(void **state)
{
    size_t      i;
    uint8_t     out[64];
    neon_rc_e   rc;
    neon_wr_t   w;

    static const struct {
        neon_str_t   in;
        const char  *out;             /* NULL: nothing to map */
    } cases[] = {
        { neon_string("I\302\255X"), "IX" },
        { neon_string("\302\255IX\302\255"), "IX" },
        { neon_string("\302\240"), " " },
        { neon_string("a\302\240\302\255b"), "a b" },
        { neon_string("\360\237\224\221\302\255"), "\360\237\224\221" },
        { neon_string("\342\200\213"), " " },
        { neon_string("\302\255 "), " " },

        { neon_null_str, NULL },
        { neon_string("password"), NULL },
        { neon_string("p\303\244ss"), NULL },
        { neon_string("\302\255"), NULL },
        { neon_string("\302\255\342\200\215"), NULL },

        /* not UTF-8, with something to map before and after */

        { neon_string("\302\255\200a"), NULL },
        { neon_string("\302\255\277a"), NULL },
        { neon_string("a\302\255\302"), NULL },
        { neon_string("a\302\255\342\200"), NULL },
        { neon_string("a\302\255\360\237\224"), NULL },
        { neon_string("\302a\302\255"), NULL },
        { neon_string("\342\200a\302\255"), NULL },
        { neon_string("\342\302\255\302\255"), NULL },
        { neon_string("a\300\257\302\255"), NULL },
        { neon_string("a\301\277\302\255"), NULL },
        { neon_string("a\340\237\277\302\255"), NULL },
        { neon_string("a\360\217\277\277\302\255"), NULL },
        { neon_string("a\355\240\200\302\255"), NULL },
        { neon_string("a\355\277\277\302\255"), NULL },
        { neon_string("a\364\220\200\200\302\255"), NULL },
        { neon_string("a\367\277\277\277\302\255"), NULL },
        { neon_string("a\370\210\200\200\200\302\255"), NULL },
        { neon_string("a\374\204\200\200\200\200\302\255"), NULL },
        { neon_string("a\376\302\255"), NULL },
        { neon_string("a\377\302\255"), NULL },

        /* the neighbours of those are UTF-8 */

        { neon_string("\302\200\302\255"), "\302\200" },
        { neon_string("\337\277\302\255"), "\337\277" },
        { neon_string("\340\240\200\302\255"), "\340\240\200" },
        { neon_string("\355\237\277\302\255"), "\355\237\277" },
        { neon_string("\356\200\200\302\255"), "\356\200\200" },
        { neon_string("\357\277\277\302\255"), "\357\277\277" },
        { neon_string("\360\220\200\200\302\255"), "\360\220\200\200" },
        { neon_string("\364\217\277\277\302\255"), "\364\217\277\277" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rc = map(&w, out, sizeof(out), cases[i].in);

        if (rc != (cases[i].out == NULL ? NEON_AGAIN : NEON_OK)) {
            fail_msg("case %d: %d", (int) i, (int) rc);
        }

        if (rc == NEON_OK) {
            assert_int_equal(neon_wr_len(&w), strlen(cases[i].out));
            assert_memory_equal(out, cases[i].out, strlen(cases[i].out));
        }
    }
}


/* RFC 3454: tables C.1.2 and B.1 over all of Unicode's first plane */

static void
test_tables(void **state)
{
    size_t                 i;
    uint8_t                in[4], out[8];
    uint32_t               cp;
    neon_rc_e              rc;
    neon_wr_t              w;
    const char            *expected;

    static const uint32_t  spaces[] = {
        0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
        0x2007, 0x2008, 0x2009, 0x200a, 0x200b, 0x202f, 0x205f, 0x3000
    };

    static const uint32_t  nothing[] = {
        0xad, 0x34f, 0x1806, 0x180b, 0x180c, 0x180d, 0x200c, 0x200d, 0x2060,
        0xfe00, 0xfe01, 0xfe02, 0xfe03, 0xfe04, 0xfe05, 0xfe06, 0xfe07, 0xfe08,
        0xfe09, 0xfe0a, 0xfe0b, 0xfe0c, 0xfe0d, 0xfe0e, 0xfe0f, 0xfeff
    };

    (void) state;

    for (cp = 0x800; cp < 0x10000; cp++) {
        if (cp >= 0xd800 && cp < 0xe000) {
            continue;
        }

        in[0] = 'x';
        in[1] = (uint8_t) (0xe0 | cp >> 12);
        in[2] = (uint8_t) (0x80 | (cp >> 6 & 0x3f));
        in[3] = (uint8_t) (0x80 | (cp & 0x3f));

        expected = NULL;

        for (i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
            expected = (cp == spaces[i]) ? "x " : expected;
        }

        for (i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
            expected = (cp == nothing[i]) ? "x" : expected;
        }

        rc = map(&w, out, sizeof(out), neon_str(in, sizeof(in)));

        if (rc != (expected == NULL ? NEON_AGAIN : NEON_OK)) {
            fail_msg("U+%04x: %d", (unsigned) cp, (int) rc);
        }

        if (expected != NULL) {
            assert_int_equal(neon_wr_len(&w), strlen(expected));
            assert_memory_equal(out, expected, strlen(expected));
        }
    }

    for (cp = 0x80; cp < 0x800; cp++) {
        in[0] = 'x';
        in[1] = (uint8_t) (0xc0 | cp >> 6);
        in[2] = (uint8_t) (0x80 | (cp & 0x3f));

        rc = map(&w, out, sizeof(out), neon_str(in, 3));

        assert_int_equal(rc, cp == 0xa0 || cp == 0xad || cp == 0x34f
                             ? NEON_OK : NEON_AGAIN);
    }
}


static void
test_storage(void **state)
{
    size_t     n;
    uint8_t   *out;
    neon_rc_e  rc;
    neon_wr_t  w;

    (void) state;

    for (n = 1; n <= 5; n++) {
        out = malloc(n);
        assert_non_null(out);

        rc = map(&w, out, n, neon_str("ab\302\255cde", 7));
        assert_int_equal(rc, n == 5 ? NEON_OK : NEON_AGAIN);

        free(out);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_storage)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
