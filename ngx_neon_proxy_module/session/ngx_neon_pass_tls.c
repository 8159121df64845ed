/*
 * TLS between the client and its compute.  All that is read of it is the
 * ClientHello, for the name in it; and where there is no compute to answer
 * that, an alert in clear is the only thing that the client understands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_pass.h"


ngx_int_t
ngx_neon_pass_hello(ngx_neon_session_t *s)
{
    ngx_int_t              rc;
    ngx_neon_login_t      *l;
    neon_client_hello_t   *h;

    l = s->login;
    h = l->hello;

    if (h == NULL) {
        h = ngx_palloc(l->pool, sizeof(neon_client_hello_t));
        if (h == NULL) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        neon_client_hello_init(h);
        l->hello = h;
    }

    do {
        rc = ngx_neon_client_exact(s, h->need);
        if (rc != NGX_OK) {
            return rc;
        }

        switch (neon_client_hello_parse(h, l->in.pos,
                                        l->in.last - l->in.pos))
        {
        case NEON_OK:
            rc = NGX_OK;
            break;

        case NEON_AGAIN:
            rc = NGX_AGAIN;
            break;

        default:
            return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL, "%s",
                                           h->err);
        }

    } while (rc == NGX_AGAIN);

    /* as where we answer it: no browser shall be made to speak to us */

    if (s->direct_tls && !h->postgresql) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_TLS_ALPN);
    }

    l->server_name.data = h->name;
    l->server_name.len = h->name_len;

    return NGX_OK;
}


void
ngx_neon_pass_alert(ngx_neon_session_t *s, neon_wr_t *w)
{
    uint8_t  alert;

    switch (s->reason) {

    case NGX_NEON_REASON_PROTOCOL:
        alert = s->login->hello->alert;
        break;

    case NGX_NEON_REASON_TLS_ALPN:
        alert = NEON_TLS_NO_APPLICATION;
        break;

    case NGX_NEON_REASON_ENDPOINT_MISSING:
    case NGX_NEON_REASON_ENDPOINT_INVALID:
    case NGX_NEON_REASON_ENDPOINT_UNKNOWN:
        alert = NEON_TLS_UNRECOGNIZED_NAME;
        break;

    case NGX_NEON_REASON_RATE_LIMIT:
        alert = NEON_TLS_ACCESS_DENIED;
        break;

    default:
        alert = NEON_TLS_INTERNAL_ERROR;
        break;
    }

    neon_tls_alert_write(w, alert);
}
