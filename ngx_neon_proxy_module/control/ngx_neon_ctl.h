/*
 * Where endpoints come from: the one interface to every kind of control plane.
 * Two questions: who may enter (ACCESS: the role's verifier and the endpoint's
 * rules) and where is the compute (WAKE: starts it if it sleeps).
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_H
#define NGX_NEON_CTL_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_ip.h"
#include "neon_md5.h"
#include "neon_pg_options.h"
#include "neon_scram.h"

#include "ngx_neon_conf.h"
#include "ngx_neon_metrics.h"
#include "ngx_neon_reason.h"
#include "ngx_neon_span.h"


typedef struct ngx_neon_ctl_request_s  ngx_neon_ctl_request_t;

typedef void (*ngx_neon_ctl_handler_pt)(ngx_neon_ctl_request_t *r);


typedef enum {
    NGX_NEON_CTL_ACCESS = 0,
    NGX_NEON_CTL_WAKE
} ngx_neon_ctl_call_e;


typedef struct {
    neon_scram_verifier_t      verifier;
    neon_md5_t                 md5;           /* in its place, if by_md5 */
    unsigned                   found:1;       /* else there is no such role,
                                                 or no such endpoint */
    unsigned                   by_md5:1;      /* not found: it would be one
                                                 with md5_verifiers */
    unsigned                   restricted:1;  /* an IP list was given and is
                                                 not empty */
    unsigned                   block_public:1;
    unsigned                   block_vpc:1;
    time_t                     valid_until;   /* of the verifier; 0: for ever */
    ngx_array_t               *allowed_ips;   /* of neon_ip_range_t; entries
                                                 that do not parse are left out
                                                 (and match nobody) */
    ngx_array_t               *allowed_vpc_ids;  /* of ngx_str_t, without
                                                 those that no link can have;
                                                 NULL: no list, or empty */
    ngx_str_t                  project_id;
    ngx_str_t                  account_id;
    ngx_neon_rate_t            rate[NGX_NEON_FRONTS];  /* of logins; rate 0:
                                                 as the block says */
} ngx_neon_access_t;


typedef struct {
    ngx_str_t                  host;          /* NUL behind it; name, IPv4 or
                                                 IPv6 without brackets */
    in_port_t                  port;          /* host order */
    ngx_str_t                  server_name;   /* NUL behind it; SNI and name to
                                                 verify; empty: none given */
    ngx_neon_ssl_e             ssl;           /* AUTO: as the block says */
    ngx_str_t                  endpoint_id;   /* ids for logs and traces */
    ngx_str_t                  project_id;
    ngx_str_t                  branch_id;
    ngx_str_t                  compute_id;
    ngx_str_t                  cold_start;    /* unknown, warm, pool_hit,
                                                 pool_miss */
} ngx_neon_node_t;


/* where the answer came from */

typedef enum {
    NGX_NEON_CACHED_NONE = 0,                 /* nothing was asked */
    NGX_NEON_CACHED_BYPASS,                   /* there is no cache */
    NGX_NEON_CACHED_MISS,
    NGX_NEON_CACHED_HIT,
    NGX_NEON_CACHED_EXPIRED,
    NGX_NEON_CACHED_STALE,                    /* the control plane is down */
    NGX_NEON_CACHED_SPURIOUS                  /* a hit that led nowhere */
} ngx_neon_cached_e;


/* as variables and spans say it; empty for NONE */
ngx_str_t *ngx_neon_cached_name(ngx_neon_cached_e cached);


/*
 * A question.  The caller owns it and its pool, and keeps both until the
 * handler was called or ngx_neon_ctl_cancel() returned.  Results live in the
 * pool.
 */

struct ngx_neon_ctl_request_s {
    ngx_neon_conf_t           *conf;
    ngx_neon_ctl_call_e        call;
    ngx_pool_t                *pool;
    ngx_log_t                 *log;

    ngx_str_t                  endpoint;      /* as named, "-pooler" and all */
    ngx_str_t                  role;          /* ACCESS */
    ngx_str_t                  session_id;    /* UUID text */
    ngx_str_t                  application_name;  /* may be empty */
    ngx_str_t                  front;         /* tcp, ws, http */
    const neon_pg_options_t   *options;       /* neon_ options or NULL */
    neon_ip_t                  client;        /* for limits; len 0: no IP
                                                 address */
    neon_traceparent_t         traceparent;   /* for the control plane */
    ngx_str_t                  tracestate;    /* with it; may be empty */
    ngx_neon_trace_t          *trace;         /* NULL: not sampled */

    ngx_neon_ctl_handler_pt    handler;
    void                      *data;

    /* the answer */
    ngx_int_t                  rc;            /* NGX_OK or NGX_ERROR */
    ngx_neon_access_t         *access;
    ngx_neon_node_t           *node;

    ngx_neon_reason_e          reason;        /* of NGX_ERROR */
    ngx_str_t                  message;       /* for the client; may be empty:
                                                 the reason's own */
    ngx_str_t                  detail;        /* for the log */
    unsigned                   retryable:1;
    unsigned                   transport:1;   /* no answer, or 5xx without a
                                                 status object */
    unsigned                   refused:1;     /* it is what the control plane
                                                 says, and may be kept */
    ngx_msec_t                 retry_delay;   /* 0: none given */

    /* of the look-up */
    ngx_neon_cached_e          cached;
    uint64_t                   generation;    /* of the cache entry, or 0 */
    ngx_msec_t                 age;           /* of the cache entry, or 0 */
    ngx_uint_t                 retries;       /* calls beyond the first */
    unsigned                   led:1;         /* began the flight */
    unsigned                   joined:1;      /* waited in it */
    ngx_queue_t                queue;
    void                      *lookup;        /* waits in it, or NULL */

    void                      *ctx;           /* of the control plane */

    /* of a call that is traced, by the control plane */
    const char                *span;          /* its name; NULL: not HTTP */
    ngx_str_t                  url;           /* in the pool */
    ngx_uint_t                 status;        /* 0: no answer */
};


struct ngx_neon_ctl_s {
    ngx_str_t                  name;          /* http, static, ... */
    unsigned                   local:1;       /* answers at once and from
                                                 memory: nothing to cache */

    /* checks and completes ctl_conf when the block is complete; reports its
       errors itself */
    ngx_int_t                (*init)(ngx_conf_t *cf, ngx_neon_conf_t *conf);

    /* NULL, as is the next one: nobody can ask it, it calls back */
    ngx_int_t                (*start)(ngx_neon_ctl_request_t *r);
    void                     (*cancel)(ngx_neon_ctl_request_t *r);
};


extern ngx_neon_ctl_t  ngx_neon_ctl_http;
extern ngx_neon_ctl_t  ngx_neon_ctl_link;
extern ngx_neon_ctl_t  ngx_neon_ctl_postgres;
extern ngx_neon_ctl_t  ngx_neon_ctl_static;


/* by init: conf->ctl_id, from all that its answers hang on */
void ngx_neon_ctl_identify(ngx_neon_conf_t *conf, const ngx_str_t *parts,
    ngx_uint_t n);

/*
 * NGX_OK: the answer is there (r->rc), the handler is not called.  NGX_AGAIN:
 * the handler will be called, from the event loop and never from inside this
 * call.
 */
ngx_int_t ngx_neon_ctl_start(ngx_neon_ctl_request_t *r);

/* the handler will not be called any more; also fine when nothing runs */
void ngx_neon_ctl_cancel(ngx_neon_ctl_request_t *r);


#endif /* NGX_NEON_CTL_H */
