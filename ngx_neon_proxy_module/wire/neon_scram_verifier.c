/*
 * SCRAM verifiers: parsed, invented for unknown roles, and a cleartext
 * password checked against them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_scram_msg.h"
#include "neon_scram_prep.h"


#define NEON_SCRAM_MOCK_ITER      4096    /* PostgreSQL's default, as are */
#define NEON_SCRAM_MOCK_SALT      16      /* 16 bytes of salt */
#define NEON_SCRAM_PREP_MAX       1024


static neon_rc_e neon_scram_verifier_until(neon_rd_t *r, uint8_t separator,
    neon_str_t *field);
static neon_rc_e neon_scram_mock_bytes(uint8_t out[NEON_SHA256_LEN],
    neon_str_t secret, neon_str_t endpoint, neon_str_t role, const char *use);
static neon_rc_e neon_scram_verify(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password,
    const neon_scram_rest_t *known, neon_scram_rest_t *made);
static neon_rc_e neon_scram_verify_bytes(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password,
    const neon_scram_rest_t *known, neon_scram_rest_t *made);
static neon_rc_e neon_scram_verify_salted(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, const uint8_t salted[NEON_SHA256_LEN]);
static neon_rc_e neon_scram_salted_key(uint8_t out[NEON_SCRAM_KEY_LEN],
    const uint8_t salted[NEON_SHA256_LEN], const char *name);
static void neon_scram_xor(uint8_t out[NEON_SHA256_LEN],
    const uint8_t with[NEON_SHA256_LEN]);


/* the format is in the PostgreSQL documentation, chapter "pg_authid" */

neon_rc_e
neon_scram_verifier_parse(neon_scram_verifier_t *v, neon_str_t text)
{
    neon_rd_t   r;
    neon_str_t  scheme, iterations, salt, stored_key, server_key;

    memset(v, 0, sizeof(neon_scram_verifier_t));
    neon_rd_init(&r, text.data, text.len);

    if (neon_scram_verifier_until(&r, '$', &scheme) != NEON_OK
        || neon_scram_verifier_until(&r, ':', &iterations) != NEON_OK
        || neon_scram_verifier_until(&r, '$', &salt) != NEON_OK
        || neon_scram_verifier_until(&r, ':', &stored_key) != NEON_OK)
    {
        return NEON_ERROR;
    }

    server_key = neon_rd_bytes(&r, neon_rd_left(&r));

    if (!neon_str_eqz(scheme, "SCRAM-SHA-256")
        || neon_scram_msg_iterations(&v->iterations, iterations) != NEON_OK
        || neon_scram_msg_salt(v->salt, &v->salt_len, salt) != NEON_OK
        || neon_scram_msg_key(v->stored_key, stored_key) != NEON_OK
        || neon_scram_msg_key(v->server_key, server_key) != NEON_OK)
    {
        neon_wipe(v, sizeof(neon_scram_verifier_t));
        return NEON_ERROR;
    }

    return NEON_OK;
}


static neon_rc_e
neon_scram_verifier_until(neon_rd_t *r, uint8_t separator, neon_str_t *field)
{
    const uint8_t  *p;

    p = memchr(r->pos, separator, neon_rd_left(r));

    if (p == NULL) {
        return NEON_ERROR;
    }

    *field = neon_rd_bytes(r, (size_t) (p - r->pos));
    (void) neon_rd_u8(r);

    return NEON_OK;
}


neon_rc_e
neon_scram_verifier_mock(neon_scram_verifier_t *v, neon_str_t secret,
    neon_str_t endpoint, neon_str_t role)
{
    uint8_t    salt[NEON_SHA256_LEN];
    neon_rc_e  rc;

    memset(v, 0, sizeof(neon_scram_verifier_t));

    v->mock = 1;
    v->iterations = NEON_SCRAM_MOCK_ITER;
    v->salt_len = NEON_SCRAM_MOCK_SALT;

    rc = neon_scram_mock_bytes(salt, secret, endpoint, role, NULL);

    if (rc == NEON_OK) {
        memcpy(v->salt, salt, NEON_SCRAM_MOCK_SALT);
        rc = neon_scram_mock_bytes(v->stored_key, secret, endpoint, role,
                                   "StoredKey");
    }

    if (rc == NEON_OK) {
        rc = neon_scram_mock_bytes(v->server_key, secret, endpoint, role,
                                   "ServerKey");
    }

    neon_wipe(salt, sizeof(salt));

    return rc;
}


/*
 * HMAC(secret, endpoint NUL role [NUL use]).  A role holds no NUL, as it came
 * in a NUL-terminated string: no role's salt is another role's key.
 */

static neon_rc_e
neon_scram_mock_bytes(uint8_t out[NEON_SHA256_LEN], neon_str_t secret,
    neon_str_t endpoint, neon_str_t role, const char *use)
{
    neon_str_t  parts[5];

    parts[0] = endpoint;
    parts[1] = neon_str("", 1);
    parts[2] = role;

    if (use == NULL) {
        return neon_hmac_sha256(out, secret, parts, 3);
    }

    parts[3] = parts[1];
    parts[4] = neon_str(use, strlen(use));

    return neon_hmac_sha256(out, secret, parts, 5);
}


/*
 * PostgreSQL makes the verifier from SASLprep(password) where the password is
 * UTF-8 and SASLprep allows it, else from its bytes.  Tried here are the bytes
 * and then, if it differs, the password after SASLprep's mapping step.  That
 * is exact for ASCII, for bytes which are not UTF-8, for what SASLprep
 * prohibits, and for text in Unicode's normal form KC; text which is not (e.g.
 * a ligature, a full-width letter, an accent as a character of its own) does
 * not match a verifier of its normal form.  Nothing is mapped where
 * NEON_SCRAM_PREP_MAX bytes do not suffice.
 *
 * A mock takes the same way as a wrong password: the time does not tell.
 */

neon_rc_e
neon_scram_verify_password(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password,
    neon_scram_rest_t *rest)
{
    if (rest) {
        rest->valid = 0;
    }

    return neon_scram_verify(keys, v, password, NULL, rest);
}


neon_rc_e
neon_scram_verify_rest(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password,
    const neon_scram_rest_t *rest)
{
    return neon_scram_verify(keys, v, password, rest, NULL);
}


/* the mapped password where SASLprep maps something: PostgreSQL made it so */

neon_rc_e
neon_scram_password_keys(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password)
{
    uint8_t     mapped[NEON_SCRAM_PREP_MAX], salted[NEON_SHA256_LEN];
    neon_rc_e   rc;
    neon_wr_t   w;

    neon_wr_init(&w, mapped, sizeof(mapped));

    if (neon_scram_prep_map(&w, password) == NEON_OK) {
        password = neon_str(mapped, neon_wr_len(&w));
    }

    rc = neon_pbkdf2_sha256(salted, password, neon_str(v->salt, v->salt_len),
                            v->iterations);

    if (rc == NEON_OK) {
        rc = neon_scram_salted_key(keys->client_key, salted, "Client Key");
    }

    if (rc == NEON_OK) {
        rc = neon_scram_salted_key(keys->server_key, salted, "Server Key");
    }

    neon_wipe(mapped, sizeof(mapped));
    neon_wipe(salted, sizeof(salted));

    return rc;
}


static neon_rc_e
neon_scram_verify(neon_scram_keys_t *keys, const neon_scram_verifier_t *v,
    neon_str_t password, const neon_scram_rest_t *known,
    neon_scram_rest_t *made)
{
    uint8_t    mapped[NEON_SCRAM_PREP_MAX];
    neon_rc_e  rc;
    neon_wr_t  w;

    rc = neon_scram_verify_bytes(keys, v, password, known, made);

    if (rc != NEON_AGAIN) {
        return rc;
    }

    neon_wr_init(&w, mapped, sizeof(mapped));

    if (neon_scram_prep_map(&w, password) == NEON_OK) {
        rc = neon_scram_verify_bytes(keys, v,
                                     neon_str(mapped, neon_wr_len(&w)),
                                     known, made);
    }

    neon_wipe(mapped, sizeof(mapped));

    return rc;
}


static neon_rc_e
neon_scram_verify_bytes(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password,
    const neon_scram_rest_t *known, neon_scram_rest_t *made)
{
    uint8_t     salted[NEON_SHA256_LEN];
    neon_rc_e   rc;
    neon_str_t  salt;

    salt = neon_str(v->salt, v->salt_len);

    rc = neon_pbkdf2_sha256(salted, password, salt,
                            known ? NEON_SCRAM_REST_FROM : v->iterations);

    if (rc == NEON_OK && known) {
        neon_scram_xor(salted, known->rounds);
    }

    if (rc == NEON_OK) {
        rc = neon_scram_verify_salted(keys, v, salted);
    }

    if (rc == NEON_OK && made && v->iterations > NEON_SCRAM_REST_FROM) {
        rc = neon_pbkdf2_sha256(made->rounds, password, salt,
                                NEON_SCRAM_REST_FROM);
        neon_scram_xor(made->rounds, salted);
        made->valid = (rc == NEON_OK);
    }

    neon_wipe(salted, sizeof(salted));

    return rc;
}


/* RFC 5802, section 3 */

static neon_rc_e
neon_scram_verify_salted(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, const uint8_t salted[NEON_SHA256_LEN])
{
    int        equal;
    uint8_t    stored_key[NEON_SCRAM_KEY_LEN];
    neon_rc_e  rc;

    equal = 0;

    rc = neon_scram_salted_key(keys->client_key, salted, "Client Key");

    if (rc == NEON_OK) {
        rc = neon_sha256(stored_key, keys->client_key, NEON_SCRAM_KEY_LEN);
    }

    if (rc == NEON_OK) {
        equal = neon_equal(stored_key, v->stored_key, NEON_SCRAM_KEY_LEN)
                & !v->mock;
        memcpy(keys->server_key, v->server_key, NEON_SCRAM_KEY_LEN);
    }

    neon_wipe(stored_key, sizeof(stored_key));

    if (!equal) {
        neon_wipe(keys, sizeof(neon_scram_keys_t));
    }

    if (rc != NEON_OK) {
        return rc;
    }

    return equal ? NEON_OK : NEON_AGAIN;
}


static neon_rc_e
neon_scram_salted_key(uint8_t out[NEON_SCRAM_KEY_LEN],
    const uint8_t salted[NEON_SHA256_LEN], const char *name)
{
    neon_str_t  part;

    part = neon_str(name, strlen(name));

    return neon_hmac_sha256(out, neon_str(salted, NEON_SHA256_LEN), &part, 1);
}


static void
neon_scram_xor(uint8_t out[NEON_SHA256_LEN],
    const uint8_t with[NEON_SHA256_LEN])
{
    size_t  i;

    for (i = 0; i < NEON_SHA256_LEN; i++) {
        out[i] ^= with[i];
    }
}
