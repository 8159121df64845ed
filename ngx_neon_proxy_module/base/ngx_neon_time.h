/*
 * A clock for measuring, and delays for trying again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_TIME_H
#define NGX_NEON_TIME_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_neon_conf.h"


/* CLOCK_MONOTONIC, in us */
uint64_t ngx_neon_usec(void);

/* delay before try n + 1, in ms, with jitter */
ngx_msec_t ngx_neon_retry_delay(const ngx_neon_retry_t *retry, ngx_uint_t n);


#endif /* NGX_NEON_TIME_H */
