/*
 * The one interface to every kind of control plane.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl.h"


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
