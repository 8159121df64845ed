/*
 * Counters and histograms in the zone: of a fixed layout, updated by atomic
 * additions without a lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_METRICS_H
#define NGX_NEON_METRICS_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_lru.h"
#include "ngx_neon_reason.h"
#include "ngx_neon_state.h"


typedef enum {
    NGX_NEON_FRONT_TCP = 0,
    NGX_NEON_FRONT_WS,
    NGX_NEON_FRONT_HTTP,

    NGX_NEON_FRONTS
} ngx_neon_front_e;


typedef enum {
    NGX_NEON_CACHE_NODE = 0,
    NGX_NEON_CACHE_SECRET,

    NGX_NEON_CACHES
} ngx_neon_cache_e;


typedef enum {
    NGX_NEON_OUTCOME_OK = 0,
    NGX_NEON_OUTCOME_CANCEL,                  /* it was a CancelRequest */
    NGX_NEON_OUTCOME_CLIENT,                  /* whose fault it was */
    NGX_NEON_OUTCOME_CONTROL_PLANE,
    NGX_NEON_OUTCOME_COMPUTE,
    NGX_NEON_OUTCOME_PROXY,

    NGX_NEON_OUTCOMES
} ngx_neon_outcome_e;


typedef enum {
    NGX_NEON_FLIGHT_LED = 0,
    NGX_NEON_FLIGHT_JOINED,
    NGX_NEON_FLIGHT_TOOK_OVER,

    NGX_NEON_FLIGHT_ROLES
} ngx_neon_flight_role_e;


typedef enum {
    NGX_NEON_CALL_OK = 0,
    NGX_NEON_CALL_REFUSED,                    /* it said no */
    NGX_NEON_CALL_FAILED,                     /* no answer, 5xx, garbage */

    NGX_NEON_CALL_RESULTS
} ngx_neon_call_result_e;


typedef enum {
    NGX_NEON_CANCELED_FORWARDED = 0,
    NGX_NEON_CANCELED_ORPHAN,                 /* its client was gone */
    NGX_NEON_CANCELED_NOT_FOUND,
    NGX_NEON_CANCELED_DENIED,                 /* address not allowed */
    NGX_NEON_CANCELED_LIMITED,
    NGX_NEON_CANCELED_FAILED,                 /* the compute not reached */

    NGX_NEON_CANCELED_RESULTS
} ngx_neon_canceled_e;


typedef enum {
    NGX_NEON_SPANS_EXPORTED = 0,
    NGX_NEON_SPANS_REJECTED,                  /* the collector took the rest */
    NGX_NEON_SPANS_DROPPED,                   /* the queue was full */
    NGX_NEON_SPANS_FAILED,                    /* the collector was not reached,
                                                 or took none */
    NGX_NEON_SPANS_RESULTS
} ngx_neon_spans_e;


/* upper bounds in us: ngx_neon_histogram_bounds[]; one more bucket: +Inf */

#define NGX_NEON_HISTOGRAM_BUCKETS  14

extern const uint32_t
    ngx_neon_histogram_bounds[NGX_NEON_HISTOGRAM_BUCKETS];

typedef struct {
    ngx_atomic_t            bucket[NGX_NEON_HISTOGRAM_BUCKETS + 1];
    ngx_atomic_t            sum;              /* us */
} ngx_neon_histogram_t;


/* [HANDSHAKE ... LOGIN] */
#define NGX_NEON_METRICS_STEPS  NGX_NEON_STATE_RELAY


typedef struct {
    ngx_atomic_t            sessions[NGX_NEON_FRONTS][NGX_NEON_OUTCOMES];

    /* [...][0]: warm, [...][1]: cold, the control plane was asked to wake */
    ngx_neon_histogram_t    steps[NGX_NEON_FRONTS][NGX_NEON_METRICS_STEPS][2];

    ngx_atomic_t            flights[NGX_NEON_CACHES][NGX_NEON_FLIGHT_ROLES];
    ngx_neon_histogram_t    calls[NGX_NEON_CACHES][NGX_NEON_CALL_RESULTS];

    ngx_atomic_t            connect_failures[2];  /* cached, fresh node */
    ngx_atomic_t            retries[2];           /* wake, connect */
    ngx_atomic_t            cancels[NGX_NEON_CANCELED_RESULTS];
    ngx_atomic_t            errors[NGX_NEON_REASONS];
    ngx_atomic_t            spans[NGX_NEON_SPANS_RESULTS];
    ngx_atomic_t            bytes[NGX_NEON_FRONTS][2];  /* to compute, to
                                                           client */
} ngx_neon_metrics_t;


void ngx_neon_histogram_observe(ngx_neon_histogram_t *h, uint64_t us);


#endif /* NGX_NEON_METRICS_H */
