/*
 * The status of a proxy for people.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_page_status.h"

#include "ngx_neon_html.h"
#include "ngx_neon_labels.h"


static void ngx_neon_page_status_html_sessions(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_workers(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_caches(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_flights(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_calls(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_failures(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_cancels(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_zone(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_errors(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_computes(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot);
static void ngx_neon_page_status_html_counters(ngx_neon_page_t *page,
    const ngx_neon_label_t *labels, const ngx_atomic_t *n, ngx_uint_t nelts);


void
ngx_neon_page_status_html(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_neon_html_begin(page, "neon_proxy", &snapshot->name);

    ngx_neon_page_print(page, "<p>");
    ngx_neon_html_time(page, snapshot->time);
    ngx_neon_page_print(page, ", nginx %s, ngx_neon_proxy_module %s,"
                        " <a href=\"?format=json\">as JSON</a></p>\n"
                        "</header>\n<main>\n<div>\n",
                        NGINX_VERSION, NGX_NEON_VERSION);

    ngx_neon_page_status_html_sessions(page, snapshot);
    ngx_neon_page_status_html_workers(page, snapshot);
    ngx_neon_page_status_html_caches(page, snapshot);
    ngx_neon_page_status_html_flights(page, snapshot);
    ngx_neon_page_status_html_calls(page, snapshot);
    ngx_neon_page_status_html_failures(page, snapshot);
    ngx_neon_page_status_html_cancels(page, snapshot);
    ngx_neon_page_status_html_zone(page, snapshot);

    ngx_neon_page_print(page, "</div>\n");

    ngx_neon_page_status_html_errors(page, snapshot);
    ngx_neon_page_status_html_computes(page, snapshot);

    ngx_neon_page_print(page, "</main>\n");
    ngx_neon_html_end(page);
}


static void
ngx_neon_page_status_html_sessions(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t                 i, k;
    const ngx_neon_metrics_t  *metrics;

    static const char *const  columns[] = { "Sessions", ">TCP", ">WebSocket",
                                            ">HTTP", NULL };

    metrics = &snapshot->metrics;

    ngx_neon_html_section(page, "sessions", "Sessions");
    ngx_neon_html_table(page, "sessions", columns);

    ngx_neon_html_row(page, "Open");

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        ngx_neon_html_number(page, snapshot->sessions[i]);
    }

    ngx_neon_html_row_end(page);

    for (k = 0; k < NGX_NEON_OUTCOMES; k++) {
        ngx_neon_html_row(page, ngx_neon_label_outcomes[k].text);

        for (i = 0; i < NGX_NEON_FRONTS; i++) {
            ngx_neon_html_number(page, metrics->sessions[i][k]);
        }

        ngx_neon_html_row_end(page);
    }

    for (k = 0; k < 2; k++) {
        ngx_neon_html_row(page, ngx_neon_label_directions[k].text);

        for (i = 0; i < NGX_NEON_FRONTS; i++) {
            ngx_neon_html_bytes(page, metrics->bytes[i][k]);
        }

        ngx_neon_html_row_end(page);
    }

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_workers(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    u_char                             pid[NGX_INT64_LEN + 1];
    ngx_uint_t                         i;
    const ngx_neon_snapshot_worker_t  *worker;

    static const char *const  columns[] = { "PID", "Since", ">Sessions",
                                            "State", NULL };

    ngx_neon_html_section(page, "workers", "Workers");
    ngx_neon_html_table(page, "workers", columns);

    for (i = 0; i < snapshot->nworkers; i++) {
        worker = &snapshot->workers[i];

        ngx_sprintf(pid, "%P%Z", worker->pid);

        ngx_neon_html_row(page, (char *) pid);
        ngx_neon_page_print(page, "<td>");
        ngx_neon_html_time(page, worker->since);
        ngx_neon_page_print(page, "</td>");
        ngx_neon_html_number(page, worker->sessions);
        ngx_neon_html_text(page,
                           ngx_neon_label_workers[worker->draining].text);
        ngx_neon_html_row_end(page);
    }

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_caches(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_int_t   ratio;
    ngx_uint_t  i, k;

    static const char *const  columns[] = { "Cache", ">Nodes", ">Secrets",
                                            NULL };

    ngx_neon_html_section(page, "caches", "Caches");
    ngx_neon_html_table(page, "caches", columns);

    for (k = 0; ngx_neon_snapshot_numbers[k].label.name; k++) {
        ngx_neon_html_row(page, ngx_neon_snapshot_numbers[k].label.text);

        for (i = 0; i < NGX_NEON_CACHES; i++) {
            ngx_neon_html_number(page,
                    ngx_neon_snapshot_number(&snapshot->caches[i],
                                         ngx_neon_snapshot_numbers[k].offset));
        }

        ngx_neon_html_row_end(page);
    }

    ngx_neon_html_row(page, "Hit ratio");

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        ratio = ngx_neon_snapshot_hit_ratio(&snapshot->caches[i]);

        if (ratio == NGX_ERROR) {
            ngx_neon_page_print(page, "<td class=\"n\">none</td>");

        } else {
            ngx_neon_page_print(page, "<td class=\"n\">%i.%i %%</td>",
                                ratio / 10, ratio % 10);
        }
    }

    ngx_neon_html_row_end(page);

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_flights(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t  i, k;

    static const char *const  columns[] = { "Questions to the control plane",
                                            ">Nodes", ">Secrets", NULL };

    ngx_neon_html_section(page, "flights", "Flights");
    ngx_neon_page_print(page, "<p>Open: %uL. Sessions that wait: %uL.</p>\n",
                        snapshot->flights, snapshot->waiting);
    ngx_neon_html_table(page, "flights", columns);

    for (k = 0; k < NGX_NEON_FLIGHT_ROLES; k++) {
        ngx_neon_html_row(page, ngx_neon_label_roles[k].text);

        for (i = 0; i < NGX_NEON_CACHES; i++) {
            ngx_neon_html_number(page, snapshot->metrics.flights[i][k]);
        }

        ngx_neon_html_row_end(page);
    }

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_calls(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    uint64_t                     n, us;
    ngx_uint_t                   i, k;
    const ngx_neon_histogram_t  *h;

    static const char *const  columns[] = { "Call", "Result", ">Count",
                                            ">Mean", NULL };

    ngx_neon_html_section(page, "calls", "Control plane");
    ngx_neon_html_table(page, "calls", columns);

    for (i = 0; i < NGX_NEON_CACHES; i++) {
        for (k = 0; k < NGX_NEON_CALL_RESULTS; k++) {
            h = &snapshot->metrics.calls[i][k];
            n = ngx_neon_snapshot_count(h);

            ngx_neon_html_row(page, ngx_neon_label_calls[i].text);
            ngx_neon_html_text(page, ngx_neon_label_results[k].text);
            ngx_neon_html_number(page, n);

            if (n) {
                us = h->sum / n;
                ngx_neon_page_print(page, "<td class=\"n\">%uL.%uL ms</td>",
                                    us / 1000, us % 1000 / 100);

            } else {
                ngx_neon_page_print(page, "<td class=\"n\">none</td>");
            }

            ngx_neon_html_row_end(page);
        }
    }

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_failures(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    static const char *const  columns[] = { "What", ">Count", NULL };

    ngx_neon_html_section(page, "failures", "Failures and retries");
    ngx_neon_html_table(page, "failures", columns);

    ngx_neon_page_status_html_counters(page, ngx_neon_label_nodes,
                                       snapshot->metrics.connect_failures, 2);
    ngx_neon_page_status_html_counters(page, ngx_neon_label_retries,
                                       snapshot->metrics.retries, 2);

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_cancels(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    static const char *const  columns[] = { "Result", ">Count", NULL };

    ngx_neon_html_section(page, "cancels", "Canceled queries");
    ngx_neon_html_table(page, "cancels", columns);

    ngx_neon_page_status_html_counters(page, ngx_neon_label_cancels,
                                       snapshot->metrics.cancels,
                                       NGX_NEON_CANCELED_RESULTS);

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_zone(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    static const char *const  columns[] = { "Zone", ">Amount", NULL };

    ngx_neon_html_section(page, "zone", "Shared memory");
    ngx_neon_html_table(page, "zone", columns);

    ngx_neon_html_row(page, "Used");
    ngx_neon_html_bytes(page, snapshot->size - snapshot->free);
    ngx_neon_html_row_end(page);

    ngx_neon_html_row(page, "Free");
    ngx_neon_html_bytes(page, snapshot->free);
    ngx_neon_html_row_end(page);

    ngx_neon_html_row(page, "Recoveries");
    ngx_neon_html_number(page, snapshot->recovered);
    ngx_neon_html_row_end(page);

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_errors(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t                i, rows;
    const ngx_neon_reason_t  *reason;

    static const char *const  columns[] = { "Reason", ">Count", "SQLSTATE",
                                            "Message", NULL };

    ngx_neon_html_section(page, "errors", "Errors");

    rows = 0;

    for (i = 0; i < NGX_NEON_REASONS; i++) {

        if (snapshot->metrics.errors[i] == 0) {
            continue;
        }

        if (rows++ == 0) {
            ngx_neon_html_table(page, "errors", columns);
        }

        reason = ngx_neon_reason(i);

        ngx_neon_html_row(page, (char *) reason->name.data);
        ngx_neon_html_number(page, snapshot->metrics.errors[i]);
        ngx_neon_html_text(page, reason->sqlstate);
        ngx_neon_html_text(page, reason->message);
        ngx_neon_html_row_end(page);
    }

    if (rows) {
        ngx_neon_html_table_end(page);

    } else {
        ngx_neon_page_print(page, "<p>No session has failed.</p>\n");
    }

    ngx_neon_html_section_end(page);
}


static void
ngx_neon_page_status_html_computes(ngx_neon_page_t *page,
    const ngx_neon_snapshot_t *snapshot)
{
    ngx_uint_t                          i;
    const ngx_neon_snapshot_compute_t  *compute;

    static const char *const  columns[] = { "Endpoint", "State",
                                            ">Time left", NULL };

    ngx_neon_html_section(page, "computes", "Computes in the node cache");

    if (snapshot->ncomputes == 0) {
        ngx_neon_page_print(page, "<p>None.</p>\n");
        ngx_neon_html_section_end(page);
        return;
    }

    ngx_neon_page_print(page, "<p>The last used ones, %ui of %uL.</p>\n",
                        snapshot->ncomputes,
                        snapshot->caches[NGX_NEON_CACHE_NODE].entries);
    ngx_neon_html_table(page, "computes", columns);

    for (i = 0; i < snapshot->ncomputes; i++) {
        compute = &snapshot->computes[i];

        ngx_neon_page_print(page, "<tr><th scope=\"row\"><bdi>");
        ngx_neon_page_html(page, &compute->endpoint);

        if (compute->options.len) {
            ngx_neon_page_print(page, "</bdi> <bdi>");
            ngx_neon_page_html(page, &compute->options);
        }

        ngx_neon_page_print(page, "</bdi></th>");
        ngx_neon_html_text(page, ngx_neon_label_computes[compute->state].text);
        ngx_neon_page_print(page, "<td class=\"n\">%ui s</td>", compute->left);
        ngx_neon_html_row_end(page);
    }

    ngx_neon_html_table_end(page);
    ngx_neon_html_section_end(page);
}


/* a row for each of the labels */

static void
ngx_neon_page_status_html_counters(ngx_neon_page_t *page,
    const ngx_neon_label_t *labels, const ngx_atomic_t *n, ngx_uint_t nelts)
{
    ngx_uint_t  i;

    for (i = 0; i < nelts; i++) {
        ngx_neon_html_row(page, labels[i].text);
        ngx_neon_html_number(page, n[i]);
        ngx_neon_html_row_end(page);
    }
}
