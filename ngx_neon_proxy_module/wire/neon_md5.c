/*
 * PostgreSQL's MD5 passwords.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_crypto.h"
#include "neon_md5.h"


static const uint8_t  neon_md5_prefix[3] = { 'm', 'd', '5' };


neon_rc_e
neon_md5_parse(neon_md5_t *v, neon_str_t text)
{
    size_t          i;
    const uint8_t  *hex;

    memset(v, 0, sizeof(neon_md5_t));

    if (text.len != NEON_MD5_TEXT_LEN
        || memcmp(text.data, neon_md5_prefix, 3) != 0)
    {
        return NEON_ERROR;
    }

    hex = text.data + 3;

    for (i = 0; i < NEON_MD5_HEX; i++) {
        if (!((hex[i] >= '0' && hex[i] <= '9')
              || (hex[i] >= 'a' && hex[i] <= 'f')))
        {
            return NEON_ERROR;
        }
    }

    memcpy(v->hex, hex, NEON_MD5_HEX);

    return NEON_OK;
}


neon_rc_e
neon_md5_make(neon_md5_t *v, neon_str_t password, neon_str_t role)
{
    return neon_md5_hex(v->hex, password, role);
}


neon_rc_e
neon_md5_answer(uint8_t out[NEON_MD5_TEXT_LEN], const neon_md5_t *v,
    neon_str_t salt)
{
    memcpy(out, neon_md5_prefix, 3);

    return neon_md5_hex(out + 3, neon_str(v->hex, NEON_MD5_HEX), salt);
}


neon_rc_e
neon_md5_verify_password(const neon_md5_t *v, neon_str_t password,
    neon_str_t role)
{
    int         equal;
    neon_rc_e   rc;
    neon_md5_t  other;

    rc = neon_md5_make(&other, password, role);

    if (rc != NEON_OK) {
        return rc;
    }

    equal = neon_equal(other.hex, v->hex, NEON_MD5_HEX);

    neon_wipe(&other, sizeof(other));

    return equal ? NEON_OK : NEON_AGAIN;
}


neon_rc_e
neon_md5_verify_answer(const neon_md5_t *v, neon_str_t salt,
    neon_str_t answer)
{
    int        equal;
    uint8_t    expected[NEON_MD5_TEXT_LEN];
    neon_rc_e  rc;

    rc = neon_md5_answer(expected, v, salt);

    if (rc != NEON_OK) {
        return rc;
    }

    equal = answer.len == sizeof(expected)
            && neon_equal(expected, answer.data, sizeof(expected));

    neon_wipe(expected, sizeof(expected));

    return equal ? NEON_OK : NEON_AGAIN;
}
