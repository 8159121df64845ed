/*
 * What libpq and the server say when something fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LIBPQ_ERROR_H
#define NGX_NEON_LIBPQ_ERROR_H


#include "ngx_neon_libpq.h"


/* words of ours, without an SQLSTATE */
void ngx_neon_libpq_error_set(ngx_neon_libpq_error_t *e, const char *text);

/* ... for a query that the server takes and we do not */
void ngx_neon_libpq_error_refuse(ngx_neon_libpq_error_t *e, const char *text);

/* of a connection that failed or was lost */
void ngx_neon_libpq_error_connection(ngx_neon_libpq_error_t *e, PGconn *pg);

/* of a result that is no rows */
void ngx_neon_libpq_error_result(ngx_neon_libpq_error_t *e, PGresult *result);


#endif /* NGX_NEON_LIBPQ_ERROR_H */
