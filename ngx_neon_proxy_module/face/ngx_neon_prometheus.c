/*
 * The form of Prometheus's text format, version 0.0.4.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_prometheus.h"


#define NGX_NEON_PROMETHEUS_SECONDS  (NGX_INT64_LEN + sizeof(".000000"))


static void ngx_neon_prometheus_seconds(u_char *buf, uint64_t us);


/* the name is UTF-8 without control characters: two more need an escape */

void
ngx_neon_prometheus_init(ngx_neon_prometheus_t *m, ngx_neon_page_t *page,
    const ngx_str_t *name)
{
    u_char      *p;
    ngx_uint_t   i;

    m->page = page;

    p = ngx_pnalloc(page->pool, sizeof("proxy=\"\"") - 1 + 2 * name->len);

    if (p == NULL) {
        page->failed = 1;
        ngx_str_null(&m->proxy);
        return;
    }

    m->proxy.data = p;

    p = ngx_cpymem(p, "proxy=\"", sizeof("proxy=\"") - 1);

    for (i = 0; i < name->len; i++) {

        if (name->data[i] == '"' || name->data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = name->data[i];
    }

    *p++ = '"';

    m->proxy.len = p - m->proxy.data;
}


void
ngx_neon_prometheus_family(ngx_neon_prometheus_t *m, const char *name,
    const char *type, const char *help)
{
    ngx_neon_page_print(m->page, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                        name, type);
}


void
ngx_neon_prometheus_counters(ngx_neon_prometheus_t *m, const char *name,
    const char *label, const ngx_neon_label_t *labels, const ngx_atomic_t *n,
    ngx_uint_t nelts)
{
    ngx_uint_t  i;

    for (i = 0; i < nelts; i++) {
        ngx_neon_page_print(m->page, "%s{%V,%s=\"%s\"} %uL\n", name,
                            &m->proxy, label, labels[i].name,
                            (uint64_t) n[i]);
    }
}


void
ngx_neon_prometheus_histogram(ngx_neon_prometheus_t *m, const char *name,
    const u_char *labels, const ngx_neon_histogram_t *h)
{
    u_char      seconds[NGX_NEON_PROMETHEUS_SECONDS];
    uint64_t    n;
    ngx_uint_t  i;

    if (ngx_neon_snapshot_count(h) == 0) {
        return;
    }

    /* a bucket has all that is not longer, so they add up */

    n = 0;

    for (i = 0; i < NGX_NEON_HISTOGRAM_BUCKETS; i++) {
        n += h->bucket[i];

        ngx_neon_prometheus_seconds(seconds, ngx_neon_histogram_bounds[i]);
        ngx_neon_page_print(m->page, "%s_bucket{%V,%s,le=\"%s\"} %uL\n", name,
                            &m->proxy, labels, seconds, n);
    }

    n += h->bucket[i];

    ngx_neon_prometheus_seconds(seconds, h->sum);
    ngx_neon_page_print(m->page, "%s_bucket{%V,%s,le=\"+Inf\"} %uL\n"
                        "%s_sum{%V,%s} %s\n"
                        "%s_count{%V,%s} %uL\n",
                        name, &m->proxy, labels, n,
                        name, &m->proxy, labels, seconds,
                        name, &m->proxy, labels, n);
}


/* NUL-terminated, without zeros at the end: 0.00025 */

static void
ngx_neon_prometheus_seconds(u_char *buf, uint64_t us)
{
    u_char  *p;

    p = ngx_sprintf(buf, "%uL.%06uL", us / 1000000, us % 1000000);

    while (p[-1] == '0') {
        p--;
    }

    if (p[-1] == '.') {
        p--;
    }

    *p = '\0';
}
