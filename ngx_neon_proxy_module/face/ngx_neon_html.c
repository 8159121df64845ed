/*
 * The form of the pages for people.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_html.h"


static const char  ngx_neon_html_css[] =
    ":root{color-scheme:light dark;--text:#1c2128;--dim:#59636e;"
    "--line:#d1d9e0;--page:#f6f8fa;--card:#fff}\n"
    "@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--dim:#9198a1;"
    "--line:#3d444d;--page:#0d1117;--card:#151b23}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1rem;max-width:80rem;color:var(--text);"
    "background:var(--page);font:1rem/1.5 system-ui,sans-serif}\n"
    "bdi{overflow-wrap:anywhere}\n"
    "h1{margin:0;font-size:1.5rem}\n"
    "h2{margin:0 0 .5rem;font-size:1.1rem}\n"
    "p{margin:.25rem 0;color:var(--dim)}\n"
    "a{color:inherit}\n"
    "main{margin-top:1rem}\n"
    "main>div{margin-bottom:1rem;columns:23rem;column-gap:1rem}\n"
    "section{break-inside:avoid;margin-bottom:1rem;padding:1rem;"
    "overflow-x:auto;background:var(--card);"
    "border:1px solid var(--line);border-radius:.5rem}\n"
    "section:last-child{margin-bottom:0}\n"
    "table{width:100%;border-collapse:collapse}\n"
    "th,td{padding:.25rem .75rem .25rem 0;text-align:left;"
    "vertical-align:top;border-bottom:1px solid var(--line)}\n"
    "th:last-child,td:last-child{padding-right:0}\n"
    "thead th{color:var(--dim);font-size:.875rem;font-weight:600}\n"
    "tbody th{font-weight:400}\n"
    "tbody tr:last-child>*{border-bottom:0}\n"
    "td.n,thead th.n{text-align:right}\n"
    "td.n{white-space:nowrap;font-variant-numeric:tabular-nums}\n";


void
ngx_neon_html_begin(ngx_neon_page_t *page, const char *title,
    const ngx_str_t *name)
{
    ngx_neon_page_print(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                        "<meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\""
                        " content=\"width=device-width,initial-scale=1\">\n"
                        "<title>%s ", title);
    ngx_neon_page_html(page, name);
    ngx_neon_page_print(page, "</title>\n<style>\n%s</style>\n</head>\n"
                        "<body>\n<header>\n<h1>%s <bdi>",
                        ngx_neon_html_css, title);
    ngx_neon_page_html(page, name);
    ngx_neon_page_print(page, "</bdi></h1>\n");
}


void
ngx_neon_html_end(ngx_neon_page_t *page)
{
    ngx_neon_page_print(page, "</body>\n</html>\n");
}


void
ngx_neon_html_section(ngx_neon_page_t *page, const char *id,
    const char *title)
{
    ngx_neon_page_print(page, "<section aria-labelledby=\"%s\">\n"
                        "<h2 id=\"%s\">%s</h2>\n", id, id, title);
}


void
ngx_neon_html_section_end(ngx_neon_page_t *page)
{
    ngx_neon_page_print(page, "</section>\n");
}


void
ngx_neon_html_table(ngx_neon_page_t *page, const char *id,
    const char *const columns[])
{
    ngx_uint_t  i;

    ngx_neon_page_print(page, "<table aria-labelledby=\"%s\">\n<thead><tr>",
                        id);

    for (i = 0; columns[i]; i++) {
        if (columns[i][0] == '>') {
            ngx_neon_page_print(page, "<th scope=\"col\" class=\"n\">%s</th>",
                                columns[i] + 1);

        } else {
            ngx_neon_page_print(page, "<th scope=\"col\">%s</th>",
                                columns[i]);
        }
    }

    ngx_neon_page_print(page, "</tr></thead>\n<tbody>\n");
}


void
ngx_neon_html_table_end(ngx_neon_page_t *page)
{
    ngx_neon_page_print(page, "</tbody>\n</table>\n");
}


void
ngx_neon_html_row(ngx_neon_page_t *page, const char *name)
{
    ngx_neon_page_print(page, "<tr><th scope=\"row\">%s</th>", name);
}


void
ngx_neon_html_row_end(ngx_neon_page_t *page)
{
    ngx_neon_page_print(page, "</tr>\n");
}


void
ngx_neon_html_text(ngx_neon_page_t *page, const char *text)
{
    ngx_str_t  s;

    s.data = (u_char *) text;
    s.len = ngx_strlen(text);

    ngx_neon_page_print(page, "<td>");
    ngx_neon_page_html(page, &s);
    ngx_neon_page_print(page, "</td>");
}


void
ngx_neon_html_number(ngx_neon_page_t *page, uint64_t n)
{
    ngx_neon_page_print(page, "<td class=\"n\">%uL</td>", n);
}


void
ngx_neon_html_bytes(ngx_neon_page_t *page, uint64_t n)
{
    ngx_uint_t  i;

    static const char *const  units[] = { "KiB", "MiB", "GiB", "TiB", "PiB",
                                          "EiB" };

    if (n < 1024) {
        ngx_neon_page_print(page, "<td class=\"n\">%uL B</td>", n);
        return;
    }

    for (i = 0; n >= 1024 * 1024; i++) {
        n /= 1024;
    }

    ngx_neon_page_print(page, "<td class=\"n\">%uL.%uL %s</td>", n / 1024,
                        n % 1024 * 10 / 1024, units[i]);
}


void
ngx_neon_html_time(ngx_neon_page_t *page, time_t t)
{
    u_char  iso[NGX_NEON_PAGE_TIME], text[NGX_NEON_PAGE_TIME];

    ngx_neon_page_time(iso, t);

    /* the same without its letters */

    ngx_memcpy(text, iso, NGX_NEON_PAGE_TIME);
    text[NGX_NEON_PAGE_TIME_T] = ' ';
    text[NGX_NEON_PAGE_TIME - 2] = '\0';

    ngx_neon_page_print(page, "<time datetime=\"%s\">%s UTC</time>", iso,
                        text);
}
