/*
 * postgres:// URLs, as libpq understands them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_libpq_url.h"
#include "ngx_neon_url.h"


#define NGX_NEON_LIBPQ_PORT  5432


static ngx_int_t ngx_neon_libpq_url_options(ngx_conf_t *cf,
    ngx_neon_libpq_pool_t *pool, PQconninfoOption *o, const char **err);
static ngx_int_t ngx_neon_libpq_url_option(ngx_conf_t *cf,
    ngx_neon_libpq_pool_t *pool, PQconninfoOption *o, const char **err);
static ngx_int_t ngx_neon_libpq_url_host(ngx_neon_libpq_pool_t *pool,
    ngx_str_t *host, const char **err);
static ngx_int_t ngx_neon_libpq_url_push(ngx_conf_t *cf,
    ngx_neon_libpq_pool_t *pool, const char *keyword, const char *value);
static ngx_uint_t ngx_neon_libpq_url_has(ngx_neon_libpq_pool_t *pool,
    const char *keyword);
static ngx_uint_t ngx_neon_libpq_url_known(const char **names,
    const char *name);
static const char *ngx_neon_libpq_url_text(ngx_conf_t *cf, const char *a,
    const char *b, const char *c);


/*
 * What is not here is refused.  connect_timeout counts only where libpq may
 * wait; a service hides the host from us, which libpq would then resolve and
 * wait for; GSSAPI asks other servers, and waits for them.
 */

static const char  *ngx_neon_libpq_url_accepted[] = {
    "user", "password", "passfile", "dbname", "host", "hostaddr", "port",
    "options", "application_name", "channel_binding", "require_auth",
    "keepalives", "keepalives_idle", "keepalives_interval",
    "keepalives_count", "tcp_user_timeout", "requirepeer",
    "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl",
    "sslcrldir", "sslsni", "sslcertmode", "sslnegotiation",
    "ssl_min_protocol_version", "ssl_max_protocol_version",
    NULL
};


static const char  *ngx_neon_libpq_url_sslmodes[] = {
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full", NULL
};


ngx_int_t
ngx_neon_libpq_url(ngx_conf_t *cf, ngx_neon_libpq_pool_t *pool,
    ngx_str_t *url, const char **err)
{
    char              *text, *end;
    ngx_int_t          rc;
    const char        *copy;
    PQconninfoOption  *options;

    *err = "no memory";
    text = NULL;

    pool->keywords = ngx_array_create(cf->pool, 16, sizeof(char *));
    pool->values = ngx_array_create(cf->pool, 16, sizeof(char *));

    if (pool->keywords == NULL || pool->values == NULL) {
        return NGX_ERROR;
    }

    options = PQconninfoParse((char *) url->data, &text);

    if (options == NULL) {

        if (text) {

            /* libpq quotes the URL or a part of it: a password may be there */

            end = strstr(text, ": \"");
            end = end ? end : text + strcspn(text, "\n");
            *end = '\0';

            copy = ngx_neon_libpq_url_text(cf, text, "", "");
            *err = copy ? copy : *err;

            PQfreemem(text);
        }

        return NGX_ERROR;
    }

    rc = ngx_neon_libpq_url_options(cf, pool, options, err);

    PQconninfoFree(options);

    return rc;
}


static ngx_int_t
ngx_neon_libpq_url_options(ngx_conf_t *cf, ngx_neon_libpq_pool_t *pool,
    PQconninfoOption *o, const char **err)
{
    pool->port = NGX_NEON_LIBPQ_PORT;

    for ( /* void */ ; o->keyword; o++) {

        if (o->val == NULL) {
            continue;
        }

        if (ngx_neon_libpq_url_option(cf, pool, o, err) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!ngx_neon_libpq_url_has(pool, "user")) {
        *err = "no user in it";
        return NGX_ERROR;
    }

    if (!ngx_neon_libpq_url_has(pool, "dbname")) {
        *err = "no database in it";
        return NGX_ERROR;
    }

    if (pool->host.len == 0) {
        *err = "no host in it";
        return NGX_ERROR;
    }

    if (ngx_neon_libpq_url_push(cf, pool, "gssencmode", "disable") != NGX_OK
        || ngx_neon_libpq_url_push(cf, pool, "client_encoding", "UTF8")
           != NGX_OK
        || ngx_neon_libpq_url_push(cf, pool, "fallback_application_name",
                                   "ngx_neon_proxy")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* new in PostgreSQL 16 */

    if (PQlibVersion() >= 160000
        && !ngx_neon_libpq_url_has(pool, "require_auth"))
    {
        return ngx_neon_libpq_url_push(cf, pool, "require_auth",
                                       "!gss,!sspi");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_libpq_url_option(ngx_conf_t *cf, ngx_neon_libpq_pool_t *pool,
    PQconninfoOption *o, const char **err)
{
    ngx_str_t    value;
    const char  *text;

    if (!ngx_neon_libpq_url_known(ngx_neon_libpq_url_accepted, o->keyword)) {
        text = ngx_neon_libpq_url_text(cf, "parameter \"", o->keyword,
                                       "\" is not supported here");
        *err = text ? text : *err;
        return NGX_ERROR;
    }

    value.len = ngx_strlen(o->val);
    value.data = (u_char *) ngx_neon_libpq_url_text(cf, o->val, "", "");

    if (value.data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_strcmp(o->keyword, "host") == 0) {
        return ngx_neon_libpq_url_host(pool, &value, err);
    }

    if (ngx_strcmp(o->keyword, "hostaddr") == 0) {

        if (!ngx_neon_url_host_literal(&value)) {
            *err = "hostaddr must be one IP address";
            return NGX_ERROR;
        }

        pool->host = value;
        pool->local = 0;
        return NGX_OK;
    }

    if (ngx_strcmp(o->keyword, "port") == 0) {
        pool->port = ngx_neon_url_port(value.data, value.len);

        if (pool->port == 0) {
            *err = "invalid port";
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (ngx_strcmp(o->keyword, "options") == 0) {
        pool->options = value;
        return NGX_OK;
    }

    if (ngx_strcmp(o->keyword, "sslmode") == 0
        && !ngx_neon_libpq_url_known(ngx_neon_libpq_url_sslmodes, o->val))
    {
        *err = "sslmode must be disable, allow, prefer, require, verify-ca or"
               " verify-full";
        return NGX_ERROR;
    }

    return ngx_neon_libpq_url_push(cf, pool, o->keyword,
                                   (char *) value.data);
}


static ngx_int_t
ngx_neon_libpq_url_host(ngx_neon_libpq_pool_t *pool, ngx_str_t *host,
    const char **err)
{
    if (host->len && host->data[0] == '/') {
        pool->local = 1;

    } else if (!ngx_neon_url_host_valid(host)
               && !ngx_neon_url_host_literal(host))
    {
        *err = "the host must be one name, one IP address or the directory of"
               " a socket";
        return NGX_ERROR;
    }

    pool->name = *host;

    /* hostaddr, which comes behind host, goes before it */

    pool->host = *host;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_libpq_url_push(ngx_conf_t *cf, ngx_neon_libpq_pool_t *pool,
    const char *keyword, const char *value)
{
    const char  **k, **v;

    /* libpq's own goes with its array */

    keyword = ngx_neon_libpq_url_text(cf, keyword, "", "");

    k = ngx_array_push(pool->keywords);
    v = ngx_array_push(pool->values);

    if (keyword == NULL || k == NULL || v == NULL) {
        return NGX_ERROR;
    }

    *k = keyword;
    *v = value;

    return NGX_OK;
}


static ngx_uint_t
ngx_neon_libpq_url_has(ngx_neon_libpq_pool_t *pool, const char *keyword)
{
    ngx_uint_t    i;
    const char  **k, **v;

    k = pool->keywords->elts;
    v = pool->values->elts;

    for (i = 0; i < pool->keywords->nelts; i++) {
        if (ngx_strcmp(k[i], keyword) == 0) {
            return v[i][0] != '\0';
        }
    }

    return 0;
}


static ngx_uint_t
ngx_neon_libpq_url_known(const char **names, const char *name)
{
    for ( /* void */ ; *names; names++) {
        if (ngx_strcmp(*names, name) == 0) {
            return 1;
        }
    }

    return 0;
}


/* a, b and c in one; NULL: no memory */

static const char *
ngx_neon_libpq_url_text(ngx_conf_t *cf, const char *a, const char *b,
    const char *c)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool,
                    ngx_strlen(a) + ngx_strlen(b) + ngx_strlen(c) + 1);

    if (p) {
        (void) ngx_sprintf(p, "%s%s%s%Z", a, b, c);
    }

    return (char *) p;
}
