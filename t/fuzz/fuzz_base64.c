/*
 * Base64: a text that is taken is the only one of its bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_crypto.h"


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
    long      n;
    size_t    room;
    uint8_t  *bytes, *text;

    if (size == 0) {
        return 0;
    }

    /* the first byte says how much room there is, exactly */

    room = data[0];
    data++;
    size--;

    bytes = malloc(room + 1);
    text = malloc(neon_base64_len(room) + 1);
    check(bytes != NULL && text != NULL);

    n = neon_base64_decode(bytes + 1, room, neon_str(data, size));
    check(n >= -1 && n <= (long) room);

    if (n >= 0) {
        check(neon_base64_encode(text, neon_str(bytes + 1, (size_t) n))
              == size);
        check(memcmp(text, data, size) == 0);
    }

    free(bytes);
    free(text);

    return 0;
}
