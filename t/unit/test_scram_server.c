/*
 * The server side of SCRAM: vectors, grammar, bounds, mechanisms and channel
 * binding.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neon_scram.h"


#define PLAIN         "SCRAM-SHA-256"
#define PLUS          "SCRAM-SHA-256-PLUS"
#define BIND          "p=tls-server-end-point"

#define CLIENT_NONCE  "rOprNGfwEbeRWgbNEkqO"
#define NONCE         CLIENT_NONCE "AQIDBAUGBwgJCgsMDQ4PEBES"

#define VERIFIER                                                              \
    "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92"                                     \
    "$FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8="                           \
    ":qxJ1SbmSAi5EcS0J5Ck/cKAm/+Ixa+Kwp63f4OHDgzo="

#define CLIENT_FIRST  "n,,n=user,r=" CLIENT_NONCE
#define SERVER_FIRST  "r=" NONCE ",s=QSXCR+Q6sek8bf92,i=4096"
#define PROOF         "rw1r5Kph5ThxmaUBC2GAQ6MfXbPnNkFiTIvdb/Rear0="
#define CLIENT_FINAL  "c=biws,r=" NONCE ",p=" PROOF
#define SERVER_FINAL  "v=qtUDIofVnIhM7tKn93EQUUt5vgMOldcDVu1HC+OH0o0="

#define CLIENT_KEY                                                            \
    "\x4a\x67\x01\x84\x0c\x1f\xc8\x30\x1c\x36\x52\xe8\xcf\x0c\x8a\xbd"        \
    "\x28\x20\x86\x1b\x7d\xaa\xe8\x23\xab\xa7\xa6\x29\x46\xe4\xb6\x70"


static const uint8_t  raw_nonce[NEON_SCRAM_RAW_NONCE] = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
};

static const uint8_t  hash[NEON_SCRAM_CBIND_MAX] = { 7, 8, 9 };

static neon_scram_verifier_t  verifier;


typedef struct {
    const char         *mechanism;
    size_t              cbind_len;
    const char         *message;
    neon_scram_fail_e   fail;
} first_case_t;


static neon_str_t
str(const char *z)
{
    return neon_str(z, strlen(z));
}


static int
setup(void **state)
{
    (void) state;

    return neon_scram_verifier_parse(&verifier, str(VERIFIER)) != NEON_OK;
}


static neon_rc_e
first(neon_scram_server_t *s, const char *mechanism, size_t cbind_len,
    neon_str_t in, char *reply, size_t size)
{
    neon_rc_e  rc;
    neon_wr_t  w;

    neon_scram_server_init(s, neon_str(hash, cbind_len));
    neon_wr_init(&w, reply, size - 1);

    rc = neon_scram_server_first(s, str(mechanism), in, &verifier, raw_nonce,
                                 &w);
    reply[neon_wr_len(&w)] = '\0';

    return rc;
}


static neon_rc_e
final(neon_scram_server_t *s, neon_str_t in, neon_scram_keys_t *keys,
    char *reply, size_t size)
{
    neon_rc_e  rc;
    neon_wr_t  w;

    neon_wr_init(&w, reply, size - 1);

    rc = neon_scram_server_final(s, in, &verifier, keys, &w);
    reply[neon_wr_len(&w)] = '\0';

    return rc;
}


static void
assert_refused(neon_scram_server_t *s, neon_str_t in, neon_scram_fail_e fail)
{
    char                            reply[NEON_SCRAM_MSG_MAX];
    neon_scram_keys_t               keys;

    static const neon_scram_keys_t  none;

    memset(&keys, 0x5a, sizeof(keys));

    if (final(s, in, &keys, reply, sizeof(reply)) != NEON_ERROR
        || s->fail != fail)
    {
        fail_msg("\"%.*s\": %d", (int) in.len, (const char *) in.data,
                 (int) s->fail);
    }

    assert_string_equal(reply, "");
    assert_memory_equal(&keys, &none, sizeof(keys));
}


static void
test_exchange(void **state)
{
    char                 reply[NEON_SCRAM_MSG_MAX];
    neon_scram_keys_t    keys;
    neon_scram_server_t  s;

    (void) state;

    assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                           sizeof(reply)),
                     NEON_OK);
    assert_string_equal(reply, SERVER_FIRST);
    assert_int_equal(s.fail, NEON_SCRAM_FAIL_NONE);

    assert_int_equal(final(&s, str(CLIENT_FINAL), &keys, reply, sizeof(reply)),
                     NEON_OK);
    assert_string_equal(reply, SERVER_FINAL);
    assert_int_equal(s.fail, NEON_SCRAM_FAIL_NONE);

    assert_memory_equal(keys.client_key, CLIENT_KEY, NEON_SCRAM_KEY_LEN);
    assert_memory_equal(keys.server_key, verifier.server_key,
                        NEON_SCRAM_KEY_LEN);
}


/*
 * RFC 7677, section 3.  Its server nonce is none that we could generate: the
 * state after server-first-message is written down.
 */

static void
test_exchange_of_rfc_7677(void **state)
{
    char                   reply[NEON_SCRAM_MSG_MAX];
    neon_wr_t              w;
    neon_scram_keys_t      keys;
    neon_scram_server_t    s;
    neon_scram_verifier_t  v;

    static const char      nonce[] =
        CLIENT_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    static const char      auth[] =
        "n=user,r=" CLIENT_NONCE ",r=" CLIENT_NONCE
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    (void) state;

    assert_int_equal(neon_scram_verifier_parse(&v,
                         str("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
                             "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                             "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")),
                     NEON_OK);

    neon_scram_server_init(&s, neon_str(NULL, 0));

    s.gs2_flag = 'n';
    s.nonce_len = sizeof(nonce) - 1;
    memcpy(s.nonce, nonce, sizeof(nonce) - 1);
    s.auth_len = sizeof(auth) - 1;
    memcpy(s.auth, auth, sizeof(auth) - 1);

    neon_wr_init(&w, reply, sizeof(reply));

    assert_int_equal(neon_scram_server_final(&s,
                         str("c=biws,r=" CLIENT_NONCE
                             "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                             "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
                         &v, &keys, &w),
                     NEON_OK);

    assert_memory_equal(reply,
                        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                        neon_wr_len(&w));
    assert_int_equal(neon_wr_len(&w), 46);
}


static void
test_first_accepts(void **state)
{
    size_t               i;
    char                 reply[NEON_SCRAM_MSG_MAX];
    neon_scram_server_t  s;

    static const first_case_t  cases[] = {
        { PLAIN, 0, "n,,n=,r=nonce", 0 },
        { PLAIN, 0, "n,,n=*,r=nonce", 0 },
        { PLAIN, 0, "n,,n=a=2Cb=3Dc,r=nonce", 0 },
        { PLAIN, 0, "n,,n=\303\244,r=nonce", 0 },
        { PLAIN, 0, "y,,n=,r=nonce", 0 },
        { PLAIN, 32, "n,,n=,r=nonce", 0 },
        { PLAIN, 0, "n,,n=,r=!-+.~=", 0 },
        { PLAIN, 0, "n,,n=,r=x", 0 },
        { PLAIN, 0, "n,,n=,r=nonce,a=foo", 0 },
        { PLAIN, 0, "n,,n=,r=nonce,a=foo,Z==,b=\303\244", 0 },
        { PLUS, 32, BIND ",,n=,r=nonce", 0 },
        { PLUS, 64, BIND ",,n=,r=nonce,a=foo", 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (first(&s, cases[i].mechanism, cases[i].cbind_len,
                  str(cases[i].message), reply, sizeof(reply))
            != NEON_OK)
        {
            fail_msg("\"%s\": %d", cases[i].message, (int) s.fail);
        }

        assert_int_equal(s.fail, NEON_SCRAM_FAIL_NONE);
    }
}


static void
test_first_refuses(void **state)
{
    size_t               i;
    char                 reply[NEON_SCRAM_MSG_MAX];
    neon_scram_server_t  s;

    static const first_case_t  cases[] = {

        /* mechanisms */

        { "", 0, "n,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { "SCRAM-SHA-1", 0, "n,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { "scram-sha-256", 0, "n,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { "SCRAM-SHA-256-", 0, "n,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { "SCRAM-SHA-512", 0, "n,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },

        /* mechanism and flag */

        { PLUS, 0, BIND ",,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLUS, 0, "n,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLUS, 32, "n,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLUS, 32, "y,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 32, BIND ",,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, BIND ",,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 32, "p=tls-unique,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 32, "y,,n=,r=nonce", NEON_SCRAM_FAIL_DOWNGRADE },
        { PLUS, 32, "p=tls-unique,,n=,r=nonce", NEON_SCRAM_FAIL_CBIND_TYPE },
        { PLUS, 32, "p=tls-server-end-poin,,n=,r=nonce",
          NEON_SCRAM_FAIL_CBIND_TYPE },
        { PLUS, 32, BIND "s,,n=,r=nonce", NEON_SCRAM_FAIL_CBIND_TYPE },
        { PLUS, 32, "p=TLS-SERVER-END-POINT,,n=,r=nonce",
          NEON_SCRAM_FAIL_CBIND_TYPE },
        { PLUS, 32, "p=,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLUS, 32, "p,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLUS, 32, "p tls-unique,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLUS, 32, "p=tls unique,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLUS, 32, "p=tls_unique,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },

        /* header */

        { PLAIN, 0, "", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, ",", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, ",,", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, ",,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "nn,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "y=,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "N,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "x,,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,a=other,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,a=,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },

        /* attributes */

        { PLAIN, 0, "n,,m=ext,n=,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,m=ext,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,m=ext", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,r=nonce,n=", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=,a=foo", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,,r=nonce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=no nce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=no\tnce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=no\177nce", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=no\303\244nce", NEON_SCRAM_FAIL_PROTOCOL },

        /* extensions */

        { PLAIN, 0, "n,,n=,r=nonce,abc=foo", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,1=foo", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,a", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,a=", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,=a", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,a=b,", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,,a=b", NEON_SCRAM_FAIL_PROTOCOL },
        { PLAIN, 0, "n,,n=,r=nonce,p=AAAA", NEON_SCRAM_FAIL_PROTOCOL }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (first(&s, cases[i].mechanism, cases[i].cbind_len,
                  str(cases[i].message), reply, sizeof(reply))
            != NEON_ERROR
            || s.fail != cases[i].fail)
        {
            fail_msg("%s \"%s\": %d", cases[i].mechanism, cases[i].message,
                     (int) s.fail);
        }

        assert_string_equal(reply, "");

        /* what failed cannot be continued */

        assert_refused(&s, str(CLIENT_FINAL), NEON_SCRAM_FAIL_PROTOCOL);
    }
}


static void
test_first_bounds(void **state)
{
    char                 in[2 * NEON_SCRAM_MSG_MAX];
    char                 reply[NEON_SCRAM_MSG_MAX];
    size_t               n;
    neon_scram_server_t  s;

    (void) state;

    memset(in, 'x', sizeof(in));
    memcpy(in, "n,,n=,r=", 8);

    assert_int_equal(first(&s, PLAIN, 0,
                           neon_str(in, 8 + NEON_SCRAM_NONCE_MAX),
                           reply, sizeof(reply)),
                     NEON_OK);
    assert_int_equal(s.nonce_len, NEON_SCRAM_NONCE_MAX + 24);

    assert_int_equal(first(&s, PLAIN, 0,
                           neon_str(in, 9 + NEON_SCRAM_NONCE_MAX),
                           reply, sizeof(reply)),
                     NEON_ERROR);

    /* a user name and an extension fill the message */

    for (n = NEON_SCRAM_MSG_MAX - 1; n <= sizeof(in); n++) {
        memset(in, 'x', sizeof(in));
        memcpy(in, "n,,n=", 5);
        memcpy(in + 200, ",r=nonce,a=", 11);

        assert_int_equal(first(&s, PLAIN, 0, neon_str(in, n), reply,
                               sizeof(reply)),
                         n <= NEON_SCRAM_MSG_MAX ? NEON_OK : NEON_ERROR);
    }

    assert_int_equal(first(&s, PLAIN, 0, neon_str(NULL, 0), reply,
                           sizeof(reply)),
                     NEON_ERROR);
    assert_int_equal(first(&s, PLAIN, 0, neon_str("n,,n=\0,r=nonce", 14),
                           reply, sizeof(reply)),
                     NEON_ERROR);
}


/* the longest message that a verifier can make fits, shorter storage fails */

static void
test_first_storage(void **state)
{
    char                   in[8 + NEON_SCRAM_NONCE_MAX], *reply;
    size_t                 n;
    neon_rc_e              rc;
    neon_wr_t              w;
    neon_scram_server_t    s;
    neon_scram_verifier_t  v;

    const size_t           longest = 2 + NEON_SCRAM_NONCE_MAX + 24 + 3 + 344
                                     + 3 + 8;

    (void) state;

    memset(in, 'x', sizeof(in));
    memcpy(in, "n,,n=,r=", 8);

    v = verifier;
    v.salt_len = NEON_SCRAM_SALT_MAX;
    v.iterations = NEON_SCRAM_ITER_MAX;

    for (n = 1; n <= longest; n++) {
        reply = malloc(n);
        assert_non_null(reply);

        neon_scram_server_init(&s, neon_str(NULL, 0));
        neon_wr_init(&w, reply, n);

        rc = neon_scram_server_first(&s, str(PLAIN), neon_str(in, sizeof(in)),
                                     &v, raw_nonce, &w);

        assert_int_equal(rc, n == longest ? NEON_OK : NEON_ERROR);
        free(reply);
    }

    assert_true(longest <= NEON_SCRAM_MSG_MAX);
}


static void
test_final_refuses(void **state)
{
    size_t               i;
    char                 reply[NEON_SCRAM_MSG_MAX];
    neon_scram_server_t  s;

    static const struct {
        const char         *message;
        neon_scram_fail_e   fail;
    } cases[] = {
        { "", NEON_SCRAM_FAIL_PROTOCOL },
        { ",", NEON_SCRAM_FAIL_PROTOCOL },
        { "p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { ",p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",", NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",p=", NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",p=AAAA", NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",p=" PROOF "AAAA", NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",p=" PROOF ",", NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",p=" PROOF ",a=foo", NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",p=" PROOF ",p=" PROOF,
          NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",m=ext,p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "m=ext,c=biws,r=" NONCE ",p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",,p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE ",a,p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "r=" NONCE ",c=biws,p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" CLIENT_NONCE ",p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=" NONCE "x,p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=biws,r=,p=" PROOF, NEON_SCRAM_FAIL_PROTOCOL },
        { "c=,r=" NONCE ",p=" PROOF, NEON_SCRAM_FAIL_CBIND },
        { "c=eSws,r=" NONCE ",p=" PROOF, NEON_SCRAM_FAIL_CBIND },
        { "c=biw,r=" NONCE ",p=" PROOF, NEON_SCRAM_FAIL_CBIND },
        { "c=biwsAAAA,r=" NONCE ",p=" PROOF, NEON_SCRAM_FAIL_CBIND },
        { "c=biws,r=" NONCE ",a=foo,p=" PROOF, NEON_SCRAM_FAIL_PROOF },
        { "c=biws,r=" NONCE
          ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
          NEON_SCRAM_FAIL_PROOF }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                               sizeof(reply)),
                         NEON_OK);
        assert_refused(&s, str(cases[i].message), cases[i].fail);
    }
}


static void
test_final_bounds(void **state)
{
    char                 in[NEON_SCRAM_MSG_MAX + 1];
    char                 reply[NEON_SCRAM_MSG_MAX];
    neon_scram_server_t  s;

    static const char    start[] = "c=biws,r=" NONCE ",a=";

    (void) state;

    /* as long as allowed: only the proof is wrong; one byte more is refused */

    memset(in, 'x', sizeof(in));
    memcpy(in, start, sizeof(start) - 1);
    memcpy(in + NEON_SCRAM_MSG_MAX - 47, ",p=" PROOF, 47);

    assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                           sizeof(reply)),
                     NEON_OK);
    assert_refused(&s, neon_str(in, NEON_SCRAM_MSG_MAX),
                   NEON_SCRAM_FAIL_PROOF);

    memset(in + sizeof(start) - 1, 'x', sizeof(in) - sizeof(start) + 1);
    memcpy(in + NEON_SCRAM_MSG_MAX - 46, ",p=" PROOF, 47);

    assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                           sizeof(reply)),
                     NEON_OK);
    assert_refused(&s, neon_str(in, NEON_SCRAM_MSG_MAX + 1),
                   NEON_SCRAM_FAIL_PROTOCOL);
}


static void
test_final_storage(void **state)
{
    char                 reply[NEON_SCRAM_MSG_MAX];
    size_t               n;
    neon_rc_e            rc;
    neon_scram_keys_t    keys;
    neon_scram_server_t  s;

    (void) state;

    for (n = 1; n <= sizeof(SERVER_FINAL); n++) {
        assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                               sizeof(reply)),
                         NEON_OK);

        rc = final(&s, str(CLIENT_FINAL), &keys, reply, n);
        assert_int_equal(rc, n == sizeof(SERVER_FINAL) ? NEON_OK : NEON_ERROR);
    }
}


static void
test_final_out_of_turn(void **state)
{
    char                 reply[NEON_SCRAM_MSG_MAX];
    neon_wr_t            w;
    neon_scram_keys_t    keys;
    neon_scram_server_t  s;

    (void) state;

    neon_scram_server_init(&s, neon_str(NULL, 0));
    assert_refused(&s, str(CLIENT_FINAL), NEON_SCRAM_FAIL_PROTOCOL);

    /* one attempt for a nonce: neither after a wrong nor a right proof */

    assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                           sizeof(reply)),
                     NEON_OK);
    assert_refused(&s, str("c=biws,r=" NONCE ",a=foo,p=" PROOF),
                   NEON_SCRAM_FAIL_PROOF);
    assert_refused(&s, str(CLIENT_FINAL), NEON_SCRAM_FAIL_PROTOCOL);

    assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                           sizeof(reply)),
                     NEON_OK);
    assert_int_equal(final(&s, str(CLIENT_FINAL), &keys, reply, sizeof(reply)),
                     NEON_OK);
    assert_refused(&s, str(CLIENT_FINAL), NEON_SCRAM_FAIL_PROTOCOL);

    /* a second client-first-message */

    assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                           sizeof(reply)),
                     NEON_OK);

    neon_wr_init(&w, reply, sizeof(reply));

    assert_int_equal(neon_scram_server_first(&s, str(PLAIN), str(CLIENT_FIRST),
                                             &verifier, raw_nonce, &w),
                     NEON_ERROR);
    assert_int_equal(s.fail, NEON_SCRAM_FAIL_PROTOCOL);
}


/* the right proof against a mock fails as a wrong one against a verifier */

static void
test_final_of_a_mock(void **state)
{
    char                 reply[NEON_SCRAM_MSG_MAX];
    neon_scram_server_t  s;

    (void) state;

    verifier.mock = 1;

    assert_int_equal(first(&s, PLAIN, 0, str(CLIENT_FIRST), reply,
                           sizeof(reply)),
                     NEON_OK);
    assert_string_equal(reply, SERVER_FIRST);
    assert_refused(&s, str(CLIENT_FINAL), NEON_SCRAM_FAIL_PROOF);

    verifier.mock = 0;
}


static void
test_too_long_a_hash_offers_no_binding(void **state)
{
    uint8_t              longer[NEON_SCRAM_CBIND_MAX + 1] = { 0 };
    neon_scram_server_t  s;

    (void) state;

    neon_scram_server_init(&s, neon_str(longer, sizeof(longer) - 1));
    assert_int_equal(s.cbind_len, NEON_SCRAM_CBIND_MAX);

    neon_scram_server_init(&s, neon_str(longer, sizeof(longer)));
    assert_int_equal(s.cbind_len, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_exchange_of_rfc_7677),
        cmocka_unit_test(test_first_accepts),
        cmocka_unit_test(test_first_refuses),
        cmocka_unit_test(test_first_bounds),
        cmocka_unit_test(test_first_storage),
        cmocka_unit_test(test_final_refuses),
        cmocka_unit_test(test_final_bounds),
        cmocka_unit_test(test_final_storage),
        cmocka_unit_test(test_final_out_of_turn),
        cmocka_unit_test(test_final_of_a_mock),
        cmocka_unit_test(test_too_long_a_hash_offers_no_binding)
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
