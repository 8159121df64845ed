/*
 * The stream module: `neon_proxy_pass`, and the front that serves TCP.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>

#include "ngx_neon_compat.h"
#include "ngx_neon_proxy_module.h"
#include "ngx_neon_tls.h"
#include "ngx_neon_variables.h"
#include "ngx_neon_vpc.h"
#include "ngx_stream_neon_server.h"
#include "ngx_stream_neon_ssl.h"


typedef struct {
    ngx_neon_conf_t       *conf;
    ngx_neon_place_t       place;
} ngx_stream_neon_srv_conf_t;


static ngx_int_t ngx_stream_neon_listen_handler(ngx_stream_session_t *ss);
static void ngx_stream_neon_handler(ngx_stream_session_t *ss);
static void ngx_stream_neon_event_handler(ngx_event_t *ev);
static ngx_int_t ngx_stream_neon_starttls(ngx_neon_session_t *s);
static void ngx_stream_neon_tls_handler(ngx_connection_t *c);
static ngx_int_t ngx_stream_neon_secured(ngx_neon_session_t *s);
static void ngx_stream_neon_finish(ngx_neon_session_t *s);
static u_char *ngx_stream_neon_log_error(ngx_log_t *log, u_char *buf,
    size_t len);

static ngx_int_t ngx_stream_neon_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_stream_neon_variable(ngx_stream_session_t *ss,
    ngx_stream_variable_value_t *v, uintptr_t data);
static void *ngx_stream_neon_create_srv_conf(ngx_conf_t *cf);
static char *ngx_stream_neon_pass(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_stream_neon_init(ngx_conf_t *cf);
static ngx_int_t ngx_stream_neon_init_ssl(ngx_conf_t *cf,
    ngx_stream_neon_srv_conf_t *nscf, ngx_neon_stream_ssl_conf_t *sslcf);


static const ngx_neon_front_t  ngx_stream_neon_front = {
    ngx_string("tcp"),
    NGX_NEON_FRONT_TCP,
    NGX_NEON_REASON_TLS_REQUIRED,
    ngx_stream_neon_starttls,
    NULL,
    ngx_stream_neon_finish
};


static ngx_command_t  ngx_stream_neon_commands[] = {

    { ngx_string("neon_proxy_pass"),
      NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_stream_neon_pass,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_stream_module_t  ngx_stream_neon_module_ctx = {
    ngx_stream_neon_add_variables,         /* preconfiguration */
    ngx_stream_neon_init,                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_stream_neon_create_srv_conf,       /* create server configuration */
    NULL                                   /* merge server configuration */
};


ngx_module_t  ngx_stream_neon_module = {
    NGX_MODULE_V1,
    &ngx_stream_neon_module_ctx,           /* module context */
    ngx_stream_neon_commands,              /* module directives */
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


/*
 * "listen ... ssl" has the ssl module begin with TLS: libpq asks for it first,
 * and would be closed without a word.
 */

static ngx_int_t
ngx_stream_neon_listen_handler(ngx_stream_session_t *ss)
{
    ngx_stream_neon_srv_conf_t  *nscf;

    nscf = ngx_stream_get_module_srv_conf(ss, ngx_stream_neon_module);

    if (nscf->conf) {
        ss->ssl = 0;
    }

    return NGX_DECLINED;
}


static void
ngx_stream_neon_handler(ngx_stream_session_t *ss)
{
    ngx_connection_t            *c;
    ngx_neon_session_t          *s;
    ngx_stream_neon_srv_conf_t  *nscf;
    ngx_neon_stream_ssl_conf_t  *sslcf;

    c = ss->connection;

    if (c->buffer && c->buffer->pos != c->buffer->last) {

        /* those bytes could not be handed to OpenSSL any more */

        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "neon_proxy_pass cannot be used with directives that"
                      " preread the connection, such as \"ssl_preread\"");
        ngx_stream_finalize_session(ss, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    s = ngx_pcalloc(c->pool, sizeof(ngx_neon_session_t));
    if (s == NULL) {
        ngx_stream_finalize_session(ss, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    nscf = ngx_stream_get_module_srv_conf(ss, ngx_stream_neon_module);
    sslcf = ngx_stream_get_module_srv_conf(ss, ngx_stream_ssl_module);

    s->client = c;
    s->conf = nscf->conf;
    s->pool = c->pool;
    s->log = c->log;
    s->front = &ngx_stream_neon_front;
    s->front_data = ss;
    s->vpc_endpoint_id = ngx_neon_vpc_id(c, c->pool);

    s->tls_available = (sslcf->ssl.ctx != NULL
                        || s->conf->auth == NGX_NEON_AUTH_PASSTHROUGH_TLS);
    s->tls_required = (s->conf->tls_required == NGX_CONF_UNSET)
                      ? s->tls_available : (ngx_uint_t) s->conf->tls_required;

    ngx_stream_set_ctx(ss, s, ngx_stream_neon_module);
    ss->log_handler = ngx_stream_neon_log_error;

    c->read->handler = ngx_stream_neon_event_handler;
    c->write->handler = ngx_stream_neon_event_handler;

    ngx_neon_session_start(s);
}


/* c->data stays the stream session: the ssl callbacks of nginx rely on it */

static void
ngx_stream_neon_event_handler(ngx_event_t *ev)
{
    ngx_connection_t      *c;
    ngx_stream_session_t  *ss;

    c = ev->data;
    ss = c->data;

    ngx_neon_session_event(ngx_stream_get_module_ctx(ss,
                                                     ngx_stream_neon_module),
                           ev);
}


static ngx_int_t
ngx_stream_neon_starttls(ngx_neon_session_t *s)
{
    ngx_int_t                    rc;
    ngx_connection_t            *c;
    ngx_stream_session_t        *ss;
    ngx_neon_stream_ssl_conf_t  *sslcf;

    c = s->client;
    ss = s->front_data;

    sslcf = ngx_stream_get_module_srv_conf(ss, ngx_stream_ssl_module);

    if (ngx_ssl_create_connection(&sslcf->ssl, c, 0) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    /* no timer of its own: the session's covers it */

    rc = ngx_stream_neon_ssl_handshake(c, ngx_stream_neon_tls_handler);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_TLS_FAILED);
    }

    return ngx_stream_neon_secured(s);
}


static void
ngx_stream_neon_tls_handler(ngx_connection_t *c)
{
    ngx_int_t              rc;
    ngx_neon_session_t    *s;
    ngx_stream_session_t  *ss;

    ss = c->data;
    s = ngx_stream_get_module_ctx(ss, ngx_stream_neon_module);

    c->read->handler = ngx_stream_neon_event_handler;
    c->write->handler = ngx_stream_neon_event_handler;

    if (c->close) {
        ngx_neon_session_event(s, c->read);
        return;
    }

    if (c->ssl->handshaked) {
        rc = ngx_stream_neon_secured(s);

    } else {
        rc = ngx_neon_session_error(s, NGX_NEON_REASON_TLS_FAILED);
    }

    if (rc != NGX_OK) {
        ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
    }

    ngx_neon_session_run(s);
}


static ngx_int_t
ngx_stream_neon_secured(ngx_neon_session_t *s)
{
    ngx_connection_t            *c;
    ngx_stream_session_t        *ss;
    ngx_stream_neon_srv_conf_t  *nscf;
    ngx_neon_stream_ssl_conf_t  *sslcf;

    c = s->client;
    ss = s->front_data;

    s->tls = 1;

    /* since 1.25.5 the name in the ClientHello may have chosen a server */

    nscf = ngx_stream_get_module_srv_conf(ss, ngx_stream_neon_module);
    sslcf = ngx_stream_get_module_srv_conf(ss, ngx_stream_ssl_module);

    if (nscf->conf == NULL) {
        ngx_neon_tls_established(c);
        ngx_str_set(&s->detail, "the server that the TLS server name chose has"
                                " no \"neon_proxy_pass\"");
        return ngx_neon_session_error(s, NGX_NEON_REASON_ENDPOINT_MISSING);
    }

    s->conf = nscf->conf;

    if (ngx_neon_tls_verify_client(c, sslcf->verify) != NGX_OK) {
        ngx_neon_tls_established(c);
        return ngx_neon_session_error(s, NGX_NEON_REASON_TLS_CERTIFICATE);
    }

    return NGX_OK;
}


static void
ngx_stream_neon_finish(ngx_neon_session_t *s)
{
    ngx_stream_session_t  *ss;

    ss = s->front_data;

    ss->received = s->received + s->up.bytes;

    ngx_stream_finalize_session(ss, ngx_neon_count_status(s));
}


static u_char *
ngx_stream_neon_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_neon_session_t    *s;
    ngx_stream_session_t  *ss;

    ss = log->data;
    s = ngx_stream_get_module_ctx(ss, ngx_stream_neon_module);

    return ngx_neon_session_log(s, buf, len);
}


static ngx_int_t
ngx_stream_neon_add_variables(ngx_conf_t *cf)
{
    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_stream_variable_t  *var;

    for (i = 0; ngx_neon_variables[i].name.len; i++) {
        name = ngx_neon_variables[i].name;

        var = ngx_stream_add_variable(cf, &name, NGX_STREAM_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_stream_neon_variable;
        var->data = (uintptr_t) &ngx_neon_variables[i];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_stream_neon_variable(ngx_stream_session_t *ss,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_int_t             rc;
    ngx_str_t             value;
    ngx_neon_session_t   *s;
    ngx_neon_variable_t  *var;

    s = ngx_stream_get_module_ctx(ss, ngx_stream_neon_module);

    if (s == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    var = (ngx_neon_variable_t *) data;
    rc = var->get(s, ss->connection->pool, var->data, &value);

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
ngx_stream_neon_create_srv_conf(ngx_conf_t *cf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->conf = NULL;
     */

    return ngx_pcalloc(cf->pool, sizeof(ngx_stream_neon_srv_conf_t));
}


static char *
ngx_stream_neon_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_stream_neon_srv_conf_t *nscf = conf;

    ngx_str_t                   *value;
    ngx_stream_core_srv_conf_t  *cscf;

    if (nscf->conf) {
        return "is duplicate";
    }

    value = cf->args->elts;

    nscf->conf = ngx_neon_proxy_get(cf, &value[1]);
    if (nscf->conf == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_neon_proxy_place(cf, &nscf->place);

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);

    if (cscf->handler) {
        return "cannot be used where another directive serves the connection";
    }

    cscf->handler = ngx_stream_neon_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_stream_neon_init(ngx_conf_t *cf)
{
    ngx_uint_t                     i;
    ngx_stream_conf_ctx_t         *ctx;
    ngx_stream_handler_pt         *h;
    ngx_stream_core_srv_conf_t   **cscfp;
    ngx_stream_core_main_conf_t   *cmcf;
    ngx_stream_neon_srv_conf_t    *nscf;

    cmcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_STREAM_POST_ACCEPT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_stream_neon_listen_handler;

    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        ctx = cscfp[i]->ctx;
        nscf = ctx->srv_conf[ngx_stream_neon_module.ctx_index];

        if (nscf->conf == NULL) {
            continue;
        }

        if (ngx_stream_neon_server_check(cf, cscfp[i], ngx_stream_neon_handler,
                                         "neon_proxy_pass", &nscf->place)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_stream_neon_init_ssl(cf, nscf,
                           ctx->srv_conf[ngx_stream_ssl_module.ctx_index])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_stream_neon_init_ssl(ngx_conf_t *cf, ngx_stream_neon_srv_conf_t *nscf,
    ngx_neon_stream_ssl_conf_t *sslcf)
{
    ngx_stream_conf_ctx_t       *ctx;
    ngx_neon_stream_ssl_conf_t  *parent;

    /* that of stream {}: cf->ctx is the last server's */

    ctx = (ngx_stream_conf_ctx_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                 ngx_stream_module);
    parent = ctx->srv_conf[ngx_stream_ssl_module.ctx_index];

    if (sslcf->certificates && sslcf->certificates != parent->certificates) {
        nscf->conf->certificate = nscf->place;
    }

    if (ngx_stream_neon_ssl_init(cf, sslcf, &nscf->place) != NGX_OK) {
        return NGX_ERROR;
    }

    if (sslcf->ssl.ctx == NULL && nscf->conf->tls_required == 1
        && nscf->conf->auth != NGX_NEON_AUTH_PASSTHROUGH_TLS)
    {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "neon_proxy \"%V\" has \"tls_required on\", but there is"
                      " no \"ssl_certificate\" for the \"neon_proxy_pass\""
                      " in %s:%ui: every client will be refused",
                      &nscf->conf->name, nscf->place.file, nscf->place.line);
    }

    return NGX_OK;
}
