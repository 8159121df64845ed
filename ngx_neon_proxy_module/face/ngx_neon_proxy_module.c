/*
 * The core module: blocks, and what each worker needs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_proxy_module.h"

#include "ngx_neon_block.h"
#include "ngx_neon_conf_auth.h"
#include "ngx_neon_curl.h"
#include "ngx_neon_drain.h"
#include "ngx_neon_libpq.h"
#include "ngx_neon_lookup.h"
#include "ngx_neon_otlp.h"
#include "ngx_neon_retire.h"
#include "ngx_neon_trace.h"
#include "ngx_neon_vpc.h"
#include "ngx_neon_zone.h"


static void *ngx_neon_proxy_create_conf(ngx_cycle_t *cycle);
static char *ngx_neon_proxy_init_conf(ngx_cycle_t *cycle, void *conf);
static char *ngx_neon_proxy_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *dummy);
static ngx_int_t ngx_neon_proxy_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_neon_proxy_init_process(ngx_cycle_t *cycle);
static void ngx_neon_proxy_drain(void);
static void ngx_neon_proxy_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_neon_proxy_commands[] = {

    { ngx_string("neon_proxy"),
      NGX_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_neon_proxy_block,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_core_module_t  ngx_neon_proxy_module_ctx = {
    ngx_string("neon_proxy"),
    ngx_neon_proxy_create_conf,
    ngx_neon_proxy_init_conf
};


ngx_module_t  ngx_neon_proxy_module = {
    NGX_MODULE_V1,
    &ngx_neon_proxy_module_ctx,            /* module context */
    ngx_neon_proxy_commands,               /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_neon_proxy_init_module,            /* init module */
    ngx_neon_proxy_init_process,           /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_neon_proxy_exit_process,           /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_neon_proxy_create_conf(ngx_cycle_t *cycle)
{
    ngx_neon_main_conf_t  *nmcf;

    nmcf = ngx_pcalloc(cycle->pool, sizeof(ngx_neon_main_conf_t));
    if (nmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&nmcf->proxies, cycle->pool, 4,
                       sizeof(ngx_neon_conf_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return nmcf;
}


static char *
ngx_neon_proxy_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_neon_main_conf_t  *nmcf = conf;

    ngx_uint_t         i;
    ngx_neon_conf_t  **proxy;

    proxy = nmcf->proxies.elts;

    for (i = 0; i < nmcf->proxies.nelts; i++) {
        if (!proxy[i]->defined) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "unknown neon_proxy \"%V\" in %s:%ui: there is no"
                          " block \"neon_proxy %V { ... }\"",
                          &proxy[i]->name, proxy[i]->file, proxy[i]->line,
                          &proxy[i]->name);
            return NGX_CONF_ERROR;
        }

        if (ngx_neon_block_check(cycle, proxy[i]) != NGX_OK
            || ngx_neon_conf_auth_fronts(cycle, proxy[i]) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_neon_conf_t *
ngx_neon_proxy_get(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_neon_conf_t      **proxy;
    ngx_neon_main_conf_t  *nmcf;

    nmcf = (ngx_neon_main_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                 ngx_neon_proxy_module);
    proxy = nmcf->proxies.elts;

    for (i = 0; i < nmcf->proxies.nelts; i++) {
        if (proxy[i]->name.len == name->len
            && ngx_strncmp(proxy[i]->name.data, name->data, name->len) == 0)
        {
            return proxy[i];
        }
    }

    proxy = ngx_array_push(&nmcf->proxies);
    if (proxy == NULL) {
        return NULL;
    }

    *proxy = ngx_neon_block_create(cf, name);

    return *proxy;
}


void
ngx_neon_proxy_place(ngx_conf_t *cf, ngx_neon_place_t *place)
{
    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;
}


static char *
ngx_neon_proxy_block(ngx_conf_t *cf, ngx_command_t *cmd, void *dummy)
{
    char                 *rv;
    ngx_str_t            *value;
    ngx_conf_t            save;
    ngx_neon_conf_t      *conf;
    ngx_neon_conf_ctx_t   ctx;

    value = cf->args->elts;

    conf = ngx_neon_proxy_get(cf, &value[1]);
    if (conf == NULL) {
        return NGX_CONF_ERROR;
    }

    if (conf->defined) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate neon_proxy \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    conf->defined = 1;
    conf->file = cf->conf_file->file.name.data;
    conf->line = cf->conf_file->line;

    /* one module of our type: its ctx_index becomes 0 */

    (void) ngx_count_modules(cf->cycle, NGX_NEON_MODULE);

    ctx.conf = &conf;

    save = *cf;
    cf->ctx = &ctx;
    cf->module_type = NGX_NEON_MODULE;
    cf->cmd_type = NGX_NEON_CONF;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_neon_block_complete(cf, conf);
}


static ngx_int_t
ngx_neon_proxy_init_module(ngx_cycle_t *cycle)
{
    ngx_neon_main_conf_t  *nmcf;

    nmcf = (ngx_neon_main_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                 ngx_neon_proxy_module);

    /* without a block nothing of nginx is touched */

    if (nmcf->proxies.nelts) {
        ngx_neon_vpc_init(cycle);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_proxy_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t              i;
    ngx_neon_conf_t       **proxy;
    ngx_neon_main_conf_t   *nmcf;

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    nmcf = (ngx_neon_main_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                 ngx_neon_proxy_module);

    if (nmcf->proxies.nelts == 0) {
        return NGX_OK;
    }

    proxy = nmcf->proxies.elts;

    for (i = 0; i < nmcf->proxies.nelts; i++) {
        ngx_neon_slot_claim(ngx_neon_zone(proxy[i]), cycle->log);

        if (ngx_neon_otlp_init(cycle, proxy[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_neon_drain_init(cycle, ngx_neon_proxy_drain);

    return ngx_neon_curl_init(cycle);
}


/* a quit or a reload: this worker serves what it has, and no more */

static void
ngx_neon_proxy_drain(void)
{
    ngx_uint_t              i;
    ngx_neon_zone_t        *zone;
    ngx_neon_conf_t       **proxy;
    ngx_neon_main_conf_t   *nmcf;

    nmcf = (ngx_neon_main_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                                 ngx_neon_proxy_module);
    proxy = nmcf->proxies.elts;

    for (i = 0; i < nmcf->proxies.nelts; i++) {
        zone = ngx_neon_zone(proxy[i]);

        if (zone->slot) {
            zone->slot->draining = 1;
        }

        ngx_neon_retire_begin(proxy[i]);
    }
}


static void
ngx_neon_proxy_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t              i;
    ngx_neon_conf_t       **proxy;
    ngx_neon_main_conf_t   *nmcf;

    ngx_neon_drain_exit();

    ngx_neon_trace_exit();
    ngx_neon_otlp_exit();

    ngx_neon_curl_exit(cycle);
    ngx_neon_libpq_exit();

    ngx_neon_lookup_exit();

    nmcf = (ngx_neon_main_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                 ngx_neon_proxy_module);
    proxy = nmcf->proxies.elts;

    for (i = 0; i < nmcf->proxies.nelts; i++) {
        ngx_neon_slot_release(ngx_neon_zone(proxy[i]));
    }
}
