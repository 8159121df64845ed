/*
 * Those who follow another worker's flight: they look from time to time, and
 * take it over when its leader is lost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_lookup_flight.h"


/* how often, in ms: the first times, and later */
#define NGX_NEON_LOOKUP_FOLLOW_SOON   10
#define NGX_NEON_LOOKUP_FOLLOW_TIMES  10
#define NGX_NEON_LOOKUP_FOLLOW_LATER  50


static ngx_int_t ngx_neon_lookup_follow_enter(ngx_neon_lookup_flight_t *f,
    ngx_neon_lru_value_t *value);


void
ngx_neon_lookup_follow(ngx_neon_lookup_flight_t *f)
{
    ngx_neon_lookup_flight_after(f, ngx_neon_lookup_follow_look_handler,
                                 f->looks++ < NGX_NEON_LOOKUP_FOLLOW_TIMES
                                 ? NGX_NEON_LOOKUP_FOLLOW_SOON
                                 : NGX_NEON_LOOKUP_FOLLOW_LATER);
}


void
ngx_neon_lookup_follow_look_handler(ngx_event_t *ev)
{
    ngx_int_t                  rc;
    ngx_neon_zone_t           *zone;
    ngx_neon_lru_value_t       value;
    ngx_neon_lookup_flight_t  *f;

    f = (ngx_neon_lookup_flight_t *)
            ((u_char *) ev - offsetof(ngx_neon_lookup_flight_t, event));

    zone = ngx_neon_zone(f->conf);
    value.data = ngx_neon_lookup_value;

    f->cached = ngx_neon_lookup_flight_cached(f);

    rc = ngx_neon_flight_poll(zone, &f->ticket, ngx_current_msec, &value);

    if (rc == NGX_DECLINED) {
        rc = ngx_neon_lookup_follow_enter(f, &value);
    }

    if (rc == NGX_OK) {
        f->generation = value.generation;
        ngx_neon_lookup_flight_deliver(f, neon_str(value.data, value.len));

    } else if (rc == NGX_AGAIN) {
        ngx_neon_lookup_follow(f);
    }
}


/*
 * The flight that we followed is over.  NGX_OK: *value, from the cache;
 * NGX_AGAIN: another one has begun; NGX_DONE: we lead now.
 */

static ngx_int_t
ngx_neon_lookup_follow_enter(ngx_neon_lookup_flight_t *f,
    ngx_neon_lru_value_t *value)
{
    ngx_uint_t             followed;
    ngx_neon_lru_policy_t  policy;

    followed = (f->ticket.id != 0);
    policy = ngx_neon_lookup_policy(f->conf, f->ticket.cache);

    switch (ngx_neon_flight_enter(ngx_neon_zone(f->conf), &f->ticket,
                                  ngx_current_msec, &policy, 0, value))
    {
    case NGX_NEON_FLIGHT_HIT:
        return NGX_OK;

    case NGX_NEON_FLIGHT_LEAD:

        if (followed) {
            ngx_log_error(NGX_LOG_INFO, &f->log, 0,
                          "took the question over from another worker");
        }

        ngx_neon_lookup_lead(f, 0);
        return NGX_DONE;

    default: /* NGX_NEON_FLIGHT_JOIN */
        return NGX_AGAIN;
    }
}
