/*
 * The form of the pages for people: HTML that needs nothing else, no script,
 * no image; readable on a phone, dark where the reader wants it, with tables
 * whose cells a screen reader can name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_HTML_H
#define NGX_NEON_HTML_H


#include "ngx_neon_page.h"


/* up to the heading: "title name" */
void ngx_neon_html_begin(ngx_neon_page_t *page, const char *title,
    const ngx_str_t *name);
void ngx_neon_html_end(ngx_neon_page_t *page);

/* several in a <div> stand beside each other where there is room */
void ngx_neon_html_section(ngx_neon_page_t *page, const char *id,
    const char *title);
void ngx_neon_html_section_end(ngx_neon_page_t *page);

/* columns: ended by NULL, ">" in front of those that are aligned right */
void ngx_neon_html_table(ngx_neon_page_t *page, const char *id,
    const char *const columns[]);
void ngx_neon_html_table_end(ngx_neon_page_t *page);

/* a row begins; what follows are cells */
void ngx_neon_html_row(ngx_neon_page_t *page, const char *name);
void ngx_neon_html_row_end(ngx_neon_page_t *page);

void ngx_neon_html_text(ngx_neon_page_t *page, const char *text);
void ngx_neon_html_number(ngx_neon_page_t *page, uint64_t n);
void ngx_neon_html_bytes(ngx_neon_page_t *page, uint64_t n);

/* no cell, but the time itself */
void ngx_neon_html_time(ngx_neon_page_t *page, time_t t);


#endif /* NGX_NEON_HTML_H */
