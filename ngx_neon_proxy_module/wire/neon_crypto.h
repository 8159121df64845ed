/*
 * The primitives that wire/ needs, over libcrypto: the only file of wire/
 * that includes OpenSSL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_CRYPTO_H
#define NEON_CRYPTO_H


#include "neon_buf.h"


#define NEON_SHA256_LEN       32
#define NEON_SHA1_LEN         20


/*
 * Nothing here needs an initialisation, allocates (but in libcrypto, for MD5),
 * or keeps state between calls (neon_random() but for libcrypto's generator),
 * so that threads may call it.  Each answers NEON_OK or NEON_ERROR (libcrypto
 * failed).
 */
neon_rc_e neon_sha256(uint8_t out[NEON_SHA256_LEN], const void *data,
    size_t len);
neon_rc_e neon_hmac_sha256(uint8_t out[NEON_SHA256_LEN], neon_str_t key,
    const neon_str_t *parts, size_t nparts);

/* RFC 5802 Hi(): PBKDF2 with HMAC-SHA-256; takes milliseconds; iterations of
   0 are an error */
neon_rc_e neon_pbkdf2_sha256(uint8_t out[NEON_SHA256_LEN],
    neon_str_t password, neon_str_t salt, uint32_t iterations);

/* over the concatenation; for RFC 6455 only */
neon_rc_e neon_sha1(uint8_t out[NEON_SHA1_LEN], neon_str_t a, neon_str_t b);

/* lower-case hex of MD5 over the concatenation, 32 bytes, no NUL; NEON_ERROR
   where there is no MD5 (FIPS) */
neon_rc_e neon_md5_hex(uint8_t out[32], neon_str_t a, neon_str_t b);

neon_rc_e neon_random(void *out, size_t len);

/* constant time; 1 if equal */
int neon_equal(const void *a, const void *b, size_t len);
void neon_wipe(void *p, size_t len);

/*
 * RFC 4648 with padding; decoding is strict: no white space, no missing
 * padding, unused bits are zero.  Decode answers the length, or -1 where the
 * text is not base64 or its bytes do not fit into size.
 */
size_t neon_base64_encode(uint8_t *out, neon_str_t in);
long neon_base64_decode(uint8_t *out, size_t size, neon_str_t in);

#define neon_base64_len(n)    (((n) + 2) / 3 * 4)


#endif /* NEON_CRYPTO_H */
