/*
 * The URLs that we call.  RFC 3986, without user names and fragments.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_url.h"


static ngx_int_t ngx_neon_url_authority(ngx_neon_url_t *u, u_char *p,
    u_char *last, const char **err);


ngx_int_t
ngx_neon_url_parse(ngx_neon_url_t *u, ngx_str_t *text, const char **err)
{
    u_char  *p, *last, *end;

    ngx_memzero(u, sizeof(ngx_neon_url_t));

    p = text->data;
    last = p + text->len;

    for (end = p; end < last; end++) {
        if (*end <= ' ' || *end >= 0x7f || *end == '\\') {
            *err = "invalid character in the URL";
            return NGX_ERROR;
        }

        if (*end == '#') {
            *err = "fragment in the URL";
            return NGX_ERROR;
        }
    }

    if (text->len >= 7 && ngx_strncasecmp(p, (u_char *) "http://", 7) == 0) {
        u->port = 80;
        p += 7;

    } else if (text->len >= 8
               && ngx_strncasecmp(p, (u_char *) "https://", 8) == 0)
    {
        u->port = 443;
        u->tls = 1;
        p += 8;

    } else {
        *err = "the URL is neither http:// nor https://";
        return NGX_ERROR;
    }

    for (end = p; end < last && *end != '/' && *end != '?'; end++) {
        /* void */
    }

    u->rest.data = end;
    u->rest.len = last - end;

    return ngx_neon_url_authority(u, p, end, err);
}


static ngx_int_t
ngx_neon_url_authority(ngx_neon_url_t *u, u_char *p, u_char *last,
    const char **err)
{
    u_char  *end;

    if (ngx_strlchr(p, last, '@') != NULL) {
        *err = "user name in the URL";
        return NGX_ERROR;
    }

    u->host.data = p;

    if (p < last && *p == '[') {
        u->host.data++;

        end = ngx_strlchr(p, last, ']');
        u->host.len = (end == NULL) ? 0 : end - u->host.data;

        if (u->host.len == 0
            || ngx_strlchr(u->host.data, end, ':') == NULL
            || !ngx_neon_url_host_literal(&u->host))
        {
            *err = "invalid IPv6 address in the URL";
            return NGX_ERROR;
        }

        end++;

    } else {
        end = ngx_strlchr(p, last, ':');
        end = (end == NULL) ? last : end;
        u->host.len = end - p;

        if (!ngx_neon_url_host_valid(&u->host)) {
            *err = "no valid host in the URL";
            return NGX_ERROR;
        }
    }

    u->literal = ngx_neon_url_host_literal(&u->host);

    if (end == last) {
        return NGX_OK;
    }

    u->port = (*end == ':') ? ngx_neon_url_port(end + 1, last - end - 1) : 0;

    if (u->port == 0) {
        *err = "invalid port in the URL";
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_neon_url_hide(ngx_str_t *text)
{
    u_char  *p, *at;

    at = text->data + text->len;

    while (at > text->data && at[-1] != '@') {
        at--;
    }

    p = ngx_strlchr(text->data, at, '/');

    while (p && p < at && *p == '/') {
        p++;
    }

    for (p = p ? p : text->data; p + 1 < at; p++) {
        *p = '*';
    }
}


ngx_uint_t
ngx_neon_url_host_valid(ngx_str_t *host)
{
    u_char  ch;
    size_t  i;

    if (host->len == 0 || host->len > NGX_NEON_URL_HOST_MAX
        || host->data[0] == '.')
    {
        return 0;
    }

    for (i = 0; i < host->len; i++) {
        ch = host->data[i];

        if ((ch < '0' || ch > '9') && (ch < 'a' || ch > 'z')
            && (ch < 'A' || ch > 'Z') && ch != '.' && ch != '-' && ch != '_')
        {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_neon_url_host_literal(ngx_str_t *host)
{
    u_char  addr[16];
    char    text[INET6_ADDRSTRLEN];

    /* not ngx_inet_addr(): it takes "1..2" and reads "010" as 10 */

    if (host->len >= sizeof(text)) {
        return 0;
    }

    ngx_memcpy(text, host->data, host->len);
    text[host->len] = '\0';

    return inet_pton(AF_INET, text, addr) == 1
           || inet_pton(AF_INET6, text, addr) == 1;
}


in_port_t
ngx_neon_url_port(u_char *p, size_t len)
{
    ngx_int_t  n;

    n = ngx_atoi(p, len);

    return (n < 1 || n > 65535) ? 0 : (in_port_t) n;
}
