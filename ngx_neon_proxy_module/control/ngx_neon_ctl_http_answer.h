/*
 * Neon's HTTP API: what is answered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_HTTP_ANSWER_H
#define NGX_NEON_CTL_HTTP_ANSWER_H


#include "ngx_neon_ctl.h"


/* any HTTP answer; what r keeps is in r->pool, temp may go afterwards */
void ngx_neon_ctl_http_answer(ngx_neon_ctl_request_t *r, ngx_uint_t status,
    ngx_str_t *body, ngx_pool_t *temp);


#endif /* NGX_NEON_CTL_HTTP_ANSWER_H */
