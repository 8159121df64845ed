/*
 * Private links: the TLVs of a PROXY header, and who sent it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_stream.h>

#include "ngx_neon_compat.h"
#include "ngx_neon_vpc.h"

#include "neon_ppv2.h"


static ngx_uint_t ngx_neon_vpc_believed(ngx_connection_t *c);
static ngx_str_t ngx_neon_vpc_tlvs(ngx_connection_t *c);

#if !(NGX_NEON_PROXY_PROTOCOL_TLVS)
static void ngx_neon_vpc_stream_handler(ngx_connection_t *c);
static void ngx_neon_vpc_http_handler(ngx_connection_t *c);
static ssize_t ngx_neon_vpc_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static void ngx_neon_vpc_keep(ngx_connection_t *c, neon_str_t tlvs);
static void ngx_neon_vpc_cleanup(void *data);
#endif


ngx_str_t
ngx_neon_vpc_id(ngx_connection_t *c, ngx_pool_t *pool)
{
    ngx_str_t         tlvs, id;
    neon_ppv2_link_t  link;

    ngx_str_null(&id);

    if (c->proxy_protocol == NULL) {
        return id;
    }

    tlvs = ngx_neon_vpc_tlvs(c);

    if (neon_ppv2_link(&link, neon_str(tlvs.data, tlvs.len)) != NEON_OK) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "PROXY header has malformed TLVs, or names more than one"
                      " private link: it counts as none");
        return id;
    }

    if (link.len == 0) {
        return id;
    }

    if (!ngx_neon_vpc_believed(c)) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "PROXY header names the private link \"%*s\", but its"
                      " sender is not in \"set_real_ip_from\": it counts as"
                      " none", link.len, link.text);
        return id;
    }

    id.data = ngx_pnalloc(pool, link.len);

    if (id.data) {
        ngx_memcpy(id.data, link.text, link.len);
        id.len = link.len;
    }

    return id;
}


/*
 * Whom to believe is said once, by set_real_ip_from: the realip module has put
 * another address in the place of the peer's own.  A header that repeats the
 * peer's address is so never believed, whoever sent it.
 */

static ngx_uint_t
ngx_neon_vpc_believed(ngx_connection_t *c)
{
    socklen_t       socklen;
    ngx_sockaddr_t  peer;

    socklen = sizeof(ngx_sockaddr_t);
    peer.sockaddr.sa_family = AF_UNSPEC;

    if (getpeername(c->fd, &peer.sockaddr, &socklen) == -1
        || peer.sockaddr.sa_family == AF_UNSPEC)
    {
        return 0;
    }

    if (peer.sockaddr.sa_family != c->sockaddr->sa_family) {
        return 1;
    }

    switch (peer.sockaddr.sa_family) {

    case AF_INET:
#if (NGX_HAVE_INET6)
    case AF_INET6:
#endif
        return ngx_cmp_sockaddr(&peer.sockaddr, socklen, c->sockaddr,
                                c->socklen, 1)
               != NGX_OK;

    default:
        return 0;
    }
}


#if (NGX_NEON_PROXY_PROTOCOL_TLVS)

static ngx_str_t
ngx_neon_vpc_tlvs(ngx_connection_t *c)
{
    return c->proxy_protocol->tlvs;
}


void
ngx_neon_vpc_init(ngx_cycle_t *cycle)
{
    /* void */
}


#else

/*
 * This nginx skips the TLVs.  But it takes the header from the socket by the
 * first c->recv() of a connection that brings something, in one piece: that
 * one call is ours.
 */

void
ngx_neon_vpc_init(ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {
        if (ls[i].type != SOCK_STREAM) {
            continue;
        }

        if (ls[i].handler == ngx_stream_init_connection) {
            ls[i].handler = ngx_neon_vpc_stream_handler;

        } else if (ls[i].handler == ngx_http_init_connection) {
            ls[i].handler = ngx_neon_vpc_http_handler;
        }
    }
}


static void
ngx_neon_vpc_stream_handler(ngx_connection_t *c)
{
    c->recv = ngx_neon_vpc_recv;
    ngx_stream_init_connection(c);
}


static void
ngx_neon_vpc_http_handler(ngx_connection_t *c)
{
    c->recv = ngx_neon_vpc_recv;
    ngx_http_init_connection(c);
}


static ssize_t
ngx_neon_vpc_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    ssize_t     n;
    neon_str_t  tlvs;

    n = ngx_recv(c, buf, size);

    if (n == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    c->recv = ngx_recv;

    if (n > 0
        && neon_ppv2_tlvs(neon_str(buf, n), &tlvs) == NEON_OK
        && tlvs.len)
    {
        ngx_neon_vpc_keep(c, tlvs);
    }

    return n;
}


/* where nginx has room for what a module knows of a connection */

static void
ngx_neon_vpc_keep(ngx_connection_t *c, neon_str_t tlvs)
{
    ngx_str_t           *kept;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(c->pool, sizeof(ngx_str_t) + tlvs.len);

    if (cln) {
        kept = cln->data;
        kept->data = (u_char *) (kept + 1);
        kept->len = tlvs.len;
        ngx_memcpy(kept->data, tlvs.data, tlvs.len);

        cln->handler = ngx_neon_vpc_cleanup;
    }
}


static void
ngx_neon_vpc_cleanup(void *data)
{
    /* it only marks the entry as ours */
}


static ngx_str_t
ngx_neon_vpc_tlvs(ngx_connection_t *c)
{
    ngx_str_t            none;
    ngx_pool_cleanup_t  *cln;

    for (cln = c->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_neon_vpc_cleanup) {
            return *(ngx_str_t *) cln->data;
        }
    }

    ngx_str_null(&none);

    return none;
}


#endif
