/*
 * Names to addresses, never blocking a worker: nginx's resolver where the
 * block has one, else getaddrinfo() on the thread pool.  IP literals are
 * answered at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_DNS_H
#define NGX_NEON_DNS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_neon_conf.h"


typedef struct ngx_neon_dns_s  ngx_neon_dns_t;

typedef void (*ngx_neon_dns_handler_pt)(ngx_neon_dns_t *d);


#define NGX_NEON_DNS_MAX_ADDRS  16


/*
 * The caller fills conf ... data and keeps the struct until the handler was
 * called or ngx_neon_dns_cancel() returned.  A thread that still runs after a
 * cancel works on memory of its own.
 */

struct ngx_neon_dns_s {
    ngx_neon_conf_t           *conf;
    ngx_log_t                 *log;
    ngx_str_t                  host;          /* NUL behind it; no brackets */
    in_port_t                  port;          /* host order */
    ngx_neon_dns_handler_pt    handler;
    void                      *data;

    /* the answer */
    ngx_int_t                  rc;            /* NGX_OK or NGX_ERROR */
    const char                *error;         /* static text of NGX_ERROR */
    ngx_uint_t                 naddrs;
    struct {
        socklen_t              socklen;
        ngx_sockaddr_t         sockaddr;      /* with the port */
    }                          addrs[NGX_NEON_DNS_MAX_ADDRS];

    void                      *ctx;           /* of the look-up */
};


/* NGX_OK: answered (d->rc); NGX_AGAIN: the handler will be called later */
ngx_int_t ngx_neon_dns_start(ngx_neon_dns_t *d);
void ngx_neon_dns_cancel(ngx_neon_dns_t *d);


#endif /* NGX_NEON_DNS_H */
