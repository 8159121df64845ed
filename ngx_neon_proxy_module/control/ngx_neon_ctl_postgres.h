/*
 * Verifiers, rules and addresses from a PostgreSQL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_POSTGRES_H
#define NGX_NEON_CTL_POSTGRES_H


#include "ngx_neon_ctl.h"
#include "ngx_neon_libpq.h"


#define NGX_NEON_CTL_POSTGRES_FORM                                            \
    "postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?PARAMETERS]"


/* the queries of an ACCESS request; a WAKE request has one of its own */

enum {
    NGX_NEON_CTL_POSTGRES_AUTH = 0,
    NGX_NEON_CTL_POSTGRES_RULES
};


/* ngx_neon_conf_t.ctl_conf of `control_plane postgres://...` */

typedef struct {
    ngx_str_t                  url;
    ngx_str_t                  auth_query;    /* NUL behind it, as behind the
                                                 next two; empty: the default,
                                                 set by init */
    ngx_str_t                  access_query;
    ngx_str_t                  node_query;    /* empty: the server's own host
                                                 and port */
    ngx_uint_t                 connections;
    ngx_msec_t                 connect_timeout;
    ngx_msec_t                 request_timeout;

    unsigned                   if_probed:1;   /* access_query: only where
                                                 Neon's table is */
    ngx_neon_libpq_pool_t      pool;          /* by directive and init */
} ngx_neon_ctl_postgres_conf_t;


/* the URL's directive: NGX_CONF_OK or NGX_CONF_ERROR */
char *ngx_neon_ctl_postgres_directive(ngx_conf_t *cf,
    ngx_neon_ctl_postgres_conf_t *pgcf);


#endif /* NGX_NEON_CTL_POSTGRES_H */
