/*
 * Attributes, nonces, numbers and keys in SCRAM messages.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_scram_msg.h"




static int neon_scram_msg_letter(uint8_t ch);


int
neon_scram_msg_valid(neon_str_t msg)
{
    return msg.len != 0
           && msg.len <= NEON_SCRAM_MSG_MAX
           && memchr(msg.data, '\0', msg.len) == NULL;
}


neon_rc_e
neon_scram_msg_attr(neon_rd_t *r, uint8_t name, neon_str_t *value)
{
    neon_str_t      attr;
    const uint8_t  *comma;

    comma = memchr(r->pos, ',', neon_rd_left(r));

    if (comma == NULL) {
        attr = neon_rd_bytes(r, neon_rd_left(r));

    } else {
        attr = neon_rd_bytes(r, (size_t) (comma - r->pos));
        (void) neon_rd_u8(r);

        if (neon_rd_left(r) == 0) {
            return NEON_ERROR;
        }
    }

    if (attr.len < 2 || attr.data[0] != name || attr.data[1] != '=') {
        return NEON_ERROR;
    }

    *value = neon_str(attr.data + 2, attr.len - 2);

    return NEON_OK;
}


neon_rc_e
neon_scram_msg_extensions(neon_rd_t *r)
{
    uint8_t     name;
    neon_str_t  value;

    while (neon_rd_left(r) != 0) {
        name = r->pos[0];

        /*
         * RFC 5802, 5.1: an unknown mandatory extension (m) must fail the
         * authentication.  A proof (p) ends its message: it is none here.
         */

        if (!neon_scram_msg_letter(name) || name == 'm' || name == 'p') {
            return NEON_ERROR;
        }

        if (neon_scram_msg_attr(r, name, &value) != NEON_OK
            || value.len == 0)
        {
            return NEON_ERROR;
        }
    }

    return NEON_OK;
}


static int
neon_scram_msg_letter(uint8_t ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}


int
neon_scram_msg_nonce_valid(neon_str_t nonce)
{
    size_t  i;

    for (i = 0; i < nonce.len; i++) {
        if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e
            || nonce.data[i] == ',')
        {
            return 0;
        }
    }

    return nonce.len != 0;
}


neon_rc_e
neon_scram_msg_iterations(uint32_t *n, neon_str_t text)
{
    if (neon_str_number(n, text, NEON_SCRAM_ITER_MAX) != NEON_OK) {
        return NEON_ERROR;
    }

    return *n == 0 ? NEON_ERROR : NEON_OK;
}


neon_rc_e
neon_scram_msg_salt(uint8_t salt[NEON_SCRAM_SALT_MAX], uint16_t *len,
    neon_str_t text)
{
    long  n;

    n = neon_base64_decode(salt, NEON_SCRAM_SALT_MAX, text);

    if (n < 1) {
        return NEON_ERROR;
    }

    *len = (uint16_t) n;

    return NEON_OK;
}


neon_rc_e
neon_scram_msg_key(uint8_t key[NEON_SCRAM_KEY_LEN], neon_str_t text)
{
    long  n;

    n = neon_base64_decode(key, NEON_SCRAM_KEY_LEN, text);

    return (n == NEON_SCRAM_KEY_LEN) ? NEON_OK : NEON_ERROR;
}


void
neon_scram_msg_put_gs2(neon_wr_t *out, uint8_t gs2_flag)
{
    neon_wr_u8(out, gs2_flag);

    if (gs2_flag == 'p') {
        neon_wr_z(out, "=" NEON_SCRAM_MSG_CBIND_TYPE);
    }

    neon_wr_z(out, ",,");
}


void
neon_scram_msg_put_base64(neon_wr_t *out, neon_str_t bytes)
{
    size_t   n;
    uint8_t  text[neon_base64_len(NEON_SCRAM_SALT_MAX)];

    if (bytes.len > NEON_SCRAM_SALT_MAX) {
        out->error = 1;
        return;
    }

    n = neon_base64_encode(text, bytes);
    neon_wr_bytes(out, text, n);
}


void
neon_scram_msg_put_cbind(neon_wr_t *out, uint8_t gs2_flag, neon_str_t cbind)
{
    uint8_t    raw[NEON_SCRAM_MSG_GS2_MAX + NEON_SCRAM_CBIND_MAX];
    neon_wr_t  w;

    neon_wr_init(&w, raw, sizeof(raw));
    neon_scram_msg_put_gs2(&w, gs2_flag);

    if (gs2_flag == 'p') {
        neon_wr_str(&w, cbind);
    }

    if (w.error) {
        out->error = 1;
        return;
    }

    neon_scram_msg_put_base64(out, neon_str(raw, neon_wr_len(&w)));
}


void
neon_scram_msg_xor(uint8_t out[NEON_SCRAM_KEY_LEN],
    const uint8_t a[NEON_SCRAM_KEY_LEN], const uint8_t b[NEON_SCRAM_KEY_LEN])
{
    size_t  i;

    for (i = 0; i < NEON_SCRAM_KEY_LEN; i++) {
        out[i] = a[i] ^ b[i];
    }
}
