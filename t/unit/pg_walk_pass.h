/*
 * Messages for the boundary walker.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef PG_WALK_PASS_H
#define PG_WALK_PASS_H


#include "neon_pg_walk.h"


/* sends a message in chunks of `chunk` bytes; 0: whole */

static void
pass(neon_pg_walk_t *w, unsigned client, uint8_t tag, uint8_t status,
    size_t chunk)
{
    void    (*walk)(neon_pg_walk_t *w, const uint8_t *p, size_t n);
    size_t    i, n, len;
    uint8_t   buf[16];

    len = (tag == 'Z') ? 6 : (strchr("SHcX123", tag) ? 5 : 12);

    memset(buf, 'Z', sizeof(buf));
    memset(buf + 1, 0, 4);
    buf[0] = tag;
    buf[4] = (uint8_t) (len - 1);
    buf[5] = status;

    walk = client ? neon_pg_walk_client : neon_pg_walk_compute;

    if (chunk == 0) {
        walk(w, buf, len);
        return;
    }

    for (i = 0; i < len; i += n) {
        n = (len - i < chunk) ? len - i : chunk;
        walk(w, buf + i, n);

        if (i + n < len) {
            assert_false(neon_pg_walk_idle(w));
            assert_false(neon_pg_walk_boundary(w));
        }
    }
}


#endif /* PG_WALK_PASS_H */
