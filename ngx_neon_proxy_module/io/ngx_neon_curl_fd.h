/*
 * libcurl's sockets on nginx's event loop, by their numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CURL_FD_H
#define NGX_NEON_CURL_FD_H


#include "ngx_neon_fd.h"


typedef void (*ngx_neon_curl_fd_handler_pt)(ngx_socket_t fd,
    ngx_uint_t events);


/* the handler is told of one ready event at a time, NGX_NEON_FD_... */
void ngx_neon_curl_fd_init(ngx_neon_curl_fd_handler_pt handler);
void ngx_neon_curl_fd_exit(void);

/*
 * A new socket.  libcurl 7.88 closes sockets that are still connecting without
 * notice: one with the number of a watched socket takes its place.
 */
ngx_socket_t ngx_neon_curl_fd_open(int family, int type, int protocol);

/* NGX_ERROR: no connection slot, no memory */
ngx_int_t ngx_neon_curl_fd_watch(ngx_socket_t fd, ngx_uint_t events);
void ngx_neon_curl_fd_forget(ngx_socket_t fd);


#endif /* NGX_NEON_CURL_FD_H */
