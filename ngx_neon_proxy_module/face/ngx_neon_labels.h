/*
 * Names of what the zone counts: labels of metrics, names in JSON, and words
 * for people.  Those of states and reasons stand in their own tables.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LABELS_H
#define NGX_NEON_LABELS_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_metrics.h"


typedef struct {
    const char             *name;             /* metrics, JSON */
    const char             *text;             /* people */
} ngx_neon_label_t;


/* what an entry of the node cache holds */

typedef enum {
    NGX_NEON_COMPUTE_KNOWN = 0,
    NGX_NEON_COMPUTE_REFUSED,
    NGX_NEON_COMPUTE_EXPIRED,                 /* kept for when the control
                                                 plane is down */
    NGX_NEON_COMPUTE_STATES
} ngx_neon_compute_state_e;


extern const ngx_neon_label_t
    ngx_neon_label_fronts[NGX_NEON_FRONTS],
    ngx_neon_label_outcomes[NGX_NEON_OUTCOMES],
    ngx_neon_label_directions[2],
    ngx_neon_label_caches[NGX_NEON_CACHES],
    ngx_neon_label_roles[NGX_NEON_FLIGHT_ROLES],
    ngx_neon_label_calls[NGX_NEON_CACHES],
    ngx_neon_label_results[NGX_NEON_CALL_RESULTS],
    ngx_neon_label_nodes[2],
    ngx_neon_label_retries[2],
    ngx_neon_label_cancels[NGX_NEON_CANCELED_RESULTS],
    ngx_neon_label_spans[NGX_NEON_SPANS_RESULTS],
    ngx_neon_label_computes[NGX_NEON_COMPUTE_STATES],
    ngx_neon_label_workers[2];


#endif /* NGX_NEON_LABELS_H */
