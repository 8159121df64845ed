/*
 * Leaky buckets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_limit.h"

#include "ngx_neon_zone.h"


#define NGX_NEON_LIMIT_KEY      256
#define NGX_NEON_LIMIT_FORGET   60000         /* ms: what nobody settled, since
                                                 its process was killed */


/*
 * The value of an entry, copied in and out: it is not aligned there.  One drop
 * takes `cost` us to leave, and `width` is what the bucket holds.
 */

typedef struct {
    uint64_t                empty;            /* when it will be, in us */
    uint64_t                last;             /* reservation, in us */
    uint64_t                reserved;
} ngx_neon_limit_bucket_t;


typedef struct {
    ngx_neon_key_t          key;
    uint64_t                now;              /* us */
    uint64_t                cost;
    uint64_t                width;
    u_char                  name[NGX_NEON_LIMIT_KEY];
} ngx_neon_limit_t;


static void ngx_neon_limit_init(ngx_neon_limit_t *l, ngx_neon_zone_t *zone,
    ngx_neon_limit_e what, neon_str_t key, const ngx_neon_rate_t *rate);
static void ngx_neon_limit_load(ngx_neon_limit_t *l, ngx_neon_zone_t *zone,
    ngx_neon_limit_bucket_t *b);
static void ngx_neon_limit_store(ngx_neon_limit_t *l, ngx_neon_zone_t *zone,
    ngx_neon_limit_bucket_t *b);


ngx_msec_t
ngx_neon_limit_take(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate)
{
    uint64_t                 full;
    ngx_neon_limit_t         l;
    ngx_neon_limit_bucket_t  b;

    if (rate->rate == 0) {
        return 0;
    }

    ngx_neon_limit_init(&l, zone, what, key, rate);

    ngx_neon_zone_lock(zone);

    ngx_neon_limit_load(&l, zone, &b);

    full = l.now + l.width;
    b.empty += l.cost;

    if (b.empty <= full) {
        ngx_neon_limit_store(&l, zone, &b);
    }

    ngx_neon_zone_unlock(zone);

    return b.empty <= full ? 0 : (ngx_msec_t) ((b.empty - full + 999) / 1000);
}


ngx_int_t
ngx_neon_limit_reserve(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate)
{
    uint64_t                 full;
    ngx_int_t                rc;
    ngx_neon_limit_t         l;
    ngx_neon_limit_bucket_t  b;

    if (rate->rate == 0) {
        return NGX_OK;
    }

    ngx_neon_limit_init(&l, zone, what, key, rate);

    ngx_neon_zone_lock(zone);

    ngx_neon_limit_load(&l, zone, &b);

    full = l.now + l.width;

    if (b.empty + l.cost > full) {
        rc = NGX_DECLINED;

    } else if (b.empty + (b.reserved + 1) * l.cost > full) {
        rc = NGX_AGAIN;

    } else {
        b.reserved++;
        b.last = l.now;
        ngx_neon_limit_store(&l, zone, &b);
        rc = NGX_OK;
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


void
ngx_neon_limit_settle(ngx_neon_zone_t *zone, ngx_neon_limit_e what,
    neon_str_t key, const ngx_neon_rate_t *rate, ngx_uint_t take)
{
    ngx_neon_limit_t         l;
    ngx_neon_limit_bucket_t  b;

    if (rate->rate == 0) {
        return;
    }

    ngx_neon_limit_init(&l, zone, what, key, rate);

    ngx_neon_zone_lock(zone);

    ngx_neon_limit_load(&l, zone, &b);

    if (b.reserved) {
        b.reserved--;
    }

    if (take) {
        b.empty += l.cost;
    }

    ngx_neon_limit_store(&l, zone, &b);

    ngx_neon_zone_unlock(zone);
}


static void
ngx_neon_limit_init(ngx_neon_limit_t *l, ngx_neon_zone_t *zone,
    ngx_neon_limit_e what, neon_str_t key, const ngx_neon_rate_t *rate)
{
    l->cost = 1000000000ULL / rate->rate;
    l->width = ngx_max(l->cost * rate->burst / 1000, l->cost);
    l->now = (uint64_t) ngx_current_msec * 1000;

    l->name[0] = (u_char) what;
    key.len = ngx_min(key.len, sizeof(l->name) - 1);
    ngx_memcpy(l->name + 1, key.data, key.len);

    l->key = ngx_neon_lru_key(zone, neon_str(l->name, key.len + 1));
}


static void
ngx_neon_limit_load(ngx_neon_limit_t *l, ngx_neon_zone_t *zone,
    ngx_neon_limit_bucket_t *b)
{
    u_char  *p;

    p = ngx_neon_lru_touch_locked(&zone->sh->limits, &l->key);

    if (p == NULL) {
        ngx_memzero(b, sizeof(ngx_neon_limit_bucket_t));
        b->empty = l->now;
        return;
    }

    ngx_memcpy(b, p, sizeof(ngx_neon_limit_bucket_t));

    b->empty = ngx_max(b->empty, l->now);

    if (b->empty > l->now + l->width) {

        /* more than it holds, so the rate was another one: it leaks at ours */

        b->empty = l->now + l->width;
        ngx_memcpy(p, b, sizeof(ngx_neon_limit_bucket_t));
    }

    if (b->last + NGX_NEON_LIMIT_FORGET * 1000ULL < l->now) {
        b->reserved = 0;
    }
}


/* where there is no room for a bucket there is no limit */

static void
ngx_neon_limit_store(ngx_neon_limit_t *l, ngx_neon_zone_t *zone,
    ngx_neon_limit_bucket_t *b)
{
    u_char                 *p;
    uint64_t                generation;
    ngx_neon_lru_policy_t   policy;

    p = ngx_neon_lru_touch_locked(&zone->sh->limits, &l->key);

    if (p) {
        ngx_memcpy(p, b, sizeof(ngx_neon_limit_bucket_t));
        return;
    }

    ngx_memzero(&policy, sizeof(ngx_neon_lru_policy_t));
    policy.size = 4 * (zone->sh->limits.table.mask + 1);

    (void) ngx_neon_lru_insert_locked(zone, &zone->sh->limits, &l->key,
                              neon_str(b, sizeof(ngx_neon_limit_bucket_t)),
                              0, 0, 0, &policy, &generation);
}


neon_str_t
ngx_neon_limit_subnet(neon_ip_t *ip)
{
    size_t  n;

    n = (ip->len == 4) ? 3 : 8;

    ngx_memzero(ip->addr + n, ip->len - n);

    return neon_str(ip->addr, ip->len);
}
