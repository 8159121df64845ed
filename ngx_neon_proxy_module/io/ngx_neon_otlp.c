/*
 * Export of spans by OTLP/HTTP with JSON.  What fails in a way that may pass
 * (OTLP specification, "Failures") is sent again, after growing pauses, while
 * new spans wait in the bounded queue; above it they are dropped.  No session
 * notices any of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_otlp.h"

#include "neon_crypto.h"

#include "ngx_neon_curl.h"
#include "ngx_neon_metrics.h"
#include "ngx_neon_otlp_json.h"
#include "ngx_neon_time.h"


/* spans of a request: about 1 ms of writing JSON, or as many as there are when
   nobody else waits any more */
#define NGX_NEON_OTLP_BATCH     256
#define NGX_NEON_OTLP_BATCH_MAX 2048

#define NGX_NEON_OTLP_DELAY     1000          /* ms: a batch fills up */
#define NGX_NEON_OTLP_ATTEMPTS  8             /* of one batch */
#define NGX_NEON_OTLP_CONNECT   2000
#define NGX_NEON_OTLP_TIMEOUT   10000
#define NGX_NEON_OTLP_ANSWER    16384

/* behind the event loop: nginx -s stop kills after 3 s */
#define NGX_NEON_OTLP_EXIT      2000
#define NGX_NEON_OTLP_AGAIN     100


typedef struct {
    ngx_neon_spans_t           spans;
    ngx_neon_otlp_resource_t   resource;
    u_char                     instance[32];

    ngx_queue_t                queue;     /* of the worker's exporters */
    ngx_event_t                event;     /* next batch, next try */

    /* the batch; body.data NULL: none */
    ngx_str_t                  body;
    ngx_uint_t                 n;         /* spans in it */
    ngx_uint_t                 attempts;  /* that failed */
    ngx_neon_curl_t            curl;

    ngx_log_t                 *log;
    unsigned                   sending:1;
    unsigned                   down:1;    /* and the log says so */
    unsigned                   exiting:1;
} ngx_neon_otlp_t;


static ngx_int_t ngx_neon_otlp_prepare(ngx_neon_otlp_t *o);
static void ngx_neon_otlp_added(ngx_neon_spans_t *spans);
static void ngx_neon_otlp_handler(ngx_event_t *ev);
static ngx_int_t ngx_neon_otlp_fill(ngx_neon_otlp_t *o);
static void ngx_neon_otlp_send(ngx_neon_otlp_t *o);
static void ngx_neon_otlp_answer_handler(ngx_neon_curl_t *curl);
static void ngx_neon_otlp_taken(ngx_neon_otlp_t *o);
static void ngx_neon_otlp_failed(ngx_neon_otlp_t *o);
static ngx_uint_t ngx_neon_otlp_retryable(ngx_uint_t status);
static void ngx_neon_otlp_empty(ngx_neon_otlp_t *o);
static void ngx_neon_otlp_next(ngx_neon_otlp_t *o);
static ngx_uint_t ngx_neon_otlp_flush(ngx_neon_otlp_t *o);
static void ngx_neon_otlp_lose(ngx_neon_otlp_t *o);


static const ngx_neon_retry_t  ngx_neon_otlp_pauses = {
    NGX_NEON_OTLP_ATTEMPTS, 1000, 2000
};

static ngx_queue_t  ngx_neon_otlps;

/* debug logs of timers take the number of a descriptor from here */
static ngx_connection_t  ngx_neon_otlp_no_fd = { .fd = (ngx_socket_t) -1 };


ngx_int_t
ngx_neon_otlp_init(ngx_cycle_t *cycle, ngx_neon_conf_t *conf)
{
    ngx_neon_otlp_t  *o;

    if (ngx_neon_otlps.next == NULL) {
        ngx_queue_init(&ngx_neon_otlps);
    }

    if (conf->otlp == NULL) {
        return NGX_OK;
    }

    o = ngx_pcalloc(cycle->pool, sizeof(ngx_neon_otlp_t));
    if (o == NULL) {
        return NGX_ERROR;
    }

    o->log = cycle->log;

    ngx_neon_spans_init(&o->spans, conf);
    o->spans.added = ngx_neon_otlp_added;

    o->event.handler = ngx_neon_otlp_handler;
    o->event.data = &ngx_neon_otlp_no_fd;
    o->event.log = cycle->log;
    o->event.cancelable = 1;

    if (ngx_neon_otlp_prepare(o) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&ngx_neon_otlps, &o->queue);
    conf->otlp->spans = &o->spans;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_otlp_prepare(ngx_neon_otlp_t *o)
{
    u_char                 id[sizeof(o->instance) / 2];
    ngx_neon_conf_t       *conf;
    ngx_neon_curl_t       *curl;
    ngx_neon_otlp_conf_t  *oconf;

    conf = o->spans.conf;
    oconf = conf->otlp;

    /* a pid comes again, and is the same in other containers */

    if (neon_random(id, sizeof(id)) != NEON_OK) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(o->instance, id, sizeof(id));

    o->resource.service = oconf->service;
    o->resource.proxy = conf->name;
    o->resource.instance.data = o->instance;
    o->resource.instance.len = sizeof(o->instance);

    curl = &o->curl;

    curl->conf = conf;
    curl->log = o->log;
    curl->url = oconf->url;
    curl->headers = oconf->headers->elts;
    curl->nheaders = oconf->headers->nelts;
    curl->connect_timeout = NGX_NEON_OTLP_CONNECT;
    curl->timeout = NGX_NEON_OTLP_TIMEOUT;
    curl->max_response = NGX_NEON_OTLP_ANSWER;
    curl->last = 1;
    curl->handler = ngx_neon_otlp_answer_handler;
    curl->data = o;

    return NGX_OK;
}


static void
ngx_neon_otlp_added(ngx_neon_spans_t *spans)
{
    ngx_neon_otlp_t  *o;

    o = (ngx_neon_otlp_t *)
            ((u_char *) spans - offsetof(ngx_neon_otlp_t, spans));

    if (o->body.data == NULL && !o->exiting) {
        ngx_neon_otlp_next(o);
    }
}


static void
ngx_neon_otlp_handler(ngx_event_t *ev)
{
    ngx_neon_otlp_t  *o;

    o = (ngx_neon_otlp_t *)
            ((u_char *) ev - offsetof(ngx_neon_otlp_t, event));

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (o->sending) {
        return;
    }

    if (o->body.data || ngx_neon_otlp_fill(o) == NGX_OK) {
        ngx_neon_otlp_send(o);
    }
}


/* NGX_DECLINED: there are no spans */

static ngx_int_t
ngx_neon_otlp_fill(ngx_neon_otlp_t *o)
{
    ngx_int_t    rc;
    ngx_queue_t  batch;

    o->n = ngx_neon_spans_take(&o->spans, &batch,
                               o->exiting ? NGX_NEON_OTLP_BATCH_MAX
                                          : NGX_NEON_OTLP_BATCH);

    if (o->n == 0) {
        return NGX_DECLINED;
    }

    o->attempts = 0;

    rc = ngx_neon_otlp_json_write(&o->body, &o->resource, &batch, o->log);

    ngx_neon_spans_free(&batch);

    if (rc != NGX_OK) {
        ngx_neon_spans_count(&o->spans, NGX_NEON_SPANS_FAILED, o->n);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_neon_otlp_send(ngx_neon_otlp_t *o)
{
    ngx_neon_curl_t  *curl;

    curl = &o->curl;
    curl->body = o->body;
    curl->pool = ngx_create_pool(1024, o->log);

    o->sending = 1;

    if (curl->pool && ngx_neon_curl_start(curl) == NGX_AGAIN) {
        return;
    }

    curl->status = 0;
    curl->error = "no memory";

    ngx_neon_otlp_answer_handler(curl);
}


static void
ngx_neon_otlp_answer_handler(ngx_neon_curl_t *curl)
{
    ngx_neon_otlp_t  *o;

    o = curl->data;
    o->sending = 0;

    if (curl->status >= 200 && curl->status < 300) {
        ngx_neon_otlp_taken(o);

    } else {
        ngx_neon_otlp_failed(o);
    }

    if (curl->pool) {
        ngx_destroy_pool(curl->pool);
        curl->pool = NULL;
    }

    if (o->body.data == NULL && !o->exiting) {
        ngx_neon_otlp_next(o);
    }
}


static void
ngx_neon_otlp_taken(ngx_neon_otlp_t *o)
{
    uint64_t  rejected;

    rejected = ngx_neon_otlp_json_rejected(&o->curl.response);
    rejected = ngx_min(rejected, o->n);

    if (o->down) {
        o->down = 0;
        ngx_log_error(NGX_LOG_NOTICE, o->log, 0, "otlp: \"%V\" works again",
                      &o->curl.url);
    }

    ngx_neon_spans_count(&o->spans, NGX_NEON_SPANS_EXPORTED, o->n - rejected);
    ngx_neon_spans_count(&o->spans, NGX_NEON_SPANS_REJECTED, rejected);
    ngx_neon_otlp_empty(o);
}


static void
ngx_neon_otlp_failed(ngx_neon_otlp_t *o)
{
    ngx_msec_t        pause;
    ngx_neon_curl_t  *curl;

    curl = &o->curl;

    /* once for each outage */

    if (!o->down) {
        o->down = 1;

        if (curl->status) {
            ngx_log_error(NGX_LOG_WARN, o->log, 0, "otlp: \"%V\" answers with"
                          " status %ui", &curl->url, curl->status);

        } else {
            ngx_log_error(NGX_LOG_WARN, o->log, 0, "otlp: \"%V\" does not"
                          " answer: %s", &curl->url, curl->error);
        }
    }

    if (!ngx_neon_otlp_retryable(curl->status)
        || ++o->attempts == NGX_NEON_OTLP_ATTEMPTS
        || (o->exiting && curl->status == 0))
    {
        ngx_neon_spans_count(&o->spans, NGX_NEON_SPANS_FAILED, o->n);
        ngx_neon_otlp_empty(o);
        return;
    }

    pause = curl->retry_after ? curl->retry_after
            : ngx_neon_retry_delay(&ngx_neon_otlp_pauses, o->attempts - 1);

    if (!o->exiting) {
        ngx_add_timer(&o->event, pause);
    }
}


static ngx_uint_t
ngx_neon_otlp_retryable(ngx_uint_t status)
{
    return status == 0 || status == 429 || status == 502 || status == 503
           || status == 504;
}


static void
ngx_neon_otlp_empty(ngx_neon_otlp_t *o)
{
    ngx_free(o->body.data);
    ngx_str_null(&o->body);
    o->n = 0;
}


/* a full batch leaves at once, another one a little later */

static void
ngx_neon_otlp_next(ngx_neon_otlp_t *o)
{
    if (o->spans.count >= NGX_NEON_OTLP_BATCH) {
        ngx_post_event(&o->event, &ngx_posted_events);

    } else if (o->spans.count && !o->event.timer_set) {
        ngx_add_timer(&o->event, NGX_NEON_OTLP_DELAY);
    }
}


void
ngx_neon_otlp_exit(void)
{
    uint64_t      end, now;
    ngx_uint_t    busy;
    ngx_queue_t  *q;

    if (ngx_neon_otlps.next == NULL || ngx_queue_empty(&ngx_neon_otlps)) {
        return;
    }

    ngx_neon_curl_last();

    end = ngx_neon_usec() + NGX_NEON_OTLP_EXIT * 1000;

    for ( ;; ) {
        busy = 0;

        for (q = ngx_queue_head(&ngx_neon_otlps);
             q != ngx_queue_sentinel(&ngx_neon_otlps);
             q = ngx_queue_next(q))
        {
            busy |= ngx_neon_otlp_flush(ngx_queue_data(q, ngx_neon_otlp_t,
                                                       queue));
        }

        now = ngx_neon_usec();

        if (!busy || now >= end) {
            break;
        }

        ngx_neon_curl_wait(ngx_min((end - now) / 1000 + 1,
                                   NGX_NEON_OTLP_AGAIN));
        ngx_time_update();
    }

    for (q = ngx_queue_head(&ngx_neon_otlps);
         q != ngx_queue_sentinel(&ngx_neon_otlps);
         q = ngx_queue_next(q))
    {
        ngx_neon_otlp_lose(ngx_queue_data(q, ngx_neon_otlp_t, queue));
    }
}


/* is there something left to be sent? */

static ngx_uint_t
ngx_neon_otlp_flush(ngx_neon_otlp_t *o)
{
    if (!o->exiting) {
        o->exiting = 1;

        if (o->event.timer_set) {
            ngx_del_timer(&o->event);
        }
    }

    if (o->sending) {
        return 1;
    }

    if (o->body.data) {
        /* it was refused for the moment */
        ngx_msleep(NGX_NEON_OTLP_AGAIN);

    } else if (ngx_neon_otlp_fill(o) != NGX_OK) {
        return 0;
    }

    ngx_neon_otlp_send(o);

    return 1;
}


static void
ngx_neon_otlp_lose(ngx_neon_otlp_t *o)
{
    ngx_queue_t  batch;

    if (o->sending) {
        ngx_neon_curl_cancel(&o->curl);
        ngx_destroy_pool(o->curl.pool);
    }

    ngx_neon_spans_count(&o->spans, NGX_NEON_SPANS_FAILED,
                         o->n + o->spans.count);

    if (o->body.data) {
        ngx_neon_otlp_empty(o);
    }

    (void) ngx_neon_spans_take(&o->spans, &batch, o->spans.count);
    ngx_neon_spans_free(&batch);

    o->spans.conf->otlp->spans = NULL;
}
