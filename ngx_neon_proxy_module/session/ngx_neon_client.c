/*
 * The client before the relay: whole messages in, whole messages out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"


#define NGX_NEON_CLIENT_READ    1024
#define NGX_NEON_CLIENT_AHEAD   4096          /* bytes held while it waits */


static ngx_int_t ngx_neon_client_message(ngx_neon_session_t *s, size_t max,
    neon_str_t *body);
static ngx_int_t ngx_neon_client_recv(ngx_neon_session_t *s, size_t n);
static ngx_int_t ngx_neon_client_ahead(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_client_gone(ngx_neon_session_t *s);


/*
 * Until TLS is settled nothing may be read ahead: what follows an SSLRequest
 * belongs to OpenSSL, and plaintext must never count as what came after TLS.
 * There is nothing to settle for a front without in-band TLS, nor once the
 * first packet is a StartupMessage.
 */

ngx_int_t
ngx_neon_client_exact(ngx_neon_session_t *s, size_t n)
{
    ngx_int_t          rc;
    ngx_neon_bytes_t  *b;

    b = &s->login->in;

    while ((size_t) (b->last - b->pos) < n) {
        rc = ngx_neon_client_recv(s, s->front->starttls && !s->login->no_tls
                                     ? n - (b->last - b->pos)
                                     : NGX_NEON_CLIENT_READ);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_client_message(ngx_neon_session_t *s, size_t max, neon_str_t *body)
{
    ngx_int_t          rc;
    neon_pg_msg_t      msg;
    ngx_neon_bytes_t  *b;

    b = &s->login->in;

    for ( ;; ) {

        /* the tag first: a Terminate has no body to wait for */

        if (b->last != b->pos && *b->pos != 'p') {
            break;
        }

        switch (neon_pg_msg_parse(&msg, b->pos, b->last - b->pos, max)) {

        case NEON_OK:
            *body = msg.body;
            b->pos += msg.size;
            return NGX_OK;

        case NEON_AGAIN:
            break;

        default:
            return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL,
                                           "invalid message length");
        }

        rc = ngx_neon_client_recv(s, NGX_NEON_CLIENT_READ);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (*b->pos == 'X') {
        return ngx_neon_session_error(s, NGX_NEON_REASON_CLIENT_GONE);
    }

    return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL,
                       "expected password response, got message type %ui",
                       (ngx_uint_t) *b->pos);
}


ngx_int_t
ngx_neon_client_answer(ngx_neon_session_t *s, size_t max, neon_str_t *body)
{
    ngx_int_t  rc;

    rc = ngx_neon_client_flush(s);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_neon_client_message(s, max, body);
}


ngx_int_t
ngx_neon_client_password(ngx_neon_session_t *s, neon_str_t *text)
{
    u_char      *p;
    ngx_int_t    rc;
    neon_str_t   body, password;

    body = neon_str(NULL, 0);

    rc = ngx_neon_client_answer(s, NGX_NEON_PASSWORD_MAX, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    if (neon_pg_password_parse(&password, body) != NEON_OK) {
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_PROTOCOL,
                            "Malformed password message: missing terminator");
    }

    /* `in` moves when more is read */

    p = ngx_pnalloc(s->login->pool, password.len + 1);
    if (p == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    ngx_memcpy(p, password.data, password.len);
    *text = neon_str(p, password.len);

    return NGX_OK;
}


static ngx_int_t
ngx_neon_client_recv(ngx_neon_session_t *s, size_t n)
{
    ssize_t            rc;
    ngx_connection_t  *c;
    ngx_neon_bytes_t  *b;

    c = s->client;
    b = &s->login->in;

    if (ngx_neon_bytes_reserve(s->login->pool, b, n) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    rc = c->recv(c, b->last, n);

    if (rc > 0) {
        b->last += rc;
        s->received += rc;
        return NGX_OK;
    }

    if (rc == NGX_AGAIN) {
        if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        return NGX_AGAIN;
    }

    return ngx_neon_client_gone(s);
}


ngx_int_t
ngx_neon_client_flush(ngx_neon_session_t *s)
{
    ssize_t            n;
    ngx_connection_t  *c;
    ngx_neon_bytes_t  *b;

    c = s->client;
    b = &s->login->out;

    while (b->pos != b->last) {
        n = c->send(c, b->pos, b->last - b->pos);

        if (n > 0) {
            b->pos += n;
            continue;
        }

        if (n == NGX_AGAIN) {
            if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
            }

            return NGX_AGAIN;
        }

        s->silent = 1;

        return ngx_neon_session_error(s, NGX_NEON_REASON_CLIENT_GONE);
    }

    return NGX_OK;
}


/*
 * The client is watched while we wait for others.  Bytes that it pipelined
 * stay in the kernel; only its end is looked for.  In frames that is a Close,
 * and pings want their answers: some of these bytes are read.
 */

ngx_int_t
ngx_neon_client_check(ngx_neon_session_t *s)
{
    u_char             ch;
    ssize_t            n;
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    c = s->client;
    rev = c->read;

    if (rev->error || c->error) {
        return ngx_neon_client_gone(s);
    }

    if (s->framed && ngx_neon_client_ahead(s) != NGX_OK) {
        return NGX_ERROR;
    }

    if (rev->ready) {

#if (NGX_HAVE_EPOLLRDHUP)
        if (rev->pending_eof) {
            return ngx_neon_client_gone(s);
        }
#endif

        n = recv(c->fd, &ch, 1, MSG_PEEK);

        if (n == 0 || (n == -1 && ngx_socket_errno != NGX_EAGAIN)) {
            return ngx_neon_client_gone(s);
        }

        if ((ngx_event_flags & NGX_USE_LEVEL_EVENT) && rev->active && n > 0) {

            /* else it would be reported again and again */

            if (ngx_del_event(rev, NGX_READ_EVENT, 0) != NGX_OK) {
                return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
            }
        }
    }

    /* also with bytes pending: ngx_handle_read_event() would not add it then */

    if ((ngx_event_flags & NGX_USE_CLEAR_EVENT)
        && !rev->active
        && ngx_add_event(rev, NGX_READ_EVENT, NGX_CLEAR_EVENT) != NGX_OK)
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_client_ahead(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_bytes_t  *b;

    b = &s->login->in;

    while (s->client->read->ready
           && b->last - b->pos < NGX_NEON_CLIENT_AHEAD)
    {
        rc = ngx_neon_client_recv(s, NGX_NEON_CLIENT_READ);

        if (rc != NGX_OK) {
            return rc == NGX_AGAIN ? NGX_OK : NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_client_gone(ngx_neon_session_t *s)
{
    s->client_eof = 1;
    s->err = 0;
    ngx_str_null(&s->detail);

    return ngx_neon_session_error(s, NGX_NEON_REASON_CLIENT_GONE);
}
