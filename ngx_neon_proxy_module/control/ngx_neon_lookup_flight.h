/*
 * A worker's part in a flight: it leads and asks the control plane, or follows
 * another worker and looks from time to time; and the requests that wait.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LOOKUP_FLIGHT_H
#define NGX_NEON_LOOKUP_FLIGHT_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_neon_ctl.h"
#include "ngx_neon_flight.h"
#include "ngx_neon_zone.h"


typedef struct ngx_neon_lookup_flight_s  ngx_neon_lookup_flight_t;

struct ngx_neon_lookup_flight_s {
    ngx_queue_t               queue;          /* of the worker's flights */
    ngx_queue_t               waiters;        /* ngx_neon_ctl_request_t */

    ngx_neon_conf_t          *conf;
    ngx_neon_ticket_t         ticket;
    ngx_pool_t               *pool;
    ngx_log_t                 log;

    ngx_neon_ctl_request_t    call;           /* with copies of what it asks */
    neon_pg_options_t         options;
    uint64_t                  asked;          /* us */

    ngx_neon_ctl_request_t   *tracer;         /* who waits, and has the calls
                                                 in its trace; or NULL */
    u_char                    span[NEON_SPAN_ID_LEN];
    unsigned                  calling:1;      /* the span of a call is open */

    ngx_event_t               event;          /* pause, next look, answers */
    ngx_event_t               renew;          /* of the lease */
    ngx_msec_t                deadline;       /* for asking again */
    ngx_uint_t                attempts;       /* calls that failed */
    ngx_uint_t                looks;          /* of a follower */

    neon_str_t                result;
    ngx_neon_cached_e         cached;
    uint64_t                  generation;
    unsigned                  leader:1;
    unsigned                  reserved:1;     /* of limit_unknown */
    unsigned                  delivering:1;   /* waiters get their answers */
};


/* where values of the zone pass through: unpacked or copied at once */
extern u_char  ngx_neon_lookup_value[NGX_NEON_LRU_VALUE_MAX];


/* NGX_OK: the worker has a flight of that key already, and r waits in it */
ngx_int_t ngx_neon_lookup_flight_join(ngx_neon_ctl_request_t *r,
    const ngx_neon_ticket_t *ticket);

/*
 * Both: NGX_AGAIN, or NGX_OK: no memory, and r has failed.  retry: the first
 * call was answered with "in `pause` ms", by the cache.
 */
ngx_int_t ngx_neon_lookup_flight_lead(ngx_neon_ctl_request_t *r,
    const ngx_neon_ticket_t *ticket, ngx_uint_t retry, ngx_msec_t pause);
ngx_int_t ngx_neon_lookup_flight_follow(ngx_neon_ctl_request_t *r,
    const ngx_neon_ticket_t *ticket);

/* r does not wait any more; a leader goes on for the others */
void ngx_neon_lookup_flight_leave(ngx_neon_ctl_request_t *r);

/* of all flights: the leases are the slot's */
void ngx_neon_lookup_flight_exit(void);

ngx_neon_lru_policy_t ngx_neon_lookup_policy(ngx_neon_conf_t *conf,
    ngx_neon_cache_e cache);


/* --- between the two kinds and what they share --------------------------- */

/* what the cache said to the first one who asked */
ngx_neon_cached_e ngx_neon_lookup_flight_cached(ngx_neon_lookup_flight_t *f);

/* r does not wait any more; f stays */
void ngx_neon_lookup_flight_release(ngx_neon_ctl_request_t *r);

void ngx_neon_lookup_flight_destroy(ngx_neon_lookup_flight_t *f);

/* sets f->event */
void ngx_neon_lookup_flight_after(ngx_neon_lookup_flight_t *f,
    ngx_event_handler_pt handler, ngx_msec_t msec);

/* to all who wait, and f is gone: newcomers find the cache, or begin anew */
void ngx_neon_lookup_flight_deliver(ngx_neon_lookup_flight_t *f,
    neon_str_t value);

/* asks, after a pause */
void ngx_neon_lookup_lead(ngx_neon_lookup_flight_t *f, ngx_msec_t pause);
void ngx_neon_lookup_lead_answer_handler(ngx_neon_ctl_request_t *r);

/* what is kept of limit_unknown is taken, or (take 0) given back */
void ngx_neon_lookup_lead_settle(ngx_neon_lookup_flight_t *f, ngx_uint_t take);

/* a call begins, and is over; or r leaves, in whose trace it is */
void ngx_neon_lookup_trace_call(ngx_neon_lookup_flight_t *f);
void ngx_neon_lookup_trace_answer(ngx_neon_lookup_flight_t *f);
void ngx_neon_lookup_trace_leave(ngx_neon_lookup_flight_t *f);

/* looks, after a while */
void ngx_neon_lookup_follow(ngx_neon_lookup_flight_t *f);
void ngx_neon_lookup_follow_look_handler(ngx_event_t *ev);


#endif /* NGX_NEON_LOOKUP_FLIGHT_H */
