/*
 * The directives inside a `neon_proxy NAME { ... }` block.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_block.h"

#include "neon_endpoint.h"

#include "ngx_neon_conf_auth.h"
#include "ngx_neon_conf_otlp.h"
#include "ngx_neon_conf_policy.h"
#include "ngx_neon_conf_value.h"
#include "ngx_neon_url.h"


static char *ngx_neon_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_neon_conf_control_plane(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_neon_conf_control_plane_token(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_neon_conf_control_plane_timeout(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_neon_conf_control_plane_connections(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_neon_conf_endpoint(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_neon_conf_domains(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_neon_conf_resolver(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_neon_conf_threads(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#define NGX_NEON_CONF_CONTROL_PLANE                                           \
    "http://HOST[:PORT][/PATH], https://..., postgres://..., static,"         \
    " or link URL"


static ngx_conf_enum_t  ngx_neon_conf_apis[] = {
    { ngx_string("v1"), NGX_NEON_CTL_API_V1 },
    { ngx_string("2023"), NGX_NEON_CTL_API_2023 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_neon_conf_ssl[] = {
    { ngx_string("auto"), NGX_NEON_SSL_AUTO },
    { ngx_string("off"), NGX_NEON_SSL_OFF },
    { ngx_string("prefer"), NGX_NEON_SSL_PREFER },
    { ngx_string("require"), NGX_NEON_SSL_REQUIRE },
    { ngx_string("verify-full"), NGX_NEON_SSL_VERIFY_FULL },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_neon_conf_forward[] = {
    { ngx_string("all"), NGX_NEON_FORWARD_ALL },
    { ngx_string("neon"), NGX_NEON_FORWARD_NEON },
    { ngx_null_string, 0 }
};


/* secret_cache understands negative= */
static ngx_uint_t  ngx_neon_conf_negative = 1;


static ngx_command_t  ngx_neon_conf_commands[] = {

    { ngx_string("zone"),
      NGX_NEON_CONF|NGX_CONF_TAKE2,
      ngx_neon_conf_zone,
      0,
      0,
      NULL },

    { ngx_string("control_plane"),
      NGX_NEON_CONF|NGX_CONF_TAKE1234,
      ngx_neon_conf_control_plane,
      0,
      0,
      NULL },

    { ngx_string("control_plane_api"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_enum,
      0,
      offsetof(ngx_neon_block_t, api),
      &ngx_neon_conf_apis },

    { ngx_string("control_plane_token"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_control_plane_token,
      0,
      0,
      NULL },

    { ngx_string("control_plane_timeout"),
      NGX_NEON_CONF|NGX_CONF_TAKE12,
      ngx_neon_conf_control_plane_timeout,
      0,
      0,
      NULL },

    { ngx_string("control_plane_connections"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_control_plane_connections,
      0,
      0,
      NULL },

    { ngx_string("auth_query"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0,
      offsetof(ngx_neon_block_t, postgres.auth_query),
      NULL },

    { ngx_string("access_query"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0,
      offsetof(ngx_neon_block_t, postgres.access_query),
      NULL },

    { ngx_string("node_query"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0,
      offsetof(ngx_neon_block_t, postgres.node_query),
      NULL },

    { ngx_string("endpoint"),
      NGX_NEON_CONF|NGX_CONF_2MORE,
      ngx_neon_conf_endpoint,
      0,
      0,
      NULL },

    { ngx_string("role_file"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0,
      offsetof(ngx_neon_block_t, fixed.role_file),
      NULL },

    { ngx_string("auth"),
      NGX_NEON_CONF|NGX_CONF_TAKE12,
      ngx_neon_conf_set_auth,
      0,
      offsetof(ngx_neon_conf_t, auth),
      NULL },

    { ngx_string("node_cache"),
      NGX_NEON_CONF|NGX_CONF_1MORE,
      ngx_neon_conf_set_cache,
      0,
      offsetof(ngx_neon_conf_t, node_cache),
      NULL },

    { ngx_string("secret_cache"),
      NGX_NEON_CONF|NGX_CONF_1MORE,
      ngx_neon_conf_set_cache,
      0,
      offsetof(ngx_neon_conf_t, secret_cache),
      &ngx_neon_conf_negative },

    { ngx_string("mock_secret"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_mock_secret,
      0,
      offsetof(ngx_neon_conf_t, mock_secret),
      NULL },

    { ngx_string("md5_verifiers"),
      NGX_NEON_CONF|NGX_CONF_FLAG,
      ngx_neon_conf_set_flag,
      0,
      offsetof(ngx_neon_conf_t, md5_verifiers),
      NULL },

    { ngx_string("limit_connections"),
      NGX_NEON_CONF|NGX_CONF_TAKE12,
      ngx_neon_conf_set_rate,
      0,
      offsetof(ngx_neon_conf_t, limit_connections),
      NULL },

    { ngx_string("limit_unknown"),
      NGX_NEON_CONF|NGX_CONF_TAKE12,
      ngx_neon_conf_set_rate,
      0,
      offsetof(ngx_neon_conf_t, limit_unknown),
      NULL },

    { ngx_string("drain"),
      NGX_NEON_CONF|NGX_CONF_TAKE123,
      ngx_neon_conf_set_drain,
      0,
      offsetof(ngx_neon_conf_t, drain),
      NULL },

    { ngx_string("domains"),
      NGX_NEON_CONF|NGX_CONF_1MORE,
      ngx_neon_conf_domains,
      0,
      0,
      NULL },

    { ngx_string("resolver"),
      NGX_NEON_CONF|NGX_CONF_1MORE,
      ngx_neon_conf_resolver,
      0,
      0,
      NULL },

    { ngx_string("resolver_timeout"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_msec,
      0,
      offsetof(ngx_neon_conf_t, resolver_timeout),
      NULL },

    { ngx_string("wake_retry"),
      NGX_NEON_CONF|NGX_CONF_TAKE123,
      ngx_neon_conf_set_retry,
      0,
      offsetof(ngx_neon_conf_t, wake_retry),
      NULL },

    { ngx_string("connect_retry"),
      NGX_NEON_CONF|NGX_CONF_TAKE123,
      ngx_neon_conf_set_retry,
      0,
      offsetof(ngx_neon_conf_t, connect_retry),
      NULL },

    { ngx_string("connect_timeout"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_msec,
      0,
      offsetof(ngx_neon_conf_t, connect_timeout),
      NULL },

    { ngx_string("login_timeout"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_msec,
      0,
      offsetof(ngx_neon_conf_t, login_timeout),
      NULL },

    { ngx_string("client_timeout"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_msec,
      0,
      offsetof(ngx_neon_conf_t, client_timeout),
      NULL },

    { ngx_string("wake_timeout"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_msec,
      0,
      offsetof(ngx_neon_conf_t, wake_timeout),
      NULL },

    { ngx_string("wake_notice"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_msec_or_off,
      0,
      offsetof(ngx_neon_conf_t, wake_notice),
      NULL },

    { ngx_string("compute_ssl"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_enum,
      0,
      offsetof(ngx_neon_conf_t, compute_ssl),
      &ngx_neon_conf_ssl },

    { ngx_string("compute_ssl_trusted_certificate"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0,
      offsetof(ngx_neon_conf_t, compute_ssl_trusted_certificate),
      NULL },

    { ngx_string("tls_required"),
      NGX_NEON_CONF|NGX_CONF_FLAG,
      ngx_neon_conf_set_flag,
      0,
      offsetof(ngx_neon_conf_t, tls_required),
      NULL },

    { ngx_string("private_access"),
      NGX_NEON_CONF|NGX_CONF_FLAG,
      ngx_neon_conf_set_flag,
      0,
      offsetof(ngx_neon_conf_t, private_access),
      NULL },

    { ngx_string("forward_parameters"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_enum,
      0,
      offsetof(ngx_neon_conf_t, forward_parameters),
      &ngx_neon_conf_forward },

    { ngx_string("websocket_insecure"),
      NGX_NEON_CONF|NGX_CONF_FLAG,
      ngx_neon_conf_set_flag,
      0,
      offsetof(ngx_neon_conf_t, websocket_insecure),
      NULL },

    { ngx_string("websocket_ping"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_set_msec_or_off,
      0,
      offsetof(ngx_neon_conf_t, websocket_ping),
      NULL },

    { ngx_string("websocket_origins"),
      NGX_NEON_CONF|NGX_CONF_1MORE,
      ngx_neon_conf_set_origins,
      0,
      offsetof(ngx_neon_conf_t, websocket_origins),
      NULL },

    { ngx_string("websocket_tunnel"),
      NGX_NEON_CONF|NGX_CONF_1MORE,
      ngx_neon_conf_set_tunnel,
      0,
      offsetof(ngx_neon_conf_t, websocket_tunnel),
      NULL },

    { ngx_string("otlp"),
      NGX_NEON_CONF|NGX_CONF_1MORE,
      ngx_neon_conf_set_otlp,
      0,
      0,
      NULL },

    { ngx_string("kdf_threads"),
      NGX_NEON_CONF|NGX_CONF_TAKE1,
      ngx_neon_conf_threads,
      0,
      0,
      NULL },

      ngx_null_command
};


ngx_module_t  ngx_neon_conf_module = {
    NGX_MODULE_V1,
    NULL,                                  /* module context */
    ngx_neon_conf_commands,                /* module directives */
    NGX_NEON_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_neon_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    ngx_neon_conf_t  *conf = c;

    ssize_t     size;
    ngx_str_t  *value;

    if (conf->zone_name.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[2]);

    if (value[1].len == 0 || size == NGX_ERROR) {
        return ngx_neon_conf_bad(cf, &value[value[1].len ? 2 : 1],
                                 "zone NAME SIZE, e.g. 32m");
    }

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small: \"%V\", it needs at"
                           " least %uz bytes", &value[1], &value[2],
                           8 * ngx_pagesize);
        return NGX_CONF_ERROR;
    }

    conf->zone_name = value[1];
    conf->zone_size = size;

    return NGX_CONF_OK;
}


static char *
ngx_neon_conf_control_plane(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    ngx_neon_block_t  *block = c;

    ngx_str_t  *value;

    if (block->conf.ctl) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "link") == 0) {
        block->conf.ctl = &ngx_neon_ctl_link;
        block->conf.ctl_conf = &block->link;
        return ngx_neon_ctl_link_directive(cf, &block->link);
    }

    if (cf->args->nelts != 2) {
        ngx_neon_url_hide(&value[2]);
        return ngx_neon_conf_bad(cf, &value[2], NGX_NEON_CONF_CONTROL_PLANE);
    }

    if (ngx_strcmp(value[1].data, "static") == 0) {
        block->conf.ctl = &ngx_neon_ctl_static;
        block->conf.ctl_conf = &block->fixed;
        return NGX_CONF_OK;
    }

    if (ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) == 0
        || ngx_strncasecmp(value[1].data, (u_char *) "https://", 8) == 0)
    {
        block->conf.ctl = &ngx_neon_ctl_http;
        block->conf.ctl_conf = &block->http;
        block->http.url = value[1];
        return ngx_neon_ctl_http_directive(cf, &block->http);
    }

    if (ngx_strncmp(value[1].data, "postgres://", 11) == 0
        || ngx_strncmp(value[1].data, "postgresql://", 13) == 0)
    {
        block->conf.ctl = &ngx_neon_ctl_postgres;
        block->conf.ctl_conf = &block->postgres;
        block->postgres.url = value[1];
        return ngx_neon_ctl_postgres_directive(cf, &block->postgres);
    }

    ngx_neon_url_hide(&value[1]);

    return ngx_neon_conf_bad(cf, &value[1], NGX_NEON_CONF_CONTROL_PLANE);
}


static char *
ngx_neon_conf_control_plane_token(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    ngx_neon_block_t  *block = c;

    size_t      i;
    ngx_str_t  *value;

    if (block->http.token.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_neon_conf_secret(cf, &value[1], &block->http.token) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < block->http.token.len; i++) {
        if (block->http.token.data[i] <= 0x20
            || block->http.token.data[i] >= 0x7f)
        {
            return "must be printable ASCII without spaces";
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_neon_conf_control_plane_timeout(ngx_conf_t *cf, ngx_command_t *cmd,
    void *c)
{
    ngx_neon_block_t  *block = c;

    ngx_int_t    msec;
    ngx_str_t   *value, s;
    ngx_uint_t   i;
    ngx_msec_t  *slot;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        s = value[i];

        if (ngx_strncmp(s.data, "connect=", 8) == 0) {
            slot = &block->http.connect_timeout;

        } else if (ngx_strncmp(s.data, "request=", 8) == 0) {
            slot = &block->http.request_timeout;

        } else {
            return ngx_neon_conf_bad(cf, &value[i],
                                     "connect=TIME request=TIME");
        }

        s.data += 8;
        s.len -= 8;

        msec = ngx_parse_time(&s, 0);

        if (msec == NGX_ERROR || msec == 0 || *slot != NGX_CONF_UNSET_MSEC) {
            return ngx_neon_conf_bad(cf, &value[i],
                                     "connect=TIME request=TIME, each once,"
                                     " TIME above zero, e.g. 500ms");
        }

        *slot = msec;
    }

    return NGX_CONF_OK;
}


static char *
ngx_neon_conf_control_plane_connections(ngx_conf_t *cf, ngx_command_t *cmd,
    void *c)
{
    ngx_neon_block_t  *block = c;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (block->postgres.connections != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > 1000) {
        return ngx_neon_conf_bad(cf, &value[1], "a number from 1 to 1000");
    }

    block->postgres.connections = n;

    return NGX_CONF_OK;
}


static char *
ngx_neon_conf_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    ngx_neon_block_t  *block = c;

    return ngx_neon_ctl_static_endpoint(cf, &block->fixed);
}


static char *
ngx_neon_conf_domains(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    ngx_neon_conf_t  *conf = c;

    ngx_str_t   *value, *domain;
    ngx_uint_t   i;

    if (conf->domains) {
        return "is duplicate";
    }

    conf->domains = ngx_array_create(cf->pool, cf->args->nelts,
                                     sizeof(ngx_str_t));
    if (conf->domains == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (!neon_endpoint_pattern_valid(neon_str(value[i].data,
                                                  value[i].len)))
        {
            return ngx_neon_conf_bad(cf, &value[i],
                                     "* or names like *.db.example.com");
        }

        domain = ngx_array_push(conf->domains);
        *domain = value[i];
    }

    return NGX_CONF_OK;
}


static char *
ngx_neon_conf_resolver(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    ngx_neon_conf_t  *conf = c;

    ngx_str_t  *value;

    if (conf->resolver) {
        return "is duplicate";
    }

    value = cf->args->elts;

    conf->resolver = ngx_resolver_create(cf, &value[1], cf->args->nelts - 1);

    return conf->resolver ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* nginx says at the end, and of this line, if there is no such pool */

static char *
ngx_neon_conf_threads(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    ngx_neon_conf_t  *conf = c;

    ngx_str_t  *value;

    if (conf->threads) {
        return "is duplicate";
    }

    value = cf->args->elts;
    conf->threads = ngx_thread_pool_add(cf, &value[1]);

    return conf->threads ? NGX_CONF_OK : NGX_CONF_ERROR;
}
