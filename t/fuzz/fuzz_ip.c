/*
 * IP lists: 16 bytes of address, the text of a range.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_ip.h"


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
    int              in, reversed;
    neon_ip_t        v4, v6;
    neon_ip_range_t  range;

    if (size < 16) {
        return 0;
    }

    check(neon_ip_set(&v4, data, 4) == NEON_OK && v4.len == 4);
    check(neon_ip_set(&v6, data, 16) == NEON_OK);

    if (neon_ip_range_parse(&range, neon_str(data + 16, size - 16))
        != NEON_OK)
    {
        return 0;
    }

    check(range.from.len == range.to.len);
    check(range.from.len == 4 || range.from.len == 16);

    reversed = memcmp(range.from.addr, range.to.addr, range.from.len) > 0;

    check(neon_ip_in_range(&range.from, &range) == !reversed);
    check(neon_ip_in_range(&range.to, &range) == !reversed);

    in = neon_ip_in_range(&v4, &range) + 2 * neon_ip_in_range(&v6, &range);

    check(in == 0 || !reversed);
    check(in != 3 || v6.len == 4);

    return 0;
}
