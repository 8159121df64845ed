/*
 * The header "traceparent": W3C Trace Context, section 3.2.
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
        { "00-" PARENT "-ff", "00-" PARENT "-ff", 0xff },
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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(bad_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
