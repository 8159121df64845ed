/*
 * What Neon's control plane says when it refuses, as a reason of ours.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_ERROR_H
#define NGX_NEON_CTL_ERROR_H


#include "ngx_neon_ctl.h"


/* no answer came; words: whose, in r->pool or static */
void ngx_neon_ctl_error_transport(ngx_neon_ctl_request_t *r,
    const char *words);

/* an answer came that cannot be understood */
void ngx_neon_ctl_error_answer(ngx_neon_ctl_request_t *r, ngx_uint_t status,
    const char *err);

/*
 * An answer with a status other than 2xx.  NGX_DECLINED: to the question
 * ACCESS, it says that there is no such endpoint; r is as it was.
 */
ngx_int_t ngx_neon_ctl_error_status(ngx_neon_ctl_request_t *r,
    ngx_uint_t status, ngx_str_t *body, ngx_pool_t *temp);


#endif /* NGX_NEON_CTL_ERROR_H */
