/*
 * Spans, and a worker's bounded queue of those that ended.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_span.h"

#include "neon_crypto.h"

#include "ngx_neon_zone.h"


static size_t ngx_neon_span_size(const ngx_neon_span_t *span);
static u_char *ngx_neon_span_copy(ngx_str_t *string, u_char *p);
static u_char *ngx_neon_span_utf8(u_char *p, const u_char *src, size_t len);


ngx_int_t
ngx_neon_span_id(u_char *id)
{
    return neon_random(id, NEON_SPAN_ID_LEN) == NEON_OK ? NGX_OK : NGX_ERROR;
}


void
ngx_neon_span_init(ngx_neon_span_t *span, const ngx_neon_trace_t *trace,
    const u_char *id, const char *name, uint64_t start, uint64_t end)
{
    ngx_memcpy(span->trace_id, trace->id, NEON_TRACE_ID_LEN);
    ngx_memcpy(span->id, id, NEON_SPAN_ID_LEN);

    span->has_parent = 0;
    span->error = 0;
    span->kind = NGX_NEON_SPAN_INTERNAL;
    span->name = name;
    span->state = trace->state;
    ngx_str_null(&span->message);
    span->start = start * 1000 + trace->offset;
    span->end = end * 1000 + trace->offset;
    span->nattrs = 0;
}


void
ngx_neon_span_string(ngx_neon_span_t *span, const char *name,
    const ngx_str_t *value)
{
    ngx_neon_span_attr_t  *attr;

    if (value->len == 0 || span->nattrs == NGX_NEON_SPAN_ATTRS) {
        return;
    }

    attr = &span->attrs[span->nattrs++];

    attr->name = name;
    attr->string.data = value->data;
    attr->string.len = ngx_min(value->len, NGX_NEON_SPAN_VALUE_MAX);
    attr->number = 0;
}


void
ngx_neon_span_text(ngx_neon_span_t *span, const char *name, const char *value)
{
    ngx_str_t  string;

    string.data = (u_char *) value;
    string.len = value ? ngx_strlen(value) : 0;

    ngx_neon_span_string(span, name, &string);
}


void
ngx_neon_span_number(ngx_neon_span_t *span, const char *name, int64_t value)
{
    ngx_neon_span_attr_t  *attr;

    if (span->nattrs == NGX_NEON_SPAN_ATTRS) {
        return;
    }

    attr = &span->attrs[span->nattrs++];

    attr->name = name;
    ngx_str_null(&attr->string);
    attr->number = value;
}


void
ngx_neon_span_fail(ngx_neon_span_t *span, const ngx_str_t *message)
{
    span->error = 1;
    span->message.data = message->data;
    span->message.len = ngx_min(message->len, NGX_NEON_SPAN_VALUE_MAX);
}


void
ngx_neon_spans_init(ngx_neon_spans_t *spans, ngx_neon_conf_t *conf)
{
    ngx_memzero(spans, sizeof(ngx_neon_spans_t));

    ngx_queue_init(&spans->queue);
    spans->conf = conf;
}


void
ngx_neon_spans_add(ngx_neon_spans_t *spans, const ngx_neon_span_t *span)
{
    size_t            size, head;
    u_char           *p;
    ngx_uint_t        i;
    ngx_neon_span_t  *copy;

    size = ngx_neon_span_size(span);

    if (spans->count >= NGX_NEON_SPANS_COUNT
        || spans->bytes + size > NGX_NEON_SPANS_BYTES)
    {
        ngx_neon_spans_count(spans, NGX_NEON_SPANS_DROPPED, 1);
        return;
    }

    p = ngx_alloc(size, ngx_cycle->log);
    if (p == NULL) {
        ngx_neon_spans_count(spans, NGX_NEON_SPANS_DROPPED, 1);
        return;
    }

    head = offsetof(ngx_neon_span_t, attrs)
           + span->nattrs * sizeof(ngx_neon_span_attr_t);

    copy = (ngx_neon_span_t *) p;
    ngx_memcpy(copy, span, head);
    copy->size = size;

    p = ngx_neon_span_copy(&copy->state, p + head);
    p = ngx_neon_span_copy(&copy->message, p);

    for (i = 0; i < copy->nattrs; i++) {
        p = ngx_neon_span_copy(&copy->attrs[i].string, p);
    }

    ngx_queue_insert_tail(&spans->queue, &copy->queue);
    spans->count++;
    spans->bytes += size;

    spans->added(spans);
}


static size_t
ngx_neon_span_size(const ngx_neon_span_t *span)
{
    size_t      size;
    ngx_uint_t  i;

    size = offsetof(ngx_neon_span_t, attrs) + span->state.len
           + span->message.len;

    for (i = 0; i < span->nattrs; i++) {
        size += sizeof(ngx_neon_span_attr_t) + span->attrs[i].string.len;
    }

    return size;
}


static u_char *
ngx_neon_span_copy(ngx_str_t *string, u_char *p)
{
    u_char  *last;

    if (string->data == NULL) {
        return p;
    }

    last = ngx_neon_span_utf8(p, string->data, string->len);

    string->data = p;
    string->len = last - p;

    return last;
}


/* clients send what they like, and JSON is UTF-8: '?' for what is not */

static u_char *
ngx_neon_span_utf8(u_char *p, const u_char *src, size_t len)
{
    u_char    *pos, *start, *last;
    uint32_t   ch;

    pos = (u_char *) src;
    last = pos + len;

    while (pos < last) {

        if (*pos < 0x80) {
            *p++ = *pos++;
            continue;
        }

        start = pos;
        ch = ngx_utf8_decode(&pos, last - start);

        if (ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
            *p++ = '?';
            pos = start + 1;
            continue;
        }

        p = ngx_cpymem(p, start, pos - start);
    }

    return p;
}


ngx_uint_t
ngx_neon_spans_take(ngx_neon_spans_t *spans, ngx_queue_t *batch, ngx_uint_t n)
{
    ngx_uint_t        i;
    ngx_queue_t      *q;
    ngx_neon_span_t  *span;

    ngx_queue_init(batch);

    for (i = 0; i < n && !ngx_queue_empty(&spans->queue); i++) {
        q = ngx_queue_head(&spans->queue);
        span = ngx_queue_data(q, ngx_neon_span_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(batch, q);

        spans->count--;
        spans->bytes -= span->size;
    }

    return i;
}


void
ngx_neon_spans_free(ngx_queue_t *batch)
{
    ngx_queue_t  *q, *next;

    for (q = ngx_queue_head(batch);
         q != ngx_queue_sentinel(batch);
         q = next)
    {
        next = ngx_queue_next(q);
        ngx_free(ngx_queue_data(q, ngx_neon_span_t, queue));
    }

    ngx_queue_init(batch);
}


void
ngx_neon_spans_count(ngx_neon_spans_t *spans, ngx_uint_t result, uint64_t n)
{
    (void) ngx_atomic_fetch_add(
               &ngx_neon_zone(spans->conf)->sh->metrics->spans[result],
               (ngx_atomic_int_t) n);
}
