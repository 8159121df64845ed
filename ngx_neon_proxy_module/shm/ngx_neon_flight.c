/*
 * Flights in the zone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_flight.h"

#include "neon_crypto.h"

#include "ngx_neon_zone.h"


typedef struct {
    ngx_neon_item_t         item;
    uint64_t                id;
    ngx_neon_slot_t        *slot;             /* of the leader */
    uint64_t                slot_id;
    ngx_msec_t              deadline;         /* of the lease; of the result */
    ngx_uint_t              joined;           /* processes that will look */
    u_char                 *result;           /* allocated in the zone */
    uint64_t                generation;       /* of its cache entry, or 0 */
    uint16_t                result_len;
    uint16_t                key_len;
    uint8_t                 result_flags;
    uint8_t                 done;
    uint8_t                 cache;
    u_char                  key[1];
} ngx_neon_flight_t;


static ngx_neon_flight_e ngx_neon_flight_enter_locked(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket, ngx_msec_t now);
static ngx_neon_flight_t *ngx_neon_flight_find(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket);
static ngx_neon_flight_t *ngx_neon_flight_of(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket);
static ngx_neon_flight_t *ngx_neon_flight_mine(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket);
static ngx_neon_flight_t *ngx_neon_flight_create(ngx_neon_zone_t *zone,
    ngx_neon_ticket_t *ticket, ngx_msec_t now);
static void ngx_neon_flight_sweep_bucket(ngx_neon_zone_t *zone, ngx_uint_t i,
    ngx_msec_t now);
static void ngx_neon_flight_free(ngx_neon_zone_t *zone, ngx_neon_flight_t *f);
static ngx_uint_t ngx_neon_flight_stale(ngx_neon_flight_t *f, ngx_msec_t now);
static ngx_uint_t ngx_neon_flight_led(ngx_neon_flight_t *f, ngx_msec_t now);
static void ngx_neon_flight_left(ngx_neon_zone_t *zone, ngx_neon_flight_t *f);
static void ngx_neon_flight_result(ngx_neon_zone_t *zone,
    ngx_neon_flight_t *f, neon_str_t value, ngx_uint_t flags,
    uint64_t generation);


#define ngx_neon_flight_past(deadline, now)                                   \
    ((ngx_msec_int_t) ((deadline) - (now)) <= 0)


ngx_neon_flight_e
ngx_neon_flight_enter(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket,
    ngx_msec_t now, const ngx_neon_lru_policy_t *policy, ngx_uint_t retry,
    ngx_neon_lru_value_t *value)
{
    ngx_neon_flight_e  rc;

    ticket->id = 0;

    ngx_neon_zone_lock(zone);

    ticket->looked = ngx_neon_lru_get_locked(&zone->sh->cache[ticket->cache],
                                             zone->shpool, &ticket->key, now,
                                             policy, value);

    if (ticket->looked == NGX_NEON_LRU_HIT
        && !(retry && (value->flags & NGX_NEON_LRU_ERROR)))
    {
        rc = NGX_NEON_FLIGHT_HIT;

    } else {
        rc = ngx_neon_flight_enter_locked(zone, ticket, now);
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


static ngx_neon_flight_e
ngx_neon_flight_enter_locked(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket,
    ngx_msec_t now)
{
    ngx_atomic_t       *flights;
    ngx_neon_flight_t  *f;

    flights = zone->sh->metrics->flights[ticket->cache];

    f = ngx_neon_flight_find(zone, ticket);

    if (f && ngx_neon_flight_led(f, now)) {
        f->joined++;
        ticket->id = f->id;
        (void) ngx_atomic_fetch_add(&flights[NGX_NEON_FLIGHT_JOINED], 1);

        return NGX_NEON_FLIGHT_JOIN;
    }

    (void) ngx_atomic_fetch_add(&flights[f ? NGX_NEON_FLIGHT_TOOK_OVER
                                           : NGX_NEON_FLIGHT_LED], 1);

    /* without a slot nobody could tell whether we are still there */

    if (zone->slot == NULL) {
        return NGX_NEON_FLIGHT_LEAD;
    }

    /* the others of a lost one will see another id, and enter anew */

    if (f == NULL) {
        f = ngx_neon_flight_create(zone, ticket, now);
        if (f == NULL) {
            return NGX_NEON_FLIGHT_LEAD;
        }
    }

    f->id = ++zone->sh->generation;
    f->slot = zone->slot;
    f->slot_id = zone->slot->id;
    f->deadline = now + NGX_NEON_FLIGHT_LEASE;
    f->joined = 0;

    ticket->id = f->id;

    return NGX_NEON_FLIGHT_LEAD;
}


ngx_int_t
ngx_neon_flight_renew(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket,
    ngx_msec_t now)
{
    ngx_neon_flight_t  *f;

    if (ticket->id == 0) {
        return NGX_OK;
    }

    ngx_neon_zone_lock(zone);

    f = ngx_neon_flight_mine(zone, ticket);

    if (f) {
        f->deadline = now + NGX_NEON_FLIGHT_LEASE;
    }

    ngx_neon_zone_unlock(zone);

    return f ? NGX_OK : NGX_DECLINED;
}


void
ngx_neon_flight_finish(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket,
    neon_str_t value, ngx_uint_t flags, ngx_msec_t ttl, ngx_msec_t now,
    const ngx_neon_lru_policy_t *policy, uint64_t *generation)
{
    ngx_neon_lru_t     *lru;
    ngx_neon_flight_t  *f;

    *generation = 0;
    lru = &zone->sh->cache[ticket->cache];

    ngx_neon_zone_lock(zone);

    f = ngx_neon_flight_mine(zone, ticket);

    if (ttl && (f || ticket->id == 0)) {
        (void) ngx_neon_lru_insert_locked(zone, lru, &ticket->key, value,
                                          flags, ttl, now, policy,
                                          generation);
    }

    if (f && f->joined == 0) {
        ngx_neon_flight_free(zone, f);

    } else if (f) {
        f->done = 1;
        f->deadline = now + NGX_NEON_FLIGHT_LINGER;

        /* those who joined get it even if the cache keeps it for less time
           than they need to look */

        ngx_neon_flight_result(zone, f, value, flags, *generation);
    }

    ngx_neon_zone_unlock(zone);
}


void
ngx_neon_flight_abandon(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket)
{
    ngx_neon_flight_t  *f;

    ngx_neon_zone_lock(zone);

    f = ngx_neon_flight_mine(zone, ticket);

    if (f) {
        ngx_neon_flight_free(zone, f);
    }

    ngx_neon_zone_unlock(zone);
}


ngx_int_t
ngx_neon_flight_poll(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket,
    ngx_msec_t now, ngx_neon_lru_value_t *value)
{
    ngx_int_t           rc;
    ngx_neon_flight_t  *f;

    ngx_neon_zone_lock(zone);

    f = ngx_neon_flight_of(zone, ticket);

    if (f == NULL) {
        rc = NGX_DECLINED;

    } else if (ngx_neon_flight_led(f, now)) {
        rc = NGX_AGAIN;

    } else {
        rc = NGX_DECLINED;

        if (f->done && f->result) {
            ngx_memcpy(value->data, f->result, f->result_len);
            value->len = f->result_len;
            value->flags = f->result_flags;
            value->generation = f->generation;
            value->left = 0;
            rc = NGX_OK;
        }

        ngx_neon_flight_left(zone, f);
    }

    ngx_neon_zone_unlock(zone);

    return rc;
}


void
ngx_neon_flight_leave(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket)
{
    ngx_neon_flight_t  *f;

    ngx_neon_zone_lock(zone);

    f = ngx_neon_flight_of(zone, ticket);

    if (f) {
        ngx_neon_flight_left(zone, f);
    }

    ngx_neon_zone_unlock(zone);
}


void
ngx_neon_flight_sweep_locked(ngx_neon_zone_t *zone, ngx_msec_t now)
{
    ngx_uint_t  i;

    for (i = 0; i <= zone->sh->flights.mask; i++) {
        ngx_neon_flight_sweep_bucket(zone, i, now);
    }
}


static void
ngx_neon_flight_sweep_bucket(ngx_neon_zone_t *zone, ngx_uint_t i,
    ngx_msec_t now)
{
    ngx_neon_item_t    *item, *next;
    ngx_neon_flight_t  *f;

    for (item = zone->sh->flights.bucket[i]; item; item = next) {
        next = item->next;
        f = (ngx_neon_flight_t *) item;

        if (ngx_neon_flight_stale(f, now)) {
            ngx_neon_flight_free(zone, f);
        }
    }
}


/* nobody needs it: whoever comes finds none, and begins a new one */

static ngx_uint_t
ngx_neon_flight_stale(ngx_neon_flight_t *f, ngx_msec_t now)
{
    return f->done ? ngx_neon_flight_past(f->deadline, now)
                   : !ngx_neon_flight_led(f, now);
}


/* one that is over, or whose leader is lost, belongs to the next who asks */

static ngx_uint_t
ngx_neon_flight_led(ngx_neon_flight_t *f, ngx_msec_t now)
{
    return !f->done
           && !ngx_neon_flight_past(f->deadline, now)
           && ngx_neon_slot_alive(f->slot, f->slot_id);
}


/*
 * The flight of a key that is not over.  Beside it there may be some that are,
 * whose results wait for those who joined them.
 */

static ngx_neon_flight_t *
ngx_neon_flight_find(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket)
{
    neon_str_t         *name;
    ngx_neon_item_t    *item;
    ngx_neon_flight_t  *f;

    name = &ticket->key.name;

    for (item = ngx_neon_table_find(&zone->sh->flights, ticket->key.hash);
         item;
         item = ngx_neon_table_next(item))
    {
        f = (ngx_neon_flight_t *) item;

        if (!f->done
            && f->cache == ticket->cache
            && f->key_len == name->len
            && ngx_memcmp(f->key, name->data, name->len) == 0)
        {
            return f;
        }
    }

    return NULL;
}


/* the one that the ticket was given for */

static ngx_neon_flight_t *
ngx_neon_flight_of(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket)
{
    ngx_neon_item_t    *item;
    ngx_neon_flight_t  *f;

    if (ticket->id == 0) {
        return NULL;
    }

    for (item = ngx_neon_table_find(&zone->sh->flights, ticket->key.hash);
         item;
         item = ngx_neon_table_next(item))
    {
        f = (ngx_neon_flight_t *) item;

        if (f->id == ticket->id) {
            return f;
        }
    }

    return NULL;
}


static ngx_neon_flight_t *
ngx_neon_flight_mine(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket)
{
    ngx_neon_flight_t  *f;

    f = ngx_neon_flight_of(zone, ticket);

    return (f && !f->done) ? f : NULL;
}


static ngx_neon_flight_t *
ngx_neon_flight_create(ngx_neon_zone_t *zone, ngx_neon_ticket_t *ticket,
    ngx_msec_t now)
{
    neon_str_t         *name;
    ngx_neon_flight_t  *f;

    name = &ticket->key.name;

    if (name->len > NGX_NEON_LRU_KEY_MAX) {
        return NULL;
    }

    /* results whose readers died */

    ngx_neon_flight_sweep_bucket(zone,
                                 ticket->key.hash & zone->sh->flights.mask,
                                 now);

    f = ngx_neon_zone_alloc_locked(zone, offsetof(ngx_neon_flight_t, key)
                                         + name->len, NULL);
    if (f == NULL) {
        return NULL;
    }

    ngx_memzero(f, offsetof(ngx_neon_flight_t, key));

    f->item.hash = ticket->key.hash;
    f->cache = (uint8_t) ticket->cache;
    f->key_len = (uint16_t) name->len;
    ngx_memcpy(f->key, name->data, name->len);

    ngx_neon_table_add(&zone->sh->flights, &f->item);

    return f;
}


static void
ngx_neon_flight_free(ngx_neon_zone_t *zone, ngx_neon_flight_t *f)
{
    ngx_neon_table_remove(&zone->sh->flights, &f->item);

    if (f->result) {
        neon_wipe(f->result, f->result_len);
        ngx_slab_free_locked(zone->shpool, f->result);
    }

    ngx_slab_free_locked(zone->shpool, f);
}


static void
ngx_neon_flight_left(ngx_neon_zone_t *zone, ngx_neon_flight_t *f)
{
    if (f->joined) {
        f->joined--;
    }

    if (f->joined == 0 && f->done) {
        ngx_neon_flight_free(zone, f);
    }
}


static void
ngx_neon_flight_result(ngx_neon_zone_t *zone, ngx_neon_flight_t *f,
    neon_str_t value, ngx_uint_t flags, uint64_t generation)
{
    u_char  *p;

    if (value.len > NGX_NEON_LRU_VALUE_MAX) {
        return;
    }

    p = ngx_neon_zone_alloc_locked(zone, value.len, NULL);
    if (p == NULL) {
        return;
    }

    ngx_memcpy(p, value.data, value.len);

    f->result_len = (uint16_t) value.len;
    f->result_flags = (uint8_t) flags;
    f->generation = generation;
    ngx_memory_barrier();
    f->result = p;
}
