/*
 * Export of spans by OTLP/HTTP with JSON: in batches, one request at a time
 * for each worker and proxy.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_OTLP_H
#define NGX_NEON_OTLP_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_conf.h"


/* init_process, for each proxy; sets conf->otlp->spans */
ngx_int_t ngx_neon_otlp_init(ngx_cycle_t *cycle, ngx_neon_conf_t *conf);

/* exit_process, behind the last span: what is there is sent, for a short
   while */
void ngx_neon_otlp_exit(void);


#endif /* NGX_NEON_OTLP_H */
