/*
 * The stream module of `neon_proxy_manage`: TCP and TLS of the management
 * listener.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>

#include "ngx_neon_manage.h"
#include "ngx_neon_proxy_module.h"
#include "ngx_neon_tls.h"
#include "ngx_stream_neon_server.h"
#include "ngx_stream_neon_ssl.h"


typedef struct {
    ngx_neon_conf_t       *conf;
    ngx_neon_place_t       place;
} ngx_stream_neon_manage_conf_t;


static void ngx_stream_neon_manage_handler(ngx_stream_session_t *ss);
static void ngx_stream_neon_manage_event_handler(ngx_event_t *ev);
static ngx_int_t ngx_stream_neon_manage_starttls(ngx_neon_manage_t *m);
static void ngx_stream_neon_manage_tls_handler(ngx_connection_t *c);
static ngx_int_t ngx_stream_neon_manage_verify(ngx_neon_manage_t *m);
static void ngx_stream_neon_manage_finish(ngx_neon_manage_t *m);
static ngx_neon_manage_t *ngx_stream_neon_manage_of(ngx_connection_t *c);

static void *ngx_stream_neon_manage_create_srv_conf(ngx_conf_t *cf);
static char *ngx_stream_neon_manage(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_stream_neon_manage_init(ngx_conf_t *cf);


static ngx_command_t  ngx_stream_neon_manage_commands[] = {

    { ngx_string("neon_proxy_manage"),
      NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_stream_neon_manage,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_stream_module_t  ngx_stream_neon_manage_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_stream_neon_manage_init,           /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_stream_neon_manage_create_srv_conf, /* create server configuration */
    NULL                                   /* merge server configuration */
};


ngx_module_t  ngx_stream_neon_manage_module = {
    NGX_MODULE_V1,
    &ngx_stream_neon_manage_module_ctx,    /* module context */
    ngx_stream_neon_manage_commands,       /* module directives */
    NGX_STREAM_MODULE,                     /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void
ngx_stream_neon_manage_handler(ngx_stream_session_t *ss)
{
    ngx_connection_t               *c;
    ngx_neon_manage_t              *m;
    ngx_neon_stream_ssl_conf_t     *sslcf;
    ngx_stream_neon_manage_conf_t  *nmcf;

    c = ss->connection;

    if (c->buffer && c->buffer->pos != c->buffer->last) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "neon_proxy_manage does not serve connections that were"
                      " preread");
        ngx_stream_finalize_session(ss, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    m = ngx_pcalloc(c->pool, sizeof(ngx_neon_manage_t));
    if (m == NULL) {
        ngx_stream_finalize_session(ss, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    nmcf = ngx_stream_get_module_srv_conf(ss, ngx_stream_neon_manage_module);
    sslcf = ngx_stream_get_module_srv_conf(ss, ngx_stream_ssl_module);

    m->client = c;
    m->conf = nmcf->conf;
    m->front_data = ss;
    m->starttls = sslcf->ssl.ctx ? ngx_stream_neon_manage_starttls : NULL;
    m->finish = ngx_stream_neon_manage_finish;

    /* "listen ... ssl" */
    m->tls = (c->ssl != NULL);

    ngx_stream_set_ctx(ss, m, ngx_stream_neon_manage_module);

    c->log->action = "serving management connection";
    c->read->handler = ngx_stream_neon_manage_event_handler;
    c->write->handler = ngx_stream_neon_manage_event_handler;

    ngx_neon_manage_start(m);
}


static void
ngx_stream_neon_manage_event_handler(ngx_event_t *ev)
{
    ngx_neon_manage_event(ngx_stream_neon_manage_of(ev->data));
}


static ngx_int_t
ngx_stream_neon_manage_starttls(ngx_neon_manage_t *m)
{
    ngx_int_t                    rc;
    ngx_connection_t            *c;
    ngx_neon_stream_ssl_conf_t  *sslcf;

    c = m->client;

    sslcf = ngx_stream_get_module_srv_conf((ngx_stream_session_t *)
                                           m->front_data,
                                           ngx_stream_ssl_module);

    if (ngx_ssl_create_connection(&sslcf->ssl, c, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_stream_neon_ssl_handshake(c, ngx_stream_neon_manage_tls_handler);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_stream_neon_manage_verify(m);
}


static void
ngx_stream_neon_manage_tls_handler(ngx_connection_t *c)
{
    ngx_neon_manage_t  *m;

    m = ngx_stream_neon_manage_of(c);

    c->read->handler = ngx_stream_neon_manage_event_handler;
    c->write->handler = ngx_stream_neon_manage_event_handler;

    if (c->close || c->read->timedout) {
        ngx_neon_manage_event(m);
        return;
    }

    if (!c->ssl->handshaked) {
        m->failed = 1;
        ngx_neon_manage_close(m);
        return;
    }

    ngx_neon_manage_secured(m, ngx_stream_neon_manage_verify(m) == NGX_OK);
}


static ngx_int_t
ngx_stream_neon_manage_verify(ngx_neon_manage_t *m)
{
    ngx_neon_stream_ssl_conf_t  *sslcf;

    sslcf = ngx_stream_get_module_srv_conf((ngx_stream_session_t *)
                                           m->front_data,
                                           ngx_stream_ssl_module);

    ngx_neon_tls_established(m->client);

    return ngx_neon_tls_verify_client(m->client, sslcf->verify);
}


static void
ngx_stream_neon_manage_finish(ngx_neon_manage_t *m)
{
    ngx_stream_session_t  *ss;

    ss = m->front_data;

    ss->received = m->received;

    ngx_stream_finalize_session(ss, m->failed ? NGX_STREAM_BAD_REQUEST
                                    : m->quit ? NGX_STREAM_SERVICE_UNAVAILABLE
                                    : NGX_STREAM_OK);
}


static ngx_neon_manage_t *
ngx_stream_neon_manage_of(ngx_connection_t *c)
{
    ngx_stream_session_t  *ss;

    ss = c->data;

    return ngx_stream_get_module_ctx(ss, ngx_stream_neon_manage_module);
}


static void *
ngx_stream_neon_manage_create_srv_conf(ngx_conf_t *cf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->conf = NULL;
     */

    return ngx_pcalloc(cf->pool, sizeof(ngx_stream_neon_manage_conf_t));
}


static char *
ngx_stream_neon_manage(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_stream_neon_manage_conf_t *nmcf = conf;

    ngx_str_t                   *value;
    ngx_stream_core_srv_conf_t  *cscf;

    if (nmcf->conf) {
        return "is duplicate";
    }

    value = cf->args->elts;

    nmcf->conf = ngx_neon_proxy_get(cf, &value[1]);
    if (nmcf->conf == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_neon_proxy_place(cf, &nmcf->place);

    if (nmcf->conf->manage.file == NULL) {
        nmcf->conf->manage = nmcf->place;
    }

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);

    if (cscf->handler) {
        return "cannot be used where another directive serves the connection";
    }

    cscf->handler = ngx_stream_neon_manage_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_stream_neon_manage_init(ngx_conf_t *cf)
{
    ngx_uint_t                       i;
    ngx_stream_conf_ctx_t           *ctx;
    ngx_stream_core_srv_conf_t     **cscfp;
    ngx_stream_core_main_conf_t     *cmcf;
    ngx_stream_neon_manage_conf_t   *nmcf;

    cmcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_core_module);
    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        ctx = cscfp[i]->ctx;
        nmcf = ctx->srv_conf[ngx_stream_neon_manage_module.ctx_index];

        if (nmcf->conf == NULL) {
            continue;
        }

        if (ngx_stream_neon_server_check(cf, cscfp[i],
                                         ngx_stream_neon_manage_handler,
                                         "neon_proxy_manage", &nmcf->place)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_stream_neon_ssl_init(cf,
                           ctx->srv_conf[ngx_stream_ssl_module.ctx_index],
                           &nmcf->place)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
