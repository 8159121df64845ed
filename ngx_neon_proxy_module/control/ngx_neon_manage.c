/*
 * The management listener: start-up, queries one after the other, the end.
 * PostgreSQL docs, chapters "Start-up" and "Simple Query".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_manage_query.h"

#include "neon_crypto.h"
#include "neon_pg_msg.h"
#include "neon_pg_startup.h"

#include "ngx_neon_waiter.h"


#define NGX_NEON_MANAGE_IN      1024          /* bytes, for a start */
#define NGX_NEON_MANAGE_LINGER_TIME  2000     /* ms */
#define NGX_NEON_MANAGE_TURNS   64            /* queries before others' turn */

/* the text and its zero byte */
#define NGX_NEON_MANAGE_QUERY_MAX  (NGX_NEON_WAITER_ANSWER + 1)


static ngx_int_t ngx_neon_manage_inside(ngx_neon_manage_t *m, ngx_uint_t ok);
static ngx_int_t ngx_neon_manage_run(ngx_neon_manage_t *m);
static ngx_int_t ngx_neon_manage_head(ngx_neon_manage_t *m);
static ngx_int_t ngx_neon_manage_encryption(ngx_neon_manage_t *m,
    ngx_uint_t ssl);
static ngx_int_t ngx_neon_manage_startup(ngx_neon_manage_t *m);
static ngx_int_t ngx_neon_manage_message(ngx_neon_manage_t *m);
static ngx_int_t ngx_neon_manage_fatal(ngx_neon_manage_t *m,
    const char *sqlstate, const char *text, const char *hint);
static ngx_int_t ngx_neon_manage_read(ngx_neon_manage_t *m, size_t n);
static ngx_int_t ngx_neon_manage_room(ngx_neon_manage_t *m, size_t n);
static ngx_int_t ngx_neon_manage_flush(ngx_neon_manage_t *m);
static ngx_int_t ngx_neon_manage_linger(ngx_neon_manage_t *m);
static void ngx_neon_manage_wait(ngx_neon_manage_t *m);


void
ngx_neon_manage_start(ngx_neon_manage_t *m)
{
    ngx_add_timer(m->client->read, m->conf->client_timeout);

    ngx_neon_manage_event(m);
}


void
ngx_neon_manage_secured(ngx_neon_manage_t *m, ngx_uint_t ok)
{
    (void) ngx_neon_manage_inside(m, ok);

    ngx_neon_manage_event(m);
}


/* ok: of the certificate that was wanted */

static ngx_int_t
ngx_neon_manage_inside(ngx_neon_manage_t *m, ngx_uint_t ok)
{
    m->tls = 1;
    m->state = NGX_NEON_MANAGE_HEAD;

    if (!ok) {
        return ngx_neon_manage_fatal(m, "28000", "connection requires a valid"
                                     " client certificate", NULL);
    }

    return NGX_OK;
}


void
ngx_neon_manage_event(ngx_neon_manage_t *m)
{
    ngx_int_t          rc;
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    c = m->client;
    rev = c->read;

    c->idle = 0;

    rc = NGX_OK;

    if (m->over && rev->timedout) {
        rc = NGX_ERROR;

    } else if (!m->over && c->close) {

        /* idle in a worker that quits, or worker_shutdown_timeout */

        m->quit = 1;
        rc = ngx_neon_manage_fatal(m, "57P01", "terminating connection due to"
                                   " administrator command",
                                   "The proxy is restarting. Connect again.");

    } else if (!m->over && rev->timedout) {
        rc = ngx_neon_manage_fatal(m, "57014", "canceling statement due to"
                                   " timeout", NULL);
    }

    c->close = 0;
    rev->timedout = 0;

    if (rc == NGX_OK) {
        rc = ngx_neon_manage_run(m);
    }

    if (rc == NGX_AGAIN) {
        ngx_neon_manage_wait(m);
        return;
    }

    ngx_neon_manage_close(m);
}


/* NGX_AGAIN: events are set; else the connection is over */

static ngx_int_t
ngx_neon_manage_run(ngx_neon_manage_t *m)
{
    ngx_int_t   rc;
    ngx_uint_t  turns;

    turns = 0;

    for ( ;; ) {

        /* a reply is read before the next query is */

        rc = ngx_neon_manage_flush(m);

        if (rc != NGX_OK) {
            return rc;
        }

        if (m->over) {
            return ngx_neon_manage_linger(m);
        }

        switch (m->state) {

        case NGX_NEON_MANAGE_HEAD:
            rc = ngx_neon_manage_head(m);
            break;

        case NGX_NEON_MANAGE_TLS:
            return NGX_AGAIN;

        case NGX_NEON_MANAGE_STARTUP:
            rc = ngx_neon_manage_startup(m);
            break;

        default: /* NGX_NEON_MANAGE_QUERY */

            if (turns++ == NGX_NEON_MANAGE_TURNS) {
                ngx_post_event(m->client->read, &ngx_posted_next_events);
                return NGX_AGAIN;
            }

            rc = ngx_neon_manage_message(m);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


/*
 * Nothing is read behind an SSLRequest: it belongs to OpenSSL, and plaintext
 * must never count as what came inside TLS.
 */

static ngx_int_t
ngx_neon_manage_head(ngx_neon_manage_t *m)
{
    ngx_int_t         rc;
    const char       *err;
    neon_pg_first_t   first;

    rc = ngx_neon_manage_read(m, NEON_PG_STARTUP_HEAD);
    if (rc != NGX_OK) {
        return rc;
    }

    if (neon_pg_first_parse(&first, m->pos, NEON_PG_STARTUP_HEAD, &err)
        != NEON_OK)
    {
        return ngx_neon_manage_fatal(m, "08P01", err, NULL);
    }

    switch (first.type) {

    case NEON_PG_FIRST_SSL:
        return ngx_neon_manage_encryption(m, 1);

    case NEON_PG_FIRST_GSSENC:
        return ngx_neon_manage_encryption(m, 0);

    case NEON_PG_FIRST_STARTUP:
        break;

    case NEON_PG_FIRST_CANCEL:
        /* a query is over before it could be canceled */
        return NGX_DONE;

    default: /* NEON_PG_FIRST_TLS */
        return ngx_neon_manage_fatal(m, "08P01", "unexpected TLS", NULL);
    }

    /* it is certificates that make it worth the name, so none goes past */

    if (m->starttls && !m->tls) {
        return ngx_neon_manage_fatal(m, "28000", "connection is insecure (try"
                                     " using `sslmode=require`)", NULL);
    }

    if (first.version >> 16 != 3) {
        return ngx_neon_manage_fatal(m, "0A000", "unsupported frontend"
                                     " protocol", NULL);
    }

    m->length = first.length;
    m->state = NGX_NEON_MANAGE_STARTUP;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_manage_encryption(ngx_neon_manage_t *m, ngx_uint_t ssl)
{
    ngx_int_t  rc;

    if (m->tls || m->requests == 2) {
        return ngx_neon_manage_fatal(m, "08P01", "unexpected encryption"
                                     " request", NULL);
    }

    m->requests++;
    m->pos = m->last;

    m->out[0] = (ssl && m->starttls) ? 'S' : 'N';
    m->out_len = 1;

    rc = ngx_neon_manage_flush(m);

    if (rc != NGX_OK || m->out[0] == 'N') {
        /* one byte fits into an empty socket buffer */
        return rc == NGX_AGAIN ? NGX_ERROR : rc;
    }

    m->state = NGX_NEON_MANAGE_TLS;
    rc = m->starttls(m);

    if (rc == NGX_OK || rc == NGX_DECLINED) {
        return ngx_neon_manage_inside(m, rc == NGX_OK);
    }

    return rc;
}


static ngx_int_t
ngx_neon_manage_startup(ngx_neon_manage_t *m)
{
    size_t              n;
    ngx_int_t           rc;
    neon_wr_t           w;
    const char         *err;
    neon_pg_startup_t   startup;

    rc = ngx_neon_manage_read(m, m->length);
    if (rc != NGX_OK) {
        return rc;
    }

    n = m->length - NEON_PG_STARTUP_HEAD;

    if (neon_pg_startup_parse(&startup, m->pos + NEON_PG_STARTUP_HEAD, n,
                              &err)
        != NEON_OK)
    {
        return ngx_neon_manage_fatal(m, "08P01", err, NULL);
    }

    m->pos += m->length;

    neon_wr_init(&w, m->out, sizeof(m->out));

    /* some drivers do not go on without a version */

    neon_pg_auth_write(&w, NEON_PG_AUTH_OK, neon_str(NULL, 0));
    neon_pg_parameter_status_write(&w, "server_version",
                                   neon_str("15.0", 4));
    neon_pg_parameter_status_write(&w, "server_encoding",
                                   neon_str("UTF8", 4));
    neon_pg_parameter_status_write(&w, "client_encoding",
                                   neon_str("UTF8", 4));
    neon_pg_parameter_status_write(&w, "standard_conforming_strings",
                                   neon_str("on", 2));
    neon_pg_ready_write(&w, 'I');

    m->out_len = neon_wr_len(&w);
    m->state = NGX_NEON_MANAGE_QUERY;

    ngx_del_timer(m->client->read);

    return NGX_OK;
}


static ngx_int_t
ngx_neon_manage_message(ngx_neon_manage_t *m)
{
    size_t         n;
    neon_wr_t      w;
    neon_str_t     text;
    neon_pg_msg_t  msg;

    n = m->last - m->pos;

    switch (neon_pg_msg_parse(&msg, m->pos, n, NGX_NEON_MANAGE_QUERY_MAX)) {

    case NEON_OK:
        break;

    case NEON_AGAIN:
        return ngx_neon_manage_read(m, msg.size ? msg.size
                                                : NEON_PG_MSG_HEAD);

    default:
        return ngx_neon_manage_fatal(m, "54000", "message is too long",
                                     "A callback has 32 kB at most.");
    }

    if (m->client->read->timer_set) {
        ngx_del_timer(m->client->read);
    }

    switch (msg.tag) {

    case 'X':
        return NGX_DONE;

    case 'Q':
        break;

    default:
        return ngx_neon_manage_fatal(m, "0A000", "only simple queries are"
                                     " understood here",
                                     "Send the JSON document as the text of a"
                                     " simple query, without parameters.");
    }

    if (neon_pg_password_parse(&text, msg.body) != NEON_OK) {
        return ngx_neon_manage_fatal(m, "08P01", "invalid string in message",
                                     NULL);
    }

    neon_wr_init(&w, m->out, sizeof(m->out));

    ngx_neon_manage_query(m, text, &w);

    /* there was a password in it */

    neon_wipe((void *) msg.body.data, msg.body.len);
    m->pos += msg.size;

    if (w.error) {
        ngx_log_error(NGX_LOG_ALERT, m->client->log, 0,
                      "neon: a message did not fit its buffer");
        return NGX_ERROR;
    }

    m->out_len = neon_wr_len(&w);

    return NGX_OK;
}


/* the last message; nothing that the client sends is read any more */

static ngx_int_t
ngx_neon_manage_fatal(ngx_neon_manage_t *m, const char *sqlstate,
    const char *text, const char *hint)
{
    neon_wr_t  w;
    ngx_str_t  message;

    message.data = (u_char *) text;
    message.len = ngx_strlen(text);

    ngx_log_error(NGX_LOG_INFO, m->client->log, 0,
                  "management connection ends: %V (SQLSTATE %s)", &message,
                  sqlstate);

    m->over = 1;
    m->failed = !m->quit;

    if (m->state == NGX_NEON_MANAGE_TLS || m->sent != m->out_len) {
        /* it would stand in the middle of something else */
        return NGX_ERROR;
    }

    neon_wr_init(&w, m->out, sizeof(m->out));
    ngx_neon_manage_error(&w, "FATAL", sqlstate, &message, NULL, hint);

    m->sent = 0;
    m->out_len = neon_wr_len(&w);

    return NGX_OK;
}


/* until there are n bytes; in the start-up, no more than that */

static ngx_int_t
ngx_neon_manage_read(ngx_neon_manage_t *m, size_t n)
{
    size_t             size;
    ssize_t            rc;
    ngx_connection_t  *c;

    c = m->client;

    if (ngx_neon_manage_room(m, n) != NGX_OK) {
        return NGX_ERROR;
    }

    while ((size_t) (m->last - m->pos) < n) {

        size = (m->state == NGX_NEON_MANAGE_QUERY)
               ? (size_t) (m->end - m->last) : n - (m->last - m->pos);

        rc = c->recv(c, m->last, size);

        if (rc == NGX_AGAIN) {
            return ngx_handle_read_event(c->read, 0) == NGX_OK ? NGX_AGAIN
                                                                : NGX_ERROR;
        }

        if (rc <= 0) {
            return NGX_DONE;
        }

        m->last += rc;
        m->received += rc;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_manage_room(ngx_neon_manage_t *m, size_t n)
{
    u_char  *p;
    size_t   len, size;

    if ((size_t) (m->end - m->pos) >= n) {
        return NGX_OK;
    }

    len = m->last - m->pos;
    size = m->end - m->in;

    if (size >= n) {
        ngx_memmove(m->in, m->pos, len);
        m->pos = m->in;
        m->last = m->in + len;
        return NGX_OK;
    }

    size = ngx_max(n, NGX_NEON_MANAGE_IN);

    p = ngx_alloc(size, m->client->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (m->in) {
        ngx_memcpy(p, m->pos, len);
        neon_wipe(m->in, m->end - m->in);
        ngx_free(m->in);
    }

    m->in = p;
    m->pos = p;
    m->last = p + len;
    m->end = p + size;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_manage_flush(ngx_neon_manage_t *m)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = m->client;

    while (m->sent != m->out_len) {
        n = c->send(c, m->out + m->sent, m->out_len - m->sent);

        if (n == NGX_AGAIN) {
            return ngx_handle_write_event(c->write, 0) == NGX_OK ? NGX_AGAIN
                                                                  : NGX_ERROR;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }

        m->sent += n;
    }

    m->sent = 0;
    m->out_len = 0;

    return NGX_OK;
}


/*
 * close() with unread bytes in the kernel sends RST, and the client may never
 * see what it was told.
 */

static ngx_int_t
ngx_neon_manage_linger(ngx_neon_manage_t *m)
{
    u_char             buf[4096];
    ssize_t            n;
    ngx_err_t          err;
    ngx_uint_t         i;
    ngx_connection_t  *c;

    c = m->client;

    if (m->state != NGX_NEON_MANAGE_LINGER) {
        m->state = NGX_NEON_MANAGE_LINGER;

        if (ngx_shutdown_socket(c->fd, NGX_WRITE_SHUTDOWN) == -1) {
            return NGX_DONE;
        }

        if (c->read->timer_set) {
            ngx_del_timer(c->read);
        }
    }

    for (i = 0; i < NGX_NEON_MANAGE_TURNS; i++) {

        /* below TLS: nobody looks at it */

        n = recv(c->fd, buf, sizeof(buf), 0);
        err = ngx_socket_errno;

        if (n == -1 && err == NGX_EAGAIN) {
            c->read->ready = 0;

            return ngx_handle_read_event(c->read, 0) == NGX_OK ? NGX_AGAIN
                                                                : NGX_DONE;
        }

        if (n <= 0) {
            return NGX_DONE;
        }
    }

    /* a flood is not worth more of our time */

    return NGX_DONE;
}


/*
 * A connection may stay as long as it likes between two queries, and does not
 * hold a worker that quits then; what was begun has its time.
 */

static void
ngx_neon_manage_wait(ngx_neon_manage_t *m)
{
    ngx_connection_t  *c;

    c = m->client;

    if (m->over) {

        if (!c->read->timer_set) {
            ngx_add_timer(c->read, NGX_NEON_MANAGE_LINGER_TIME);
        }

        return;
    }

    if (m->state != NGX_NEON_MANAGE_QUERY) {
        return;
    }

    if (m->pos != m->last || m->sent != m->out_len) {

        if (!c->read->timer_set) {
            ngx_add_timer(c->read, m->conf->client_timeout);
        }

        return;
    }

    if (m->in) {
        ngx_free(m->in);

        m->in = NULL;
        m->pos = NULL;
        m->last = NULL;
        m->end = NULL;
    }

    c->idle = 1;

    if (ngx_exiting) {
        c->close = 1;
        ngx_neon_manage_event(m);
    }
}


void
ngx_neon_manage_close(ngx_neon_manage_t *m)
{
    if (m->client->read->timer_set) {
        ngx_del_timer(m->client->read);
    }

    if (m->in) {
        neon_wipe(m->in, m->end - m->in);
        ngx_free(m->in);
        m->in = NULL;
    }

    if (m->client->ssl) {
        m->client->ssl->no_wait_shutdown = 1;
    }

    m->finish(m);
}
