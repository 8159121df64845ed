/*
 * Limits: leaky buckets by key, in the zone (GCRA, ITU-T I.371).  What is
 * least recently used goes when there are too many.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LIMIT_H
#define NGX_NEON_LIMIT_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_buf.h"
#include "neon_ip.h"

#include "ngx_neon_conf.h"
#include "ngx_neon_lru.h"


/* what is counted, the first byte of a bucket's key */

typedef enum {
    NGX_NEON_LIMIT_LOGIN = 'l',               /* by endpoint */
    NGX_NEON_LIMIT_FRONT = '0',               /* ... and front, one for each:
                                                 '0', '1' ... */
    NGX_NEON_LIMIT_WAKE = 'w',                /* by endpoint */
    NGX_NEON_LIMIT_CANCEL = 'c',              /* by subnet */
    NGX_NEON_LIMIT_DRAIN = 'd',               /* one for all sessions */
    NGX_NEON_LIMIT_UNKNOWN = 'u'              /* by subnet: names that the
                                                 control plane did not know */
} ngx_neon_limit_e;


/*
 * Takes one from the bucket: 0, or the ms until there is one again, and then
 * nothing was taken.  Where the zone has no room for a bucket: 0.
 */
ngx_msec_t ngx_neon_limit_take(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate);

/*
 * For what is known only later: keeps one.  NGX_AGAIN: not now, others' are
 * still open; NGX_DECLINED: the bucket is full.  Nothing was kept then.
 */
ngx_int_t ngx_neon_limit_reserve(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate);

/* what was kept is taken, or (take 0) given back */
void ngx_neon_limit_settle(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate, ngx_uint_t take);

/* /24 of IPv4, /64 of IPv6: in place */
neon_str_t ngx_neon_limit_subnet(neon_ip_t *ip);


#endif /* NGX_NEON_LIMIT_H */
