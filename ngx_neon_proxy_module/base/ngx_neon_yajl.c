/*
 * Memory for yajl: a pool of its own, and the way out where there is none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_yajl.h"

#include <setjmp.h>


#define NGX_NEON_YAJL_POOL  4096


typedef struct {
    ngx_pool_t  *pool;
    jmp_buf      lack;
} ngx_neon_yajl_t;


/* realloc() has to know how much there is to copy */

typedef union {
    size_t       size;
    u_char       align[2 * NGX_ALIGNMENT];
} ngx_neon_yajl_head_t;


static void *ngx_neon_yajl_malloc(void *ctx, size_t size);
static void *ngx_neon_yajl_realloc(void *ctx, void *p, size_t size);
static void ngx_neon_yajl_free(void *ctx, void *p);


ngx_int_t
ngx_neon_yajl_run(ngx_neon_yajl_pt work, void *data, ngx_log_t *log)
{
    ngx_int_t         rc;
    ngx_neon_yajl_t   y;
    yajl_alloc_funcs  funcs;

    y.pool = ngx_create_pool(NGX_NEON_YAJL_POOL, log);
    if (y.pool == NULL) {
        return NGX_ABORT;
    }

    funcs.malloc = ngx_neon_yajl_malloc;
    funcs.realloc = ngx_neon_yajl_realloc;
    funcs.free = ngx_neon_yajl_free;
    funcs.ctx = &y;

    if (setjmp(y.lack) == 0) {
        rc = work(&funcs, data);

    } else {
        rc = NGX_ABORT;
    }

    ngx_destroy_pool(y.pool);

    return rc;
}


/* does not return without */

static void *
ngx_neon_yajl_malloc(void *ctx, size_t size)
{
    ngx_neon_yajl_t *y = ctx;

    ngx_neon_yajl_head_t  *head;

    head = ngx_palloc(y->pool, sizeof(ngx_neon_yajl_head_t) + size);
    if (head == NULL) {
        longjmp(y->lack, 1);
    }

    head->size = size;

    return head + 1;
}


static void *
ngx_neon_yajl_realloc(void *ctx, void *p, size_t size)
{
    void                  *new;
    ngx_neon_yajl_head_t  *head;

    new = ngx_neon_yajl_malloc(ctx, size);

    if (p) {
        head = (ngx_neon_yajl_head_t *) p - 1;
        ngx_memcpy(new, p, ngx_min(head->size, size));
        ngx_neon_yajl_free(ctx, p);
    }

    return new;
}


/* what is small goes with the pool */

static void
ngx_neon_yajl_free(void *ctx, void *p)
{
    ngx_neon_yajl_t *y = ctx;

    if (p) {
        (void) ngx_pfree(y->pool, (ngx_neon_yajl_head_t *) p - 1);
    }
}
