/*
 * host:port as a client of a raw tunnel gives it, and the patterns that say
 * where it may lead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_HOSTPORT_H
#define NEON_HOSTPORT_H


#include "neon_buf.h"
#include "neon_ip.h"


#define NEON_HOSTPORT_NAME_MAX   253
#define NEON_HOSTPORT_LABEL_MAX  63


typedef struct {
    neon_str_t        host;           /* points into the text; no brackets */
    neon_ip_t         ip;             /* len 0: host is a name */
    uint16_t          port;
} neon_hostport_t;


typedef enum {
    NEON_HOSTPORT_ANY = 0,            /* "*": names and addresses */
    NEON_HOSTPORT_NAME,
    NEON_HOSTPORT_BELOW,              /* "*.example.com" */
    NEON_HOSTPORT_RANGE               /* addresses */
} neon_hostport_kind_e;


typedef struct {
    neon_hostport_kind_e  kind;
    neon_str_t        name;           /* BELOW: ".example.com" */
    neon_ip_range_t   range;
    uint16_t          from;           /* ports; both ends belong to it */
    uint16_t          to;
} neon_hostport_pattern_t;


/*
 * The value of `address` in a query string, as it stands there.  NEON_AGAIN:
 * there is none; NEON_ERROR: there are several, and which of them counts is
 * what others may see otherwise.
 */
neon_rc_e neon_hostport_query(neon_str_t *address, neon_str_t query);

/*
 * "db.example.com:5432", "10.0.0.1:5432", "[2001:db8::1]:5432".  Names that a
 * resolver would take for an address (127.1, 0x7f000001) are none.
 */
neon_rc_e neon_hostport_parse(neon_hostport_t *hp, neon_str_t text);

/*
 * HOST:PORT, where HOST is a name, *.NAME, an address, block or range as in
 * neon_ip.h (IPv6 in brackets) or *, and PORT a number, A-B or *.
 */
neon_rc_e neon_hostport_pattern_parse(neon_hostport_pattern_t *p,
    neon_str_t text);

/* a name is never compared with addresses, nor the other way round */
int neon_hostport_match(const neon_hostport_pattern_t *p,
    const neon_hostport_t *hp);


#endif /* NEON_HOSTPORT_H */
