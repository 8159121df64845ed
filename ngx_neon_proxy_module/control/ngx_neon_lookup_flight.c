/*
 * A worker's part in a flight: its life, who waits in it, and the answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_lookup_flight.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_pack.h"


#define NGX_NEON_LOOKUP_POOL      1024
#define NGX_NEON_LOOKUP_BUCKETS   256
#define NGX_NEON_LOOKUP_BATCH     64          /* answers in one turn */


static ngx_neon_lookup_flight_t *ngx_neon_lookup_flight_create(
    ngx_neon_ctl_request_t *r, const ngx_neon_ticket_t *ticket);
static ngx_int_t ngx_neon_lookup_flight_copy(ngx_neon_lookup_flight_t *f,
    ngx_neon_ctl_request_t *r, const ngx_neon_ticket_t *ticket);
static ngx_int_t ngx_neon_lookup_flight_copy_options(
    ngx_neon_lookup_flight_t *f, const neon_pg_options_t *options);
static ngx_int_t ngx_neon_lookup_flight_copy_str(ngx_pool_t *pool,
    neon_str_t *s);
static void ngx_neon_lookup_flight_wait(ngx_neon_lookup_flight_t *f,
    ngx_neon_ctl_request_t *r);
static void ngx_neon_lookup_flight_deliver_handler(ngx_event_t *ev);
static u_char *ngx_neon_lookup_flight_log(ngx_log_t *log, u_char *buf,
    size_t len);


static ngx_queue_t       ngx_neon_lookup_flights[NGX_NEON_LOOKUP_BUCKETS];

u_char  ngx_neon_lookup_value[NGX_NEON_LRU_VALUE_MAX];

/* debug logs of timers look at its fd */
static ngx_connection_t  ngx_neon_lookup_flight_dummy = {
    .fd = (ngx_socket_t) -1
};


ngx_int_t
ngx_neon_lookup_flight_join(ngx_neon_ctl_request_t *r,
    const ngx_neon_ticket_t *ticket)
{
    ngx_queue_t               *q, *head;
    ngx_neon_zone_t           *zone;
    ngx_neon_lookup_flight_t  *f;

    head = &ngx_neon_lookup_flights[ticket->key.hash
                                    % NGX_NEON_LOOKUP_BUCKETS];

    if (head->next == NULL) {
        ngx_queue_init(head);
    }

    for (q = ngx_queue_head(head);
         q != ngx_queue_sentinel(head);
         q = ngx_queue_next(q))
    {
        f = ngx_queue_data(q, ngx_neon_lookup_flight_t, queue);

        if (f->conf == r->conf
            && f->ticket.cache == ticket->cache
            && neon_str_eq(f->ticket.key.name, ticket->key.name))
        {
            zone = ngx_neon_zone(r->conf);

            (void) ngx_atomic_fetch_add(
                &zone->sh->metrics->flights[ticket->cache]
                                           [NGX_NEON_FLIGHT_JOINED], 1);

            ngx_neon_lookup_flight_wait(f, r);

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_neon_lookup_flight_lead(ngx_neon_ctl_request_t *r,
    const ngx_neon_ticket_t *ticket, ngx_uint_t retry, ngx_msec_t pause)
{
    ngx_neon_lookup_flight_t  *f;

    f = ngx_neon_lookup_flight_create(r, ticket);

    if (f == NULL) {
        ngx_neon_flight_abandon(ngx_neon_zone(r->conf),
                                (ngx_neon_ticket_t *) ticket);
        return NGX_OK;
    }

    f->attempts = retry;
    ngx_neon_lookup_flight_wait(f, r);

    r->joined = 0;
    r->led = 1;

    ngx_neon_lookup_lead(f, pause);

    return NGX_AGAIN;
}


ngx_int_t
ngx_neon_lookup_flight_follow(ngx_neon_ctl_request_t *r,
    const ngx_neon_ticket_t *ticket)
{
    ngx_neon_lookup_flight_t  *f;

    f = ngx_neon_lookup_flight_create(r, ticket);

    if (f == NULL) {
        ngx_neon_flight_leave(ngx_neon_zone(r->conf),
                              (ngx_neon_ticket_t *) ticket);
        return NGX_OK;
    }

    ngx_neon_lookup_flight_wait(f, r);
    ngx_neon_lookup_follow(f);

    return NGX_AGAIN;
}


void
ngx_neon_lookup_flight_leave(ngx_neon_ctl_request_t *r)
{
    ngx_neon_lookup_flight_t  *f;

    f = r->lookup;

    ngx_neon_lookup_flight_release(r);

    /* who gives answers frees it, and so does a leader in the end */

    if (!ngx_queue_empty(&f->waiters) || f->leader || f->delivering) {
        return;
    }

    ngx_neon_flight_leave(ngx_neon_zone(f->conf), &f->ticket);
    ngx_neon_lookup_flight_destroy(f);
}


void
ngx_neon_lookup_flight_exit(void)
{
    ngx_uint_t                 i;
    ngx_queue_t               *q, *head;
    ngx_neon_lookup_flight_t  *f;

    for (i = 0; i < NGX_NEON_LOOKUP_BUCKETS; i++) {
        head = &ngx_neon_lookup_flights[i];

        if (head->next == NULL) {
            continue;
        }

        for (q = ngx_queue_head(head);
             q != ngx_queue_sentinel(head);
             q = ngx_queue_next(q))
        {
            f = ngx_queue_data(q, ngx_neon_lookup_flight_t, queue);
            ngx_neon_lookup_lead_settle(f, 0);
        }
    }
}


void
ngx_neon_lookup_flight_release(ngx_neon_ctl_request_t *r)
{
    ngx_neon_zone_t           *zone;
    ngx_neon_lookup_flight_t  *f;

    f = r->lookup;

    if (f->tracer == r) {
        ngx_neon_lookup_trace_leave(f);
    }

    ngx_queue_remove(&r->queue);
    r->lookup = NULL;

    zone = ngx_neon_zone(r->conf);

    if (zone->slot) {
        (void) ngx_atomic_fetch_add(&zone->slot->waiting, -1);
    }
}


ngx_neon_lru_policy_t
ngx_neon_lookup_policy(ngx_neon_conf_t *conf, ngx_neon_cache_e cache)
{
    ngx_neon_lru_policy_t         policy;
    const ngx_neon_cache_conf_t  *c;

    c = (cache == NGX_NEON_CACHE_NODE) ? &conf->node_cache
                                       : &conf->secret_cache;

    policy.size = c->size;
    policy.ttl = c->ttl;
    policy.stale = c->stale;
    policy.negative = conf->secret_cache.negative;

    return policy;
}


ngx_neon_cached_e
ngx_neon_lookup_flight_cached(ngx_neon_lookup_flight_t *f)
{
    if (ngx_neon_lookup_policy(f->conf, f->ticket.cache).size == 0) {
        return NGX_NEON_CACHED_BYPASS;
    }

    return f->ticket.looked == NGX_NEON_LRU_EXPIRED ? NGX_NEON_CACHED_EXPIRED
                                                    : NGX_NEON_CACHED_MISS;
}


/* NULL: no memory, and r has failed */

static ngx_neon_lookup_flight_t *
ngx_neon_lookup_flight_create(ngx_neon_ctl_request_t *r,
    const ngx_neon_ticket_t *ticket)
{
    ngx_pool_t                *pool;
    ngx_neon_lookup_flight_t  *f;

    pool = ngx_create_pool(NGX_NEON_LOOKUP_POOL, ngx_cycle->log);
    if (pool == NULL) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return NULL;
    }

    f = ngx_pcalloc(pool, sizeof(ngx_neon_lookup_flight_t));

    if (f == NULL) {
        goto failed;
    }

    f->pool = pool;
    f->conf = r->conf;
    f->deadline = ngx_current_msec + r->conf->wake_timeout;

    if (ngx_neon_lookup_flight_copy(f, r, ticket) != NGX_OK) {
        goto failed;
    }

    /* it may outlive the session that began it, and so its log */

    f->log = *ngx_cycle->log;
    f->log.connection = 0;
    f->log.handler = ngx_neon_lookup_flight_log;
    f->log.data = f;
    f->log.action = "asking the control plane";

    f->event.data = &ngx_neon_lookup_flight_dummy;
    f->event.log = &f->log;
    f->event.cancelable = 1;

    f->renew.data = &ngx_neon_lookup_flight_dummy;
    f->renew.log = &f->log;
    f->renew.cancelable = 1;

    ngx_queue_init(&f->waiters);
    ngx_queue_insert_tail(&ngx_neon_lookup_flights[ticket->key.hash
                                                   % NGX_NEON_LOOKUP_BUCKETS],
                          &f->queue);

    return f;

failed:

    ngx_destroy_pool(pool);
    ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");

    return NULL;
}


static ngx_int_t
ngx_neon_lookup_flight_copy(ngx_neon_lookup_flight_t *f,
    ngx_neon_ctl_request_t *r, const ngx_neon_ticket_t *ticket)
{
    ngx_uint_t               i;
    ngx_str_t               *to[4], *from[4];
    ngx_neon_ctl_request_t  *call;

    f->ticket = *ticket;

    if (ngx_neon_lookup_flight_copy_str(f->pool, &f->ticket.key.name)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call = &f->call;

    call->conf = r->conf;
    call->call = r->call;
    call->log = &f->log;
    call->front = r->front;
    call->client = r->client;
    call->handler = ngx_neon_lookup_lead_answer_handler;
    call->data = f;

    to[0] = &call->endpoint;
    to[1] = &call->role;
    to[2] = &call->session_id;
    to[3] = &call->application_name;

    from[0] = &r->endpoint;
    from[1] = &r->role;
    from[2] = &r->session_id;
    from[3] = &r->application_name;

    for (i = 0; i < 4; i++) {

        if (from[i]->len == 0) {
            continue;
        }

        to[i]->data = ngx_pstrdup(f->pool, from[i]);
        if (to[i]->data == NULL) {
            return NGX_ERROR;
        }

        to[i]->len = from[i]->len;
    }

    return ngx_neon_lookup_flight_copy_options(f, r->options);
}


static ngx_int_t
ngx_neon_lookup_flight_copy_options(ngx_neon_lookup_flight_t *f,
    const neon_pg_options_t *options)
{
    unsigned           i;
    neon_pg_option_t  *o;

    if (options == NULL) {
        return NGX_OK;
    }

    f->options.noptions = options->noptions;
    f->call.options = &f->options;

    for (i = 0; i < options->noptions; i++) {
        o = &f->options.option[i];
        *o = options->option[i];

        if (ngx_neon_lookup_flight_copy_str(f->pool, &o->name) != NGX_OK
            || ngx_neon_lookup_flight_copy_str(f->pool, &o->value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_lookup_flight_copy_str(ngx_pool_t *pool, neon_str_t *s)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, s->data, s->len);
    s->data = p;

    return NGX_OK;
}


void
ngx_neon_lookup_flight_destroy(ngx_neon_lookup_flight_t *f)
{
    ngx_queue_remove(&f->queue);

    if (f->event.timer_set) {
        ngx_del_timer(&f->event);
    }

    if (f->event.posted) {
        ngx_delete_posted_event(&f->event);
    }

    if (f->renew.timer_set) {
        ngx_del_timer(&f->renew);
    }

    if (f->call.pool) {
        ngx_destroy_pool(f->call.pool);
    }

    ngx_destroy_pool(f->pool);
}


static void
ngx_neon_lookup_flight_wait(ngx_neon_lookup_flight_t *f,
    ngx_neon_ctl_request_t *r)
{
    ngx_neon_zone_t  *zone;

    ngx_queue_insert_tail(&f->waiters, &r->queue);
    r->lookup = f;
    r->joined = 1;
    r->cached = ngx_neon_lookup_flight_cached(f);

    zone = ngx_neon_zone(f->conf);

    if (zone->slot) {
        (void) ngx_atomic_fetch_add(&zone->slot->waiting, 1);
    }
}


void
ngx_neon_lookup_flight_after(ngx_neon_lookup_flight_t *f,
    ngx_event_handler_pt handler, ngx_msec_t msec)
{
    f->event.handler = handler;

    if (f->event.timer_set) {
        ngx_del_timer(&f->event);
    }

    ngx_add_timer(&f->event, msec);
}


/* from here on newcomers find the cache, or begin a flight of their own */

void
ngx_neon_lookup_flight_deliver(ngx_neon_lookup_flight_t *f, neon_str_t value)
{
    f->result = value;
    f->delivering = 1;

    ngx_queue_remove(&f->queue);
    ngx_queue_init(&f->queue);

    if (ngx_neon_lookup_flight_copy_str(f->pool, &f->result) != NGX_OK) {
        f->result = neon_str("", 0);
    }

    ngx_neon_lookup_flight_deliver_handler(&f->event);
}


/* thousands may wait: others have their turn in between */

static void
ngx_neon_lookup_flight_deliver_handler(ngx_event_t *ev)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q;
    ngx_neon_ctl_request_t    *r;
    ngx_neon_lookup_flight_t  *f;

    f = (ngx_neon_lookup_flight_t *)
            ((u_char *) ev - offsetof(ngx_neon_lookup_flight_t, event));

    for (n = 0; !ngx_queue_empty(&f->waiters); n++) {

        if (n == NGX_NEON_LOOKUP_BATCH) {
            ev->handler = ngx_neon_lookup_flight_deliver_handler;
            ngx_post_event(ev, &ngx_posted_next_events);
            return;
        }

        q = ngx_queue_head(&f->waiters);
        r = ngx_queue_data(q, ngx_neon_ctl_request_t, queue);

        ngx_neon_lookup_flight_release(r);
        ngx_neon_ctl_unpack(r, f->result);

        r->cached = f->cached;
        r->generation = f->generation;
        r->retries = f->attempts;

        r->handler(r);
    }

    ngx_neon_lookup_flight_destroy(f);
}


static u_char *
ngx_neon_lookup_flight_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                    *p;
    ngx_neon_lookup_flight_t  *f;

    f = log->data;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    return ngx_snprintf(buf, len, ", session: %V, endpoint: %V",
                        &f->call.session_id, &f->call.endpoint);
}
