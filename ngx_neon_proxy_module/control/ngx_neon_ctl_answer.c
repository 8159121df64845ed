/*
 * What control planes share when they fill in an answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_url.h"

#include "neon_ppv2.h"


#define NGX_NEON_CTL_NAME_MAX  128        /* of a name in a log line */


static void ngx_neon_ctl_admits_nobody(ngx_neon_ctl_request_t *r,
    ngx_str_t *entry, const char *list, const char *what);
static ngx_str_t ngx_neon_ctl_cold_start(ngx_str_t *text);


static ngx_conf_enum_t  ngx_neon_ctl_ssl_names[] = {
    { ngx_string("off"), NGX_NEON_SSL_OFF },
    { ngx_string("prefer"), NGX_NEON_SSL_PREFER },
    { ngx_string("require"), NGX_NEON_SSL_REQUIRE },
    { ngx_string("verify-full"), NGX_NEON_SSL_VERIFY_FULL },
    { ngx_null_string, 0 }
};


static ngx_str_t  ngx_neon_ctl_cold_starts[] = {
    ngx_string("unknown"),
    ngx_string("warm"),
    ngx_string("pool_hit"),
    ngx_string("pool_miss"),
    ngx_null_string
};


ngx_str_t
ngx_neon_ctl_printable(ngx_pool_t *pool, ngx_str_t *text, size_t max)
{
    size_t     i, len;
    ngx_str_t  s;

    ngx_str_null(&s);

    len = text->len;

    if (len > max) {
        len = max;

        /* not in the middle of a UTF-8 sequence */

        while (len && (text->data[len] & 0xc0) == 0x80) {
            len--;
        }
    }

    s.data = ngx_pnalloc(pool, len + 1);
    if (s.data == NULL) {
        return s;
    }

    for (i = 0; i < len; i++) {
        s.data[i] = (text->data[i] < 0x20 || text->data[i] == 0x7f)
                    ? '?' : text->data[i];
    }

    s.data[len] = '\0';
    s.len = len;

    return s;
}


void
ngx_neon_ctl_fail(ngx_neon_ctl_request_t *r, ngx_neon_reason_e reason,
    const char *detail)
{
    r->rc = NGX_ERROR;
    r->access = NULL;
    r->node = NULL;

    r->reason = reason;
    r->detail.data = (u_char *) detail;
    r->detail.len = ngx_strlen(detail);
}


ngx_neon_access_t *
ngx_neon_ctl_access(ngx_neon_ctl_request_t *r)
{
    ngx_neon_access_t  *access;

    access = ngx_pcalloc(r->pool, sizeof(ngx_neon_access_t));

    if (access == NULL) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return NULL;
    }

    r->rc = NGX_OK;
    r->access = access;

    return access;
}


void
ngx_neon_ctl_verifier(ngx_neon_ctl_request_t *r, ngx_neon_access_t *access,
    ngx_str_t *secret)
{
    ngx_str_t    role, endpoint;
    neon_str_t   text;
    const char  *what;

    if (secret->len == 0) {
        return;
    }

    text = neon_str(secret->data, secret->len);

    if (neon_scram_verifier_parse(&access->verifier, text) == NEON_OK) {
        access->found = 1;
        return;
    }

    what = "no SCRAM-SHA-256 verifier but another kind of secret";

    if (neon_md5_parse(&access->md5, text) == NEON_OK) {
        access->by_md5 = 1;

        if (r->conf->md5_verifiers) {
            access->found = 1;
            return;
        }

        neon_wipe(&access->md5, sizeof(neon_md5_t));
        what = "an MD5 verifier, and \"md5_verifiers\" is off";
    }

    role = ngx_neon_ctl_printable(r->pool, &r->role, NGX_NEON_CTL_NAME_MAX);
    endpoint = ngx_neon_ctl_printable(r->pool, &r->endpoint,
                                      NGX_NEON_CTL_NAME_MAX);

    ngx_log_error(NGX_LOG_WARN, r->log, 0,
                  "role \"%V\" of endpoint \"%V\" has %s: it cannot log in",
                  &role, &endpoint, what);
}


const char *
ngx_neon_ctl_allowed(ngx_neon_ctl_request_t *r, ngx_neon_access_t *access,
    ngx_array_t *list)
{
    ngx_str_t        *s;
    ngx_uint_t        i;
    neon_ip_range_t  *range, parsed;

    if (list == NULL || list->nelts == 0) {
        return NULL;
    }

    /* an entry that is not understood admits nobody, and no one else */

    access->restricted = 1;

    access->allowed_ips = ngx_array_create(r->pool, list->nelts,
                                           sizeof(neon_ip_range_t));
    if (access->allowed_ips == NULL) {
        return "no memory";
    }

    s = list->elts;

    for (i = 0; i < list->nelts; i++) {

        if (neon_ip_range_parse(&parsed, neon_str(s[i].data, s[i].len))
            != NEON_OK)
        {
            ngx_neon_ctl_admits_nobody(r, &s[i], "allowed_ips",
                                       "an address, block or range");
            continue;
        }

        range = ngx_array_push(access->allowed_ips);
        if (range == NULL) {
            return "no memory";
        }

        *range = parsed;
    }

    return NULL;
}


const char *
ngx_neon_ctl_allowed_vpc(ngx_neon_ctl_request_t *r, ngx_neon_access_t *access,
    ngx_array_t *list)
{
    ngx_str_t   *s, *id;
    ngx_uint_t   i;

    if (list == NULL || list->nelts == 0) {
        return NULL;
    }

    access->allowed_vpc_ids = ngx_array_create(r->pool, list->nelts,
                                               sizeof(ngx_str_t));
    if (access->allowed_vpc_ids == NULL) {
        return "no memory";
    }

    s = list->elts;

    for (i = 0; i < list->nelts; i++) {

        if (s[i].len == 0 || s[i].len > NEON_PPV2_LINK_MAX) {
            ngx_neon_ctl_admits_nobody(r, &s[i], "allowed_vpc_endpoint_ids",
                                       "the id of a VPC endpoint");
            continue;
        }

        id = ngx_array_push(access->allowed_vpc_ids);
        if (id == NULL) {
            return "no memory";
        }

        id->len = s[i].len;
        id->data = ngx_pstrdup(r->pool, &s[i]);

        if (id->data == NULL) {
            return "no memory";
        }
    }

    return NULL;
}


static void
ngx_neon_ctl_admits_nobody(ngx_neon_ctl_request_t *r, ngx_str_t *entry,
    const char *list, const char *what)
{
    ngx_str_t  name, endpoint;

    name = ngx_neon_ctl_printable(r->pool, entry, NGX_NEON_CTL_NAME_MAX);
    endpoint = ngx_neon_ctl_printable(r->pool, &r->endpoint,
                                      NGX_NEON_CTL_NAME_MAX);

    ngx_log_error(NGX_LOG_WARN, r->log, 0,
                  "\"%V\" in %s of endpoint \"%V\" is not %s: it admits nobody",
                  &name, list, &endpoint, what);
}


ngx_int_t
ngx_neon_ctl_ssl(ngx_neon_node_t *node, ngx_str_t *text)
{
    ngx_conf_enum_t  *ssl;

    for (ssl = ngx_neon_ctl_ssl_names; ssl->name.len; ssl++) {
        if (ssl->name.len == text->len
            && ngx_memcmp(ssl->name.data, text->data, text->len) == 0)
        {
            node->ssl = ssl->value;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_neon_ctl_address(ngx_neon_node_t *node, ngx_pool_t *pool, ngx_str_t *text,
    const char **err)
{
    u_char     *p, *last, *colon;
    ngx_str_t   host;

    p = text->data;
    last = p + text->len;

    for (colon = last; colon > p && colon[-1] != ':'; colon--) {
        /* void */
    }

    node->port = (colon == p) ? 0 : ngx_neon_url_port(colon, last - colon);

    if (node->port == 0) {
        *err = "no port from 1 to 65535";
        return NGX_ERROR;
    }

    host.data = p;
    host.len = colon - 1 - p;

    if (host.len > 2 && p[0] == '[' && p[host.len - 1] == ']') {
        host.data++;
        host.len -= 2;

        if (ngx_strlchr(host.data, host.data + host.len, ':') == NULL) {
            host.len = 0;
        }
    }

    return ngx_neon_ctl_host(node, pool, &host, err);
}


ngx_int_t
ngx_neon_ctl_host(ngx_neon_node_t *node, ngx_pool_t *pool, ngx_str_t *host,
    const char **err)
{
    if (!ngx_neon_url_host_valid(host) && !ngx_neon_url_host_literal(host)) {
        *err = "no valid host";
        return NGX_ERROR;
    }

    node->host.data = ngx_pnalloc(pool, host->len + 1);
    if (node->host.data == NULL) {
        *err = "no memory";
        return NGX_ERROR;
    }

    *ngx_cpymem(node->host.data, host->data, host->len) = '\0';
    node->host.len = host->len;

    return NGX_OK;
}


void
ngx_neon_ctl_aux(ngx_neon_node_t *node, ngx_pool_t *pool,
    ngx_neon_ctl_json_t *json)
{
    node->endpoint_id = ngx_neon_ctl_printable(pool, &json->aux_endpoint_id,
                                               NGX_NEON_CTL_ID_MAX);
    node->project_id = ngx_neon_ctl_printable(pool, &json->aux_project_id,
                                              NGX_NEON_CTL_ID_MAX);
    node->branch_id = ngx_neon_ctl_printable(pool, &json->aux_branch_id,
                                             NGX_NEON_CTL_ID_MAX);
    node->compute_id = ngx_neon_ctl_printable(pool, &json->aux_compute_id,
                                              NGX_NEON_CTL_ID_MAX);
    node->cold_start = ngx_neon_ctl_cold_start(&json->aux_cold_start);
}


static ngx_str_t
ngx_neon_ctl_cold_start(ngx_str_t *text)
{
    ngx_str_t  *s;

    for (s = ngx_neon_ctl_cold_starts; s->len; s++) {
        if (s->len == text->len
            && ngx_memcmp(s->data, text->data, s->len) == 0)
        {
            return *s;
        }
    }

    return ngx_neon_ctl_cold_starts[0];
}
