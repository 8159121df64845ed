/*
 * What a session adds to the metrics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_session.h"

#include "ngx_neon_zone.h"


static ngx_neon_outcome_e ngx_neon_count_outcome(ngx_neon_session_t *s);
static ngx_uint_t ngx_neon_count_refused(ngx_neon_session_t *s);
static void ngx_neon_count_pipe(ngx_atomic_t *bytes, ngx_neon_pipe_t *p);


ngx_neon_metrics_t *
ngx_neon_count_metrics(ngx_neon_session_t *s)
{
    return ngx_neon_zone(s->conf)->sh->metrics;
}


void
ngx_neon_count_start(ngx_neon_session_t *s)
{
    ngx_neon_zone_t  *zone;

    zone = ngx_neon_zone(s->conf);

    if (zone->slot) {
        s->gauge = &zone->slot->sessions[s->front->index];
        (void) ngx_atomic_fetch_add(s->gauge, 1);
    }
}


/* once: when it is logged in, or when it will never be */

void
ngx_neon_count_login(ngx_neon_session_t *s)
{
    ngx_uint_t           i;
    ngx_neon_metrics_t  *m;

    if (s->measured) {
        return;
    }

    s->measured = 1;
    m = ngx_neon_count_metrics(s);

    for (i = 0; i < NGX_NEON_METRICS_STEPS; i++) {
        if (s->spent[i]) {
            ngx_neon_histogram_observe(&m->steps[s->front->index][i][s->cold],
                                       s->spent[i]);
        }
    }
}


void
ngx_neon_count_bytes(ngx_neon_session_t *s)
{
    ngx_neon_metrics_t  *m;

    m = ngx_neon_count_metrics(s);

    ngx_neon_count_pipe(&m->bytes[s->front->index][0], &s->up);
    ngx_neon_count_pipe(&m->bytes[s->front->index][1], &s->down);
}


static void
ngx_neon_count_pipe(ngx_atomic_t *bytes, ngx_neon_pipe_t *p)
{
    if (p->bytes != p->counted) {
        (void) ngx_atomic_fetch_add(bytes, p->bytes - p->counted);
        p->counted = p->bytes;
    }
}


void
ngx_neon_count_end(ngx_neon_session_t *s)
{
    ngx_neon_metrics_t  *m;

    m = ngx_neon_count_metrics(s);

    ngx_neon_count_login(s);
    ngx_neon_count_bytes(s);

    (void) ngx_atomic_fetch_add(
               &m->sessions[s->front->index][ngx_neon_count_outcome(s)], 1);

    if (s->reason != NGX_NEON_REASON_NONE
        && s->reason != NGX_NEON_REASON_CANCEL)
    {
        (void) ngx_atomic_fetch_add(&m->errors[s->reason], 1);
    }

    if (s->gauge) {
        (void) ngx_atomic_fetch_add(s->gauge, -1);
        s->gauge = NULL;
    }
}


static ngx_neon_outcome_e
ngx_neon_count_outcome(ngx_neon_session_t *s)
{
    if (s->reason == NGX_NEON_REASON_CANCEL) {
        return NGX_NEON_OUTCOME_CANCEL;
    }

    if (ngx_neon_count_refused(s)) {
        return NGX_NEON_OUTCOME_CLIENT;
    }

    switch (ngx_neon_reason(s->reason)->fault) {

    case NGX_NEON_FAULT_CLIENT:
        return NGX_NEON_OUTCOME_CLIENT;

    case NGX_NEON_FAULT_CONTROL:
        return NGX_NEON_OUTCOME_CONTROL_PLANE;

    case NGX_NEON_FAULT_COMPUTE:
        return NGX_NEON_OUTCOME_COMPUTE;

    case NGX_NEON_FAULT_PROXY:
        return NGX_NEON_OUTCOME_PROXY;

    default:
        return NGX_NEON_OUTCOME_OK;
    }
}


ngx_uint_t
ngx_neon_count_status(ngx_neon_session_t *s)
{
    if (ngx_neon_count_refused(s)) {
        return ngx_strncmp(s->sqlstate, "28P01", 5) == 0 ? 401 : 403;
    }

    return ngx_neon_reason(s->reason)->status;
}


/*
 * The compute works, and says no to what the client wants: a wrong password or
 * another role (class 28), a database that is not there (3D) or not for that
 * role (42), a parameter that is none (22, 42).
 */

static ngx_uint_t
ngx_neon_count_refused(ngx_neon_session_t *s)
{
    return s->reason == NGX_NEON_REASON_COMPUTE_ERROR
           && (ngx_strncmp(s->sqlstate, "28", 2) == 0
               || ngx_strncmp(s->sqlstate, "3D", 2) == 0
               || ngx_strncmp(s->sqlstate, "42", 2) == 0
               || ngx_strncmp(s->sqlstate, "22", 2) == 0);
}
