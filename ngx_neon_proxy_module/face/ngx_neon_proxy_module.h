/*
 * The core module: `neon_proxy NAME { ... }` blocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_PROXY_MODULE_H
#define NGX_NEON_PROXY_MODULE_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_conf.h"


#define NGX_NEON_MODULE         0x4e4f454e    /* "NEON" */
#define NGX_NEON_CONF           0x02000000


/* main configuration of ngx_neon_proxy_module */

typedef struct {
    ngx_array_t             proxies;          /* of ngx_neon_conf_t * */
} ngx_neon_main_conf_t;


/* cf->ctx inside a block: see ngx_conf_handler() */

typedef struct {
    ngx_neon_conf_t       **conf;             /* one, at ctx_index 0 */
} ngx_neon_conf_ctx_t;


/*
 * The proxy of that name.  It may stand further down in the file: whether it
 * was defined at all is checked when everything is read.
 */
ngx_neon_conf_t *ngx_neon_proxy_get(ngx_conf_t *cf, ngx_str_t *name);


/* where the directive stands that is being read */
void ngx_neon_proxy_place(ngx_conf_t *cf, ngx_neon_place_t *place);


extern ngx_module_t  ngx_neon_proxy_module;
extern ngx_module_t  ngx_neon_conf_module;


#endif /* NGX_NEON_PROXY_MODULE_H */
