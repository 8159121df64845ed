/*
 * Queries by libpq on nginx's event loop: a few connections of each worker to
 * one server, and those who wait for one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LIBPQ_H
#define NGX_NEON_LIBPQ_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <libpq-fe.h>

#include "ngx_neon_conf.h"


#define NGX_NEON_LIBPQ_QUERIES  2
#define NGX_NEON_LIBPQ_PARAMS   2
#define NGX_NEON_LIBPQ_TEXT     512


typedef struct ngx_neon_libpq_s  ngx_neon_libpq_t;

typedef void (*ngx_neon_libpq_handler_pt)(ngx_neon_libpq_t *r);


/* what went wrong; one line, with NUL behind it */

typedef struct {
    char                       sqlstate[6];   /* "": no word of the server */
    u_char                     text[NGX_NEON_LIBPQ_TEXT];
} ngx_neon_libpq_error_t;


/*
 * The connections to a server.  The configuration fills it in up to `probe`;
 * the rest belongs to the worker.
 */

typedef struct {
    ngx_neon_conf_t           *conf;          /* how names are resolved */
    ngx_str_t                  host;          /* NUL behind it, as behind the
                                                 next: name or address, or the
                                                 directory of a socket */
    ngx_str_t                  name;          /* libpq's `host`; may be empty */
    in_port_t                  port;          /* host order */
    unsigned                   local:1;       /* a socket */
    ngx_array_t               *keywords;      /* of const char *, without host,
                                                 hostaddr, port, options */
    ngx_array_t               *values;
    ngx_str_t                  options;       /* of the URL, unescaped */
    ngx_uint_t                 connections;   /* at most */
    ngx_msec_t                 connect_timeout;
    ngx_msec_t                 request_timeout;
    const char                *probe;         /* NULL, or a query for one
                                                 boolean, asked once by each
                                                 connection */

    const char                *settings;      /* the option "options" */

    ngx_queue_t                waiting;       /* of ngx_neon_libpq_t */
    ngx_queue_t                done;          /* of ngx_neon_libpq_t */
    ngx_queue_t                idle;          /* connections, the last used
                                                 comes first */
    ngx_queue_t                active;        /* connections */
    ngx_uint_t                 nwaiting;
    ngx_uint_t                 nconnections;
    ngx_uint_t                 nopening;
    ngx_uint_t                 shift;         /* which address comes first */
    ngx_msec_t                 pause;         /* of the back-off; 0: none */
    ngx_msec_t                 pause_end;
    ngx_neon_libpq_error_t     error;         /* why there is a pause */
    ngx_event_t                work;          /* posted */
    ngx_queue_t                queue;         /* of the worker's pools */
    unsigned                   used:1;        /* it is in that queue */
} ngx_neon_libpq_pool_t;


/* parameters are of type text */

typedef struct {
    const char                *sql;
    const char                *params[NGX_NEON_LIBPQ_PARAMS];
    ngx_uint_t                 nparams;
    unsigned                   if_probed:1;   /* left out where the probe says
                                                 false */
    PGresult                  *result;        /* rows, or NULL: left out */
} ngx_neon_libpq_query_t;


/*
 * A request: queries that one connection runs one after the other, up to the
 * first that fails.  The caller fills pool ... data, and keeps it all until
 * the handler was called or ngx_neon_libpq_cancel() returned.
 */

struct ngx_neon_libpq_s {
    ngx_neon_libpq_pool_t     *pool;
    ngx_neon_libpq_query_t     query[NGX_NEON_LIBPQ_QUERIES];
    ngx_uint_t                 nqueries;
    ngx_neon_libpq_handler_pt  handler;
    void                      *data;

    /* the answer */
    ngx_int_t                  rc;            /* NGX_OK: of every query */
    ngx_uint_t                 asked;         /* the query that failed */
    unsigned                   sent:1;        /* ... or else the connection */
    ngx_neon_libpq_error_t     error;

    /* of the request */
    ngx_queue_t                queue;         /* waiting or done */
    ngx_event_t                timer;
    void                      *connection;    /* that runs it, or NULL */
    unsigned                   open:1;        /* the handler is to be called */
    unsigned                   finished:1;    /* it is done */
    unsigned                   again:1;       /* it has lost one connection */
};


/* at the end of the configuration; NGX_ERROR: no memory */
ngx_int_t ngx_neon_libpq_init_pool(ngx_conf_t *cf,
    ngx_neon_libpq_pool_t *pool);

void ngx_neon_libpq_exit(void);

/* the handler is never called from inside this call */
void ngx_neon_libpq_start(ngx_neon_libpq_t *r);

/* the handler will not be called any more; also fine behind the handler */
void ngx_neon_libpq_cancel(ngx_neon_libpq_t *r);

/* the results; to be called once the handler is done with them */
void ngx_neon_libpq_clear(ngx_neon_libpq_t *r);


#endif /* NGX_NEON_LIBPQ_H */
