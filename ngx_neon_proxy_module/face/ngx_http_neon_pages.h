/*
 * The locations `neon_proxy_status` and `neon_proxy_metrics`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_HTTP_NEON_PAGES_H
#define NGX_HTTP_NEON_PAGES_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_neon_conf.h"


/* location configuration of ngx_http_neon_module */

typedef struct {
    ngx_neon_conf_t        *conf;             /* the proxy; NULL: none */
} ngx_http_neon_loc_conf_t;


/* one directive of ours serves the location, and no other does */
char *ngx_http_neon_pages_set(ngx_conf_t *cf, ngx_http_neon_loc_conf_t *nlcf,
    ngx_http_handler_pt handler);

/* both strings must stay */
ngx_int_t ngx_http_neon_pages_header(ngx_http_request_t *r, const char *name,
    const char *value);

/* directive handlers */
char *ngx_http_neon_pages_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_neon_pages_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


extern ngx_module_t  ngx_http_neon_module;


#endif /* NGX_HTTP_NEON_PAGES_H */
