/*
 * IP addresses against lists of addresses, blocks and ranges.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <arpa/inet.h>

#include "neon_ip.h"


static neon_rc_e neon_ip_block(neon_ip_range_t *range, neon_str_t addr,
    neon_str_t prefix);
static neon_rc_e neon_ip_text(neon_ip_t *ip, neon_str_t text);
static neon_str_t neon_ip_trim(neon_str_t text);
static int neon_ip_unmap(neon_ip_t *ip);


neon_rc_e
neon_ip_set(neon_ip_t *ip, const void *addr, size_t len)
{
    if (len != 4 && len != 16) {
        return NEON_ERROR;
    }

    memset(ip, 0, sizeof(neon_ip_t));
    memcpy(ip->addr, addr, len);
    ip->len = (uint8_t) len;

    (void) neon_ip_unmap(ip);

    return NEON_OK;
}


neon_rc_e
neon_ip_range_parse(neon_ip_range_t *range, neon_str_t text)
{
    size_t      i;
    neon_str_t  left, right;

    text = neon_ip_trim(text);
    i = 0;

    while (i < text.len && text.data[i] != '/' && text.data[i] != '-') {
        i++;
    }

    left = neon_str(text.data, i);

    if (i == text.len) {
        if (neon_ip_text(&range->from, left) != NEON_OK) {
            return NEON_ERROR;
        }

        (void) neon_ip_unmap(&range->from);
        range->to = range->from;

        return NEON_OK;
    }

    right = neon_str(text.data + i + 1, text.len - i - 1);

    if (text.data[i] == '/') {
        return neon_ip_block(range, left, right);
    }

    if (neon_ip_text(&range->from, left) != NEON_OK
        || neon_ip_text(&range->to, right) != NEON_OK)
    {
        return NEON_ERROR;
    }

    (void) neon_ip_unmap(&range->from);
    (void) neon_ip_unmap(&range->to);

    return (range->from.len == range->to.len) ? NEON_OK : NEON_ERROR;
}


/* RFC 4632; bits behind the prefix are ignored, as everywhere in firewalls */

static neon_rc_e
neon_ip_block(neon_ip_range_t *range, neon_str_t addr, neon_str_t prefix)
{
    size_t    i;
    uint8_t   mask;
    unsigned  n;
    uint32_t  bits;

    if (neon_ip_text(&range->from, addr) != NEON_OK
        || neon_str_number(&bits, prefix, range->from.len * 8U) != NEON_OK)
    {
        return NEON_ERROR;
    }

    /* a prefix of less than ::ffff:0:0/96 is more than mapped addresses */

    if (bits >= 96 && neon_ip_unmap(&range->from)) {
        bits -= 96;
    }

    range->to = range->from;

    for (i = 0; i < range->from.len; i++) {
        n = (bits >= 8) ? 8 : bits;
        mask = (uint8_t) (0xff00U >> n);
        bits -= n;

        range->from.addr[i] &= mask;
        range->to.addr[i] |= (uint8_t) ~mask;
    }

    return NEON_OK;
}


/*
 * inet_pton() is as strict as needed: four decimal numbers without leading
 * zeros, RFC 4291 text without a zone.  It does not unmap here.
 */

static neon_rc_e
neon_ip_text(neon_ip_t *ip, neon_str_t text)
{
    int   family;
    char  z[INET6_ADDRSTRLEN];

    /* a NUL would hide what stands behind it */

    if (text.len == 0 || text.len >= sizeof(z)
        || memchr(text.data, '\0', text.len) != NULL)
    {
        return NEON_ERROR;
    }

    memcpy(z, text.data, text.len);
    z[text.len] = '\0';

    memset(ip, 0, sizeof(neon_ip_t));

    family = (memchr(text.data, ':', text.len) == NULL) ? AF_INET : AF_INET6;
    ip->len = (family == AF_INET) ? 4 : 16;

    return (inet_pton(family, z, ip->addr) == 1) ? NEON_OK : NEON_ERROR;
}


static neon_str_t
neon_ip_trim(neon_str_t text)
{
    while (text.len != 0 && text.data[0] == ' ') {
        text.data++;
        text.len--;
    }

    while (text.len != 0 && text.data[text.len - 1] == ' ') {
        text.len--;
    }

    return text;
}


/* RFC 4291, 2.5.5.2; 1: it was a mapped address */

static int
neon_ip_unmap(neon_ip_t *ip)
{
    static const uint8_t  mapped[12] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
    };

    if (ip->len != 16 || memcmp(ip->addr, mapped, sizeof(mapped)) != 0) {
        return 0;
    }

    memmove(ip->addr, ip->addr + sizeof(mapped), 4);
    memset(ip->addr + 4, 0, 12);
    ip->len = 4;

    return 1;
}


int
neon_ip_in_range(const neon_ip_t *ip, const neon_ip_range_t *range)
{
    if (ip->len != range->from.len) {
        return 0;
    }

    return memcmp(ip->addr, range->from.addr, ip->len) >= 0
           && memcmp(ip->addr, range->to.addr, ip->len) <= 0;
}
