/*
 * Process slots: who is alive and uses the zone.  Leases and cancel keys name
 * the slot of their owner and its id; both are void once the slot has another
 * id, so that a process that was killed leaves nothing behind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_SLOT_H
#define NGX_NEON_SLOT_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_metrics.h"


typedef struct ngx_neon_slot_s  ngx_neon_slot_t;

/* in the zone, never freed, so that a pointer to one is always good */

struct ngx_neon_slot_s {
    ngx_neon_slot_t        *next;
    uint64_t                id;               /* of this use; 0: free */
    ngx_pid_t               pid;
    uint64_t                started;          /* what the system says when the
                                                 process started; 0: unknown */
    time_t                  since;

    /* gauges of the process, summed over all slots */
    ngx_atomic_t            sessions[NGX_NEON_FRONTS];
    ngx_atomic_t            flights;          /* calls that it leads */
    ngx_atomic_t            waiting;          /* sessions that wait for one */
    ngx_atomic_t            draining;         /* 1: it quits */
};


/*
 * init_process: reaps, then takes a slot for this process: zone->slot, which
 * stays NULL where there is no memory for one.
 */
void ngx_neon_slot_claim(ngx_neon_zone_t *zone, ngx_log_t *log);

/*
 * Frees the slots of dead processes with all that they left.  A draining one
 * that was killed has no successor that would do it at its start.
 */
void ngx_neon_slot_reap(ngx_neon_zone_t *zone, ngx_log_t *log);

/* exit_process: our leases are free for others to take at once */
void ngx_neon_slot_release(ngx_neon_zone_t *zone);

/* is what names this slot and id still somebody's? */
#define ngx_neon_slot_alive(slot, slot_id)                                    \
    ((slot) != NULL && (slot)->id == (slot_id))


#endif /* NGX_NEON_SLOT_H */
