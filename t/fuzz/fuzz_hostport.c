/*
 * host:port of a raw tunnel: a query string, a line feed, a pattern.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>

#include "neon_hostport.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


static int
covers(neon_str_t pattern, const neon_hostport_t *hp)
{
    neon_hostport_pattern_t  p;

    return neon_hostport_pattern_parse(&p, pattern) == NEON_OK
           && neon_hostport_match(&p, hp);
}


static void
check_address(const neon_hostport_t *hp, neon_str_t text, neon_str_t pattern)
{
    int             n;
    char            again[NEON_HOSTPORT_NAME_MAX + 16], name[256], *p;
    struct in_addr  in;

    /* nothing stands beside host and port */

    n = snprintf(again, sizeof(again), hp->host.data > text.data
                                       ? "[%.*s]:%u" : "%.*s:%u",
                 (int) hp->host.len, (char *) hp->host.data,
                 (unsigned) hp->port);

    check((size_t) n == text.len && memcmp(again, text.data, text.len) == 0);
    check(hp->port != 0);

    /* it covers itself, and all is covered by "*:*" */

    check(covers(text, hp));
    check(covers(neon_str("*:*", 3), hp));

    if (hp->ip.len == 0) {

        /* no resolver takes it for an address, and no list of those has it */

        check(hp->host.len <= NEON_HOSTPORT_NAME_MAX);
        check(memchr(hp->host.data, '\0', hp->host.len) == NULL);

        memcpy(name, hp->host.data, hp->host.len);
        name[hp->host.len] = '\0';

        check(inet_aton(name, &in) == 0);
        check(!covers(neon_str("0.0.0.0/0:*", 11), hp));
        check(!covers(neon_str("[::/0]:*", 8), hp));
    }

    /* case does not matter */

    for (p = again; *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z') {
            *p = (char) (*p - 'a' + 'A');
        }
    }

    check(covers(neon_str(again, text.len), hp));

    (void) covers(pattern, hp);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                   n;
    neon_str_t               query, pattern, address;
    const uint8_t           *line;
    neon_hostport_t          hp;
    neon_hostport_pattern_t  p;

    if (size == 0) {
        return 0;
    }

    line = memchr(data, '\n', size);

    n = (line == NULL) ? size : (size_t) (line - data);
    query = neon_str(data, n);
    pattern = (line == NULL) ? neon_str(NULL, 0)
                             : neon_str(line + 1, size - n - 1);

    if (neon_hostport_pattern_parse(&p, pattern) == NEON_OK) {
        check(p.from != 0 && p.from <= p.to);
        check(p.kind != NEON_HOSTPORT_RANGE
              || neon_ip_in_range(&p.range.to, &p.range));
    }

    if (neon_hostport_query(&address, query) != NEON_OK) {
        return 0;
    }

    check(memchr(address.data, '&', address.len) == NULL);

    if (neon_hostport_parse(&hp, address) == NEON_OK) {
        check_address(&hp, address, pattern);
    }

    return 0;
}
