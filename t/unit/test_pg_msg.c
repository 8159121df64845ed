/*
 * Framing, and the messages that a proxy reads or writes itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "neon_pg_msg.h"


#define STR(s)  neon_str(s, sizeof(s) - 1)


static void
frames(void **state)
{
    size_t          n;
    neon_pg_msg_t   msg;
    const uint8_t  *p;

    (void) state;

    p = (const uint8_t *) "p\0\0\0\7abcQ\0\0\0";

    /* byte by byte: more is asked for until the whole is there */

    for (n = 0; n < 8; n++) {
        assert_int_equal(neon_pg_msg_parse(&msg, p, n, 512), NEON_AGAIN);
        assert_int_equal(msg.size, (n < NEON_PG_MSG_HEAD) ? 0 : 8);
        assert_int_equal(msg.tag, (n < NEON_PG_MSG_HEAD) ? 0 : 'p');
        assert_null(msg.body.data);
    }

    for (n = 8; n < 12; n++) {
        assert_int_equal(neon_pg_msg_parse(&msg, p, n, 3), NEON_OK);
        assert_int_equal(msg.size, 8);
        assert_int_equal(msg.tag, 'p');
        assert_true(neon_str_eqz(msg.body, "abc"));
    }

    assert_int_equal(neon_pg_msg_parse(&msg, (const uint8_t *) "S\0\0\0\4", 5,
                                       0),
                     NEON_OK);
    assert_int_equal(msg.size, 5);
    assert_int_equal(msg.body.len, 0);
}


static void
frames_malformed(void **state)
{
    size_t         i;
    uint8_t        p[5];
    neon_wr_t      w;
    neon_pg_msg_t  msg;

    static const struct {
        uint32_t   length;
        size_t     max;
        neon_rc_e  rc;
    } t[] = {
        { 0, SIZE_MAX, NEON_ERROR },
        { 3, SIZE_MAX, NEON_ERROR },
        { 4, 0, NEON_OK },
        { 5, 0, NEON_ERROR },
        { 516, 512, NEON_AGAIN },
        { 517, 512, NEON_ERROR },
        { 0x7fffffff, SIZE_MAX, NEON_AGAIN },
        { 0x80000000, SIZE_MAX, NEON_ERROR },
        { 0xfffffffc, SIZE_MAX, NEON_ERROR },
        { 0xffffffff, SIZE_MAX, NEON_ERROR },
        { 0xffffffff, 512, NEON_ERROR }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        neon_wr_init(&w, p, sizeof(p));
        neon_wr_u8(&w, 'p');
        neon_wr_u32(&w, t[i].length);

        assert_int_equal(neon_pg_msg_parse(&msg, p, 4, t[i].max), NEON_AGAIN);
        assert_int_equal(neon_pg_msg_parse(&msg, p, 5, t[i].max), t[i].rc);
    }
}


static void
sasl_initial(void **state)
{
    size_t                  i;
    neon_pg_sasl_initial_t  m;

    static const struct {
        const char  *body;
        size_t       len;
    } bad[] = {
        { "", 0 },
        { "SCRAM-SHA-256", 13 },
        { "SCRAM\0", 6 },
        { "SCRAM\0\0\0\0", 9 },
        { "SCRAM\0\0\0\0\4n,,", 13 },
        { "SCRAM\0\0\0\0\2n,,", 13 },
        { "SCRAM\0\xff\xff\xff\xffn", 11 },
        { "SCRAM\0\xff\xff\xff\xfen,,", 13 },
        { "SCRAM\0\x7f\xff\xff\xffn,,", 13 },
        { "SCRAM\0\x80\0\0\0n,,", 13 }
    };

    (void) state;

    assert_int_equal(neon_pg_sasl_initial_parse(&m,
                         STR("SCRAM-SHA-256\0\0\0\0\3n,,")),
                     NEON_OK);
    assert_true(neon_str_eqz(m.mechanism, "SCRAM-SHA-256"));
    assert_true(neon_str_eqz(m.data, "n,,"));

    assert_int_equal(neon_pg_sasl_initial_parse(&m, STR("X\0\xff\xff\xff\xff")),
                     NEON_OK);
    assert_null(m.data.data);

    assert_int_equal(neon_pg_sasl_initial_parse(&m, STR("X\0\0\0\0\0")),
                     NEON_OK);
    assert_non_null(m.data.data);
    assert_int_equal(m.data.len, 0);

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(neon_pg_sasl_initial_parse(&m, neon_str(bad[i].body,
                                                                 bad[i].len)),
                         NEON_ERROR);
    }
}


static void
passwords(void **state)
{
    neon_str_t  s;

    (void) state;

    assert_int_equal(neon_pg_password_parse(&s, STR("secret\0")), NEON_OK);
    assert_true(neon_str_eqz(s, "secret"));

    assert_int_equal(neon_pg_password_parse(&s, STR("\0")), NEON_OK);
    assert_int_equal(s.len, 0);

    assert_int_equal(neon_pg_password_parse(&s, STR("")), NEON_ERROR);
    assert_int_equal(neon_pg_password_parse(&s, neon_str(NULL, 0)),
                     NEON_ERROR);
    assert_int_equal(neon_pg_password_parse(&s, STR("secret")), NEON_ERROR);
    assert_int_equal(neon_pg_password_parse(&s, STR("sec\0ret\0")),
                     NEON_ERROR);
    assert_null(s.data);
    assert_int_equal(neon_pg_password_parse(&s, STR("secret\0\0")),
                     NEON_ERROR);
}


static void
authentication_requests(void **state)
{
    uint32_t    code;
    neon_str_t  rest;

    (void) state;

    assert_int_equal(neon_pg_auth_parse(&code, &rest, STR("\0\0\0\5salt")),
                     NEON_OK);
    assert_int_equal(code, NEON_PG_AUTH_MD5);
    assert_true(neon_str_eqz(rest, "salt"));

    assert_int_equal(neon_pg_auth_parse(&code, &rest, STR("\0\0\0\0")),
                     NEON_OK);
    assert_int_equal(code, NEON_PG_AUTH_OK);
    assert_int_equal(rest.len, 0);

    assert_int_equal(neon_pg_auth_parse(&code, &rest, STR("\0\0\0")),
                     NEON_ERROR);
    assert_int_equal(neon_pg_auth_parse(&code, &rest, STR("")), NEON_ERROR);
}


/* the first name of the list is not the only one */

static void
mechanism_lists(void **state)
{
    size_t  i;

    static const struct {
        const char  *list;
        size_t       len;
        int          plain;
        int          plus;
    } t[] = {
        { "SCRAM-SHA-256\0\0", 15, 1, 0 },
        { "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 34, 1, 1 },
        { "SCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0", 34, 1, 1 },
        { "SCRAM-SHA-256-PLUS\0\0", 20, 0, 1 },
        { "OAUTHBEARER\0SCRAM-SHA-256\0\0", 27, 1, 0 },
        { "scram-sha-256\0\0", 15, 0, 0 },
        { "\0", 1, 0, 0 },
        { "", 0, 0, 0 },
        { "SCRAM-SHA-256", 13, 0, 0 },
        { "SCRAM-SHA-256\0", 14, 0, 0 },
        { "SCRAM-SHA-256\0SCRAM-SHA-256-PL", 30, 0, 0 },
        { "\0SCRAM-SHA-256\0\0", 16, 0, 0 },
        { "SCRAM-SHA-256\0\0X\0", 17, 0, 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(neon_pg_sasl_offers(neon_str(t[i].list, t[i].len),
                                             "SCRAM-SHA-256"),
                         t[i].plain);
        assert_int_equal(neon_pg_sasl_offers(neon_str(t[i].list, t[i].len),
                                             "SCRAM-SHA-256-PLUS"),
                         t[i].plus);
    }
}


static void
key_data(void **state)
{
    size_t      n;
    uint8_t     body[4 + 258];
    uint32_t    pid;
    neon_rc_e   rc;
    neon_str_t  key;

    (void) state;

    memset(body, 0x9c, sizeof(body));

    for (n = 0; n <= sizeof(body); n++) {
        rc = neon_pg_key_data_parse(&pid, &key, neon_str(body, n));

        if (n < 8 || n > 260) {
            assert_int_equal(rc, NEON_ERROR);
            continue;
        }

        assert_int_equal(rc, NEON_OK);
        assert_int_equal(pid, 0x9c9c9c9c);
        assert_ptr_equal(key.data, body + 4);
        assert_int_equal(key.len, n - 4);
    }
}


static void
protocol_negotiation(void **state)
{
    size_t    i;
    uint32_t  version;

    static const struct {
        const char  *body;
        size_t       len;
        neon_rc_e    rc;
    } t[] = {
        { "\0\3\0\2\0\0\0\0", 8, NEON_OK },
        { "\0\3\0\2\0\0\0\1_pq_.x\0", 15, NEON_OK },
        { "\0\3\0\2\0\0\0\2_pq_.x\0_pq_.y\0", 22, NEON_OK },
        { "", 0, NEON_ERROR },
        { "\0\3\0\2", 4, NEON_ERROR },
        { "\0\3\0\2\0\0\0", 7, NEON_ERROR },
        { "\0\3\0\2\0\0\0\0x", 9, NEON_ERROR },
        { "\0\3\0\2\0\0\0\1", 8, NEON_ERROR },
        { "\0\3\0\2\0\0\0\1_pq_.x", 14, NEON_ERROR },
        { "\0\3\0\2\0\0\0\2_pq_.x\0", 15, NEON_ERROR },
        { "\0\3\0\2\xff\xff\xff\xff_pq_.x\0", 15, NEON_ERROR }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(neon_pg_negotiate_parse(&version,
                                                 neon_str(t[i].body,
                                                          t[i].len)),
                         t[i].rc);

        if (t[i].rc == NEON_OK) {
            assert_int_equal(version, 0x00030002);
        }
    }
}


static void
messages_are_written(void **state)
{
    uint8_t    out[256];
    neon_wr_t  w;

    static const char  want[] =
        "R\0\0\0\x0e\0\0\0\x0bserver"
        "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"
        "R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
        "K\0\0\0\x0c\1\2\3\4key!"
        "S\0\0\0\x13" "TimeZone\0Etc/X\0"
        "Z\0\0\0\5I"
        "p\0\0\0\x0fMECH\0\0\0\0\2n,"
        "p\0\0\0\x0dMECH\0\xff\xff\xff\xff"
        "p\0\0\0\7c=b"
        "p\0\0\0\x0bsecret\0";

    (void) state;

    neon_wr_init(&w, out, sizeof(out));

    neon_pg_auth_write(&w, NEON_PG_AUTH_SASL_CONT, STR("server"));
    neon_pg_auth_sasl_write(&w, 0);
    neon_pg_auth_sasl_write(&w, 1);
    neon_pg_key_data_write(&w, 0x01020304, STR("key!"));
    neon_pg_parameter_status_write(&w, "TimeZone", STR("Etc/X"));
    neon_pg_ready_write(&w, 'I');
    neon_pg_sasl_initial_write(&w, "MECH", STR("n,"));
    neon_pg_sasl_initial_write(&w, "MECH", neon_str(NULL, 0));
    neon_pg_sasl_response_write(&w, STR("c=b"));
    neon_pg_password_write(&w, STR("secret"));

    assert_int_equal(w.error, 0);
    assert_int_equal(neon_wr_len(&w), sizeof(want) - 1);
    assert_memory_equal(out, want, sizeof(want) - 1);

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_password_write(&w, STR("sec\0ret"));
    assert_int_equal(w.error, 1);
}


static void
what_is_written_is_read(void **state)
{
    uint8_t                 out[256];
    uint32_t                code, pid;
    neon_wr_t               w;
    neon_str_t              rest, key;
    neon_pg_msg_t           msg;
    neon_pg_sasl_initial_t  m;

    (void) state;

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_auth_sasl_write(&w, 1);
    assert_int_equal(neon_pg_msg_parse(&msg, out, neon_wr_len(&w), 512),
                     NEON_OK);
    assert_int_equal(neon_pg_auth_parse(&code, &rest, msg.body), NEON_OK);
    assert_int_equal(code, NEON_PG_AUTH_SASL);
    assert_true(neon_pg_sasl_offers(rest, "SCRAM-SHA-256-PLUS"));
    assert_true(neon_pg_sasl_offers(rest, "SCRAM-SHA-256"));

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_sasl_initial_write(&w, "SCRAM-SHA-256", STR("n,,n=,r=x"));
    assert_int_equal(neon_pg_msg_parse(&msg, out, neon_wr_len(&w), 512),
                     NEON_OK);
    assert_int_equal(neon_pg_sasl_initial_parse(&m, msg.body), NEON_OK);
    assert_true(neon_str_eqz(m.data, "n,,n=,r=x"));

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_key_data_write(&w, 77, STR("0123456789abcdef0123456789abcdef"));
    assert_int_equal(neon_pg_msg_parse(&msg, out, neon_wr_len(&w), 512),
                     NEON_OK);
    assert_int_equal(neon_pg_key_data_parse(&pid, &key, msg.body), NEON_OK);
    assert_int_equal(pid, 77);
    assert_int_equal(key.len, 32);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(frames),
        cmocka_unit_test(frames_malformed),
        cmocka_unit_test(sasl_initial),
        cmocka_unit_test(passwords),
        cmocka_unit_test(authentication_requests),
        cmocka_unit_test(mechanism_lists),
        cmocka_unit_test(key_data),
        cmocka_unit_test(protocol_negotiation),
        cmocka_unit_test(messages_are_written),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
