/*
 * The variables $neon_..., the same in stream and http.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_VARIABLES_H
#define NGX_NEON_VARIABLES_H


#include "ngx_neon_session.h"


/* NGX_DECLINED: not known (yet) */

typedef ngx_int_t (*ngx_neon_variable_pt)(ngx_neon_session_t *s,
    ngx_pool_t *pool, uintptr_t data, ngx_str_t *value);


typedef struct {
    ngx_str_t              name;
    ngx_neon_variable_pt   get;
    uintptr_t              data;
} ngx_neon_variable_t;


/* ended by an empty name; all may change over the life of a session */
extern const ngx_neon_variable_t  ngx_neon_variables[];


#endif /* NGX_NEON_VARIABLES_H */
