/*
 * The one interface to every kind of control plane.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl.h"

#include "neon_hash.h"


ngx_str_t *
ngx_neon_cached_name(ngx_neon_cached_e cached)
{
    static ngx_str_t  names[] = {
        ngx_null_string,               /* NGX_NEON_CACHED_NONE */
        ngx_string("BYPASS"),
        ngx_string("MISS"),
        ngx_string("HIT"),
        ngx_string("EXPIRED"),
        ngx_string("STALE"),
        ngx_string("SPURIOUS")
    };

    return &names[cached];
}


void
ngx_neon_ctl_identify(ngx_neon_conf_t *conf, const ngx_str_t *parts,
    ngx_uint_t n)
{
    static const u_char  none[NEON_HASH_SECRET];

    neon_str_t  chain[3];
    ngx_uint_t  i;

    /* each part, behind what came before, and its end */

    chain[0] = neon_str(&conf->ctl_id, sizeof(conf->ctl_id));
    chain[1] = neon_str(conf->ctl->name.data, conf->ctl->name.len);
    chain[2] = neon_str("", 1);

    conf->ctl_id = neon_hash(none, chain, 3);

    for (i = 0; i < n; i++) {
        chain[1] = neon_str(parts[i].data, parts[i].len);
        conf->ctl_id = neon_hash(none, chain, 3);
    }
}


ngx_int_t
ngx_neon_ctl_start(ngx_neon_ctl_request_t *r)
{
    r->rc = NGX_ERROR;
    r->access = NULL;
    r->node = NULL;

    r->reason = NGX_NEON_REASON_NONE;
    ngx_str_null(&r->message);
    ngx_str_null(&r->detail);
    r->retryable = 0;
    r->transport = 0;
    r->refused = 0;
    r->retry_delay = 0;

    r->ctx = NULL;

    r->span = NULL;
    ngx_str_null(&r->url);
    r->status = 0;

    return r->conf->ctl->start(r);
}


void
ngx_neon_ctl_cancel(ngx_neon_ctl_request_t *r)
{
    if (r->ctx) {
        r->conf->ctl->cancel(r);
    }
}
