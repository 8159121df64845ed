/*
 * SHA-256, HMAC, PBKDF2, SHA-1 and MD5 against published vectors; base64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neon_crypto.h"


typedef struct {
    neon_str_t      key;
    neon_str_t      data;
    const char     *hex;
} hmac_case_t;


typedef struct {
    neon_str_t      password;
    neon_str_t      salt;
    uint32_t        iterations;
    const char     *hex;
} pbkdf2_case_t;


static void
assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    char    text[2 * 64 + 1];
    size_t  i;

    assert_true(len <= 64);

    for (i = 0; i < len; i++) {
        (void) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }

    assert_string_equal(text, hex);
}


static void
test_sha256(void **state)
{
    uint8_t  out[NEON_SHA256_LEN];

    (void) state;

    assert_int_equal(neon_sha256(out, NULL, 0), NEON_OK);
    assert_hex(out, sizeof(out), "e3b0c44298fc1c149afbf4c8996fb924"
                                 "27ae41e4649b934ca495991b7852b855");

    /* FIPS 180-2, B.1 */

    assert_int_equal(neon_sha256(out, "abc", 3), NEON_OK);
    assert_hex(out, sizeof(out), "ba7816bf8f01cfea414140de5dae2223"
                                 "b00361a396177a9cb410ff61f20015ad");
}


/* RFC 4231 */

static void
test_hmac(void **state)
{
    size_t       i;
    uint8_t      out[NEON_SHA256_LEN], k_0b[20], k_aa[131], d_dd[50];
    hmac_case_t  cases[5];

    (void) state;

    memset(k_0b, 0x0b, sizeof(k_0b));
    memset(k_aa, 0xaa, sizeof(k_aa));
    memset(d_dd, 0xdd, sizeof(d_dd));

    cases[0].key = neon_str(k_0b, 20);
    cases[0].data = neon_str("Hi There", 8);
    cases[0].hex = "b0344c61d8db38535ca8afceaf0bf12b"
                   "881dc200c9833da726e9376c2e32cff7";

    cases[1].key = neon_str("Jefe", 4);
    cases[1].data = neon_str("what do ya want for nothing?", 28);
    cases[1].hex = "5bdcc146bf60754e6a042426089575c7"
                   "5a003f089d2739839dec58b964ec3843";

    cases[2].key = neon_str(k_aa, 20);
    cases[2].data = neon_str(d_dd, 50);
    cases[2].hex = "773ea91e36800e46854db8ebd09181a7"
                   "2959098b3ef8c122d9635514ced565fe";

    cases[3].key = neon_str(k_aa, 131);
    cases[3].data = neon_str("Test Using Larger Than Block-Size Key - "
                             "Hash Key First", 54);
    cases[3].hex = "60e431591ee0b67f0d8a26aacbf5b77f"
                   "8e0bc6213728c5140546040f0ee37f54";

    cases[4].key = neon_str(k_aa, 131);
    cases[4].data = neon_str("This is a test using a larger than block-size "
                             "key and a larger than block-size data. The key "
                             "needs to be hashed before being used by the "
                             "HMAC algorithm.", 152);
    cases[4].hex = "9b09ffa71b942fcb27635fbcd5b0e944"
                   "bfdc63644f0713938a7f51535c3a35e2";

    for (i = 0; i < 5; i++) {
        assert_int_equal(neon_hmac_sha256(out, cases[i].key, &cases[i].data,
                                          1),
                         NEON_OK);
        assert_hex(out, sizeof(out), cases[i].hex);
    }
}


static void
test_hmac_over_parts_is_hmac_over_the_whole(void **state)
{
    size_t      i;
    uint8_t     whole[NEON_SHA256_LEN], split[NEON_SHA256_LEN];
    neon_str_t  key, data, parts[3];

    (void) state;

    key = neon_str("key", 3);
    data = neon_str("one, two, three", 15);

    assert_int_equal(neon_hmac_sha256(whole, key, &data, 1), NEON_OK);

    for (i = 0; i <= data.len; i++) {
        parts[0] = neon_str(data.data, i);
        parts[1] = neon_str(NULL, 0);
        parts[2] = neon_str(data.data + i, data.len - i);

        assert_int_equal(neon_hmac_sha256(split, key, parts, 3), NEON_OK);
        assert_memory_equal(whole, split, sizeof(whole));
    }
}


/* the first two are of RFC 7914, section 11; the others of another library */

static void
test_pbkdf2(void **state)
{
    size_t                      i;
    uint8_t                     out[NEON_SHA256_LEN], long_salt[256];
    pbkdf2_case_t               c;

    static const pbkdf2_case_t  cases[] = {
        { neon_string("passwd"), neon_string("salt"), 1,
          "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" },
        { neon_string("Password"), neon_string("NaCl"), 80000,
          "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56" },
        { neon_null_str, neon_null_str, 1,
          "f7ce0b653d2d72a4108cf5abe912ffdd777616dbbb27a70e8204f3ae2d0f6fad" },
        { neon_string("\0"), neon_string("\0\1"), 3,
          "5486e4315aa0ec16d657f7e9ec01b66abd53d6b219320066c8f217e4e0b3f1ad" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(neon_pbkdf2_sha256(out, cases[i].password,
                                            cases[i].salt,
                                            cases[i].iterations),
                         NEON_OK);
        assert_hex(out, sizeof(out), cases[i].hex);
    }

    memset(long_salt, 's', sizeof(long_salt));

    c.password = neon_str("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 65);
    c.salt = neon_str(long_salt, sizeof(long_salt));

    assert_int_equal(neon_pbkdf2_sha256(out, c.password, c.salt, 2), NEON_OK);
    assert_hex(out, sizeof(out), "61c65a8854c5b1f71a68a002ee7b9833"
                                 "68c7d4743205194d230e7e925d3794f0");

    assert_int_equal(neon_pbkdf2_sha256(out, c.password, c.salt, 0),
                     NEON_ERROR);
}


/* FIPS 180-2, A.1 and A.2; wherever the two parts meet */

static void
test_sha1(void **state)
{
    size_t      i;
    uint8_t     out[NEON_SHA1_LEN];
    neon_str_t  s;

    (void) state;

    s = neon_str(NULL, 0);
    assert_int_equal(neon_sha1(out, s, s), NEON_OK);
    assert_hex(out, sizeof(out), "da39a3ee5e6b4b0d3255bfef95601890afd80709");

    s = neon_str("abc", 3);

    for (i = 0; i <= s.len; i++) {
        assert_int_equal(neon_sha1(out, neon_str(s.data, i),
                                   neon_str(s.data + i, s.len - i)),
                         NEON_OK);
        assert_hex(out, sizeof(out),
                   "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    s = neon_str("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                 56);

    for (i = 0; i <= s.len; i++) {
        assert_int_equal(neon_sha1(out, neon_str(s.data, i),
                                   neon_str(s.data + i, s.len - i)),
                         NEON_OK);
        assert_hex(out, sizeof(out),
                   "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    }
}


static void
test_md5_hex(void **state)
{
    uint8_t  out[32];

    (void) state;

    assert_int_equal(neon_md5_hex(out, neon_str("secret", 6),
                                  neon_str("alice", 5)),
                     NEON_OK);
    assert_memory_equal(out, "4a0a68b43b6cd5cf266fa02f196e2371", 32);

    /* RFC 1321, A.5 */

    assert_int_equal(neon_md5_hex(out, neon_str(NULL, 0), neon_str(NULL, 0)),
                     NEON_OK);
    assert_memory_equal(out, "d41d8cd98f00b204e9800998ecf8427e", 32);
}


static void
test_random(void **state)
{
    uint8_t  a[32], b[32];

    (void) state;

    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));

    assert_int_equal(neon_random(a, sizeof(a)), NEON_OK);
    assert_int_equal(neon_random(b, sizeof(b)), NEON_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(neon_random(a, 0), NEON_OK);
    assert_int_equal(neon_random(a, (size_t) INT32_MAX + 1), NEON_ERROR);
}


static void
test_equal_and_wipe(void **state)
{
    uint8_t  a[4] = { 1, 2, 3, 4 }, b[4] = { 1, 2, 3, 4 };

    (void) state;

    assert_int_equal(neon_equal(a, b, 4), 1);

    b[3] = 5;

    assert_int_equal(neon_equal(a, b, 4), 0);
    assert_int_equal(neon_equal(a, b, 3), 1);

    neon_wipe(a, 4);

    assert_memory_equal(a, "\0\0\0\0", 4);
}


/* RFC 4648, section 10 */

static void
test_base64_vectors(void **state)
{
    size_t             i, n;
    uint8_t            text[16], bytes[16];

    static const char  *cases[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" }, { "\373\377\277", "+/+/" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n = strlen(cases[i][0]);

        assert_int_equal(neon_base64_encode(text, neon_str(cases[i][0], n)),
                         strlen(cases[i][1]));
        assert_int_equal(neon_base64_len(n), strlen(cases[i][1]));
        assert_memory_equal(text, cases[i][1], strlen(cases[i][1]));

        assert_int_equal(neon_base64_decode(bytes, n,
                                            neon_str(cases[i][1],
                                                     strlen(cases[i][1]))),
                         n);
        assert_memory_equal(bytes, cases[i][0], n);
    }
}


static void
test_base64_refuses(void **state)
{
    size_t             i;
    uint8_t            bytes[64];

    static const char  *cases[] = {
        "A", "AA", "AAA", "AAAAA", "AAAAAA", "Zg", "Zg=", "Zm8", "=", "==",
        "===", "====", "Z===", "Zg==Zg==", "Zm9v=", "=m9v", "Zm=v", "Z=9v",
        "Zm9 ", " Zm9", "Zm9v\n", "Zm9v\n\n\n",
        "Zm9-", "Zm9_", "Zm9.", "Zm9\200", "Zh==", "Zm9=", "Z/==", "Zg=a",
        "Zm9vZg==Zm9v"
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (neon_base64_decode(bytes, sizeof(bytes),
                               neon_str(cases[i], strlen(cases[i])))
            != -1)
        {
            fail_msg("accepted: \"%s\"", cases[i]);
        }
    }

    assert_int_equal(neon_base64_decode(bytes, sizeof(bytes),
                                        neon_str("Zm\0v", 4)),
                     -1);
}


/* storage of exactly the size, from malloc(), so that a sanitizer sees */

static void
test_base64_sizes(void **state)
{
    long     n;
    size_t   i, len;
    uint8_t  in[100], *text, *bytes;

    (void) state;

    for (i = 0; i < sizeof(in); i++) {
        in[i] = (uint8_t) (i * 37 + 11);
    }

    for (i = 1; i <= sizeof(in); i++) {
        len = neon_base64_len(i);
        text = malloc(len);
        bytes = malloc(i);

        assert_non_null(text);
        assert_non_null(bytes);

        assert_int_equal(neon_base64_encode(text, neon_str(in, i)), len);

        n = neon_base64_decode(bytes, i, neon_str(text, len));
        assert_int_equal(n, i);
        assert_memory_equal(bytes, in, i);

        assert_int_equal(neon_base64_decode(bytes, i - 1, neon_str(text, len)),
                         -1);

        free(text);
        free(bytes);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_hmac_over_parts_is_hmac_over_the_whole),
        cmocka_unit_test(test_pbkdf2),
        cmocka_unit_test(test_sha1),
        cmocka_unit_test(test_md5_hex),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_equal_and_wipe),
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_refuses),
        cmocka_unit_test(test_base64_sizes)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
