/*
 * A `neon_proxy NAME { ... }` block while it is read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_BLOCK_H
#define NGX_NEON_BLOCK_H


#include "ngx_neon_ctl_http.h"
#include "ngx_neon_ctl_link.h"
#include "ngx_neon_ctl_postgres.h"
#include "ngx_neon_ctl_static.h"
#include "ngx_neon_proxy_module.h"


/* a block while it is read; conf comes first: it is what the others see */

typedef struct {
    ngx_neon_conf_t              conf;

    ngx_uint_t                   api;
    ngx_neon_ctl_http_conf_t     http;
    ngx_neon_ctl_postgres_conf_t postgres;
    ngx_neon_ctl_static_conf_t   fixed;
    ngx_neon_ctl_link_conf_t     link;
} ngx_neon_block_t;


/* before the first directive */
ngx_neon_conf_t *ngx_neon_block_create(ngx_conf_t *cf, ngx_str_t *name);

/* behind the last: defaults, and what hangs on several directives */
char *ngx_neon_block_complete(ngx_conf_t *cf, ngx_neon_conf_t *conf);

/* behind the whole configuration: do those fit that name it? */
ngx_int_t ngx_neon_block_check(ngx_cycle_t *cycle, ngx_neon_conf_t *conf);


#endif /* NGX_NEON_BLOCK_H */
