/*
 * The grammar that SCRAM messages of both sides share (RFC 5802, section 7);
 * for the neon_scram_*.c files only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_SCRAM_MSG_H
#define NEON_SCRAM_MSG_H


#include "neon_scram.h"


#define NEON_SCRAM_MSG_CBIND_TYPE  "tls-server-end-point"

#define NEON_SCRAM_MSG_GS2_MAX                                                \
    (sizeof("p=" NEON_SCRAM_MSG_CBIND_TYPE ",,") - 1)

/* the value of c= */
#define NEON_SCRAM_MSG_CBIND_LEN                                              \
    neon_base64_len(NEON_SCRAM_MSG_GS2_MAX + NEON_SCRAM_CBIND_MAX)


/* within the bound for messages, and without a NUL */
int neon_scram_msg_valid(neon_str_t msg);

/*
 * The attribute name=value, which must be the next one; a comma behind it is
 * consumed and promises another.  The value may be empty.
 */
neon_rc_e neon_scram_msg_attr(neon_rd_t *r, uint8_t name, neon_str_t *value);

/* all attributes that are left; NEON_ERROR: malformed, or a mandatory one */
neon_rc_e neon_scram_msg_extensions(neon_rd_t *r);

/* printable ASCII without comma, not empty */
int neon_scram_msg_nonce_valid(neon_str_t nonce);

/* an iteration count without sign or leading zero, at most
   NEON_SCRAM_ITER_MAX */
neon_rc_e neon_scram_msg_iterations(uint32_t *n, neon_str_t text);

/* base64 of 1 to NEON_SCRAM_SALT_MAX bytes */
neon_rc_e neon_scram_msg_salt(uint8_t salt[NEON_SCRAM_SALT_MAX],
    uint16_t *len, neon_str_t text);

/* base64 of a key, proof or signature */
neon_rc_e neon_scram_msg_key(uint8_t key[NEON_SCRAM_KEY_LEN],
    neon_str_t text);

void neon_scram_msg_put_gs2(neon_wr_t *out, uint8_t gs2_flag);
void neon_scram_msg_put_base64(neon_wr_t *out, neon_str_t bytes);

/* the value of c=: GS2 header and channel binding data */
void neon_scram_msg_put_cbind(neon_wr_t *out, uint8_t gs2_flag,
    neon_str_t cbind);

/* ClientProof from ClientKey and ClientSignature, and back */
void neon_scram_msg_xor(uint8_t out[NEON_SCRAM_KEY_LEN],
    const uint8_t a[NEON_SCRAM_KEY_LEN], const uint8_t b[NEON_SCRAM_KEY_LEN]);


#endif /* NEON_SCRAM_MSG_H */
