/*
 * One connection of libpq.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LIBPQ_CONN_H
#define NGX_NEON_LIBPQ_CONN_H


#include "ngx_neon_dns.h"
#include "ngx_neon_libpq.h"


typedef enum {
    NGX_NEON_LIBPQ_RESOLVING = 0,
    NGX_NEON_LIBPQ_CONNECTING,            /* TCP, TLS, login */
    NGX_NEON_LIBPQ_PROBING,
    NGX_NEON_LIBPQ_IDLE,
    NGX_NEON_LIBPQ_BUSY                   /* with r */
} ngx_neon_libpq_state_e;


typedef struct {
    ngx_neon_libpq_pool_t     *pool;
    ngx_queue_t                queue;     /* idle or active */
    ngx_neon_libpq_state_e     state;
    PGconn                    *pg;
    ngx_connection_t          *c;         /* on the event loop, or NULL */
    ngx_event_t                timer;     /* of opening, and of IDLE */
    ngx_neon_dns_t             dns;
    ngx_neon_libpq_t          *r;
    PGresult                  *result;    /* of the query that runs */
    unsigned                   probed:1;  /* what the probe said */
    unsigned                   served:1;  /* a request before this one */
} ngx_neon_libpq_conn_t;


/* what comes of it is told below */
void ngx_neon_libpq_open(ngx_neon_libpq_pool_t *pool);

/* CONNECTING: its socket is ready */
void ngx_neon_libpq_open_go_on(ngx_neon_libpq_conn_t *pc);

/* it is logged in */
void ngx_neon_libpq_conn_probe(ngx_neon_libpq_conn_t *pc);

/* an idle one */
void ngx_neon_libpq_conn_run(ngx_neon_libpq_conn_t *pc, ngx_neon_libpq_t *r);

/* waits for nobody; the request that it runs is left alone */
void ngx_neon_libpq_conn_close(ngx_neon_libpq_conn_t *pc);


/* in any state; text: or NULL: what the server or libpq says */
void ngx_neon_libpq_conn_fail(ngx_neon_libpq_conn_t *pc, const char *text);

/* on the event loop; NGX_ERROR: no connection slot of nginx is free */
ngx_int_t ngx_neon_libpq_conn_watch(ngx_neon_libpq_conn_t *pc,
    ngx_uint_t events);
void ngx_neon_libpq_conn_detach(ngx_neon_libpq_conn_t *pc);

void ngx_neon_libpq_conn_set_timer(ngx_neon_libpq_conn_t *pc, ngx_msec_t ms);


/* what the pool is told; a connection that failed is closed before */

void ngx_neon_libpq_opened(ngx_neon_libpq_pool_t *pool);
void ngx_neon_libpq_closed(ngx_neon_libpq_pool_t *pool);
void ngx_neon_libpq_not_opened(ngx_neon_libpq_pool_t *pool,
    const ngx_neon_libpq_error_t *error);
void ngx_neon_libpq_lost(ngx_neon_libpq_t *r, ngx_uint_t served);

/* r->rc and r->error are set */
void ngx_neon_libpq_finished(ngx_neon_libpq_t *r);


#endif /* NGX_NEON_LIBPQ_CONN_H */
