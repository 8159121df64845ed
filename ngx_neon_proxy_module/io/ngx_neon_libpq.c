/*
 * Queries by libpq on nginx's event loop: who waits, and for which connection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_libpq.h"
#include "ngx_neon_libpq_conn.h"
#include "ngx_neon_libpq_error.h"


#define NGX_NEON_LIBPQ_PAUSE      100         /* ms, the first */
#define NGX_NEON_LIBPQ_PAUSE_MAX  1000


static void ngx_neon_libpq_work_handler(ngx_event_t *ev);
static void ngx_neon_libpq_serve(ngx_neon_libpq_pool_t *pool);
static ngx_uint_t ngx_neon_libpq_paused(ngx_neon_libpq_pool_t *pool);
static void ngx_neon_libpq_deliver(ngx_neon_libpq_pool_t *pool);
static void ngx_neon_libpq_close_idle(ngx_neon_libpq_pool_t *pool);
static void ngx_neon_libpq_fail_all(ngx_neon_libpq_pool_t *pool);
static void ngx_neon_libpq_wait(ngx_neon_libpq_t *r);
static void ngx_neon_libpq_leave(ngx_neon_libpq_t *r);
static void ngx_neon_libpq_timer(ngx_event_t *ev);
static void ngx_neon_libpq_done(ngx_neon_libpq_t *r);
static void ngx_neon_libpq_post(ngx_neon_libpq_pool_t *pool);


/* debug logs of timers take the number of a descriptor from here */
static ngx_connection_t  ngx_neon_libpq_no_fd = { .fd = (ngx_socket_t) -1 };

/* the pools that this worker has used */
static ngx_queue_t  ngx_neon_libpq_pools = {
    &ngx_neon_libpq_pools, &ngx_neon_libpq_pools
};


/*
 * Ours go behind those of the URL, and so count: no schema but pg_catalog is
 * searched, whatever the server's roles and databases are set to.
 */

ngx_int_t
ngx_neon_libpq_init_pool(ngx_conf_t *cf, ngx_neon_libpq_pool_t *pool)
{
    u_char  *p;
    size_t   size;

    size = sizeof(" -c search_path=pg_catalog -c datestyle=ISO"
                  " -c timezone=UTC -c statement_timeout=")
           + NGX_INT_T_LEN + pool->options.len;

    p = ngx_pnalloc(cf->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    pool->settings = (char *) p;

    (void) ngx_sprintf(p, "%V -c search_path=pg_catalog -c datestyle=ISO"
                       " -c timezone=UTC -c statement_timeout=%M%Z",
                       &pool->options,
                       ngx_min(pool->request_timeout, NGX_MAX_INT32_VALUE));

    ngx_queue_init(&pool->waiting);
    ngx_queue_init(&pool->done);
    ngx_queue_init(&pool->idle);
    ngx_queue_init(&pool->active);

    pool->work.handler = ngx_neon_libpq_work_handler;
    pool->work.data = &ngx_neon_libpq_no_fd;

    return NGX_OK;
}


void
ngx_neon_libpq_exit(void)
{
    ngx_queue_t            *q;
    ngx_neon_libpq_pool_t  *pool;

    while (!ngx_queue_empty(&ngx_neon_libpq_pools)) {

        q = ngx_queue_head(&ngx_neon_libpq_pools);
        ngx_queue_remove(q);

        pool = ngx_queue_data(q, ngx_neon_libpq_pool_t, queue);
        pool->used = 0;

        ngx_neon_libpq_close_idle(pool);

        while (!ngx_queue_empty(&pool->active)) {
            q = ngx_queue_head(&pool->active);
            ngx_neon_libpq_conn_close(ngx_queue_data(q, ngx_neon_libpq_conn_t,
                                                     queue));
        }
    }
}


void
ngx_neon_libpq_start(ngx_neon_libpq_t *r)
{
    ngx_neon_libpq_pool_t  *pool;

    pool = r->pool;

    if (!pool->used) {
        pool->used = 1;
        pool->work.log = ngx_cycle->log;
        ngx_queue_insert_tail(&ngx_neon_libpq_pools, &pool->queue);

        /* OpenSSL is nginx's: libpq is not to set it up */
        PQinitOpenSSL(0, 0);
    }

    r->rc = NGX_ERROR;
    r->asked = 0;
    r->open = 1;
    r->finished = 0;
    r->again = 0;
    ngx_neon_libpq_error_set(&r->error, "");

    r->timer.handler = ngx_neon_libpq_timer;
    r->timer.data = &ngx_neon_libpq_no_fd;
    r->timer.log = ngx_cycle->log;

    /* an exiting worker is held by the sessions' timers, not by ours */
    r->timer.cancelable = 1;

    ngx_add_timer(&r->timer, pool->request_timeout);

    ngx_queue_insert_tail(&pool->waiting, &r->queue);
    ngx_neon_libpq_wait(r);
}


void
ngx_neon_libpq_cancel(ngx_neon_libpq_t *r)
{
    if (r->open) {
        ngx_neon_libpq_leave(r);
        r->open = 0;
    }

    ngx_neon_libpq_clear(r);
}


void
ngx_neon_libpq_clear(ngx_neon_libpq_t *r)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_NEON_LIBPQ_QUERIES; i++) {
        PQclear(r->query[i].result);
        r->query[i].result = NULL;
    }
}


/* it is in the queue of those who wait */

static void
ngx_neon_libpq_wait(ngx_neon_libpq_t *r)
{
    r->connection = NULL;
    r->sent = 0;
    r->pool->nwaiting++;

    ngx_neon_libpq_post(r->pool);
}


/* wherever it is: it does not wait any more, nor has it a connection */

static void
ngx_neon_libpq_leave(ngx_neon_libpq_t *r)
{
    ngx_neon_libpq_conn_t  *pc;

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    pc = r->connection;

    if (pc) {

        /* the server goes on until statement_timeout; we do not */

        r->connection = NULL;
        pc->r = NULL;
        ngx_neon_libpq_conn_close(pc);
        return;
    }

    if (!r->finished) {
        r->pool->nwaiting--;
    }

    ngx_queue_remove(&r->queue);
}


static void
ngx_neon_libpq_timer(ngx_event_t *ev)
{
    ngx_neon_libpq_t  *r;

    r = (ngx_neon_libpq_t *)
                         ((u_char *) ev - offsetof(ngx_neon_libpq_t, timer));

    ngx_neon_libpq_error_set(&r->error, r->connection
                                        ? "the query timed out"
                                        : "no connection came free in time");
    ngx_neon_libpq_leave(r);
    ngx_neon_libpq_done(r);
}


/*
 * Everything else queues, so that no connection and no handler is entered a
 * second time.
 */

static void
ngx_neon_libpq_post(ngx_neon_libpq_pool_t *pool)
{
    ngx_post_event(&pool->work, &ngx_posted_events);
}


static void
ngx_neon_libpq_work_handler(ngx_event_t *ev)
{
    ngx_neon_libpq_pool_t  *pool;

    pool = (ngx_neon_libpq_pool_t *)
                     ((u_char *) ev - offsetof(ngx_neon_libpq_pool_t, work));

    ngx_neon_libpq_serve(pool);
    ngx_neon_libpq_deliver(pool);
}


static void
ngx_neon_libpq_serve(ngx_neon_libpq_pool_t *pool)
{
    ngx_queue_t            *q;
    ngx_neon_libpq_t       *r;
    ngx_neon_libpq_conn_t  *pc;

    while (pool->nwaiting && !ngx_queue_empty(&pool->idle)) {

        q = ngx_queue_head(&pool->idle);
        pc = ngx_queue_data(q, ngx_neon_libpq_conn_t, queue);

        q = ngx_queue_head(&pool->waiting);
        ngx_queue_remove(q);
        pool->nwaiting--;
        r = ngx_queue_data(q, ngx_neon_libpq_t, queue);

        ngx_neon_libpq_conn_run(pc, r);
    }

    while (pool->nwaiting > pool->nopening
           && pool->nconnections < pool->connections)
    {
        if (!ngx_neon_libpq_paused(pool)) {
            ngx_neon_libpq_open(pool);
            continue;
        }

        if (pool->nconnections == 0) {
            ngx_neon_libpq_fail_all(pool);
        }

        return;
    }
}


static ngx_uint_t
ngx_neon_libpq_paused(ngx_neon_libpq_pool_t *pool)
{
    return pool->pause
           && (ngx_msec_int_t) (pool->pause_end - ngx_current_msec) > 0;
}


static void
ngx_neon_libpq_deliver(ngx_neon_libpq_pool_t *pool)
{
    ngx_queue_t       *q;
    ngx_neon_libpq_t  *r;

    /* a handler may start and cancel whatever it likes */

    while (!ngx_queue_empty(&pool->done)) {
        q = ngx_queue_head(&pool->done);
        ngx_queue_remove(q);

        r = ngx_queue_data(q, ngx_neon_libpq_t, queue);
        r->open = 0;

        r->handler(r);
    }
}


static void
ngx_neon_libpq_close_idle(ngx_neon_libpq_pool_t *pool)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&pool->idle)) {
        q = ngx_queue_head(&pool->idle);
        ngx_neon_libpq_conn_close(ngx_queue_data(q, ngx_neon_libpq_conn_t,
                                                 queue));
    }
}


static void
ngx_neon_libpq_fail_all(ngx_neon_libpq_pool_t *pool)
{
    ngx_queue_t       *q;
    ngx_neon_libpq_t  *r;

    while (!ngx_queue_empty(&pool->waiting)) {
        q = ngx_queue_head(&pool->waiting);
        r = ngx_queue_data(q, ngx_neon_libpq_t, queue);

        r->error = pool->error;
        ngx_neon_libpq_leave(r);
        ngx_neon_libpq_done(r);
    }
}


void
ngx_neon_libpq_opened(ngx_neon_libpq_pool_t *pool)
{
    pool->pause = 0;

    ngx_neon_libpq_post(pool);
}


/*
 * Others may yet come about, and serve those who wait: but if there is none,
 * all know now what there is to know.
 */

void
ngx_neon_libpq_not_opened(ngx_neon_libpq_pool_t *pool,
    const ngx_neon_libpq_error_t *error)
{
    pool->error = *error;
    pool->shift++;

    if (!ngx_neon_libpq_paused(pool)) {
        pool->pause = pool->pause ? ngx_min(2 * pool->pause,
                                            NGX_NEON_LIBPQ_PAUSE_MAX)
                                  : NGX_NEON_LIBPQ_PAUSE;
        pool->pause_end = ngx_current_msec + pool->pause;
    }

    ngx_neon_libpq_post(pool);
}


void
ngx_neon_libpq_closed(ngx_neon_libpq_pool_t *pool)
{
    if (pool->nwaiting) {
        ngx_neon_libpq_post(pool);
    }
}


/*
 * One that was idle may have been lost before: the others probably were, too,
 * and a new one will tell.
 */

void
ngx_neon_libpq_lost(ngx_neon_libpq_t *r, ngx_uint_t served)
{
    ngx_neon_libpq_pool_t  *pool;

    pool = r->pool;

    if (served && !r->again) {
        r->again = 1;
        ngx_neon_libpq_clear(r);

        ngx_neon_libpq_close_idle(pool);

        ngx_queue_insert_head(&pool->waiting, &r->queue);
        ngx_neon_libpq_wait(r);
        return;
    }

    ngx_neon_libpq_finished(r);
}


void
ngx_neon_libpq_finished(ngx_neon_libpq_t *r)
{
    r->connection = NULL;

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    ngx_neon_libpq_done(r);
}


static void
ngx_neon_libpq_done(ngx_neon_libpq_t *r)
{
    r->finished = 1;
    ngx_queue_insert_tail(&r->pool->done, &r->queue);

    ngx_neon_libpq_post(r->pool);
}
