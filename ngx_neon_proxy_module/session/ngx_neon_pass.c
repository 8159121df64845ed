/*
 * The client's proof goes to the compute and not to us: requests one way,
 * answers the other.  Both sides are listened to while the client has a
 * request, for the last one of GSSAPI wants no answer, and a compute loses
 * its patience.  PostgreSQL docs, chapter "Message Flow: Start-up".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_pass.h"


#define NGX_NEON_PASS_REQUEST_MAX  65536


static ngx_int_t ngx_neon_pass_sasl(ngx_neon_session_t *s, neon_str_t *rest);
static void ngx_neon_pass_turn(ngx_neon_session_t *s, ngx_uint_t client);
static ngx_int_t ngx_neon_pass_failed(ngx_neon_session_t *s, char *what);


ngx_int_t
ngx_neon_pass_request(ngx_neon_session_t *s, uint32_t code, neon_str_t rest)
{
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    if (rest.len > NGX_NEON_PASS_REQUEST_MAX) {
        return ngx_neon_pass_failed(s, "compute sent an AuthenticationRequest"
                                    " that is too long");
    }

    if (l->awaited && code != NEON_PG_AUTH_OK) {
        return ngx_neon_pass_failed(s, "compute sent an AuthenticationRequest"
                                    " before the client answered the last"
                                    " one");
    }

    if (code == NEON_PG_AUTH_SASL && ngx_neon_pass_sasl(s, &rest) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_neon_bytes_writer(s, &l->out, rest.len + 16, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_pg_auth_write(&w, code, rest);

    if (ngx_neon_bytes_wrote(s, &l->out, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    /* these two leave with what comes next */

    if (code == NEON_PG_AUTH_OK || code == NEON_PG_AUTH_SASL_FINAL) {
        ngx_neon_pass_turn(s, 0);
        return NGX_OK;
    }

    l->passed = 1;
    ngx_neon_pass_turn(s, 1);

    return NGX_OK;
}


/*
 * The certificate that the client sees is not the compute's: nothing can be
 * bound to it.  A client that would, and is offered nothing, says "y", which
 * a server without TLS takes (RFC 5802, section 6).
 */

static ngx_int_t
ngx_neon_pass_sasl(ngx_neon_session_t *s, neon_str_t *rest)
{
    u_char      *p;
    neon_rd_t    rd;
    neon_wr_t    w;
    neon_str_t   name;

    p = ngx_pnalloc(s->login->pool, rest->len + 1);
    if (p == NULL) {
        (void) ngx_neon_pass_failed(s, "no memory");
        return NGX_DECLINED;
    }

    neon_rd_init(&rd, rest->data, rest->len);
    neon_wr_init(&w, p, rest->len + 1);

    for ( ;; ) {
        name = neon_rd_cstr(&rd);

        if (rd.error || name.len == 0) {
            break;
        }

        if (name.len < 5
            || ngx_memcmp(name.data + name.len - 5, "-PLUS", 5) != 0)
        {
            neon_wr_cstr(&w, name);
        }
    }

    if (rd.error || neon_rd_left(&rd) != 0) {
        return ngx_neon_pass_failed(s, "compute sent a malformed list of SASL"
                                    " mechanisms");
    }

    if (neon_wr_len(&w) == 0) {
        return ngx_neon_pass_failed(s, "compute offers no SASL mechanism"
                                    " without channel binding");
    }

    neon_wr_u8(&w, '\0');

    *rest = neon_str(p, neon_wr_len(&w));

    return NGX_OK;
}


ngx_int_t
ngx_neon_pass_answer(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    neon_wr_t          w;
    neon_str_t         body;
    ngx_neon_login_t  *l;

    l = s->login;

    if (!l->awaited) {
        return NGX_AGAIN;
    }

    rc = ngx_neon_client_answer(s, NGX_NEON_PASSWORD_MAX, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_neon_bytes_writer(s, &l->cout, body.len + NEON_PG_MSG_HEAD, &w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    neon_wr_bytes(&w, body.data - NEON_PG_MSG_HEAD,
                  body.len + NEON_PG_MSG_HEAD);

    if (ngx_neon_bytes_wrote(s, &l->cout, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_neon_pass_turn(s, 0);

    return NGX_OK;
}


/* whose time it is: client_timeout, or login_timeout and wake_timeout */

static void
ngx_neon_pass_turn(ngx_neon_session_t *s, ngx_uint_t client)
{
    ngx_neon_login_t  *l;

    l = s->login;
    l->awaited = client;

    if (client) {
        ngx_neon_login_timer_stop(s);
        ngx_neon_clock_run(s, &l->client_clock);
        s->log->action = ngx_neon_state(NGX_NEON_STATE_AUTHENTICATE)->action;
        return;
    }

    ngx_neon_login_timer(s, s->conf->login_timeout);
    ngx_neon_clock_run(s, &l->held_clock);
    s->log->action = ngx_neon_state(s->state)->action;
}


static ngx_int_t
ngx_neon_pass_failed(ngx_neon_session_t *s, char *what)
{
    s->err = 0;
    s->detail.data = (u_char *) what;
    s->detail.len = ngx_strlen(what);

    return NGX_DECLINED;
}
