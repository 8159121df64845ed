/*
 * A session: one client connection on its way from the first packet to the
 * end.  It walks the table of steps in ngx_neon_session.c; each step is one
 * file, is entered again when its event arrives, and answers
 *
 *   NGX_OK        go to the next step
 *   NGX_AGAIN     wait: events and timers are set
 *   NGX_DECLINED  go to the step of s->state, which was set
 *   NGX_DONE      the session is over and there is nothing to say
 *   NGX_ERROR     s->reason says why; tell the client and finish
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_SESSION_H
#define NGX_NEON_SESSION_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "neon_pg_walk.h"

#include "ngx_neon_cancel.h"
#include "ngx_neon_conf.h"
#include "ngx_neon_ctl.h"
#include "ngx_neon_metrics.h"
#include "ngx_neon_reason.h"
#include "ngx_neon_span.h"
#include "ngx_neon_state.h"
#include "ngx_neon_time.h"


typedef struct ngx_neon_session_s  ngx_neon_session_t;
typedef struct ngx_neon_login_s    ngx_neon_login_t;


/*
 * How the client came in.  A step never asks which front it serves; what
 * differs is said by these members and by flags of the session.
 */

typedef struct {
    ngx_str_t             name;               /* tcp, ws */
    ngx_neon_front_e      index;              /* in metrics and limits */
    ngx_neon_reason_e     insecure;           /* where TLS is required */

    /*
     * In-band TLS, NULL: none.  NGX_OK: done; NGX_AGAIN: the front runs the
     * session when it is done or failed; NGX_ERROR: failed, s->reason is set.
     */
    ngx_int_t           (*starttls)(ngx_neon_session_t *s);

    /*
     * Ends our side of a connection that does it with a message of its own,
     * and may find the other's end behind c->recv; NULL: EOF is the end.
     * NGX_AGAIN: it could not be written whole, a write event goes on.
     */
    ngx_int_t           (*bye)(ngx_neon_session_t *s);

    /* closes the client's connection and frees s with its pool */
    void                (*finish)(ngx_neon_session_t *s);
} ngx_neon_front_t;


/* bytes that the other side could not take yet; data NULL: none */

typedef struct {
    u_char               *data;               /* by ngx_alloc() */
    u_char               *pos;
    u_char               *last;
} ngx_neon_rest_t;


/* one direction of the relay */

typedef struct {
    ngx_neon_rest_t       rest;
    size_t                chunk;              /* length of a write that TLS
                                                 wants to be repeated */
    off_t                 bytes;              /* read from the source */
    off_t                 counted;            /* of them, in the metrics */
    unsigned              eof:1;              /* the source ended */
    unsigned              shut:1;             /* the end was passed on */
} ngx_neon_pipe_t;


struct ngx_neon_session_s {
    ngx_connection_t     *client;
    ngx_connection_t     *compute;            /* NULL: none yet */
    ngx_neon_conf_t      *conf;
    ngx_pool_t           *pool;               /* of the front */
    ngx_log_t            *log;

    const ngx_neon_front_t  *front;
    void                 *front_data;

    ngx_neon_login_t     *login;              /* NULL in the relay */

    /*
     * By the front, NULL: none.  Where the client wants to be led, by bytes
     * that are not ours to understand: see ngx_neon_tunnel.c.
     */
    ngx_neon_node_t      *tunnel;

    ngx_neon_state_e      state;
    ngx_neon_reason_e     reason;

    /* takes every event of client and compute */
    void                (*handler)(ngx_neon_session_t *s, ngx_event_t *ev);

    /*
     * The session's one timer: set in every state and not cancelable, for it
     * is what keeps an exiting worker alive.
     */
    ngx_event_t           timer;

    ngx_neon_pipe_t       up;                 /* client to compute */
    ngx_neon_pipe_t       down;               /* compute to client */
    neon_pg_walk_t        walk;
    off_t                 received;           /* from the client, for the login
                                                 only */
    off_t                 burst;              /* to the client, since it last
                                                 sent something */

    void                 *cancel;             /* of our cancel key */

    /* empty until known; in the pool */
    ngx_str_t             endpoint;
    ngx_str_t             host;               /* by the front: what names the
                                                 endpoint in place of SNI */
    ngx_str_t             user;
    ngx_str_t             database;
    ngx_str_t             application_name;
    ngx_str_t             traceparent;        /* by the front: headers */
    ngx_str_t             tracestate;         /* then what goes with context,
                                                 to the end of the login */
    ngx_str_t             vpc_endpoint_id;    /* by the front: the private
                                                 link */
    ngx_str_t             compute_addr;
    ngx_str_t             cold_start;
    ngx_str_t             error;              /* what the client was told */
    ngx_str_t             detail;             /* more of it, for the log */
    ngx_err_t             err;                /* errno of it, or 0 */
    const char           *auth_method;
    u_char                sqlstate[6];
    u_char                id[37];             /* UUID, NUL-terminated */

    ngx_queue_t           retire;             /* in conf->drain.sessions */

    ngx_atomic_t         *gauge;              /* that counts it, or NULL */
    ngx_neon_cached_e     secret_cache;
    ngx_neon_cached_e     node_cache;

    ngx_uint_t            phase;              /* of the finish */
    ngx_uint_t            retries;            /* wakes and connects beyond the
                                                 first */

    uint32_t              spent[NGX_NEON_STATES];   /* us in each state; 0:
                                                 never entered */
    uint64_t              entered;            /* us: the current state */
    uint64_t              begun;              /* us: the first one */

    neon_traceparent_t    context;            /* for the control plane */
    ngx_neon_trace_t     *trace;              /* NULL: not sampled */
    ngx_neon_reason_e     failed;             /* of what is tried again */
    ngx_neon_reason_e     ended;              /* the reason that the log has */

    unsigned              tls:1;              /* the client's leg is secure */
    unsigned              tls_available:1;    /* the front could do TLS */
    unsigned              tls_required:1;
    unsigned              direct_tls:1;
    unsigned              sealed:1;           /* TLS is between the client and
                                                 its compute: nothing of ours
                                                 fits in */
    unsigned              cleartext:1;        /* the front asks for cleartext
                                                 passwords at once */
    unsigned              framed:1;           /* the client's leg has frames:
                                                 its end ends both ways, and
                                                 it makes its own records */
    unsigned              silent:1;           /* say nothing any more */
    unsigned              client_eof:1;       /* it will not send more */
    unsigned              cold:1;             /* the control plane was asked
                                                 to wake the compute */
    unsigned              retiring:1;         /* `retire` is in a queue */
    unsigned              stopping:1;         /* it ends with the compute's
                                                 message under way */
    unsigned              measured:1;         /* its steps are in the
                                                 metrics */
};


/* the front fills client ... front_data and the flags before */
void ngx_neon_session_start(ngx_neon_session_t *s);

/* the only place that moves a session */
void ngx_neon_session_set_state(ngx_neon_session_t *s,
    ngx_neon_state_e state);

/* goes on with the current step; s may be gone afterwards */
void ngx_neon_session_run(ngx_neon_session_t *s);

/* for the front's handlers of the client's connection */
void ngx_neon_session_event(ngx_neon_session_t *s, ngx_event_t *ev);

/* both answer NGX_ERROR, for `return` */
ngx_int_t ngx_neon_session_error(ngx_neon_session_t *s,
    ngx_neon_reason_e reason);
ngx_int_t ngx_cdecl ngx_neon_session_errorf(ngx_neon_session_t *s,
    ngx_neon_reason_e reason, const char *fmt, ...);

/* what others said must not begin a line of the log: '?' for controls */
void ngx_neon_session_printable(u_char *p, size_t n);

/* ", endpoint: ..., session: ..." behind a log line */
u_char *ngx_neon_session_log(ngx_neon_session_t *s, u_char *buf, size_t len);


/* the steps */
ngx_int_t ngx_neon_handshake_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_endpoint_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_access_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_authenticate_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_wake_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_connect_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_login_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_relay_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_cancel_step(ngx_neon_session_t *s);
ngx_int_t ngx_neon_finish_step(ngx_neon_session_t *s);

/* worker_shutdown_timeout found it in the relay */
void ngx_neon_relay_stop(ngx_neon_session_t *s);

/*
 * The client of a running query is gone, or has to go: has the query canceled
 * on the way to the end of the session.  NGX_DECLINED: it cannot be.
 */
ngx_int_t ngx_neon_cancel_orphan(ngx_neon_session_t *s);


/* --- ngx_neon_tunnel.c: a session that is a raw tunnel ------------------ */

void ngx_neon_tunnel_begin(ngx_neon_session_t *s);
ngx_neon_state_e ngx_neon_tunnel_next(ngx_neon_state_e state);

/* there is no connection, s->err or s->detail say why; NGX_ERROR */
ngx_int_t ngx_neon_tunnel_failed(ngx_neon_session_t *s);


/* --- ngx_neon_count.c: what a session adds to the metrics ---------------- */

void ngx_neon_count_start(ngx_neon_session_t *s);
void ngx_neon_count_login(ngx_neon_session_t *s);
void ngx_neon_count_bytes(ngx_neon_session_t *s);
void ngx_neon_count_end(ngx_neon_session_t *s);

/* HTTP, for the access log */
ngx_uint_t ngx_neon_count_status(ngx_neon_session_t *s);

ngx_neon_metrics_t *ngx_neon_count_metrics(ngx_neon_session_t *s);


#endif /* NGX_NEON_SESSION_H */
