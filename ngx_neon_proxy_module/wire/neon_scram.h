/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; channel binding
 * tls-server-end-point, RFC 5929): the server side towards the client, the
 * client side towards the compute, which works from ClientKey and ServerKey
 * in place of a password.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_SCRAM_H
#define NEON_SCRAM_H


#include "neon_buf.h"
#include "neon_crypto.h"


#define NEON_SCRAM_KEY_LEN        32
#define NEON_SCRAM_SALT_MAX       256
#define NEON_SCRAM_NONCE_MAX      256     /* of each side */
#define NEON_SCRAM_MSG_MAX        1024    /* longest message of ours */
#define NEON_SCRAM_CBIND_MAX      64      /* hash of the certificate */
#define NEON_SCRAM_ITER_MAX       10000000
#define NEON_SCRAM_RAW_NONCE      18      /* random bytes of our nonces */


/* what a role's SCRAM verifier holds; never the password */

typedef struct {
    uint32_t          iterations;
    uint16_t          salt_len;
    uint8_t           salt[NEON_SCRAM_SALT_MAX];
    uint8_t           stored_key[NEON_SCRAM_KEY_LEN];
    uint8_t           server_key[NEON_SCRAM_KEY_LEN];
    unsigned          mock:1;             /* of an unknown role: every proof
                                             fails, at the usual place */
} neon_scram_verifier_t;


typedef struct {
    uint8_t           client_key[NEON_SCRAM_KEY_LEN];
    uint8_t           server_key[NEON_SCRAM_KEY_LEN];
} neon_scram_keys_t;


/*
 * The XOR of all rounds of PBKDF2 but the first NEON_SCRAM_REST_FROM.  Those it
 * takes the password for, so this is neither a hash of it nor a key.
 */

#define NEON_SCRAM_REST_FROM      16

typedef struct {
    uint8_t           rounds[NEON_SCRAM_KEY_LEN];
    unsigned          valid:1;            /* there are more rounds than that */
} neon_scram_rest_t;


/* SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> */
neon_rc_e neon_scram_verifier_parse(neon_scram_verifier_t *v, neon_str_t text);

/*
 * The verifier of a role that does not exist: usual iterations (4096) and a
 * 16 byte salt = HMAC(secret, endpoint NUL role), so the same at each attempt;
 * keys from the same secret, so that all the arithmetic is done.
 */
neon_rc_e neon_scram_verifier_mock(neon_scram_verifier_t *v,
    neon_str_t secret, neon_str_t endpoint, neon_str_t role);

/*
 * Checks a cleartext password against the verifier: PBKDF2, for a thread; a
 * second one only if the bytes do not match and hold what SASLprep maps (the
 * .c says how much of SASLprep is covered).  NEON_OK and keys, or NEON_AGAIN:
 * it does not match; NEON_ERROR: libcrypto.  *rest, where it is not NULL, is
 * set if the password matches.
 */
neon_rc_e neon_scram_verify_password(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password,
    neon_scram_rest_t *rest);

/*
 * The same in microseconds, with what an earlier check of a password against
 * the same verifier left behind.  NEON_AGAIN: not that password.
 */
neon_rc_e neon_scram_verify_rest(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password,
    const neon_scram_rest_t *rest);

/*
 * The keys of a password, as a SCRAM client has them, with salt and iterations
 * of v: PBKDF2, for a thread.
 */
neon_rc_e neon_scram_password_keys(neon_scram_keys_t *keys,
    const neon_scram_verifier_t *v, neon_str_t password);


/* --- server ------------------------------------------------------------ */

typedef enum {
    NEON_SCRAM_FAIL_NONE = 0,
    NEON_SCRAM_FAIL_PROTOCOL,         /* malformed, unknown mechanism, nonce:
                                         08P01 */
    NEON_SCRAM_FAIL_PROOF,            /* wrong password: 28P01 */
    NEON_SCRAM_FAIL_CBIND,            /* channel binding does not match */
    NEON_SCRAM_FAIL_CBIND_TYPE,       /* unknown channel binding type */
    NEON_SCRAM_FAIL_DOWNGRADE         /* flag y though we offered PLUS */
} neon_scram_fail_e;


typedef struct {
    uint8_t           nonce[NEON_SCRAM_NONCE_MAX
                            + neon_base64_len(NEON_SCRAM_RAW_NONCE)];
    uint16_t          nonce_len;
    uint16_t          cbind_len;      /* 0: PLUS is not offered */
    uint8_t           cbind[NEON_SCRAM_CBIND_MAX];
    uint8_t           gs2_flag;       /* n, y or p */
    uint8_t           auth[2 * NEON_SCRAM_MSG_MAX];
    uint16_t          auth_len;       /* client-first-bare,server-first */
    neon_scram_fail_e fail;
} neon_scram_server_t;


/*
 * cbind: hash of the certificate, or empty.  Storage of some 3 KiB: for the
 * time of the exchange only.
 */
void neon_scram_server_init(neon_scram_server_t *s, neon_str_t cbind);

/*
 * client-first-message in, server-first-message out.  raw_nonce: 18 bytes
 * from a CSPRNG.  NEON_ERROR: s->fail says why.
 */
neon_rc_e neon_scram_server_first(neon_scram_server_t *s,
    neon_str_t mechanism, neon_str_t in, const neon_scram_verifier_t *v,
    const uint8_t raw_nonce[NEON_SCRAM_RAW_NONCE], neon_wr_t *out);

/*
 * client-final-message in; NEON_OK: the proof is right, server-final-message
 * is in out and keys hold ClientKey (recovered from the proof) and ServerKey.
 */
neon_rc_e neon_scram_server_final(neon_scram_server_t *s, neon_str_t in,
    const neon_scram_verifier_t *v, neon_scram_keys_t *keys, neon_wr_t *out);


/* --- client ------------------------------------------------------------ */

typedef enum {
    NEON_SCRAM_CLIENT_FAIL_NONE = 0,
    NEON_SCRAM_CLIENT_FAIL_PROTOCOL,  /* malformed, limits, nonce */
    NEON_SCRAM_CLIENT_FAIL_SALT,      /* salt or iterations are not those of
                                         the verifier: the keys cannot work */
    NEON_SCRAM_CLIENT_FAIL_SERVER     /* server signature is wrong, or e=... */
} neon_scram_client_fail_e;


typedef enum {
    NEON_SCRAM_CLIENT_NONE = 0,       /* not begun, failed, or over */
    NEON_SCRAM_CLIENT_SENT_FIRST,
    NEON_SCRAM_CLIENT_SENT_FINAL
} neon_scram_client_step_e;


typedef struct {
    uint8_t           nonce[neon_base64_len(NEON_SCRAM_RAW_NONCE)];
    uint8_t           cbind[NEON_SCRAM_CBIND_MAX];
    uint16_t          cbind_len;      /* with plus */
    uint8_t           gs2_flag;       /* n, y or p */
    uint8_t           signature[NEON_SCRAM_KEY_LEN];  /* expected */
    neon_scram_client_step_e  step;   /* no message out of turn */
    neon_scram_client_fail_e  fail;
} neon_scram_client_t;


/*
 * gs2_flag: 'n', 'y' (we could bind, the server does not offer it) or 'p'.
 * Writes client-first-message.
 */
neon_rc_e neon_scram_client_first(neon_scram_client_t *c, uint8_t gs2_flag,
    neon_str_t cbind, const uint8_t raw_nonce[NEON_SCRAM_RAW_NONCE],
    neon_wr_t *out);

/*
 * server-first-message in; sets salt and iterations of v, for
 * neon_scram_password_keys(): who has a password needs no verifier.
 */
neon_rc_e neon_scram_client_salt(neon_scram_client_t *c, neon_str_t in,
    neon_scram_verifier_t *v);

/* server-first-message in, client-final-message out */
neon_rc_e neon_scram_client_final(neon_scram_client_t *c, neon_str_t in,
    const neon_scram_verifier_t *v, const neon_scram_keys_t *keys,
    neon_wr_t *out);

/* server-final-message in */
neon_rc_e neon_scram_client_verify(neon_scram_client_t *c, neon_str_t in);


#endif /* NEON_SCRAM_H */
