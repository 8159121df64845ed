/*
 * A zone for tests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"

#include <malloc.h>
#include <search.h>


shm_mode_e  shm_mode;
size_t      shm_budget;
ngx_uint_t  shm_live;
ngx_uint_t  shm_logged;
char        shm_message[NGX_MAX_ERROR_STR];
ngx_log_t   shm_log;

const ngx_str_t  shm_no_link = ngx_null_string;
void      (*shm_hook)(void);

static void         *shm_chunks;      /* tsearch(3): those of malloc() */
static size_t        shm_taken;
static ngx_cycle_t   shm_cycle;
static ngx_open_file_t  shm_file;


void *__real_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size);
void __real_ngx_slab_free_locked(ngx_slab_pool_t *pool, void *p);

void *__wrap_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size);
void *__wrap_ngx_slab_calloc_locked(ngx_slab_pool_t *pool, size_t size);
void __wrap_ngx_slab_free_locked(ngx_slab_pool_t *pool, void *p);


static int
shm_compare(const void *a, const void *b)
{
    return (a > b) - (a < b);
}


static void *
shm_malloc(size_t size)
{
    void  *p;

    if (shm_taken + size > shm_budget) {
        return NULL;
    }

    p = malloc(size ? size : 1);
    assert_non_null(p);
    assert_non_null(tsearch(p, &shm_chunks, shm_compare));

    shm_taken += malloc_usable_size(p);

    return p;
}


void *
__wrap_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    void  *p;

    if (shm_hook) {
        shm_hook();
    }

    p = (shm_mode == SHM_MALLOC) ? shm_malloc(size)
                                 : __real_ngx_slab_alloc_locked(pool, size);

    if (shm_hook) {
        shm_hook();
    }

    if (p) {
        shm_live++;

        /* nobody may count on zeros */
        if (shm_mode == SHM_MALLOC) {
            memset(p, 0xa5, size);
        }
    }

    return p;
}


void *
__wrap_ngx_slab_calloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    void  *p;

    p = __wrap_ngx_slab_alloc_locked(pool, size);

    if (p) {
        memset(p, 0, size);
    }

    return p;
}


void
__wrap_ngx_slab_free_locked(ngx_slab_pool_t *pool, void *p)
{
    if (shm_hook) {
        shm_hook();
    }

    shm_live--;

    if (shm_mode == SHM_MALLOC) {
        assert_non_null(tdelete(p, &shm_chunks, shm_compare));
        shm_taken -= malloc_usable_size(p);
        free(p);

    } else {
        __real_ngx_slab_free_locked(pool, p);
    }

    if (shm_hook) {
        shm_hook();
    }
}


static void
shm_log_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf, size_t len)
{
    if (level <= NGX_LOG_ERR) {
        shm_logged++;
    }

    sprintf(shm_message, "%.*s", (int) len, buf);

    (void) fwrite(buf, 1, len, stderr);
}


ngx_uint_t
shm_number(const char *name, ngx_uint_t n)
{
    char  *s;

    s = getenv(name);

    return s ? strtoull(s, NULL, 10) : n;
}


uint64_t
shm_seed(void)
{
    return shm_number("NEON_SEED", 1) * 0x9e3779b97f4a7c15ULL | 1;
}


void
shm_init(void)
{
    ngx_uint_t  n;

    if (ngx_pagesize) {
        return;
    }

    ngx_pagesize = getpagesize();
    for (n = ngx_pagesize; n >>= 1; ngx_pagesize_shift++) { /* void */ }

    ngx_ncpu = sysconf(_SC_NPROCESSORS_ONLN);
    ngx_cacheline_size = 64;
    ngx_pid = getpid();

    shm_file.fd = STDERR_FILENO;
    shm_log.file = &shm_file;
    shm_log.log_level = NGX_LOG_NOTICE;
    shm_log.writer = shm_log_writer;

    shm_cycle.log = &shm_log;
    ngx_cycle = &shm_cycle;

    ngx_time_init();
    ngx_slab_sizes_init();
}


/* as ngx_init_zone_pool() does it */

shm_t *
shm_create(size_t size, ngx_uint_t node, ngx_uint_t secret)
{
    shm_t       *shm;
    ngx_uint_t   i, sizes[NGX_NEON_CACHES];

    shm_init();

    shm = calloc(1, sizeof(shm_t));
    assert_non_null(shm);

    shm->size = size;
    shm->addr = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED,
                     -1, 0);
    assert_ptr_not_equal(shm->addr, MAP_FAILED);

    shm->pool = (ngx_slab_pool_t *) shm->addr;
    shm->pool->end = shm->addr + size;
    shm->pool->min_shift = 3;
    shm->pool->addr = shm->addr;

    assert_int_equal(ngx_shmtx_create(&shm->pool->mutex, &shm->pool->lock,
                                      NULL),
                     NGX_OK);
    ngx_slab_init(shm->pool);
    shm->pool->log_nomem = 0;

    shm->zone[0].shpool = shm->pool;
    sizes[NGX_NEON_CACHE_NODE] = node;
    sizes[NGX_NEON_CACHE_SECRET] = secret;

    assert_int_equal(ngx_neon_zone_create(&shm->zone[0], size, sizes,
                                          &shm_log),
                     NGX_OK);

    for (i = 0; i < SHM_PROCESSES; i++) {
        shm->zone[i].sh = shm->zone[0].sh;
        shm->zone[i].shpool = shm->pool;

        /* what zone.c keeps there begins with the zone */
        shm->shm_zone[i].data = &shm->zone[i];
        shm->conf[i].zone = &shm->shm_zone[i];
    }

    return shm;
}


void
shm_destroy(shm_t *shm)
{
    void  *p;

    ngx_shmtx_destroy(&shm->pool->mutex);
    assert_int_equal(munmap(shm->addr, shm->size), 0);
    free(shm);

    while (shm_chunks) {
        p = *(void **) shm_chunks;
        (void) tdelete(p, &shm_chunks, shm_compare);
        free(p);
    }

    shm_taken = 0;
    shm_live = 0;
}


void
shm_claim(shm_t *shm, ngx_uint_t i)
{
    ngx_neon_slot_t  *slot;

    slot = shm->zone[i].slot;

    if (slot == NULL) {
        slot = ngx_slab_calloc(shm->pool, sizeof(ngx_neon_slot_t));
        assert_non_null(slot);

        slot->next = shm->zone[i].sh->slots;
        shm->zone[i].sh->slots = slot;
        shm->zone[i].slot = slot;
    }

    slot->pid = ngx_pid;
    slot->id = ++shm->zone[i].sh->generation;
}


void
shm_die(shm_t *shm, ngx_uint_t i)
{
    shm->zone[i].slot->id = 0;
}


ngx_neon_key_t
shm_key(shm_t *shm, const char *name)
{
    return ngx_neon_lru_key(&shm->zone[0], neon_str(name, strlen(name)));
}


uint64_t
shm_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;

    return *state * 0x2545f4914f6cdd1dULL;
}
