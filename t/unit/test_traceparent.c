/*
 * The headers "traceparent" and "tracestate": W3C Trace Context, sections 3.2
 * and 3.3.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "neon_traceparent.h"


#define TRACE   "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN    "00f067aa0ba902b7"
#define PARENT  TRACE "-" SPAN


static neon_str_t
z(const char *s)
{
    return neon_str(s, strlen(s));
}


static void
good_ones(void **state)
{
    size_t              i;
    char                out[NEON_TRACEPARENT_LEN + 1];
    neon_traceparent_t  t;

    static const struct {
        const char  *in;
        const char  *out;
        unsigned     flags;
    } c[] = {
        { "00-" PARENT "-01", "00-" PARENT "-01", 1 },
        { "00-" PARENT "-00", "00-" PARENT "-00", 0 },
        { "00-" PARENT "-03", "00-" PARENT "-03", 3 },
        { "00-" PARENT "-ff", "00-" PARENT "-03", 3 },
        { "00-" PARENT "-fc", "00-" PARENT "-00", 0 },
        { "00-00000000000000000000000000000001-0000000000000001-01",
          "00-00000000000000000000000000000001-0000000000000001-01", 1 },

        /* of a future version the part that is known */
        { "01-" PARENT "-01", "00-" PARENT "-01", 1 },
        { "cc-" PARENT "-fe", "00-" PARENT "-00", 0 },
        { "cc-" PARENT "-03-what-the-future-will-be-like",
          "00-" PARENT "-01", 1 },
        { "fe-" PARENT "-01-", "00-" PARENT "-01", 1 },
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        assert_int_equal(neon_traceparent_parse(&t, z(c[i].in)), NEON_OK);
        assert_int_equal(t.given, 1);
        assert_int_equal(t.flags, c[i].flags);

        memset(out, 'x', sizeof(out));
        neon_traceparent_write((uint8_t *) out, &t);
        assert_int_equal(out[NEON_TRACEPARENT_LEN], 'x');
        out[NEON_TRACEPARENT_LEN] = '\0';
        assert_string_equal(out, c[i].out);
    }

    assert_int_equal(neon_traceparent_parse(&t, z(c[0].in)), NEON_OK);
    assert_int_equal(t.trace_id[0], 0x4b);
    assert_int_equal(t.trace_id[15], 0x36);
    assert_int_equal(t.span_id[0], 0x00);
    assert_int_equal(t.span_id[7], 0xb7);
}


static void
bad_ones(void **state)
{
    size_t              i;
    neon_traceparent_t  t;

    static const char *const  c[] = {
        "",
        "0",
        "00",
        "00-" PARENT,
        "00-" PARENT "-",
        "00-" PARENT "-0",
        "00-" PARENT "-01-",
        "00-" PARENT "-01 ",
        "00-" PARENT "-011",
        "00-" PARENT "-01-more",
        " 00-" PARENT "-01",
        "ff-" PARENT "-01",
        "0g-" PARENT "-01",
        "0-0" PARENT "-01",
        "cc-" PARENT "-01x",
        "cc-" PARENT "-01.what-the-future-will-not-be-like",
        "cc-" PARENT "-0",
        "00_" PARENT "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" PARENT "_01",
        "00-" PARENT "-0X",
        "00-" PARENT "-.1",
        "00-4BF92f3577b34da6a3ce929d0e0e4736-" SPAN "-01",
        "00-" TRACE "-00F067aa0ba902b7-01",
        "00-" TRACE "-00f067aa0ba902b7-0A",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-" TRACE "00-f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473--" SPAN "-01",
        "00-" TRACE "-00f067aa0ba902:7-01",
        "00-" TRACE "-00f067aa0ba902`7-01",
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        memset(&t, 0xff, sizeof(t));
        assert_int_equal(neon_traceparent_parse(&t, z(c[i])), NEON_ERROR);
        assert_int_equal(t.given, 0);
        assert_int_equal(t.flags, 0);
        assert_int_equal(t.trace_id[0], 0);
    }

    assert_int_equal(neon_traceparent_parse(&t, neon_str(NULL, 0)),
                     NEON_ERROR);
}


static void
states(void **state)
{
    size_t  i;

    static const struct {
        const char  *in;
        const char  *out;
    } c[] = {
        { "", "" },
        { "congo=t61rcWkgMzE", "congo=t61rcWkgMzE" },
        { "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
          "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE" },
        { "a=1 ,\tb=2", "a=1 ,\tb=2" },
        { "a=1,,b=2,", "a=1,,b=2" },
        { " a=1 \t", " a=1" },
        { ", ,", "" },
        { "fw529a3039@dt=FfAeG`~!\\;:x y", "fw529a3039@dt=FfAeG`~!\\;:x y" },
        { "0_-*/@z=1", "0_-*/@z=1" },

        { "a", "" }, { "a=", "" }, { "=1", "" }, { "a= ", "" },
        { "a=1,b", "" }, { "A=1", "" }, { "aB=1", "" }, { "@a=1", "" },
        { "_a=1", "" }, { "a =1", "" }, { "a=1=2", "" }, { "a=\t1", "" },
        { "a=1\x7f", "" }, { "a=\xc3\xa4", "" }, { "a=1;b\r\nx: y", "" },
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        assert_true(neon_str_eqz(neon_traceparent_state(z(c[i].in)),
                                 c[i].out));
    }

    assert_int_equal(neon_traceparent_state(neon_str(NULL, 0)).len, 0);
}


/* members of n bytes, m of them */

static neon_str_t
members(char *p, size_t m, size_t n)
{
    size_t  i;

    memset(p, 'x', m * (n + 1));

    for (i = 0; i < m; i++) {
        p[i * (n + 1) + 1] = '=';
        p[i * (n + 1) + n] = ',';
    }

    return neon_traceparent_state(neon_str(p, m * (n + 1) - 1));
}


static void
limits(void **state)
{
    char  p[8192];

    (void) state;

    assert_int_equal(members(p, 32, 15).len, 32 * 16 - 1);
    assert_int_equal(members(p, 33, 3).len, 0);

    /* whole members only */
    assert_int_equal(members(p, 32, 16).len, 30 * 17 - 1);
    assert_int_equal(members(p, 4, 258).len, 258);
    assert_int_equal(members(p, 1, 259).len, 0);

    memset(p, 'k', 300);
    p[256] = '=';
    assert_int_equal(neon_traceparent_state(neon_str(p, 258)).len, 258);
    p[256] = 'k';
    p[257] = '=';
    assert_int_equal(neon_traceparent_state(neon_str(p, 259)).len, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(bad_ones),
        cmocka_unit_test(states),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
