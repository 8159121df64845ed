/*
 * A query at the management listener: a callback of the console.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_MANAGE_QUERY_H
#define NGX_NEON_MANAGE_QUERY_H


#include "ngx_neon_manage.h"

#include "neon_buf.h"


/* writes what is answered, up to ReadyForQuery */
void ngx_neon_manage_query(ngx_neon_manage_t *m, neon_str_t text,
    neon_wr_t *w);

/* an ErrorResponse; hint may be NULL */
void ngx_neon_manage_error(neon_wr_t *w, const char *severity,
    const char *sqlstate, ngx_str_t *message, const char *detail,
    const char *hint);


#endif /* NGX_NEON_MANAGE_QUERY_H */
