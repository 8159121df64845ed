/*
 * SASLprep's mapping step over UTF-8.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_scram_prep.h"


#define NEON_SCRAM_PREP_BAD   UINT32_MAX


static uint32_t neon_scram_prep_decode(neon_rd_t *r);
static int neon_scram_prep_is_space(uint32_t cp);
static int neon_scram_prep_is_nothing(uint32_t cp);


neon_rc_e
neon_scram_prep_map(neon_wr_t *out, neon_str_t password)
{
    unsigned        mapped;
    uint32_t        cp;
    neon_rd_t       r;
    const uint8_t  *p;

    mapped = 0;

    neon_rd_init(&r, password.data, password.len);

    while (neon_rd_left(&r) != 0) {
        p = r.pos;
        cp = neon_scram_prep_decode(&r);

        if (cp == NEON_SCRAM_PREP_BAD) {
            return NEON_AGAIN;
        }

        /* U+200B is in both tables; PostgreSQL looks for spaces first */

        if (neon_scram_prep_is_space(cp)) {
            neon_wr_u8(out, ' ');
            mapped = 1;

        } else if (neon_scram_prep_is_nothing(cp)) {
            mapped = 1;

        } else {
            neon_wr_bytes(out, p, (size_t) (r.pos - p));
        }
    }

    if (!mapped || neon_wr_len(out) == 0 || out->error) {
        return NEON_AGAIN;
    }

    return NEON_OK;
}


/* one code point; RFC 3629: shortest form, no surrogates, at most U+10FFFF */

static uint32_t
neon_scram_prep_decode(neon_rd_t *r)
{
    size_t                 i, n;
    uint8_t                ch;
    uint32_t               cp;

    static const uint32_t  least[] = { 0, 0x80, 0x800, 0x10000 };

    ch = neon_rd_u8(r);

    if (ch < 0x80) {
        return ch;
    }

    if (ch < 0xc0 || ch > 0xf7) {
        return NEON_SCRAM_PREP_BAD;
    }

    n = (ch < 0xe0) ? 1 : (ch < 0xf0) ? 2 : 3;
    cp = ch & (0x3fU >> n);

    for (i = 0; i < n; i++) {
        ch = neon_rd_u8(r);

        if ((ch & 0xc0) != 0x80) {
            return NEON_SCRAM_PREP_BAD;
        }

        cp = cp << 6 | (ch & 0x3fU);
    }

    if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) {
        return NEON_SCRAM_PREP_BAD;
    }

    return cp;
}


/* RFC 3454, table C.1.2 */

static int
neon_scram_prep_is_space(uint32_t cp)
{
    return cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200b)
           || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}


/* RFC 3454, table B.1 */

static int
neon_scram_prep_is_nothing(uint32_t cp)
{
    return cp == 0xad || cp == 0x34f || cp == 0x1806
           || (cp >= 0x180b && cp <= 0x180d)
           || (cp >= 0x200b && cp <= 0x200d)
           || cp == 0x2060 || (cp >= 0xfe00 && cp <= 0xfe0f) || cp == 0xfeff;
}
