/*
 * The zone in Prometheus's text format, version 0.0.4.  Names and labels are a
 * contract: dashboards and alerts are built on them.
 *
 * What has a fixed set of labels is printed at zero, too, so that rates are
 * right from the first event on.  Histograms and errors appear with their
 * first event, or each scrape would carry hundreds of zeros.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_page_metrics.h"

#include "ngx_neon_labels.h"
#include "ngx_neon_prometheus.h"


#define NGX_NEON_PAGE_METRICS_LABELS  128


static void ngx_neon_page_metrics_sessions(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_bytes(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_errors(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_steps(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_caches(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_cache(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot, const char *name, size_t offset);
static void ngx_neon_page_metrics_evictions(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_flights(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_calls(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_computes(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_spans(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_processes(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_metrics_zone(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot);


static const struct {
    const char             *result;
    size_t                  offset;

} ngx_neon_page_metrics_results[] = {

    { "hit", ngx_neon_snapshot_offset(stats.hit) },
    { "miss", ngx_neon_snapshot_offset(stats.miss) },
    { "expired", ngx_neon_snapshot_offset(stats.expired) },
    { "spurious", ngx_neon_snapshot_offset(stats.spurious) },
    { "stale", ngx_neon_snapshot_offset(stats.stale) },
    { NULL, 0 }
};


void
ngx_neon_page_metrics(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_neon_prometheus_t  m;

    ngx_neon_prometheus_init(&m, page, &snapshot->name);

    ngx_neon_page_metrics_sessions(&m, snapshot);
    ngx_neon_page_metrics_bytes(&m, snapshot);
    ngx_neon_page_metrics_errors(&m, snapshot);
    ngx_neon_page_metrics_steps(&m, snapshot);
    ngx_neon_page_metrics_caches(&m, snapshot);
    ngx_neon_page_metrics_evictions(&m, snapshot);
    ngx_neon_page_metrics_flights(&m, snapshot);
    ngx_neon_page_metrics_calls(&m, snapshot);
    ngx_neon_page_metrics_computes(&m, snapshot);
    ngx_neon_page_metrics_spans(&m, snapshot);
    ngx_neon_page_metrics_processes(&m, snapshot);
    ngx_neon_page_metrics_zone(&m, snapshot);
}


static void
ngx_neon_page_metrics_sessions(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    uint64_t    n;
    ngx_uint_t  i, k;

    ngx_neon_prometheus_family(m, "neon_proxy_sessions", "gauge",
                               "Sessions that are open.");

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        ngx_neon_page_print(m->page,
                            "neon_proxy_sessions{%V,front=\"%s\"} %uL\n",
                            &m->proxy, ngx_neon_label_fronts[i].name,
                            snapshot->sessions[i]);
    }

    ngx_neon_prometheus_family(m, "neon_proxy_sessions_total", "counter",
                               "Sessions that ended, by how they did.");

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        for (k = 0; k < NGX_NEON_OUTCOMES; k++) {
            n = snapshot->metrics.sessions[i][k];

            /* not every proxy has the other fronts */

            if (n == 0 && i != NGX_NEON_FRONT_TCP) {
                continue;
            }

            ngx_neon_page_print(m->page, "neon_proxy_sessions_total"
                                "{%V,front=\"%s\",outcome=\"%s\"} %uL\n",
                                &m->proxy, ngx_neon_label_fronts[i].name,
                                ngx_neon_label_outcomes[k].name, n);
        }
    }
}


static void
ngx_neon_page_metrics_bytes(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t  i, k;

    ngx_neon_prometheus_family(m, "neon_proxy_bytes_total", "counter",
                               "Bytes of sessions, without TLS.");

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        for (k = 0; k < 2; k++) {
            ngx_neon_page_print(m->page, "neon_proxy_bytes_total"
                                "{%V,front=\"%s\",direction=\"%s\"} %uL\n",
                                &m->proxy, ngx_neon_label_fronts[i].name,
                                ngx_neon_label_directions[k].name,
                                (uint64_t) snapshot->metrics.bytes[i][k]);
        }
    }
}


static void
ngx_neon_page_metrics_errors(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    uint64_t                  n;
    ngx_uint_t                i;
    const ngx_neon_reason_t  *reason;

    ngx_neon_prometheus_family(m, "neon_proxy_errors_total", "counter",
                               "Sessions that failed, by reason.");

    for (i = 0; i < NGX_NEON_REASONS; i++) {
        n = snapshot->metrics.errors[i];

        if (n) {
            reason = ngx_neon_reason(i);

            ngx_neon_page_print(m->page, "neon_proxy_errors_total"
                                "{%V,reason=\"%V\",sqlstate=\"%s\"} %uL\n",
                                &m->proxy, &reason->name, reason->sqlstate,
                                n);
        }
    }
}


static void
ngx_neon_page_metrics_steps(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    u_char      labels[NGX_NEON_PAGE_METRICS_LABELS];
    ngx_uint_t  i, k, cold;

    ngx_neon_prometheus_family(m, "neon_proxy_step_seconds", "histogram",
                               "Time that a session spent in a step; cold:"
                               " it waited for a wake call.");

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        for (k = 0; k < NGX_NEON_METRICS_STEPS; k++) {
            for (cold = 0; cold < 2; cold++) {

                ngx_snprintf(labels, sizeof(labels),
                             "front=\"%s\",step=\"%V\",start=\"%s\"%Z",
                             ngx_neon_label_fronts[i].name,
                             &ngx_neon_state(k)->name,
                             cold ? "cold" : "warm");

                ngx_neon_prometheus_histogram(m, "neon_proxy_step_seconds",
                             labels, &snapshot->metrics.steps[i][k][cold]);
            }
        }
    }
}


static void
ngx_neon_page_metrics_caches(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    size_t      offset;
    ngx_uint_t  i, k;

    ngx_neon_prometheus_family(m, "neon_proxy_cache_requests_total",
                               "counter", "Look-ups in a cache; spurious:"
                               " hits that led nowhere; stale: expired, but"
                               " used since the control plane was down.");

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        for (k = 0; ngx_neon_page_metrics_results[k].result; k++) {
            offset = ngx_neon_page_metrics_results[k].offset;

            ngx_neon_page_print(m->page, "neon_proxy_cache_requests_total"
                                "{%V,cache=\"%s\",result=\"%s\"} %uL\n",
                                &m->proxy, ngx_neon_label_caches[i].name,
                                ngx_neon_page_metrics_results[k].result,
                                ngx_neon_snapshot_number(
                                           &snapshot->caches[i], offset));
        }
    }

    ngx_neon_prometheus_family(m, "neon_proxy_cache_entries", "gauge",
                               "Entries of a cache.");
    ngx_neon_page_metrics_cache(m, snapshot, "neon_proxy_cache_entries",
                                ngx_neon_snapshot_offset(entries));

    ngx_neon_prometheus_family(m, "neon_proxy_cache_insertions_total",
                               "counter", "Entries that were added.");
    ngx_neon_page_metrics_cache(m, snapshot,
                                "neon_proxy_cache_insertions_total",
                                ngx_neon_snapshot_offset(stats.inserted));

    ngx_neon_prometheus_family(m, "neon_proxy_cache_invalidations_total",
                               "counter", "Entries that proved wrong and were"
                               " removed.");
    ngx_neon_page_metrics_cache(m, snapshot,
                                "neon_proxy_cache_invalidations_total",
                                ngx_neon_snapshot_offset(stats.invalidated));
}


/* one number of each cache */

static void
ngx_neon_page_metrics_cache(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot, const char *name, size_t offset)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        ngx_neon_page_print(m->page, "%s{%V,cache=\"%s\"} %uL\n", name,
                            &m->proxy, ngx_neon_label_caches[i].name,
                            ngx_neon_snapshot_number(&snapshot->caches[i],
                                                     offset));
    }
}


static void
ngx_neon_page_metrics_evictions(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t                   i;
    const ngx_neon_lru_stats_t  *stats;

    ngx_neon_prometheus_family(m, "neon_proxy_cache_evictions_total",
                               "counter", "Least recently used entries that"
                               " made room; size: the cache was full;"
                               " memory: the zone was.");

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        stats = &snapshot->caches[i].stats;

        ngx_neon_page_print(m->page, "neon_proxy_cache_evictions_total"
                            "{%V,cache=\"%s\",cause=\"size\"} %uL\n",
                            &m->proxy, ngx_neon_label_caches[i].name,
                            stats->evicted_size);
        ngx_neon_page_print(m->page, "neon_proxy_cache_evictions_total"
                            "{%V,cache=\"%s\",cause=\"memory\"} %uL\n",
                            &m->proxy, ngx_neon_label_caches[i].name,
                            stats->evicted_memory);
    }
}


static void
ngx_neon_page_metrics_flights(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t  i, k;

    ngx_neon_prometheus_family(m, "neon_proxy_flights_total", "counter",
                               "Questions to the control plane: led, joined,"
                               " or taken over from who left them.");

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        for (k = 0; k < NGX_NEON_FLIGHT_ROLES; k++) {
            ngx_neon_page_print(m->page, "neon_proxy_flights_total"
                                "{%V,cache=\"%s\",role=\"%s\"} %uL\n",
                                &m->proxy, ngx_neon_label_caches[i].name,
                                ngx_neon_label_roles[k].name,
                                (uint64_t) snapshot->metrics.flights[i][k]);
        }
    }

    ngx_neon_prometheus_family(m, "neon_proxy_flights", "gauge",
                               "Questions to the control plane that are"
                               " open.");
    ngx_neon_page_print(m->page, "neon_proxy_flights{%V} %uL\n", &m->proxy,
                        snapshot->flights);

    ngx_neon_prometheus_family(m, "neon_proxy_waiting", "gauge",
                               "Sessions that wait for an answer of the"
                               " control plane.");
    ngx_neon_page_print(m->page, "neon_proxy_waiting{%V} %uL\n", &m->proxy,
                        snapshot->waiting);
}


static void
ngx_neon_page_metrics_calls(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    u_char      labels[NGX_NEON_PAGE_METRICS_LABELS];
    ngx_uint_t  i, k;

    ngx_neon_prometheus_family(m, "neon_proxy_control_plane_seconds",
                               "histogram", "Calls of the control plane;"
                               " refused: it said no; failed: no answer, or"
                               " none that can be used.");

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        for (k = 0; k < NGX_NEON_CALL_RESULTS; k++) {

            ngx_snprintf(labels, sizeof(labels),
                         "call=\"%s\",result=\"%s\"%Z",
                         ngx_neon_label_calls[i].name,
                         ngx_neon_label_results[k].name);

            ngx_neon_prometheus_histogram(m,
                         "neon_proxy_control_plane_seconds", labels,
                         &snapshot->metrics.calls[i][k]);
        }
    }
}


static void
ngx_neon_page_metrics_computes(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    const ngx_neon_metrics_t  *metrics;

    metrics = &snapshot->metrics;

    ngx_neon_prometheus_family(m, "neon_proxy_connect_failures_total",
                               "counter", "Connects to computes that failed,"
                               " by where the address was from.");
    ngx_neon_prometheus_counters(m, "neon_proxy_connect_failures_total",
                                 "node", ngx_neon_label_nodes,
                                 metrics->connect_failures, 2);

    ngx_neon_prometheus_family(m, "neon_proxy_retries_total", "counter",
                               "Calls of the control plane and connects to"
                               " computes beyond the first ones.");
    ngx_neon_prometheus_counters(m, "neon_proxy_retries_total", "what",
                                 ngx_neon_label_retries, metrics->retries,
                                 2);

    ngx_neon_prometheus_family(m, "neon_proxy_cancels_total", "counter",
                               "Cancellations of queries, by what became of"
                               " them.");
    ngx_neon_prometheus_counters(m, "neon_proxy_cancels_total", "result",
                                 ngx_neon_label_cancels, metrics->cancels,
                                 NGX_NEON_CANCELED_RESULTS);
}


static void
ngx_neon_page_metrics_spans(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_neon_prometheus_family(m, "neon_proxy_spans_total", "counter",
                               "Spans of sampled sessions, by what became of"
                               " them (otlp).");
    ngx_neon_prometheus_counters(m, "neon_proxy_spans_total", "result",
                                 ngx_neon_label_spans,
                                 snapshot->metrics.spans,
                                 NGX_NEON_SPANS_RESULTS);
}


static void
ngx_neon_page_metrics_processes(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    uint64_t    sessions[2];
    ngx_uint_t  i, n[2];

    ngx_memzero(n, sizeof(n));
    ngx_memzero(sessions, sizeof(sessions));

    for (i = 0; i < snapshot->nworkers; i++) {
        n[snapshot->workers[i].draining]++;
        sessions[snapshot->workers[i].draining]
            += snapshot->workers[i].sessions;
    }

    ngx_neon_prometheus_family(m, "neon_proxy_workers", "gauge",
                               "Worker processes.");

    for (i = 0; i < 2; i++) {
        ngx_neon_page_print(m->page,
                            "neon_proxy_workers{%V,state=\"%s\"} %ui\n",
                            &m->proxy, ngx_neon_label_workers[i].name, n[i]);
    }

    ngx_neon_prometheus_family(m, "neon_proxy_sessions_draining", "gauge",
                               "Open sessions of workers that quit.");

    ngx_neon_page_print(m->page, "neon_proxy_sessions_draining{%V} %uL\n",
                        &m->proxy, sessions[1]);
}


static void
ngx_neon_page_metrics_zone(ngx_neon_prometheus_t *m,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_neon_prometheus_family(m, "neon_proxy_zone_bytes", "gauge",
                               "Shared memory; free: in whole pages.");

    ngx_neon_page_print(m->page,
                        "neon_proxy_zone_bytes{%V,state=\"used\"} %uL\n"
                        "neon_proxy_zone_bytes{%V,state=\"free\"} %uL\n",
                        &m->proxy, snapshot->size - snapshot->free,
                        &m->proxy, snapshot->free);

    ngx_neon_prometheus_family(m, "neon_proxy_zone_recoveries_total",
                               "counter", "Times that a process was killed"
                               " while it changed the zone.");

    ngx_neon_page_print(m->page, "neon_proxy_zone_recoveries_total{%V} %uL\n",
                        &m->proxy, snapshot->recovered);
}
