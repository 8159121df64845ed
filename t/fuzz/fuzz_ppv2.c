/*
 * PROXY headers, version 2: what is found lies inside and is text, and TLVs
 * that were cut are none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_ppv2.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


static void
link_of(neon_str_t tlvs)
{
    size_t            i;
    neon_rc_e         rc;
    neon_ppv2_link_t  link;

    rc = neon_ppv2_link(&link, tlvs);

    check(rc == NEON_OK || (rc == NEON_ERROR && link.len == 0));
    check(link.len <= NEON_PPV2_LINK_MAX);

    for (i = 0; i < link.len; i++) {
        check(link.text[i] > 0x20 && link.text[i] < 0x7f);
    }

    if (rc == NEON_OK && tlvs.len) {
        check(neon_ppv2_link(&link, neon_str(tlvs.data, tlvs.len - 1))
              == NEON_ERROR);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    neon_str_t  tlvs;

    link_of(neon_str(data, size));

    if (neon_ppv2_tlvs(neon_str(data, size), &tlvs) == NEON_OK) {
        check(tlvs.data >= data && tlvs.data + tlvs.len <= data + size);
        link_of(tlvs);
    }

    return 0;
}
