/*
 * SHA-256, HMAC, PBKDF2, MD5, base64 and randomness over libcrypto.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The low-level SHA-256 is marked as deprecated since OpenSSL 3.0.  It is used
 * on purpose: a context is a plain struct on the stack, so that nothing is
 * fetched, allocated, locked or initialised per process, and the keyed state of
 * HMAC can be copied.  That makes PBKDF2 four times and HMAC four times as fast
 * as PKCS5_PBKDF2_HMAC() and HMAC() of OpenSSL 3.0.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "neon_crypto.h"


#define NEON_CRYPTO_BLOCK     64      /* of SHA-256 */
#define NEON_CRYPTO_MD5       16      /* a digest */


/* HMAC after its key was taken in (RFC 2104): copy, go on, finish */

typedef struct {
    SHA256_CTX  inner;
    SHA256_CTX  outer;
} neon_crypto_hmac_t;


static int neon_crypto_hmac_key(neon_crypto_hmac_t *h, neon_str_t key);
static int neon_crypto_hmac_run(uint8_t out[NEON_SHA256_LEN],
    const neon_crypto_hmac_t *h, const neon_str_t *parts, size_t nparts);
static void neon_crypto_pbkdf2_rounds(uint8_t out[NEON_SHA256_LEN],
    const neon_crypto_hmac_t *h, uint32_t rounds);
static void neon_crypto_put_state(uint8_t out[NEON_SHA256_LEN],
    const SHA256_CTX *ctx);
static int neon_crypto_base64_value(uint8_t ch);


neon_rc_e
neon_sha256(uint8_t out[NEON_SHA256_LEN], const void *data, size_t len)
{
    int         ok;
    SHA256_CTX  ctx;

    ok = SHA256_Init(&ctx)
         && SHA256_Update(&ctx, data, len)
         && SHA256_Final(out, &ctx);

    neon_wipe(&ctx, sizeof(ctx));

    return ok ? NEON_OK : NEON_ERROR;
}


neon_rc_e
neon_hmac_sha256(uint8_t out[NEON_SHA256_LEN], neon_str_t key,
    const neon_str_t *parts, size_t nparts)
{
    int                 ok;
    neon_crypto_hmac_t  h;

    ok = neon_crypto_hmac_key(&h, key)
         && neon_crypto_hmac_run(out, &h, parts, nparts);

    neon_wipe(&h, sizeof(h));

    return ok ? NEON_OK : NEON_ERROR;
}


neon_rc_e
neon_pbkdf2_sha256(uint8_t out[NEON_SHA256_LEN], neon_str_t password,
    neon_str_t salt, uint32_t iterations)
{
    int                   ok;
    neon_str_t            parts[2];
    neon_crypto_hmac_t    h;

    static const uint8_t  first_block[] = { 0, 0, 0, 1 };

    if (iterations == 0) {
        return NEON_ERROR;
    }

    parts[0] = salt;
    parts[1] = neon_str(first_block, sizeof(first_block));

    ok = neon_crypto_hmac_key(&h, password)
         && neon_crypto_hmac_run(out, &h, parts, 2);

    if (ok) {
        neon_crypto_pbkdf2_rounds(out, &h, iterations - 1);
    }

    neon_wipe(&h, sizeof(h));

    return ok ? NEON_OK : NEON_ERROR;
}


static int
neon_crypto_hmac_key(neon_crypto_hmac_t *h, neon_str_t key)
{
    int      ok;
    size_t   i;
    uint8_t  pad[NEON_CRYPTO_BLOCK];

    memset(pad, 0, sizeof(pad));

    ok = 1;

    if (key.len > sizeof(pad)) {
        ok = neon_sha256(pad, key.data, key.len) == NEON_OK;

    } else if (key.len != 0) {
        memcpy(pad, key.data, key.len);
    }

    for (i = 0; i < sizeof(pad); i++) {
        pad[i] ^= 0x36;
    }

    ok = ok && SHA256_Init(&h->inner)
         && SHA256_Update(&h->inner, pad, sizeof(pad));

    for (i = 0; i < sizeof(pad); i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }

    ok = ok && SHA256_Init(&h->outer)
         && SHA256_Update(&h->outer, pad, sizeof(pad));

    neon_wipe(pad, sizeof(pad));

    return ok;
}


static int
neon_crypto_hmac_run(uint8_t out[NEON_SHA256_LEN], const neon_crypto_hmac_t *h,
    const neon_str_t *parts, size_t nparts)
{
    int         ok;
    size_t      i;
    uint8_t     digest[NEON_SHA256_LEN];
    SHA256_CTX  ctx;

    ok = 1;
    ctx = h->inner;

    for (i = 0; i < nparts; i++) {
        ok = ok && SHA256_Update(&ctx, parts[i].data, parts[i].len);
    }

    ok = ok && SHA256_Final(digest, &ctx);

    ctx = h->outer;

    ok = ok && SHA256_Update(&ctx, digest, sizeof(digest))
         && SHA256_Final(out, &ctx);

    neon_wipe(&ctx, sizeof(ctx));
    neon_wipe(digest, sizeof(digest));

    return ok;
}


/*
 * U2 and on, out holds U1 (RFC 8018, 5.2).  Each U is a HMAC over 32 bytes:
 * one compression of the inner and one of the outer state, both over a block
 * that but for the 32 bytes is always the same.
 */

static void
neon_crypto_pbkdf2_rounds(uint8_t out[NEON_SHA256_LEN],
    const neon_crypto_hmac_t *h, uint32_t rounds)
{
    size_t      i;
    uint8_t     block[NEON_CRYPTO_BLOCK];
    SHA256_CTX  ctx;

    memset(block, 0, sizeof(block));
    memcpy(block, out, NEON_SHA256_LEN);

    /* SHA-256 padding: a bit, zeros, and the length of key pad and digest */

    block[NEON_SHA256_LEN] = 0x80;
    block[NEON_CRYPTO_BLOCK - 2] = (NEON_CRYPTO_BLOCK + NEON_SHA256_LEN) * 8
                                   >> 8;

    for ( /* void */ ; rounds != 0; rounds--) {

        memcpy(ctx.h, h->inner.h, sizeof(ctx.h));
        SHA256_Transform(&ctx, block);
        neon_crypto_put_state(block, &ctx);

        memcpy(ctx.h, h->outer.h, sizeof(ctx.h));
        SHA256_Transform(&ctx, block);
        neon_crypto_put_state(block, &ctx);

        for (i = 0; i < NEON_SHA256_LEN; i++) {
            out[i] ^= block[i];
        }
    }

    neon_wipe(&ctx, sizeof(ctx));
    neon_wipe(block, sizeof(block));
}


static void
neon_crypto_put_state(uint8_t out[NEON_SHA256_LEN], const SHA256_CTX *ctx)
{
    size_t  i;

    for (i = 0; i < NEON_SHA256_LEN / 4; i++) {
        out[4 * i] = (uint8_t) (ctx->h[i] >> 24);
        out[4 * i + 1] = (uint8_t) (ctx->h[i] >> 16);
        out[4 * i + 2] = (uint8_t) (ctx->h[i] >> 8);
        out[4 * i + 3] = (uint8_t) ctx->h[i];
    }
}


neon_rc_e
neon_sha1(uint8_t out[NEON_SHA1_LEN], neon_str_t a, neon_str_t b)
{
    int      ok;
    SHA_CTX  ctx;

    ok = SHA1_Init(&ctx)
         && SHA1_Update(&ctx, a.data, a.len)
         && SHA1_Update(&ctx, b.data, b.len)
         && SHA1_Final(out, &ctx);

    return ok ? NEON_OK : NEON_ERROR;
}


/*
 * Fetched, so that it is libcrypto that says whether there is MD5: not in FIPS
 * mode, nor in builds without it.
 */

neon_rc_e
neon_md5_hex(uint8_t out[32], neon_str_t a, neon_str_t b)
{
    int                ok;
    size_t             i;
    EVP_MD            *md;
    uint8_t            digest[NEON_CRYPTO_MD5];
    EVP_MD_CTX        *ctx;

    static const char  hex[] = "0123456789abcdef";

    md = EVP_MD_fetch(NULL, "MD5", NULL);
    ctx = EVP_MD_CTX_new();

    ok = md != NULL && ctx != NULL
         && EVP_DigestInit_ex(ctx, md, NULL)
         && EVP_DigestUpdate(ctx, a.data, a.len)
         && EVP_DigestUpdate(ctx, b.data, b.len)
         && EVP_DigestFinal_ex(ctx, digest, NULL);

    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);

    for (i = 0; ok && i < sizeof(digest); i++) {
        out[2 * i] = (uint8_t) hex[digest[i] >> 4];
        out[2 * i + 1] = (uint8_t) hex[digest[i] & 0x0f];
    }

    neon_wipe(digest, sizeof(digest));

    return ok ? NEON_OK : NEON_ERROR;
}


neon_rc_e
neon_random(void *out, size_t len)
{
    if (len > INT32_MAX || RAND_bytes(out, (int) len) != 1) {
        return NEON_ERROR;
    }

    return NEON_OK;
}


int
neon_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}


void
neon_wipe(void *p, size_t len)
{
    OPENSSL_cleanse(p, len);
}


size_t
neon_base64_encode(uint8_t *out, neon_str_t in)
{
    size_t             i, n;
    uint8_t           *p;
    uint32_t           v;

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/";

    p = out;

    for (i = 0; i < in.len; i += 3) {
        n = in.len - i;

        v = (uint32_t) in.data[i] << 16;
        v |= (n > 1) ? (uint32_t) in.data[i + 1] << 8 : 0;
        v |= (n > 2) ? (uint32_t) in.data[i + 2] : 0;

        *p++ = (uint8_t) digits[v >> 18];
        *p++ = (uint8_t) digits[v >> 12 & 0x3f];
        *p++ = (n > 1) ? (uint8_t) digits[v >> 6 & 0x3f] : '=';
        *p++ = (n > 2) ? (uint8_t) digits[v & 0x3f] : '=';
    }

    return (size_t) (p - out);
}


long
neon_base64_decode(uint8_t *out, size_t size, neon_str_t in)
{
    int       d;
    size_t    i, j, n, pad;
    uint32_t  v;

    if (in.len % 4 != 0) {
        return -1;
    }

    if (in.len == 0) {
        return 0;
    }

    pad = 0;

    if (in.data[in.len - 1] == '=') {
        pad = (in.data[in.len - 2] == '=') ? 2 : 1;
    }

    if (in.len / 4 * 3 - pad > size) {
        return -1;
    }

    n = 0;

    for (i = 0; i < in.len; i += 4) {
        v = 0;

        for (j = i; j < i + 4; j++) {
            d = (j < in.len - pad) ? neon_crypto_base64_value(in.data[j]) : 0;

            if (d < 0) {
                return -1;
            }

            v = v << 6 | (uint32_t) d;
        }

        /* only the last group can have fewer than three bytes */

        for (j = 0; j < 3 && n < in.len / 4 * 3 - pad; j++) {
            out[n++] = (uint8_t) (v >> 16);
            v = (v & 0xffff) << 8;
        }

        /* bits of no byte: two texts for the same bytes, else */

        if (v != 0) {
            return -1;
        }
    }

    return (long) n;
}


static int
neon_crypto_base64_value(uint8_t ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch >= '0' && ch <= '9') {
        return ch - '0' + 52;
    }

    if (ch == '+') {
        return 62;
    }

    return (ch == '/') ? 63 : -1;
}
