/*
 * Names of endpoints: from SNI or Host, from `options`, from the prefix of a
 * password; their rules and their normal form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_ENDPOINT_H
#define NEON_ENDPOINT_H


#include "neon_buf.h"


#define NEON_ENDPOINT_MAX     63


/*
 * Does the pattern of a `domains` entry cover the host?  "*" covers every
 * host with a dot in it; "*.db.example.com" covers one label in front of
 * db.example.com.  ASCII case does not matter, a final dot of the host is
 * ignored.  1: covered, and *label is the first label, which points into
 * host.  The labels "api" and "apiauth" never name an endpoint: 0.
 */
int neon_endpoint_from_host(neon_str_t *label, neon_str_t host,
    neon_str_t pattern);

/* is the text a valid entry of `domains`? */
int neon_endpoint_pattern_valid(neon_str_t pattern);

/* 1 to NEON_ENDPOINT_MAX ASCII letters, digits and hyphens */
int neon_endpoint_valid(neon_str_t name);

/* one suffix "-pooler", else one suffix "-local-proxy" cut off */
neon_str_t neon_endpoint_normal(neon_str_t name);

/*
 * endpoint=NAME;PASSWORD, project=NAME;PASSWORD, or with $ where there is no
 * semicolon.  NEON_ERROR: no such prefix.  Both point into `in`; the name is
 * not checked here.
 */
neon_rc_e neon_endpoint_from_password(neon_str_t *name, neon_str_t *password,
    neon_str_t in);


#endif /* NEON_ENDPOINT_H */
