/*
 * Leaky buckets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_limit.h"

#include "ngx_neon_zone.h"


#define NGX_NEON_LIMIT_KEY  256


static ngx_msec_t ngx_neon_limit_bucket(ngx_neon_zone_t *zone,
    ngx_neon_limit_e what, neon_str_t key, const ngx_neon_rate_t *rate,
    ngx_uint_t take);


ngx_msec_t
ngx_neon_limit_take(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate)
{
    return ngx_neon_limit_bucket(zone, what, key, rate, 1);
}


ngx_msec_t
ngx_neon_limit_peek(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate)
{
    return ngx_neon_limit_bucket(zone, what, key, rate, 0);
}


/*
 * A bucket is one number: the time, in us, at which it will be empty.  One
 * drop takes `cost`, and `burst` drops fit into it.
 */

static ngx_msec_t
ngx_neon_limit_bucket(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate, ngx_uint_t take)
{
    u_char                *p, buf[NGX_NEON_LIMIT_KEY];
    uint64_t               now, empty, cost, width, generation;
    ngx_neon_key_t         k;
    ngx_neon_lru_policy_t  policy;

    if (rate->rate == 0) {
        return 0;
    }

    cost = 1000000000ULL / rate->rate;
    width = ngx_max(cost * rate->burst / 1000, cost);
    now = (uint64_t) ngx_current_msec * 1000;

    buf[0] = (u_char) what;
    key.len = ngx_min(key.len, sizeof(buf) - 1);
    ngx_memcpy(buf + 1, key.data, key.len);

    k = ngx_neon_lru_key(zone, neon_str(buf, key.len + 1));

    ngx_neon_zone_lock(zone);

    p = ngx_neon_lru_touch_locked(&zone->sh->limits, &k);

    if (p) {
        ngx_memcpy(&empty, p, sizeof(uint64_t));
        empty = ngx_max(empty, now);

    } else {
        empty = now;
    }

    if (empty + cost > now + width) {
        ngx_neon_zone_unlock(zone);

        return (ngx_msec_t) ((empty + cost - now - width + 999) / 1000);
    }

    if (take) {
        empty += cost;

        if (p) {
            ngx_memcpy(p, &empty, sizeof(uint64_t));

        } else {
            ngx_memzero(&policy, sizeof(ngx_neon_lru_policy_t));
            policy.size = 4 * (zone->sh->limits.table.mask + 1);

            (void) ngx_neon_lru_insert_locked(zone, &zone->sh->limits, &k,
                                  neon_str(&empty, sizeof(uint64_t)), 0, 0,
                                  0, &policy, &generation);
        }
    }

    ngx_neon_zone_unlock(zone);

    return 0;
}


neon_str_t
ngx_neon_limit_subnet(neon_ip_t *ip)
{
    size_t  n;

    n = (ip->len == 4) ? 3 : 8;

    ngx_memzero(ip->addr + n, ip->len - n);

    return neon_str(ip->addr, ip->len);
}
