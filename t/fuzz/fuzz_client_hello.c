/*
 * The ClientHello: a byte that says how it is cut, and the stream.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_client_hello.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


/* each time in storage of exactly the size that was read */

static neon_rc_e
feed(neon_client_hello_t *h, const uint8_t *p, size_t n, size_t step)
{
    size_t     len;
    uint8_t   *copy;
    neon_rc_e  rc;

    neon_client_hello_init(h);
    rc = NEON_AGAIN;

    for (len = 0; rc == NEON_AGAIN; /* void */ ) {

        /* step 0: what it needs */

        check(h->need > len);

        if (len == n || (step == 0 && h->need > n)) {
            break;
        }

        len = (step == 0) ? h->need : (n - len < step) ? n : len + step;

        copy = malloc(len);
        check(copy != NULL);
        memcpy(copy, p, len);

        rc = neon_client_hello_parse(h, copy, len);
        free(copy);
    }

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t               i, step;
    neon_rc_e            rc;
    neon_client_hello_t  h, other;

    if (size < 2) {
        return 0;
    }

    step = data[0];
    data++;
    size--;

    rc = feed(&h, data, size, size);

    check(feed(&other, data, size, step) == rc);
    check(h.need <= NEON_CLIENT_HELLO_RECORDS + 16);

    if (rc == NEON_ERROR) {
        check(h.err != NULL && h.err == other.err && h.alert != 0
              && h.alert == other.alert);
    }

    if (rc == NEON_OK) {
        check(h.size <= NEON_CLIENT_HELLO_MAX && h.got == h.size);
        check(h.name_len == other.name_len
              && memcmp(h.name, other.name, h.name_len) == 0);
        check(h.alpn == other.alpn && h.postgresql == other.postgresql);
        check(!h.postgresql || h.alpn);
        check((h.name_len != 0) == h.named);

        for (i = 0; i < h.name_len; i++) {
            check(h.name[i] > 0x20 && h.name[i] < 0x7f);
        }
    }

    return 0;
}
