/*
 * One connection of libpq: how it comes about.
 *
 * libpq's functions read and write what they can and return.  Those that look
 * up names or wait are not called: addresses come from ngx_neon_dns, GSSAPI is
 * off, and time is kept by timers of ours.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_libpq_conn.h"
#include "ngx_neon_fd.h"
#include "ngx_neon_libpq_error.h"


#define NGX_NEON_LIBPQ_KEYWORDS   40
#define NGX_NEON_LIBPQ_HOSTS      4096        /* bytes of a list */


typedef struct {
    const char                *keyword[NGX_NEON_LIBPQ_KEYWORDS + 1];
    const char                *value[NGX_NEON_LIBPQ_KEYWORDS + 1];
    ngx_uint_t                 n;
    u_char                     host[NGX_NEON_LIBPQ_HOSTS];
    u_char                     hostaddr[NGX_NEON_LIBPQ_HOSTS];
    u_char                     port[NGX_INT_T_LEN + 1];
} ngx_neon_libpq_params_t;


static void ngx_neon_libpq_open_resolve_handler(ngx_neon_dns_t *d);
static void ngx_neon_libpq_open_resolved(ngx_neon_libpq_conn_t *pc);
static void ngx_neon_libpq_open_connect(ngx_neon_libpq_conn_t *pc);
static void ngx_neon_libpq_open_params(ngx_neon_libpq_conn_t *pc,
    ngx_neon_libpq_params_t *params);
static void ngx_neon_libpq_open_param(ngx_neon_libpq_params_t *params,
    const char *keyword, const char *value);
static void ngx_neon_libpq_open_hosts(ngx_neon_libpq_conn_t *pc,
    ngx_neon_libpq_params_t *params);
static void ngx_neon_libpq_open_poll(ngx_neon_libpq_conn_t *pc,
    PostgresPollingStatusType status);
static void ngx_neon_libpq_open_notice(void *data, const PGresult *result);


void
ngx_neon_libpq_open(ngx_neon_libpq_pool_t *pool)
{
    ngx_neon_dns_t          *d;
    ngx_neon_libpq_conn_t   *pc;
    ngx_neon_libpq_error_t   error;

    pc = ngx_calloc(sizeof(ngx_neon_libpq_conn_t), ngx_cycle->log);

    if (pc == NULL) {
        ngx_neon_libpq_error_set(&error, "no memory");
        ngx_neon_libpq_not_opened(pool, &error);
        return;
    }

    pc->pool = pool;
    pc->state = NGX_NEON_LIBPQ_RESOLVING;

    ngx_queue_insert_tail(&pool->active, &pc->queue);
    pool->nconnections++;
    pool->nopening++;

    ngx_neon_libpq_conn_set_timer(pc, pool->connect_timeout);

    if (pool->local) {
        ngx_neon_libpq_open_connect(pc);
        return;
    }

    d = &pc->dns;

    d->conf = pool->conf;
    d->log = ngx_cycle->log;
    d->host = pool->host;
    d->port = pool->port;
    d->handler = ngx_neon_libpq_open_resolve_handler;
    d->data = pc;

    if (ngx_neon_dns_start(d) == NGX_OK) {
        ngx_neon_libpq_open_resolved(pc);
    }
}


static void
ngx_neon_libpq_open_resolve_handler(ngx_neon_dns_t *d)
{
    ngx_neon_libpq_open_resolved(d->data);
}


static void
ngx_neon_libpq_open_resolved(ngx_neon_libpq_conn_t *pc)
{
    u_char  text[NGX_NEON_LIBPQ_TEXT];

    if (pc->dns.rc == NGX_OK) {
        ngx_neon_libpq_open_connect(pc);
        return;
    }

    (void) ngx_snprintf(text, sizeof(text), "could not resolve \"%V\": %s%Z",
                        &pc->pool->host, pc->dns.error);
    text[sizeof(text) - 1] = '\0';

    ngx_neon_libpq_conn_fail(pc, (char *) text);
}


static void
ngx_neon_libpq_open_connect(ngx_neon_libpq_conn_t *pc)
{
    ngx_neon_libpq_params_t  params;

    ngx_neon_libpq_open_params(pc, &params);

    pc->state = NGX_NEON_LIBPQ_CONNECTING;
    pc->pg = PQconnectStartParams(params.keyword, params.value, 0);

    if (pc->pg == NULL) {
        ngx_neon_libpq_conn_fail(pc, "no memory");
        return;
    }

    if (PQstatus(pc->pg) == CONNECTION_BAD) {
        ngx_neon_libpq_conn_fail(pc, NULL);
        return;
    }

    /* for the SQLSTATE of a refusal */

    (void) PQsetErrorVerbosity(pc->pg, PQERRORS_VERBOSE);
    (void) PQsetNoticeReceiver(pc->pg, ngx_neon_libpq_open_notice, NULL);

    ngx_neon_libpq_open_poll(pc, PGRES_POLLING_WRITING);
}


static void
ngx_neon_libpq_open_params(ngx_neon_libpq_conn_t *pc,
    ngx_neon_libpq_params_t *params)
{
    ngx_uint_t                i;
    const char              **keywords, **values;
    ngx_neon_libpq_pool_t    *pool;

    pool = pc->pool;

    params->n = 0;

    if (pool->local) {
        ngx_neon_libpq_open_param(params, "host", (char *) pool->host.data);

    } else {
        ngx_neon_libpq_open_hosts(pc, params);

        ngx_neon_libpq_open_param(params, "hostaddr",
                                  (char *) params->hostaddr);
        ngx_neon_libpq_open_param(params, "host", (char *) params->host);
    }

    (void) ngx_sprintf(params->port, "%ui%Z", (ngx_uint_t) pool->port);

    ngx_neon_libpq_open_param(params, "port", (char *) params->port);
    ngx_neon_libpq_open_param(params, "options", pool->settings);

    keywords = pool->keywords->elts;
    values = pool->values->elts;

    for (i = 0; i < pool->keywords->nelts; i++) {
        ngx_neon_libpq_open_param(params, keywords[i], values[i]);
    }

    params->keyword[params->n] = NULL;
    params->value[params->n] = NULL;
}


static void
ngx_neon_libpq_open_param(ngx_neon_libpq_params_t *params,
    const char *keyword, const char *value)
{
    if (params->n < NGX_NEON_LIBPQ_KEYWORDS) {
        params->keyword[params->n] = keyword;
        params->value[params->n] = value;
        params->n++;
    }
}


/*
 * All addresses, and the name once for each.  libpq goes to the next one when
 * it was refused; an address that does not answer costs the whole time, and
 * then comes last.
 */

static void
ngx_neon_libpq_open_hosts(ngx_neon_libpq_conn_t *pc,
    ngx_neon_libpq_params_t *params)
{
    u_char          *name, *addr, *last_name, *last_addr, *comma;
    u_char           text[NGX_SOCKADDR_STRLEN];
    size_t           len;
    ngx_uint_t       i, k;
    ngx_neon_dns_t  *d;

    d = &pc->dns;
    comma = (u_char *) "";

    name = params->host;
    addr = params->hostaddr;
    last_name = name + NGX_NEON_LIBPQ_HOSTS - 1;
    last_addr = addr + NGX_NEON_LIBPQ_HOSTS - 1;

    for (i = 0; i < d->naddrs; i++) {
        k = (i + pc->pool->shift) % d->naddrs;

        len = ngx_sock_ntop(&d->addrs[k].sockaddr.sockaddr,
                            d->addrs[k].socklen, text, sizeof(text), 0);

        if ((size_t) (last_name - name) < pc->pool->name.len + 1
            || (size_t) (last_addr - addr) < len + 1)
        {
            break;
        }

        name = ngx_sprintf(name, "%s%V", comma, &pc->pool->name);
        addr = ngx_sprintf(addr, "%s%*s", comma, len, text);
        comma = (u_char *) ",";
    }

    *name = '\0';
    *addr = '\0';
}


/*
 * PQconnectPoll() may close the socket and open another one, with the same
 * number even: it is never watched meanwhile.
 */

void
ngx_neon_libpq_open_go_on(ngx_neon_libpq_conn_t *pc)
{
    PostgresPollingStatusType  status;

    ngx_neon_libpq_conn_detach(pc);

    status = PQconnectPoll(pc->pg);
    ERR_clear_error();

    ngx_neon_libpq_open_poll(pc, status);
}


static void
ngx_neon_libpq_open_poll(ngx_neon_libpq_conn_t *pc,
    PostgresPollingStatusType status)
{
    ngx_int_t  rc;

    switch (status) {

    case PGRES_POLLING_READING:
        rc = ngx_neon_libpq_conn_watch(pc, NGX_NEON_FD_READ);
        break;

    case PGRES_POLLING_WRITING:
        rc = ngx_neon_libpq_conn_watch(pc, NGX_NEON_FD_WRITE);
        break;

    case PGRES_POLLING_OK:

        if (PQsetnonblocking(pc->pg, 1) != 0) {
            ngx_neon_libpq_conn_fail(pc, NULL);
            return;
        }

        rc = ngx_neon_libpq_conn_watch(pc, NGX_NEON_FD_READ);

        if (rc == NGX_OK) {
            ngx_neon_libpq_conn_probe(pc);
            return;
        }

        break;

    default:
        ngx_neon_libpq_conn_fail(pc, NULL);
        return;
    }

    if (rc != NGX_OK) {
        ngx_neon_libpq_conn_fail(pc, "no connection slot of nginx is free");
    }
}


/* libpq would print it */

static void
ngx_neon_libpq_open_notice(void *data, const PGresult *result)
{
    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "neon libpq notice: %s", PQresultErrorMessage(result));
}
