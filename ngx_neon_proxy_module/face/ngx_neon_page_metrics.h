/*
 * `neon_proxy_metrics`: the zone in Prometheus's text format.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_PAGE_METRICS_H
#define NGX_NEON_PAGE_METRICS_H


#include "ngx_neon_page.h"
#include "ngx_neon_snapshot.h"


void ngx_neon_page_metrics(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);


#endif /* NGX_NEON_PAGE_METRICS_H */
