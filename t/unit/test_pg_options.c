/*
 * The startup parameter "options": splitting, our tokens, filtering.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "neon_pg_options.h"


#define STR(s)  neon_str(s, sizeof(s) - 1)


static neon_str_t
z(const char *s)
{
    return neon_str(s, strlen(s));
}


static void
tokens_split_as_in_postgres(void **state)
{
    size_t      i, n;
    neon_rd_t   rd;
    neon_str_t  token;

    static const struct {
        const char  *in;
        const char  *tokens[6];
    } t[] = {
        { "", { NULL } },
        { "   ", { NULL } },
        { "a", { "a", NULL } },
        { "  a  b ", { "a", "b", NULL } },
        { "a\tb\nc\vd\re", { "a", "b", "c", "d", "e", NULL } },
        { "a\fb", { "a", "b", NULL } },
        { "a\\ b c", { "a\\ b", "c", NULL } },
        { "a\\\\ b", { "a\\\\", "b", NULL } },
        { "a\\\\\\ b", { "a\\\\\\ b", NULL } },
        { "\\", { "\\", NULL } },
        { "a\\", { "a\\", NULL } },
        { "\\  \\ ", { "\\ ", "\\ ", NULL } },
        { "-c a=b --c=d", { "-c", "a=b", "--c=d", NULL } },
        { "\xc2\xa0x y", { "\xc2\xa0x", "y", NULL } }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        neon_rd_init(&rd, t[i].in, strlen(t[i].in));

        for (n = 0; t[i].tokens[n] != NULL; n++) {
            assert_true(neon_pg_options_next(&rd, &token));
            assert_true(neon_str_eqz(token, t[i].tokens[n]));
        }

        assert_false(neon_pg_options_next(&rd, &token));
        assert_int_equal(neon_rd_left(&rd), 0);
        assert_int_equal(rd.error, 0);
    }

    neon_rd_init(&rd, NULL, 0);
    assert_false(neon_pg_options_next(&rd, &token));
}


static void
endpoints(void **state)
{
    size_t             i;
    neon_pg_options_t  o;

    static const struct {
        const char  *in;
        const char  *endpoint;
        unsigned     n;
    } t[] = {
        { "", NULL, 0 },
        { "-ckey=1", NULL, 0 },
        { "-ckey=1 endpoint=bar -c geqo=off", "bar", 1 },
        { "-ckey=1 project=bar -c geqo=off", "bar", 1 },
        { "endpoint=", "", 1 },
        { "endpoint=a=b", "a=b", 1 },
        { "endpoint=a\\ b", "a\\ b", 1 },
        { "endpoint=one endpoint=two endpoint=three", NULL, 3 },
        { "endpoint=bar project=foo", NULL, 2 },
        { "endpoint=same endpoint=same", NULL, 2 },
        { "-cendpoint=x", "x", 1 },
        { "-c endpoint=x", "x", 1 },
        { "--endpoint=x -c project=y", NULL, 2 },
        { "-c a=endpoint=x", NULL, 0 },
        { "-d endpoint=x", "x", 1 },
        { "endpoint = x", NULL, 0 },
        { "Endpoint=x", NULL, 0 },
        { "\\endpoint=x", NULL, 0 },
        { "xendpoint=x", NULL, 0 },
        { "endpoint", NULL, 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(neon_pg_options_parse(&o, z(t[i].in)), NEON_OK);
        assert_int_equal(o.nendpoints, t[i].n);
        assert_int_equal(o.noptions, 0);

        if (t[i].endpoint == NULL) {
            assert_null(o.endpoint.data);
            continue;
        }

        assert_non_null(o.endpoint.data);
        assert_true(neon_str_eqz(o.endpoint, t[i].endpoint));
    }
}


static void
neon_options_are_sorted(void **state)
{
    size_t             i;
    neon_pg_options_t  o;

    static const char *const  want[][2] = {
        { "endpoint_type", "read_write" },
        { "lsn", "0/1" },
        { "lsn", "0/12" },
        { "lsn", "0/2" },
        { "lsn_", "x:y" },
        { "x", "\\ " }
    };

    (void) state;

    assert_int_equal(neon_pg_options_parse(&o,
                         STR("neon_lsn:0/2 neon_x:\\  neon_lsn_:x:y "
                             "neon_endpoint_type:read_write -c a=b "
                             "endpoint=project neon_lsn:0/12 neon_lsn:0/1")),
                     NEON_OK);

    assert_true(neon_str_eqz(o.endpoint, "project"));
    assert_int_equal(o.params_compat, 0);
    assert_int_equal(o.noptions, 6);

    for (i = 0; i < 6; i++) {
        assert_true(neon_str_eqz(o.option[i].name, want[i][0]));
        assert_true(neon_str_eqz(o.option[i].value, want[i][1]));
    }

    assert_int_equal(neon_pg_options_parse(&o, STR("neon_proxy_params_compat:"
                                                   "true")),
                     NEON_OK);
    assert_int_equal(o.params_compat, 1);
    assert_int_equal(o.noptions, 1);
}


static void
traceparents(void **state)
{
    size_t             i;
    neon_pg_options_t  o;

    static const struct {
        const char  *in;
        const char  *traceparent;
    } t[] = {
        { "", NULL },
        { "-c", NULL },
        { "-c a=traceparent=x", NULL },
        { "--traceparent x", NULL },
        { "-c traceparent", NULL },
        { "-C traceparent=00", "00" },
        { "-c traceparent=00-ab-cd-01", "00-ab-cd-01" },
        { "-c\t\ttraceparent=00", "00" },
        { "-ctraceparent=00", "00" },
        { "--traceparent=00", "00" },
        { "-c traceparent=", "" },
        { "-c traceparent=a\\ b", "a\\ b" },
        { "-c traceparent=one endpoint=x -c traceparent=two", "two" }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(neon_pg_options_parse(&o, z(t[i].in)), NEON_OK);
        assert_int_equal(o.noptions, 0);

        if (t[i].traceparent == NULL) {
            assert_null(o.traceparent.data);
            continue;
        }

        assert_non_null(o.traceparent.data);
        assert_true(neon_str_eqz(o.traceparent, t[i].traceparent));
        assert_null(o.tracestate.data);
    }

    assert_int_equal(neon_pg_options_parse(&o, z("-c tracestate=a=1,b=2"
                     " --traceparent=x endpoint=y -ctracestate=c=3")),
                     NEON_OK);
    assert_true(neon_str_eqz(o.traceparent, "x"));
    assert_true(neon_str_eqz(o.tracestate, "c=3"));
}


static void
not_neon_options(void **state)
{
    size_t             i;
    neon_pg_options_t  o;

    static const char *const  t[] = {
        "neon_", "neon_:", "neon_:x", "neon_lsn", "neon_lsn:", "neon-lsn:1",
        "neon_l-n:1", "neon_lsn=0/2", "Neon_lsn:1", "xneon_lsn:1",
        "neon_l\\ n:1", "neon_proxy_params_compat"
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(neon_pg_options_parse(&o, z(t[i])), NEON_OK);
        assert_int_equal(o.noptions, 0);
        assert_int_equal(o.params_compat, 0);
    }
}


static void
too_many_neon_options(void **state)
{
    int                i;
    char               in[512];
    size_t             n;
    neon_pg_options_t  o;

    (void) state;

    n = 0;

    for (i = 0; i < NEON_PG_OPTIONS_MAX; i++) {
        n += (size_t) snprintf(in + n, sizeof(in) - n, "neon_o%c:%d ",
                               'z' - i, i);
    }

    assert_int_equal(neon_pg_options_parse(&o, neon_str(in, n)), NEON_OK);
    assert_int_equal(o.noptions, NEON_PG_OPTIONS_MAX);
    assert_true(neon_str_eqz(o.option[0].name, "ok"));
    assert_true(neon_str_eqz(o.option[15].name, "oz"));

    n += (size_t) snprintf(in + n, sizeof(in) - n, "neon_more:1");
    assert_int_equal(neon_pg_options_parse(&o, neon_str(in, n)), NEON_ERROR);
}


static void
filtered_options(void **state)
{
    size_t     i;
    uint8_t    out[128];
    neon_wr_t  w;

    static const struct {
        const char  *in;
        const char  *out;
    } t[] = {
        { "", "" },
        { "   ", "" },
        { "project=foo", "" },
        { "\\  project=foo \\ ", "\\  \\ " },
        { "project = foo", "project = foo" },
        { "project = foo neon_endpoint_type:read_write   neon_lsn:0/2"
          " neon_proxy_params_compat:true", "project = foo" },
        { "  -c   a=b\t\tendpoint=x  -d  ", "-c a=b -d" },
        { "endpoint=x -c a=b", "-c a=b" },
        { "-c a=b endpoint=x", "-c a=b" },
        { "neon_lsn: neon_:x", "neon_lsn: neon_:x" },
        { "a\\ endpoint=x", "a\\ endpoint=x" },
        { "a\\\\ endpoint=x", "a\\\\" },
        { "a \\", "a \\" },
        { "-c a=b -c traceparent=00-1 -d", "-c a=b -d" },
        { "-c traceparent=00-1", "" },
        { "-ctraceparent=00-1 -c a=b --traceparent=x", "-c a=b" },
        { "-c -c traceparent=x", "-c" },
        { "-c tracestate=a=1 -c a=b --tracestate=b=2", "-c a=b" },
        { "-c endpoint=x traceparent=y", "" },
        { "-d endpoint=x --project=y -cendpoint=z", "-d" },
        { "-c", "-c" },
        { "-c xtraceparent=1 --traceparent -c trace\\parent=x",
          "-c xtraceparent=1 --traceparent -c trace\\parent=x" }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        neon_wr_init(&w, out, sizeof(out));
        neon_pg_options_filter(&w, z(t[i].in));

        assert_int_equal(w.error, 0);
        assert_true(neon_str_eqz(neon_str(out, neon_wr_len(&w)), t[i].out));
    }

    neon_wr_init(&w, out, 5);
    neon_pg_options_filter(&w, STR("-c a=b"));
    assert_int_equal(w.error, 1);

    neon_wr_init(&w, out, 6);
    neon_pg_options_filter(&w, STR("-c a=b endpoint=a-very-long-name"));
    assert_int_equal(w.error, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(tokens_split_as_in_postgres),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(neon_options_are_sorted),
        cmocka_unit_test(traceparents),
        cmocka_unit_test(not_neon_options),
        cmocka_unit_test(too_many_neon_options),
        cmocka_unit_test(filtered_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
