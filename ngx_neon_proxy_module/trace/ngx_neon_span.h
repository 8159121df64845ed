/*
 * Spans, and a worker's bounded queue of those that ended.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_SPAN_H
#define NGX_NEON_SPAN_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_traceparent.h"

#include "ngx_neon_conf.h"


#define NGX_NEON_SPAN_ATTRS      32
#define NGX_NEON_SPAN_VALUE_MAX  1024         /* bytes of a string */

#define NGX_NEON_SPANS_COUNT     8192         /* of a queue */
#define NGX_NEON_SPANS_BYTES     (8 * 1024 * 1024)


/* OTLP's numbers */

typedef enum {
    NGX_NEON_SPAN_INTERNAL = 1,
    NGX_NEON_SPAN_SERVER,
    NGX_NEON_SPAN_CLIENT
} ngx_neon_span_kind_e;


typedef struct {
    const char             *name;             /* static */
    ngx_str_t               string;           /* data NULL: it is a number */
    int64_t                 number;
} ngx_neon_span_attr_t;


/* in a queue: one block with its strings */

typedef struct {
    ngx_queue_t             queue;
    size_t                  size;             /* of the block */

    u_char                  trace_id[NEON_TRACE_ID_LEN];
    u_char                  id[NEON_SPAN_ID_LEN];
    u_char                  parent[NEON_SPAN_ID_LEN];
    unsigned                has_parent:1;
    unsigned                error:1;
    ngx_neon_span_kind_e    kind;
    const char             *name;             /* static */
    ngx_str_t               state;            /* tracestate */
    ngx_str_t               message;          /* of an error */
    uint64_t                start;            /* ns since 1970 */
    uint64_t                end;

    ngx_uint_t              nattrs;
    ngx_neon_span_attr_t    attrs[NGX_NEON_SPAN_ATTRS];
} ngx_neon_span_t;


typedef struct ngx_neon_spans_s  ngx_neon_spans_t;

struct ngx_neon_spans_s {
    ngx_queue_t             queue;
    ngx_uint_t              count;
    size_t                  bytes;

    ngx_neon_conf_t        *conf;
    void                  (*added)(ngx_neon_spans_t *spans);
};


/* A session that is sampled: it lives as long as that does. */

typedef struct {
    ngx_neon_spans_t       *spans;
    u_char                  id[NEON_TRACE_ID_LEN];
    u_char                  parent[NEON_SPAN_ID_LEN];   /* the client's */
    u_char                  root[NEON_SPAN_ID_LEN];
    u_char                  step[NEON_SPAN_ID_LEN];     /* that is under way */
    unsigned                has_parent:1;
    ngx_str_t               state;            /* the client's tracestate */

    int64_t                 offset;           /* ns: from CLOCK_MONOTONIC to
                                                 the time since 1970 */
    uint64_t                entered;          /* us: when the step began */

    ngx_queue_t             queue;            /* of the worker's sessions */
    void                   *session;
    ngx_str_t               server_name;
    ngx_sockaddr_t          peer;             /* of the client's socket */
    socklen_t               peer_len;         /* 0: not known */
} ngx_neon_trace_t;


/* NGX_ERROR: no random bytes */
ngx_int_t ngx_neon_span_id(u_char *id);

/* a span without attributes; times in us of CLOCK_MONOTONIC */
void ngx_neon_span_init(ngx_neon_span_t *span, const ngx_neon_trace_t *trace,
    const u_char *id, const char *name, uint64_t start, uint64_t end);

/* strings are copied when the span is added; what is empty is left out */
void ngx_neon_span_string(ngx_neon_span_t *span, const char *name,
    const ngx_str_t *value);
void ngx_neon_span_text(ngx_neon_span_t *span, const char *name,
    const char *value);
void ngx_neon_span_number(ngx_neon_span_t *span, const char *name,
    int64_t value);

void ngx_neon_span_fail(ngx_neon_span_t *span, const ngx_str_t *message);


void ngx_neon_spans_init(ngx_neon_spans_t *spans, ngx_neon_conf_t *conf);

/* a copy of it, or it is counted as dropped */
void ngx_neon_spans_add(ngx_neon_spans_t *spans, const ngx_neon_span_t *span);

/* up to n of the oldest ones move to `batch`; how many */
ngx_uint_t ngx_neon_spans_take(ngx_neon_spans_t *spans, ngx_queue_t *batch,
    ngx_uint_t n);
void ngx_neon_spans_free(ngx_queue_t *batch);

void ngx_neon_spans_count(ngx_neon_spans_t *spans, ngx_uint_t result,
    uint64_t n);


#endif /* NGX_NEON_SPAN_H */
