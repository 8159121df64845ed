/*
 * `websocket_origins`: which web pages may connect.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_http_neon_origin.h"


static ngx_uint_t ngx_http_neon_origin_match(ngx_str_t *pattern,
    ngx_str_t *origin);


ngx_uint_t
ngx_http_neon_origin_allowed(ngx_array_t *origins, ngx_str_t *origin)
{
    ngx_str_t   *pattern;
    ngx_uint_t   i;

    pattern = origins->elts;

    for (i = 0; i < origins->nelts; i++) {
        if (ngx_http_neon_origin_match(&pattern[i], origin)) {
            return 1;
        }
    }

    return 0;
}


/* any, an origin, or one whose "*." stands for all names below a domain */

static ngx_uint_t
ngx_http_neon_origin_match(ngx_str_t *pattern, ngx_str_t *origin)
{
    size_t   scheme, tail;
    u_char  *star;

    if (pattern->len == 1 && pattern->data[0] == '*') {
        return 1;
    }

    star = ngx_strnstr(pattern->data, "://*.", pattern->len);

    if (star == NULL) {
        return pattern->len == origin->len
               && ngx_strncasecmp(pattern->data, origin->data, origin->len)
                  == 0;
    }

    scheme = star + 3 - pattern->data;
    tail = pattern->len - scheme - 1;

    return origin->len > scheme + tail
           && ngx_strncasecmp(origin->data, pattern->data, scheme) == 0
           && ngx_strncasecmp(origin->data + origin->len - tail, star + 4,
                              tail)
              == 0;
}
