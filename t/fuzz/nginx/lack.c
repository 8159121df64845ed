/*
 * Memory that is not there: the calls named __wrap_... stand in for nginx's, by
 * the linker's --wrap.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "lack.h"


void *__wrap_ngx_palloc(ngx_pool_t *pool, size_t size);
void *__real_ngx_palloc(ngx_pool_t *pool, size_t size);
void *__wrap_ngx_pnalloc(ngx_pool_t *pool, size_t size);
void *__real_ngx_pnalloc(ngx_pool_t *pool, size_t size);
void *__wrap_ngx_pcalloc(ngx_pool_t *pool, size_t size);
void *__real_ngx_pcalloc(ngx_pool_t *pool, size_t size);
void *__wrap_ngx_alloc(size_t size, ngx_log_t *log);
void *__real_ngx_alloc(size_t size, ngx_log_t *log);
ngx_pool_t *__wrap_ngx_create_pool(size_t size, ngx_log_t *log);
ngx_pool_t *__real_ngx_create_pool(size_t size, ngx_log_t *log);
void *__wrap_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size);
void *__real_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size);


static ngx_uint_t  lack_in;


void
lack(ngx_uint_t n)
{
    lack_in = n;
}


static ngx_uint_t
lacks(void)
{
    return lack_in != 0 && --lack_in == 0;
}


void *
__wrap_ngx_palloc(ngx_pool_t *pool, size_t size)
{
    return lacks() ? NULL : __real_ngx_palloc(pool, size);
}


void *
__wrap_ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    return lacks() ? NULL : __real_ngx_pnalloc(pool, size);
}


void *
__wrap_ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    return lacks() ? NULL : __real_ngx_pcalloc(pool, size);
}


void *
__wrap_ngx_alloc(size_t size, ngx_log_t *log)
{
    return lacks() ? NULL : __real_ngx_alloc(size, log);
}


ngx_pool_t *
__wrap_ngx_create_pool(size_t size, ngx_log_t *log)
{
    return lacks() ? NULL : __real_ngx_create_pool(size, log);
}


void *
__wrap_ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    return lacks() ? NULL : __real_ngx_slab_alloc_locked(pool, size);
}
