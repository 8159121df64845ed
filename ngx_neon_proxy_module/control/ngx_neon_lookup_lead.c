/*
 * The leader of a flight: asks the control plane, again where that may help,
 * and says what is to be kept of the answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_lookup_flight.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_pack.h"

#include "neon_endpoint.h"

#include "ngx_neon_limit.h"
#include "ngx_neon_time.h"


#define NGX_NEON_LOOKUP_LEAD_POOL  1024
#define NGX_NEON_LOOKUP_LEAD_TURN  20         /* ms, until it is looked again */


static void ngx_neon_lookup_lead_renew_handler(ngx_event_t *ev);
static void ngx_neon_lookup_lead_ask_handler(ngx_event_t *ev);
static void ngx_neon_lookup_lead_ask(ngx_neon_lookup_flight_t *f);
static ngx_uint_t ngx_neon_lookup_lead_limited(ngx_neon_lookup_flight_t *f);
static ngx_uint_t ngx_neon_lookup_lead_unknown(ngx_neon_lookup_flight_t *f);
static void ngx_neon_lookup_lead_stop(ngx_neon_lookup_flight_t *f);
static void ngx_neon_lookup_lead_refuse_handler(ngx_event_t *ev);
static ngx_neon_ctl_request_t *ngx_neon_lookup_lead_neighbour(
    ngx_neon_lookup_flight_t *f, neon_ip_t *subnet);
static void ngx_neon_lookup_lead_answered_handler(ngx_event_t *ev);
static void ngx_neon_lookup_lead_answered(ngx_neon_lookup_flight_t *f);
static void ngx_neon_lookup_lead_end(ngx_neon_lookup_flight_t *f);
static void ngx_neon_lookup_lead_measure(ngx_neon_lookup_flight_t *f);
static ngx_int_t ngx_neon_lookup_lead_again(ngx_neon_lookup_flight_t *f);
static ngx_int_t ngx_neon_lookup_lead_stale(ngx_neon_lookup_flight_t *f);
static ngx_msec_t ngx_neon_lookup_lead_ttl(ngx_neon_lookup_flight_t *f,
    ngx_uint_t *flags);
static void ngx_neon_lookup_lead_finish(ngx_neon_lookup_flight_t *f,
    neon_str_t value, ngx_uint_t flags, ngx_msec_t ttl);


/* of one endpoint, whoever asks: a compute that cannot be woken is not to be
   asked for without end */

static const ngx_neon_rate_t  ngx_neon_lookup_lead_wakes = {
    100000, 300000                            /* 100 a second, 300 at once */
};


void
ngx_neon_lookup_lead(ngx_neon_lookup_flight_t *f, ngx_msec_t pause)
{
    ngx_neon_zone_t  *zone;

    zone = ngx_neon_zone(f->conf);

    f->leader = 1;
    f->renew.handler = ngx_neon_lookup_lead_renew_handler;
    ngx_add_timer(&f->renew, NGX_NEON_FLIGHT_RENEW);

    if (zone->slot) {
        (void) ngx_atomic_fetch_add(&zone->slot->flights, 1);
    }

    if (pause) {
        ngx_neon_lookup_flight_after(f, ngx_neon_lookup_lead_ask_handler,
                                     pause);
        return;
    }

    ngx_neon_lookup_lead_ask(f);
}


/* without the lease we go on for our own */

static void
ngx_neon_lookup_lead_renew_handler(ngx_event_t *ev)
{
    ngx_neon_lookup_flight_t  *f;

    f = (ngx_neon_lookup_flight_t *)
            ((u_char *) ev - offsetof(ngx_neon_lookup_flight_t, renew));

    if (ngx_neon_flight_renew(ngx_neon_zone(f->conf), &f->ticket,
                              ngx_current_msec)
        == NGX_OK)
    {
        ngx_add_timer(ev, NGX_NEON_FLIGHT_RENEW);
    }
}


static void
ngx_neon_lookup_lead_ask_handler(ngx_event_t *ev)
{
    ngx_neon_lookup_lead_ask((ngx_neon_lookup_flight_t *)
            ((u_char *) ev - offsetof(ngx_neon_lookup_flight_t, event)));
}


static void
ngx_neon_lookup_lead_ask(ngx_neon_lookup_flight_t *f)
{
    ngx_neon_ctl_request_t  *call;

    if (ngx_neon_lookup_lead_limited(f)) {
        return;
    }

    call = &f->call;

    if (call->pool) {
        ngx_destroy_pool(call->pool);
    }

    f->asked = ngx_neon_usec();
    call->pool = ngx_create_pool(NGX_NEON_LOOKUP_LEAD_POOL, &f->log);

    if (call->pool == NULL) {
        ngx_neon_ctl_fail(call, NGX_NEON_REASON_INTERNAL, "no memory");

    } else {
        ngx_neon_lookup_trace_call(f);

        if (ngx_neon_ctl_start(call) == NGX_AGAIN) {
            return;
        }
    }

    /* nobody is called from inside of what he calls */

    ngx_neon_lookup_flight_after(f, ngx_neon_lookup_lead_answered_handler,
                                 0);
}


/* wake-ups of one endpoint wait for their turn */

static ngx_uint_t
ngx_neon_lookup_lead_limited(ngx_neon_lookup_flight_t *f)
{
    ngx_msec_t  delay;
    neon_str_t  endpoint;

    if (f->call.call == NGX_NEON_CTL_ACCESS) {
        return ngx_neon_lookup_lead_unknown(f);
    }

    endpoint = neon_endpoint_normal(neon_str(f->call.endpoint.data,
                                             f->call.endpoint.len));

    delay = ngx_neon_limit_take(ngx_neon_zone(f->conf), NGX_NEON_LIMIT_WAKE,
                                endpoint, &ngx_neon_lookup_lead_wakes);
    if (delay == 0) {
        return 0;
    }

    ngx_neon_lookup_flight_after(f, ngx_neon_lookup_lead_ask_handler, delay);

    return 1;
}


/*
 * Each name may be one that the control plane does not know, and a client
 * network has but so many of these: names wait while the answers of others are
 * open, and are refused when it has had them.  Another network may want the
 * same name: its clients have their turn, and other workers the lease.
 */

static ngx_uint_t
ngx_neon_lookup_lead_unknown(ngx_neon_lookup_flight_t *f)
{
    neon_ip_t                ip;
    ngx_int_t                rc;
    ngx_queue_t             *q;
    ngx_neon_ctl_request_t  *r;

    if (f->reserved) {
        return 0;
    }

    if (!ngx_queue_empty(&f->waiters)) {
        q = ngx_queue_head(&f->waiters);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&f->waiters, q);

        r = ngx_queue_data(q, ngx_neon_ctl_request_t, queue);
        f->call.client = r->client;
    }

    if (f->call.client.len == 0) {
        return 0;
    }

    ip = f->call.client;

    rc = ngx_neon_limit_reserve(ngx_neon_zone(f->conf),
                                NGX_NEON_LIMIT_UNKNOWN,
                                ngx_neon_limit_subnet(&ip),
                                &f->conf->limit_unknown);
    if (rc == NGX_OK) {
        f->reserved = 1;
        return 0;
    }

    ngx_neon_lookup_lead_stop(f);

    if (rc == NGX_AGAIN) {
        ngx_neon_lookup_flight_after(f, ngx_neon_lookup_follow_look_handler,
                                     NGX_NEON_LOOKUP_LEAD_TURN);

    } else {
        ngx_neon_lookup_flight_after(f, ngx_neon_lookup_lead_refuse_handler,
                                     0);
    }

    return 1;
}


static void
ngx_neon_lookup_lead_stop(ngx_neon_lookup_flight_t *f)
{
    ngx_neon_zone_t  *zone;

    zone = ngx_neon_zone(f->conf);

    ngx_neon_flight_abandon(zone, &f->ticket);

    f->ticket.id = 0;
    f->leader = 0;

    if (f->renew.timer_set) {
        ngx_del_timer(&f->renew);
    }

    if (zone->slot) {
        (void) ngx_atomic_fetch_add(&zone->slot->flights, -1);
    }
}


static void
ngx_neon_lookup_lead_refuse_handler(ngx_event_t *ev)
{
    neon_ip_t                  ip;
    ngx_neon_ctl_request_t    *r;
    ngx_neon_lookup_flight_t  *f;

    f = (ngx_neon_lookup_flight_t *)
            ((u_char *) ev - offsetof(ngx_neon_lookup_flight_t, event));

    ip = f->call.client;
    (void) ngx_neon_limit_subnet(&ip);

    f->delivering = 1;

    while ((r = ngx_neon_lookup_lead_neighbour(f, &ip)) != NULL) {

        ngx_neon_lookup_flight_release(r);

        ngx_neon_ctl_fail(r, NGX_NEON_REASON_RATE_LIMIT,
                          "limit_unknown: too many unknown endpoints or roles"
                          " from this client's network");
        ngx_str_set(&r->message, "Too many failed attempts from this network."
                                 " Please try again later.");
        r->cached = ngx_neon_lookup_flight_cached(f);

        r->handler(r);
    }

    f->delivering = 0;

    if (ngx_queue_empty(&f->waiters)) {
        ngx_neon_lookup_flight_destroy(f);
        return;
    }

    ngx_neon_lookup_flight_after(f, ngx_neon_lookup_follow_look_handler, 0);
}


/* one who waits, of that client network; or NULL */

static ngx_neon_ctl_request_t *
ngx_neon_lookup_lead_neighbour(ngx_neon_lookup_flight_t *f, neon_ip_t *subnet)
{
    neon_ip_t                ip;
    ngx_queue_t             *q;
    ngx_neon_ctl_request_t  *r;

    for (q = ngx_queue_head(&f->waiters);
         q != ngx_queue_sentinel(&f->waiters);
         q = ngx_queue_next(q))
    {
        r = ngx_queue_data(q, ngx_neon_ctl_request_t, queue);

        if (r->client.len != subnet->len) {
            continue;
        }

        ip = r->client;
        (void) ngx_neon_limit_subnet(&ip);

        if (ngx_memcmp(ip.addr, subnet->addr, ip.len) == 0) {
            return r;
        }
    }

    return NULL;
}


void
ngx_neon_lookup_lead_settle(ngx_neon_lookup_flight_t *f, ngx_uint_t take)
{
    neon_ip_t  ip;

    if (!f->reserved) {
        return;
    }

    f->reserved = 0;
    ip = f->call.client;

    ngx_neon_limit_settle(ngx_neon_zone(f->conf), NGX_NEON_LIMIT_UNKNOWN,
                          ngx_neon_limit_subnet(&ip), &f->conf->limit_unknown,
                          take);
}


void
ngx_neon_lookup_lead_answer_handler(ngx_neon_ctl_request_t *r)
{
    ngx_neon_lookup_lead_answered(r->data);
}


static void
ngx_neon_lookup_lead_answered_handler(ngx_event_t *ev)
{
    ngx_neon_lookup_lead_answered((ngx_neon_lookup_flight_t *)
            ((u_char *) ev - offsetof(ngx_neon_lookup_flight_t, event)));
}


static void
ngx_neon_lookup_lead_answered(ngx_neon_lookup_flight_t *f)
{
    ngx_neon_ctl_request_t  *call;

    call = &f->call;

    ngx_neon_lookup_lead_measure(f);
    ngx_neon_lookup_trace_answer(f);

    /* was the name unknown?  of ACCESS only, which alone keeps something */

    ngx_neon_lookup_lead_settle(f, call->rc == NGX_OK && call->access
                                   && !call->access->found);

    if (call->rc != NGX_OK
        && (ngx_neon_lookup_lead_stale(f) == NGX_OK
            || ngx_neon_lookup_lead_again(f) == NGX_OK))
    {
        return;
    }

    ngx_neon_lookup_lead_end(f);
}


static void
ngx_neon_lookup_lead_end(ngx_neon_lookup_flight_t *f)
{
    neon_wr_t                w;
    ngx_msec_t               ttl;
    ngx_uint_t               flags;
    ngx_neon_ctl_request_t  *call;

    call = &f->call;

    neon_wr_init(&w, ngx_neon_lookup_value, NGX_NEON_LRU_VALUE_MAX);
    ngx_neon_ctl_pack(&w, call);

    ttl = ngx_neon_lookup_lead_ttl(f, &flags);

    if (w.error) {
        ngx_log_error(NGX_LOG_ERR, &f->log, 0,
                      "the control plane's answer is too large");

        ngx_neon_ctl_fail(call, NGX_NEON_REASON_CONTROL_PLANE,
                          "answer too large");
        neon_wr_init(&w, ngx_neon_lookup_value, NGX_NEON_LRU_VALUE_MAX);
        ngx_neon_ctl_pack(&w, call);
        ttl = 0;
    }

    f->cached = ngx_neon_lookup_flight_cached(f);

    ngx_neon_lookup_lead_finish(f, neon_str(w.start, neon_wr_len(&w)),
                                flags, ttl);
}


static void
ngx_neon_lookup_lead_measure(ngx_neon_lookup_flight_t *f)
{
    ngx_neon_zone_t         *zone;
    ngx_neon_ctl_request_t  *call;
    ngx_neon_call_result_e   result;

    call = &f->call;
    zone = ngx_neon_zone(f->conf);

    result = call->rc == NGX_OK ? NGX_NEON_CALL_OK
             : call->refused ? NGX_NEON_CALL_REFUSED : NGX_NEON_CALL_FAILED;

    ngx_neon_histogram_observe(
                         &zone->sh->metrics->calls[f->ticket.cache][result],
                         ngx_neon_usec() - f->asked);
}


/* NGX_OK: a pause before the next call was set */

static ngx_int_t
ngx_neon_lookup_lead_again(ngx_neon_lookup_flight_t *f)
{
    ngx_msec_t               delay;
    ngx_neon_zone_t         *zone;
    const ngx_neon_retry_t  *retry;
    ngx_neon_ctl_request_t  *call;

    call = &f->call;
    retry = &f->conf->wake_retry;

    if (!call->retryable || f->attempts + 1 >= retry->attempts) {
        return NGX_DECLINED;
    }

    delay = call->retry_delay ? call->retry_delay
                              : ngx_neon_retry_delay(retry, f->attempts);

    if ((ngx_msec_int_t) (f->deadline - ngx_current_msec - delay) <= 0) {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_INFO, &f->log, 0,
                  "control plane: %V, next try in %M ms",
                  &call->detail, delay);

    f->attempts++;

    zone = ngx_neon_zone(f->conf);
    (void) ngx_atomic_fetch_add(&zone->sh->metrics->retries[0], 1);

    ngx_neon_lookup_flight_after(f, ngx_neon_lookup_lead_ask_handler,
                                 delay);

    return NGX_OK;
}


/*
 * The control plane is down: what it said before is good for a while more.
 * Nobody waits for another try then.
 */

static ngx_int_t
ngx_neon_lookup_lead_stale(ngx_neon_lookup_flight_t *f)
{
    ngx_neon_zone_t        *zone;
    ngx_neon_lru_value_t    value;
    ngx_neon_lru_policy_t   policy;

    policy = ngx_neon_lookup_policy(f->conf, f->ticket.cache);

    if (!f->call.transport || policy.stale == 0) {
        return NGX_DECLINED;
    }

    zone = ngx_neon_zone(f->conf);
    value.data = ngx_neon_lookup_value;

    if (ngx_neon_lru_get_stale(zone, &zone->sh->cache[f->ticket.cache],
                               &f->ticket.key, ngx_current_msec, &policy,
                               &value)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_WARN, &f->log, 0,
                  "control plane: %V, its last answer is used once more",
                  &f->call.detail);

    f->cached = NGX_NEON_CACHED_STALE;
    f->generation = value.generation;

    ngx_neon_lookup_lead_finish(f, neon_str(value.data, value.len), 0, 0);

    return NGX_OK;
}


/* for how long the answer may be kept; 0: not at all */

static ngx_msec_t
ngx_neon_lookup_lead_ttl(ngx_neon_lookup_flight_t *f, ngx_uint_t *flags)
{
    ngx_msec_t               negative;
    ngx_neon_ctl_request_t  *call;

    *flags = 0;

    call = &f->call;
    negative = f->conf->secret_cache.negative;

    if (call->rc == NGX_OK) {

        if (call->call == NGX_NEON_CTL_WAKE) {
            *flags = NGX_NEON_LRU_IDLE;
            return f->conf->node_cache.ttl;
        }

        if (call->access->found) {
            return f->conf->secret_cache.ttl;
        }

        *flags = NGX_NEON_LRU_NEGATIVE;
        return negative;
    }

    *flags = NGX_NEON_LRU_ERROR;

    if (!call->refused) {
        return 0;
    }

    if (call->retryable) {
        return call->retry_delay;
    }

    *flags |= NGX_NEON_LRU_NEGATIVE;
    return negative;
}


static void
ngx_neon_lookup_lead_finish(ngx_neon_lookup_flight_t *f, neon_str_t value,
    ngx_uint_t flags, ngx_msec_t ttl)
{
    uint64_t                generation;
    ngx_neon_zone_t        *zone;
    ngx_neon_lru_policy_t   policy;

    zone = ngx_neon_zone(f->conf);
    policy = ngx_neon_lookup_policy(f->conf, f->ticket.cache);

    ngx_neon_flight_finish(zone, &f->ticket, value, flags, ttl,
                           ngx_current_msec, &policy, &generation);

    if (generation) {
        f->generation = generation;
    }

    if (zone->slot) {
        (void) ngx_atomic_fetch_add(&zone->slot->flights, -1);
    }

    f->leader = 0;

    ngx_neon_lookup_flight_deliver(f, value);
}
