/*
 * One connection of libpq: probed, used, idle, closed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_libpq_conn.h"
#include "ngx_neon_fd.h"
#include "ngx_neon_libpq_error.h"


#define NGX_NEON_LIBPQ_IDLE_TIME  60000       /* ms */
#define NGX_NEON_LIBPQ_TEXT_OID   25          /* pg_type.dat: text */


static void ngx_neon_libpq_conn_handler(ngx_event_t *ev);
static void ngx_neon_libpq_conn_timer(ngx_event_t *ev);

static void ngx_neon_libpq_conn_send(ngx_neon_libpq_conn_t *pc,
    const ngx_neon_libpq_query_t *query);
static void ngx_neon_libpq_conn_flush(ngx_neon_libpq_conn_t *pc);
static void ngx_neon_libpq_conn_receive(ngx_neon_libpq_conn_t *pc);
static ngx_int_t ngx_neon_libpq_conn_consume(ngx_neon_libpq_conn_t *pc);
static void ngx_neon_libpq_conn_probed(ngx_neon_libpq_conn_t *pc);
static void ngx_neon_libpq_conn_answer(ngx_neon_libpq_conn_t *pc);
static void ngx_neon_libpq_conn_copy(ngx_neon_libpq_conn_t *pc);
static void ngx_neon_libpq_conn_next(ngx_neon_libpq_conn_t *pc);
static void ngx_neon_libpq_conn_rest(ngx_neon_libpq_conn_t *pc);


/* debug logs of timers take the number of a descriptor from here */
static ngx_connection_t  ngx_neon_libpq_conn_no_fd = {
    .fd = (ngx_socket_t) -1
};


ngx_int_t
ngx_neon_libpq_conn_watch(ngx_neon_libpq_conn_t *pc, ngx_uint_t events)
{
    if (pc->c == NULL) {
        pc->c = ngx_neon_fd_attach(PQsocket(pc->pg),
                                   ngx_neon_libpq_conn_handler, pc,
                                   ngx_cycle->log);
        if (pc->c == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_neon_fd_watch(pc->c, events);
}


void
ngx_neon_libpq_conn_detach(ngx_neon_libpq_conn_t *pc)
{
    ngx_connection_t  *c;

    c = pc->c;

    if (c) {
        pc->c = NULL;
        ngx_neon_fd_detach(c);
    }
}


static void
ngx_neon_libpq_conn_handler(ngx_event_t *ev)
{
    ngx_connection_t       *c;
    ngx_neon_libpq_conn_t  *pc;

    c = ev->data;
    pc = c->data;

    if (c->close) {

        /* who waits for it is ended by worker_shutdown_timeout, and we by the
           end of the worker */

        c->close = 0;

        if (pc->state == NGX_NEON_LIBPQ_IDLE) {
            ngx_neon_libpq_conn_close(pc);
        }

        return;
    }

    switch (pc->state) {

    case NGX_NEON_LIBPQ_CONNECTING:
        ngx_neon_libpq_open_go_on(pc);
        break;

    case NGX_NEON_LIBPQ_IDLE:

        /* settings that changed, notices; or its end */

        if (ngx_neon_libpq_conn_consume(pc) != NGX_OK) {
            ngx_neon_libpq_conn_close(pc);
        }

        break;

    case NGX_NEON_LIBPQ_PROBING:
    case NGX_NEON_LIBPQ_BUSY:
        ngx_neon_libpq_conn_receive(pc);
        break;

    default: /* NGX_NEON_LIBPQ_RESOLVING */
        break;
    }
}


void
ngx_neon_libpq_conn_set_timer(ngx_neon_libpq_conn_t *pc, ngx_msec_t ms)
{
    pc->timer.handler = ngx_neon_libpq_conn_timer;
    pc->timer.data = &ngx_neon_libpq_conn_no_fd;
    pc->timer.log = ngx_cycle->log;

    /* an exiting worker is held by the sessions' timers, not by ours */
    pc->timer.cancelable = 1;

    ngx_add_timer(&pc->timer, ms);
}


static void
ngx_neon_libpq_conn_timer(ngx_event_t *ev)
{
    ngx_neon_libpq_conn_t  *pc;

    pc = (ngx_neon_libpq_conn_t *)
                    ((u_char *) ev - offsetof(ngx_neon_libpq_conn_t, timer));

    if (pc->state == NGX_NEON_LIBPQ_IDLE) {
        ngx_neon_libpq_conn_close(pc);
        return;
    }

    ngx_neon_libpq_conn_fail(pc, "connecting timed out");
}


void
ngx_neon_libpq_conn_run(ngx_neon_libpq_conn_t *pc, ngx_neon_libpq_t *r)
{
    ngx_queue_remove(&pc->queue);
    ngx_queue_insert_tail(&pc->pool->active, &pc->queue);

    if (pc->timer.timer_set) {
        ngx_del_timer(&pc->timer);
    }

    pc->c->idle = 0;
    pc->state = NGX_NEON_LIBPQ_BUSY;
    pc->r = r;

    r->connection = pc;
    r->asked = 0;
    r->sent = 1;

    ngx_neon_libpq_conn_next(pc);
}


/* the next query, if there is one */

static void
ngx_neon_libpq_conn_next(ngx_neon_libpq_conn_t *pc)
{
    ngx_neon_libpq_t        *r;
    ngx_neon_libpq_query_t  *query;

    r = pc->r;

    for ( /* void */ ; r->asked < r->nqueries; r->asked++) {
        query = &r->query[r->asked];

        if (!query->if_probed || pc->probed) {
            ngx_neon_libpq_conn_send(pc, query);
            return;
        }
    }

    r->rc = NGX_OK;

    pc->r = NULL;
    ngx_neon_libpq_finished(r);
    ngx_neon_libpq_conn_rest(pc);
}


static void
ngx_neon_libpq_conn_send(ngx_neon_libpq_conn_t *pc,
    const ngx_neon_libpq_query_t *query)
{
    Oid         types[NGX_NEON_LIBPQ_PARAMS];
    ngx_uint_t  i;

    for (i = 0; i < query->nparams; i++) {
        types[i] = NGX_NEON_LIBPQ_TEXT_OID;
    }

    if (!PQsendQueryParams(pc->pg, query->sql, query->nparams, types,
                           query->params, NULL, NULL, 0))
    {
        ngx_neon_libpq_conn_fail(pc, NULL);
        return;
    }

    ngx_neon_libpq_conn_flush(pc);
}


static void
ngx_neon_libpq_conn_flush(ngx_neon_libpq_conn_t *pc)
{
    int  left;

    left = PQflush(pc->pg);
    ERR_clear_error();

    if (left == -1) {
        ngx_neon_libpq_conn_fail(pc, NULL);
        return;
    }

    if (ngx_neon_libpq_conn_watch(pc, left ? NGX_NEON_FD_READ
                                             |NGX_NEON_FD_WRITE
                                           : NGX_NEON_FD_READ)
        != NGX_OK)
    {
        ngx_neon_libpq_conn_fail(pc, "the event loop does not take it");
    }
}


/* a result, and the NULL that ends the query */

static void
ngx_neon_libpq_conn_receive(ngx_neon_libpq_conn_t *pc)
{
    PGresult        *result;
    ngx_int_t        rc;
    ExecStatusType   status;

    rc = ngx_neon_libpq_conn_consume(pc);

    while (!PQisBusy(pc->pg)) {
        result = PQgetResult(pc->pg);

        if (result == NULL) {

            if (pc->state == NGX_NEON_LIBPQ_PROBING) {
                ngx_neon_libpq_conn_probed(pc);

            } else {
                ngx_neon_libpq_conn_answer(pc);
            }

            return;
        }

        PQclear(pc->result);
        pc->result = result;

        status = PQresultStatus(result);

        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT
            || status == PGRES_COPY_BOTH)
        {
            ngx_neon_libpq_conn_copy(pc);
            return;
        }
    }

    if (rc != NGX_OK) {
        ngx_neon_libpq_conn_fail(pc, NULL);
        return;
    }

    ngx_neon_libpq_conn_flush(pc);
}


/*
 * Reads once, and what OpenSSL has decrypted already: no event tells of that.
 * NGX_ERROR: the connection is lost.
 */

static ngx_int_t
ngx_neon_libpq_conn_consume(ngx_neon_libpq_conn_t *pc)
{
    int   ok;
    SSL  *ssl;

    ssl = PQsslStruct(pc->pg, "OpenSSL");

    do {
        ok = PQconsumeInput(pc->pg);

        /* it is understood here */

        (void) PQisBusy(pc->pg);

    } while (ok && ssl && SSL_pending(ssl) > 0);

    ERR_clear_error();

    return (ok && PQstatus(pc->pg) == CONNECTION_OK) ? NGX_OK : NGX_ERROR;
}


/* it is logged in: the probe, if there is one */

void
ngx_neon_libpq_conn_probe(ngx_neon_libpq_conn_t *pc)
{
    ngx_neon_libpq_query_t  query;

    if (pc->pool->probe == NULL) {
        ngx_neon_libpq_conn_rest(pc);
        return;
    }

    pc->state = NGX_NEON_LIBPQ_PROBING;

    ngx_memzero(&query, sizeof(ngx_neon_libpq_query_t));
    query.sql = pc->pool->probe;

    ngx_neon_libpq_conn_send(pc, &query);
}


static void
ngx_neon_libpq_conn_probed(ngx_neon_libpq_conn_t *pc)
{
    if (PQresultStatus(pc->result) != PGRES_TUPLES_OK
        || PQntuples(pc->result) != 1 || PQnfields(pc->result) != 1)
    {
        ngx_neon_libpq_conn_fail(pc, NULL);
        return;
    }

    pc->probed = (PQgetvalue(pc->result, 0, 0)[0] == 't');

    PQclear(pc->result);
    pc->result = NULL;

    ngx_neon_libpq_conn_rest(pc);
}


/* the query of a request is over */

static void
ngx_neon_libpq_conn_answer(ngx_neon_libpq_conn_t *pc)
{
    ngx_neon_libpq_t        *r;
    ngx_neon_libpq_query_t  *query;

    if (PQstatus(pc->pg) != CONNECTION_OK) {
        ngx_neon_libpq_conn_fail(pc, NULL);
        return;
    }

    r = pc->r;
    query = &r->query[r->asked];

    if (PQresultStatus(pc->result) == PGRES_TUPLES_OK) {
        query->result = pc->result;
        pc->result = NULL;

        r->asked++;
        ngx_neon_libpq_conn_next(pc);
        return;
    }

    if (pc->result && PQresultStatus(pc->result) == PGRES_FATAL_ERROR) {
        ngx_neon_libpq_error_result(&r->error, pc->result);

    } else {
        ngx_neon_libpq_error_refuse(&r->error, "it returns no rows");
    }

    PQclear(pc->result);
    pc->result = NULL;

    pc->r = NULL;
    r->rc = NGX_ERROR;
    ngx_neon_libpq_finished(r);

    if (query->if_probed) {

        /* the next connection looks again */

        ngx_neon_libpq_conn_close(pc);
        return;
    }

    ngx_neon_libpq_conn_rest(pc);
}


static void
ngx_neon_libpq_conn_copy(ngx_neon_libpq_conn_t *pc)
{
    ngx_neon_libpq_t  *r;

    r = pc->r;

    if (r) {
        ngx_neon_libpq_error_refuse(&r->error, "it is a COPY");

        pc->r = NULL;
        r->rc = NGX_ERROR;
        ngx_neon_libpq_finished(r);
    }

    ngx_neon_libpq_conn_close(pc);
}


static void
ngx_neon_libpq_conn_rest(ngx_neon_libpq_conn_t *pc)
{
    ngx_neon_libpq_pool_t  *pool;

    pool = pc->pool;

    if (pc->state == NGX_NEON_LIBPQ_BUSY) {
        pc->served = 1;

    } else {
        pool->nopening--;
    }

    pc->state = NGX_NEON_LIBPQ_IDLE;

    ngx_queue_remove(&pc->queue);
    ngx_queue_insert_head(&pool->idle, &pc->queue);

    ngx_neon_libpq_opened(pool);

    if (ngx_exiting && pool->nwaiting == 0) {

        /* nginx has closed the idle connections before */

        ngx_neon_libpq_conn_close(pc);
        return;
    }

    pc->c->idle = 1;
    ngx_neon_libpq_conn_set_timer(pc, NGX_NEON_LIBPQ_IDLE_TIME);
}


/* text: NULL: what the server or libpq says */

void
ngx_neon_libpq_conn_fail(ngx_neon_libpq_conn_t *pc, const char *text)
{
    ngx_uint_t               served;
    ngx_neon_libpq_t        *r;
    ngx_neon_libpq_pool_t   *pool;
    ngx_neon_libpq_error_t   error;

    if (text) {
        ngx_neon_libpq_error_set(&error, text);

    } else if (pc->result
               && PQresultStatus(pc->result) == PGRES_FATAL_ERROR)
    {
        ngx_neon_libpq_error_result(&error, pc->result);

    } else {
        ngx_neon_libpq_error_connection(&error, pc->pg);
    }

    r = pc->r;
    pool = pc->pool;
    served = pc->served;

    pc->r = NULL;
    ngx_neon_libpq_conn_close(pc);

    if (r) {
        r->error = error;
        ngx_neon_libpq_lost(r, served);
        return;
    }

    ngx_neon_libpq_not_opened(pool, &error);
}


void
ngx_neon_libpq_conn_close(ngx_neon_libpq_conn_t *pc)
{
    ngx_neon_libpq_pool_t  *pool;

    pool = pc->pool;

    if (pc->timer.timer_set) {
        ngx_del_timer(&pc->timer);
    }

    ngx_neon_dns_cancel(&pc->dns);
    ngx_neon_libpq_conn_detach(pc);

    PQclear(pc->result);
    PQfinish(pc->pg);
    ERR_clear_error();

    if (pc->state < NGX_NEON_LIBPQ_IDLE) {
        pool->nopening--;
    }

    pool->nconnections--;
    ngx_queue_remove(&pc->queue);

    ngx_free(pc);

    ngx_neon_libpq_closed(pool);
}
