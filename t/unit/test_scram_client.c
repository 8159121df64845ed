/*
 * The client side of SCRAM: vectors, and what a hostile server may send.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neon_scram.h"


/* "ABCDEFGHIJKLMNOPQR" */

#define CLIENT_NONCE  "QUJDREVGR0hJSktMTU5PUFFS"

/* all but the client nonce is of RFC 7677, section 3 */

#define VERIFIER                                                              \
    "SCRAM-SHA-256$4096:" SALT                                                \
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="                           \
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

#define CLIENT_KEY                                                            \
    "\xa6\x0f\xc9\x23\xd6\x7e\x86\x44\xa9\x2d\x16\xb9\x6e\xda\x5e\xf4"        \
    "\x65\x6b\x0c\x72\x5c\x48\x43\x74\xbe\x25\x53\x55\x76\x99\x6e\x8b"

#define SALT          "W22ZaJ0SNY7soEsUEjb6gQ=="
#define NONCE         CLIENT_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST  "r=" NONCE ",s=" SALT ",i=4096"
#define SIGNATURE     "pI/rwgyXPmwL0HCyPmG1HojJsomQI1EMemFnHJGd7KE="

#define PROTOCOL      NEON_SCRAM_CLIENT_FAIL_PROTOCOL
#define OTHER_SALT    NEON_SCRAM_CLIENT_FAIL_SALT
#define SERVER        NEON_SCRAM_CLIENT_FAIL_SERVER


typedef struct {
    const char               *message;
    neon_scram_client_fail_e  fail;
} refuse_case_t;


static const uint8_t  raw_nonce[] = "ABCDEFGHIJKLMNOPQR";

static neon_scram_verifier_t  verifier;
static neon_scram_keys_t      keys;


static neon_str_t
str(const char *z)
{
    return neon_str(z, strlen(z));
}


static int
setup(void **state)
{
    (void) state;

    if (neon_scram_verifier_parse(&verifier, str(VERIFIER)) != NEON_OK) {
        return 1;
    }

    memcpy(keys.client_key, CLIENT_KEY, NEON_SCRAM_KEY_LEN);
    memcpy(keys.server_key, verifier.server_key, NEON_SCRAM_KEY_LEN);

    return 0;
}


static void
first(neon_scram_client_t *c, uint8_t flag, neon_str_t cbind, char *text,
    size_t size)
{
    neon_wr_t  w;

    neon_wr_init(&w, text, size - 1);
    assert_int_equal(neon_scram_client_first(c, flag, cbind, raw_nonce, &w),
                     NEON_OK);
    text[neon_wr_len(&w)] = '\0';
}


static neon_rc_e
final(neon_scram_client_t *c, neon_str_t in, char *text, size_t size)
{
    neon_rc_e  rc;
    neon_wr_t  w;

    neon_wr_init(&w, text, size - 1);
    rc = neon_scram_client_final(c, in, &verifier, &keys, &w);
    text[neon_wr_len(&w)] = '\0';

    return rc;
}


static void
assert_first_refused(neon_str_t in, neon_scram_client_fail_e fail)
{
    char                 text[NEON_SCRAM_MSG_MAX];
    neon_scram_client_t  c;

    first(&c, 'n', neon_str(NULL, 0), text, sizeof(text));

    if (final(&c, in, text, sizeof(text)) != NEON_ERROR || c.fail != fail) {
        fail_msg("\"%.*s\": %d", (int) in.len, (const char *) in.data,
                 (int) c.fail);
    }

    assert_string_equal(text, "");

    /* what failed cannot be continued */

    assert_int_equal(neon_scram_client_verify(&c, str("v=" SIGNATURE)),
                     NEON_ERROR);
    assert_int_equal(c.fail, NEON_SCRAM_CLIENT_FAIL_PROTOCOL);
}


/* made with another library */

static void
test_exchange(void **state)
{
    char                 text[NEON_SCRAM_MSG_MAX];
    size_t               i;
    uint8_t              hash[32];
    neon_str_t           cbind;
    neon_scram_client_t  c;

    static const struct {
        uint8_t          flag;
        const char      *first;
        const char      *final;
        const char      *verify;
    } cases[] = {
        { 'n', "n,,n=,r=" CLIENT_NONCE,
          "c=biws,r=" NONCE
          ",p=VoaHjLG0KcSW4v04WdtV9dS3HzStdktvZiq8znhsmVc=",
          "v=" SIGNATURE },
        { 'y', "y,,n=,r=" CLIENT_NONCE,
          "c=eSws,r=" NONCE
          ",p=edg06CK8h2RFdm0ZzVdS9AfoVDqoI0i3Ig3t6LfU9GY=",
          "v=U1WEuA1OorEN6X0lcTwN7jbttDdDfHLcO18J86Pg/SU=" },
        { 'p', "p=tls-server-end-point,,n=,r=" CLIENT_NONCE,
          "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
          "GBkaGxwdHh8=,r=" NONCE
          ",p=7rTLAMfyfk59ikUKoyV19XpZobdOTwY+5bBeXf52574=",
          "v=2wsIciFr74bLdVL4uv51oWeHvX3mxSiFBnoYmcZA73I=" }
    };

    (void) state;

    for (i = 0; i < sizeof(hash); i++) {
        hash[i] = (uint8_t) i;
    }

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cbind = neon_str(hash, cases[i].flag == 'p' ? sizeof(hash) : 0);

        first(&c, cases[i].flag, cbind, text, sizeof(text));
        assert_string_equal(text, cases[i].first);

        assert_int_equal(final(&c, str(SERVER_FIRST), text, sizeof(text)),
                         NEON_OK);
        assert_string_equal(text, cases[i].final);
        assert_int_equal(c.fail, NEON_SCRAM_CLIENT_FAIL_NONE);

        assert_int_equal(neon_scram_client_verify(&c, str(cases[i].verify)),
                         NEON_OK);
        assert_int_equal(c.fail, NEON_SCRAM_CLIENT_FAIL_NONE);
    }
}


static void
test_first_refuses(void **state)
{
    size_t               i;
    uint8_t              hash[NEON_SCRAM_CBIND_MAX + 1] = { 0 };
    uint8_t              text[NEON_SCRAM_MSG_MAX];
    neon_wr_t            w;
    neon_scram_client_t  c;

    static const uint8_t  flags[] = { 0, 'N', 'P', 'x', ',' };

    (void) state;

    neon_wr_init(&w, text, sizeof(text));

    for (i = 0; i < sizeof(flags); i++) {
        assert_int_equal(neon_scram_client_first(&c, flags[i],
                                                 neon_str(hash, 32),
                                                 raw_nonce, &w),
                         NEON_ERROR);
    }

    assert_int_equal(neon_scram_client_first(&c, 'p', neon_str(NULL, 0),
                                             raw_nonce, &w),
                     NEON_ERROR);
    assert_int_equal(neon_scram_client_first(&c, 'p',
                                             neon_str(hash, sizeof(hash)),
                                             raw_nonce, &w),
                     NEON_ERROR);
    assert_int_equal(neon_scram_client_first(&c, 'p',
                                             neon_str(hash, sizeof(hash) - 1),
                                             raw_nonce, &w),
                     NEON_OK);
}


/* C10: a compute must not overflow, stall or confuse us */

static void
test_c10_server_first_refused(void **state)
{
    size_t               i;

    static const refuse_case_t  cases[] = {
        { "", PROTOCOL },
        { "e=other-error", PROTOCOL },
        { "r=" NONCE, PROTOCOL },
        { "r=" NONCE ",s=" SALT, PROTOCOL },
        { "r=" NONCE ",i=4096", PROTOCOL },
        { "s=" SALT ",i=4096", PROTOCOL },
        { "s=" SALT ",r=" NONCE ",i=4096", PROTOCOL },
        { SERVER_FIRST ",", PROTOCOL },
        { SERVER_FIRST ",m=ext", PROTOCOL },
        { "m=ext," SERVER_FIRST, PROTOCOL },
        { SERVER_FIRST ",a", PROTOCOL },
        { SERVER_FIRST ",1=x", PROTOCOL },
        { SERVER_FIRST ",ab=x", PROTOCOL },
        { SERVER_FIRST " ", PROTOCOL },

        /* nonces */

        { "r=,s=" SALT ",i=4096", PROTOCOL },
        { "r=" CLIENT_NONCE ",s=" SALT ",i=4096", PROTOCOL },
        { "r=QUJDREVGR0hJSktMTU5PUFF,s=" SALT ",i=4096", PROTOCOL },
        { "r=qUJDREVGR0hJSktMTU5PUFFSxxxx,s=" SALT ",i=4096", PROTOCOL },
        { "r=QUJDREVGR0hJSktMTU5PUFFTxxxx,s=" SALT ",i=4096", PROTOCOL },
        { "r=x" NONCE ",s=" SALT ",i=4096", PROTOCOL },
        { "r=" NONCE " ,s=" SALT ",i=4096", PROTOCOL },
        { "r=" NONCE "\303\244,s=" SALT ",i=4096", PROTOCOL },
        { "r=" NONCE "\177,s=" SALT ",i=4096", PROTOCOL },

        /* salts */

        { "r=" NONCE ",s=,i=4096", PROTOCOL },
        { "r=" NONCE ",s=-1,i=4096", PROTOCOL },
        { "r=" NONCE ",s====,i=4096", PROTOCOL },
        { "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ,i=4096", PROTOCOL },
        { "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gR==,i=4096", PROTOCOL },
        { "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==AAAA,i=4096", PROTOCOL },
        { "r=" NONCE ",s=X22ZaJ0SNY7soEsUEjb6gQ==,i=4096", OTHER_SALT },
        { "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6,i=4096", OTHER_SALT },
        { "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQAA,i=4096", OTHER_SALT },

        /* iterations */

        { "r=" NONCE ",s=" SALT ",i=", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=0", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=-1", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=+4096", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=04096", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i= 4096", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=4096x", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=10000001", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=2147483648", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=4294971392", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=18446744073709555712", PROTOCOL },
        { "r=" NONCE ",s=" SALT ",i=10000000", OTHER_SALT },
        { "r=" NONCE ",s=" SALT ",i=4095", OTHER_SALT },
        { "r=" NONCE ",s=" SALT ",i=1", OTHER_SALT }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_first_refused(str(cases[i].message), cases[i].fail);
    }

    assert_first_refused(neon_str(NULL, 0), PROTOCOL);
    assert_first_refused(neon_str(SERVER_FIRST "\0", sizeof(SERVER_FIRST)),
                         PROTOCOL);
}


static void
test_c10_long_server_nonce(void **state)
{
    char                 in[4 * NEON_SCRAM_MSG_MAX];
    char                 text[NEON_SCRAM_MSG_MAX];
    size_t               n, len;
    neon_scram_client_t  c;

    (void) state;

    for (n = 1; n <= sizeof(in) - 64; n += (n < 300) ? 1 : 97) {
        memset(in, 'x', sizeof(in));
        memcpy(in, "r=" CLIENT_NONCE, 26);
        len = (size_t) snprintf(in + 26 + n, 64, ",s=%s,i=4096", SALT) + 26 + n;

        if (n > NEON_SCRAM_NONCE_MAX) {
            assert_first_refused(neon_str(in, len), PROTOCOL);
            continue;
        }

        first(&c, 'n', neon_str(NULL, 0), text, sizeof(text));
        assert_int_equal(final(&c, neon_str(in, len), text, sizeof(text)),
                         NEON_OK);
        assert_int_equal(strlen(text), 6 + 3 + 24 + n + 3 + 44);
    }
}


static void
test_c10_long_salt(void **state)
{
    char     in[2 * NEON_SCRAM_MSG_MAX];
    size_t   n, len, count;
    uint8_t  raw[1024], salt[neon_base64_len(1024)];

    (void) state;

    memset(raw, 0xa5, sizeof(raw));

    for (n = 1; n <= sizeof(raw); n++) {
        count = neon_base64_encode(salt, neon_str(raw, n));
        len = (size_t) snprintf(in, sizeof(in), "r=%s,s=%.*s,i=4096", NONCE,
                                (int) count, (const char *) salt);
        assert_true(len < sizeof(in));

        assert_first_refused(neon_str(in, len),
                             n <= NEON_SCRAM_SALT_MAX ? OTHER_SALT : PROTOCOL);
    }
}


static void
test_extensions_are_signed(void **state)
{
    char                 text[NEON_SCRAM_MSG_MAX];
    neon_scram_client_t  c;

    (void) state;

    first(&c, 'n', neon_str(NULL, 0), text, sizeof(text));

    assert_int_equal(final(&c, str(SERVER_FIRST ",x=1,y=2"), text,
                           sizeof(text)),
                     NEON_OK);
    assert_int_equal(neon_scram_client_verify(&c, str("v=" SIGNATURE)),
                     NEON_ERROR);
    assert_int_equal(c.fail, NEON_SCRAM_CLIENT_FAIL_SERVER);
}


static void
test_server_final_refused(void **state)
{
    char                 text[NEON_SCRAM_MSG_MAX];
    size_t               i;
    neon_scram_client_t  c, waiting;

    static const refuse_case_t  cases[] = {
        { "", PROTOCOL },
        { "v", PROTOCOL },
        { "v=", PROTOCOL },
        { "v=AAAA", PROTOCOL },
        { "v=" SIGNATURE ",", PROTOCOL },
        { "v=" SIGNATURE "=", PROTOCOL },
        { "v=" SIGNATURE "AAAA", PROTOCOL },
        { "v=" SIGNATURE ",m=ext", PROTOCOL },
        { "v=" SIGNATURE ",a", PROTOCOL },
        { "m=ext,v=" SIGNATURE, PROTOCOL },
        { SIGNATURE, PROTOCOL },
        { "p=" SIGNATURE, PROTOCOL },
        { "e", PROTOCOL },
        { "e=x,", PROTOCOL },
        { "e=invalid-proof", SERVER },
        { "e=", SERVER },
        { "e=other-error,a=foo", SERVER },
        { "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", SERVER },
        { "v=qI/rwgyXPmwL0HCyPmG1HojJsomQI1EMemFnHJGd7KE=", SERVER },
        { "v=pI/rwgyXPmwL0HCyPmG1HojJsomQI1EMemFnHJGd7KI=", SERVER }
    };

    (void) state;

    first(&waiting, 'n', neon_str(NULL, 0), text, sizeof(text));
    assert_int_equal(final(&waiting, str(SERVER_FIRST), text, sizeof(text)),
                     NEON_OK);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c = waiting;

        if (neon_scram_client_verify(&c, str(cases[i].message)) != NEON_ERROR
            || c.fail != cases[i].fail)
        {
            fail_msg("\"%s\": %d", cases[i].message, (int) c.fail);
        }

        /* no second attempt */

        assert_int_equal(neon_scram_client_verify(&c, str("v=" SIGNATURE)),
                         NEON_ERROR);
    }

    c = waiting;

    assert_int_equal(neon_scram_client_verify(&c, str("v=" SIGNATURE ",a=b")),
                     NEON_OK);
}


/* a server that knows no key must not get by with a message left out */

static void
test_out_of_turn(void **state)
{
    char                 text[NEON_SCRAM_MSG_MAX];
    neon_scram_client_t  c;

    static const char    zeros[] =
        "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    (void) state;

    memset(&c, 0, sizeof(c));
    assert_int_equal(final(&c, str(SERVER_FIRST), text, sizeof(text)),
                     NEON_ERROR);
    assert_int_equal(neon_scram_client_verify(&c, str(zeros)), NEON_ERROR);

    first(&c, 'n', neon_str(NULL, 0), text, sizeof(text));
    assert_int_equal(neon_scram_client_verify(&c, str(zeros)), NEON_ERROR);
    assert_int_equal(c.fail, NEON_SCRAM_CLIENT_FAIL_PROTOCOL);

    first(&c, 'n', neon_str(NULL, 0), text, sizeof(text));
    assert_int_equal(final(&c, str(SERVER_FIRST), text, sizeof(text)),
                     NEON_OK);
    assert_int_equal(final(&c, str(SERVER_FIRST), text, sizeof(text)),
                     NEON_ERROR);
    assert_int_equal(neon_scram_client_verify(&c, str("v=" SIGNATURE)),
                     NEON_ERROR);
}


/* salt and iterations of who has the password and no verifier */

static void
test_salt(void **state)
{
    char                   text[NEON_SCRAM_MSG_MAX];
    size_t                 i;
    neon_scram_keys_t      derived;
    neon_scram_client_t    c;
    neon_scram_verifier_t  v;

    static const char     *malformed[] = {
        "", "r=" NONCE, "r=" NONCE ",s=" SALT, "s=" SALT ",i=4096",
        "r=" NONCE ",s=" SALT ",i=0", "r=" NONCE ",s=!,i=4096",
        "r=" NONCE ",s=" SALT ",i=10000001", "r=other,s=" SALT ",i=4096",
        "m=x,r=" NONCE ",s=" SALT ",i=4096", "r=" NONCE ",s=,i=4096",
    };

    (void) state;

    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        first(&c, 'n', neon_str(NULL, 0), text, sizeof(text));

        if (neon_scram_client_salt(&c, str(malformed[i]), &v) != NEON_ERROR
            || c.fail != PROTOCOL)
        {
            fail_msg("\"%s\"", malformed[i]);
        }
    }

    first(&c, 'n', neon_str(NULL, 0), text, sizeof(text));
    assert_int_equal(neon_scram_client_salt(&c, str(SERVER_FIRST), &v),
                     NEON_OK);
    assert_int_equal(v.iterations, verifier.iterations);
    assert_int_equal(v.salt_len, verifier.salt_len);
    assert_memory_equal(v.salt, verifier.salt, v.salt_len);

    assert_int_equal(neon_scram_password_keys(&derived, &v, str("pencil")),
                     NEON_OK);
    assert_memory_equal(&derived, &keys, sizeof(keys));

    /* the exchange goes on with them */

    assert_int_equal(final(&c, str(SERVER_FIRST), text, sizeof(text)),
                     NEON_OK);
    assert_int_equal(neon_scram_client_verify(&c, str("v=" SIGNATURE)),
                     NEON_OK);

    /* out of turn */

    assert_int_equal(neon_scram_client_salt(&c, str(SERVER_FIRST), &v),
                     NEON_ERROR);
}


static void
test_storage(void **state)
{
    char                 text[NEON_SCRAM_MSG_MAX], *small;
    size_t               n, longest;
    neon_rc_e            rc;
    neon_wr_t            w;
    neon_scram_client_t  c;

    (void) state;

    first(&c, 'y', neon_str(NULL, 0), text, sizeof(text));
    longest = strlen(text);

    for (n = 1; n <= longest; n++) {
        small = malloc(n);
        assert_non_null(small);
        neon_wr_init(&w, small, n);

        rc = neon_scram_client_first(&c, 'y', neon_str(NULL, 0), raw_nonce,
                                     &w);
        assert_int_equal(rc, n == longest ? NEON_OK : NEON_ERROR);
        free(small);
    }

    assert_int_equal(final(&c, str(SERVER_FIRST), text, sizeof(text)),
                     NEON_OK);
    longest = strlen(text);

    for (n = 1; n <= longest; n++) {
        first(&c, 'y', neon_str(NULL, 0), text, sizeof(text));

        small = malloc(n);
        assert_non_null(small);
        neon_wr_init(&w, small, n);

        rc = neon_scram_client_final(&c, str(SERVER_FIRST), &verifier, &keys,
                                     &w);
        assert_int_equal(rc, n == longest ? NEON_OK : NEON_ERROR);
        free(small);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_first_refuses),
        cmocka_unit_test(test_c10_server_first_refused),
        cmocka_unit_test(test_c10_long_server_nonce),
        cmocka_unit_test(test_c10_long_salt),
        cmocka_unit_test(test_extensions_are_signed),
        cmocka_unit_test(test_server_final_refused),
        cmocka_unit_test(test_out_of_turn),
        cmocka_unit_test(test_salt),
        cmocka_unit_test(test_storage)
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
