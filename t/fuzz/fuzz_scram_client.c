/*
 * The client side of SCRAM: a byte of choices, server-first-message, a line
 * feed, server-final-message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_scram.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char     verifier[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

static const uint8_t  client_key[] =
    "\xa6\x0f\xc9\x23\xd6\x7e\x86\x44\xa9\x2d\x16\xb9\x6e\xda\x5e\xf4"
    "\x65\x6b\x0c\x72\x5c\x48\x43\x74\xbe\x25\x53\x55\x76\x99\x6e\x8b";

static const uint8_t  raw_nonce[] = "ABCDEFGHIJKLMNOPQR";


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
    uint8_t                *text;
    neon_rc_e               rc;
    neon_wr_t               w;
    neon_scram_keys_t       keys;
    neon_scram_client_t     c;
    neon_scram_verifier_t   v, told;

    check(neon_scram_verifier_parse(&v, neon_str(verifier,
                                                 sizeof(verifier) - 1))
          == NEON_OK);

    memcpy(keys.client_key, client_key, sizeof(keys.client_key));
    memcpy(keys.server_key, v.server_key, sizeof(keys.server_key));

    text = malloc(storage + 1);
    check(text != NULL);
    neon_wr_init(&w, text, storage);

    rc = neon_scram_client_first(&c, (uint8_t) "nypx"[choices & 3],
                                 neon_str("hash of a certificate", 21),
                                 raw_nonce, &w);

    if (rc != NEON_OK) {
        check((choices & 3) == 3 || w.error);
        free(text);
        return;
    }

    /* whoever finds a salt here finds it there */

    if (neon_scram_client_salt(&c, first, &told) != NEON_OK) {
        told.iterations = 0;
    }

    neon_wr_init(&w, text, storage);

    rc = neon_scram_client_final(&c, first, &v, &keys, &w);
    check((rc == NEON_OK) == (c.fail == NEON_SCRAM_CLIENT_FAIL_NONE));

    check((c.fail == NEON_SCRAM_CLIENT_FAIL_PROTOCOL) || told.iterations);

    if (rc == NEON_OK) {
        check(told.iterations == v.iterations);
        check(first.len <= NEON_SCRAM_MSG_MAX
              && neon_wr_len(&w) <= NEON_SCRAM_MSG_MAX);
        check(memcmp(first.data, "r=QUJDREVGR0hJSktMTU5PUFFS", 26) == 0);
    }

    check(neon_scram_client_verify(&c, final) == NEON_ERROR || rc == NEON_OK);

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
