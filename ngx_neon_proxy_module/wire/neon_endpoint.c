/*
 * Names of endpoints in host names and passwords.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_endpoint.h"


#define NEON_ENDPOINT_DNS_MAX    253     /* RFC 1035, without the final dot */
#define NEON_ENDPOINT_LABEL_MAX  63


static int neon_endpoint_host_split(neon_str_t *label, neon_str_t *rest,
    neon_str_t host);
static int neon_endpoint_is_address(neon_str_t host);
static neon_str_t neon_endpoint_domain(neon_str_t pattern);
static int neon_endpoint_label_valid(neon_str_t label);
static int neon_endpoint_cut_prefix(neon_str_t *rest, neon_str_t in,
    const char *prefix);
static int neon_endpoint_cut_suffix(neon_str_t *name, const char *suffix);
static neon_str_t neon_endpoint_last_label(neon_str_t host);
static int neon_endpoint_all_digits(neon_str_t s);
static int neon_endpoint_name_char(uint8_t ch);
static int neon_endpoint_eq_nocase(neon_str_t a, neon_str_t b);


int
neon_endpoint_from_host(neon_str_t *label, neon_str_t host, neon_str_t pattern)
{
    neon_str_t  first, rest;

    if (host.len != 0 && host.data[host.len - 1] == '.') {
        host.len--;
    }

    if (neon_endpoint_is_address(host)
        || !neon_endpoint_host_split(&first, &rest, host))
    {
        return 0;
    }

    /* Neon's drivers send SQL over HTTP to api.<domain> for all endpoints */

    if (neon_endpoint_eq_nocase(first, neon_str("api", 3))
        || neon_endpoint_eq_nocase(first, neon_str("apiauth", 7)))
    {
        return 0;
    }

    if (!neon_str_eqz(pattern, "*")
        && !neon_endpoint_eq_nocase(rest, neon_endpoint_domain(pattern)))
    {
        return 0;
    }

    *label = first;

    return 1;
}


/* at the first dot; neither side may be empty */

static int
neon_endpoint_host_split(neon_str_t *label, neon_str_t *rest, neon_str_t host)
{
    size_t          n;
    const uint8_t  *dot;

    dot = (host.len == 0) ? NULL : memchr(host.data, '.', host.len);

    if (dot == NULL) {
        return 0;
    }

    n = (size_t) (dot - host.data);

    *label = neon_str(host.data, n);
    *rest = neon_str(dot + 1, host.len - n - 1);

    return label->len != 0 && rest->len != 0 && rest->data[0] != '.';
}


/*
 * IPv6 has a colon.  A last label of digits only is no top-level domain: such
 * a host is an IPv4 address, if anything.
 */

static int
neon_endpoint_is_address(neon_str_t host)
{
    if (host.len == 0 || memchr(host.data, ':', host.len) != NULL) {
        return 1;
    }

    return neon_endpoint_all_digits(neon_endpoint_last_label(host));
}


int
neon_endpoint_pattern_valid(neon_str_t pattern)
{
    size_t      i;
    neon_str_t  domain, label;

    if (neon_str_eqz(pattern, "*")) {
        return 1;
    }

    domain = neon_endpoint_domain(pattern);

    if (domain.len == 0 || domain.len > NEON_ENDPOINT_DNS_MAX
        || neon_endpoint_is_address(domain))
    {
        return 0;
    }

    label = neon_str(domain.data, 0);

    for (i = 0; i < domain.len; i++) {
        if (domain.data[i] != '.') {
            label.len++;
            continue;
        }

        if (!neon_endpoint_label_valid(label)) {
            return 0;
        }

        label = neon_str(domain.data + i + 1, 0);
    }

    return neon_endpoint_label_valid(label);
}


/* "*.db.example.com" and "db.example.com" mean the same */

static neon_str_t
neon_endpoint_domain(neon_str_t pattern)
{
    neon_str_t  rest;

    return neon_endpoint_cut_prefix(&rest, pattern, "*.") ? rest : pattern;
}


/* RFC 1123, 2.1 */

static int
neon_endpoint_label_valid(neon_str_t label)
{
    size_t  i;

    if (label.len == 0 || label.len > NEON_ENDPOINT_LABEL_MAX
        || label.data[0] == '-' || label.data[label.len - 1] == '-')
    {
        return 0;
    }

    for (i = 0; i < label.len; i++) {
        if (!neon_endpoint_name_char(label.data[i])) {
            return 0;
        }
    }

    return 1;
}


int
neon_endpoint_valid(neon_str_t name)
{
    size_t  i;

    if (name.len == 0 || name.len > NEON_ENDPOINT_MAX) {
        return 0;
    }

    for (i = 0; i < name.len; i++) {
        if (!neon_endpoint_name_char(name.data[i])) {
            return 0;
        }
    }

    return 1;
}


neon_str_t
neon_endpoint_normal(neon_str_t name)
{
    if (!neon_endpoint_cut_suffix(&name, "-pooler")) {
        (void) neon_endpoint_cut_suffix(&name, "-local-proxy");
    }

    return name;
}


/*
 * A semicolon decides, even if what is left of it is no prefix.  '$' is for
 * clients that forbid semicolons in passwords.
 */

neon_rc_e
neon_endpoint_from_password(neon_str_t *name, neon_str_t *password,
    neon_str_t in)
{
    size_t          n;
    neon_str_t      left;
    const uint8_t  *separator;

    if (in.len == 0) {
        return NEON_ERROR;
    }

    separator = memchr(in.data, ';', in.len);

    if (separator == NULL) {
        separator = memchr(in.data, '$', in.len);
    }

    if (separator == NULL) {
        return NEON_ERROR;
    }

    n = (size_t) (separator - in.data);
    left = neon_str(in.data, n);

    if (!neon_endpoint_cut_prefix(name, left, "endpoint=")
        && !neon_endpoint_cut_prefix(name, left, "project="))
    {
        return NEON_ERROR;
    }

    *password = neon_str(separator + 1, in.len - n - 1);

    return NEON_OK;
}


static int
neon_endpoint_cut_prefix(neon_str_t *rest, neon_str_t in, const char *prefix)
{
    size_t  n;

    n = strlen(prefix);

    if (in.len < n || memcmp(in.data, prefix, n) != 0) {
        return 0;
    }

    *rest = neon_str(in.data + n, in.len - n);

    return 1;
}


/* a name that is nothing but the suffix stays: the empty name names nothing */

static int
neon_endpoint_cut_suffix(neon_str_t *name, const char *suffix)
{
    size_t  n;

    n = strlen(suffix);

    if (name->len <= n
        || memcmp(name->data + name->len - n, suffix, n) != 0)
    {
        return 0;
    }

    name->len -= n;

    return 1;
}


static neon_str_t
neon_endpoint_last_label(neon_str_t host)
{
    size_t  n;

    n = host.len;

    while (n != 0 && host.data[n - 1] != '.') {
        n--;
    }

    return neon_str(host.data + n, host.len - n);
}


static int
neon_endpoint_all_digits(neon_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


static int
neon_endpoint_name_char(uint8_t ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
           || (ch >= '0' && ch <= '9') || ch == '-';
}


/* ASCII only, whatever the locale */

static int
neon_endpoint_eq_nocase(neon_str_t a, neon_str_t b)
{
    size_t   i;
    uint8_t  x, y;

    if (a.len != b.len) {
        return 0;
    }

    for (i = 0; i < a.len; i++) {
        x = a.data[i];
        y = b.data[i];

        x = (x >= 'A' && x <= 'Z') ? (uint8_t) (x | 0x20) : x;
        y = (y >= 'A' && y <= 'Z') ? (uint8_t) (y | 0x20) : y;

        if (x != y) {
            return 0;
        }
    }

    return 1;
}
