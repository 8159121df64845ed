/*
 * `neon_proxy_status`: a snapshot as JSON, and as HTML for people.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_PAGE_STATUS_H
#define NGX_NEON_PAGE_STATUS_H


#include "ngx_neon_page.h"
#include "ngx_neon_snapshot.h"
#include "ngx_neon_version.h"


void ngx_neon_page_status_json(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);

void ngx_neon_page_status_html(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);


#endif /* NGX_NEON_PAGE_STATUS_H */
