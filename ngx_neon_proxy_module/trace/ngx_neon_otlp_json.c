/*
 * OTLP's JSON: the JSON mapping of opentelemetry/proto/collector/trace/v1,
 * with ids in hex and 64-bit numbers as strings.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_otlp_json.h"

#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "ngx_neon_version.h"
#include "ngx_neon_yajl.h"


#define NGX_NEON_OTLP_JSON_SIZE  65536
#define NGX_NEON_OTLP_JSON_ERROR 2            /* STATUS_CODE_ERROR */


typedef struct {
    u_char                 *start;
    u_char                 *last;
    u_char                 *end;
    ngx_log_t              *log;
    unsigned                failed:1;
} ngx_neon_otlp_json_buf_t;


typedef struct {
    const ngx_neon_otlp_resource_t  *resource;
    ngx_queue_t                     *spans;
    ngx_neon_otlp_json_buf_t         buf;
} ngx_neon_otlp_json_request_t;


/* {"partialSuccess": {"rejectedSpans": "1"}} */

typedef struct {
    const ngx_str_t        *text;
    ngx_uint_t              depth;
    unsigned                partial:1;        /* within that member */
    unsigned                here:1;           /* the next value is it */
    uint64_t                rejected;
} ngx_neon_otlp_json_answer_t;


static ngx_int_t ngx_neon_otlp_json_generate(yajl_alloc_funcs *funcs,
    void *data);
static void ngx_neon_otlp_json_print(void *ctx, const char *p, size_t len);
static void ngx_neon_otlp_json_resource(yajl_gen g,
    const ngx_neon_otlp_resource_t *resource);
static void ngx_neon_otlp_json_span(yajl_gen g, const ngx_neon_span_t *span);
static void ngx_neon_otlp_json_status(yajl_gen g,
    const ngx_neon_span_t *span);
static void ngx_neon_otlp_json_attr(yajl_gen g, const char *name,
    const ngx_str_t *string, int64_t number);
static void ngx_neon_otlp_json_text(yajl_gen g, const char *text);
static void ngx_neon_otlp_json_str(yajl_gen g, const ngx_str_t *s);
static void ngx_neon_otlp_json_hex(yajl_gen g, const u_char *id, size_t len);
static void ngx_neon_otlp_json_nanos(yajl_gen g, uint64_t ns);

static ngx_int_t ngx_neon_otlp_json_parse(yajl_alloc_funcs *funcs, void *data);
static int ngx_neon_otlp_json_map_key(void *ctx, const unsigned char *key,
    size_t len);
static int ngx_neon_otlp_json_start(void *ctx);
static int ngx_neon_otlp_json_end(void *ctx);
static int ngx_neon_otlp_json_value(void *ctx, const char *p, size_t len);
static int ngx_neon_otlp_json_string(void *ctx, const unsigned char *p,
    size_t len);


static const yajl_callbacks  ngx_neon_otlp_json_callbacks = {
    NULL,
    NULL,
    NULL,
    NULL,
    ngx_neon_otlp_json_value,
    ngx_neon_otlp_json_string,
    ngx_neon_otlp_json_start,
    ngx_neon_otlp_json_map_key,
    ngx_neon_otlp_json_end,
    ngx_neon_otlp_json_start,
    ngx_neon_otlp_json_end
};


ngx_int_t
ngx_neon_otlp_json_write(ngx_str_t *body,
    const ngx_neon_otlp_resource_t *resource, ngx_queue_t *spans,
    ngx_log_t *log)
{
    ngx_neon_otlp_json_buf_t      *b;
    ngx_neon_otlp_json_request_t   r;

    ngx_memzero(&r, sizeof(ngx_neon_otlp_json_request_t));
    r.resource = resource;
    r.spans = spans;

    b = &r.buf;
    b->log = log;

    if (ngx_neon_yajl_run(ngx_neon_otlp_json_generate, &r, log) != NGX_OK) {
        b->failed = 1;
    }

    ngx_neon_otlp_json_print(b, "", 1);

    if (b->failed) {
        if (b->start) {
            ngx_free(b->start);
        }

        return NGX_ERROR;
    }

    body->data = b->start;
    body->len = b->last - b->start - 1;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_otlp_json_generate(yajl_alloc_funcs *funcs, void *data)
{
    ngx_neon_otlp_json_request_t *r = data;

    yajl_gen      g;
    ngx_queue_t  *q;

    g = yajl_gen_alloc(funcs);

    (void) yajl_gen_config(g, yajl_gen_print_callback,
                           ngx_neon_otlp_json_print, &r->buf);

    (void) yajl_gen_map_open(g);
    ngx_neon_otlp_json_text(g, "resourceSpans");
    (void) yajl_gen_array_open(g);
    (void) yajl_gen_map_open(g);

    ngx_neon_otlp_json_resource(g, r->resource);

    ngx_neon_otlp_json_text(g, "scopeSpans");
    (void) yajl_gen_array_open(g);
    (void) yajl_gen_map_open(g);

    ngx_neon_otlp_json_text(g, "scope");
    (void) yajl_gen_map_open(g);
    ngx_neon_otlp_json_text(g, "name");
    ngx_neon_otlp_json_text(g, "ngx_neon_proxy_module");
    ngx_neon_otlp_json_text(g, "version");
    ngx_neon_otlp_json_text(g, NGX_NEON_VERSION);
    (void) yajl_gen_map_close(g);

    ngx_neon_otlp_json_text(g, "spans");
    (void) yajl_gen_array_open(g);

    for (q = ngx_queue_head(r->spans);
         q != ngx_queue_sentinel(r->spans);
         q = ngx_queue_next(q))
    {
        ngx_neon_otlp_json_span(g, ngx_queue_data(q, ngx_neon_span_t, queue));
    }

    (void) yajl_gen_array_close(g);
    (void) yajl_gen_map_close(g);
    (void) yajl_gen_array_close(g);
    (void) yajl_gen_map_close(g);
    (void) yajl_gen_array_close(g);
    (void) yajl_gen_map_close(g);

    return NGX_OK;
}


static void
ngx_neon_otlp_json_print(void *ctx, const char *p, size_t len)
{
    ngx_neon_otlp_json_buf_t *b = ctx;

    u_char  *buf;
    size_t   size, have;

    if (b->failed) {
        return;
    }

    if ((size_t) (b->end - b->last) < len) {
        have = b->last - b->start;
        size = ngx_max(2 * (have + len), NGX_NEON_OTLP_JSON_SIZE);

        buf = ngx_alloc(size, b->log);
        if (buf == NULL) {
            b->failed = 1;
            return;
        }

        if (have) {
            ngx_memcpy(buf, b->start, have);
            ngx_free(b->start);
        }

        b->start = buf;
        b->last = buf + have;
        b->end = buf + size;
    }

    b->last = ngx_cpymem(b->last, p, len);
}


static void
ngx_neon_otlp_json_resource(yajl_gen g,
    const ngx_neon_otlp_resource_t *resource)
{
    ngx_str_t  version = ngx_string(NGX_NEON_VERSION);

    ngx_neon_otlp_json_text(g, "resource");
    (void) yajl_gen_map_open(g);
    ngx_neon_otlp_json_text(g, "attributes");
    (void) yajl_gen_array_open(g);

    ngx_neon_otlp_json_attr(g, "service.name", &resource->service, 0);
    ngx_neon_otlp_json_attr(g, "service.version", &version, 0);
    ngx_neon_otlp_json_attr(g, "service.instance.id", &resource->instance, 0);
    ngx_neon_otlp_json_attr(g, "host.name", (ngx_str_t *) &ngx_cycle->hostname,
                            0);
    ngx_neon_otlp_json_attr(g, "process.pid", NULL, ngx_pid);
    ngx_neon_otlp_json_attr(g, "neon.proxy", &resource->proxy, 0);

    (void) yajl_gen_array_close(g);
    (void) yajl_gen_map_close(g);
}


static void
ngx_neon_otlp_json_span(yajl_gen g, const ngx_neon_span_t *span)
{
    ngx_uint_t                   i;
    const ngx_neon_span_attr_t  *attr;

    (void) yajl_gen_map_open(g);

    ngx_neon_otlp_json_text(g, "traceId");
    ngx_neon_otlp_json_hex(g, span->trace_id, NEON_TRACE_ID_LEN);
    ngx_neon_otlp_json_text(g, "spanId");
    ngx_neon_otlp_json_hex(g, span->id, NEON_SPAN_ID_LEN);

    if (span->state.len) {
        ngx_neon_otlp_json_text(g, "traceState");
        ngx_neon_otlp_json_str(g, &span->state);
    }

    if (span->has_parent) {
        ngx_neon_otlp_json_text(g, "parentSpanId");
        ngx_neon_otlp_json_hex(g, span->parent, NEON_SPAN_ID_LEN);
    }

    ngx_neon_otlp_json_text(g, "name");
    ngx_neon_otlp_json_text(g, span->name);
    ngx_neon_otlp_json_text(g, "kind");
    (void) yajl_gen_integer(g, span->kind);
    ngx_neon_otlp_json_text(g, "startTimeUnixNano");
    ngx_neon_otlp_json_nanos(g, span->start);
    ngx_neon_otlp_json_text(g, "endTimeUnixNano");
    ngx_neon_otlp_json_nanos(g, span->end);

    ngx_neon_otlp_json_text(g, "attributes");
    (void) yajl_gen_array_open(g);

    for (i = 0; i < span->nattrs; i++) {
        attr = &span->attrs[i];
        ngx_neon_otlp_json_attr(g, attr->name,
                                attr->string.data ? &attr->string : NULL,
                                attr->number);
    }

    (void) yajl_gen_array_close(g);

    ngx_neon_otlp_json_status(g, span);

    (void) yajl_gen_map_close(g);
}


static void
ngx_neon_otlp_json_status(yajl_gen g, const ngx_neon_span_t *span)
{
    ngx_neon_otlp_json_text(g, "status");
    (void) yajl_gen_map_open(g);

    if (span->error) {
        ngx_neon_otlp_json_text(g, "code");
        (void) yajl_gen_integer(g, NGX_NEON_OTLP_JSON_ERROR);

        if (span->message.len) {
            ngx_neon_otlp_json_text(g, "message");
            ngx_neon_otlp_json_str(g, &span->message);
        }
    }

    (void) yajl_gen_map_close(g);
}


static void
ngx_neon_otlp_json_attr(yajl_gen g, const char *name, const ngx_str_t *string,
    int64_t number)
{
    u_char     text[NGX_INT64_LEN];
    ngx_str_t  s;

    (void) yajl_gen_map_open(g);

    ngx_neon_otlp_json_text(g, "key");
    ngx_neon_otlp_json_text(g, name);
    ngx_neon_otlp_json_text(g, "value");
    (void) yajl_gen_map_open(g);

    if (string) {
        ngx_neon_otlp_json_text(g, "stringValue");
        ngx_neon_otlp_json_str(g, string);

    } else {
        s.data = text;
        s.len = ngx_sprintf(text, "%L", number) - text;

        ngx_neon_otlp_json_text(g, "intValue");
        ngx_neon_otlp_json_str(g, &s);
    }

    (void) yajl_gen_map_close(g);
    (void) yajl_gen_map_close(g);
}


static void
ngx_neon_otlp_json_text(yajl_gen g, const char *text)
{
    (void) yajl_gen_string(g, (const u_char *) text, ngx_strlen(text));
}


static void
ngx_neon_otlp_json_str(yajl_gen g, const ngx_str_t *s)
{
    (void) yajl_gen_string(g, s->data, s->len);
}


static void
ngx_neon_otlp_json_hex(yajl_gen g, const u_char *id, size_t len)
{
    u_char  hex[2 * NEON_TRACE_ID_LEN];

    (void) ngx_hex_dump(hex, (u_char *) id, len);
    (void) yajl_gen_string(g, hex, 2 * len);
}


static void
ngx_neon_otlp_json_nanos(yajl_gen g, uint64_t ns)
{
    u_char  text[NGX_INT64_LEN];

    (void) yajl_gen_string(g, text, ngx_sprintf(text, "%uL", ns) - text);
}


uint64_t
ngx_neon_otlp_json_rejected(const ngx_str_t *answer)
{
    ngx_neon_otlp_json_answer_t  a;

    ngx_memzero(&a, sizeof(ngx_neon_otlp_json_answer_t));
    a.text = answer;

    if (ngx_neon_yajl_run(ngx_neon_otlp_json_parse, &a, ngx_cycle->log)
        != NGX_OK)
    {
        return 0;
    }

    return a.rejected;
}


static ngx_int_t
ngx_neon_otlp_json_parse(yajl_alloc_funcs *funcs, void *data)
{
    ngx_neon_otlp_json_answer_t *a = data;

    yajl_handle  h;

    h = yajl_alloc(&ngx_neon_otlp_json_callbacks, funcs, a);

    if (yajl_parse(h, a->text->data, a->text->len) != yajl_status_ok
        || yajl_complete_parse(h) != yajl_status_ok)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static int
ngx_neon_otlp_json_map_key(void *ctx, const unsigned char *key, size_t len)
{
    ngx_neon_otlp_json_answer_t *a = ctx;

    if (a->depth == 1) {
        a->partial = (len == 14 && ngx_memcmp(key, "partialSuccess", 14) == 0);
    }

    a->here = (a->depth == 2 && a->partial
               && len == 13 && ngx_memcmp(key, "rejectedSpans", 13) == 0);

    return 1;
}


static int
ngx_neon_otlp_json_start(void *ctx)
{
    ngx_neon_otlp_json_answer_t *a = ctx;

    a->depth++;
    a->here = 0;

    return 1;
}


static int
ngx_neon_otlp_json_end(void *ctx)
{
    ngx_neon_otlp_json_answer_t *a = ctx;

    a->depth--;

    return 1;
}


/* a number, or one as a string */

static int
ngx_neon_otlp_json_value(void *ctx, const char *p, size_t len)
{
    ngx_neon_otlp_json_answer_t *a = ctx;

    ngx_int_t  n;

    if (a->here) {
        n = ngx_atoi((u_char *) p, len);
        a->rejected = (n > 0) ? n : 0;
        a->here = 0;
    }

    return 1;
}


static int
ngx_neon_otlp_json_string(void *ctx, const unsigned char *p, size_t len)
{
    return ngx_neon_otlp_json_value(ctx, (const char *) p, len);
}
