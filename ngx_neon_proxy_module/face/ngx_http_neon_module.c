/*
 * The http module: the variables $neon_... for http logs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_neon_variables.h"


static ngx_int_t ngx_http_neon_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_neon_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_module_t  ngx_http_neon_module_ctx = {
    ngx_http_neon_add_variables,           /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_neon_module = {
    NGX_MODULE_V1,
    &ngx_http_neon_module_ctx,             /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_neon_add_variables(ngx_conf_t *cf)
{
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_http_variable_t  *var;

    for (i = 0; ngx_neon_variables[i].name.len; i++) {
        name = ngx_neon_variables[i].name;

        var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_neon_variable;
        var->data = (uintptr_t) &ngx_neon_variables[i];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_neon_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_int_t             rc;
    ngx_str_t             value;
    ngx_neon_session_t   *s;
    ngx_neon_variable_t  *var;

    s = ngx_http_get_module_ctx(r->main, ngx_http_neon_module);

    if (s == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    var = (ngx_neon_variable_t *) data;
    rc = var->get(s, r->pool, var->data, &value);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = value.data;
    v->len = value.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
