/*
 * Endpoints and roles written in nginx.conf and a role file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_static.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_roles.h"
#include "ngx_neon_url.h"

#include "neon_endpoint.h"


static ngx_neon_ctl_static_endpoint_t *ngx_neon_ctl_static_add(
    ngx_conf_t *cf, ngx_neon_ctl_static_conf_t *sconf, ngx_str_t *name);
static ngx_int_t ngx_neon_ctl_static_param(ngx_conf_t *cf,
    ngx_neon_ctl_static_endpoint_t *e, ngx_str_t *param);
static ngx_int_t ngx_neon_ctl_static_refuse(ngx_conf_t *cf, const char *what,
    ngx_str_t *value, const char *why);
static ngx_int_t ngx_neon_ctl_static_init(ngx_conf_t *cf,
    ngx_neon_conf_t *conf);
static ngx_int_t ngx_neon_ctl_static_start(ngx_neon_ctl_request_t *r);
static void ngx_neon_ctl_static_cancel(ngx_neon_ctl_request_t *r);
static void ngx_neon_ctl_static_access(ngx_neon_ctl_request_t *r,
    ngx_str_t *endpoint);
static void ngx_neon_ctl_static_wake(ngx_neon_ctl_request_t *r,
    ngx_neon_ctl_static_endpoint_t *e);
static ngx_neon_ctl_static_endpoint_t *ngx_neon_ctl_static_find(
    ngx_neon_ctl_static_conf_t *sconf, ngx_str_t *name);
static int ngx_neon_ctl_static_cmp(const void *one, const void *two);
static void ngx_neon_ctl_static_normal(ngx_str_t *name);


ngx_neon_ctl_t  ngx_neon_ctl_static = {
    ngx_string("static"),
    1,                                    /* local */
    ngx_neon_ctl_static_init,
    ngx_neon_ctl_static_start,
    ngx_neon_ctl_static_cancel
};


char *
ngx_neon_ctl_static_endpoint(ngx_conf_t *cf,
    ngx_neon_ctl_static_conf_t *sconf)
{
    ngx_str_t                       *value;
    ngx_uint_t                       i;
    const char                      *err;
    ngx_neon_ctl_static_endpoint_t  *e;

    if (cf->args->nelts < 3) {
        return "needs NAME and HOST:PORT";
    }

    value = cf->args->elts;

    e = ngx_neon_ctl_static_add(cf, sconf, &value[1]);
    if (e == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_neon_ctl_address(&e->node, cf->pool, &value[2], &err) != NGX_OK
        || (value[2].data[0] != '['
            && ngx_strchr(e->node.host.data, ':') != NULL))
    {
        (void) ngx_neon_ctl_static_refuse(cf, "endpoint address", &value[2],
                                          "it must be HOST:PORT or "
                                          "[IPv6]:PORT");
        return NGX_CONF_ERROR;
    }

    for (i = 3; i < cf->args->nelts; i++) {
        if (ngx_neon_ctl_static_param(cf, e, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_neon_ctl_static_endpoint_t *
ngx_neon_ctl_static_add(ngx_conf_t *cf, ngx_neon_ctl_static_conf_t *sconf,
    ngx_str_t *name)
{
    ngx_uint_t                       i;
    ngx_array_t                     *list;
    ngx_neon_ctl_static_endpoint_t  *e;

    if (ngx_strcmp(name->data, "*") != 0
        && !neon_endpoint_valid(neon_str(name->data, name->len)))
    {
        (void) ngx_neon_ctl_static_refuse(cf, "endpoint name", name,
                                          "it must be 1 to 63 letters, "
                                          "digits and hyphens, or \"*\"");
        return NULL;
    }

    ngx_strlow(name->data, name->data, name->len);

    list = &sconf->endpoints;

    if (list->elts == NULL
        && ngx_array_init(list, cf->pool, 4,
                          sizeof(ngx_neon_ctl_static_endpoint_t))
           != NGX_OK)
    {
        return NULL;
    }

    e = list->elts;

    for (i = 0; i < list->nelts; i++) {
        if (e[i].name.len == name->len
            && ngx_memcmp(e[i].name.data, name->data, name->len) == 0)
        {
            (void) ngx_neon_ctl_static_refuse(cf, "endpoint name", name,
                                              "it is a duplicate");
            return NULL;
        }
    }

    e = ngx_array_push(list);
    if (e == NULL) {
        return NULL;
    }

    ngx_memzero(e, sizeof(ngx_neon_ctl_static_endpoint_t));
    e->name = *name;

    return e;
}


static ngx_int_t
ngx_neon_ctl_static_param(ngx_conf_t *cf, ngx_neon_ctl_static_endpoint_t *e,
    ngx_str_t *param)
{
    ngx_str_t  text;

    if (param->len > 4 && ngx_strncmp(param->data, "ssl=", 4) == 0) {
        text.data = param->data + 4;
        text.len = param->len - 4;

        if (ngx_neon_ctl_ssl(&e->node, &text) == NGX_OK) {
            return NGX_OK;
        }

    } else if (param->len > 12
               && ngx_strncmp(param->data, "server_name=", 12) == 0)
    {
        text.data = param->data + 12;
        text.len = param->len - 12;

        if (ngx_neon_url_host_valid(&text)) {
            e->node.server_name = text;
            return NGX_OK;
        }
    }

    return ngx_neon_ctl_static_refuse(cf, "endpoint parameter", param,
                                      "it must be ssl=off, ssl=prefer, "
                                      "ssl=require, ssl=verify-full or "
                                      "server_name=NAME");
}


static ngx_int_t
ngx_neon_ctl_static_refuse(ngx_conf_t *cf, const char *what, ngx_str_t *value,
    const char *why)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid %s \"%V\": %s",
                       what, value, why);

    return NGX_ERROR;
}


static ngx_int_t
ngx_neon_ctl_static_init(ngx_conf_t *cf, ngx_neon_conf_t *conf)
{
    ngx_str_t                    any;
    ngx_neon_ctl_static_conf_t  *sconf;

    sconf = conf->ctl_conf;

    if (sconf->endpoints.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"control_plane static\" needs at least one "
                           "\"endpoint NAME|* HOST:PORT\" in neon_proxy "
                           "\"%V\"", &conf->name);
        return NGX_ERROR;
    }

    if (sconf->role_file.len == 0 && conf->auth == NGX_NEON_AUTH_SCRAM) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"control_plane static\" needs a \"role_file\" "
                           "in neon_proxy \"%V\"", &conf->name);
        return NGX_ERROR;
    }

    ngx_qsort(sconf->endpoints.elts, sconf->endpoints.nelts,
              sizeof(ngx_neon_ctl_static_endpoint_t), ngx_neon_ctl_static_cmp);

    ngx_str_set(&any, "*");
    sconf->any = ngx_neon_ctl_static_find(sconf, &any);

    if (conf->auth != NGX_NEON_AUTH_SCRAM) {
        return NGX_OK;
    }

    if (ngx_conf_full_name(cf->cycle, &sconf->role_file, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_neon_ctl_roles_read(cf, &sconf->role_file,
                                   conf->md5_verifiers, &sconf->roles);
}


static ngx_int_t
ngx_neon_ctl_static_start(ngx_neon_ctl_request_t *r)
{
    ngx_str_t                        name;
    ngx_neon_ctl_static_conf_t      *sconf;
    ngx_neon_ctl_static_endpoint_t  *e;

    sconf = r->conf->ctl_conf;
    e = NULL;

    name = r->endpoint;

    if (neon_endpoint_valid(neon_str(r->endpoint.data, r->endpoint.len))) {

        /* a line of its own may be there for NAME-pooler */

        e = ngx_neon_ctl_static_find(sconf, &name);
        ngx_neon_ctl_static_normal(&name);

        if (e == NULL) {
            e = ngx_neon_ctl_static_find(sconf, &name);
        }

        if (e == NULL) {
            e = sconf->any;
        }
    }

    if (r->call == NGX_NEON_CTL_ACCESS) {
        ngx_neon_ctl_static_access(r, e ? &name : NULL);

    } else {
        ngx_neon_ctl_static_wake(r, e);
    }

    return NGX_OK;
}


static void
ngx_neon_ctl_static_cancel(ngx_neon_ctl_request_t *r)
{
    /* answers are immediate */
}


static void
ngx_neon_ctl_static_access(ngx_neon_ctl_request_t *r, ngx_str_t *endpoint)
{
    ngx_neon_access_t           *access;
    ngx_neon_ctl_role_t         *role;
    ngx_neon_ctl_static_conf_t  *sconf;

    sconf = r->conf->ctl_conf;

    access = ngx_neon_ctl_access(r);

    if (access == NULL || endpoint == NULL) {
        return;
    }

    role = ngx_neon_ctl_roles_find(&sconf->roles, endpoint, &r->role);

    if (role) {
        ngx_neon_ctl_verifier(r, access, &role->verifier);
    }
}


static void
ngx_neon_ctl_static_wake(ngx_neon_ctl_request_t *r,
    ngx_neon_ctl_static_endpoint_t *e)
{
    ngx_neon_node_t  *node;

    if (e == NULL) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_ENDPOINT_UNKNOWN,
                          "no \"endpoint\" line for it");
        return;
    }

    node = ngx_palloc(r->pool, sizeof(ngx_neon_node_t));
    if (node == NULL) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return;
    }

    *node = e->node;

    if (e->name.data[0] != '*') {
        node->endpoint_id = e->name;
    }

    ngx_str_set(&node->cold_start, "warm");

    r->rc = NGX_OK;
    r->node = node;
}


static ngx_neon_ctl_static_endpoint_t *
ngx_neon_ctl_static_find(ngx_neon_ctl_static_conf_t *sconf, ngx_str_t *name)
{
    ngx_neon_ctl_static_endpoint_t  key;

    ngx_memzero(&key, sizeof(ngx_neon_ctl_static_endpoint_t));
    key.name = *name;

    return bsearch(&key, sconf->endpoints.elts, sconf->endpoints.nelts,
                   sizeof(ngx_neon_ctl_static_endpoint_t),
                   ngx_neon_ctl_static_cmp);
}


static int
ngx_neon_ctl_static_cmp(const void *one, const void *two)
{
    const ngx_neon_ctl_static_endpoint_t  *a = one;
    const ngx_neon_ctl_static_endpoint_t  *b = two;

    if (a->name.len != b->name.len) {
        return (a->name.len < b->name.len) ? -1 : 1;
    }

    return ngx_memcmp(a->name.data, b->name.data, a->name.len);
}


static void
ngx_neon_ctl_static_normal(ngx_str_t *name)
{
    name->len = neon_endpoint_normal(neon_str(name->data, name->len)).len;
}
