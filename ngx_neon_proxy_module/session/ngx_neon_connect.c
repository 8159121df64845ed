/*
 * Fifth and sixth step: where is the compute, and a connection to it.  What
 * fails is tried again here: once at once after a new wake-up (the address may
 * be stale), then after pauses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"


/* for so long, in ms, the control plane's answer counts while it fails */
#define NGX_NEON_CONNECT_DOUBT  1000


typedef enum {
    NGX_NEON_CONNECT_BEGIN = 0,
    NGX_NEON_CONNECT_RESOLVE,           /* waiting for addresses */
    NGX_NEON_CONNECT_OPEN,              /* next address */
    NGX_NEON_CONNECT_LINK               /* TCP and TLS under way */
} ngx_neon_connect_e;


static ngx_int_t ngx_neon_connect_cold_start(ngx_neon_session_t *s);
static ngx_uint_t ngx_neon_connect_doubt(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_connect_begin(ngx_neon_session_t *s);
static void ngx_neon_connect_dns_handler(ngx_neon_dns_t *d);
static ngx_int_t ngx_neon_connect_resolved(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_connect_unresolved(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_connect_open(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_connect_link(ngx_neon_session_t *s);
static const char *ngx_neon_connect_server_name(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_connect_address_failed(ngx_neon_session_t *s,
    ngx_neon_reason_e reason);
static void ngx_neon_connect_count(ngx_neon_session_t *s);
static ngx_uint_t ngx_neon_connect_again(ngx_neon_session_t *s,
    ngx_neon_failure_e failure);


ngx_int_t
ngx_neon_wake_step(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    l = s->login;

    ngx_neon_notice_start(s);

    rc = ngx_neon_ask(s, NGX_NEON_CTL_WAKE);

    if (rc == NGX_AGAIN) {
        s->cold = 1;
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    l->node = l->ctl.node;
    l->node_generation = l->ctl.generation;
    l->node_told = ngx_current_msec;

    return ngx_neon_connect_cold_start(s);
}


static ngx_int_t
ngx_neon_connect_cold_start(ngx_neon_session_t *s)
{
    ngx_str_t  *text;

    if (s->cold_start.len) {
        return NGX_OK;
    }

    if (s->node_cache == NGX_NEON_CACHED_HIT) {
        ngx_str_set(&s->cold_start, "warm_cached");
        return NGX_OK;
    }

    text = &s->login->node->cold_start;

    if (text->len) {
        s->cold_start.data = ngx_pstrdup(s->pool, text);
        if (s->cold_start.data == NULL) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        s->cold_start.len = text->len;
    }

    return NGX_OK;
}


ngx_int_t
ngx_neon_connect_step(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    l = s->login;

    if (ngx_neon_client_check(s) != NGX_OK) {
        return NGX_ERROR;
    }

    if (l->pausing) {
        if (!l->timedout) {
            return NGX_AGAIN;
        }

        l->pausing = 0;
        l->timedout = 0;

        if (ngx_neon_connect_doubt(s)) {
            ngx_neon_session_set_state(s, NGX_NEON_STATE_WAKE);
            return NGX_DECLINED;
        }
    }

    for ( ;; ) {
        switch (l->phase) {

        case NGX_NEON_CONNECT_BEGIN:
            rc = ngx_neon_connect_begin(s);
            break;

        case NGX_NEON_CONNECT_RESOLVE:
            rc = ngx_neon_connect_resolved(s);
            break;

        case NGX_NEON_CONNECT_OPEN:
            rc = ngx_neon_connect_open(s);
            break;

        default: /* NGX_NEON_CONNECT_LINK */
            rc = ngx_neon_connect_link(s);

            if (rc == NGX_OK) {
                ngx_neon_login_timer_stop(s);
                return NGX_OK;
            }

            if (rc == NGX_DONE) {
                /* this address failed, there is another one */
                rc = NGX_OK;
            }
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


/*
 * After a pause: others may have learnt a new address, or the control plane
 * has: it may see later than we do that a compute is gone.  All who failed on
 * the same answer make one call of it.
 */

static ngx_uint_t
ngx_neon_connect_doubt(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (ngx_neon_ask_newer(s, l->node_generation)) {
        return 1;
    }

    if (l->starting
        || s->conf->ctl->local
        || ngx_current_msec - l->node_told < NGX_NEON_CONNECT_DOUBT)
    {
        return 0;
    }

    ngx_neon_ask_forget(s, NGX_NEON_CTL_WAKE, l->node_generation);

    return 1;
}


static ngx_int_t
ngx_neon_connect_begin(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_dns_t    *d;
    ngx_neon_login_t  *l;

    l = s->login;

    l->ssl = l->node->ssl != NGX_NEON_SSL_AUTO ? l->node->ssl
                                               : s->conf->compute_ssl;

    if (l->ssl == NGX_NEON_SSL_AUTO) {
        l->ssl = l->node->server_name.len ? NGX_NEON_SSL_VERIFY_FULL
                                          : NGX_NEON_SSL_OFF;
    }

    if (s->sealed) {
        /* asked for; the handshake, and what is verified, is the client's */
        l->ssl = NGX_NEON_SSL_REQUIRE;
    }

    if (l->dns == NULL) {
        l->dns = ngx_palloc(l->pool, sizeof(ngx_neon_dns_t));
        if (l->dns == NULL) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }
    }

    d = l->dns;
    ngx_memzero(d, sizeof(ngx_neon_dns_t));

    d->conf = s->conf;
    d->log = s->log;
    d->host = l->node->host;
    d->port = l->node->port;
    d->handler = ngx_neon_connect_dns_handler;
    d->data = s;

    l->addr = 0;
    l->phase = NGX_NEON_CONNECT_RESOLVE;

    rc = ngx_neon_dns_start(d);

    if (rc == NGX_ERROR) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    l->answered = (rc == NGX_OK);

    return NGX_OK;
}


static void
ngx_neon_connect_dns_handler(ngx_neon_dns_t *d)
{
    ngx_neon_session_t  *s;

    s = d->data;
    s->login->answered = 1;

    ngx_neon_session_run(s);
}


static ngx_int_t
ngx_neon_connect_resolved(ngx_neon_session_t *s)
{
    ngx_neon_dns_t    *d;
    ngx_neon_login_t  *l;

    l = s->login;
    d = l->dns;

    if (!l->answered) {
        return NGX_AGAIN;
    }

    if (d->rc != NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, s->log, 0, "%V could not be resolved: %s",
                      &d->host, d->error);

        if (ngx_neon_connect_unresolved(s) != NGX_OK) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        return ngx_neon_connect_failed(s, NGX_NEON_REASON_COMPUTE_UNREACHABLE,
                                       NGX_NEON_FAILURE_RETRY);
    }

    l->phase = NGX_NEON_CONNECT_OPEN;

    return NGX_OK;
}


/* the last line of the log has no compute: here is no address yet */

static ngx_int_t
ngx_neon_connect_unresolved(ngx_neon_session_t *s)
{
    size_t           len;
    ngx_neon_dns_t  *d;

    d = s->login->dns;
    s->err = 0;

    if (s->tunnel) {
        /* its client is told, and named the host */
        s->detail.data = (u_char *) d->error;
        s->detail.len = ngx_strlen(d->error);

        return NGX_OK;
    }

    len = d->host.len + sizeof(" could not be resolved: ")
          + ngx_strlen(d->error);

    s->detail.data = ngx_pnalloc(s->login->pool, len);
    if (s->detail.data == NULL) {
        ngx_str_null(&s->detail);
        return NGX_ERROR;
    }

    s->detail.len = ngx_snprintf(s->detail.data, len,
                                 "%V could not be resolved: %s", &d->host,
                                 d->error)
                    - s->detail.data;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_connect_open(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_dns_t    *d;
    ngx_neon_login_t  *l;

    l = s->login;
    d = l->dns;

    rc = ngx_neon_link_open(s, &d->addrs[l->addr].sockaddr.sockaddr,
                            d->addrs[l->addr].socklen);

    if (rc == NGX_DECLINED) {
        rc = ngx_neon_connect_address_failed(s,
                                        NGX_NEON_REASON_COMPUTE_UNREACHABLE);
        return rc == NGX_DONE ? NGX_OK : rc;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_neon_login_timer(s, s->conf->connect_timeout);
    l->phase = NGX_NEON_CONNECT_LINK;

    return NGX_OK;
}


/* NGX_DONE: the phase was set to try the next address */

static ngx_int_t
ngx_neon_connect_link(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_reason_e  reason;

    rc = ngx_neon_link_process(s, ngx_neon_connect_server_name(s), &reason);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_neon_link_close(s);

    return ngx_neon_connect_address_failed(s, reason);
}


static const char *
ngx_neon_connect_server_name(ngx_neon_session_t *s)
{
    ngx_neon_node_t  *node;

    node = s->login->node;

    return (char *) (node->server_name.len ? node->server_name.data
                                           : node->host.data);
}


static ngx_int_t
ngx_neon_connect_address_failed(ngx_neon_session_t *s,
    ngx_neon_reason_e reason)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (++l->addr < l->dns->naddrs) {
        l->phase = NGX_NEON_CONNECT_OPEN;
        return NGX_DONE;
    }

    return ngx_neon_connect_failed(s, reason,
                                   reason == NGX_NEON_REASON_COMPUTE_TLS
                                   ? NGX_NEON_FAILURE_FINAL
                                   : NGX_NEON_FAILURE_RETRY);
}


ngx_int_t
ngx_neon_connect_failed(ngx_neon_session_t *s, ngx_neon_reason_e reason,
    ngx_neon_failure_e failure)
{
    ngx_msec_t               delay;
    ngx_neon_login_t        *l;
    const ngx_neon_retry_t  *retry;

    l = s->login;
    retry = &s->conf->connect_retry;

    ngx_neon_login_timer_stop(s);
    ngx_neon_link_close(s);

    if (s->tunnel) {
        return ngx_neon_tunnel_failed(s);
    }

    ngx_neon_connect_count(s);

    s->failed = reason;

    if (l->passed) {
        /* another compute would have other questions */
        return ngx_neon_session_error(s, reason);
    }

    if (ngx_neon_connect_again(s, failure)) {
        return NGX_DECLINED;
    }

    if (failure == NGX_NEON_FAILURE_FINAL
        || (failure == NGX_NEON_FAILURE_RETRY
            && l->connects + 1 >= retry->attempts))
    {
        return ngx_neon_session_error(s, reason);
    }

    if (failure == NGX_NEON_FAILURE_STARTING) {
        delay = ngx_neon_retry_delay(retry, l->starts++);
        delay = ngx_min(delay, 1000);

    } else {
        delay = ngx_neon_retry_delay(retry, l->connects++);
    }

    if (delay >= ngx_neon_clock_left(s, &l->held_clock)
        && failure == NGX_NEON_FAILURE_RETRY)
    {
        return ngx_neon_session_error(s, reason);
    }

    s->retries++;
    l->starting = (failure == NGX_NEON_FAILURE_STARTING);
    (void) ngx_atomic_fetch_add(&ngx_neon_count_metrics(s)->retries[1], 1);

    ngx_neon_session_set_state(s, NGX_NEON_STATE_CONNECT);
    l->pausing = 1;
    ngx_neon_login_timer(s, delay);

    return NGX_DECLINED;
}


static void
ngx_neon_connect_count(ngx_neon_session_t *s)
{
    ngx_uint_t        fresh;
    ngx_neon_zone_t  *zone;

    zone = ngx_neon_zone(s->conf);
    fresh = 1;

    if (s->node_cache == NGX_NEON_CACHED_HIT) {
        s->node_cache = NGX_NEON_CACHED_SPURIOUS;
        (void) ngx_atomic_fetch_add(
                   &zone->sh->cache[NGX_NEON_CACHE_NODE].stats.spurious, 1);
        fresh = 0;
    }

    (void) ngx_atomic_fetch_add(&zone->sh->metrics->connect_failures[fresh],
                                1);
}


/*
 * Once for an address that leads nowhere, and once for one that leads to
 * another compute: it may be stale, so it is forgotten, unless somebody has
 * put a newer one in its place by now, and the control plane is asked at once.
 */

static ngx_uint_t
ngx_neon_connect_again(ngx_neon_session_t *s, ngx_neon_failure_e failure)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (s->state == NGX_NEON_STATE_LOGIN
        && failure == NGX_NEON_FAILURE_FINAL)
    {
        if (l->reentered) {
            return 0;
        }

        l->reentered = 1;

    } else {
        if (l->rewoken) {
            return 0;
        }

        l->rewoken = 1;
    }

    ngx_log_error(NGX_LOG_INFO, s->log, 0, "compute did not let us in,"
                  " asking the control plane again");

    ngx_neon_ask_forget(s, NGX_NEON_CTL_WAKE, l->node_generation);

    s->retries++;
    (void) ngx_atomic_fetch_add(&ngx_neon_count_metrics(s)->retries[0], 1);

    ngx_neon_session_set_state(s, NGX_NEON_STATE_WAKE);

    return 1;
}
