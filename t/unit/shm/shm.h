/*
 * What the tests of shm/ share: a zone over anonymous shared memory, as nginx
 * makes one, with nginx's own slab and lock, and what must hold of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef SHM_H
#define SHM_H


#include <ngx_config.h>
#include <ngx_core.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ngx_neon_cancel.h"
#include "ngx_neon_limit.h"
#include "ngx_neon_waiter.h"
#include "ngx_neon_zone.h"


#define SHM_PROCESSES  8


/*
 * Where ngx_slab_alloc_locked() and its kin take their memory from when the
 * code under test calls them.  SHM_MALLOC: each chunk is malloc()'s, so that
 * AddressSanitizer sees what is read behind its end or after it was freed.
 */

typedef enum {
    SHM_SLAB = 0,
    SHM_MALLOC
} shm_mode_e;


typedef struct {
    u_char            *addr;
    size_t             size;
    ngx_slab_pool_t   *pool;
    ngx_neon_zone_t    zone[SHM_PROCESSES];   /* as processes have it */
    ngx_shm_zone_t     shm_zone[SHM_PROCESSES];
    ngx_neon_conf_t    conf[SHM_PROCESSES];   /* ngx_neon_zone() gives them */
} shm_t;


extern shm_mode_e  shm_mode;
extern size_t      shm_budget;        /* bytes that SHM_MALLOC has to give */
extern ngx_uint_t  shm_live;          /* chunks that are allocated */

/* messages of level "error" and worse; the last one of any level */
extern ngx_uint_t  shm_logged;
extern char        shm_message[NGX_MAX_ERROR_STR];
extern ngx_log_t   shm_log;

/* of a cancel key that belongs to no private link */
extern const ngx_str_t  shm_no_link;

/* called before and after each slab call of the code under test, or NULL */
extern void      (*shm_hook)(void);

/* the number that the environment has under this name, or n */
ngx_uint_t shm_number(const char *name, ngx_uint_t n);

/* NEON_SEED, or always the same: the start of shm_random() */
uint64_t shm_seed(void);


void shm_init(void);

/* an empty zone; sizes of the caches in buckets */
shm_t *shm_create(size_t size, ngx_uint_t node, ngx_uint_t secret);
void shm_destroy(shm_t *shm);

/* the slot of zone[i] is a new one, or again one after shm_die() */
void shm_claim(shm_t *shm, ngx_uint_t i);
void shm_die(shm_t *shm, ngx_uint_t i);

ngx_neon_key_t shm_key(shm_t *shm, const char *name);


/*
 * The whole zone, with nobody in it: chains, counts and queues agree, and the
 * slab pool is in order.  NULL, or what is wrong.
 */
const char *shm_fault(shm_t *shm);
const char *shm_slab_fault(ngx_slab_pool_t *pool);
void shm_assert(shm_t *shm);

/* are these bytes anywhere in the zone?  Of SHM_SLAB only. */
ngx_uint_t shm_holds(shm_t *shm, const char *text);

/* items in the chains of a table; -1: a chain is broken */
ngx_int_t shm_count(shm_t *shm, ngx_neon_table_t *table);


/* xorshift64* */
uint64_t shm_random(uint64_t *state);


#endif /* SHM_H */
