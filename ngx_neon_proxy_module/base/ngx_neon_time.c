/*
 * A clock for measuring, and delays for trying again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_time.h"


#define NGX_NEON_RETRY_DELAY_MAX  10000    /* ms */


uint64_t
ngx_neon_usec(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


/*
 * base * factor^n, of which the upper half is random: clients that met the
 * same dead compute do not come back in step.
 */

ngx_msec_t
ngx_neon_retry_delay(const ngx_neon_retry_t *retry, ngx_uint_t n)
{
    uint64_t    delay;
    ngx_uint_t  i;

    delay = retry->base;

    for (i = 0; i < n && delay < NGX_NEON_RETRY_DELAY_MAX; i++) {
        delay = delay * retry->factor / 1000;
    }

    delay = ngx_min(delay, NGX_NEON_RETRY_DELAY_MAX);

    return (ngx_msec_t) (delay - delay / 2
                         + (uint64_t) ngx_random() % (delay / 2 + 1));
}
