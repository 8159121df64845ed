/*
 * Text that grows in a pool.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_page.h"


#define NGX_NEON_PAGE_BUFFER  16384
#define NGX_NEON_PAGE_LINE    1024

#define NGX_NEON_PAGE_UNKNOWN "\xef\xbf\xbd"  /* U+FFFD */


static u_char *ngx_neon_page_reserve(ngx_neon_page_t *page, size_t size);
static size_t ngx_neon_page_char(const u_char *p, const u_char *end);


void
ngx_neon_page_init(ngx_neon_page_t *page, ngx_pool_t *pool)
{
    ngx_memzero(page, sizeof(ngx_neon_page_t));

    page->pool = pool;
    page->last = &page->out;
}


void
ngx_neon_page_print(ngx_neon_page_t *page, const char *fmt, ...)
{
    u_char   *p;
    size_t    size;
    va_list   args;

    /* text up to the very end may have been cut off there */

    for (size = NGX_NEON_PAGE_LINE; /* void */ ; size *= 2) {

        p = ngx_neon_page_reserve(page, size);
        if (p == NULL) {
            return;
        }

        va_start(args, fmt);
        p = ngx_vslprintf(p, page->b->end, fmt, args);
        va_end(args);

        if (p < page->b->end) {
            page->b->last = p;
            return;
        }
    }
}


void
ngx_neon_page_html(ngx_neon_page_t *page, const ngx_str_t *text)
{
    u_char  *p;
    size_t   more;

    more = ngx_escape_html(NULL, text->data, text->len);

    p = ngx_neon_page_reserve(page, text->len + more);

    if (p) {
        page->b->last = (u_char *) ngx_escape_html(p, text->data, text->len);
    }
}


void
ngx_neon_page_json(ngx_neon_page_t *page, const ngx_str_t *text)
{
    u_char  *p;
    size_t   more;

    more = ngx_escape_json(NULL, text->data, text->len);

    p = ngx_neon_page_reserve(page, text->len + more + 2);

    if (p) {
        *p++ = '"';
        p = (u_char *) ngx_escape_json(p, text->data, text->len);
        *p++ = '"';

        page->b->last = p;
    }
}


off_t
ngx_neon_page_end(ngx_neon_page_t *page, ngx_chain_t **out)
{
    off_t         size;
    ngx_chain_t  *cl;

    if (page->failed) {
        return NGX_ERROR;
    }

    size = 0;

    for (cl = page->out; cl; cl = cl->next) {
        size += cl->buf->last - cl->buf->pos;
    }

    *out = page->out;

    return size;
}


ngx_int_t
ngx_neon_page_clean(ngx_pool_t *pool, ngx_str_t *dst, const u_char *data,
    size_t len)
{
    u_char        *d;
    size_t         n;
    const u_char  *p, *end;

    d = ngx_pnalloc(pool, len * (sizeof(NGX_NEON_PAGE_UNKNOWN) - 1));
    if (d == NULL) {
        return NGX_ERROR;
    }

    dst->data = d;

    p = data;
    end = p + len;

    while (p < end) {
        n = ngx_neon_page_char(p, end);

        if (n == 0) {
            d = ngx_cpymem(d, NGX_NEON_PAGE_UNKNOWN,
                           sizeof(NGX_NEON_PAGE_UNKNOWN) - 1);
            p++;
            continue;
        }

        d = ngx_cpymem(d, p, n);
        p += n;
    }

    dst->len = d - dst->data;

    return NGX_OK;
}


/*
 * Bytes of the character at p; 0: it is a control character or not UTF-8.
 * ngx_utf8_decode() takes some things that are not.
 */

static size_t
ngx_neon_page_char(const u_char *p, const u_char *end)
{
    size_t    i, n;
    uint32_t  ch, least;

    ch = *p;

    if (ch < 0x80) {
        return ch >= 0x20 && ch != 0x7f;
    }

    if (ch < 0xc2 || ch > 0xf4) {
        return 0;
    }

    n = 2 + (ch >= 0xe0) + (ch >= 0xf0);
    least = (n == 2) ? 0xa0 : (n == 3) ? 0x800 : 0x10000;

    if ((size_t) (end - p) < n) {
        return 0;
    }

    ch &= 0x7f >> n;

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        ch = (ch << 6) | (p[i] & 0x3f);
    }

    if (ch < least || ch > 0x10ffff || (ch >= 0xd800 && ch < 0xe000)) {
        return 0;
    }

    return n;
}


u_char *
ngx_neon_page_time(u_char *buf, time_t t)
{
    ngx_tm_t  tm;

    ngx_gmtime(t, &tm);

    (void) ngx_snprintf(buf, NGX_NEON_PAGE_TIME,
                        "%4d-%02d-%02dT%02d:%02d:%02dZ%Z",
                        tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                        tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);

    return buf;
}


static u_char *
ngx_neon_page_reserve(ngx_neon_page_t *page, size_t size)
{
    ngx_chain_t  *cl;

    if (page->failed) {
        return NULL;
    }

    if (page->b && (size_t) (page->b->end - page->b->last) >= size) {
        return page->b->last;
    }

    cl = ngx_alloc_chain_link(page->pool);

    if (cl) {
        cl->buf = ngx_create_temp_buf(page->pool,
                                      ngx_max(size, NGX_NEON_PAGE_BUFFER));
    }

    if (cl == NULL || cl->buf == NULL) {
        page->failed = 1;
        return NULL;
    }

    cl->next = NULL;

    *page->last = cl;
    page->last = &cl->next;
    page->b = cl->buf;

    return page->b->last;
}
