/*
 * ErrorResponse and NoticeResponse: whatever a server may send.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "neon_pg_error.h"
#include "neon_pg_msg.h"


#define STR(s)  neon_str(s, sizeof(s) - 1)


static void
fields(void **state)
{
    neon_pg_error_t  e;

    (void) state;

    assert_int_equal(neon_pg_error_parse(&e,
                         STR("SFATAL\0VFATAL\0C3D000\0Mno database\0Dwhy\0"
                             "Htry\0Fpostinit.c\0L885\0RInitPostgres\0"
                             "qSELECT\0P12\0\0")),
                     NEON_OK);
    assert_true(neon_str_eqz(e.severity, "FATAL"));
    assert_true(neon_str_eqz(e.sqlstate, "3D000"));
    assert_true(neon_str_eqz(e.message, "no database"));
    assert_true(neon_str_eqz(e.detail, "why"));
    assert_true(neon_str_eqz(e.hint, "try"));

    /* translated, and not */

    assert_int_equal(neon_pg_error_parse(&e, STR("SERREUR\0VERROR\0\0")),
                     NEON_OK);
    assert_true(neon_str_eqz(e.severity, "ERROR"));

    assert_int_equal(neon_pg_error_parse(&e, STR("VERROR\0SERREUR\0\0")),
                     NEON_OK);
    assert_true(neon_str_eqz(e.severity, "ERROR"));

    assert_int_equal(neon_pg_error_parse(&e, STR("SERREUR\0\0")), NEON_OK);
    assert_true(neon_str_eqz(e.severity, "ERREUR"));
}


/* no code, unknown fields, nothing at all: not a reason to fall over */

static void
fields_missing_and_unknown(void **state)
{
    neon_pg_error_t  e;

    (void) state;

    assert_int_equal(neon_pg_error_parse(&e, STR("\0")), NEON_OK);
    assert_null(e.severity.data);
    assert_null(e.sqlstate.data);
    assert_null(e.message.data);
    assert_null(e.detail.data);
    assert_null(e.hint.data);

    assert_int_equal(neon_pg_error_parse(&e, STR("SERROR\0Mx\0\0")), NEON_OK);
    assert_int_equal(e.sqlstate.len, 0);
    assert_true(neon_str_eqz(e.message, "x"));

    assert_int_equal(neon_pg_error_parse(&e, STR("\xff" "a\0?b\0Mx\0\0")),
                     NEON_OK);
    assert_true(neon_str_eqz(e.message, "x"));

    assert_int_equal(neon_pg_error_parse(&e, STR("M\0C\0\0")), NEON_OK);
    assert_int_equal(e.message.len, 0);
}


static void
sqlstates(void **state)
{
    size_t           i, n;
    uint8_t          body[32];
    neon_wr_t        w;
    neon_pg_error_t  e;

    static const struct {
        const char  *code;
        int          good;
    } t[] = {
        { "00000", 1 }, { "57P03", 1 }, { "XX000", 1 }, { "ZZZZZ", 1 },
        { "", 0 }, { "5", 0 }, { "57P0", 0 }, { "57P033", 0 },
        { "57p03", 0 }, { "57P0\n", 0 }, { "5 P03", 0 }, { "\"P03}", 0 },
        { "\xc3\x84\xc3\x84X", 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        n = strlen(t[i].code);

        neon_wr_init(&w, body, sizeof(body));
        neon_wr_u8(&w, 'C');
        neon_wr_cstr(&w, neon_str(t[i].code, n));
        neon_wr_u8(&w, '\0');

        assert_int_equal(neon_pg_error_parse(&e, neon_str(body,
                                                          neon_wr_len(&w))),
                         NEON_OK);
        assert_true(neon_str_eqz(e.sqlstate, t[i].good ? t[i].code : ""));
    }
}


static void
malformed(void **state)
{
    size_t           i;
    neon_str_t       whole;
    neon_pg_error_t  e;

    (void) state;

    whole = STR("SERROR\0VERROR\0C42601\0Msyntax error\0\0");

    for (i = 0; i < whole.len; i++) {
        assert_int_equal(neon_pg_error_parse(&e, neon_str(whole.data, i)),
                         NEON_ERROR);
    }

    assert_int_equal(neon_pg_error_parse(&e, whole), NEON_OK);
    assert_int_equal(neon_pg_error_parse(&e, neon_str(NULL, 0)), NEON_ERROR);
}


static void
large(void **state)
{
    neon_wr_t        w;
    neon_pg_error_t  e;
    static uint8_t   body[1024 * 1024];

    (void) state;

    memset(body, 'x', sizeof(body));
    memcpy(body, "SERROR\0C53200\0D", 15);

    neon_wr_init(&w, body + sizeof(body) - 5, 5);
    neon_wr_bytes(&w, "\0Mm\0\0", 5);

    assert_int_equal(neon_pg_error_parse(&e, neon_str(body, sizeof(body))),
                     NEON_OK);
    assert_int_equal(e.detail.len, sizeof(body) - 20);
    assert_true(neon_str_eqz(e.message, "m"));

    assert_int_equal(neon_pg_error_parse(&e, neon_str(body,
                                                      sizeof(body) - 1)),
                     NEON_ERROR);
}


static void
written(void **state)
{
    uint8_t          out[128];
    neon_wr_t        w;
    neon_pg_error_t  e;

    (void) state;

    memset(&e, 0, sizeof(e));
    e.severity = STR("FATAL");
    e.sqlstate = STR("57P03");
    e.message = STR("waking");

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_error_write(&w, &e);
    assert_int_equal(w.error, 0);
    assert_int_equal(neon_wr_len(&w), 35);
    assert_memory_equal(out,
                        "E\0\0\0\x22SFATAL\0VFATAL\0C57P03\0Mwaking\0\0", 35);

    e.severity = STR("NOTICE");
    e.detail = STR("d");
    e.hint = STR("h");

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_notice_write(&w, &e);
    assert_int_equal(w.error, 0);
    assert_int_equal(neon_wr_len(&w), 43);
    assert_memory_equal(out,
                        "N\0\0\0\x2aSNOTICE\0VNOTICE\0C57P03\0Mwaking\0Dd\0Hh\0"
                        "\0", 43);

    neon_wr_init(&w, out, 42);
    neon_pg_notice_write(&w, &e);
    assert_int_equal(w.error, 1);
}


static void
a_nul_ends_a_string(void **state)
{
    uint8_t          out[128];
    neon_wr_t        w;
    neon_pg_msg_t    msg;
    neon_pg_error_t  e, back;

    (void) state;

    memset(&e, 0, sizeof(e));
    e.severity = STR("FATAL");
    e.sqlstate = STR("28P01");
    e.message = STR("user \"x\0C00000");
    e.detail = STR("\0D");

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_error_write(&w, &e);
    assert_int_equal(w.error, 0);

    assert_int_equal(neon_pg_msg_parse(&msg, out, neon_wr_len(&w), 512),
                     NEON_OK);
    assert_int_equal(msg.tag, 'E');
    assert_int_equal(neon_pg_error_parse(&back, msg.body), NEON_OK);
    assert_true(neon_str_eqz(back.message, "user \"x"));
    assert_true(neon_str_eqz(back.sqlstate, "28P01"));
    assert_int_equal(back.detail.len, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(fields_missing_and_unknown),
        cmocka_unit_test(sqlstates),
        cmocka_unit_test(malformed),
        cmocka_unit_test(large),
        cmocka_unit_test(written),
        cmocka_unit_test(a_nul_ends_a_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
