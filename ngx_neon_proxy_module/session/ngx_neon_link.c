/*
 * The connection to a compute up to the point where it can be talked to: TCP,
 * SSLRequest, TLS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include <ngx_event_connect.h>

#include "ngx_neon_tls.h"


static ngx_int_t ngx_neon_link_test_connect(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_link_ssl_request(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_link_ssl_answer(ngx_neon_session_t *s,
    const char *server_name, ngx_neon_reason_e *reason);
static ngx_int_t ngx_neon_link_sealed(ngx_neon_session_t *s,
    ngx_neon_reason_e *reason);
static ngx_int_t ngx_neon_link_tls(ngx_neon_session_t *s,
    const char *server_name, ngx_neon_reason_e *reason);
static void ngx_neon_link_tls_handler(ngx_connection_t *pc);
static ngx_int_t ngx_neon_link_failed(ngx_neon_session_t *s, ngx_err_t err,
    char *what);
static void ngx_neon_link_free(ngx_connection_t *pc);
static void ngx_neon_link_handler(ngx_event_t *ev);


ngx_int_t
ngx_neon_link_open(ngx_neon_session_t *s, struct sockaddr *sockaddr,
    socklen_t socklen)
{
    ngx_int_t               rc;
    ngx_str_t              *addr;
    ngx_connection_t       *pc;
    ngx_neon_login_t       *l;
    ngx_peer_connection_t   peer;

    l = s->login;
    addr = &s->compute_addr;

    s->err = 0;
    ngx_str_null(&s->detail);

    if (addr->data == NULL) {
        addr->data = ngx_pnalloc(s->pool, NGX_SOCKADDR_STRLEN);
        if (addr->data == NULL) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }
    }

    addr->len = ngx_sock_ntop(sockaddr, socklen, addr->data,
                              NGX_SOCKADDR_STRLEN, 1);

    ngx_memzero(&peer, sizeof(ngx_peer_connection_t));

    peer.sockaddr = sockaddr;
    peer.socklen = socklen;
    peer.name = addr;
    peer.get = ngx_event_get_peer;
    peer.log = s->log;
    peer.log_error = NGX_ERROR_INFO;
    peer.so_keepalive = 1;

    rc = ngx_event_connect_peer(&peer);

    if (rc == NGX_ERROR) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_BUSY);
    }

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        return ngx_neon_link_failed(s, ngx_socket_errno, "connect() failed");
    }

    pc = peer.connection;

    pc->data = s;
    pc->pool = s->pool;
    pc->log = s->log;
    pc->read->log = s->log;
    pc->write->log = s->log;
    pc->read->handler = ngx_neon_link_handler;
    pc->write->handler = ngx_neon_link_handler;
    pc->sendfile = 0;

    s->compute = pc;
    l->link = NGX_NEON_LINK_TCP;
    l->link_failed = 0;
    l->cin.pos = l->cin.last;
    l->cout.pos = l->cout.last;

    if (rc == NGX_OK) {
        pc->write->ready = 1;
    }

    return NGX_OK;
}


ngx_int_t
ngx_neon_link_process(ngx_neon_session_t *s, const char *server_name,
    ngx_neon_reason_e *reason)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    l = s->login;
    *reason = NGX_NEON_REASON_COMPUTE_UNREACHABLE;

    if (l->timedout) {
        return ngx_neon_link_failed(s, NGX_ETIMEDOUT,
                                    l->link == NGX_NEON_LINK_TCP
                                    ? "connect() timed out"
                                    : "TLS negotiation timed out");
    }

    for ( ;; ) {
        switch (l->link) {

        case NGX_NEON_LINK_TCP:
            if (!s->compute->write->ready) {
                return NGX_AGAIN;
            }

            rc = ngx_neon_link_test_connect(s);
            break;

        case NGX_NEON_LINK_SSL_REQUEST:
            rc = ngx_neon_link_ssl_answer(s, server_name, reason);
            break;

        case NGX_NEON_LINK_TLS:
            rc = ngx_neon_link_tls(s, server_name, reason);
            break;

        default: /* NGX_NEON_LINK_READY */
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_neon_link_test_connect(ngx_neon_session_t *s)
{
    int                err;
    socklen_t          len;
    ngx_connection_t  *pc;

    pc = s->compute;

    err = 0;
    len = sizeof(int);

    if (getsockopt(pc->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        return ngx_neon_link_failed(s, err, "connect() failed");
    }

    if (ngx_tcp_nodelay(pc) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    if (s->login->ssl == NGX_NEON_SSL_OFF) {
        s->login->link = NGX_NEON_LINK_READY;
        return NGX_OK;
    }

    return ngx_neon_link_ssl_request(s);
}


static ngx_int_t
ngx_neon_link_ssl_request(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    if (ngx_neon_bytes_writer(s, &l->cout, 8, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_pg_ssl_request_write(&w);

    if (ngx_neon_bytes_wrote(s, &l->cout, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_neon_link_flush(s);

    if (rc == NGX_AGAIN) {
        return ngx_neon_link_failed(s, 0, "SSLRequest could not be sent");
    }

    l->link = NGX_NEON_LINK_SSL_REQUEST;

    return rc;
}


/*
 * One byte and no more: what a man in the middle sent in clear behind it must
 * not count as what the compute says under TLS.
 */

static ngx_int_t
ngx_neon_link_ssl_answer(ngx_neon_session_t *s, const char *server_name,
    ngx_neon_reason_e *reason)
{
    u_char             ch;
    ssize_t            n;
    ngx_connection_t  *pc;
    ngx_neon_login_t  *l;

    l = s->login;
    pc = s->compute;

    n = pc->recv(pc, &ch, 1);

    if (n == NGX_AGAIN) {
        if (ngx_handle_read_event(pc->read, 0) != NGX_OK) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        return NGX_AGAIN;
    }

    if (n <= 0) {
        return ngx_neon_link_failed(s, n == 0 ? 0 : ngx_socket_errno,
                                    "compute closed the connection after"
                                    " SSLRequest");
    }

    if (ch == 'S' && s->sealed) {
        return ngx_neon_link_sealed(s, reason);
    }

    if (ch == 'S') {
        l->link = NGX_NEON_LINK_TLS;

        switch (ngx_neon_tls_connect(pc, s->conf, server_name,
                                     ngx_neon_link_tls_handler))
        {
        case NGX_OK:
            return NGX_OK;

        case NGX_AGAIN:
            return NGX_AGAIN;

        default:
            l->link_failed = 1;
            return NGX_OK;
        }
    }

    if (ch == 'N' && l->ssl == NGX_NEON_SSL_PREFER) {
        l->ssl = NGX_NEON_SSL_OFF;
        l->link = NGX_NEON_LINK_READY;
        return NGX_OK;
    }

    if (ch == 'N') {
        *reason = NGX_NEON_REASON_COMPUTE_TLS;
        return ngx_neon_link_failed(s, 0, "compute does not support TLS");
    }

    return ngx_neon_link_failed(s, 0,
                                "compute refused the SSLRequest");
}


/* TLS is the client's; the compute has nothing to say before it saw that */

static ngx_int_t
ngx_neon_link_sealed(ngx_neon_session_t *s, ngx_neon_reason_e *reason)
{
    u_char   ch;
    ssize_t  n;

    n = recv(s->compute->fd, &ch, 1, MSG_PEEK);

    if (n == -1 && ngx_socket_errno == NGX_EAGAIN) {
        s->login->link = NGX_NEON_LINK_READY;
        return NGX_OK;
    }

    if (n > 0) {
        *reason = NGX_NEON_REASON_COMPUTE_TLS;
        return ngx_neon_link_failed(s, 0, "compute sent more than one byte in"
                                    " answer to SSLRequest");
    }

    return ngx_neon_link_failed(s, n == 0 ? 0 : ngx_socket_errno,
                                "compute closed the connection after"
                                " SSLRequest");
}


static ngx_int_t
ngx_neon_link_tls(ngx_neon_session_t *s, const char *server_name,
    ngx_neon_reason_e *reason)
{
    ngx_connection_t  *pc;
    ngx_neon_login_t  *l;

    l = s->login;
    pc = s->compute;

    *reason = NGX_NEON_REASON_COMPUTE_TLS;

    if (l->link_failed) {
        return ngx_neon_link_failed(s, 0, "TLS handshake with compute failed");
    }

    if (!pc->ssl->handshaked) {
        return NGX_AGAIN;
    }

    pc->read->handler = ngx_neon_link_handler;
    pc->write->handler = ngx_neon_link_handler;

    ngx_neon_tls_established(pc);

    if (l->ssl == NGX_NEON_SSL_VERIFY_FULL
        && ngx_neon_tls_verify(pc, server_name) != NGX_OK)
    {
        return ngx_neon_link_failed(s, 0, "compute's certificate is not valid"
                                    " for this endpoint");
    }

    l->link = NGX_NEON_LINK_READY;

    return NGX_OK;
}


static void
ngx_neon_link_tls_handler(ngx_connection_t *pc)
{
    ngx_neon_session_t  *s;

    s = pc->data;

    /* called on time-out too, but the time is ours to keep */

    if (!pc->ssl->handshaked) {
        s->login->link_failed = 1;
    }

    ngx_neon_session_run(s);
}


static ngx_int_t
ngx_neon_link_failed(ngx_neon_session_t *s, ngx_err_t err, char *what)
{
    s->err = err;
    s->detail.data = (u_char *) what;
    s->detail.len = ngx_strlen(what);

    ngx_log_error(NGX_LOG_INFO, s->log, err, "%s", what);

    return NGX_DECLINED;
}


void
ngx_neon_link_close(ngx_neon_session_t *s)
{
    if (s->compute) {
        ngx_neon_link_free(s->compute);
        s->compute = NULL;
    }
}


void
ngx_neon_link_hold(ngx_neon_session_t *s)
{
    s->login->held = s->compute;
    s->compute = NULL;
}


void
ngx_neon_link_release(ngx_neon_session_t *s)
{
    if (s->login->held) {
        ngx_neon_link_free(s->login->held);
        s->login->held = NULL;
    }
}


static void
ngx_neon_link_free(ngx_connection_t *pc)
{
    if (pc->ssl) {
        pc->ssl->no_wait_shutdown = 1;
        (void) ngx_ssl_shutdown(pc);
    }

    ngx_close_connection(pc);
}


static void
ngx_neon_link_handler(ngx_event_t *ev)
{
    ngx_connection_t    *pc;
    ngx_neon_session_t  *s;

    pc = ev->data;
    s = pc->data;

    if (pc->close) {
        /* worker_shutdown_timeout */
        pc->close = 0;
        s->client->close = 1;
    }

    ngx_neon_session_event(s, ev);
}


ngx_int_t
ngx_neon_link_flush(ngx_neon_session_t *s)
{
    ssize_t            n;
    ngx_connection_t  *pc;
    ngx_neon_bytes_t  *b;

    pc = s->compute;
    b = &s->login->cout;

    while (b->pos != b->last) {
        n = pc->send(pc, b->pos, b->last - b->pos);

        if (n > 0) {
            b->pos += n;
            continue;
        }

        if (n == NGX_AGAIN) {
            if (ngx_handle_write_event(pc->write, 0) != NGX_OK) {
                return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
            }

            return NGX_AGAIN;
        }

        return ngx_neon_link_failed(s, ngx_socket_errno,
                                    "send() to compute failed");
    }

    return NGX_OK;
}


ngx_int_t
ngx_neon_link_read(ngx_neon_session_t *s, size_t room)
{
    ssize_t            n;
    ngx_connection_t  *pc;
    ngx_neon_bytes_t  *b;

    pc = s->compute;
    b = &s->login->cin;

    if (ngx_neon_bytes_reserve(s->login->pool, b, room) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    n = pc->recv(pc, b->last, b->end - b->last);

    if (n > 0) {
        b->last += n;
        return NGX_OK;
    }

    if (n == NGX_AGAIN) {
        if (ngx_handle_read_event(pc->read, 0) != NGX_OK) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        return NGX_AGAIN;
    }

    return ngx_neon_link_failed(s, n == 0 ? 0 : ngx_socket_errno,
                                "compute closed the connection during login");
}


void
ngx_neon_shutdown_write(ngx_connection_t *c)
{
    if (c->ssl) {
        ngx_neon_tls_shutdown_write(c);
    }

    if (shutdown(c->fd, SHUT_WR) == -1 && ngx_socket_errno != NGX_ENOTCONN) {
        ngx_log_debug0(NGX_LOG_DEBUG_EVENT, c->log, ngx_socket_errno,
                       "shutdown() failed");
    }
}
