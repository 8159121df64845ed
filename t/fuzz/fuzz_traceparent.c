/*
 * "traceparent": what is taken is valid, and comes back as it was written; of
 * version 00 every byte does, but for flags without a meaning.  "tracestate":
 * what is passed on is the beginning of it, and passes again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_traceparent.h"


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
    uint8_t             out[NEON_TRACEPARENT_LEN];
    neon_rc_e           rc;
    neon_str_t          state, twice;
    neon_traceparent_t  t, again;

    state = neon_traceparent_state(neon_str(data, size));
    twice = neon_traceparent_state(state);

    check(state.len <= size && state.len <= NEON_TRACESTATE_MAX);
    check(state.len == 0 || state.data == data);
    check(twice.len == state.len);
    check(state.len == 0 || memchr(data, '\n', state.len) == NULL);

    rc = neon_traceparent_parse(&t, neon_str(data, size));
    check(t.given == (rc == NEON_OK));

    if (rc != NEON_OK) {
        return 0;
    }

    check(size >= NEON_TRACEPARENT_LEN);

    neon_traceparent_write(out, &t);
    check(memcmp(out, "00-", 3) == 0);
    check(memcmp(out + 2, data + 2, 51) == 0);

    if (memcmp(data, "00", 2) == 0) {
        check(size == NEON_TRACEPARENT_LEN && memcmp(out, data, size - 2) == 0);
    }

    check(neon_traceparent_parse(&again, neon_str(out, sizeof(out)))
          == NEON_OK);
    check(memcmp(&t, &again, sizeof(t)) == 0);

    return 0;
}
