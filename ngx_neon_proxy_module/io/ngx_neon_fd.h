/*
 * The descriptor of a foreign library on nginx's event loop, watched
 * level-triggered, because such libraries read once and return.
 *
 * What is watched is a duplicate of ours: some libraries close a descriptor
 * before they say so, or open another one with the same number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_FD_H
#define NGX_NEON_FD_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_NEON_FD_READ      0x01
#define NGX_NEON_FD_WRITE     0x02


/*
 * Takes a connection slot; NULL: none is free.  May run read handlers of other
 * connections (nginx closes reusable ones to free slots).  `log` must live as
 * long as the slot is held.  The handler gets the read or the write event.
 */
ngx_connection_t *ngx_neon_fd_attach(ngx_socket_t fd,
    ngx_event_handler_pt handler, void *data, ngx_log_t *log);

/* from now on exactly these events */
ngx_int_t ngx_neon_fd_watch(ngx_connection_t *c, ngx_uint_t events);

/* gives the slot back and closes the duplicate */
void ngx_neon_fd_detach(ngx_connection_t *c);


#endif /* NGX_NEON_FD_H */
