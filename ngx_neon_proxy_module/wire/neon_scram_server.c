/*
 * The server side of a SCRAM exchange.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdio.h>

#include "neon_scram_msg.h"


static neon_scram_fail_e neon_scram_server_gs2(neon_scram_server_t *s,
    int plus, neon_rd_t *r);
static int neon_scram_server_cbind_type_valid(neon_str_t type);
static neon_rc_e neon_scram_server_bare(neon_scram_server_t *s, neon_rd_t *r);
static neon_rc_e neon_scram_server_reply(neon_scram_server_t *s,
    neon_str_t bare, const neon_scram_verifier_t *v,
    const uint8_t raw_nonce[NEON_SCRAM_RAW_NONCE], neon_wr_t *out);
static neon_scram_fail_e neon_scram_server_parse_final(
    const neon_scram_server_t *s, neon_str_t in, neon_str_t *unproved,
    uint8_t proof[NEON_SCRAM_KEY_LEN]);
static neon_scram_fail_e neon_scram_server_check(const neon_scram_server_t *s,
    neon_str_t unproved, const uint8_t proof[NEON_SCRAM_KEY_LEN],
    const neon_scram_verifier_t *v, uint8_t client_key[NEON_SCRAM_KEY_LEN],
    uint8_t signature[NEON_SCRAM_KEY_LEN]);


void
neon_scram_server_init(neon_scram_server_t *s, neon_str_t cbind)
{
    memset(s, 0, sizeof(neon_scram_server_t));

    /* no hash is longer than SHA-512's; PLUS is not offered with part of one */

    if (cbind.len != 0 && cbind.len <= NEON_SCRAM_CBIND_MAX) {
        memcpy(s->cbind, cbind.data, cbind.len);
        s->cbind_len = (uint16_t) cbind.len;
    }
}


neon_rc_e
neon_scram_server_first(neon_scram_server_t *s, neon_str_t mechanism,
    neon_str_t in, const neon_scram_verifier_t *v,
    const uint8_t raw_nonce[NEON_SCRAM_RAW_NONCE], neon_wr_t *out)
{
    int         plus;
    neon_rd_t   r;
    neon_str_t  bare;

    s->fail = NEON_SCRAM_FAIL_PROTOCOL;

    plus = neon_str_eqz(mechanism, "SCRAM-SHA-256-PLUS");

    if (!plus && !neon_str_eqz(mechanism, "SCRAM-SHA-256")) {
        return NEON_ERROR;
    }

    if (s->auth_len != 0 || !neon_scram_msg_valid(in)) {
        return NEON_ERROR;
    }

    neon_rd_init(&r, in.data, in.len);

    s->fail = neon_scram_server_gs2(s, plus, &r);

    if (s->fail != NEON_SCRAM_FAIL_NONE) {
        return NEON_ERROR;
    }

    bare = neon_str(r.pos, neon_rd_left(&r));

    if (neon_scram_server_bare(s, &r) != NEON_OK
        || neon_scram_server_reply(s, bare, v, raw_nonce, out) != NEON_OK)
    {
        s->fail = NEON_SCRAM_FAIL_PROTOCOL;
        return NEON_ERROR;
    }

    return NEON_OK;
}


/* gs2-header = gs2-cbind-flag "," [authzid] ",", no authzid with PostgreSQL */

static neon_scram_fail_e
neon_scram_server_gs2(neon_scram_server_t *s, int plus, neon_rd_t *r)
{
    neon_str_t      type;
    const uint8_t  *comma;

    comma = memchr(r->pos, ',', neon_rd_left(r));

    if (comma == NULL) {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    type = neon_rd_bytes(r, (size_t) (comma - r->pos));

    /* the comma after the flag and the one after no authzid */

    if (neon_rd_u8(r) != ',' || neon_rd_u8(r) != ',' || type.len == 0) {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    s->gs2_flag = type.data[0];

    if (s->gs2_flag == 'n' || s->gs2_flag == 'y') {
        if (type.len != 1 || plus) {
            return NEON_SCRAM_FAIL_PROTOCOL;
        }

        /*
         * RFC 5802, 6: the client could bind but believes that we cannot,
         * so somebody took PLUS off the list that we sent.
         */

        return (s->gs2_flag == 'y' && s->cbind_len != 0)
               ? NEON_SCRAM_FAIL_DOWNGRADE : NEON_SCRAM_FAIL_NONE;
    }

    if (s->gs2_flag != 'p' || !plus || s->cbind_len == 0) {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    type = neon_str(type.data + 1, type.len - 1);

    if (!neon_scram_server_cbind_type_valid(type)) {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    return neon_str_eqz(type, "=" NEON_SCRAM_MSG_CBIND_TYPE)
           ? NEON_SCRAM_FAIL_NONE : NEON_SCRAM_FAIL_CBIND_TYPE;
}


/* "=" cb-name */

static int
neon_scram_server_cbind_type_valid(neon_str_t type)
{
    size_t   i;
    uint8_t  ch;

    if (type.len < 2 || type.data[0] != '=') {
        return 0;
    }

    for (i = 1; i < type.len; i++) {
        ch = type.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '.' || ch == '-'))
        {
            return 0;
        }
    }

    return 1;
}


/*
 * client-first-message-bare.  The user name is not looked at: PostgreSQL
 * clients leave it empty or write whatever they like, and the startup packet
 * has it.  A mandatory extension (m=) would stand where n= must be.
 */

static neon_rc_e
neon_scram_server_bare(neon_scram_server_t *s, neon_rd_t *r)
{
    neon_str_t  user, nonce;

    if (neon_scram_msg_attr(r, 'n', &user) != NEON_OK
        || neon_scram_msg_attr(r, 'r', &nonce) != NEON_OK
        || neon_scram_msg_extensions(r) != NEON_OK)
    {
        return NEON_ERROR;
    }

    if (!neon_scram_msg_nonce_valid(nonce)
        || nonce.len > NEON_SCRAM_NONCE_MAX)
    {
        return NEON_ERROR;
    }

    memcpy(s->nonce, nonce.data, nonce.len);
    s->nonce_len = (uint16_t) nonce.len;

    return NEON_OK;
}


/* server-first-message, kept behind the client's as both are signed */

static neon_rc_e
neon_scram_server_reply(neon_scram_server_t *s, neon_str_t bare,
    const neon_scram_verifier_t *v,
    const uint8_t raw_nonce[NEON_SCRAM_RAW_NONCE], neon_wr_t *out)
{
    char        iterations[sizeof("4294967295")];
    size_t      n;
    uint8_t    *reply;
    neon_wr_t   w;

    n = neon_base64_encode(s->nonce + s->nonce_len,
                           neon_str(raw_nonce, NEON_SCRAM_RAW_NONCE));
    s->nonce_len = (uint16_t) (s->nonce_len + n);

    (void) snprintf(iterations, sizeof(iterations), "%lu",
                    (unsigned long) v->iterations);

    neon_wr_init(&w, s->auth, sizeof(s->auth));
    neon_wr_str(&w, bare);
    neon_wr_u8(&w, ',');

    reply = w.pos;

    neon_wr_z(&w, "r=");
    neon_wr_bytes(&w, s->nonce, s->nonce_len);
    neon_wr_z(&w, ",s=");
    neon_scram_msg_put_base64(&w, neon_str(v->salt, v->salt_len));
    neon_wr_z(&w, ",i=");
    neon_wr_z(&w, iterations);

    neon_wr_bytes(out, reply, (size_t) (w.pos - reply));

    if (w.error || out->error) {
        return NEON_ERROR;
    }

    s->auth_len = (uint16_t) neon_wr_len(&w);

    return NEON_OK;
}


neon_rc_e
neon_scram_server_final(neon_scram_server_t *s, neon_str_t in,
    const neon_scram_verifier_t *v, neon_scram_keys_t *keys, neon_wr_t *out)
{
    uint8_t     proof[NEON_SCRAM_KEY_LEN], signature[NEON_SCRAM_KEY_LEN];
    neon_str_t  unproved;

    s->fail = neon_scram_server_parse_final(s, in, &unproved, proof);

    if (s->fail == NEON_SCRAM_FAIL_NONE) {
        s->fail = neon_scram_server_check(s, unproved, proof, v,
                                          keys->client_key, signature);
    }

    /* one proof for one nonce */

    s->auth_len = 0;

    if (s->fail == NEON_SCRAM_FAIL_NONE) {
        memcpy(keys->server_key, v->server_key, NEON_SCRAM_KEY_LEN);
        neon_wr_z(out, "v=");
        neon_scram_msg_put_base64(out, neon_str(signature, sizeof(signature)));

        if (out->error) {
            s->fail = NEON_SCRAM_FAIL_PROTOCOL;
        }
    }

    neon_wipe(proof, sizeof(proof));
    neon_wipe(signature, sizeof(signature));

    if (s->fail != NEON_SCRAM_FAIL_NONE) {
        neon_wipe(keys, sizeof(neon_scram_keys_t));
        return NEON_ERROR;
    }

    return NEON_OK;
}


static neon_scram_fail_e
neon_scram_server_parse_final(const neon_scram_server_t *s, neon_str_t in,
    neon_str_t *unproved, uint8_t proof[NEON_SCRAM_KEY_LEN])
{
    size_t      n;
    uint8_t     expected[NEON_SCRAM_MSG_CBIND_LEN];
    neon_rd_t   r;
    neon_wr_t   w;
    neon_str_t  cbind, nonce, value;

    if (s->auth_len == 0 || !neon_scram_msg_valid(in)) {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    /* the proof is the last attribute and signs all before its comma */

    n = in.len - 1;

    while (n != 0 && in.data[n] != ',') {
        n--;
    }

    *unproved = neon_str(in.data, n);

    neon_rd_init(&r, in.data + n, in.len - n);

    if (neon_rd_u8(&r) != ','
        || neon_scram_msg_attr(&r, 'p', &value) != NEON_OK
        || neon_scram_msg_key(proof, value) != NEON_OK)
    {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    neon_rd_init(&r, unproved->data, unproved->len);

    if (neon_scram_msg_attr(&r, 'c', &cbind) != NEON_OK
        || neon_scram_msg_attr(&r, 'r', &nonce) != NEON_OK
        || neon_scram_msg_extensions(&r) != NEON_OK)
    {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    if (!neon_str_eq(nonce, neon_str(s->nonce, s->nonce_len))) {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    neon_wr_init(&w, expected, sizeof(expected));
    neon_scram_msg_put_cbind(&w, s->gs2_flag,
                             neon_str(s->cbind, s->cbind_len));

    if (w.error || !neon_str_eq(cbind, neon_str(expected, neon_wr_len(&w)))) {
        return NEON_SCRAM_FAIL_CBIND;
    }

    return NEON_SCRAM_FAIL_NONE;
}


/*
 * RFC 5802, section 3: the proof is ClientKey XOR ClientSignature, and the
 * verifier knows the hash of ClientKey.  With a mock all is computed as well.
 */

static neon_scram_fail_e
neon_scram_server_check(const neon_scram_server_t *s, neon_str_t unproved,
    const uint8_t proof[NEON_SCRAM_KEY_LEN], const neon_scram_verifier_t *v,
    uint8_t client_key[NEON_SCRAM_KEY_LEN],
    uint8_t signature[NEON_SCRAM_KEY_LEN])
{
    int         equal;
    uint8_t     hash[NEON_SHA256_LEN];
    neon_str_t  parts[3];

    parts[0] = neon_str(s->auth, s->auth_len);
    parts[1] = neon_str(",", 1);
    parts[2] = unproved;

    if (neon_hmac_sha256(signature,
                         neon_str(v->stored_key, NEON_SCRAM_KEY_LEN),
                         parts, 3)
        != NEON_OK)
    {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    neon_scram_msg_xor(client_key, proof, signature);

    if (neon_sha256(hash, client_key, NEON_SCRAM_KEY_LEN) != NEON_OK
        || neon_hmac_sha256(signature,
                            neon_str(v->server_key, NEON_SCRAM_KEY_LEN),
                            parts, 3)
           != NEON_OK)
    {
        return NEON_SCRAM_FAIL_PROTOCOL;
    }

    equal = neon_equal(hash, v->stored_key, NEON_SCRAM_KEY_LEN) & !v->mock;

    neon_wipe(hash, sizeof(hash));

    return equal ? NEON_SCRAM_FAIL_NONE : NEON_SCRAM_FAIL_PROOF;
}
