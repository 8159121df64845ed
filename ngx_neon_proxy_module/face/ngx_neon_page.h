/*
 * Text that grows in a pool: what a page is printed into.
 *
 * An allocation that fails is remembered, and what is printed later is lost:
 * only ngx_neon_page_end() tells.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_PAGE_H
#define NGX_NEON_PAGE_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_pool_t             *pool;
    ngx_chain_t            *out;
    ngx_chain_t           **last;
    ngx_buf_t              *b;                /* of the last link */
    unsigned                failed:1;
} ngx_neon_page_t;


void ngx_neon_page_init(ngx_neon_page_t *page, ngx_pool_t *pool);

/* as ngx_sprintf() */
void ngx_neon_page_print(ngx_neon_page_t *page, const char *fmt, ...);

/* for HTML: the text, escaped */
void ngx_neon_page_html(ngx_neon_page_t *page, const ngx_str_t *text);

/* for JSON: a string, with its quotes */
void ngx_neon_page_json(ngx_neon_page_t *page, const ngx_str_t *text);

/* the size of all, or NGX_ERROR; *out may be sent */
off_t ngx_neon_page_end(ngx_neon_page_t *page, ngx_chain_t **out);

/*
 * Text of strangers as UTF-8 that every format can take: U+FFFD in place of
 * control characters, and of what is not UTF-8.
 */
ngx_int_t ngx_neon_page_clean(ngx_pool_t *pool, ngx_str_t *dst,
    const u_char *data, size_t len);

/* RFC 3339, in buf of that size, with a NUL behind it; returns buf */

#define NGX_NEON_PAGE_TIME      sizeof("2026-01-31T23:59:59Z")
#define NGX_NEON_PAGE_TIME_T    (sizeof("2026-01-31") - 1)

u_char *ngx_neon_page_time(u_char *buf, time_t t);


#endif /* NGX_NEON_PAGE_H */
