/*
 * What stands behind the addresses in a PROXY protocol header, version 2
 * (haproxy.org, "The PROXY protocol", section 2.2): the private link by which
 * a client came, as the balancers of AWS and Azure name it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_PPV2_H
#define NEON_PPV2_H


#include "neon_buf.h"


#define NEON_PPV2_LINK_MAX  63        /* "vpce-" and 17 digits, or a number */


typedef struct {
    size_t   len;                     /* 0: none is named */
    uint8_t  text[NEON_PPV2_LINK_MAX];
} neon_ppv2_link_t;


/*
 * The TLVs of the header at the beginning of bytes: NEON_ERROR where there is
 * none of a connection with addresses, or not all of it.
 */
neon_rc_e neon_ppv2_tlvs(neon_str_t bytes, neon_str_t *tlvs);

/*
 * AWS: the text of a VPC endpoint id; Azure: the number of the link.
 * NEON_ERROR: TLVs that are malformed, or name more than one; *link says none.
 */
neon_rc_e neon_ppv2_link(neon_ppv2_link_t *link, neon_str_t tlvs);


#endif /* NEON_PPV2_H */
