/*
 * PostgreSQL's MD5 passwords: grammar, vectors, and what must not match.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neon_md5.h"


/* of PostgreSQL 15: create role alice password 'secret' */

#define VERIFIER     "md54a0a68b43b6cd5cf266fa02f196e2371"


static neon_str_t
str(const char *z)
{
    return neon_str(z, strlen(z));
}


/* of exactly the size, for the sanitizer */

static neon_rc_e
parse(neon_md5_t *v, const char *text, size_t len)
{
    char       *copy;
    neon_rc_e   rc;

    copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy + 1, text, len);

    rc = neon_md5_parse(v, neon_str(copy + 1, len));

    free(copy);

    return rc;
}


static void
test_parse(void **state)
{
    neon_md5_t  v;

    (void) state;

    assert_int_equal(parse(&v, VERIFIER, strlen(VERIFIER)), NEON_OK);
    assert_memory_equal(v.hex, &VERIFIER[3], NEON_MD5_HEX);

    assert_int_equal(parse(&v, "md50123456789abcdef0123456789abcdef", 35),
                     NEON_OK);
}


/* also everything that pg_authid would take for a SCRAM verifier or text */

static void
test_parse_refuses(void **state)
{
    size_t      i;
    neon_md5_t  v, zero;

    static const char  *cases[] = {
        "secret",
        "MD54a0a68b43b6cd5cf266fa02f196e2371",
        "md54A0A68B43B6CD5CF266FA02F196E2371",
        "md54a0a68b43b6cd5cf266fa02f196e237g",
        "md5 a0a68b43b6cd5cf266fa02f196e2371",
        "md54a0a68b43b6cd5cf266fa02f196e237 ",
        "md54a0a68b43b6cd5cf266fa02f196e237/",
        "md54a0a68b43b6cd5cf266fa02f196e237:",
        "md54a0a68b43b6cd5cf266fa02f196e237`",
        "md54a0a68b43b6cd5cf266fa02f196e23711",
        " md54a0a68b43b6cd5cf266fa02f196e237",
        "md44a0a68b43b6cd5cf266fa02f196e2371",
        "4a0a68b43b6cd5cf266fa02f196e2371",
        "4a0a68b43b6cd5cf266fa02f196e2371md5",
        "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$",
    };

    (void) state;

    memset(&zero, 0, sizeof(zero));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (parse(&v, cases[i], strlen(cases[i])) != NEON_ERROR) {
            fail_msg("accepted: \"%s\"", cases[i]);
        }

        assert_memory_equal(&v, &zero, sizeof(v));
    }

    for (i = 0; i < strlen(VERIFIER); i++) {
        assert_int_equal(parse(&v, VERIFIER, i), NEON_ERROR);
    }
}


static void
test_parse_every_byte(void **state)
{
    int         ch, hex;
    char        text[NEON_MD5_TEXT_LEN];
    size_t      i;
    neon_md5_t  v;

    (void) state;

    for (i = 0; i < sizeof(text); i++) {
        for (ch = 0; ch < 256; ch++) {
            memcpy(text, VERIFIER, sizeof(text));
            text[i] = (char) ch;

            hex = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f');

            assert_int_equal(parse(&v, text, sizeof(text)),
                             (i < 3 ? text[i] == VERIFIER[i] : hex)
                             ? NEON_OK : NEON_ERROR);
        }
    }
}


static void
test_password(void **state)
{
    size_t      i;
    neon_md5_t  v, made;

    static const struct {
        const char  *password;
        const char  *role;
    } wrong[] = {
        { "", "alice" }, { "secre", "alice" }, { "secrets", "alice" },
        { "Secret", "alice" }, { "secret", "bob" }, { "secret", "" },
        { VERIFIER, "alice" }, { &VERIFIER[3], "alice" }, { VERIFIER, "" },
    };

    (void) state;

    assert_int_equal(neon_md5_parse(&v, str(VERIFIER)), NEON_OK);
    assert_int_equal(neon_md5_make(&made, str("secret"), str("alice")),
                     NEON_OK);
    assert_memory_equal(&made, &v, sizeof(v));

    assert_int_equal(neon_md5_verify_password(&v, str("secret"),
                                              str("alice")),
                     NEON_OK);

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (neon_md5_verify_password(&v, str(wrong[i].password),
                                     str(wrong[i].role))
            != NEON_AGAIN)
        {
            fail_msg("\"%s\" of \"%s\"", wrong[i].password, wrong[i].role);
        }
    }

    /* the salt is no more than the name behind it */

    assert_int_equal(neon_md5_verify_password(&v, str("secreta"),
                                              str("lice")),
                     NEON_OK);
}


static void
test_answer(void **state)
{
    size_t      i;
    uint8_t     out[NEON_MD5_TEXT_LEN], other[NEON_MD5_TEXT_LEN];
    neon_md5_t  v;
    neon_str_t  salt, zeros;

    (void) state;

    salt = neon_str("\x01\x02\x03\xff", 4);
    zeros = neon_str("\0\0\0\0", 4);

    assert_int_equal(neon_md5_parse(&v, str(VERIFIER)), NEON_OK);

    /* by md5sum(1) */

    assert_int_equal(neon_md5_answer(out, &v, salt), NEON_OK);
    assert_memory_equal(out, "md55f0388cdae34fff99488f7c4c4a91735", 35);

    assert_int_equal(neon_md5_answer(other, &v, zeros), NEON_OK);
    assert_memory_equal(other, "md5d5892e05ed854e3687f1ffefc3977bf9", 35);

    assert_int_equal(neon_md5_verify_answer(&v, salt, neon_str(out, 35)),
                     NEON_OK);

    /* one of another salt; none; the verifier itself; too short, too long */

    assert_int_equal(neon_md5_verify_answer(&v, zeros, neon_str(out, 35)),
                     NEON_AGAIN);
    assert_int_equal(neon_md5_verify_answer(&v, salt, neon_str(NULL, 0)),
                     NEON_AGAIN);
    assert_int_equal(neon_md5_verify_answer(&v, salt, str(VERIFIER)),
                     NEON_AGAIN);
    assert_int_equal(neon_md5_verify_answer(&v, salt, str("secret")),
                     NEON_AGAIN);
    assert_int_equal(neon_md5_verify_answer(&v, salt, neon_str(out, 34)),
                     NEON_AGAIN);
    assert_int_equal(neon_md5_verify_answer(&v, salt,
                         str("md55f0388cdae34fff99488f7c4c4a917355")),
                     NEON_AGAIN);

    for (i = 0; i < 35; i++) {
        memcpy(other, out, sizeof(out));
        other[i] ^= 1;

        assert_int_equal(neon_md5_verify_answer(&v, salt,
                                                neon_str(other, 35)),
                         NEON_AGAIN);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_every_byte),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_answer)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
