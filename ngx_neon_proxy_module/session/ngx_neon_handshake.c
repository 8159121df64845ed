/*
 * First step: SSLRequest, GSSENCRequest, direct TLS, CancelRequest and
 * StartupMessage.  PostgreSQL docs, chapter "Message Flow: Start-up".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "ngx_neon_pass.h"
#include "ngx_neon_tls.h"


typedef enum {
    NGX_NEON_HANDSHAKE_BEGIN = 0,
    NGX_NEON_HANDSHAKE_TLS,             /* the front does the TLS handshake */
    NGX_NEON_HANDSHAKE_HELLO,           /* the compute will do it */
    NGX_NEON_HANDSHAKE_HEAD,            /* 8 bytes: what is it? */
    NGX_NEON_HANDSHAKE_BODY,
    NGX_NEON_HANDSHAKE_ANSWER           /* NegotiateProtocolVersion leaves */
} ngx_neon_handshake_e;


static ngx_int_t ngx_neon_handshake_begin(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_starttls(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_secured(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_head(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_ssl_request(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_gssenc_request(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_body(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_startup(ngx_neon_session_t *s,
    const u_char *p, size_t n);
static ngx_int_t ngx_neon_handshake_version(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_names(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_handshake_copy(ngx_neon_session_t *s,
    ngx_str_t *dst, neon_str_t src);


ngx_int_t
ngx_neon_handshake_step(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    l = s->login;

    for ( ;; ) {
        switch (l->phase) {

        case NGX_NEON_HANDSHAKE_BEGIN:
            rc = ngx_neon_handshake_begin(s);
            break;

        case NGX_NEON_HANDSHAKE_TLS:
            if (!s->tls) {
                return NGX_AGAIN;
            }

            rc = ngx_neon_handshake_secured(s);
            break;

        case NGX_NEON_HANDSHAKE_HELLO:
            return ngx_neon_pass_hello(s);

        case NGX_NEON_HANDSHAKE_HEAD:
            rc = ngx_neon_handshake_head(s);
            break;

        case NGX_NEON_HANDSHAKE_BODY:
            rc = ngx_neon_handshake_body(s);
            break;

        default: /* NGX_NEON_HANDSHAKE_ANSWER */
            return ngx_neon_client_flush(s);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


/*
 * A TLS ClientHello where a packet's length should be is left for OpenSSL.  So
 * the beginning is only looked at; where it is a StartupMessage's, no TLS can
 * follow, and what comes is read as it comes.
 */

static ngx_int_t
ngx_neon_handshake_begin(ngx_neon_session_t *s)
{
    u_char             head[NEON_PG_STARTUP_HEAD];
    ssize_t            n;
    ngx_err_t          err;
    const char        *text;
    ngx_neon_login_t  *l;

    l = s->login;

    if (s->tls || s->front->starttls == NULL) {
        l->phase = s->tls ? NGX_NEON_HANDSHAKE_TLS : NGX_NEON_HANDSHAKE_HEAD;
        return NGX_OK;
    }

    n = recv(s->client->fd, head, NEON_PG_STARTUP_HEAD, MSG_PEEK);
    err = ngx_socket_errno;

    if (n == -1 && err == NGX_EAGAIN) {
        if (ngx_handle_read_event(s->client->read, 0) != NGX_OK) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        return NGX_AGAIN;
    }

    if (n <= 0) {
        s->client_eof = 1;
        return ngx_neon_session_error(s, NGX_NEON_REASON_CLIENT_GONE);
    }

    if (head[0] != NEON_PG_TLS_RECORD) {

        l->no_tls = (n == NEON_PG_STARTUP_HEAD
                     && neon_pg_first_parse(&l->first, head, n, &text)
                        == NEON_OK
                     && l->first.type == NEON_PG_FIRST_STARTUP);

        l->phase = NGX_NEON_HANDSHAKE_HEAD;
        return NGX_OK;
    }

    if (!s->tls_available) {
        s->silent = 1;
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL,
                             "direct TLS to a server without a certificate");
    }

    s->direct_tls = 1;

    return ngx_neon_handshake_starttls(s);
}


static ngx_int_t
ngx_neon_handshake_starttls(ngx_neon_session_t *s)
{
    s->log->action = "SSL handshaking";

    if (s->conf->auth == NGX_NEON_AUTH_PASSTHROUGH_TLS) {
        s->sealed = 1;
        s->login->phase = NGX_NEON_HANDSHAKE_HELLO;
        return NGX_OK;
    }

    s->login->phase = NGX_NEON_HANDSHAKE_TLS;

    return s->front->starttls(s);
}


static ngx_int_t
ngx_neon_handshake_secured(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;
    ngx_connection_t  *c;

    l = s->login;
    c = s->client;

    s->log->action = ngx_neon_state(s->state)->action;
    l->phase = NGX_NEON_HANDSHAKE_HEAD;

    if (c->ssl == NULL || s->cleartext) {
        /* the front knows the name, and TLS is not ours to bind to */
        return NGX_OK;
    }

    ngx_neon_tls_established(c);

    if (s->direct_tls && !ngx_neon_tls_alpn(c)) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_TLS_ALPN);
    }

    if (ngx_neon_tls_server_name(c, l->pool, &l->server_name) != NGX_OK
        || ngx_neon_tls_end_point(c, 1, l->pool, &l->cbind) != NGX_OK)
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_handshake_head(ngx_neon_session_t *s)
{
    size_t             n;
    ngx_int_t          rc;
    const char        *err;
    ngx_neon_login_t  *l;

    l = s->login;

    rc = ngx_neon_client_exact(s, NEON_PG_STARTUP_HEAD);
    if (rc == NGX_ERROR) {
        return rc;
    }

    n = ngx_min(l->in.last - l->in.pos, NEON_PG_STARTUP_HEAD);

    switch (neon_pg_first_parse(&l->first, l->in.pos, n, &err)) {

    case NEON_OK:
        break;

    case NEON_AGAIN:
        return NGX_AGAIN;

    default:
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL, "%s",
                                       err);
    }

    switch (l->first.type) {

    case NEON_PG_FIRST_SSL:
        return ngx_neon_handshake_ssl_request(s);

    case NEON_PG_FIRST_GSSENC:
        return ngx_neon_handshake_gssenc_request(s);

    case NEON_PG_FIRST_TLS:
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL,
                                       "TLS after an encryption request was"
                                       " refused");

    default:
        break;
    }

    if (l->first.type == NEON_PG_FIRST_STARTUP) {

        /* said before anything else is read: no client shall hang here */

        if (l->first.version >> 16 != 3) {
            return ngx_neon_session_errorf(s, NGX_NEON_REASON_VERSION,
                      "unsupported frontend protocol %uD.%uD: server supports"
                      " 3.0 to 3.2",
                      l->first.version >> 16, l->first.version & 0xffff);
        }

        if (s->tls_required && !s->tls) {
            return ngx_neon_session_error(s, s->front->insecure);
        }
    }

    l->phase = NGX_NEON_HANDSHAKE_BODY;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_handshake_ssl_request(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    if ((s->tls && s->front->starttls) || l->ssl_seen) {
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL,
                                       "unexpected SSLRequest");
    }

    l->ssl_seen = 1;
    l->in.pos += NEON_PG_STARTUP_HEAD;

    if (ngx_neon_bytes_writer(s, &l->out, 1, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_wr_u8(&w, s->tls_available && s->front->starttls ? 'S' : 'N');

    if (ngx_neon_bytes_wrote(s, &l->out, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    /* one byte into an empty socket buffer */

    rc = ngx_neon_client_flush(s);

    if (rc != NGX_OK) {
        return rc == NGX_AGAIN
               ? ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL) : rc;
    }

    if (s->tls_available && s->front->starttls) {
        return ngx_neon_handshake_starttls(s);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_handshake_gssenc_request(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    if ((s->tls && s->front->starttls) || l->gss_seen) {
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL,
                                       "unexpected GSSENCRequest");
    }

    l->gss_seen = 1;
    l->in.pos += NEON_PG_STARTUP_HEAD;

    if (ngx_neon_bytes_writer(s, &l->out, 1, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_wr_u8(&w, 'N');

    if (ngx_neon_bytes_wrote(s, &l->out, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_neon_client_flush(s);

    return rc == NGX_AGAIN
           ? ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL) : rc;
}


static ngx_int_t
ngx_neon_handshake_body(ngx_neon_session_t *s)
{
    u_char            *p;
    size_t             n;
    ngx_int_t          rc;
    const char        *err;
    ngx_neon_login_t  *l;

    l = s->login;

    rc = ngx_neon_client_exact(s, l->first.length);
    if (rc != NGX_OK) {
        return rc;
    }

    /* of its own: `in` moves when it grows, and the parameters stay */

    n = l->first.length - NEON_PG_STARTUP_HEAD;

    p = ngx_pnalloc(l->pool, n + 1);
    if (p == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    ngx_memcpy(p, l->in.pos + NEON_PG_STARTUP_HEAD, n);
    l->in.pos += l->first.length;

    if (l->first.type == NEON_PG_FIRST_CANCEL) {
        if (neon_pg_cancel_parse(&l->cancel, p, n, &err) != NEON_OK) {
            s->silent = 1;
            return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL, "%s",
                                           err);
        }

        ngx_neon_session_set_state(s, NGX_NEON_STATE_CANCEL);
        return NGX_DECLINED;
    }

    return ngx_neon_handshake_startup(s, p, n);
}


static ngx_int_t
ngx_neon_handshake_startup(ngx_neon_session_t *s, const u_char *p, size_t n)
{
    const char        *err;
    ngx_neon_login_t  *l;

    l = s->login;

    if (neon_pg_startup_parse(&l->startup, p, n, &err) != NEON_OK) {
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL, "%s",
                                       err);
    }

    if (l->startup.user.len == 0) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_USER_MISSING);
    }

    if (ngx_neon_handshake_names(s) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    if (neon_pg_options_parse(&l->options, l->startup.options) != NEON_OK) {
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL,
                                       "too many neon_ options");
    }

    l->phase = NGX_NEON_HANDSHAKE_ANSWER;

    return ngx_neon_handshake_version(s);
}


/*
 * Our own part of 3.2 is the long cancel key.  A newer minor version and
 * unknown _pq_ options are negotiated down, never an error.
 */

static ngx_int_t
ngx_neon_handshake_version(ngx_neon_session_t *s)
{
    uint32_t           version;
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    version = NEON_PG_PROTOCOL_3_0;

    if (l->first.version >= NEON_PG_PROTOCOL_3_2) {
        version = NEON_PG_PROTOCOL_3_2;
        l->protocol_3_2 = 1;
    }

    l->cancel_key_len = l->protocol_3_2 ? NGX_NEON_CANCEL_KEY_3_2
                                        : NGX_NEON_CANCEL_KEY_3_0;

    if (l->first.version == version && l->startup.nextensions == 0) {
        return NGX_OK;
    }

    if (ngx_neon_bytes_writer(s, &l->out, l->startup.params.len + 32, &w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    neon_pg_negotiate_write(&w, version, &l->startup);

    return ngx_neon_bytes_wrote(s, &l->out, &w);
}


/* what logs and variables show for as long as the session lives */

static ngx_int_t
ngx_neon_handshake_names(ngx_neon_session_t *s)
{
    neon_pg_startup_t  *st;

    st = &s->login->startup;

    if (ngx_neon_handshake_copy(s, &s->user, st->user) != NGX_OK
        || ngx_neon_handshake_copy(s, &s->database,
                                   st->database.len ? st->database : st->user)
           != NGX_OK
        || ngx_neon_handshake_copy(s, &s->application_name,
                                   st->application_name)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_handshake_copy(ngx_neon_session_t *s, ngx_str_t *dst, neon_str_t src)
{
    if (src.len == 0) {
        return NGX_OK;
    }

    dst->data = ngx_pnalloc(s->pool, src.len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, src.data, src.len);
    dst->len = src.len;

    return NGX_OK;
}
