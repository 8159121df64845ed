/*
 * Console redirect: its directive, and what a callback says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_link.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_url.h"


#define NGX_NEON_CTL_LINK_FORM                                                \
    "link http[s]://HOST[:PORT]/PATH/ [timeout=TIME] [waiters=NUMBER]"


static ngx_int_t ngx_neon_ctl_link_init(ngx_conf_t *cf,
    ngx_neon_conf_t *conf);
static ngx_int_t ngx_neon_ctl_link_url(ngx_conf_t *cf, ngx_str_t *url);
static ngx_int_t ngx_neon_ctl_link_param(ngx_neon_ctl_link_conf_t *lconf,
    ngx_str_t *value);
static ngx_uint_t ngx_neon_ctl_link_valid(ngx_str_t *text);


ngx_neon_ctl_t  ngx_neon_ctl_link = {
    ngx_string("link"),
    1,                                    /* local */
    ngx_neon_ctl_link_init,
    NULL,
    NULL
};


char *
ngx_neon_ctl_link_directive(ngx_conf_t *cf, ngx_neon_ctl_link_conf_t *lconf)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    lconf->timeout = 120000;
    lconf->waiters = 10000;

    if (cf->args->nelts < 3) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no URL in \"control_plane link\", it must be "
                           NGX_NEON_CTL_LINK_FORM);
        return NGX_CONF_ERROR;
    }

    if (ngx_neon_ctl_link_url(cf, &value[2]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    lconf->url = value[2];

    for (i = 3; i < cf->args->nelts; i++) {
        if (ngx_neon_ctl_link_param(lconf, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"control_plane\""
                               " directive, it must be "
                               NGX_NEON_CTL_LINK_FORM, &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_neon_ctl_link_url(ngx_conf_t *cf, ngx_str_t *url)
{
    const char      *err;
    ngx_neon_url_t   u;

    if (ngx_neon_url_parse(&u, url, &err) == NGX_OK) {

        if (url->data[url->len - 1] == '/' || url->data[url->len - 1] == '=') {
            return NGX_OK;
        }

        err = "it must end in \"/\" or \"=\", as the session id is put behind"
              " it";
    }

    ngx_neon_url_hide(url);

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid URL \"%V\" in \"control_plane\" directive: %s",
                       url, err);

    return NGX_ERROR;
}


static ngx_int_t
ngx_neon_ctl_link_param(ngx_neon_ctl_link_conf_t *lconf, ngx_str_t *value)
{
    ngx_int_t  n;
    ngx_str_t  s;

    s.data = value->data + 8;
    s.len = value->len - 8;

    if (ngx_strncmp(value->data, "timeout=", 8) == 0) {
        n = ngx_parse_time(&s, 0);

        if (n == NGX_ERROR || n == 0) {
            return NGX_ERROR;
        }

        lconf->timeout = n;
        return NGX_OK;
    }

    if (ngx_strncmp(value->data, "waiters=", 8) == 0) {
        n = ngx_atoi(s.data, s.len);

        if (n == NGX_ERROR || n == 0) {
            return NGX_ERROR;
        }

        lconf->waiters = n;
        return NGX_OK;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_neon_ctl_link_init(ngx_conf_t *cf, ngx_neon_conf_t *conf)
{
    ngx_neon_ctl_link_conf_t  *lconf;

    lconf = conf->ctl_conf;
    ngx_queue_init(&lconf->sessions);

    return NGX_OK;
}


ngx_neon_ctl_link_conf_t *
ngx_neon_ctl_link_conf(ngx_neon_conf_t *conf)
{
    return conf->ctl == &ngx_neon_ctl_link ? conf->ctl_conf : NULL;
}


const char *
ngx_neon_ctl_link_parse(ngx_neon_ctl_json_t *json, ngx_str_t *text,
    ngx_pool_t *pool)
{
    const char       *err;
    ngx_neon_node_t   node;

    if (ngx_neon_ctl_json_callback(json, text, pool, &err) != NGX_OK) {
        return err;
    }

    if (json->session_id.len == 0) {
        return "no \"session_id\"";
    }

    if (!json->success) {
        return "no \"Success\" in \"result\"";
    }

    if (json->host.len == 0) {
        return "no \"host\"";
    }

    if (ngx_neon_ctl_host(&node, pool, &json->host, &err) != NGX_OK) {
        return err;
    }

    if (ngx_neon_url_port(json->port.data, json->port.len) == 0) {
        return "no \"port\" from 1 to 65535";
    }

    if (!ngx_neon_ctl_link_valid(&json->user)) {
        return "no \"user\", or one with a zero byte";
    }

    if (!ngx_neon_ctl_link_valid(&json->dbname)) {
        return "no \"dbname\", or one with a zero byte";
    }

    if (json->password.len && !ngx_neon_ctl_link_valid(&json->password)) {
        return "a \"password\" with a zero byte";
    }

    return NULL;
}


/* PostgreSQL's strings end with a zero byte, so there is none in them */

static ngx_uint_t
ngx_neon_ctl_link_valid(ngx_str_t *text)
{
    return text->len != 0 && ngx_strlen(text->data) == text->len;
}


void
ngx_neon_ctl_link_answer(ngx_neon_ctl_request_t *r, ngx_neon_ctl_json_t *json)
{
    const char         *err;
    ngx_neon_node_t    *node;
    ngx_neon_access_t  *access;

    access = ngx_neon_ctl_access(r);
    if (access == NULL) {
        return;
    }

    access->block_public = !json->public_access;
    access->project_id = ngx_neon_ctl_printable(r->pool,
                                                &json->aux_project_id,
                                                NGX_NEON_CTL_ID_MAX);

    err = ngx_neon_ctl_allowed(r, access, json->allowed_ips);

    if (err == NULL) {
        err = ngx_neon_ctl_allowed_vpc(r, access, json->allowed_vpc_ids);
    }

    node = ngx_pcalloc(r->pool, sizeof(ngx_neon_node_t));

    if (node == NULL) {
        err = "no memory";

    } else if (err == NULL) {
        (void) ngx_neon_ctl_host(node, r->pool, &json->host, &err);
    }

    if (err) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, err);
        return;
    }

    node->port = ngx_neon_url_port(json->port.data, json->port.len);

    ngx_neon_ctl_aux(node, r->pool, json);

    /*
     * Neon's own rule: names with "--" lead through a router that speaks TLS.
     * What the block says explicitly is not weakened, nor overruled.
     */

    node->ssl = NGX_NEON_SSL_AUTO;

    if (ngx_strstr(node->host.data, "--")
        && (r->conf->compute_ssl == NGX_NEON_SSL_AUTO
            || r->conf->compute_ssl == NGX_NEON_SSL_PREFER))
    {
        node->ssl = NGX_NEON_SSL_REQUIRE;
    }

    r->node = node;
}
