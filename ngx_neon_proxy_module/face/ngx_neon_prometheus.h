/*
 * The form of Prometheus's text format, version 0.0.4: families, and samples
 * of which each has the label `proxy`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_PROMETHEUS_H
#define NGX_NEON_PROMETHEUS_H


#include "ngx_neon_labels.h"
#include "ngx_neon_page.h"
#include "ngx_neon_snapshot.h"


typedef struct {
    ngx_neon_page_t        *page;
    ngx_str_t               proxy;            /* proxy="..." */
} ngx_neon_prometheus_t;


/* name: clean */
void ngx_neon_prometheus_init(ngx_neon_prometheus_t *m, ngx_neon_page_t *page,
    const ngx_str_t *name);

/* HELP and TYPE; the samples follow */
void ngx_neon_prometheus_family(ngx_neon_prometheus_t *m, const char *name,
    const char *type, const char *help);

/* one for each of the labels */
void ngx_neon_prometheus_counters(ngx_neon_prometheus_t *m, const char *name,
    const char *label, const ngx_neon_label_t *labels, const ngx_atomic_t *n,
    ngx_uint_t nelts);

/* labels: NUL-terminated; prints nothing where nothing was observed */
void ngx_neon_prometheus_histogram(ngx_neon_prometheus_t *m, const char *name,
    const u_char *labels, const ngx_neon_histogram_t *h);


#endif /* NGX_NEON_PROMETHEUS_H */
