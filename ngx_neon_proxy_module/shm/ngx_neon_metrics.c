/*
 * Histograms.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_metrics.h"


const uint32_t  ngx_neon_histogram_bounds[NGX_NEON_HISTOGRAM_BUCKETS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 250000, 500000,
    1000000, 5000000, 30000000
};


void
ngx_neon_histogram_observe(ngx_neon_histogram_t *h, uint64_t us)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_NEON_HISTOGRAM_BUCKETS; i++) {
        if (us <= ngx_neon_histogram_bounds[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&h->bucket[i], 1);
    (void) ngx_atomic_fetch_add(&h->sum, (ngx_atomic_int_t) us);
}
