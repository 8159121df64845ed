/*
 * Addresses of the hosts that libcurl talks to, resolved by us and kept for a
 * short time in each worker, in the form of CURLOPT_RESOLVE.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CURL_ADDR_H
#define NGX_NEON_CURL_ADDR_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_conf.h"


typedef struct ngx_neon_curl_wait_s  ngx_neon_curl_wait_t;

typedef void (*ngx_neon_curl_wait_handler_pt)(ngx_neon_curl_wait_t *w);


/* The caller fills conf ... data and keeps it until the handler was called. */

struct ngx_neon_curl_wait_s {
    ngx_neon_conf_t                *conf;
    ngx_str_t                       host;
    in_port_t                       port;
    ngx_neon_curl_wait_handler_pt   handler;
    void                           *data;

    /* "+host:port:address[,address]", or NULL and an error; valid until the
       handler, or _get() with NGX_OK, has returned to the event loop */
    const char                     *resolve;
    const char                     *error;
    ngx_uint_t                      naddrs;
    ngx_uint_t                      turn;     /* which one goes first */

    ngx_queue_t                     queue;
};


void ngx_neon_curl_addr_init(void);

/* frees everything; handlers are not called */
void ngx_neon_curl_addr_exit(void);

/* NGX_OK: answered; NGX_AGAIN: the handler will be called */
ngx_int_t ngx_neon_curl_addr_get(ngx_neon_curl_wait_t *w);
void ngx_neon_curl_addr_cancel(ngx_neon_curl_wait_t *w);

/* w->resolve was of no use: another address goes first from now on */
void ngx_neon_curl_addr_failed(ngx_neon_curl_wait_t *w);

/* all were of no use: the next call looks them up anew */
void ngx_neon_curl_addr_forget(ngx_neon_curl_wait_t *w);


#endif /* NGX_NEON_CURL_ADDR_H */
