/*
 * `websocket_tunnel`: the address in the query of an upgrade, as users of
 * Neon's wsproxy give it: /v1?address=host:port.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_http_neon_tunnel.h"

#include "neon_hostport.h"


static ngx_uint_t ngx_http_neon_tunnel_allowed(ngx_array_t *patterns,
    neon_hostport_t *hp);
static ngx_int_t ngx_http_neon_tunnel_node(ngx_http_request_t *r,
    neon_hostport_t *hp, ngx_neon_node_t **node);


ngx_int_t
ngx_http_neon_tunnel(ngx_http_request_t *r, ngx_neon_conf_t *conf,
    ngx_neon_node_t **node, const char **text)
{
    neon_rc_e        rc;
    neon_str_t       address;
    ngx_array_t     *patterns;
    neon_hostport_t  hp;

    patterns = conf->websocket_tunnel;

    /* the driver's `wsProxy` as a string always adds the address */

    if (patterns == NULL || patterns->nelts == 0) {
        return NGX_DECLINED;
    }

    rc = neon_hostport_query(&address, neon_str(r->args.data, r->args.len));

    if (rc == NEON_AGAIN) {
        return NGX_DECLINED;
    }

    if (rc == NEON_ERROR) {
        *text = "\"address\" may be given once.\n";
        return NGX_HTTP_BAD_REQUEST;
    }

    if (neon_hostport_parse(&hp, address) != NEON_OK) {
        *text = "\"address\" must be host:port, such as db.example.com:5432,"
                " 192.0.2.1:5432 or [2001:db8::1]:5432, and not"
                " percent-encoded.\n";
        return NGX_HTTP_BAD_REQUEST;
    }

    if (!ngx_http_neon_tunnel_allowed(patterns, &hp)) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "address \"%*s\" is not one of \"websocket_tunnel\"",
                      address.len, address.data);

        *text = "No tunnel may lead to this address (websocket_tunnel).\n";
        return NGX_HTTP_FORBIDDEN;
    }

    return ngx_http_neon_tunnel_node(r, &hp, node);
}


static ngx_uint_t
ngx_http_neon_tunnel_allowed(ngx_array_t *patterns, neon_hostport_t *hp)
{
    ngx_uint_t                i;
    neon_hostport_pattern_t  *pattern;

    pattern = patterns->elts;

    for (i = 0; i < patterns->nelts; i++) {
        if (neon_hostport_match(&pattern[i], hp)) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_neon_tunnel_node(ngx_http_request_t *r, neon_hostport_t *hp,
    ngx_neon_node_t **node)
{
    u_char           *p;
    ngx_neon_node_t  *n;

    n = ngx_pcalloc(r->pool, sizeof(ngx_neon_node_t));
    p = ngx_pnalloc(r->pool, hp->host.len + 1);

    if (n == NULL || p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n->host.data = p;
    n->host.len = hp->host.len;
    n->port = hp->port;

    /* TLS, if there is any, is inside */
    n->ssl = NGX_NEON_SSL_OFF;

    p = ngx_cpymem(p, hp->host.data, hp->host.len);
    *p = '\0';

    *node = n;

    return NGX_OK;
}
