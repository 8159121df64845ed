/*
 * The server side of SCRAM: a byte of choices, client-first-message, a line
 * feed, client-final-message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_scram.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char     verifier[] =
    "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92"
    "$FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8="
    ":qxJ1SbmSAi5EcS0J5Ck/cKAm/+Ixa+Kwp63f4OHDgzo=";

static const uint8_t  raw_nonce[NEON_SCRAM_RAW_NONCE] = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
};


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


/* the storage for the answer is of exactly the size, for the sanitizer */

static void
exchange(uint8_t choices, neon_str_t first, neon_str_t final, size_t storage)
{
    uint8_t                hash[NEON_SHA256_LEN], *text;
    neon_wr_t              w;
    neon_str_t             mechanism, cbind;
    neon_scram_keys_t      keys;
    neon_scram_server_t    s;
    neon_scram_verifier_t  v;

    check(neon_scram_verifier_parse(&v, neon_str(verifier,
                                                 sizeof(verifier) - 1))
          == NEON_OK);
    v.mock = (choices >> 2) & 1U;

    mechanism = (choices & 1) ? neon_str("SCRAM-SHA-256-PLUS", 18)
                              : neon_str("SCRAM-SHA-256", 13);
    cbind = (choices & 2) ? neon_str("hash of a certificate", 21)
                          : neon_str(NULL, 0);

    text = malloc(storage + 1);
    check(text != NULL);

    neon_scram_server_init(&s, cbind);
    neon_wr_init(&w, text, storage);

    if (neon_scram_server_first(&s, mechanism, first, &v, raw_nonce, &w)
        != NEON_OK)
    {
        check(s.fail != NEON_SCRAM_FAIL_NONE);
        free(text);
        return;
    }

    check(s.fail == NEON_SCRAM_FAIL_NONE && neon_wr_len(&w) != 0);
    check((s.gs2_flag == 'p') == (choices & 1));

    neon_wr_init(&w, text, storage);

    if (neon_scram_server_final(&s, final, &v, &keys, &w) == NEON_OK) {
        check(s.fail == NEON_SCRAM_FAIL_NONE && !v.mock);
        check(neon_sha256(hash, keys.client_key, sizeof(keys.client_key))
              == NEON_OK);
        check(memcmp(hash, v.stored_key, sizeof(hash)) == 0);

    } else {
        check(s.fail != NEON_SCRAM_FAIL_NONE);
    }

    free(text);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          n;
    neon_str_t      final;
    const uint8_t  *line;

    if (size == 0) {
        return 0;
    }

    line = memchr(data + 1, '\n', size - 1);

    n = (line == NULL) ? size : (size_t) (line - data);
    final = (line == NULL) ? neon_str(NULL, 0)
                           : neon_str(line + 1, size - n - 1);

    exchange(data[0], neon_str(data + 1, n - 1), final, NEON_SCRAM_MSG_MAX);
    exchange(data[0], neon_str(data + 1, n - 1), final, data[0]);

    return 0;
}
