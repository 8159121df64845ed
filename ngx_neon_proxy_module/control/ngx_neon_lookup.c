/*
 * The look-up in front of every control plane.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_lookup.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_pack.h"
#include "ngx_neon_lookup_flight.h"

#include "neon_endpoint.h"


static ngx_int_t ngx_neon_lookup_hit(ngx_neon_ctl_request_t *r,
    ngx_neon_lru_value_t *value);
static ngx_int_t ngx_neon_lookup_key(ngx_neon_ctl_request_t *r,
    u_char *buf, ngx_neon_key_t *key);
static ngx_neon_lru_t *ngx_neon_lookup_lru(ngx_neon_ctl_request_t *r);


ngx_int_t
ngx_neon_lookup_start(ngx_neon_ctl_request_t *r)
{
    u_char                 buf[NGX_NEON_LRU_KEY_MAX];
    ngx_uint_t             retry;
    ngx_msec_t             pause;
    ngx_neon_zone_t       *zone;
    ngx_neon_ticket_t      ticket;
    ngx_neon_lru_value_t   value;
    ngx_neon_lru_policy_t  policy;

    r->lookup = NULL;
    r->generation = 0;
    r->age = 0;
    r->retries = 0;
    r->cached = NGX_NEON_CACHED_BYPASS;

    if (r->conf->ctl->local) {
        return ngx_neon_ctl_start(r);
    }

    if (ngx_neon_lookup_key(r, buf, &ticket.key) != NGX_OK) {

        if (r->call == NGX_NEON_CTL_WAKE) {
            return ngx_neon_ctl_start(r);
        }

        /* no role has such a name, and to ask for it would be uncounted */

        (void) ngx_neon_ctl_access(r);
        return NGX_OK;
    }

    zone = ngx_neon_zone(r->conf);
    ticket.cache = ngx_neon_lookup_cache(r->call);

    if (ngx_neon_lookup_flight_join(r, &ticket) == NGX_OK) {
        return NGX_AGAIN;
    }

    value.data = ngx_neon_lookup_value;
    policy = ngx_neon_lookup_policy(r->conf, ticket.cache);

    retry = 0;
    pause = 0;

    for ( ;; ) {
        switch (ngx_neon_flight_enter(zone, &ticket, ngx_current_msec,
                                      &policy, retry, &value))
        {
        case NGX_NEON_FLIGHT_HIT:

            if (ngx_neon_lookup_hit(r, &value) == NGX_OK) {
                return NGX_OK;
            }

            /* it said "later", and when: that counts as the first call */

            retry = 1;
            pause = value.left;
            continue;

        case NGX_NEON_FLIGHT_LEAD:
            return ngx_neon_lookup_flight_lead(r, &ticket, retry, pause);

        default: /* NGX_NEON_FLIGHT_JOIN */
            return ngx_neon_lookup_flight_follow(r, &ticket);
        }
    }
}


/* NGX_DECLINED: an error that is worth asking again when its time is over */

static ngx_int_t
ngx_neon_lookup_hit(ngx_neon_ctl_request_t *r, ngx_neon_lru_value_t *value)
{
    ngx_neon_ctl_unpack(r, neon_str(value->data, value->len));

    if (r->rc != NGX_OK
        && r->retryable
        && r->conf->wake_retry.attempts > 1
        && value->left < r->conf->wake_timeout)
    {
        return NGX_DECLINED;
    }

    r->cached = NGX_NEON_CACHED_HIT;
    r->generation = value->generation;
    r->age = value->age;

    return NGX_OK;
}


void
ngx_neon_lookup_cancel(ngx_neon_ctl_request_t *r)
{
    if (r->lookup) {
        ngx_neon_lookup_flight_leave(r);
        return;
    }

    ngx_neon_ctl_cancel(r);
}


void
ngx_neon_lookup_exit(void)
{
    ngx_neon_lookup_flight_exit();
}


ngx_int_t
ngx_neon_lookup_forget(ngx_neon_ctl_request_t *r, uint64_t generation)
{
    u_char          buf[NGX_NEON_LRU_KEY_MAX];
    ngx_neon_key_t  key;

    if (generation == 0 || ngx_neon_lookup_key(r, buf, &key) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_neon_lru_invalidate(ngx_neon_zone(r->conf),
                                   ngx_neon_lookup_lru(r), &key, generation);
}


ngx_int_t
ngx_neon_lookup_doubt(ngx_neon_ctl_request_t *r, uint64_t generation)
{
    u_char                 buf[NGX_NEON_LRU_KEY_MAX];
    ngx_neon_key_t         key;
    ngx_neon_lru_policy_t  policy;

    policy = ngx_neon_lookup_policy(r->conf, ngx_neon_lookup_cache(r->call));

    if (policy.stale == 0) {
        return ngx_neon_lookup_forget(r, generation);
    }

    if (generation == 0 || ngx_neon_lookup_key(r, buf, &key) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_neon_lru_expire(ngx_neon_zone(r->conf), ngx_neon_lookup_lru(r),
                               &key, generation, ngx_current_msec);
}


ngx_uint_t
ngx_neon_lookup_newer(ngx_neon_ctl_request_t *r, uint64_t generation)
{
    u_char          buf[NGX_NEON_LRU_KEY_MAX];
    ngx_neon_key_t  key;

    if (ngx_neon_lookup_key(r, buf, &key) != NGX_OK) {
        return 0;
    }

    return ngx_neon_lru_generation(ngx_neon_zone(r->conf),
                                   ngx_neon_lookup_lru(r), &key,
                                   ngx_current_msec)
           > generation;
}


static ngx_neon_lru_t *
ngx_neon_lookup_lru(ngx_neon_ctl_request_t *r)
{
    return &ngx_neon_zone(r->conf)->sh->cache[ngx_neon_lookup_cache(r->call)];
}


/*
 * ACCESS: the endpoint without "-pooler", and the role.  WAKE: the endpoint as
 * it was named, and the options that the control plane is told, which are
 * sorted; nothing of the user or the database.  The name is in
 * buf[NGX_NEON_LRU_KEY_MAX]; NGX_DECLINED: there is none, or a longer one.
 */

static ngx_int_t
ngx_neon_lookup_key(ngx_neon_ctl_request_t *r, u_char *buf,
    ngx_neon_key_t *key)
{
    unsigned    i;
    neon_wr_t   w;
    neon_str_t  endpoint;

    endpoint = neon_str(r->endpoint.data, r->endpoint.len);
    neon_wr_init(&w, buf, NGX_NEON_LRU_KEY_MAX);

    if (r->call == NGX_NEON_CTL_ACCESS) {
        neon_wr_str(&w, neon_endpoint_normal(endpoint));
        neon_wr_u8(&w, '\0');
        neon_wr_bytes(&w, r->role.data, r->role.len);

    } else {
        neon_wr_str(&w, endpoint);

        for (i = 0; r->options && i < r->options->noptions; i++) {
            neon_wr_u8(&w, '\0');
            neon_wr_str(&w, r->options->option[i].name);
            neon_wr_u8(&w, ':');
            neon_wr_str(&w, r->options->option[i].value);
        }
    }

    if (w.error || neon_wr_len(&w) == 0) {
        return NGX_DECLINED;
    }

    *key = ngx_neon_lookup_name(r->conf, ngx_neon_lookup_cache(r->call),
                                neon_str(buf, neon_wr_len(&w)));
    return NGX_OK;
}


ngx_neon_cache_e
ngx_neon_lookup_cache(ngx_neon_ctl_call_e call)
{
    return call == NGX_NEON_CTL_ACCESS ? NGX_NEON_CACHE_SECRET
                                       : NGX_NEON_CACHE_NODE;
}


ngx_neon_key_t
ngx_neon_lookup_name(ngx_neon_conf_t *conf, ngx_neon_cache_e cache,
    neon_str_t name)
{
    u_char          md5;
    neon_str_t      parts[3];
    ngx_neon_key_t  key;

    md5 = (cache == NGX_NEON_CACHE_SECRET && conf->md5_verifiers);

    parts[0] = neon_str(&conf->ctl_id, sizeof(conf->ctl_id));
    parts[1] = neon_str(&md5, 1);
    parts[2] = name;

    key.name = name;
    key.hash = ngx_neon_zone_hash(ngx_neon_zone(conf), parts, 3);

    return key;
}
