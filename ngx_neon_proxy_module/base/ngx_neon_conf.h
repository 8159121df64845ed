/*
 * The configuration of one `neon_proxy NAME { ... }` block, parsed in face/
 * and read by all rooms.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CONF_H
#define NGX_NEON_CONF_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_thread_pool.h>


/* delay(n) = base * factor^(n-1) with jitter; attempts bound the tries */

typedef struct {
    ngx_uint_t              attempts;
    ngx_msec_t              base;
    ngx_uint_t              factor;           /* in thousandths */
} ngx_neon_retry_t;


typedef enum {
    NGX_NEON_SSL_AUTO = 0,                    /* verify-full where the control
                                                 plane gives server_name */
    NGX_NEON_SSL_OFF,
    NGX_NEON_SSL_PREFER,
    NGX_NEON_SSL_REQUIRE,
    NGX_NEON_SSL_VERIFY_FULL
} ngx_neon_ssl_e;


typedef enum {
    NGX_NEON_FORWARD_ALL = 0,
    NGX_NEON_FORWARD_NEON
} ngx_neon_forward_e;


/* who checks the client's password */

typedef enum {
    NGX_NEON_AUTH_SCRAM = 0,                  /* we do */
    NGX_NEON_AUTH_PASSTHROUGH,                /* the compute */
    NGX_NEON_AUTH_PASSTHROUGH_TLS             /* and TLS is its own, too */
} ngx_neon_auth_mode_e;


/* a line of the configuration; file NULL: none */

typedef struct {
    u_char                 *file;
    ngx_uint_t              line;
} ngx_neon_place_t;


/* both in thousandths; rate 0: no limit */

typedef struct {
    ngx_uint_t              rate;             /* 1/1000 a second */
    ngx_uint_t              burst;
} ngx_neon_rate_t;


/*
 * What a worker that quits does with its idle sessions.  The members below
 * `rate` are the worker's own, at run time: see ngx_neon_retire.h.
 */

typedef struct {
    ngx_flag_t              idle;             /* 0: waits for them */
    ngx_msec_t              after;            /* from the quit or reload */
    ngx_neon_rate_t         rate;

    ngx_queue_t             sessions;
    ngx_event_t             event;
    unsigned                begun:1;          /* the quit was heard of */
    unsigned                active:1;         /* and `after` is over */
} ngx_neon_drain_t;


/* node_cache, secret_cache; size 0: off */

typedef struct {
    ngx_uint_t              size;             /* entries */
    ngx_msec_t              ttl;
    ngx_msec_t              negative;         /* of "no" for an answer */
    ngx_msec_t              stale;
} ngx_neon_cache_conf_t;


/* otlp */

typedef struct {
    ngx_str_t               url;              /* NUL behind it */
    ngx_str_t               service;
    ngx_array_t            *headers;          /* of ngx_str_t, "Name: value",
                                                 NUL behind it */
    uint64_t                threshold;        /* traces with an id of no less
                                                 are sampled, where there is no
                                                 parent to say so */
    struct ngx_neon_spans_s *spans;           /* of this worker; NULL: none */
} ngx_neon_otlp_conf_t;


/* names of the one or other kind of control plane: control/ngx_neon_ctl.h */
typedef struct ngx_neon_ctl_s  ngx_neon_ctl_t;


typedef struct {
    ngx_str_t               name;

    u_char                 *file;             /* of the first mention */
    ngx_uint_t              line;
    unsigned                defined:1;        /* the block itself was seen */
    ngx_neon_place_t        websocket;        /* that refers to it */
    ngx_neon_place_t        manage;           /* neon_proxy_manage, too */

    ngx_str_t               zone_name;
    size_t                  zone_size;
    ngx_shm_zone_t         *zone;

    ngx_neon_ctl_t         *ctl;
    void                   *ctl_conf;         /* owned by ctl */
    uint64_t                ctl_id;           /* what is learnt from another
                                                 one is not this one's */

    ngx_uint_t              auth;             /* ngx_neon_auth_mode_e */
    ngx_neon_place_t        certificate;      /* of a stream server's own */

    ngx_neon_cache_conf_t   node_cache;
    ngx_neon_cache_conf_t   secret_cache;
    ngx_str_t               mock_secret;      /* empty: the zone's */
    ngx_flag_t              md5_verifiers;

    ngx_neon_rate_t         limit_connections;
    ngx_neon_rate_t         limit_unknown;

    ngx_neon_drain_t        drain;

    ngx_array_t            *domains;          /* of ngx_str_t; NULL: "*" */

    ngx_resolver_t         *resolver;         /* NULL: thread pool */
    ngx_msec_t              resolver_timeout;

    ngx_neon_retry_t        wake_retry;
    ngx_neon_retry_t        connect_retry;
    ngx_msec_t              connect_timeout;
    ngx_msec_t              login_timeout;
    ngx_msec_t              client_timeout;
    ngx_msec_t              wake_timeout;
    ngx_msec_t              wake_notice;      /* 0: off */

    ngx_uint_t              compute_ssl;      /* ngx_neon_ssl_e */
    ngx_str_t               compute_ssl_trusted_certificate;
    ngx_ssl_t              *ssl;              /* towards computes */

    ngx_flag_t              tls_required;     /* NGX_CONF_UNSET: where the
                                                 server has a certificate */
    ngx_flag_t              private_access;   /* clients come by private
                                                 links, each with a name */
    ngx_uint_t              forward_parameters;

    ngx_flag_t              websocket_insecure;
    ngx_msec_t              websocket_ping;   /* 0: off */
    ngx_array_t            *websocket_origins;   /* of ngx_str_t; NULL: any */
    ngx_array_t            *websocket_tunnel;   /* of neon_hostport_pattern_t;
                                                 NULL, empty: off */

    ngx_neon_otlp_conf_t   *otlp;             /* NULL: off */

    ngx_thread_pool_t      *threads;          /* PBKDF2, getaddrinfo */
} ngx_neon_conf_t;


#endif /* NGX_NEON_CONF_H */
