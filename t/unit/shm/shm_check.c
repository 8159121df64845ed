/*
 * What must hold of a zone that nobody is in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"


/* of ngx_slab.c, 64 bits */

#define SLAB_TYPE         3
#define SLAB_PAGE         0
#define SLAB_BIG          1
#define SLAB_EXACT        2
#define SLAB_SMALL        3
#define SLAB_PAGE_START   0x8000000000000000
#define SLAB_PAGE_BUSY    0xffffffffffffffff
#define SLAB_SHIFT        0xf
#define SLAB_MAP_SHIFT    32
#define SLAB_EXACT_SHIFT  6
#define SLAB_MAX_SHIFT    (11 + 1)


typedef struct {
    ngx_uint_t   used[16];            /* chunks, by shift */
    ngx_uint_t   partial[16];         /* pages with free ones */
    ngx_uint_t   runs;                /* of free pages */
    ngx_uint_t   pages;               /* free ones */
} shm_slab_t;


static const char *
shm_slab_free_list(ngx_slab_pool_t *pool, shm_slab_t *seen)
{
    ngx_uint_t        n, runs, pages;
    ngx_slab_page_t  *page, *prev;

    runs = 0;
    pages = 0;
    n = pool->last - pool->pages;
    prev = &pool->free;

    for (page = pool->free.next; page != &pool->free; page = page->next) {

        if (page < pool->pages || page >= pool->last || runs++ > n) {
            return "slab: the list of free pages leads away";
        }

        if (page->prev != (uintptr_t) prev) {
            return "slab: the list of free pages goes but one way";
        }

        pages += page->slab;
        prev = page;
    }

    if (runs != seen->runs || pages != seen->pages) {
        return "slab: free pages that the list does not have";
    }

    return pages == pool->pfree ? NULL : "slab: number of free pages";
}


static const char *
shm_slab_slot_list(ngx_slab_pool_t *pool, ngx_uint_t shift, shm_slab_t *seen)
{
    ngx_uint_t        n;
    ngx_slab_page_t  *head, *page, *prev;

    head = (ngx_slab_page_t *) ((u_char *) pool + sizeof(ngx_slab_pool_t));
    head += shift - pool->min_shift;

    n = 0;
    prev = head;

    for (page = head->next; page != head; page = page->next) {

        if (page < pool->pages || page >= pool->last
            || n++ > (ngx_uint_t) (pool->last - pool->pages))
        {
            return "slab: a list of chunks leads away";
        }

        if ((page->prev & ~(uintptr_t) SLAB_TYPE) != (uintptr_t) prev) {
            return "slab: a list of chunks goes but one way";
        }

        prev = page;
    }

    if (n != seen->partial[shift]) {
        return "slab: free chunks that the list does not have";
    }

    return pool->stats[shift - pool->min_shift].used == seen->used[shift]
           ? NULL : "slab: number of used chunks";
}


/* a page of chunks: what it has is added to *seen */

static const char *
shm_slab_chunks(ngx_slab_pool_t *pool, ngx_slab_page_t *page,
    shm_slab_t *seen)
{
    uintptr_t   *map;
    ngx_uint_t   i, n, shift, total, used;

    used = 0;

    switch (page->prev & SLAB_TYPE) {

    case SLAB_SMALL:
        shift = page->slab & SLAB_SHIFT;

        if (shift < pool->min_shift || shift >= SLAB_EXACT_SHIFT) {
            return "slab: shift of small chunks";
        }

        map = (uintptr_t *) (pool->start
                             + ((page - pool->pages) << ngx_pagesize_shift));
        total = ngx_pagesize >> shift;
        n = ngx_max(total / ((1 << shift) * 8), 1);

        for (i = 0; i < total / 64; i++) {
            used += __builtin_popcountll(map[i]);
        }

        total -= n;
        used -= n;
        break;

    case SLAB_EXACT:
        shift = SLAB_EXACT_SHIFT;
        total = 64;
        used = __builtin_popcountll(page->slab);
        break;

    default: /* SLAB_BIG */
        shift = page->slab & SLAB_SHIFT;

        if (shift <= SLAB_EXACT_SHIFT || shift >= SLAB_MAX_SHIFT) {
            return "slab: shift of big chunks";
        }

        total = ngx_pagesize >> shift;
        used = __builtin_popcountll(page->slab >> SLAB_MAP_SHIFT);
        break;
    }

    if (used == 0 || used > total) {
        return "slab: bits of a page";
    }

    if ((page->next == NULL) != (used == total)) {
        return "slab: a page in no list, or a full one in one";
    }

    seen->used[shift] += used;
    seen->partial[shift] += (used < total);

    return NULL;
}


const char *
shm_slab_fault(ngx_slab_pool_t *pool)
{
    ngx_uint_t        i, n, shift;
    shm_slab_t        seen;
    const char       *fault;
    ngx_slab_page_t  *page;

    memset(&seen, 0, sizeof(seen));

    for (page = pool->pages; page < pool->last; page += n) {

        n = 1;

        if ((page->prev & SLAB_TYPE) != SLAB_PAGE) {
            fault = shm_slab_chunks(pool, page, &seen);
            if (fault) {
                return fault;
            }

        } else if (page->slab & SLAB_PAGE_START) {
            n = page->slab & ~SLAB_PAGE_START;

            if (n == 0 || n > (ngx_uint_t) (pool->last - page)) {
                return "slab: length of a run of pages";
            }

            if (page->next || page->prev != SLAB_PAGE) {
                return "slab: a page that is used and free";
            }

            for (i = 1; i < n; i++) {
                if (page[i].slab != SLAB_PAGE_BUSY || page[i].next) {
                    return "slab: a run that has other pages in it";
                }
            }

        } else {
            n = page->slab;

            if (n == 0 || n > (ngx_uint_t) (pool->last - page)) {
                return "slab: length of a run of free pages";
            }

            if (n > 1 && (page[n - 1].prev != (uintptr_t) page
                          || page[n - 1].slab))
            {
                return "slab: end of a run of free pages";
            }

            seen.runs++;
            seen.pages += n;
        }
    }

    for (shift = pool->min_shift; shift < SLAB_MAX_SHIFT; shift++) {
        fault = shm_slab_slot_list(pool, shift, &seen);
        if (fault) {
            return fault;
        }
    }

    return shm_slab_free_list(pool, &seen);
}


static ngx_uint_t
shm_inside(shm_t *shm, void *p)
{
    return shm_mode == SHM_MALLOC
           || ((u_char *) p >= shm->pool->start
               && (u_char *) p < shm->pool->end
               && ((uintptr_t) p & 7) == 0);
}


ngx_uint_t
shm_holds(shm_t *shm, const char *text)
{
    size_t   len;
    u_char  *p, *last;

    len = strlen(text);
    last = shm->addr + shm->size - len;

    for (p = shm->addr; p <= last; p++) {
        if (memcmp(p, text, len) == 0) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
shm_count(shm_t *shm, ngx_neon_table_t *table)
{
    ngx_int_t         n;
    ngx_uint_t        i;
    ngx_neon_item_t  *item;

    n = 0;

    for (i = 0; i <= table->mask; i++) {
        for (item = table->bucket[i]; item; item = item->next) {

            if (!shm_inside(shm, item)
                || (item->hash & table->mask) != i
                || (size_t) n++ > shm->size / 8)
            {
                return -1;
            }
        }
    }

    return n;
}


static const char *
shm_lru_fault(shm_t *shm, ngx_neon_lru_t *lru)
{
    ngx_uint_t    n;
    ngx_queue_t  *q, *prev;

    if (shm_count(shm, &lru->table) != (ngx_int_t) lru->table.count) {
        return "lru: chain and count differ";
    }

    n = 0;
    prev = &lru->queue;

    for (q = lru->queue.next; q != &lru->queue; q = q->next) {

        if (!shm_inside(shm, q) || q->prev != prev
            || n++ > lru->table.count)
        {
            return "lru: the queue is broken";
        }

        prev = q;
    }

    if (lru->queue.prev != prev) {
        return "lru: the queue goes but one way";
    }

    return n == lru->table.count ? NULL : "lru: queue and count differ";
}


const char *
shm_fault(shm_t *shm)
{
    ngx_uint_t           i;
    const char          *fault;
    ngx_neon_slot_t     *slot;
    ngx_neon_zone_sh_t  *sh;

    sh = shm->zone[0].sh;

    if (*shm->pool->mutex.lock || sh->busy) {
        return "zone: the lock is held";
    }

    for (i = 0; i < NGX_NEON_CACHES + 1; i++) {
        fault = shm_lru_fault(shm, i < NGX_NEON_CACHES ? &sh->cache[i]
                                                       : &sh->limits);
        if (fault) {
            return fault;
        }
    }

    if (shm_count(shm, &sh->flights) != (ngx_int_t) sh->flights.count) {
        return "flights: chain and count differ";
    }

    if (shm_count(shm, &sh->cancels) != (ngx_int_t) sh->cancels.count) {
        return "cancels: chain and count differ";
    }

    if (shm_count(shm, &sh->waiters) != (ngx_int_t) sh->waiters.count) {
        return "waiters: chain and count differ";
    }

    i = 0;

    for (slot = sh->slots; slot; slot = slot->next) {
        if (!shm_inside(shm, slot) || i++ > 1000) {
            return "slots: the list is broken";
        }
    }

    return NULL;
}


void
shm_assert(shm_t *shm)
{
    const char  *fault;

    fault = shm_fault(shm);

    if (fault == NULL) {
        fault = shm_slab_fault(shm->pool);
    }

    if (fault) {
        fail_msg("%s", fault);
    }

    assert_int_equal(shm_logged, 0);
}
