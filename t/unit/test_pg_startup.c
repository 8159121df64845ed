/*
 * The first packet of a connection, whole and torn, good and bad.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "neon_pg_startup.h"


#define STR(s)  neon_str(s, sizeof(s) - 1)


static void
head(uint8_t p[8], uint32_t length, uint32_t code)
{
    neon_wr_t  w;

    neon_wr_init(&w, p, 8);
    neon_wr_u32(&w, length);
    neon_wr_u32(&w, code);
}


/* what the whole says, each beginning says too, or asks for more */

static neon_rc_e
first(neon_pg_first_t *f, const uint8_t *p, size_t n, const char **err)
{
    size_t           i;
    neon_rc_e        whole, rc;
    const char      *e;
    neon_pg_first_t  part;

    *err = NULL;
    whole = neon_pg_first_parse(f, p, n, err);

    for (i = 0; i < n; i++) {
        e = NULL;
        rc = neon_pg_first_parse(&part, p, i, &e);

        if (rc == NEON_AGAIN) {
            continue;
        }

        assert_int_equal(rc, whole);

        if (rc == NEON_ERROR) {
            assert_string_equal(e, *err);

        } else {
            assert_memory_equal(&part, f, sizeof(part));
        }
    }

    assert_int_equal(*err != NULL, whole == NEON_ERROR);

    return whole;
}


static void
first_packets(void **state)
{
    size_t           i;
    uint8_t          p[8];
    const char      *err;
    neon_pg_first_t  f;

    static const struct {
        uint32_t         length;
        uint32_t         code;
        neon_pg_first_e  type;
    } good[] = {
        { 8, NEON_PG_PROTOCOL(1234, 5679), NEON_PG_FIRST_SSL },
        { 8, NEON_PG_PROTOCOL(1234, 5680), NEON_PG_FIRST_GSSENC },
        { 16, NEON_PG_PROTOCOL(1234, 5678), NEON_PG_FIRST_CANCEL },
        { 268, NEON_PG_PROTOCOL(1234, 5678), NEON_PG_FIRST_CANCEL },
        { 9, NEON_PG_PROTOCOL_3_0, NEON_PG_FIRST_STARTUP },
        { 8, NEON_PG_PROTOCOL_3_0, NEON_PG_FIRST_STARTUP },
        { 10008, NEON_PG_PROTOCOL_3_0, NEON_PG_FIRST_STARTUP },
        { 100, NEON_PG_PROTOCOL_3_2, NEON_PG_FIRST_STARTUP },
        { 100, NEON_PG_PROTOCOL(3, 9999), NEON_PG_FIRST_STARTUP },
        { 100, NEON_PG_PROTOCOL(2, 0), NEON_PG_FIRST_STARTUP },
        { 100, NEON_PG_PROTOCOL(4, 0), NEON_PG_FIRST_STARTUP },
        { 100, NEON_PG_PROTOCOL(1233, 5679), NEON_PG_FIRST_STARTUP },
        { 100, NEON_PG_PROTOCOL(1235, 5679), NEON_PG_FIRST_STARTUP },
        { 100, 0, NEON_PG_FIRST_STARTUP }
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        head(p, good[i].length, good[i].code);

        assert_int_equal(first(&f, p, 8, &err), NEON_OK);
        assert_int_equal(f.type, good[i].type);
        assert_int_equal(f.length, good[i].length);

        if (f.type == NEON_PG_FIRST_STARTUP) {
            assert_int_equal(f.version, good[i].code);
        }
    }
}


static void
first_packets_malformed(void **state)
{
    size_t           i;
    uint8_t          p[8];
    const char      *err;
    neon_pg_first_t  f;

    static const struct {
        uint32_t     length;
        uint32_t     code;
        const char  *err;
    } bad[] = {
        { 0, NEON_PG_PROTOCOL_3_0, "invalid length of startup packet" },
        { 3, NEON_PG_PROTOCOL_3_0, "invalid length of startup packet" },
        { 7, NEON_PG_PROTOCOL_3_0, "invalid length of startup packet" },
        { 10009, NEON_PG_PROTOCOL_3_0, "startup packet is too large" },
        { 0x47455420, 0x2f204854, "startup packet is too large" },
        { 0x7fffffff, NEON_PG_PROTOCOL_3_0, "startup packet is too large" },
        { 0x80000000, NEON_PG_PROTOCOL_3_0, "startup packet is too large" },
        { 0xffffffff, NEON_PG_PROTOCOL_3_0, "startup packet is too large" },
        { 0xfffffff8, NEON_PG_PROTOCOL_3_0, "startup packet is too large" },
        { 9, NEON_PG_PROTOCOL(1234, 5679), "invalid length of SSLRequest" },
        { 16, NEON_PG_PROTOCOL(1234, 5679), "invalid length of SSLRequest" },
        { 9, NEON_PG_PROTOCOL(1234, 5680), "invalid length of GSSENCRequest" },
        { 8, NEON_PG_PROTOCOL(1234, 5678), "invalid length of CancelRequest" },
        { 15, NEON_PG_PROTOCOL(1234, 5678), "invalid length of CancelRequest" },
        { 269, NEON_PG_PROTOCOL(1234, 5678),
          "invalid length of CancelRequest" },
        { 8, NEON_PG_PROTOCOL(1234, 5677),
          "unrecognized request code in startup packet" },
        { 8, NEON_PG_PROTOCOL(1234, 5681),
          "unrecognized request code in startup packet" },
        { 8, NEON_PG_PROTOCOL(1234, 0),
          "unrecognized request code in startup packet" }
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        head(p, bad[i].length, bad[i].code);

        assert_int_equal(first(&f, p, 8, &err), NEON_ERROR);
        assert_string_equal(err, bad[i].err);
    }

    /* a bad length is refused before the code has come */

    head(p, 10009, 0);
    assert_int_equal(neon_pg_first_parse(&f, p, 4, &err), NEON_ERROR);

    head(p, 100, 0);
    assert_int_equal(neon_pg_first_parse(&f, p, 7, &err), NEON_AGAIN);
    assert_int_equal(neon_pg_first_parse(&f, NULL, 0, &err), NEON_AGAIN);
}


static void
tls_is_known_by_its_first_byte(void **state)
{
    const char      *err;
    neon_pg_first_t  f;

    (void) state;

    assert_int_equal(first(&f, (const uint8_t *) "\x16\x03\x01\2\0\1\0\1", 8,
                           &err),
                     NEON_OK);
    assert_int_equal(f.type, NEON_PG_FIRST_TLS);

    assert_int_equal(neon_pg_first_parse(&f, (const uint8_t *) "\x16", 1,
                                         &err),
                     NEON_OK);
    assert_int_equal(f.type, NEON_PG_FIRST_TLS);
}


static neon_rc_e
startup(neon_pg_startup_t *st, neon_str_t payload, const char **err)
{
    *err = NULL;

    return neon_pg_startup_parse(st, payload.data, payload.len, err);
}


static void
startup_parameters(void **state)
{
    int                i;
    neon_rd_t          rd;
    const char        *err;
    neon_pg_param_t    param;
    neon_pg_startup_t  st;

    (void) state;

    assert_int_equal(startup(&st, STR("user\0bob\0database\0\0"
                                      "application_name\0psql\0"
                                      "options\0-c a=b\0"
                                      "replication\0database\0"
                                      "TimeZone\0UTC\0"
                                      "_pq_.x\0001\0_pq_.\0\0\0"), &err),
                     NEON_OK);

    assert_true(neon_str_eqz(st.user, "bob"));
    assert_true(neon_str_eqz(st.database, ""));
    assert_non_null(st.database.data);
    assert_true(neon_str_eqz(st.application_name, "psql"));
    assert_true(neon_str_eqz(st.options, "-c a=b"));
    assert_true(neon_str_eqz(st.replication, "database"));
    assert_int_equal(st.nparams, 8);
    assert_int_equal(st.nextensions, 2);

    neon_rd_init(&rd, st.params.data, st.params.len);
    assert_true(neon_pg_startup_next(&rd, &param));
    assert_true(neon_str_eqz(param.name, "user"));
    assert_true(neon_str_eqz(param.value, "bob"));
    assert_true(neon_pg_startup_next(&rd, &param));
    assert_true(neon_str_eqz(param.name, "database"));
    assert_int_equal(param.value.len, 0);

    while (neon_pg_startup_next(&rd, &param)) { /* void */ }

    assert_int_equal(neon_rd_left(&rd), 0);
    assert_int_equal(rd.error, 0);

    /* the last of a name counts; names are exact */

    assert_int_equal(startup(&st, STR("user\0a\0user\0b\0USER\0c\0\0"), &err),
                     NEON_OK);
    assert_true(neon_str_eqz(st.user, "b"));
    assert_null(st.database.data);
    assert_int_equal(st.nparams, 3);

    neon_rd_init(&rd, st.params.data, st.params.len);

    for (i = 0; neon_pg_startup_next(&rd, &param); i++) {
        assert_int_equal(neon_pg_startup_counts(&st, &param), i != 0);
    }

    assert_int_equal(i, 3);

    /* no parameter at all */

    assert_int_equal(startup(&st, STR("\0"), &err), NEON_OK);
    assert_int_equal(st.nparams, 0);
    assert_int_equal(st.params.len, 0);
    assert_null(st.user.data);

    /* bytes that are no UTF-8 are the compute's affair */

    assert_int_equal(startup(&st, STR("user\0\xff\xfe\0\0"), &err), NEON_OK);
    assert_true(neon_str_eqz(st.user, "\xff\xfe"));
}


static void
startup_long_name(void **state)
{
    size_t             n;
    uint8_t            p[1004];
    const char        *err;
    neon_pg_startup_t  st;

    (void) state;

    memset(p, 'n', 1000);
    memcpy(p + 1000, "\0v\0\0", 4);

    assert_int_equal(neon_pg_startup_parse(&st, p, 1004, &err), NEON_OK);
    assert_int_equal(st.nparams, 1);

    /* and every cut of it is malformed */

    for (n = 0; n < 1004; n++) {
        err = NULL;
        assert_int_equal(neon_pg_startup_parse(&st, p, n, &err), NEON_ERROR);
        assert_non_null(err);
    }
}


static void
startup_malformed(void **state)
{
    size_t             i;
    const char        *err;
    neon_pg_startup_t  st;

#define LAYOUT  "invalid startup packet layout: "

    static const struct {
        const char  *payload;
        size_t       len;
        const char  *err;
    } bad[] = {
        { "", 0, LAYOUT "no terminator at its end" },
        { "user", 4, LAYOUT "no terminator at its end" },
        { "user\0bob\0\0x", 11, LAYOUT "no terminator at its end" },
        { "user\0", 5, LAYOUT "parameter without a value" },
        { "user\0bob\0", 9, LAYOUT "parameter without a value" },
        { "user\0bob\0database\0\0", 19, LAYOUT "parameter without a value" },
        { "user\0\0", 6, LAYOUT "parameter without a value" },
        { "\0\0", 2, LAYOUT "bytes behind the terminator" },
        { "\0value\0\0", 8, LAYOUT "bytes behind the terminator" },
        { "user\0bob\0\0\0", 11, LAYOUT "bytes behind the terminator" },
        { "user\0bob\0\0Q\0\0\0\0", 15, LAYOUT "bytes behind the terminator" }
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(startup(&st, neon_str(bad[i].payload, bad[i].len),
                                 &err),
                         NEON_ERROR);
        assert_string_equal(err, bad[i].err);
    }
}


static void
negotiation_lists_extensions(void **state)
{
    uint8_t            out[64];
    neon_wr_t          w;
    const char        *err;
    neon_pg_startup_t  st;

    (void) state;

    assert_int_equal(startup(&st, STR("_pq_.a\0on\0user\0u\0_pq\0x\0"
                                      "_pq_.bc\0\0\0"), &err),
                     NEON_OK);

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_negotiate_write(&w, NEON_PG_PROTOCOL_3_0, &st);

    assert_int_equal(w.error, 0);
    assert_int_equal(neon_wr_len(&w), 28);
    assert_memory_equal(out,
                        "v\0\0\0\x1b\0\3\0\0\0\0\0\2_pq_.a\0_pq_.bc\0",
                        28);

    neon_wr_init(&w, out, 27);
    neon_pg_negotiate_write(&w, NEON_PG_PROTOCOL_3_0, &st);
    assert_int_equal(w.error, 1);
}


static void
cancel_requests(void **state)
{
    size_t            n;
    uint8_t           p[512], key[257];
    neon_wr_t         w;
    const char       *err;
    neon_pg_first_t   f;
    neon_pg_cancel_t  cancel;

    (void) state;

    memset(key, 0xa5, sizeof(key));

    for (n = 0; n <= sizeof(key); n++) {
        neon_wr_init(&w, p, sizeof(p));
        neon_pg_cancel_write(&w, 0x80000001, neon_str(key, n));
        assert_int_equal(w.error, 0);
        assert_int_equal(neon_wr_len(&w), 12 + n);

        if (n < NEON_PG_CANCEL_KEY_MIN || n > NEON_PG_CANCEL_KEY_MAX) {
            assert_int_equal(first(&f, p, 8, &err), NEON_ERROR);
            assert_int_equal(neon_pg_cancel_parse(&cancel, p + 8, 4 + n, &err),
                             NEON_ERROR);
            assert_string_equal(err, "invalid length of CancelRequest");
            continue;
        }

        assert_int_equal(first(&f, p, 8, &err), NEON_OK);
        assert_int_equal(f.type, NEON_PG_FIRST_CANCEL);
        assert_int_equal(f.length, 12 + n);

        assert_int_equal(neon_pg_cancel_parse(&cancel, p + 8, f.length - 8,
                                              &err),
                         NEON_OK);
        assert_int_equal(cancel.pid, 0x80000001);
        assert_true(neon_str_eq(cancel.key, neon_str(key, n)));
    }

    assert_int_equal(neon_pg_cancel_parse(&cancel, p, 0, &err), NEON_ERROR);
}


static void
startup_is_written_as_it_is_read(void **state)
{
    uint8_t            *begin;
    uint8_t             out[64];
    neon_wr_t           w;
    const char         *err;
    neon_pg_first_t     f;
    neon_pg_startup_t   st;

    (void) state;

    neon_wr_init(&w, out, sizeof(out));
    begin = neon_pg_startup_begin(&w, NEON_PG_PROTOCOL_3_2);
    neon_pg_startup_param(&w, STR("user"), STR("u"));
    neon_pg_startup_param(&w, STR("database"), STR(""));
    neon_pg_startup_end(&w, begin);

    assert_int_equal(w.error, 0);
    assert_int_equal(first(&f, out, 8, &err), NEON_OK);
    assert_int_equal(f.version, NEON_PG_PROTOCOL_3_2);
    assert_int_equal(f.length, neon_wr_len(&w));
    assert_int_equal(startup(&st, neon_str(out + 8, f.length - 8), &err),
                     NEON_OK);
    assert_int_equal(st.nparams, 2);
    assert_true(neon_str_eqz(st.user, "u"));

    /* nothing that would move the borders of the list */

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_startup_param(&w, STR(""), STR("u"));
    assert_int_equal(w.error, 1);

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_startup_param(&w, STR("user"), STR("u\0database\0postgres"));
    assert_int_equal(w.error, 1);

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_ssl_request_write(&w);
    assert_int_equal(neon_wr_len(&w), 8);
    assert_memory_equal(out, "\0\0\0\x08\x04\xd2\x16\x2f", 8);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(first_packets),
        cmocka_unit_test(first_packets_malformed),
        cmocka_unit_test(tls_is_known_by_its_first_byte),
        cmocka_unit_test(startup_parameters),
        cmocka_unit_test(startup_long_name),
        cmocka_unit_test(startup_malformed),
        cmocka_unit_test(negotiation_lists_extensions),
        cmocka_unit_test(cancel_requests),
        cmocka_unit_test(startup_is_written_as_it_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
