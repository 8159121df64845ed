/*
 * libcurl's sockets on nginx's event loop, by their numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_curl_fd.h"


#define NGX_NEON_CURL_FD_STEP  64


typedef struct {
    ngx_connection_t              *c;         /* NULL: not watched */
    ngx_uint_t                     events;
} ngx_neon_curl_fd_t;


typedef struct {
    ngx_neon_curl_fd_handler_pt    handler;
    ngx_neon_curl_fd_t            *elts;      /* index: the fd */
    ngx_uint_t                     nelts;
} ngx_neon_curl_fds_t;


static ngx_neon_curl_fd_t *ngx_neon_curl_fd_get(ngx_socket_t fd);
static void ngx_neon_curl_fd_event(ngx_event_t *ev);


static ngx_neon_curl_fds_t  ngx_neon_curl_fds;


void
ngx_neon_curl_fd_init(ngx_neon_curl_fd_handler_pt handler)
{
    ngx_memzero(&ngx_neon_curl_fds, sizeof(ngx_neon_curl_fds_t));

    ngx_neon_curl_fds.handler = handler;
}


void
ngx_neon_curl_fd_exit(void)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_neon_curl_fds.nelts; i++) {
        ngx_neon_curl_fd_forget(i);
    }

    ngx_free(ngx_neon_curl_fds.elts);

    ngx_neon_curl_fds.elts = NULL;
    ngx_neon_curl_fds.nelts = 0;
}


ngx_socket_t
ngx_neon_curl_fd_open(int family, int type, int protocol)
{
    ngx_uint_t    events;
    ngx_socket_t  fd;

    fd = socket(family, type, protocol);

    if (fd == -1 || (ngx_uint_t) fd >= ngx_neon_curl_fds.nelts
        || ngx_neon_curl_fds.elts[fd].c == NULL)
    {
        return fd;
    }

    /* libcurl takes it for the old one and will not ask for it again */

    events = ngx_neon_curl_fds.elts[fd].events;

    ngx_neon_curl_fd_forget(fd);

    if (ngx_neon_curl_fd_watch(fd, events) != NGX_OK) {
        (void) ngx_close_socket(fd);
        return -1;
    }

    return fd;
}


ngx_int_t
ngx_neon_curl_fd_watch(ngx_socket_t fd, ngx_uint_t events)
{
    ngx_connection_t    *c;
    ngx_neon_curl_fd_t  *f;

    f = ngx_neon_curl_fd_get(fd);
    if (f == NULL) {
        return NGX_ERROR;
    }

    if (f->c == NULL) {
        c = ngx_neon_fd_attach(fd, ngx_neon_curl_fd_event,
                               (void *) (intptr_t) fd, ngx_cycle->log);
        if (c == NULL) {
            return NGX_ERROR;
        }

        f->c = c;
    }

    f->events = events;

    return ngx_neon_fd_watch(f->c, events);
}


void
ngx_neon_curl_fd_forget(ngx_socket_t fd)
{
    ngx_connection_t  *c;

    if ((ngx_uint_t) fd >= ngx_neon_curl_fds.nelts) {
        return;
    }

    c = ngx_neon_curl_fds.elts[fd].c;

    if (c) {
        ngx_neon_curl_fds.elts[fd].c = NULL;
        ngx_neon_fd_detach(c);
    }
}


static ngx_neon_curl_fd_t *
ngx_neon_curl_fd_get(ngx_socket_t fd)
{
    ngx_uint_t           n;
    ngx_neon_curl_fd_t  *elts;

    if ((ngx_uint_t) fd >= ngx_neon_curl_fds.nelts) {

        n = ngx_align((ngx_uint_t) fd + 1, NGX_NEON_CURL_FD_STEP);

        elts = ngx_calloc(n * sizeof(ngx_neon_curl_fd_t), ngx_cycle->log);
        if (elts == NULL) {
            return NULL;
        }

        if (ngx_neon_curl_fds.elts) {
            ngx_memcpy(elts, ngx_neon_curl_fds.elts,
                       ngx_neon_curl_fds.nelts * sizeof(ngx_neon_curl_fd_t));
            ngx_free(ngx_neon_curl_fds.elts);
        }

        ngx_neon_curl_fds.elts = elts;
        ngx_neon_curl_fds.nelts = n;
    }

    return &ngx_neon_curl_fds.elts[fd];
}


static void
ngx_neon_curl_fd_event(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    if (c->close) {

        /* worker_shutdown_timeout ends the sessions, and they cancel */

        c->close = 0;
        return;
    }

    ngx_neon_curl_fds.handler((ngx_socket_t) (intptr_t) c->data,
                              ev->write ? NGX_NEON_FD_WRITE
                                        : NGX_NEON_FD_READ);
}
