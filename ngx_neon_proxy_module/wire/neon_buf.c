/*
 * Bounded cursors over caller's memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_buf.h"


static const uint8_t *neon_rd_take(neon_rd_t *r, size_t n);
static uint8_t *neon_wr_room(neon_wr_t *w, size_t n);


neon_str_t
neon_str(const void *data, size_t len)
{
    neon_str_t  s;

    s.data = data;
    s.len = len;

    return s;
}


int
neon_str_eq(neon_str_t a, neon_str_t b)
{
    if (a.len != b.len) {
        return 0;
    }

    /* memcmp() must not see a NULL, not even with length 0 */

    return a.len == 0 || memcmp(a.data, b.data, a.len) == 0;
}


int
neon_str_eqz(neon_str_t a, const char *z)
{
    return neon_str_eq(a, neon_str(z, strlen(z)));
}


neon_rc_e
neon_str_number(uint32_t *n, neon_str_t text, uint32_t max)
{
    size_t    i;
    uint32_t  v, digit;

    if (text.len == 0 || (text.data[0] == '0' && text.len != 1)) {
        return NEON_ERROR;
    }

    v = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return NEON_ERROR;
        }

        digit = (uint32_t) (text.data[i] - '0');

        if (digit > max || v > (max - digit) / 10) {
            return NEON_ERROR;
        }

        v = v * 10 + digit;
    }

    *n = v;

    return NEON_OK;
}


void
neon_rd_init(neon_rd_t *r, const void *data, size_t len)
{
    static const uint8_t  empty[1];

    /* arithmetic on a NULL pointer is undefined, even with offset 0 */

    r->pos = (data == NULL) ? empty : data;
    r->last = r->pos;
    r->error = (data == NULL && len != 0);

    if (data != NULL) {
        r->last += len;
    }
}


size_t
neon_rd_left(const neon_rd_t *r)
{
    return (size_t) (r->last - r->pos);
}


uint8_t
neon_rd_u8(neon_rd_t *r)
{
    const uint8_t  *p;

    p = neon_rd_take(r, 1);

    return (p == NULL) ? 0 : p[0];
}


uint16_t
neon_rd_u16(neon_rd_t *r)
{
    const uint8_t  *p;

    p = neon_rd_take(r, 2);

    if (p == NULL) {
        return 0;
    }

    return (uint16_t) (p[0] << 8 | p[1]);
}


uint32_t
neon_rd_u32(neon_rd_t *r)
{
    const uint8_t  *p;

    p = neon_rd_take(r, 4);

    if (p == NULL) {
        return 0;
    }

    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
           | (uint32_t) p[2] << 8 | p[3];
}


neon_str_t
neon_rd_bytes(neon_rd_t *r, size_t n)
{
    const uint8_t  *p;

    p = neon_rd_take(r, n);

    return neon_str(p, (p == NULL) ? 0 : n);
}


neon_str_t
neon_rd_cstr(neon_rd_t *r)
{
    neon_str_t      s;
    const uint8_t  *nul;

    nul = memchr(r->pos, '\0', neon_rd_left(r));

    if (nul == NULL) {
        r->error = 1;
        r->pos = r->last;
        return neon_str(NULL, 0);
    }

    s = neon_str(r->pos, (size_t) (nul - r->pos));
    r->pos = nul + 1;

    return s;
}


/* an error empties the reader, so that no loop over it goes on */

static const uint8_t *
neon_rd_take(neon_rd_t *r, size_t n)
{
    const uint8_t  *p;

    if (n > neon_rd_left(r)) {
        r->error = 1;
        r->pos = r->last;
        return NULL;
    }

    p = r->pos;
    r->pos += n;

    return p;
}


void
neon_wr_init(neon_wr_t *w, void *start, size_t size)
{
    w->start = start;
    w->pos = start;
    w->end = start;
    w->error = 0;

    /* arithmetic on a NULL pointer is undefined, even with offset 0 */

    if (start != NULL) {
        w->end += size;
    }
}


size_t
neon_wr_len(const neon_wr_t *w)
{
    return (size_t) (w->pos - w->start);
}


void
neon_wr_u8(neon_wr_t *w, uint8_t v)
{
    uint8_t  *p;

    p = neon_wr_room(w, 1);

    if (p != NULL) {
        p[0] = v;
    }
}


void
neon_wr_u16(neon_wr_t *w, uint16_t v)
{
    uint8_t  *p;

    p = neon_wr_room(w, 2);

    if (p != NULL) {
        p[0] = (uint8_t) (v >> 8);
        p[1] = (uint8_t) v;
    }
}


void
neon_wr_u32(neon_wr_t *w, uint32_t v)
{
    uint8_t  *p;

    p = neon_wr_room(w, 4);

    if (p != NULL) {
        p[0] = (uint8_t) (v >> 24);
        p[1] = (uint8_t) (v >> 16);
        p[2] = (uint8_t) (v >> 8);
        p[3] = (uint8_t) v;
    }
}


void
neon_wr_bytes(neon_wr_t *w, const void *data, size_t n)
{
    uint8_t  *p;

    p = neon_wr_room(w, n);

    if (p != NULL) {
        memcpy(p, data, n);
    }
}


void
neon_wr_str(neon_wr_t *w, neon_str_t s)
{
    neon_wr_bytes(w, s.data, s.len);
}


void
neon_wr_z(neon_wr_t *w, const char *z)
{
    neon_wr_bytes(w, z, strlen(z));
}


void
neon_wr_cstr(neon_wr_t *w, neon_str_t s)
{
    /* a NUL inside would end the string early and begin another field */

    if (s.len != 0 && memchr(s.data, '\0', s.len) != NULL) {
        w->error = 1;
        return;
    }

    neon_wr_str(w, s);
    neon_wr_u8(w, '\0');
}


uint8_t *
neon_wr_begin(neon_wr_t *w, uint8_t tag)
{
    uint8_t  *begin;

    if (tag != 0) {
        neon_wr_u8(w, tag);
    }

    /* the length counts itself but not the tag */

    begin = w->pos;
    neon_wr_u32(w, 0);

    return begin;
}


void
neon_wr_end(neon_wr_t *w, uint8_t *begin)
{
    size_t     len;
    neon_wr_t  head;

    if (w->error) {
        return;
    }

    len = (size_t) (w->pos - begin);

    if (len > INT32_MAX) {
        w->error = 1;
        return;
    }

    neon_wr_init(&head, begin, 4);
    neon_wr_u32(&head, (uint32_t) len);
}


/*
 * NULL where there is nothing to write: n is 0, or some write did not fit, and
 * then no later and smaller one may.
 */

static uint8_t *
neon_wr_room(neon_wr_t *w, size_t n)
{
    uint8_t  *p;

    if (w->error || n > (size_t) (w->end - w->pos)) {
        w->error = 1;
        return NULL;
    }

    if (n == 0) {
        return NULL;
    }

    p = w->pos;
    w->pos += n;

    return p;
}
