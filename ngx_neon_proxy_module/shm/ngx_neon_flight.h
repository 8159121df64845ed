/*
 * Flights: one question to the control plane at a time for each key, whatever
 * the number of workers that want the answer.
 *
 * The first one takes a lease and asks; it renews the lease as long as it
 * works on it.  Others join, and look from time to time (_poll()) until the
 * result is there or the lease is void: by its deadline, or because the
 * leader's process is gone.  Then the next one to look takes over.
 *
 * Cache and flight are looked at under one lock: nobody finds the cache still
 * empty and the flight already over, which would be a second call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_FLIGHT_H
#define NGX_NEON_FLIGHT_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_lru.h"
#include "ngx_neon_metrics.h"
#include "ngx_neon_slot.h"


#define NGX_NEON_FLIGHT_LEASE   3000          /* ms */
#define NGX_NEON_FLIGHT_RENEW   1000
#define NGX_NEON_FLIGHT_LINGER  2000          /* a result waits for those who
                                                 joined */


typedef enum {
    NGX_NEON_FLIGHT_HIT = 0,                  /* *value: from the cache */
    NGX_NEON_FLIGHT_LEAD,                     /* ours: ask, then _finish() */
    NGX_NEON_FLIGHT_JOIN                      /* another's: _poll() */
} ngx_neon_flight_e;


/* one process's part in a flight; id 0: none (the zone has no room) */

typedef struct {
    ngx_neon_cache_e        cache;
    ngx_neon_key_t          key;
    uint64_t                id;
    ngx_neon_lru_e          looked;           /* what the cache said */
} ngx_neon_ticket_t;


/*
 * Looks into the cache; where it has nothing, takes or joins the flight of
 * the key.  ticket->cache and ->key are the caller's.  retry: an error that
 * the cache keeps does not count as a hit, since it is time to ask again.
 */
ngx_neon_flight_e ngx_neon_flight_enter(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, ngx_uint_t retry,
    ngx_neon_lru_value_t *value);

/* leader: NGX_DECLINED: the lease is lost, somebody else asks */
ngx_int_t ngx_neon_flight_renew(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket, ngx_msec_t now);

/*
 * Leader: it is over.  The result goes into the cache for `ttl` (0: does not)
 * and to those who joined.  A leader that lost its lease changes nothing: the
 * one that took over knows better.  *generation: of the cache entry, or 0.
 */
void ngx_neon_flight_finish(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket,
    neon_str_t value, ngx_uint_t flags, ngx_msec_t ttl, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, uint64_t *generation);

/* leader: gives up without a result; the next one to look takes over */
void ngx_neon_flight_abandon(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket);

/*
 * Who joined: NGX_OK: *value is the result, and we have left the flight;
 * NGX_AGAIN: not yet; NGX_DECLINED: the flight is over or has no leader, and
 * we have left it: _enter() again.
 */
ngx_int_t ngx_neon_flight_poll(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket, ngx_msec_t now, ngx_neon_lru_value_t *value);

/* who joined does not want to know any more */
void ngx_neon_flight_leave(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket);

/* under the lock: what dead processes and past results left */
void ngx_neon_flight_sweep_locked(ngx_neon_zone_t *zone, ngx_msec_t now);


#endif /* NGX_NEON_FLIGHT_H */
