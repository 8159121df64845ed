/*
 * MD5 passwords: a verifier, a line feed, four bytes of salt, and what a
 * client answers or a password.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_md5.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          n;
    uint8_t         answer[NEON_MD5_TEXT_LEN];
    neon_rc_e       rc;
    neon_md5_t      v, made;
    neon_str_t      text, salt, rest;
    const uint8_t  *line;

    if (size == 0) {
        return 0;
    }

    line = memchr(data, '\n', size);

    n = (line == NULL) ? size : (size_t) (line - data);
    text = neon_str(data, n);
    rest = (line == NULL) ? neon_str(NULL, 0)
                          : neon_str(line + 1, size - n - 1);
    salt = neon_str("salt", NEON_MD5_SALT_LEN);

    if (rest.len >= NEON_MD5_SALT_LEN) {
        salt = neon_str(rest.data, NEON_MD5_SALT_LEN);
        rest = neon_str(rest.data + NEON_MD5_SALT_LEN,
                        rest.len - NEON_MD5_SALT_LEN);
    }

    /* what is accepted is the text that its parts make again */

    if (neon_md5_parse(&v, text) == NEON_OK) {
        check(text.len == NEON_MD5_TEXT_LEN);
        check(memcmp(text.data, "md5", 3) == 0);
        check(memcmp(text.data + 3, v.hex, NEON_MD5_HEX) == 0);
    }

    /* one answer is right, and one password */

    check(neon_md5_answer(answer, &v, salt) == NEON_OK);
    check(neon_md5_verify_answer(&v, salt, neon_str(answer, sizeof(answer)))
          == NEON_OK);

    rc = neon_md5_verify_answer(&v, salt, rest);
    check((rc == NEON_OK)
          == neon_str_eq(rest, neon_str(answer, sizeof(answer))));

    check(neon_md5_make(&made, rest, salt) == NEON_OK);
    check(neon_md5_verify_password(&made, rest, salt) == NEON_OK);

    rc = neon_md5_verify_password(&v, rest, salt);
    check((rc == NEON_OK) == (memcmp(&v, &made, sizeof(v)) == 0));

    return 0;
}
