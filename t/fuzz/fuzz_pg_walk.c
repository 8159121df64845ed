/*
 * The boundary walker: any two streams, in chunks and byte by byte; and a
 * model of client and backend in which it must never say idle while work is
 * under way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "../unit/pg_model.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


static void
check_state(const neon_pg_walk_t *w)
{
    unsigned  i;

    check(w->client.nhead < 5 && w->compute.nhead < 5);
    check(w->blurred || w->pending <= NEON_PG_WALK_QUEUE);

    if (w->blurred || w->pending < NEON_PG_WALK_QUEUE) {
        for (i = 0; i < 3; i++) {
            check(w->queue[i] >> (w->blurred ? 0 : w->pending) == 0);
        }
    }

    if (neon_pg_walk_idle(w)) {
        check(neon_pg_walk_boundary(w) && !neon_pg_walk_busy(w));
        check(w->status == 'I' && !w->lost && w->pending == 0);
    }

    if (w->lost) {
        check(!neon_pg_walk_boundary(w) && neon_pg_walk_busy(w));
    }
}


/* the rest of a record: length and bytes of one side */

static void
check_streams(const uint8_t *p, size_t n)
{
    void           (*walk)(neon_pg_walk_t *w, const uint8_t *p, size_t n);
    size_t           i, len;
    neon_pg_walk_t   whole, bytes;

    neon_pg_walk_init(&whole, 'I');
    neon_pg_walk_init(&bytes, 'I');

    while (n > 0) {
        walk = (p[0] & 1) ? neon_pg_walk_client : neon_pg_walk_compute;
        len = p[0] >> 1;
        p++;
        n--;

        if (len > n) {
            len = n;
        }

        walk(&whole, p, len);
        check_state(&whole);

        for (i = 0; i < len; i++) {
            walk(&bytes, p + i, 1);
        }

        check(whole.lost == bytes.lost);

        if (!whole.lost) {
            bytes.client.tag = whole.client.tag;
            bytes.compute.tag = whole.compute.tag;
            check(memcmp(&whole, &bytes, sizeof(whole)) == 0);
        }

        p += len;
        n -= len;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model_t  m;

    if (size == 0) {
        return 0;
    }

    if (data[0] & 1) {
        check_streams(data + 1, size - 1);
        return 0;
    }

    model_run(&m, data + 1, size - 1);
    check_state(&m.w);

    return 0;
}
