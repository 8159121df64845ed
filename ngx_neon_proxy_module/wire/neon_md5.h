/*
 * PostgreSQL's MD5 passwords: "md5" and the hex digits of MD5(password, role).
 * Whoever has these can log in with them, as with the password.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_MD5_H
#define NEON_MD5_H


#include "neon_buf.h"


#define NEON_MD5_HEX          32
#define NEON_MD5_TEXT_LEN     (3 + NEON_MD5_HEX)
#define NEON_MD5_SALT_LEN     4       /* of AuthenticationMD5Password */


typedef struct {
    uint8_t           hex[NEON_MD5_HEX];
} neon_md5_t;


/* "md5" and 32 lower-case hex digits, as in pg_authid */
neon_rc_e neon_md5_parse(neon_md5_t *v, neon_str_t text);

/* NEON_ERROR, also of those below: libcrypto has no MD5 */
neon_rc_e neon_md5_make(neon_md5_t *v, neon_str_t password, neon_str_t role);

/* what a client answers to that salt */
neon_rc_e neon_md5_answer(uint8_t out[NEON_MD5_TEXT_LEN], const neon_md5_t *v,
    neon_str_t salt);

/* constant time; NEON_AGAIN: it does not match */
neon_rc_e neon_md5_verify_password(const neon_md5_t *v, neon_str_t password,
    neon_str_t role);
neon_rc_e neon_md5_verify_answer(const neon_md5_t *v, neon_str_t salt,
    neon_str_t answer);


#endif /* NEON_MD5_H */
