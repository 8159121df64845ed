/*
 * The http module: Postgres over WebSocket, pages that show what a proxy does,
 * and the variables $neon_... for http logs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_http_neon_pages.h"
#include "ngx_http_neon_websocket.h"

#include "ngx_neon_variables.h"


static ngx_int_t ngx_http_neon_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_neon_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void *ngx_http_neon_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_neon_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


static ngx_command_t  ngx_http_neon_commands[] = {

    { ngx_string("neon_proxy_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_neon_pages_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("neon_proxy_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_neon_pages_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("neon_proxy_websocket"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_neon_websocket,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_neon_module_ctx = {
    ngx_http_neon_add_variables,           /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_neon_create_loc_conf,         /* create location configuration */
    ngx_http_neon_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_neon_module = {
    NGX_MODULE_V1,
    &ngx_http_neon_module_ctx,             /* module context */
    ngx_http_neon_commands,                /* module directives */
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


static void *
ngx_http_neon_create_loc_conf(ngx_conf_t *cf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     nlcf->conf = NULL;
     */

    return ngx_pcalloc(cf->pool, sizeof(ngx_http_neon_loc_conf_t));
}


/* an "if" in the location has a configuration of its own, but our handler */

static char *
ngx_http_neon_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_neon_loc_conf_t *prev = parent;
    ngx_http_neon_loc_conf_t *conf = child;

    if (conf->conf == NULL) {
        conf->conf = prev->conf;
    }

    return NGX_CONF_OK;
}
