/*
 * SipHash-2-4.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_hash.h"


typedef struct {
    uint64_t          v[4];
    uint64_t          word;           /* bytes that do not fill one yet */
    size_t            len;            /* of all bytes so far */
} neon_hash_t;


static uint64_t neon_hash_load(const uint8_t *p);
static uint64_t neon_hash_rotate(uint64_t x, unsigned n);
static void neon_hash_round(neon_hash_t *h);
static void neon_hash_word(neon_hash_t *h, uint64_t word);
static void neon_hash_part(neon_hash_t *h, neon_str_t part);


uint64_t
neon_hash(const uint8_t secret[NEON_HASH_SECRET], const neon_str_t *parts,
    size_t nparts)
{
    size_t       i;
    uint64_t     k0, k1;
    neon_hash_t  h;

    k0 = neon_hash_load(secret);
    k1 = neon_hash_load(secret + 8);

    h.v[0] = k0 ^ 0x736f6d6570736575ULL;
    h.v[1] = k1 ^ 0x646f72616e646f6dULL;
    h.v[2] = k0 ^ 0x6c7967656e657261ULL;
    h.v[3] = k1 ^ 0x7465646279746573ULL;
    h.word = 0;
    h.len = 0;

    for (i = 0; i < nparts; i++) {
        neon_hash_part(&h, parts[i]);
    }

    neon_hash_word(&h, h.word | (uint64_t) h.len << 56);

    h.v[2] ^= 0xff;

    for (i = 0; i < 4; i++) {
        neon_hash_round(&h);
    }

    return h.v[0] ^ h.v[1] ^ h.v[2] ^ h.v[3];
}


static void
neon_hash_part(neon_hash_t *h, neon_str_t part)
{
    size_t          n;
    const uint8_t  *p, *last;

    n = part.len;

    if (n == 0) {
        return;
    }

    p = part.data;
    last = p + n;

    while (p < last) {

        if (h->len % 8 == 0 && last - p >= 8) {
            neon_hash_word(h, neon_hash_load(p));
            h->len += 8;
            p += 8;
            continue;
        }

        h->word |= (uint64_t) *p++ << (8 * (h->len % 8));
        h->len++;

        if (h->len % 8 == 0) {
            neon_hash_word(h, h->word);
            h->word = 0;
        }
    }
}


/* little-endian, as the paper has it */

static uint64_t
neon_hash_load(const uint8_t *p)
{
    unsigned  i;
    uint64_t  x;

    x = 0;

    for (i = 0; i < 8; i++) {
        x |= (uint64_t) p[i] << (8 * i);
    }

    return x;
}


static uint64_t
neon_hash_rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}


static void
neon_hash_word(neon_hash_t *h, uint64_t word)
{
    h->v[3] ^= word;
    neon_hash_round(h);
    neon_hash_round(h);
    h->v[0] ^= word;
}


static void
neon_hash_round(neon_hash_t *h)
{
    uint64_t  *v;

    v = h->v;

    v[0] += v[1];
    v[1] = neon_hash_rotate(v[1], 13) ^ v[0];
    v[0] = neon_hash_rotate(v[0], 32);

    v[2] += v[3];
    v[3] = neon_hash_rotate(v[3], 16) ^ v[2];

    v[0] += v[3];
    v[3] = neon_hash_rotate(v[3], 21) ^ v[0];

    v[2] += v[1];
    v[1] = neon_hash_rotate(v[1], 17) ^ v[2];
    v[2] = neon_hash_rotate(v[2], 32);
}
