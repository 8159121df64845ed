/*
 * The URLs that we call: http://host[:port][/path][?query].  Strict, so that
 * whoever reads the URL after us understands the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_URL_H
#define NGX_NEON_URL_H


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_NEON_URL_HOST_MAX   255


/* the strings point into the text */

typedef struct {
    ngx_str_t      host;              /* name or address, without brackets */
    ngx_str_t      rest;              /* path and query; may be empty */
    in_port_t      port;              /* 80 or 443 where none is given */
    unsigned       tls:1;
    unsigned       literal:1;         /* host is an IPv4 or IPv6 address */
} ngx_neon_url_t;


/* NGX_ERROR: *err says what is wrong, a static text */
ngx_int_t ngx_neon_url_parse(ngx_neon_url_t *u, ngx_str_t *text,
    const char **err);

/* for a message: in place of what stands in front of an "@", asterisks */
void ngx_neon_url_hide(ngx_str_t *text);

/* 1 to 255 letters, digits, dots, hyphens and underscores */
ngx_uint_t ngx_neon_url_host_valid(ngx_str_t *host);

/* an IPv4 or IPv6 address without brackets */
ngx_uint_t ngx_neon_url_host_literal(ngx_str_t *host);

/* 1 to 65535, or 0 */
in_port_t ngx_neon_url_port(u_char *p, size_t len);


#endif /* NGX_NEON_URL_H */
