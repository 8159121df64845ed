/*
 * An answer of a control plane as bytes: what the caches keep and what one
 * worker leaves for others.  Bytes of this process's own build, in memory of
 * its own: nothing else reads them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_PACK_H
#define NGX_NEON_CTL_PACK_H


#include "ngx_neon_ctl.h"


/* r's answer, r->rc and all; w->error: it does not fit */
void ngx_neon_ctl_pack(neon_wr_t *w, ngx_neon_ctl_request_t *r);

/* the answer becomes r's, in r->pool; no memory: r fails with INTERNAL */
void ngx_neon_ctl_unpack(ngx_neon_ctl_request_t *r, neon_str_t value);


#endif /* NGX_NEON_CTL_PACK_H */
