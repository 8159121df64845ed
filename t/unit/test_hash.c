/*
 * SipHash-2-4: the vectors of its authors, and parts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neon_hash.h"


#define LEN  64

static uint8_t  secret[NEON_HASH_SECRET];
static uint8_t  input[LEN];


static int
setup(void **state)
{
    size_t  i;

    for (i = 0; i < sizeof(secret); i++) {
        secret[i] = (uint8_t) i;
    }

    for (i = 0; i < LEN; i++) {
        input[i] = (uint8_t) i;
    }

    return 0;
}


static void
test_vectors(void **state)
{
    size_t      i;
    neon_str_t  str;

    /* vectors.h of the reference implementation: little-endian there */

    static const struct {
        size_t    len;
        uint64_t  hash;
    } vectors[] = {
        { 0, 0x726fdb47dd0e0e31ULL },
        { 1, 0x74f839c593dc67fdULL },
        { 2, 0x0d6c8009d9a94f5aULL },
        { 3, 0x85676696d7fb7e2dULL },
        { 7, 0xab0200f58b01d137ULL },
        { 8, 0x93f5f5799a932462ULL },
        { 9, 0x9e0082df0ba9e4b0ULL },
        { 15, 0xa129ca6149be45e5ULL },
        { 16, 0x3f2acc7f57c29bdbULL },
        { 63, 0x958a324ceb064572ULL }
    };

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        str = neon_str(input, vectors[i].len);
        assert_true(neon_hash(secret, &str, 1) == vectors[i].hash);
    }
}


/* split anywhere, into three, with empty ones: the same */

static void
test_parts(void **state)
{
    size_t      i, j, n;
    uint64_t    whole;
    neon_str_t  parts[5];

    for (n = 0; n < LEN; n++) {
        parts[0] = neon_str(input, n);
        whole = neon_hash(secret, parts, 1);

        for (i = 0; i <= n; i++) {
            for (j = i; j <= n; j++) {
                parts[0] = neon_str(input, i);
                parts[1] = neon_str(NULL, 0);
                parts[2] = neon_str(input + i, j - i);
                parts[3] = neon_str(input + j, n - j);
                parts[4] = neon_str(input + n, 0);

                assert_true(neon_hash(secret, parts, 5) == whole);
            }
        }
    }

    assert_true(neon_hash(secret, NULL, 0) == 0x726fdb47dd0e0e31ULL);
}


/* byte by byte of the key and of the input: another one */

static void
test_differs(void **state)
{
    size_t      i;
    uint8_t     key[NEON_HASH_SECRET], copy[LEN];
    uint64_t    hash;
    neon_str_t  str;

    str = neon_str(input, LEN);
    hash = neon_hash(secret, &str, 1);

    for (i = 0; i < sizeof(key) * 8; i++) {
        memcpy(key, secret, sizeof(key));
        key[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_true(neon_hash(key, &str, 1) != hash);
    }

    str = neon_str(copy, LEN);

    for (i = 0; i < LEN * 8; i++) {
        memcpy(copy, input, LEN);
        copy[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_true(neon_hash(secret, &str, 1) != hash);
    }

    /* zeros count */

    memset(copy, 0, LEN);

    for (i = 1; i <= LEN; i++) {
        str = neon_str(copy, i - 1);
        hash = neon_hash(secret, &str, 1);
        str = neon_str(copy, i);
        assert_true(neon_hash(secret, &str, 1) != hash);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_differs)
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
