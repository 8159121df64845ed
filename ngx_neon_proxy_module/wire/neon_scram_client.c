/*
 * The client side of a SCRAM exchange.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_scram_msg.h"


/* client-first-message-bare but for the nonce; PostgreSQL takes the user from
   the startup packet */

#define NEON_SCRAM_CLIENT_BARE  "n=,r="


static neon_scram_client_fail_e neon_scram_client_parse_first(
    const neon_scram_client_t *c, neon_str_t in, neon_scram_verifier_t *v,
    neon_str_t *nonce);
static neon_rc_e neon_scram_client_prove(neon_scram_client_t *c,
    neon_str_t server_first, neon_str_t unproved,
    const neon_scram_keys_t *keys, uint8_t proof[NEON_SCRAM_KEY_LEN]);


neon_rc_e
neon_scram_client_first(neon_scram_client_t *c, uint8_t gs2_flag,
    neon_str_t cbind, const uint8_t raw_nonce[NEON_SCRAM_RAW_NONCE],
    neon_wr_t *out)
{
    memset(c, 0, sizeof(neon_scram_client_t));

    c->fail = NEON_SCRAM_CLIENT_FAIL_PROTOCOL;
    c->gs2_flag = gs2_flag;

    if (gs2_flag == 'p') {
        if (cbind.len == 0 || cbind.len > NEON_SCRAM_CBIND_MAX) {
            return NEON_ERROR;
        }

        memcpy(c->cbind, cbind.data, cbind.len);
        c->cbind_len = (uint16_t) cbind.len;

    } else if (gs2_flag != 'n' && gs2_flag != 'y') {
        return NEON_ERROR;
    }

    (void) neon_base64_encode(c->nonce,
                              neon_str(raw_nonce, NEON_SCRAM_RAW_NONCE));

    neon_scram_msg_put_gs2(out, gs2_flag);
    neon_wr_z(out, NEON_SCRAM_CLIENT_BARE);
    neon_wr_bytes(out, c->nonce, sizeof(c->nonce));

    if (out->error) {
        return NEON_ERROR;
    }

    c->step = NEON_SCRAM_CLIENT_SENT_FIRST;
    c->fail = NEON_SCRAM_CLIENT_FAIL_NONE;

    return NEON_OK;
}


neon_rc_e
neon_scram_client_salt(neon_scram_client_t *c, neon_str_t in,
    neon_scram_verifier_t *v)
{
    neon_str_t  nonce;

    memset(v, 0, sizeof(neon_scram_verifier_t));

    c->fail = neon_scram_client_parse_first(c, in, v, &nonce);

    return c->fail == NEON_SCRAM_CLIENT_FAIL_NONE ? NEON_OK : NEON_ERROR;
}


neon_rc_e
neon_scram_client_final(neon_scram_client_t *c, neon_str_t in,
    const neon_scram_verifier_t *v, const neon_scram_keys_t *keys,
    neon_wr_t *out)
{
    uint8_t    *start, proof[NEON_SCRAM_KEY_LEN];
    neon_rc_e   rc;
    neon_str_t  nonce, unproved;

    neon_scram_verifier_t  told;

    c->fail = neon_scram_client_parse_first(c, in, &told, &nonce);
    c->step = NEON_SCRAM_CLIENT_NONE;

    if (c->fail != NEON_SCRAM_CLIENT_FAIL_NONE) {
        return NEON_ERROR;
    }

    if (told.iterations != v->iterations
        || !neon_str_eq(neon_str(told.salt, told.salt_len),
                        neon_str(v->salt, v->salt_len)))
    {
        c->fail = NEON_SCRAM_CLIENT_FAIL_SALT;
        return NEON_ERROR;
    }

    c->fail = NEON_SCRAM_CLIENT_FAIL_PROTOCOL;
    start = out->pos;

    neon_wr_z(out, "c=");
    neon_scram_msg_put_cbind(out, c->gs2_flag,
                             neon_str(c->cbind, c->cbind_len));
    neon_wr_z(out, ",r=");
    neon_wr_str(out, nonce);

    unproved = neon_str(start, (size_t) (out->pos - start));

    if (out->error) {
        return NEON_ERROR;
    }

    rc = neon_scram_client_prove(c, in, unproved, keys, proof);

    if (rc == NEON_OK) {
        neon_wr_z(out, ",p=");
        neon_scram_msg_put_base64(out, neon_str(proof, sizeof(proof)));
    }

    neon_wipe(proof, sizeof(proof));

    if (rc != NEON_OK || out->error) {
        return NEON_ERROR;
    }

    c->step = NEON_SCRAM_CLIENT_SENT_FINAL;
    c->fail = NEON_SCRAM_CLIENT_FAIL_NONE;

    return NEON_OK;
}


/*
 * server-first-message.  The compute is not trusted: a mandatory extension
 * (m=) would stand where r= must be, and all lengths are bounded here.
 */

static neon_scram_client_fail_e
neon_scram_client_parse_first(const neon_scram_client_t *c, neon_str_t in,
    neon_scram_verifier_t *v, neon_str_t *nonce)
{
    neon_rd_t   r;
    neon_str_t  salt, iterations;

    if (c->step != NEON_SCRAM_CLIENT_SENT_FIRST || !neon_scram_msg_valid(in)) {
        return NEON_SCRAM_CLIENT_FAIL_PROTOCOL;
    }

    neon_rd_init(&r, in.data, in.len);

    if (neon_scram_msg_attr(&r, 'r', nonce) != NEON_OK
        || neon_scram_msg_attr(&r, 's', &salt) != NEON_OK
        || neon_scram_msg_attr(&r, 'i', &iterations) != NEON_OK
        || neon_scram_msg_extensions(&r) != NEON_OK)
    {
        return NEON_SCRAM_CLIENT_FAIL_PROTOCOL;
    }

    if (nonce->len <= sizeof(c->nonce)
        || nonce->len - sizeof(c->nonce) > NEON_SCRAM_NONCE_MAX
        || !neon_scram_msg_nonce_valid(*nonce)
        || memcmp(nonce->data, c->nonce, sizeof(c->nonce)) != 0)
    {
        return NEON_SCRAM_CLIENT_FAIL_PROTOCOL;
    }

    if (neon_scram_msg_salt(v->salt, &v->salt_len, salt) != NEON_OK
        || neon_scram_msg_iterations(&v->iterations, iterations) != NEON_OK)
    {
        return NEON_SCRAM_CLIENT_FAIL_PROTOCOL;
    }

    return NEON_SCRAM_CLIENT_FAIL_NONE;
}


/* RFC 5802, section 3: the proof, and the signature to expect in return */

static neon_rc_e
neon_scram_client_prove(neon_scram_client_t *c, neon_str_t server_first,
    neon_str_t unproved, const neon_scram_keys_t *keys,
    uint8_t proof[NEON_SCRAM_KEY_LEN])
{
    uint8_t     stored_key[NEON_SCRAM_KEY_LEN], signature[NEON_SCRAM_KEY_LEN];
    neon_rc_e   rc;
    neon_str_t  auth[6];

    auth[0] = neon_str(NEON_SCRAM_CLIENT_BARE,
                       sizeof(NEON_SCRAM_CLIENT_BARE) - 1);
    auth[1] = neon_str(c->nonce, sizeof(c->nonce));
    auth[2] = neon_str(",", 1);
    auth[3] = server_first;
    auth[4] = auth[2];
    auth[5] = unproved;

    rc = neon_sha256(stored_key, keys->client_key, NEON_SCRAM_KEY_LEN);

    if (rc == NEON_OK) {
        rc = neon_hmac_sha256(signature,
                              neon_str(stored_key, sizeof(stored_key)),
                              auth, 6);
    }

    if (rc == NEON_OK) {
        neon_scram_msg_xor(proof, keys->client_key, signature);
        rc = neon_hmac_sha256(c->signature,
                              neon_str(keys->server_key, NEON_SCRAM_KEY_LEN),
                              auth, 6);
    }

    neon_wipe(stored_key, sizeof(stored_key));
    neon_wipe(signature, sizeof(signature));

    return rc;
}


neon_rc_e
neon_scram_client_verify(neon_scram_client_t *c, neon_str_t in)
{
    uint8_t     signature[NEON_SCRAM_KEY_LEN];
    unsigned    sent_final;
    neon_rd_t   r;
    neon_str_t  value;

    sent_final = (c->step == NEON_SCRAM_CLIENT_SENT_FINAL);

    c->step = NEON_SCRAM_CLIENT_NONE;
    c->fail = NEON_SCRAM_CLIENT_FAIL_PROTOCOL;

    /* a server that skips server-first-message knows no key */

    if (!sent_final || !neon_scram_msg_valid(in)) {
        return NEON_ERROR;
    }

    neon_rd_init(&r, in.data, in.len);

    if (in.data[0] == 'e') {
        if (neon_scram_msg_attr(&r, 'e', &value) == NEON_OK
            && neon_scram_msg_extensions(&r) == NEON_OK)
        {
            c->fail = NEON_SCRAM_CLIENT_FAIL_SERVER;
        }

        return NEON_ERROR;
    }

    if (neon_scram_msg_attr(&r, 'v', &value) != NEON_OK
        || neon_scram_msg_extensions(&r) != NEON_OK
        || neon_scram_msg_key(signature, value) != NEON_OK)
    {
        return NEON_ERROR;
    }

    if (!neon_equal(signature, c->signature, NEON_SCRAM_KEY_LEN)) {
        c->fail = NEON_SCRAM_CLIENT_FAIL_SERVER;
        return NEON_ERROR;
    }

    c->fail = NEON_SCRAM_CLIENT_FAIL_NONE;

    return NEON_OK;
}
