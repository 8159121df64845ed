/*
 * The directive `auth`, and what does not go with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_conf_auth.h"

#include "ngx_neon_conf_value.h"


static char *ngx_neon_conf_auth_other(ngx_neon_block_t *block);
static char *ngx_neon_conf_auth_other_tls(ngx_neon_block_t *block);
static char *ngx_neon_conf_auth_endpoints(ngx_conf_t *cf,
    ngx_neon_block_t *block);
static ngx_uint_t ngx_neon_conf_auth_ssl(ngx_neon_conf_t *conf,
    ngx_neon_node_t *node);


static char  *ngx_neon_conf_auth_names[] = {
    "auth scram",
    "auth passthrough",
    "auth passthrough tls"
};


char *
ngx_neon_conf_set_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    ngx_str_t   *value;
    ngx_uint_t  *slot;

    slot = (ngx_uint_t *) (conf + cmd->offset);

    if (*slot != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "passthrough") == 0) {
        *slot = NGX_NEON_AUTH_PASSTHROUGH;

        if (cf->args->nelts == 2) {
            return NGX_CONF_OK;
        }

        *slot = NGX_NEON_AUTH_PASSTHROUGH_TLS;

        if (ngx_strcmp(value[2].data, "tls") == 0) {
            return NGX_CONF_OK;
        }

        value++;

    } else if (ngx_strcmp(value[1].data, "scram") == 0) {
        *slot = NGX_NEON_AUTH_SCRAM;

        if (cf->args->nelts == 2) {
            return NGX_CONF_OK;
        }

        value++;
    }

    return ngx_neon_conf_bad(cf, &value[1],
                             "scram, passthrough or passthrough tls");
}


char *
ngx_neon_conf_auth_fits(ngx_conf_t *cf, ngx_neon_block_t *block)
{
    char             *what;
    ngx_neon_conf_t  *conf;

    conf = &block->conf;

    ngx_conf_init_uint_value(conf->auth, NGX_NEON_AUTH_SCRAM);

    if (conf->auth == NGX_NEON_AUTH_SCRAM) {
        return NGX_CONF_OK;
    }

    what = ngx_neon_conf_auth_other(block);

    if (what == NULL && conf->auth == NGX_NEON_AUTH_PASSTHROUGH_TLS) {
        what = ngx_neon_conf_auth_other_tls(block);
    }

    if (what) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" does not fit \"%s\" in neon_proxy \"%V\""
                      " in %s:%ui", what, ngx_neon_conf_auth_names[conf->auth],
                      &conf->name, conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    return ngx_neon_conf_auth_endpoints(cf, block);
}


/* the name of a directive that would do nothing, or lie; NULL: none */

static char *
ngx_neon_conf_auth_other(ngx_neon_block_t *block)
{
    if (block->fixed.role_file.data) {
        return "role_file";
    }

    /* who has not proven anything is told nothing */

    if (block->conf.wake_notice != NGX_CONF_UNSET_MSEC
        && block->conf.wake_notice != 0)
    {
        return "wake_notice";
    }

    return NULL;
}


static char *
ngx_neon_conf_auth_other_tls(ngx_neon_block_t *block)
{
    ngx_neon_conf_t  *conf;

    conf = &block->conf;

    if (conf->compute_ssl != NGX_CONF_UNSET_UINT) {
        return "compute_ssl";
    }

    if (conf->compute_ssl_trusted_certificate.data) {
        return "compute_ssl_trusted_certificate";
    }

    if (conf->forward_parameters != NGX_CONF_UNSET_UINT) {
        return "forward_parameters";
    }

    return conf->tls_required == 0 ? "tls_required off" : NULL;
}


static char *
ngx_neon_conf_auth_endpoints(ngx_conf_t *cf, ngx_neon_block_t *block)
{
    char                            *why;
    ngx_uint_t                       i;
    ngx_neon_conf_t                 *conf;
    ngx_neon_ctl_static_endpoint_t  *e;

    conf = &block->conf;
    e = block->fixed.endpoints.elts;

    for (i = 0; i < block->fixed.endpoints.nelts; i++) {

        if (conf->auth == NGX_NEON_AUTH_PASSTHROUGH_TLS) {
            if (e[i].node.ssl == NGX_NEON_SSL_AUTO
                && e[i].node.server_name.len == 0)
            {
                continue;
            }

            why = "it takes no \"ssl\" and no \"server_name\": TLS is between"
                  " the client and the compute";

        } else {
            if (ngx_neon_conf_auth_ssl(conf, &e[i].node)
                == NGX_NEON_SSL_OFF)
            {
                continue;
            }

            why = "it must be without TLS (ssl=off): inside of TLS, PostgreSQL"
                  " refuses clients whose channel binding ends at the proxy;"
                  " use \"auth passthrough tls\"";
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"endpoint %V\" does not fit \"%s\" in neon_proxy"
                      " \"%V\" in %s:%ui, %s", &e[i].name,
                      ngx_neon_conf_auth_names[conf->auth], &conf->name,
                      conf->file, conf->line, why);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_neon_conf_auth_ssl(ngx_neon_conf_t *conf, ngx_neon_node_t *node)
{
    if (node->ssl != NGX_NEON_SSL_AUTO) {
        return node->ssl;
    }

    if (conf->compute_ssl != NGX_CONF_UNSET_UINT
        && conf->compute_ssl != NGX_NEON_SSL_AUTO)
    {
        return conf->compute_ssl;
    }

    return node->server_name.len ? NGX_NEON_SSL_VERIFY_FULL
                                 : NGX_NEON_SSL_OFF;
}


char *
ngx_neon_conf_auth_fronts(ngx_cycle_t *cycle, ngx_neon_conf_t *conf)
{
    char              *what;
    ngx_neon_place_t  *place;

    what = NULL;
    place = NULL;

    /* its clients send a password before they are asked */

    if (conf->auth != NGX_NEON_AUTH_SCRAM && conf->websocket.file) {
        what = "neon_proxy_websocket";
        place = &conf->websocket;
    }

    /* somebody expects that clients see this one */

    if (conf->auth == NGX_NEON_AUTH_PASSTHROUGH_TLS && conf->certificate.file)
    {
        what = "ssl_certificate";
        place = &conf->certificate;
    }

    if (what == NULL) {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                  "\"%s\" does not fit \"%s\" of neon_proxy \"%V\" in %s:%ui",
                  what, ngx_neon_conf_auth_names[conf->auth], &conf->name,
                  place->file, place->line);

    return NGX_CONF_ERROR;
}
