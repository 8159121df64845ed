/*
 * Second step: which endpoint does the client want?  SNI or Host,
 * options=endpoint=..., or, after asking for it, the prefix of the password.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "neon_endpoint.h"


typedef enum {
    NGX_NEON_ENDPOINT_NAMES = 0,        /* SNI, Host, options */
    NGX_NEON_ENDPOINT_PASSWORD          /* waiting for a PasswordMessage */
} ngx_neon_endpoint_e;


static ngx_int_t ngx_neon_endpoint_names(ngx_neon_session_t *s);
static neon_str_t ngx_neon_endpoint_domain(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_endpoint_ask(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_endpoint_password(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_endpoint_set(ngx_neon_session_t *s,
    neon_str_t name);


ngx_int_t
ngx_neon_endpoint_step(ngx_neon_session_t *s)
{
    ngx_int_t  rc;

    if (s->login->phase == NGX_NEON_ENDPOINT_NAMES) {
        rc = ngx_neon_endpoint_names(s);
        if (rc != NGX_DECLINED) {
            return rc;
        }

        if (ngx_neon_endpoint_ask(s) != NGX_OK) {
            return NGX_ERROR;
        }

        s->login->phase = NGX_NEON_ENDPOINT_PASSWORD;
    }

    return ngx_neon_endpoint_password(s);
}


static ngx_int_t
ngx_neon_endpoint_names(ngx_neon_session_t *s)
{
    ngx_str_t   d, o;
    neon_str_t  domain, option;

    domain = ngx_neon_endpoint_domain(s);
    option = s->login->options.endpoint;

    if (domain.len && option.data
        && (domain.len != option.len
            || ngx_strncasecmp((u_char *) domain.data, (u_char *) option.data,
                               domain.len)
               != 0))
    {
        d.data = (u_char *) domain.data;
        d.len = domain.len;
        o.data = (u_char *) option.data;
        o.len = option.len;

        return ngx_neon_session_errorf(s, NGX_NEON_REASON_ENDPOINT_MISMATCH,
                      "Inconsistent project name inferred from SNI ('%V') and"
                      " project option ('%V').", &d, &o);
    }

    if (option.data) {
        return ngx_neon_endpoint_set(s, option);
    }

    if (domain.len) {
        return ngx_neon_endpoint_set(s, domain);
    }

    return NGX_DECLINED;
}


static neon_str_t
ngx_neon_endpoint_domain(ngx_neon_session_t *s)
{
    ngx_str_t   *domain, any = ngx_string("*");
    neon_str_t   label, host;
    ngx_uint_t   i, n;

    host = neon_str(s->login->server_name.data, s->login->server_name.len);

    domain = s->conf->domains ? s->conf->domains->elts : &any;
    n = s->conf->domains ? s->conf->domains->nelts : 1;

    for (i = 0; i < n; i++) {
        if (neon_endpoint_from_host(&label, host,
                                    neon_str(domain[i].data, domain[i].len)))
        {
            return label;
        }
    }

    return neon_str(NULL, 0);
}


static ngx_int_t
ngx_neon_endpoint_ask(ngx_neon_session_t *s)
{
    neon_wr_t  w;

    /*
     * A password is asked for in clear only where nobody else can read it,
     * and where it is for us.
     */

    if ((!s->tls && !s->cleartext)
        || s->conf->auth != NGX_NEON_AUTH_SCRAM)
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_ENDPOINT_MISSING);
    }

    if (ngx_neon_bytes_writer(s, &s->login->out, 16, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_pg_auth_write(&w, NEON_PG_AUTH_CLEARTEXT, neon_str(NULL, 0));

    return ngx_neon_bytes_wrote(s, &s->login->out, &w);
}


static ngx_int_t
ngx_neon_endpoint_password(ngx_neon_session_t *s)
{
    ngx_int_t   rc;
    neon_str_t  text, name;

    rc = ngx_neon_client_password(s, &text);
    if (rc != NGX_OK) {
        return rc;
    }

    if (neon_endpoint_from_password(&name, &s->login->password, text)
        != NEON_OK)
    {
        neon_wipe((void *) text.data, text.len);
        return ngx_neon_session_error(s, NGX_NEON_REASON_ENDPOINT_MISSING);
    }

    return ngx_neon_endpoint_set(s, name);
}


/*
 * In lower case: names of hosts are the same in any, and each would be another
 * one to caches and limits, and have another salt where there is no such role.
 */

static ngx_int_t
ngx_neon_endpoint_set(ngx_neon_session_t *s, neon_str_t name)
{
    ngx_str_t  n;

    if (!neon_endpoint_valid(name)) {
        n.data = (u_char *) name.data;
        n.len = ngx_min(name.len, NEON_ENDPOINT_MAX);

        return ngx_neon_session_errorf(s, NGX_NEON_REASON_ENDPOINT_INVALID,
                      "Project name ('%V') must contain only alphanumeric"
                      " characters and hyphen.", &n);
    }

    s->endpoint.data = ngx_pnalloc(s->pool, name.len);
    if (s->endpoint.data == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    ngx_strlow(s->endpoint.data, (u_char *) name.data, name.len);
    s->endpoint.len = name.len;

    return NGX_OK;
}
