/*
 * Verifiers: a verifier, a line feed, a password.  A verifier that is accepted
 * is the text that its parts make again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdio.h>
#include <stdlib.h>

#include "neon_scram.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


static void
check_text(const neon_scram_verifier_t *v, neon_str_t text)
{
    int      n;
    char     again[1024];
    uint8_t  salt[neon_base64_len(NEON_SCRAM_SALT_MAX)];
    uint8_t  stored_key[neon_base64_len(NEON_SCRAM_KEY_LEN)];
    uint8_t  server_key[neon_base64_len(NEON_SCRAM_KEY_LEN)];
    size_t   len;

    len = neon_base64_encode(salt, neon_str(v->salt, v->salt_len));
    (void) neon_base64_encode(stored_key,
                              neon_str(v->stored_key, NEON_SCRAM_KEY_LEN));
    (void) neon_base64_encode(server_key,
                              neon_str(v->server_key, NEON_SCRAM_KEY_LEN));

    n = snprintf(again, sizeof(again), "SCRAM-SHA-256$%lu:%.*s$%.*s:%.*s",
                 (unsigned long) v->iterations, (int) len,
                 (const char *) salt, (int) sizeof(stored_key),
                 (const char *) stored_key, (int) sizeof(server_key),
                 (const char *) server_key);

    check(n > 0 && (size_t) n < sizeof(again));
    check(neon_str_eq(text, neon_str(again, (size_t) n)));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                 n;
    neon_rc_e              rc;
    neon_str_t             text, password;
    const uint8_t         *line;
    neon_scram_keys_t      keys;
    neon_scram_verifier_t  v;

    if (size == 0) {
        return 0;
    }

    line = memchr(data, '\n', size);

    n = (line == NULL) ? size : (size_t) (line - data);
    text = neon_str(data, n);
    password = (line == NULL) ? neon_str(NULL, 0)
                              : neon_str(line + 1, size - n - 1);

    if (neon_scram_verifier_parse(&v, text) != NEON_OK) {
        check(neon_scram_verifier_mock(&v, text, password, text) == NEON_OK);

    } else {
        check_text(&v, text);
    }

    /* many passwords and not much of each */

    v.iterations = 1 + v.iterations % 3;

    rc = neon_scram_verify_password(&keys, &v, password, NULL);
    check(rc == NEON_AGAIN || (rc == NEON_OK && !v.mock));

    v.mock = 1;
    check(neon_scram_verify_password(&keys, &v, password, NULL) == NEON_AGAIN);

    return 0;
}
