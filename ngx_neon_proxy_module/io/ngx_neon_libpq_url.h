/*
 * postgres:// URLs, as libpq understands them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LIBPQ_URL_H
#define NGX_NEON_LIBPQ_URL_H


#include "ngx_neon_libpq.h"


/*
 * Fills host ... options of the pool.  NGX_ERROR: *err says what is wrong, in
 * cf->pool or static, and never holds a password.
 */
ngx_int_t ngx_neon_libpq_url(ngx_conf_t *cf, ngx_neon_libpq_pool_t *pool,
    ngx_str_t *url, const char **err);


#endif /* NGX_NEON_LIBPQ_URL_H */
