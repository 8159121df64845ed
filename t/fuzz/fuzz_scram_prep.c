/*
 * SASLprep's mapping of a password: what it gives is shorter or the same, has
 * nothing left to map, and needs the room that it takes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_scram_prep.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      len;
    uint8_t    *out, *again;
    neon_wr_t   w, w2;

    out = malloc(size + 1);
    again = malloc(size + 1);
    check(out != NULL && again != NULL);

    neon_wr_init(&w, out, size);

    if (neon_scram_prep_map(&w, neon_str(data, size)) == NEON_OK) {
        len = neon_wr_len(&w);
        check(len > 0 && len <= size);

        neon_wr_init(&w2, again, size);
        check(neon_scram_prep_map(&w2, neon_str(out, len)) == NEON_AGAIN);
        check(neon_wr_len(&w2) == len && memcmp(out, again, len) == 0);

        neon_wr_init(&w2, again, len - 1);
        check(neon_scram_prep_map(&w2, neon_str(data, size)) == NEON_AGAIN);
    }

    free(out);
    free(again);

    return 0;
}
