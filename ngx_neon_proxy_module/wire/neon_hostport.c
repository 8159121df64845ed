/*
 * host:port, and patterns of it.  What is not plain is refused: two readers of
 * one address, of whom one decides and the other connects, must not differ.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_hostport.h"


#define NEON_HOSTPORT_PARAM  "address"


static neon_rc_e neon_hostport_split(neon_str_t *host, neon_str_t *port,
    unsigned *bracket, neon_str_t text);
static neon_rc_e neon_hostport_port(uint16_t *port, neon_str_t text);
static neon_rc_e neon_hostport_ports(neon_hostport_pattern_t *p,
    neon_str_t text);
static neon_rc_e neon_hostport_range(neon_ip_range_t *range, neon_str_t text,
    unsigned bracket);
static int neon_hostport_name(neon_str_t name);
static int neon_hostport_numeric(neon_str_t label);
static int neon_hostport_hex(uint8_t ch);
static uint8_t neon_hostport_lower(uint8_t ch);
static int neon_hostport_equal(neon_str_t a, neon_str_t b);


neon_rc_e
neon_hostport_query(neon_str_t *address, neon_str_t query)
{
    size_t          n;
    unsigned        found;
    neon_str_t      part, name;
    const uint8_t  *p;

    *address = neon_str(NULL, 0);
    found = 0;

    while (query.len != 0) {

        p = memchr(query.data, '&', query.len);
        n = (p == NULL) ? query.len : (size_t) (p - query.data);

        part = neon_str(query.data, n);
        n += (p != NULL);
        query = neon_str(query.data + n, query.len - n);

        if (part.len == 0) {
            continue;
        }

        p = memchr(part.data, '=', part.len);
        n = (p == NULL) ? part.len : (size_t) (p - part.data);
        name = neon_str(part.data, n);

        if (!neon_str_eqz(name, NEON_HOSTPORT_PARAM)) {
            continue;
        }

        if (found++) {
            return NEON_ERROR;
        }

        n += (p != NULL);
        *address = neon_str(part.data + n, part.len - n);
    }

    return found ? NEON_OK : NEON_AGAIN;
}


neon_rc_e
neon_hostport_parse(neon_hostport_t *hp, neon_str_t text)
{
    size_t           i;
    unsigned         bracket;
    neon_str_t       port;
    neon_ip_range_t  range;

    memset(hp, 0, sizeof(neon_hostport_t));

    if (neon_hostport_split(&hp->host, &port, &bracket, text) != NEON_OK
        || neon_hostport_port(&hp->port, port) != NEON_OK)
    {
        return NEON_ERROR;
    }

    if (!bracket && neon_hostport_name(hp->host)) {
        return NEON_OK;
    }

    /* one address: no block, no range, no zone */

    for (i = 0; i < hp->host.len; i++) {
        if (!neon_hostport_hex(hp->host.data[i])
            && hp->host.data[i] != '.' && hp->host.data[i] != ':')
        {
            return NEON_ERROR;
        }
    }

    if (neon_hostport_range(&range, hp->host, bracket) != NEON_OK) {
        return NEON_ERROR;
    }

    hp->ip = range.from;

    return NEON_OK;
}


neon_rc_e
neon_hostport_pattern_parse(neon_hostport_pattern_t *p, neon_str_t text)
{
    unsigned    bracket;
    neon_str_t  host, port;

    memset(p, 0, sizeof(neon_hostport_pattern_t));

    if (neon_hostport_split(&host, &port, &bracket, text) != NEON_OK
        || neon_hostport_ports(p, port) != NEON_OK)
    {
        return NEON_ERROR;
    }

    if (!bracket && neon_str_eqz(host, "*")) {
        p->kind = NEON_HOSTPORT_ANY;
        return NEON_OK;
    }

    if (!bracket && neon_hostport_name(host)) {
        p->kind = NEON_HOSTPORT_NAME;
        p->name = host;
        return NEON_OK;
    }

    if (!bracket && host.len > 2 && host.data[0] == '*'
        && host.data[1] == '.'
        && neon_hostport_name(neon_str(host.data + 2, host.len - 2)))
    {
        p->kind = NEON_HOSTPORT_BELOW;
        p->name = neon_str(host.data + 1, host.len - 1);
        return NEON_OK;
    }

    p->kind = NEON_HOSTPORT_RANGE;

    return neon_hostport_range(&p->range, host, bracket);
}


int
neon_hostport_match(const neon_hostport_pattern_t *p,
    const neon_hostport_t *hp)
{
    neon_str_t  tail;

    if (hp->port < p->from || hp->port > p->to) {
        return 0;
    }

    switch (p->kind) {

    case NEON_HOSTPORT_ANY:
        return 1;

    case NEON_HOSTPORT_NAME:
        return hp->ip.len == 0 && neon_hostport_equal(hp->host, p->name);

    case NEON_HOSTPORT_BELOW:
        if (hp->ip.len != 0 || hp->host.len <= p->name.len) {
            return 0;
        }

        tail = neon_str(hp->host.data + hp->host.len - p->name.len,
                        p->name.len);

        return neon_hostport_equal(tail, p->name);

    default: /* NEON_HOSTPORT_RANGE */
        return hp->ip.len != 0 && neon_ip_in_range(&hp->ip, &p->range);
    }
}


static neon_rc_e
neon_hostport_split(neon_str_t *host, neon_str_t *port, unsigned *bracket,
    neon_str_t text)
{
    size_t          n;
    const uint8_t  *p;

    *bracket = (text.len != 0 && text.data[0] == '[');

    if (*bracket) {
        text = neon_str(text.data + 1, text.len - 1);
    }

    p = text.len ? memchr(text.data, *bracket ? ']' : ':', text.len) : NULL;

    if (p == NULL) {
        return NEON_ERROR;
    }

    n = (size_t) (p - text.data);
    *host = neon_str(text.data, n);

    n += 1;
    text = neon_str(text.data + n, text.len - n);

    if (*bracket) {
        if (text.len == 0 || text.data[0] != ':') {
            return NEON_ERROR;
        }

        text = neon_str(text.data + 1, text.len - 1);
    }

    *port = text;

    return NEON_OK;
}


static neon_rc_e
neon_hostport_port(uint16_t *port, neon_str_t text)
{
    uint32_t  n;

    if (neon_str_number(&n, text, UINT16_MAX) != NEON_OK || n == 0) {
        return NEON_ERROR;
    }

    *port = (uint16_t) n;

    return NEON_OK;
}


static neon_rc_e
neon_hostport_ports(neon_hostport_pattern_t *p, neon_str_t text)
{
    size_t          n;
    const uint8_t  *dash;

    if (neon_str_eqz(text, "*")) {
        p->from = 1;
        p->to = 65535;
        return NEON_OK;
    }

    dash = text.len ? memchr(text.data, '-', text.len) : NULL;

    if (dash == NULL) {
        if (neon_hostport_port(&p->from, text) != NEON_OK) {
            return NEON_ERROR;
        }

        p->to = p->from;
        return NEON_OK;
    }

    n = (size_t) (dash - text.data);

    if (neon_hostport_port(&p->from, neon_str(text.data, n)) != NEON_OK
        || neon_hostport_port(&p->to, neon_str(dash + 1, text.len - n - 1))
           != NEON_OK)
    {
        return NEON_ERROR;
    }

    return (p->from <= p->to) ? NEON_OK : NEON_ERROR;
}


/* IPv6 in brackets and IPv4 not, as in an URL; nothing reversed */

static neon_rc_e
neon_hostport_range(neon_ip_range_t *range, neon_str_t text, unsigned bracket)
{
    if (text.len == 0
        || memchr(text.data, ' ', text.len) != NULL
        || (memchr(text.data, ':', text.len) != NULL) != (bracket != 0)
        || neon_ip_range_parse(range, text) != NEON_OK
        || !neon_ip_in_range(&range->from, range))
    {
        return NEON_ERROR;
    }

    return NEON_OK;
}


/*
 * Labels of letters, digits, hyphens and, for container networks, underscores.
 * The last one is no number: inet_aton() and with it getaddrinfo() would take
 * the whole for an address, and more forms of it than inet_pton() knows.
 */

static int
neon_hostport_name(neon_str_t name)
{
    size_t   i, start;
    uint8_t  ch;

    if (name.len == 0 || name.len > NEON_HOSTPORT_NAME_MAX) {
        return 0;
    }

    start = 0;

    for (i = 0; i < name.len; i++) {
        ch = neon_hostport_lower(name.data[i]);

        if (ch == '.') {
            if (i == start) {
                return 0;
            }

            start = i + 1;
            continue;
        }

        if (i - start == NEON_HOSTPORT_LABEL_MAX
            || !((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')
                 || ch == '-' || ch == '_'))
        {
            return 0;
        }
    }

    return i != start
           && !neon_hostport_numeric(neon_str(name.data + start, i - start));
}


static int
neon_hostport_numeric(neon_str_t label)
{
    size_t   i;
    uint8_t  ch;

    if (label.len >= 2 && label.data[0] == '0'
        && neon_hostport_lower(label.data[1]) == 'x')
    {
        for (i = 2; i < label.len; i++) {
            if (!neon_hostport_hex(label.data[i])) {
                return 0;
            }
        }

        return 1;
    }

    for (i = 0; i < label.len; i++) {
        ch = label.data[i];

        if (ch < '0' || ch > '9') {
            return 0;
        }
    }

    return 1;
}


static int
neon_hostport_hex(uint8_t ch)
{
    ch = neon_hostport_lower(ch);

    return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f');
}


static uint8_t
neon_hostport_lower(uint8_t ch)
{
    return (ch >= 'A' && ch <= 'Z') ? (uint8_t) (ch | 0x20) : ch;
}


/* ASCII case does not matter */

static int
neon_hostport_equal(neon_str_t a, neon_str_t b)
{
    size_t  i;

    if (a.len != b.len) {
        return 0;
    }

    for (i = 0; i < a.len; i++) {
        if (neon_hostport_lower(a.data[i]) != neon_hostport_lower(b.data[i])) {
            return 0;
        }
    }

    return 1;
}
