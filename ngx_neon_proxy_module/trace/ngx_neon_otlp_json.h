/*
 * OTLP's JSON: ExportTraceServiceRequest and the answer to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_OTLP_JSON_H
#define NGX_NEON_OTLP_JSON_H


#include "ngx_neon_span.h"


/* who we are */

typedef struct {
    ngx_str_t               service;
    ngx_str_t               instance;         /* unique for each process */
    ngx_str_t               proxy;
} ngx_neon_otlp_resource_t;


/* by ngx_alloc(), with NUL behind it; NGX_ERROR: no memory */
ngx_int_t ngx_neon_otlp_json_write(ngx_str_t *body,
    const ngx_neon_otlp_resource_t *resource, ngx_queue_t *spans,
    ngx_log_t *log);

/* how many spans of a request were not taken; 0 where it does not say */
uint64_t ngx_neon_otlp_json_rejected(const ngx_str_t *answer);


#endif /* NGX_NEON_OTLP_JSON_H */
