/*
 * Verifiers, rules and addresses from a PostgreSQL: what is asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_postgres.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_postgres_answer.h"
#include "ngx_neon_libpq_url.h"

#include "neon_endpoint.h"


#define NGX_NEON_CTL_POSTGRES_POOL  1024


/* of a question in progress; lives in its own pool */

typedef struct {
    ngx_neon_ctl_request_t    *r;
    ngx_pool_t                *pool;
    ngx_neon_libpq_t           pq;
} ngx_neon_ctl_postgres_ctx_t;


static ngx_int_t ngx_neon_ctl_postgres_init(ngx_conf_t *cf,
    ngx_neon_conf_t *conf);
static ngx_int_t ngx_neon_ctl_postgres_init_query(ngx_conf_t *cf,
    ngx_neon_conf_t *conf, const char *name, ngx_str_t *query,
    const char *param);
static ngx_int_t ngx_neon_ctl_postgres_start(ngx_neon_ctl_request_t *r);
static ngx_int_t ngx_neon_ctl_postgres_params(
    ngx_neon_ctl_postgres_ctx_t *ctx);
static void ngx_neon_ctl_postgres_query(ngx_neon_libpq_query_t *query,
    ngx_str_t *sql, const char *first, const char *second);
static void ngx_neon_ctl_postgres_cancel(ngx_neon_ctl_request_t *r);
static void ngx_neon_ctl_postgres_handler(ngx_neon_libpq_t *pq);
static char *ngx_neon_ctl_postgres_string(ngx_pool_t *pool, ngx_str_t *s);


ngx_neon_ctl_t  ngx_neon_ctl_postgres = {
    ngx_string("postgres"),
    0,                                    /* local */
    ngx_neon_ctl_postgres_init,
    ngx_neon_ctl_postgres_start,
    ngx_neon_ctl_postgres_cancel
};


static ngx_str_t  ngx_neon_ctl_postgres_auth_query = ngx_string(
    "select rolname, rolpassword, rolvaliduntil from pg_catalog.pg_authid"
    " where rolname = $1");

/* the table of Neon's own proxy, when it works without a control plane */

static ngx_str_t  ngx_neon_ctl_postgres_access_query = ngx_string(
    "select allowed_ips from neon_control_plane.endpoints"
    " where endpoint_id = $1");

static const char  ngx_neon_ctl_postgres_probe[] =
    "select to_regclass('neon_control_plane.endpoints') is not null";


char *
ngx_neon_ctl_postgres_directive(ngx_conf_t *cf,
    ngx_neon_ctl_postgres_conf_t *pgcf)
{
    const char  *err;

    if (ngx_neon_libpq_url(cf, &pgcf->pool, &pgcf->url, &err) == NGX_OK) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid control_plane: %s, it must be "
                       NGX_NEON_CTL_POSTGRES_FORM, err);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_neon_ctl_postgres_init(ngx_conf_t *cf, ngx_neon_conf_t *conf)
{
    ngx_str_t                      parts[4];
    ngx_neon_libpq_pool_t         *pool;
    ngx_neon_ctl_postgres_conf_t  *pgcf;

    pgcf = conf->ctl_conf;
    pool = &pgcf->pool;

    if (ngx_neon_ctl_postgres_init_query(cf, conf, "auth_query",
                                         &pgcf->auth_query, "$1")
        != NGX_OK
        || ngx_neon_ctl_postgres_init_query(cf, conf, "access_query",
                                            &pgcf->access_query, "$1")
           != NGX_OK
        || ngx_neon_ctl_postgres_init_query(cf, conf, "node_query",
                                            &pgcf->node_query, "$")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (pool->local && pgcf->node_query.data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"control_plane postgres://\" by a socket needs a "
                           "\"node_query\" in neon_proxy \"%V\": computes are "
                           "reached by TCP", &conf->name);
        return NGX_ERROR;
    }

    if (pgcf->auth_query.data == NULL) {
        pgcf->auth_query = ngx_neon_ctl_postgres_auth_query;
    }

    if (pgcf->access_query.data == NULL) {
        pgcf->access_query = ngx_neon_ctl_postgres_access_query;
        pgcf->if_probed = 1;
        pool->probe = ngx_neon_ctl_postgres_probe;
    }

    parts[0] = pgcf->url;
    parts[1] = pgcf->auth_query;
    parts[2] = pgcf->access_query;
    parts[3] = pgcf->node_query;

    ngx_neon_ctl_identify(conf, parts, 4);

    pool->conf = conf;
    pool->connections = pgcf->connections;
    pool->connect_timeout = pgcf->connect_timeout;
    pool->request_timeout = pgcf->request_timeout;

    return ngx_neon_libpq_init_pool(cf, pool);
}


/* one that names nobody would let everybody in with the same password */

static ngx_int_t
ngx_neon_ctl_postgres_init_query(ngx_conf_t *cf, ngx_neon_conf_t *conf,
    const char *name, ngx_str_t *query, const char *param)
{
    if (query->data == NULL || ngx_strstr(query->data, param) != NULL) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid %s \"%V\" in neon_proxy \"%V\": it must be a "
                       "query with the parameter $1", name, query,
                       &conf->name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_neon_ctl_postgres_start(ngx_neon_ctl_request_t *r)
{
    ngx_pool_t                    *pool;
    ngx_neon_ctl_postgres_ctx_t   *ctx;
    ngx_neon_ctl_postgres_conf_t  *pgcf;

    pgcf = r->conf->ctl_conf;

    if (r->call == NGX_NEON_CTL_WAKE && pgcf->node_query.data == NULL) {
        ngx_neon_ctl_postgres_own_node(r, &pgcf->pool);
        return NGX_OK;
    }

    pool = ngx_create_pool(NGX_NEON_CTL_POSTGRES_POOL, r->log);
    if (pool == NULL) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return NGX_OK;
    }

    ctx = ngx_pcalloc(pool, sizeof(ngx_neon_ctl_postgres_ctx_t));

    if (ctx) {
        ctx->r = r;
        ctx->pool = pool;
    }

    if (ctx == NULL || ngx_neon_ctl_postgres_params(ctx) != NGX_OK) {
        ngx_destroy_pool(pool);
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return NGX_OK;
    }

    ctx->pq.pool = &pgcf->pool;
    ctx->pq.handler = ngx_neon_ctl_postgres_handler;
    ctx->pq.data = ctx;

    r->ctx = ctx;

    ngx_neon_libpq_start(&ctx->pq);

    return NGX_AGAIN;
}


/*
 * Role and endpoint come from clients who have not yet shown who they are:
 * they are parameters, and never part of a text.  Rules are kept by the name
 * of the endpoint without "-pooler", and so that is what is asked for.
 */

static ngx_int_t
ngx_neon_ctl_postgres_params(ngx_neon_ctl_postgres_ctx_t *ctx)
{
    char                          *role, *endpoint, *full;
    ngx_neon_libpq_t              *pq;
    ngx_neon_ctl_request_t        *r;
    ngx_neon_ctl_postgres_conf_t  *pgcf;

    r = ctx->r;
    pq = &ctx->pq;
    pgcf = r->conf->ctl_conf;

    full = ngx_neon_ctl_postgres_string(ctx->pool, &r->endpoint);
    endpoint = ngx_neon_ctl_postgres_string(ctx->pool, &r->endpoint);
    role = ngx_neon_ctl_postgres_string(ctx->pool, &r->role);

    if (full == NULL || endpoint == NULL || role == NULL) {
        return NGX_ERROR;
    }

    endpoint[neon_endpoint_normal(neon_str(endpoint, r->endpoint.len)).len]
        = '\0';

    if (r->call == NGX_NEON_CTL_WAKE) {
        ngx_neon_ctl_postgres_query(&pq->query[0], &pgcf->node_query,
                                    endpoint, full);
        pq->nqueries = 1;

        return NGX_OK;
    }

    ngx_neon_ctl_postgres_query(&pq->query[NGX_NEON_CTL_POSTGRES_AUTH],
                                &pgcf->auth_query, role, endpoint);
    ngx_neon_ctl_postgres_query(&pq->query[NGX_NEON_CTL_POSTGRES_RULES],
                                &pgcf->access_query, endpoint, NULL);

    pq->query[NGX_NEON_CTL_POSTGRES_RULES].if_probed = pgcf->if_probed;
    pq->nqueries = 2;

    return NGX_OK;
}


/* the server refuses parameters that the text does not have */

static void
ngx_neon_ctl_postgres_query(ngx_neon_libpq_query_t *query, ngx_str_t *sql,
    const char *first, const char *second)
{
    query->sql = (char *) sql->data;
    query->params[0] = first;
    query->params[1] = second;
    query->nparams = (second && ngx_strstr(sql->data, "$2") != NULL) ? 2 : 1;
}


static void
ngx_neon_ctl_postgres_cancel(ngx_neon_ctl_request_t *r)
{
    ngx_neon_ctl_postgres_ctx_t  *ctx;

    ctx = r->ctx;
    r->ctx = NULL;

    ngx_neon_libpq_cancel(&ctx->pq);
    ngx_destroy_pool(ctx->pool);
}


static void
ngx_neon_ctl_postgres_handler(ngx_neon_libpq_t *pq)
{
    ngx_neon_ctl_request_t       *r;
    ngx_neon_ctl_postgres_ctx_t  *ctx;

    ctx = pq->data;
    r = ctx->r;

    ngx_neon_ctl_postgres_answer(r, pq, ctx->pool);
    ngx_neon_libpq_clear(pq);

    r->ctx = NULL;
    ngx_destroy_pool(ctx->pool);

    r->handler(r);
}


/* NUL behind it */

static char *
ngx_neon_ctl_postgres_string(ngx_pool_t *pool, ngx_str_t *s)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s->len + 1);

    if (p) {
        *ngx_cpymem(p, s->data, s->len) = '\0';
    }

    return (char *) p;
}
