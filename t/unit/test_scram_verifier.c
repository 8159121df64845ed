/*
 * SCRAM verifiers: grammar, mocks, and cleartext passwords against verifiers
 * that PostgreSQL made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scram_vectors.h"


#define NVECTORS     (sizeof(scram_vectors) / sizeof(scram_vectors[0]))

#define SALT         "QSXCR+Q6sek8bf92"
#define STORED_KEY   "FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8="
#define SERVER_KEY   "qxJ1SbmSAi5EcS0J5Ck/cKAm/+Ixa+Kwp63f4OHDgzo="
#define VERIFIER     "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY ":" SERVER_KEY

#define SALT16       "MDEyMzQ1Njc4OWFiY2RlZg=="


static neon_str_t
str(const char *z)
{
    return neon_str(z, strlen(z));
}


static void
test_parse(void **state)
{
    uint8_t                key[NEON_SCRAM_KEY_LEN];
    neon_scram_verifier_t  v;

    (void) state;

    assert_int_equal(neon_scram_verifier_parse(&v, str(VERIFIER)), NEON_OK);
    assert_int_equal(v.iterations, 4096);
    assert_int_equal(v.salt_len, 12);
    assert_int_equal(v.mock, 0);

    assert_int_equal(neon_base64_decode(key, 12, str(SALT)), 12);
    assert_memory_equal(v.salt, key, 12);
    assert_int_equal(neon_base64_decode(key, 32, str(STORED_KEY)), 32);
    assert_memory_equal(v.stored_key, key, 32);
    assert_int_equal(neon_base64_decode(key, 32, str(SERVER_KEY)), 32);
    assert_memory_equal(v.server_key, key, 32);
}


static void
test_parse_limits(void **state)
{
    char                   text[1024], salt[neon_base64_len(257) + 1];
    uint8_t                raw[257];
    neon_scram_verifier_t  v;

    (void) state;

    assert_int_equal(neon_scram_verifier_parse(&v,
                         str("SCRAM-SHA-256$1:cw==$" STORED_KEY ":"
                             SERVER_KEY)),
                     NEON_OK);
    assert_int_equal(v.iterations, 1);
    assert_int_equal(v.salt_len, 1);

    assert_int_equal(neon_scram_verifier_parse(&v,
                         str("SCRAM-SHA-256$10000000:cw==$" STORED_KEY ":"
                             SERVER_KEY)),
                     NEON_OK);
    assert_int_equal(v.iterations, NEON_SCRAM_ITER_MAX);

    memset(raw, 0xa5, sizeof(raw));

    salt[neon_base64_encode((uint8_t *) salt, neon_str(raw, 256))] = '\0';
    (void) snprintf(text, sizeof(text), "SCRAM-SHA-256$4096:%s$%s:%s", salt,
                    STORED_KEY, SERVER_KEY);

    assert_int_equal(neon_scram_verifier_parse(&v, str(text)), NEON_OK);
    assert_int_equal(v.salt_len, 256);
    assert_memory_equal(v.salt, raw, 256);

    salt[neon_base64_encode((uint8_t *) salt, neon_str(raw, 257))] = '\0';
    (void) snprintf(text, sizeof(text), "SCRAM-SHA-256$4096:%s$%s:%s", salt,
                    STORED_KEY, SERVER_KEY);

    assert_int_equal(neon_scram_verifier_parse(&v, str(text)), NEON_ERROR);
}


static void
test_parse_refuses(void **state)
{
    size_t                 i;
    neon_scram_verifier_t  v;

    static const char  *cases[] = {
        "",
        "secret",
        "md5d41d8cd98f00b204e9800998ecf8427e",
        "SCRAM-SHA-256",
        "scram-sha-256$4096:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-1$4096:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256-PLUS$4096:" SALT "$" STORED_KEY ":" SERVER_KEY,
        " SCRAM-SHA-256$4096:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256 $4096:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$0:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$-1:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$+1:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$04096:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$ 4096:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$4096 :" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$0x1000:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$4096.0:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$10000001:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$2147483648:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$4294967297:" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$18446744073709555712:" SALT "$" STORED_KEY ":"
            SERVER_KEY,
        "SCRAM-SHA-256$4096:$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$4096$" SALT "$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf9$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf9=2$" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY,
        "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY ":",
        "SCRAM-SHA-256$4096:" SALT "$:" SERVER_KEY,
        "SCRAM-SHA-256$4096:" SALT ":" STORED_KEY ":" SERVER_KEY,
        "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY "$" SERVER_KEY,
        "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY ":" SERVER_KEY " ",
        "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY ":" SERVER_KEY "\n",
        "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY ":" SERVER_KEY ":",
        "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY ":" SERVER_KEY "AAAA",
        "SCRAM-SHA-256$4096:" SALT "$" STORED_KEY ":" SALT,
        "SCRAM-SHA-256$4096:" SALT "$" SALT ":" SERVER_KEY,
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (neon_scram_verifier_parse(&v, str(cases[i])) != NEON_ERROR) {
            fail_msg("accepted: \"%s\"", cases[i]);
        }
    }

    assert_int_equal(neon_scram_verifier_parse(&v, neon_str(NULL, 0)),
                     NEON_ERROR);
    assert_int_equal(neon_scram_verifier_parse(&v,
                                               neon_str(VERIFIER "\0",
                                                        sizeof(VERIFIER))),
                     NEON_ERROR);
}


/* from malloc(), so that a sanitizer sees a read behind the end */

static void
test_parse_refuses_every_prefix(void **state)
{
    size_t                 n;
    uint8_t               *text;
    neon_scram_verifier_t  v;

    (void) state;

    for (n = 1; n < sizeof(VERIFIER) - 1; n++) {
        text = malloc(n);
        assert_non_null(text);
        memcpy(text, VERIFIER, n);

        assert_int_equal(neon_scram_verifier_parse(&v, neon_str(text, n)),
                         NEON_ERROR);
        free(text);
    }
}


static void
test_no_two_texts_are_one_verifier(void **state)
{
    uint8_t                text[sizeof(VERIFIER)];
    size_t                 i;
    unsigned               x, accepted;
    neon_scram_verifier_t  v, other;

    (void) state;

    accepted = 0;

    assert_int_equal(neon_scram_verifier_parse(&v, str(VERIFIER)), NEON_OK);

    for (i = 0; i < sizeof(VERIFIER) - 1; i++) {
        for (x = 1; x < 256; x++) {
            memcpy(text, VERIFIER, sizeof(VERIFIER));
            text[i] = (uint8_t) (text[i] ^ x);

            if (neon_scram_verifier_parse(&other,
                                          neon_str(text, sizeof(VERIFIER) - 1))
                != NEON_OK)
            {
                continue;
            }

            accepted++;
            assert_memory_not_equal(&v, &other, sizeof(v));
        }
    }

    /* digits and base64 have other values, nothing else has */

    assert_true(accepted > 0);
    assert_true(accepted < 63 * (sizeof(VERIFIER) - 1));
}


static void
test_mock(void **state)
{
    size_t                 i;
    uint8_t                key[NEON_SCRAM_KEY_LEN];
    neon_scram_verifier_t  v, other;

    static const struct {
        const char        *secret;
        const char        *endpoint;
        const char        *role;
    } others[] = {
        { "secreT", "ep-cool-name-123456", "alice" },
        { "secret", "ep-cool-name-12345", "alice" },
        { "secret", "ep-cool-name-123456", "alic" },
        { "secret", "ep-cool-name-12345", "6alice" },
        { "secret", "ep-cool-name-123456a", "lice" },
        { "secret", "", "" }
    };

    (void) state;

    assert_int_equal(neon_scram_verifier_mock(&v, str("secret"),
                                              str("ep-cool-name-123456"),
                                              str("alice")),
                     NEON_OK);

    /* of another library: the answer must not change between releases */

    assert_int_equal(v.mock, 1);
    assert_int_equal(v.iterations, 4096);
    assert_int_equal(v.salt_len, 16);
    assert_memory_equal(v.salt, "\x48\x6f\xe7\xc7\xc8\x64\xbf\x7a"
                                "\x0b\x46\x54\x75\x7f\xd7\xe0\x87", 16);

    assert_int_equal(neon_base64_decode(key, 32,
                         str("6SD2hLciBgijdRcWFDOb64uayPhM0wC6At3zY8frtcw=")),
                     32);
    assert_memory_equal(v.stored_key, key, 32);
    assert_int_equal(neon_base64_decode(key, 32,
                         str("IFQhXl1cATDdWtSKlwj7Anrhd5ZL4BwAmw4UFuVxWKU=")),
                     32);
    assert_memory_equal(v.server_key, key, 32);

    assert_int_equal(neon_scram_verifier_mock(&other, str("secret"),
                                              str("ep-cool-name-123456"),
                                              str("alice")),
                     NEON_OK);
    assert_memory_equal(&v, &other, sizeof(v));

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(neon_scram_verifier_mock(&other,
                                                  str(others[i].secret),
                                                  str(others[i].endpoint),
                                                  str(others[i].role)),
                         NEON_OK);
        assert_memory_not_equal(v.salt, other.salt, 16);
        assert_memory_not_equal(v.stored_key, other.stored_key, 32);
        assert_memory_not_equal(v.server_key, other.server_key, 32);
    }
}


static neon_rc_e
check(const char *verifier, neon_str_t password, unsigned mock,
    neon_scram_keys_t *keys)
{
    neon_scram_verifier_t  v;

    assert_int_equal(neon_scram_verifier_parse(&v, str(verifier)), NEON_OK);

    v.mock = mock & 1;

    memset(keys, 0x5a, sizeof(neon_scram_keys_t));

    return neon_scram_verify_password(keys, &v, password, NULL);
}


static void
assert_no_keys(const neon_scram_keys_t *keys)
{
    static const neon_scram_keys_t  none;

    assert_memory_equal(keys, &none, sizeof(none));
}


static neon_str_t
vector_password(const scram_vector_t *vector)
{
    size_t   i;
    uint8_t  *p;

    p = malloc(vector->text.len * vector->repeat + 1);
    assert_non_null(p);

    for (i = 0; i < vector->repeat; i++) {
        memcpy(p + i * vector->text.len, vector->text.data, vector->text.len);
    }

    return neon_str(p, vector->text.len * vector->repeat);
}


static void
test_password_of_postgres(void **state)
{
    size_t                 i;
    uint8_t                hash[NEON_SHA256_LEN];
    neon_rc_e              rc;
    neon_str_t             password;
    neon_scram_keys_t      keys;
    neon_scram_verifier_t  v;

    (void) state;

    for (i = 0; i < NVECTORS; i++) {
        password = vector_password(&scram_vectors[i]);
        rc = check(scram_vectors[i].verifier, password, 0, &keys);

        if (rc != scram_vectors[i].verify) {
            fail_msg("%s: %d", scram_vectors[i].name, (int) rc);
        }

        free((void *) (uintptr_t) password.data);

        if (rc != NEON_OK) {
            assert_no_keys(&keys);
            continue;
        }

        assert_int_equal(neon_scram_verifier_parse(&v,
                             str(scram_vectors[i].verifier)),
                         NEON_OK);
        assert_int_equal(neon_sha256(hash, keys.client_key, 32), NEON_OK);
        assert_memory_equal(hash, v.stored_key, 32);
        assert_memory_equal(keys.server_key, v.server_key, 32);
    }
}


/*
 * A client's keys: what PostgreSQL made of the password is what it gets, but
 * where SASLprep would map something and then gives up.
 */

static void
test_keys_of_a_password(void **state)
{
    int                    same;
    size_t                 i;
    uint8_t                hash[NEON_SHA256_LEN];
    neon_str_t             password;
    neon_scram_keys_t      keys;
    neon_scram_verifier_t  v;

    (void) state;

    for (i = 0; i < NVECTORS; i++) {
        password = vector_password(&scram_vectors[i]);
        same = scram_vectors[i].verify == NEON_OK
               && strstr(scram_vectors[i].name, "to map, but") == NULL;

        assert_int_equal(neon_scram_verifier_parse(&v,
                             str(scram_vectors[i].verifier)),
                         NEON_OK);
        assert_int_equal(neon_scram_password_keys(&keys, &v, password),
                         NEON_OK);
        assert_int_equal(neon_sha256(hash, keys.client_key, 32), NEON_OK);

        if ((memcmp(hash, v.stored_key, 32) == 0) != same
            || (memcmp(keys.server_key, v.server_key, 32) == 0) != same)
        {
            fail_msg("%s", scram_vectors[i].name);
        }

        free((void *) (uintptr_t) password.data);
    }

    v.iterations = 0;
    assert_int_equal(neon_scram_password_keys(&keys, &v, str("x")),
                     NEON_ERROR);
}


static void
test_password_of_a_mock_never_matches(void **state)
{
    size_t             i;
    neon_str_t         password;
    neon_scram_keys_t  keys;

    (void) state;

    for (i = 0; i < NVECTORS; i++) {
        password = vector_password(&scram_vectors[i]);

        assert_int_equal(check(scram_vectors[i].verifier, password, 1, &keys),
                         NEON_AGAIN);
        assert_no_keys(&keys);

        free((void *) (uintptr_t) password.data);
    }
}


static void
test_wrong_password(void **state)
{
    size_t             i;
    neon_str_t         password;
    neon_scram_keys_t  keys;

    (void) state;

    for (i = 0; i < NVECTORS; i++) {
        password = vector_password(&scram_vectors[i]);

        /* one byte more, one byte less */

        ((uint8_t *) (uintptr_t) password.data)[password.len] = 'x';

        assert_int_equal(check(scram_vectors[i].verifier,
                               neon_str(password.data, password.len + 1), 0,
                               &keys),
                         NEON_AGAIN);
        assert_no_keys(&keys);

        assert_int_equal(check(scram_vectors[i].verifier,
                               neon_str(password.data, password.len - 1), 0,
                               &keys),
                         NEON_AGAIN);
        assert_no_keys(&keys);

        free((void *) (uintptr_t) password.data);
    }

    assert_int_equal(check(VERIFIER, neon_str(NULL, 0), 0, &keys), NEON_AGAIN);
}


/* made with another library: PostgreSQL refuses an empty password */

static void
test_password_of_others(void **state)
{
    size_t             i;
    uint8_t            key[NEON_SCRAM_KEY_LEN];
    neon_scram_keys_t  keys;

    static const struct {
        neon_str_t     password;
        const char    *verifier;
        const char    *client_key;
    } cases[] = {
        { neon_null_str,
          "SCRAM-SHA-256$4096:" SALT16
          "$mmkwNZ9eys8fShBg9Gi0cHaAWDhEYEQs4PGPNGcYlXQ="
          ":qj1hXa9eECTbbMf9gtR7DG8VdCLM+e8doWyKh7MSojY=",
          "0WGw0/iOsDMzfcy0cNAkb2yqxNUHV0UHj0ERpe9ZKrw=" },
        { neon_string("pw"),
          "SCRAM-SHA-256$1:cw=="
          "$Z/00cVZJt5LreSuAxBMy/wFeyFSf6gvnBlyGJscxoaU="
          ":Onq7arA6QJNZaHNmyXhOQTvygPfjYw62tH8+Trp6psg=",
          "7pG+ZudBv1UVE0sRANposBO6ekM4Yy1Zi3UpjEuwOUY=" },
        { neon_string("pencil"),          /* RFC 7677, section 3 */
          "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
          "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
          ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
          "pg/JI9Z+hkSpLRa5btpe9GVrDHJcSEN0viVTVXaZbos=" },
        { neon_string("p\302\255encil"),
          "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
          "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
          ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
          "pg/JI9Z+hkSpLRa5btpe9GVrDHJcSEN0viVTVXaZbos=" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(check(cases[i].verifier, cases[i].password, 0, &keys),
                         NEON_OK);

        assert_int_equal(neon_base64_decode(key, 32, str(cases[i].client_key)),
                         32);
        assert_memory_equal(keys.client_key, key, 32);
    }
}


/* what one check leaves shortens the next of that password, and no other's */

static void
test_rest(void **state)
{
    size_t                 i;
    neon_str_t             password;
    neon_scram_keys_t      keys, again;
    neon_scram_rest_t      rest, other;
    neon_scram_verifier_t  v;

    (void) state;

    memset(&other, 0, sizeof(other));

    for (i = 0; i < NVECTORS; i++) {
        password = vector_password(&scram_vectors[i]);

        assert_int_equal(neon_scram_verifier_parse(&v,
                                             str(scram_vectors[i].verifier)),
                         NEON_OK);

        assert_int_equal(neon_scram_verify_password(&keys, &v, password,
                                                    &rest),
                         scram_vectors[i].verify);
        assert_int_equal(rest.valid, scram_vectors[i].verify == NEON_OK);

        if (rest.valid) {
            assert_int_equal(neon_scram_verify_rest(&again, &v, password,
                                                    &rest),
                             NEON_OK);
            assert_memory_equal(&again, &keys, sizeof(keys));

            assert_int_equal(neon_scram_verify_rest(&again, &v,
                                                    str("something else"),
                                                    &rest),
                             NEON_AGAIN);
            assert_no_keys(&again);

            assert_int_equal(neon_scram_verify_rest(&again, &v, password,
                                                    &other),
                             NEON_AGAIN);
            assert_no_keys(&again);

            v.mock = 1;
            assert_int_equal(neon_scram_verify_rest(&again, &v, password,
                                                    &rest),
                             NEON_AGAIN);

            other = rest;
        }

        free((void *) password.data);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_limits),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_refuses_every_prefix),
        cmocka_unit_test(test_no_two_texts_are_one_verifier),
        cmocka_unit_test(test_mock),
        cmocka_unit_test(test_password_of_postgres),
        cmocka_unit_test(test_keys_of_a_password),
        cmocka_unit_test(test_password_of_a_mock_never_matches),
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_password_of_others),
        cmocka_unit_test(test_rest)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
