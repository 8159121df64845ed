/*
 * The beginning and the end of a block: unset values, defaults, what hangs on
 * several directives.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_block.h"

#include "neon_md5.h"

#include "ngx_neon_conf_auth.h"
#include "ngx_neon_tls.h"
#include "ngx_neon_zone.h"


#define NGX_NEON_ZONE_SIZE      (32 * 1024 * 1024)


static char *ngx_neon_block_fits(ngx_conf_t *cf, ngx_neon_block_t *block);
static char *ngx_neon_block_http_only(ngx_neon_block_t *block);
static char *ngx_neon_block_static_only(ngx_neon_block_t *block);
static char *ngx_neon_block_postgres_only(ngx_neon_block_t *block);
static char *ngx_neon_block_md5(ngx_conf_t *cf, ngx_neon_conf_t *conf);
static char *ngx_neon_block_no_link(ngx_neon_block_t *block);
static void ngx_neon_block_defaults(ngx_neon_block_t *block);
static void ngx_neon_block_unset_cache(ngx_neon_cache_conf_t *cache);
static void ngx_neon_block_cache(ngx_neon_cache_conf_t *cache,
    ngx_uint_t size);
static void ngx_neon_block_retry(ngx_neon_retry_t *retry,
    ngx_uint_t attempts, ngx_msec_t base, ngx_uint_t factor);


ngx_neon_conf_t *
ngx_neon_block_create(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_neon_conf_t   *conf;
    ngx_neon_block_t  *block;

    block = ngx_pcalloc(cf->pool, sizeof(ngx_neon_block_t));
    if (block == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->defined = 0;
     *     conf->zone = NULL;
     *     conf->ctl = NULL;
     *     conf->domains = NULL;
     *     conf->resolver = NULL;
     *     conf->wake_retry, conf->connect_retry = { 0 };
     *     strings = { 0, NULL };
     */

    conf = &block->conf;

    conf->name = *name;
    conf->file = cf->conf_file->file.name.data;
    conf->line = cf->conf_file->line;

    conf->resolver_timeout = NGX_CONF_UNSET_MSEC;
    conf->connect_timeout = NGX_CONF_UNSET_MSEC;
    conf->login_timeout = NGX_CONF_UNSET_MSEC;
    conf->client_timeout = NGX_CONF_UNSET_MSEC;
    conf->wake_timeout = NGX_CONF_UNSET_MSEC;
    conf->wake_notice = NGX_CONF_UNSET_MSEC;
    conf->limit_connections.rate = NGX_CONF_UNSET_UINT;
    conf->limit_unknown.rate = NGX_CONF_UNSET_UINT;
    conf->drain.idle = NGX_CONF_UNSET;
    conf->drain.after = NGX_CONF_UNSET_MSEC;
    conf->drain.rate.rate = NGX_CONF_UNSET_UINT;
    ngx_queue_init(&conf->drain.sessions);
    conf->auth = NGX_CONF_UNSET_UINT;
    conf->compute_ssl = NGX_CONF_UNSET_UINT;
    conf->forward_parameters = NGX_CONF_UNSET_UINT;
    conf->md5_verifiers = NGX_CONF_UNSET;
    conf->tls_required = NGX_CONF_UNSET;
    conf->private_access = NGX_CONF_UNSET;
    conf->otlp = NGX_CONF_UNSET_PTR;
    conf->websocket_insecure = NGX_CONF_UNSET;
    conf->websocket_ping = NGX_CONF_UNSET_MSEC;

    ngx_neon_block_unset_cache(&conf->node_cache);
    ngx_neon_block_unset_cache(&conf->secret_cache);

    block->api = NGX_CONF_UNSET_UINT;
    block->http.connect_timeout = NGX_CONF_UNSET_MSEC;
    block->http.request_timeout = NGX_CONF_UNSET_MSEC;
    block->postgres.connections = NGX_CONF_UNSET_UINT;

    if (ngx_array_init(&block->fixed.endpoints, cf->pool, 4,
                       sizeof(ngx_neon_ctl_static_endpoint_t))
        != NGX_OK)
    {
        return NULL;
    }

    return conf;
}


char *
ngx_neon_block_complete(ngx_conf_t *cf, ngx_neon_conf_t *conf)
{
    char              *rv;
    ngx_uint_t         ca;
    ngx_neon_block_t  *block;

    block = (ngx_neon_block_t *) conf;

    rv = ngx_neon_block_fits(cf, block);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ca = (conf->compute_ssl_trusted_certificate.data != NULL);

    ngx_neon_block_defaults(block);

    rv = ngx_neon_block_md5(cf, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (conf->threads == NULL) {
        conf->threads = ngx_thread_pool_add(cf, NULL);
        if (conf->threads == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_neon_tls_create(cf, conf, ca) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"compute_ssl_trusted_certificate\" must be a PEM file"
                      " of certificates, \"%V\" is not, in neon_proxy \"%V\""
                      " in %s:%ui", &conf->compute_ssl_trusted_certificate,
                      &conf->name, conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (ngx_neon_zone_add(cf, conf, &ngx_neon_proxy_module) != NGX_OK
        || conf->ctl->init(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* directives that belong to another kind of control plane are mistakes */

static char *
ngx_neon_block_fits(ngx_conf_t *cf, ngx_neon_block_t *block)
{
    char             *what, *form;
    ngx_neon_conf_t  *conf;

    conf = &block->conf;

    if (conf->ctl == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"control_plane\" in neon_proxy \"%V\" in %s:%ui",
                      &conf->name, conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    what = NULL;
    form = "";

    if (conf->ctl != &ngx_neon_ctl_http) {
        what = ngx_neon_block_http_only(block);
    }

    if (what && conf->ctl == &ngx_neon_ctl_postgres) {
        form = ": all that it needs stands in its URL, "
               NGX_NEON_CTL_POSTGRES_FORM;
    }

    if (what == NULL && conf->ctl != &ngx_neon_ctl_static) {
        what = ngx_neon_block_static_only(block);
    }

    if (what == NULL && conf->ctl != &ngx_neon_ctl_postgres) {
        what = ngx_neon_block_postgres_only(block);
    }

    if (what == NULL && conf->ctl == &ngx_neon_ctl_link) {
        what = ngx_neon_block_no_link(block);
    }

    if (what == NULL && conf->ctl->local
        && (block->http.connect_timeout != NGX_CONF_UNSET_MSEC
            || block->http.request_timeout != NGX_CONF_UNSET_MSEC))
    {
        what = "control_plane_timeout";
    }

    if (what) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" does not fit \"control_plane %V\""
                      " in neon_proxy \"%V\" in %s:%ui%s", what,
                      &conf->ctl->name, &conf->name, conf->file, conf->line,
                      form);
        return NGX_CONF_ERROR;
    }

    return ngx_neon_conf_auth_fits(cf, block);
}


/* the link control plane, and what belongs to it, or cannot */

ngx_int_t
ngx_neon_block_check(ngx_cycle_t *cycle, ngx_neon_conf_t *conf)
{
    ngx_uint_t  link;

    link = (conf->ctl == &ngx_neon_ctl_link);

    if (link && conf->manage.file == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "neon_proxy \"%V\" in %s:%ui has \"control_plane"
                      " link\", but there is no stream server with"
                      " \"neon_proxy_manage %V\": nobody could ever be let"
                      " in", &conf->name, conf->file, conf->line,
                      &conf->name);
        return NGX_ERROR;
    }

    if (link && conf->websocket.file) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"neon_proxy_websocket %V\" in %s:%ui: \"control_plane"
                      " link\" serves TCP only, for a WebSocket shows nobody"
                      " the address to visit", &conf->name,
                      conf->websocket.file, conf->websocket.line);
        return NGX_ERROR;
    }

    if (!link && conf->manage.file) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"neon_proxy_manage %V\" in %s:%ui needs a neon_proxy"
                      " with \"control_plane link\"; \"%V\" in %s:%ui has"
                      " \"%V\"", &conf->name, conf->manage.file,
                      conf->manage.line, &conf->name, conf->file, conf->line,
                      &conf->ctl->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the name of a directive that is there, or NULL */

static char *
ngx_neon_block_http_only(ngx_neon_block_t *block)
{
    if (block->api != NGX_CONF_UNSET_UINT) {
        return "control_plane_api";
    }

    return block->http.token.data ? "control_plane_token" : NULL;
}


static char *
ngx_neon_block_static_only(ngx_neon_block_t *block)
{
    if (block->fixed.endpoints.nelts || block->fixed.any) {
        return "endpoint";
    }

    if (block->conf.auth == NGX_NEON_AUTH_PASSTHROUGH
        || block->conf.auth == NGX_NEON_AUTH_PASSTHROUGH_TLS)
    {
        return "auth passthrough";
    }

    return block->fixed.role_file.data ? "role_file" : NULL;
}


static char *
ngx_neon_block_postgres_only(ngx_neon_block_t *block)
{
    if (block->postgres.connections != NGX_CONF_UNSET_UINT) {
        return "control_plane_connections";
    }

    if (block->postgres.auth_query.data) {
        return "auth_query";
    }

    if (block->postgres.access_query.data) {
        return "access_query";
    }

    return block->postgres.node_query.data ? "node_query" : NULL;
}


static char *
ngx_neon_block_md5(ngx_conf_t *cf, ngx_neon_conf_t *conf)
{
    neon_md5_t  v;

    if (!conf->md5_verifiers
        || neon_md5_make(&v, neon_str(NULL, 0), neon_str(NULL, 0)) == NEON_OK)
    {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"md5_verifiers on\" needs MD5, which this OpenSSL does not"
                  " have, be it by FIPS mode or by how it was built:"
                  " \"md5_verifiers\" must be off in neon_proxy \"%V\""
                  " in %s:%ui", &conf->name, conf->file, conf->line);

    return NGX_CONF_ERROR;
}


/* nobody is looked up, and no compute is woken */

static char *
ngx_neon_block_no_link(ngx_neon_block_t *block)
{
    ngx_neon_conf_t  *conf;

    conf = &block->conf;

    if (conf->node_cache.size != NGX_CONF_UNSET_UINT) {
        return "node_cache";
    }

    if (conf->secret_cache.size != NGX_CONF_UNSET_UINT) {
        return "secret_cache";
    }

    if (conf->mock_secret.data) {
        return "mock_secret";
    }

    if (conf->limit_unknown.rate != NGX_CONF_UNSET_UINT) {
        return "limit_unknown";
    }

    if (conf->domains) {
        return "domains";
    }

    if (conf->wake_retry.attempts || conf->wake_retry.base
        || conf->wake_retry.factor)
    {
        return "wake_retry";
    }

    return conf->wake_notice != NGX_CONF_UNSET_MSEC ? "wake_notice" : NULL;
}


static void
ngx_neon_block_defaults(ngx_neon_block_t *block)
{
    ngx_neon_conf_t  *conf;

    conf = &block->conf;

    if (conf->zone_name.data == NULL) {
        conf->zone_name = conf->name;
        conf->zone_size = NGX_NEON_ZONE_SIZE;
    }

    ngx_conf_init_uint_value(block->api, NGX_NEON_CTL_API_V1);
    ngx_conf_init_msec_value(block->http.connect_timeout, 2000);
    ngx_conf_init_msec_value(block->http.request_timeout, 30000);

    block->http.api = block->api;

    ngx_conf_init_uint_value(block->postgres.connections, 4);
    block->postgres.connect_timeout = block->http.connect_timeout;
    block->postgres.request_timeout = block->http.request_timeout;

    ngx_conf_init_msec_value(conf->resolver_timeout, 5000);
    ngx_conf_init_msec_value(conf->connect_timeout, 2000);
    ngx_conf_init_msec_value(conf->login_timeout, 15000);
    ngx_conf_init_msec_value(conf->client_timeout, 15000);
    ngx_conf_init_msec_value(conf->wake_timeout, 60000);

    ngx_conf_init_msec_value(conf->wake_notice, 0);
    ngx_conf_init_msec_value(conf->websocket_ping, 30000);
    ngx_conf_init_value(conf->websocket_insecure, 0);
    ngx_conf_init_ptr_value(conf->otlp, NULL);
    ngx_conf_init_value(conf->md5_verifiers, 0);
    ngx_conf_init_value(conf->private_access, 0);

    ngx_neon_block_cache(&conf->node_cache, 4000);
    ngx_neon_block_cache(&conf->secret_cache, 10000);

    ngx_conf_init_uint_value(conf->limit_connections.rate, 0);

    if (conf->limit_unknown.rate == NGX_CONF_UNSET_UINT) {
        conf->limit_unknown.rate = 10 * 1000;
        conf->limit_unknown.burst = 300 * 1000;
    }

    ngx_conf_init_value(conf->drain.idle, 0);
    ngx_conf_init_msec_value(conf->drain.after, 30000);
    ngx_conf_init_uint_value(conf->drain.rate.rate, 100 * 1000);

    /* what timers of 1 ms let slip may be caught up with */
    conf->drain.rate.burst = ngx_max(conf->drain.rate.rate / 10, 1000);

    ngx_neon_block_retry(&conf->wake_retry, 8, 100, 1600);
    ngx_neon_block_retry(&conf->connect_retry, 5, 200, 2000);

    ngx_conf_init_uint_value(conf->compute_ssl, NGX_NEON_SSL_AUTO);
    ngx_conf_init_uint_value(conf->forward_parameters, NGX_NEON_FORWARD_ALL);

    if (conf->compute_ssl_trusted_certificate.data == NULL) {
        ngx_str_set(&conf->compute_ssl_trusted_certificate,
                    "/etc/ssl/certs/ca-certificates.crt");
    }
}


static void
ngx_neon_block_unset_cache(ngx_neon_cache_conf_t *cache)
{
    cache->size = NGX_CONF_UNSET_UINT;
    cache->ttl = NGX_CONF_UNSET_MSEC;
    cache->negative = NGX_CONF_UNSET_MSEC;
    cache->stale = NGX_CONF_UNSET_MSEC;
}


static void
ngx_neon_block_cache(ngx_neon_cache_conf_t *cache, ngx_uint_t size)
{
    ngx_conf_init_uint_value(cache->size, size);
    ngx_conf_init_msec_value(cache->ttl, 300000);
    ngx_conf_init_msec_value(cache->negative, 30000);
    ngx_conf_init_msec_value(cache->stale, 0);
}


static void
ngx_neon_block_retry(ngx_neon_retry_t *retry, ngx_uint_t attempts,
    ngx_msec_t base, ngx_uint_t factor)
{
    if (retry->attempts == 0) {
        retry->attempts = attempts;
    }

    if (retry->base == 0) {
        retry->base = base;
    }

    if (retry->factor == 0) {
        retry->factor = factor;
    }
}
