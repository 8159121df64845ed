/*
 * IP lists: single addresses, CIDR blocks and ranges a-b, IPv4 and IPv6.  An
 * IPv4-mapped IPv6 address counts as the IPv4 address.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_IP_H
#define NEON_IP_H


#include "neon_buf.h"


/* network order; IPv4 in the first 4 bytes */

typedef struct {
    uint8_t           len;            /* 4 or 16 */
    uint8_t           addr[16];
} neon_ip_t;


typedef struct {
    neon_ip_t         from;
    neon_ip_t         to;             /* both ends belong to the range */
} neon_ip_range_t;


/* from the raw bytes of a sockaddr (4 or 16); unmaps ::ffff:a.b.c.d */
neon_rc_e neon_ip_set(neon_ip_t *ip, const void *addr, size_t len);

/* "1.2.3.4", "10.0.0.0/8", "1.1.1.1-1.1.1.9", "2001:db8::/32"; spaces around
   are ignored */
neon_rc_e neon_ip_range_parse(neon_ip_range_t *range, neon_str_t text);

/* a reversed range holds nobody; families do not mix */
int neon_ip_in_range(const neon_ip_t *ip, const neon_ip_range_t *range);


#endif /* NEON_IP_H */
