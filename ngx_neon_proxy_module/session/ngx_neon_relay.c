/*
 * Eighth step: bytes both ways until an end closes.  Reads go into one buffer
 * of the worker and are written on at once; only what the other side does not
 * take is kept, so an idle session owns no buffer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include <poll.h>

#include "ngx_neon_retire.h"


#define NGX_NEON_RELAY_TURNS    8             /* reads before others' turn */
#define NGX_NEON_RELAY_TIMER    (12 * 3600 * 1000)
#define NGX_NEON_RELAY_STOP     2000          /* ms */
#define NGX_NEON_RELAY_COUNT    (1024 * 1024) /* bytes that the metrics may be
                                                 behind */

/*
 * TLS records to the client.  Asynchronous libpq reads one record for each
 * event of the socket, in portions of 8 KiB: the rest of a larger last record
 * stays in OpenSSL where no event tells of it, and the client hangs.  So no
 * record before a pause is larger than that, with its header and tag; full
 * ones are for bulk, where a smaller one is sure to follow in the same turn.
 */
#define NGX_NEON_RELAY_RECORD       (8192 - 64)
#define NGX_NEON_RELAY_RECORD_BULK  16384
#define NGX_NEON_RELAY_BULK         (1024 * 1024)

/* in bulk four full records and the small one */
#define NGX_NEON_RELAY_BUFFER                                                 \
    (4 * NGX_NEON_RELAY_RECORD_BULK + NGX_NEON_RELAY_RECORD)


static u_char  ngx_neon_relay_buffer[NGX_NEON_RELAY_BUFFER];


static ngx_int_t ngx_neon_relay_begin(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_relay_rest(ngx_neon_rest_t *rest, const u_char *p,
    size_t n);
static void ngx_neon_relay_rest_free(ngx_neon_rest_t *rest);
static void ngx_neon_relay_handler(ngx_neon_session_t *s, ngx_event_t *ev);
static ngx_int_t ngx_neon_relay_up(ngx_neon_session_t *s);
static ngx_uint_t ngx_neon_relay_over(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_relay_down(ngx_neon_session_t *s);
static ngx_uint_t ngx_neon_relay_reset(ngx_connection_t *c);
static ngx_int_t ngx_neon_relay_pipe(ngx_neon_session_t *s,
    ngx_neon_pipe_t *p, ngx_connection_t *src, ngx_connection_t *dst);
static ngx_int_t ngx_neon_relay_read(ngx_neon_session_t *s,
    ngx_neon_pipe_t *p, ngx_connection_t *src, ngx_connection_t *dst);
static ssize_t ngx_neon_relay_write(ngx_neon_session_t *s,
    ngx_neon_pipe_t *p, ngx_connection_t *dst, u_char *pos, u_char *last);
static size_t ngx_neon_relay_chunk(ngx_neon_session_t *s, ngx_neon_pipe_t *p,
    size_t n);
static ngx_int_t ngx_neon_relay_events(ngx_neon_session_t *s,
    ngx_neon_pipe_t *p, ngx_connection_t *src, ngx_connection_t *dst);
static ngx_int_t ngx_neon_relay_lost(ngx_neon_session_t *s,
    ngx_connection_t *c);
static ngx_uint_t ngx_neon_relay_sealed_end(ngx_neon_session_t *s);
static ngx_uint_t ngx_neon_relay_cut(ngx_neon_session_t *s);
static void ngx_neon_relay_end(ngx_neon_session_t *s);


ngx_int_t
ngx_neon_relay_step(ngx_neon_session_t *s)
{
    if (ngx_neon_relay_begin(s) != NGX_OK) {
        return NGX_ERROR;
    }

    /*
     * Both sides may have sent more while the login was under way, and those
     * events are over; the first one of the two frees the session if it ends.
     */

    ngx_post_event(s->client->read, &ngx_posted_events);

    ngx_neon_relay_handler(s, s->compute->read);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_neon_relay_begin(ngx_neon_session_t *s)
{
    ssize_t            n;
    ngx_neon_bytes_t  *b;
    ngx_neon_login_t  *l;

    l = s->login;

    if (s->tunnel || s->sealed) {
        neon_pg_walk_blind(&s->walk);

    } else {
        neon_pg_walk_init(&s->walk, l->ready);
    }

    /* what came behind ReadyForQuery leaves with it */

    b = &l->cin;

    if (b->pos != b->last) {
        neon_pg_walk_compute(&s->walk, b->pos, b->last - b->pos);

        if (ngx_neon_bytes_reserve(l->pool, &l->out, b->last - b->pos)
            != NGX_OK)
        {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        l->out.last = ngx_cpymem(l->out.last, b->pos, b->last - b->pos);
        s->down.bytes = b->last - b->pos;
    }

    b = &l->out;

    n = ngx_neon_relay_write(s, &s->down, s->client, b->pos, b->last);

    if (n == NGX_ERROR) {
        return ngx_neon_relay_lost(s, s->client);
    }

    if (ngx_neon_relay_rest(&s->down.rest, b->pos + n, b->last - b->pos - n)
        != NGX_OK)
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    /* what the client pipelined behind its password goes first */

    b = &l->in;

    neon_pg_walk_client(&s->walk, b->pos, b->last - b->pos);

    s->up.bytes = b->last - b->pos;
    s->received -= s->up.bytes;

    if (ngx_neon_relay_rest(&s->up.rest, b->pos, b->last - b->pos)
        != NGX_OK)
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    s->handler = ngx_neon_relay_handler;
    s->err = 0;
    ngx_str_null(&s->detail);

    ngx_neon_count_login(s);
    ngx_neon_login_destroy(s);

    ngx_add_timer(&s->timer, NGX_NEON_RELAY_TIMER);
    ngx_neon_retire_add(s);

    return NGX_OK;
}


static ngx_int_t
ngx_neon_relay_rest(ngx_neon_rest_t *rest, const u_char *p, size_t n)
{
    if (n == 0) {
        return NGX_OK;
    }

    rest->data = ngx_alloc(n, ngx_cycle->log);
    if (rest->data == NULL) {
        return NGX_ERROR;
    }

    rest->pos = rest->data;
    rest->last = ngx_cpymem(rest->data, p, n);

    return NGX_OK;
}


static void
ngx_neon_relay_rest_free(ngx_neon_rest_t *rest)
{
    ngx_free(rest->data);

    rest->data = NULL;
    rest->pos = NULL;
    rest->last = NULL;
}


static void
ngx_neon_relay_handler(ngx_neon_session_t *s, ngx_event_t *ev)
{
    ngx_int_t  rc;

    if (ev == &s->timer) {

        if (s->stopping) {
            ngx_neon_relay_end(s);
            return;
        }

        /* it has to be there: it holds an exiting worker */
        ngx_add_timer(&s->timer, NGX_NEON_RELAY_TIMER);
        ngx_neon_retire_offer(s);
        return;
    }

    if (!s->stopping
        && (ev == s->client->read || ev == s->compute->write))
    {
        rc = ngx_neon_relay_up(s);

    } else {
        rc = ngx_neon_relay_down(s);
    }

    /* a compute that cannot be written to may have left a last word */

    if (rc == NGX_DECLINED) {
        rc = ngx_neon_relay_down(s);
    }

    if (rc != NGX_OK) {
        ngx_neon_relay_end(s);
        return;
    }

    if (s->down.rest.data == NULL
        && (s->down.eof || (s->stopping && neon_pg_walk_left(&s->walk) == 0)))
    {
        if (ngx_neon_relay_cut(s)) {
            s->err = 0;
            (void) ngx_neon_session_error(s, NGX_NEON_REASON_COMPUTE_RESET);
        }

        ngx_neon_relay_end(s);
        return;
    }

    ngx_neon_retire_offer(s);
}


/*
 * What the client gets ends with a whole message, where the compute sends the
 * rest of it in time and the client takes it.
 */

void
ngx_neon_relay_stop(ngx_neon_session_t *s)
{
    size_t  left;

    if (s->stopping) {
        return;
    }

    s->stopping = 1;
    s->err = 0;
    (void) ngx_neon_session_error(s, NGX_NEON_REASON_SHUTDOWN);

    left = neon_pg_walk_left(&s->walk);

    if (left == 0 || left == SIZE_MAX) {
        ngx_neon_relay_end(s);
        return;
    }

    ngx_add_timer(&s->timer, NGX_NEON_RELAY_STOP);
    ngx_neon_relay_handler(s, s->compute->read);
}


static ngx_int_t
ngx_neon_relay_up(ngx_neon_session_t *s)
{
    ngx_int_t  rc;

    rc = s->up.shut ? NGX_OK
                    : ngx_neon_relay_pipe(s, &s->up, s->client, s->compute);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_neon_relay_over(s)) {
        return NGX_ERROR;
    }

    if (s->framed && s->client_eof && !s->walk.terminate) {

        if ((s->tunnel || !neon_pg_walk_busy(&s->walk))
            && !ngx_neon_relay_reset(s->client))
        {
            /*
             * As without frames: it had nothing under way, or whether it also
             * said so inside is not seen.
             */
            return NGX_ERROR;
        }

        ngx_set_socket_errno(0);
        return ngx_neon_relay_lost(s, s->client);
    }

    /* no read would tell of it: it ended, or the compute takes no more */

    if ((s->client_eof || s->up.rest.data)
        && ngx_neon_relay_reset(s->client))
    {
        ngx_set_socket_errno(NGX_ECONNRESET);
        return ngx_neon_relay_lost(s, s->client);
    }

    /* not before that: with a FIN a pooler forgets the key for a cancel */

    if (s->up.eof && s->up.rest.data == NULL && !s->up.shut && !s->framed) {
        s->up.shut = 1;
        ngx_neon_shutdown_write(s->compute);
    }

    return NGX_OK;
}


/*
 * Both have said all: the compute was idle when it was told to terminate.  Its
 * end is not waited for.
 */

static ngx_uint_t
ngx_neon_relay_over(ngx_neon_session_t *s)
{
    return s->client_eof && s->walk.terminate && !neon_pg_walk_busy(&s->walk)
           && neon_pg_walk_boundary(&s->walk)
           && s->up.rest.data == NULL && s->down.rest.data == NULL;
}


static ngx_int_t
ngx_neon_relay_down(ngx_neon_session_t *s)
{
    return ngx_neon_relay_pipe(s, &s->down, s->compute, s->client);
}


/*
 * A client that ended its side may still read; one whose connection was reset
 * does not.  nginx's TLS reports both as the end, and the socket's error was
 * taken by then: poll() still tells them apart.
 */

static ngx_uint_t
ngx_neon_relay_reset(ngx_connection_t *c)
{
    struct pollfd  pfd;

    if (c->read->error) {
        return 1;
    }

    pfd.fd = c->fd;
    pfd.events = 0;
    pfd.revents = 0;

    return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLERR|POLLHUP));
}


/*
 * One direction, as far as it goes now.  NGX_DECLINED: the compute cannot be
 * written to any more; NGX_ERROR: the session is over, s->reason says why.
 */

static ngx_int_t
ngx_neon_relay_pipe(ngx_neon_session_t *s, ngx_neon_pipe_t *p,
    ngx_connection_t *src, ngx_connection_t *dst)
{
    ssize_t           n;
    ngx_int_t         rc;
    ngx_uint_t        turns;
    ngx_neon_rest_t  *rest;

    rest = &p->rest;

    if (rest->data) {
        n = ngx_neon_relay_write(s, p, dst, rest->pos, rest->last);

        if (n == NGX_ERROR) {
            return ngx_neon_relay_lost(s, dst);
        }

        rest->pos += n;

        if (rest->pos != rest->last) {
            return ngx_neon_relay_events(s, p, src, dst);
        }

        ngx_neon_relay_rest_free(rest);
    }

    for (turns = 0; src->read->ready && !p->eof && rest->data == NULL;
         turns++)
    {
        if (turns == NGX_NEON_RELAY_TURNS) {
            ngx_post_event(src->read, &ngx_posted_next_events);
            return NGX_OK;
        }

        rc = ngx_neon_relay_read(s, p, src, dst);

        if (rc == NGX_AGAIN) {
            break;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_neon_relay_events(s, p, src, dst);
}


static ngx_int_t
ngx_neon_relay_read(ngx_neon_session_t *s, ngx_neon_pipe_t *p,
    ngx_connection_t *src, ngx_connection_t *dst)
{
    u_char   *buf;
    size_t    size;
    ssize_t   n, written;

    buf = ngx_neon_relay_buffer;
    size = NGX_NEON_RELAY_BUFFER;

    if (s->stopping) {
        size = ngx_min(size, neon_pg_walk_left(&s->walk));

        if (size == 0) {
            return NGX_AGAIN;
        }
    }

    n = src->recv(src, buf, size);

    if (n == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (n == 0) {
        p->eof = 1;

        if (p == &s->up) {
            s->client_eof = 1;
        }

        return NGX_AGAIN;
    }

    if (n < 0) {
        return ngx_neon_relay_lost(s, src);
    }

    p->bytes += n;

    if (p->bytes - p->counted >= NGX_NEON_RELAY_COUNT) {
        ngx_neon_count_bytes(s);
    }

    if (p == &s->up) {
        s->burst = 0;
        neon_pg_walk_client(&s->walk, buf, n);

    } else {
        s->burst += n;
        neon_pg_walk_compute(&s->walk, buf, n);
    }

    written = ngx_neon_relay_write(s, p, dst, buf, buf + n);

    if (written == NGX_ERROR) {
        return ngx_neon_relay_lost(s, dst);
    }

    if (ngx_neon_relay_rest(&p->rest, buf + written, n - written) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    return NGX_OK;
}


/* how much was taken, or NGX_ERROR */

static ssize_t
ngx_neon_relay_write(ngx_neon_session_t *s, ngx_neon_pipe_t *p,
    ngx_connection_t *dst, u_char *pos, u_char *last)
{
    size_t   size;
    ssize_t  n;
    u_char  *start;

    start = pos;

    while (pos != last && dst->write->ready) {

        size = last - pos;

        if (dst->ssl && p == &s->down && !s->framed) {
            size = ngx_neon_relay_chunk(s, p, size);
        }

        n = dst->send(dst, pos, size);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n == NGX_AGAIN) {
            /* OpenSSL wants the same record again, and not a shorter one */
            p->chunk = dst->ssl ? size : 0;
            break;
        }

        p->chunk = 0;
        pos += n;
    }

    return pos - start;
}


static size_t
ngx_neon_relay_chunk(ngx_neon_session_t *s, ngx_neon_pipe_t *p, size_t n)
{
    if (p->chunk) {
        return ngx_min(p->chunk, n);
    }

    if (s->burst >= NGX_NEON_RELAY_BULK
        && n >= NGX_NEON_RELAY_RECORD_BULK + NGX_NEON_RELAY_RECORD)
    {
        return NGX_NEON_RELAY_RECORD_BULK;
    }

    return ngx_min(n, NGX_NEON_RELAY_RECORD);
}


static ngx_int_t
ngx_neon_relay_events(ngx_neon_session_t *s, ngx_neon_pipe_t *p,
    ngx_connection_t *src, ngx_connection_t *dst)
{
    ngx_uint_t  flags;

    flags = p->eof ? NGX_CLOSE_EVENT : 0;

    if (ngx_handle_read_event(src->read, flags) != NGX_OK
        || (p->rest.data && ngx_handle_write_event(dst->write, 0) != NGX_OK))
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_relay_lost(ngx_neon_session_t *s, ngx_connection_t *c)
{
    s->err = ngx_socket_errno;

    if (c == s->client) {
        s->client_eof = 1;
        s->silent = 1;

        if ((s->walk.terminate && !neon_pg_walk_busy(&s->walk))
            || ngx_neon_relay_sealed_end(s))
        {
            s->err = 0;
            return NGX_ERROR;
        }

        return ngx_neon_session_error(s, NGX_NEON_REASON_CLIENT_RESET);
    }

    if (!s->up.shut && !c->read->error) {

        /*
         * It cannot be written to: what it still said is on its way to us,
         * and is read until there is no more.
         */

        s->up.eof = 1;
        s->up.shut = 1;

        if (s->up.rest.data) {
            ngx_neon_relay_rest_free(&s->up.rest);
        }

        if (!s->down.eof) {
            c->read->ready = 1;
            return NGX_DECLINED;
        }
    }

    if (s->walk.terminate || neon_pg_walk_told(&s->walk)
        || ngx_neon_relay_sealed_end(s))
    {
        /*
         * It ended as it was asked to, or said that it would; the client said
         * more, if only a close_notify, that was not read.
         */
        s->err = 0;
        return NGX_ERROR;
    }

    return ngx_neon_session_error(s, NGX_NEON_REASON_COMPUTE_RESET);
}


/*
 * An end in TLS that is not ours: each side sends a close_notify that the other
 * one does not wait for, and a reset answers it.  Whether Terminate was said is
 * not seen; a side whose stream was cut sees that itself.
 */

static ngx_uint_t
ngx_neon_relay_sealed_end(ngx_neon_session_t *s)
{
    return s->sealed
           && (s->err == NGX_ECONNRESET || s->err == NGX_EPIPE);
}


/*
 * The compute ended in the middle of work: the kernel says the same of one that
 * was killed as of one that left.
 */

static ngx_uint_t
ngx_neon_relay_cut(ngx_neon_session_t *s)
{
    return !s->stopping && !s->client_eof && !s->walk.terminate
           && neon_pg_walk_cut(&s->walk);
}


static void
ngx_neon_relay_end(ngx_neon_session_t *s)
{
    /* nobody is left to read what the query still yields */

    if ((s->reason == NGX_NEON_REASON_CLIENT_RESET || s->stopping)
        && neon_pg_walk_busy(&s->walk)
        && ngx_neon_cancel_orphan(s) == NGX_OK)
    {
        ngx_neon_session_run(s);
        return;
    }

    ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
    ngx_neon_session_run(s);
}
