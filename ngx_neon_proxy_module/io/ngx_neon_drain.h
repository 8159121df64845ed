/*
 * How a worker learns that it quits: nginx tells idle connections, and this is
 * one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_DRAIN_H
#define NGX_NEON_DRAIN_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef void (*ngx_neon_drain_handler_pt)(void);


/* init_process; the handler is called once, from the event loop */
void ngx_neon_drain_init(ngx_cycle_t *cycle,
    ngx_neon_drain_handler_pt handler);

/* exit_process */
void ngx_neon_drain_exit(void);


#endif /* NGX_NEON_DRAIN_H */
