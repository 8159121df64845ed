/*
 * Neon's HTTP API: what is answered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_http_answer.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_error.h"
#include "ngx_neon_url.h"


#define NGX_NEON_CTL_HTTP_RATE_MAX  1000000


static const char *ngx_neon_ctl_http_access(ngx_neon_ctl_request_t *r,
    ngx_neon_ctl_json_t *json);
static void ngx_neon_ctl_http_rates(ngx_neon_access_t *access,
    ngx_neon_ctl_json_t *json);
static ngx_uint_t ngx_neon_ctl_http_milli(ngx_str_t *number);
static const char *ngx_neon_ctl_http_node(ngx_neon_ctl_request_t *r,
    ngx_neon_ctl_json_t *json);


void
ngx_neon_ctl_http_answer(ngx_neon_ctl_request_t *r, ngx_uint_t status,
    ngx_str_t *body, ngx_pool_t *temp)
{
    const char           *err;
    ngx_neon_ctl_json_t   json;

    if (status < 200 || status > 299) {
        if (ngx_neon_ctl_error_status(r, status, body, temp) == NGX_DECLINED) {
            (void) ngx_neon_ctl_access(r);
        }

        return;
    }

    if (ngx_neon_ctl_json_parse(&json, body, temp, &err) == NGX_OK) {
        err = (r->call == NGX_NEON_CTL_ACCESS)
              ? ngx_neon_ctl_http_access(r, &json)
              : ngx_neon_ctl_http_node(r, &json);
    }

    if (err) {
        ngx_neon_ctl_error_answer(r, status, err);
    }
}


static const char *
ngx_neon_ctl_http_access(ngx_neon_ctl_request_t *r, ngx_neon_ctl_json_t *json)
{
    const char         *err;
    ngx_neon_access_t  *access;

    /* "" and null: a role that does not exist, or has no password; to say
       nothing is another thing */

    if (json->role_secret.data == NULL) {
        return "the answer has no \"role_secret\"";
    }

    access = ngx_neon_ctl_access(r);
    if (access == NULL) {
        return "no memory";
    }

    ngx_neon_ctl_verifier(r, access, &json->role_secret);

    access->block_public = json->block_public;
    access->block_vpc = json->block_vpc;
    access->project_id = ngx_neon_ctl_printable(r->pool, &json->project_id,
                                                NGX_NEON_CTL_ID_MAX);
    access->account_id = ngx_neon_ctl_printable(r->pool, &json->account_id,
                                                NGX_NEON_CTL_ID_MAX);

    ngx_neon_ctl_http_rates(access, json);

    err = ngx_neon_ctl_allowed(r, access, json->allowed_ips);

    return err ? err : ngx_neon_ctl_allowed_vpc(r, access,
                                                json->allowed_vpc_ids);
}


/* one without the other, zeros and nonsense are no limit of the endpoint's */

static void
ngx_neon_ctl_http_rates(ngx_neon_access_t *access, ngx_neon_ctl_json_t *json)
{
    ngx_uint_t        i;
    ngx_neon_rate_t  *rate;

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        rate = &access->rate[i];

        rate->rate = ngx_neon_ctl_http_milli(&json->rate[i].rps);
        rate->burst = ngx_neon_ctl_http_milli(&json->rate[i].burst);

        if (rate->burst == 0) {
            rate->rate = 0;
        }
    }
}


static ngx_uint_t
ngx_neon_ctl_http_milli(ngx_str_t *number)
{
    char    text[64];
    double  value;

    if (number->len == 0 || number->len >= sizeof(text)) {
        return 0;
    }

    ngx_cpystrn((u_char *) text, number->data, number->len + 1);
    value = strtod(text, NULL);

    return (value > 0 && value < NGX_NEON_CTL_HTTP_RATE_MAX)
           ? (ngx_uint_t) (value * 1000 + 0.5) : 0;
}


static const char *
ngx_neon_ctl_http_node(ngx_neon_ctl_request_t *r, ngx_neon_ctl_json_t *json)
{
    ngx_pool_t       *pool;
    const char       *err;
    ngx_neon_node_t  *node;

    pool = r->pool;

    node = ngx_pcalloc(pool, sizeof(ngx_neon_node_t));
    if (node == NULL) {
        return "no memory";
    }

    if (json->address.len == 0) {
        return "no address";
    }

    if (ngx_neon_ctl_address(node, pool, &json->address, &err) != NGX_OK) {
        return err;
    }

    if (json->server_name.data) {
        if (!ngx_neon_url_host_valid(&json->server_name)
            && !ngx_neon_url_host_literal(&json->server_name))
        {
            return "no valid server_name";
        }

        node->server_name = ngx_neon_ctl_printable(pool, &json->server_name,
                                                   NGX_NEON_URL_HOST_MAX);

        /* it asks for verified TLS, which must not be lost silently */

        if (node->server_name.len == 0) {
            return "no memory";
        }
    }

    node->ssl = NGX_NEON_SSL_AUTO;

    ngx_neon_ctl_aux(node, pool, json);

    r->rc = NGX_OK;
    r->node = node;

    return NULL;
}
