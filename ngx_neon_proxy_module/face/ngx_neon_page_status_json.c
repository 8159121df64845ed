/*
 * The status of a proxy as JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_page_status.h"

#include "ngx_neon_labels.h"


static void ngx_neon_page_status_json_sessions(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_json_workers(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_json_caches(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_json_flights(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_json_calls(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_json_computes(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_json_errors(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_json_zone(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_json_counters(ngx_neon_page_t *page,
    const ngx_neon_label_t *labels, const ngx_atomic_t *n, ngx_uint_t nelts);


/* between members, not before the first */

#define ngx_neon_page_status_json_comma(i)  ((i) ? "," : "")


void
ngx_neon_page_status_json(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    u_char                     time[NGX_NEON_PAGE_TIME];
    const ngx_neon_metrics_t  *metrics;

    metrics = &snapshot->metrics;

    ngx_neon_page_print(page, "{\"proxy\":");
    ngx_neon_page_json(page, &snapshot->name);
    ngx_neon_page_print(page, ",\"nginx\":\"%s\",\"module\":\"%s\","
                        "\"time\":\"%s\"",
                        NGINX_VERSION, NGX_NEON_VERSION,
                        ngx_neon_page_time(time, snapshot->time));

    ngx_neon_page_status_json_sessions(page, snapshot);
    ngx_neon_page_status_json_workers(page, snapshot);
    ngx_neon_page_status_json_caches(page, snapshot);
    ngx_neon_page_status_json_flights(page, snapshot);
    ngx_neon_page_status_json_calls(page, snapshot);
    ngx_neon_page_status_json_computes(page, snapshot);

    ngx_neon_page_print(page, ",\"connect_failures\":");
    ngx_neon_page_status_json_counters(page, ngx_neon_label_nodes,
                                       metrics->connect_failures, 2);

    ngx_neon_page_print(page, ",\"retries\":");
    ngx_neon_page_status_json_counters(page, ngx_neon_label_retries,
                                       metrics->retries, 2);

    ngx_neon_page_print(page, ",\"cancels\":");
    ngx_neon_page_status_json_counters(page, ngx_neon_label_cancels,
                                       metrics->cancels,
                                       NGX_NEON_CANCELED_RESULTS);

    ngx_neon_page_status_json_errors(page, snapshot);
    ngx_neon_page_status_json_zone(page, snapshot);

    ngx_neon_page_print(page, "}\n");
}


static void
ngx_neon_page_status_json_sessions(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t  i;

    ngx_neon_page_print(page, ",\"sessions\":{");

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        ngx_neon_page_print(page, "%s\"%s\":{\"open\":%uL,\"ended\":",
                            ngx_neon_page_status_json_comma(i),
                            ngx_neon_label_fronts[i].name,
                            snapshot->sessions[i]);
        ngx_neon_page_status_json_counters(page, ngx_neon_label_outcomes,
                                           snapshot->metrics.sessions[i],
                                           NGX_NEON_OUTCOMES);

        ngx_neon_page_print(page, ",\"bytes\":");
        ngx_neon_page_status_json_counters(page, ngx_neon_label_directions,
                                           snapshot->metrics.bytes[i], 2);
        ngx_neon_page_print(page, "}");
    }

    ngx_neon_page_print(page, "}");
}


static void
ngx_neon_page_status_json_workers(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    u_char                             since[NGX_NEON_PAGE_TIME];
    ngx_uint_t                         i;
    const ngx_neon_snapshot_worker_t  *worker;

    ngx_neon_page_print(page, ",\"workers\":[");

    for (i = 0; i < snapshot->nworkers; i++) {
        worker = &snapshot->workers[i];

        ngx_neon_page_print(page, "%s{\"pid\":%P,\"since\":\"%s\","
                            "\"sessions\":%uL,\"state\":\"%s\"}",
                            ngx_neon_page_status_json_comma(i), worker->pid,
                            ngx_neon_page_time(since, worker->since),
                            worker->sessions,
                            ngx_neon_label_workers[worker->draining].name);
    }

    ngx_neon_page_print(page, "]");
}


static void
ngx_neon_page_status_json_caches(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_int_t                         ratio;
    ngx_uint_t                        i, k;
    const ngx_neon_snapshot_cache_t  *cache;

    ngx_neon_page_print(page, ",\"caches\":{");

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        cache = &snapshot->caches[i];

        ngx_neon_page_print(page, "%s\"%s\":{",
                            ngx_neon_page_status_json_comma(i),
                            ngx_neon_label_caches[i].name);

        for (k = 0; ngx_neon_snapshot_numbers[k].label.name; k++) {
            ngx_neon_page_print(page, "\"%s\":%uL,",
                                ngx_neon_snapshot_numbers[k].label.name,
                                ngx_neon_snapshot_number(cache,
                                        ngx_neon_snapshot_numbers[k].offset));
        }

        ratio = ngx_neon_snapshot_hit_ratio(cache);

        if (ratio == NGX_ERROR) {
            ngx_neon_page_print(page, "\"hit_ratio\":null}");

        } else {
            ngx_neon_page_print(page, "\"hit_ratio\":%i.%03i}", ratio / 1000,
                                ratio % 1000);
        }
    }

    ngx_neon_page_print(page, "}");
}


static void
ngx_neon_page_status_json_flights(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t  i;

    ngx_neon_page_print(page, ",\"flights\":{");

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        ngx_neon_page_print(page, "\"%s\":", ngx_neon_label_caches[i].name);
        ngx_neon_page_status_json_counters(page, ngx_neon_label_roles,
                                           snapshot->metrics.flights[i],
                                           NGX_NEON_FLIGHT_ROLES);
        ngx_neon_page_print(page, ",");
    }

    ngx_neon_page_print(page, "\"now\":%uL,\"waiting\":%uL}",
                        snapshot->flights, snapshot->waiting);
}


static void
ngx_neon_page_status_json_calls(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    uint64_t                     n, us;
    ngx_uint_t                   i, k;
    const ngx_neon_histogram_t  *h;

    ngx_neon_page_print(page, ",\"control_plane\":{");

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        ngx_neon_page_print(page, "%s\"%s\":{",
                            ngx_neon_page_status_json_comma(i),
                            ngx_neon_label_calls[i].name);

        for (k = 0; k < NGX_NEON_CALL_RESULTS; k++) {
            h = &snapshot->metrics.calls[i][k];
            n = ngx_neon_snapshot_count(h);

            ngx_neon_page_print(page, "%s\"%s\":{\"count\":%uL,"
                                "\"mean_ms\":",
                                ngx_neon_page_status_json_comma(k),
                                ngx_neon_label_results[k].name, n);

            if (n == 0) {
                ngx_neon_page_print(page, "null}");
                continue;
            }

            us = h->sum / n;
            ngx_neon_page_print(page, "%uL.%03uL}", us / 1000, us % 1000);
        }

        ngx_neon_page_print(page, "}");
    }

    ngx_neon_page_print(page, "}");
}


static void
ngx_neon_page_status_json_computes(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t                          i;
    const ngx_neon_snapshot_compute_t  *compute;

    ngx_neon_page_print(page, ",\"computes\":[");

    for (i = 0; i < snapshot->ncomputes; i++) {
        compute = &snapshot->computes[i];

        ngx_neon_page_print(page, "%s{\"endpoint\":",
                            ngx_neon_page_status_json_comma(i));
        ngx_neon_page_json(page, &compute->endpoint);
        ngx_neon_page_print(page, ",\"options\":");
        ngx_neon_page_json(page, &compute->options);

        ngx_neon_page_print(page, ",\"state\":\"%s\",\"left_s\":%ui}",
                            ngx_neon_label_computes[compute->state].name,
                            compute->left);
    }

    ngx_neon_page_print(page, "]");
}


static void
ngx_neon_page_status_json_errors(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    uint64_t                  n;
    ngx_str_t                 message;
    ngx_uint_t                i, some;
    const ngx_neon_reason_t  *reason;

    ngx_neon_page_print(page, ",\"errors\":[");

    some = 0;

    for (i = 0; i < NGX_NEON_REASONS; i++) {
        n = snapshot->metrics.errors[i];

        if (n == 0) {
            continue;
        }

        reason = ngx_neon_reason(i);
        message.data = (u_char *) reason->message;
        message.len = ngx_strlen(reason->message);

        ngx_neon_page_print(page, "%s{\"reason\":\"%V\",\"sqlstate\":\"%s\","
                            "\"count\":%uL,\"message\":",
                            ngx_neon_page_status_json_comma(some++),
                            &reason->name, reason->sqlstate, n);
        ngx_neon_page_json(page, &message);
        ngx_neon_page_print(page, "}");
    }

    ngx_neon_page_print(page, "]");
}


static void
ngx_neon_page_status_json_zone(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_neon_page_print(page, ",\"zone\":{\"size\":%uL,\"used\":%uL,"
                        "\"free\":%uL,\"recoveries\":%uL}",
                        snapshot->size, snapshot->size - snapshot->free,
                        snapshot->free, snapshot->recovered);
}


/* {"label":n,...} */

static void
ngx_neon_page_status_json_counters(ngx_neon_page_t *page,
    const ngx_neon_label_t *labels, const ngx_atomic_t *n, ngx_uint_t nelts)
{
    ngx_uint_t  i;

    ngx_neon_page_print(page, "{");

    for (i = 0; i < nelts; i++) {
        ngx_neon_page_print(page, "%s\"%s\":%uL",
                            ngx_neon_page_status_json_comma(i),
                            labels[i].name, (uint64_t) n[i]);
    }

    ngx_neon_page_print(page, "}");
}
