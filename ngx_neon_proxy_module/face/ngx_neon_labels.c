/*
 * Names of what the zone counts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_labels.h"


const ngx_neon_label_t  ngx_neon_label_fronts[NGX_NEON_FRONTS] = {
    [NGX_NEON_FRONT_TCP] = { "tcp", "TCP" },
    [NGX_NEON_FRONT_WS] = { "ws", "WebSocket" },
    [NGX_NEON_FRONT_HTTP] = { "http", "HTTP" }
};


const ngx_neon_label_t  ngx_neon_label_outcomes[NGX_NEON_OUTCOMES] = {
    [NGX_NEON_OUTCOME_OK] = { "ok", "Ended well" },
    [NGX_NEON_OUTCOME_CANCEL] = { "cancel", "Cancel requests" },
    [NGX_NEON_OUTCOME_CLIENT] = { "client", "Failed: client" },
    [NGX_NEON_OUTCOME_CONTROL_PLANE] =
        { "control_plane", "Failed: control plane" },
    [NGX_NEON_OUTCOME_COMPUTE] = { "compute", "Failed: compute" },
    [NGX_NEON_OUTCOME_PROXY] = { "proxy", "Failed: proxy" }
};


const ngx_neon_label_t  ngx_neon_label_directions[2] = {
    { "to_compute", "Bytes to computes" },
    { "to_client", "Bytes to clients" }
};


const ngx_neon_label_t  ngx_neon_label_caches[NGX_NEON_CACHES] = {
    [NGX_NEON_CACHE_NODE] = { "node", "Nodes" },
    [NGX_NEON_CACHE_SECRET] = { "secret", "Secrets" }
};


const ngx_neon_label_t  ngx_neon_label_roles[NGX_NEON_FLIGHT_ROLES] = {
    [NGX_NEON_FLIGHT_LED] = { "led", "Led" },
    [NGX_NEON_FLIGHT_JOINED] = { "joined", "Joined" },
    [NGX_NEON_FLIGHT_TOOK_OVER] = { "took_over", "Took over" }
};


/* the call that fills the cache */

const ngx_neon_label_t  ngx_neon_label_calls[NGX_NEON_CACHES] = {
    [NGX_NEON_CACHE_NODE] = { "wake", "Wake" },
    [NGX_NEON_CACHE_SECRET] = { "access", "Access" }
};


const ngx_neon_label_t  ngx_neon_label_results[NGX_NEON_CALL_RESULTS] = {
    [NGX_NEON_CALL_OK] = { "ok", "answered" },
    [NGX_NEON_CALL_REFUSED] = { "refused", "refused" },
    [NGX_NEON_CALL_FAILED] = { "failed", "failed" }
};


const ngx_neon_label_t  ngx_neon_label_nodes[2] = {
    { "cached", "Failed connects, address from the cache" },
    { "fresh", "Failed connects, fresh address" }
};


const ngx_neon_label_t  ngx_neon_label_retries[2] = {
    { "wake", "Further calls of the control plane" },
    { "connect", "Further connects to computes" }
};


const ngx_neon_label_t  ngx_neon_label_cancels[NGX_NEON_CANCELED_RESULTS] = {
    [NGX_NEON_CANCELED_FORWARDED] = { "forwarded", "Forwarded" },
    [NGX_NEON_CANCELED_ORPHAN] = { "orphan", "The client was gone" },
    [NGX_NEON_CANCELED_NOT_FOUND] = { "not_found", "No such key" },
    [NGX_NEON_CANCELED_DENIED] = { "denied", "Address not allowed" },
    [NGX_NEON_CANCELED_LIMITED] = { "limited", "Too many" },
    [NGX_NEON_CANCELED_FAILED] = { "failed", "Compute not reached" }
};


const ngx_neon_label_t  ngx_neon_label_spans[NGX_NEON_SPANS_RESULTS] = {
    [NGX_NEON_SPANS_EXPORTED] = { "exported", "Spans exported" },
    [NGX_NEON_SPANS_REJECTED] = { "rejected", "Spans rejected" },
    [NGX_NEON_SPANS_DROPPED] = { "dropped", "Spans dropped" },
    [NGX_NEON_SPANS_FAILED] = { "failed", "Spans not delivered" }
};


const ngx_neon_label_t  ngx_neon_label_computes[NGX_NEON_COMPUTE_STATES] = {
    [NGX_NEON_COMPUTE_KNOWN] = { "known", "known" },
    [NGX_NEON_COMPUTE_REFUSED] = { "refused", "refused" },
    [NGX_NEON_COMPUTE_EXPIRED] = { "expired", "expired" }
};


const ngx_neon_label_t  ngx_neon_label_workers[2] = {
    { "active", "active" },
    { "draining", "draining" }
};
