/*
 * One HTTP request of libcurl: what is asked and how, and what comes back.
 * The only file of ours that includes curl.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CURL_REQ_H
#define NGX_NEON_CURL_REQ_H


#include "ngx_neon_curl.h"
#include "ngx_neon_curl_addr.h"
#include "ngx_neon_url.h"

#include <curl/curl.h>


typedef enum {
    NGX_NEON_CURL_WAITING = 0,            /* for addresses of the host */
    NGX_NEON_CURL_READY,                  /* to be given to libcurl */
    NGX_NEON_CURL_HELD,                   /* until fewer slow ones run */
    NGX_NEON_CURL_RUNNING,
    NGX_NEON_CURL_DROPPED,                /* to be taken from libcurl */
    NGX_NEON_CURL_DONE,                   /* the handler is to be called */
    NGX_NEON_CURL_STATES
} ngx_neon_curl_state_e;


/*
 * Ours of a request, malloc'd: libcurl may still hold it when the caller has
 * cancelled and freed his own.
 */

typedef struct {
    ngx_neon_curl_t           *r;         /* NULL: cancelled */
    ngx_neon_curl_state_e      state;
    ngx_queue_t                queue;     /* of that state */

    ngx_neon_url_t             url;       /* points into r->url */
    ngx_neon_curl_wait_t       wait;
    ngx_event_t                timer;     /* of WAITING and HELD */
    ngx_msec_t                 start;

    CURL                      *easy;
    struct curl_slist         *headers;
    struct curl_slist         *resolve;
    unsigned                   placed:1;  /* among the slow ones */
    ngx_uint_t                 tries;
    const char                *failure;   /* ours, before libcurl's */
    size_t                     header_size;
    size_t                     capacity;  /* of r->response */
    char                       error[CURL_ERROR_SIZE];
} ngx_neon_curl_req_t;


/* NULL: no memory; not in a queue yet */
ngx_neon_curl_req_t *ngx_neon_curl_req_create(ngx_neon_curl_t *r);
void ngx_neon_curl_req_free(ngx_neon_curl_req_t *req);

/* "+host:port:address,..."; NGX_ERROR: no memory */
ngx_int_t ngx_neon_curl_req_resolve(ngx_neon_curl_req_t *req,
    const char *text);

/* libcurl is done with it: status, or req->failure; NGX_AGAIN: no connection
   came about, and there is another address to try */
ngx_int_t ngx_neon_curl_req_complete(ngx_neon_curl_req_t *req, CURLcode code);

/* fills the caller's struct and cuts the tie; the failure's text goes into
   his pool */
void ngx_neon_curl_req_answer(ngx_neon_curl_req_t *req);


#endif /* NGX_NEON_CURL_REQ_H */
