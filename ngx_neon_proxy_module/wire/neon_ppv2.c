/*
 * PROXY protocol, version 2: TLVs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_ppv2.h"


#define NEON_PPV2_PROXY          0x21         /* version 2, command PROXY */
#define NEON_PPV2_TCP4           0x11
#define NEON_PPV2_TCP6           0x21

#define NEON_PPV2_TCP4_LEN       12           /* two addresses, two ports */
#define NEON_PPV2_TCP6_LEN       36

#define NEON_PPV2_AWS            0xea         /* PP2_TYPE_AWS */
#define NEON_PPV2_AWS_VPCE_ID    0x01         /* PP2_SUBTYPE_AWS_VPCE_ID */

#define NEON_PPV2_AZURE          0xee         /* PP2_TYPE_AZURE */
#define NEON_PPV2_AZURE_LINK_ID  0x01         /* ..._PRIVATEENDPOINT_LINKID */


static neon_rc_e neon_ppv2_aws(neon_ppv2_link_t *link, neon_str_t id);
static neon_rc_e neon_ppv2_azure(neon_ppv2_link_t *link, neon_str_t id);


neon_rc_e
neon_ppv2_tlvs(neon_str_t bytes, neon_str_t *tlvs)
{
    uint8_t     command, family;
    neon_rd_t   r;
    neon_str_t  signature, rest;

    static const neon_str_t  expected = neon_string("\r\n\r\n\0\r\nQUIT\n");

    neon_rd_init(&r, bytes.data, bytes.len);

    signature = neon_rd_bytes(&r, expected.len);
    command = neon_rd_u8(&r);
    family = neon_rd_u8(&r);
    rest = neon_rd_bytes(&r, neon_rd_u16(&r));

    if (r.error
        || !neon_str_eq(signature, expected)
        || command != NEON_PPV2_PROXY
        || (family != NEON_PPV2_TCP4 && family != NEON_PPV2_TCP6))
    {
        return NEON_ERROR;
    }

    neon_rd_init(&r, rest.data, rest.len);

    (void) neon_rd_bytes(&r, family == NEON_PPV2_TCP4 ? NEON_PPV2_TCP4_LEN
                                                      : NEON_PPV2_TCP6_LEN);
    *tlvs = neon_rd_bytes(&r, neon_rd_left(&r));

    return r.error ? NEON_ERROR : NEON_OK;
}


neon_rc_e
neon_ppv2_link(neon_ppv2_link_t *link, neon_str_t tlvs)
{
    uint8_t     type, subtype;
    neon_rc_e   rc;
    neon_rd_t   r, v;
    neon_str_t  value;

    link->len = 0;
    rc = NEON_OK;

    neon_rd_init(&r, tlvs.data, tlvs.len);

    while (rc == NEON_OK && neon_rd_left(&r)) {
        type = neon_rd_u8(&r);
        value = neon_rd_bytes(&r, neon_rd_u16(&r));

        neon_rd_init(&v, value.data, value.len);

        /* an empty one has no subtype, and says nothing */

        subtype = neon_rd_u8(&v);
        value = neon_rd_bytes(&v, neon_rd_left(&v));

        if (r.error) {
            rc = NEON_ERROR;

        } else if (type == NEON_PPV2_AWS && subtype == NEON_PPV2_AWS_VPCE_ID) {
            rc = neon_ppv2_aws(link, value);

        } else if (type == NEON_PPV2_AZURE
                   && subtype == NEON_PPV2_AZURE_LINK_ID)
        {
            rc = neon_ppv2_azure(link, value);
        }
    }

    if (rc != NEON_OK) {
        link->len = 0;
    }

    return rc;
}


/* it is compared with lists and stands in messages: no byte but text */

static neon_rc_e
neon_ppv2_aws(neon_ppv2_link_t *link, neon_str_t id)
{
    size_t  i;

    if (link->len || id.len == 0 || id.len > NEON_PPV2_LINK_MAX) {
        return NEON_ERROR;
    }

    for (i = 0; i < id.len; i++) {
        if (id.data[i] <= ' ' || id.data[i] > '~') {
            return NEON_ERROR;
        }
    }

    memcpy(link->text, id.data, id.len);
    link->len = id.len;

    return NEON_OK;
}


/* four bytes, the lowest first */

static neon_rc_e
neon_ppv2_azure(neon_ppv2_link_t *link, neon_str_t id)
{
    size_t    i;
    uint8_t   digits[10], *p;
    uint32_t  n;

    if (link->len || id.len != 4) {
        return NEON_ERROR;
    }

    n = 0;

    for (i = 4; i > 0; i--) {
        n = n << 8 | id.data[i - 1];
    }

    p = digits + sizeof(digits);

    do {
        *--p = (uint8_t) ('0' + n % 10);
        n /= 10;
    } while (n);

    link->len = (size_t) (digits + sizeof(digits) - p);
    memcpy(link->text, p, link->len);

    return NEON_OK;
}
