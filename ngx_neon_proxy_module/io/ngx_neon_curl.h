/*
 * HTTP requests by libcurl's multi interface on nginx's event loop.
 * One multi handle a worker, with keep-alive; level-triggered events.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CURL_H
#define NGX_NEON_CURL_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_neon_conf.h"


typedef struct ngx_neon_curl_s  ngx_neon_curl_t;

typedef void (*ngx_neon_curl_handler_pt)(ngx_neon_curl_t *r);


/* The caller keeps it until the handler was called or _cancel() returned. */

struct ngx_neon_curl_s {
    ngx_neon_conf_t           *conf;          /* resolver, thread pool */
    ngx_pool_t                *pool;
    ngx_log_t                 *log;

    ngx_str_t                  url;           /* NUL behind it */
    ngx_str_t                 *headers;       /* "Name: value", NUL behind */
    ngx_uint_t                 nheaders;
    ngx_str_t                  body;          /* data not NULL: POST */
    ngx_msec_t                 connect_timeout;
    ngx_msec_t                 timeout;       /* the whole request */
    size_t                     max_response;
    unsigned                   last:1;        /* see ngx_neon_curl_last() */
    unsigned                   slow:1;        /* it takes what it takes, and
                                                 must leave room for others */

    ngx_neon_curl_handler_pt   handler;
    void                      *data;

    /* the answer */
    ngx_uint_t                 status;        /* 0: none came, see error */
    ngx_msec_t                 retry_after;   /* of its header; 0: none */
    ngx_str_t                  response;
    const char                *error;         /* libcurl's words, in pool */
    unsigned                   too_large:1;   /* there was an answer, above
                                                 max_response */

    void                      *ctx;
};


/* per worker: init_process and exit_process */
ngx_int_t ngx_neon_curl_init(ngx_cycle_t *cycle);
void ngx_neon_curl_exit(ngx_cycle_t *cycle);

/* NGX_AGAIN: the handler will be called, never from inside this call;
   NGX_ERROR: no memory */
ngx_int_t ngx_neon_curl_start(ngx_neon_curl_t *r);
void ngx_neon_curl_cancel(ngx_neon_curl_t *r);

/*
 * Behind the event loop, in exit_process: only requests that have r->last go
 * on, and may begin.  They do so in _wait(), for at most so long in each call.
 */
void ngx_neon_curl_last(void);
void ngx_neon_curl_wait(ngx_msec_t msec);


#endif /* NGX_NEON_CURL_H */
