/*
 * Memory for yajl, which does not look whether it got any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_YAJL_H
#define NGX_NEON_YAJL_H


#include <ngx_config.h>
#include <ngx_core.h>

#include <yajl/yajl_common.h>


typedef ngx_int_t (*ngx_neon_yajl_pt)(yajl_alloc_funcs *funcs, void *data);


/*
 * Calls work() and returns what it does; all that yajl allocated by funcs
 * there is freed with that, so nothing else has to.  NGX_ABORT: no memory.
 * work() was left in the middle of yajl then, maybe of a callback's caller, and
 * owns nothing that data does not know.
 */
ngx_int_t ngx_neon_yajl_run(ngx_neon_yajl_pt work, void *data, ngx_log_t *log);


#endif /* NGX_NEON_YAJL_H */
