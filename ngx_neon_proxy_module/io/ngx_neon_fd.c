/*
 * The descriptor of a foreign library on nginx's event loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_fd.h"


static ngx_int_t ngx_neon_fd_set(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t on);


ngx_connection_t *
ngx_neon_fd_attach(ngx_socket_t fd, ngx_event_handler_pt handler, void *data,
    ngx_log_t *log)
{
    ngx_socket_t       copy;
    ngx_connection_t  *c;

    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy == -1) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno, "fcntl(F_DUPFD) failed");
        return NULL;
    }

    c = ngx_get_connection(copy, log);

    if (c == NULL) {
        (void) ngx_close_socket(copy);
        return NULL;
    }

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->data = data;

    c->read->handler = handler;
    c->write->handler = handler;

    c->read->log = log;
    c->write->log = log;

    return c;
}


ngx_int_t
ngx_neon_fd_watch(ngx_connection_t *c, ngx_uint_t events)
{
    ngx_uint_t  rd, wr;

    rd = (events & NGX_NEON_FD_READ) ? 1 : 0;
    wr = (events & NGX_NEON_FD_WRITE) ? 1 : 0;

    /* what comes goes first, so that the fd need not be registered again */

    if ((rd && ngx_neon_fd_set(c->read, NGX_READ_EVENT, 1) != NGX_OK)
        || (wr && ngx_neon_fd_set(c->write, NGX_WRITE_EVENT, 1) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if ((!rd && ngx_neon_fd_set(c->read, NGX_READ_EVENT, 0) != NGX_OK)
        || (!wr && ngx_neon_fd_set(c->write, NGX_WRITE_EVENT, 0) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_fd_set(ngx_event_t *ev, ngx_int_t event, ngx_uint_t on)
{
    if (on) {
        return ev->active ? NGX_OK
                          : ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    return ev->active ? ngx_del_event(ev, event, 0) : NGX_OK;
}


void
ngx_neon_fd_detach(ngx_connection_t *c)
{
    /*
     * Not left to close(): epoll goes on reporting a closed descriptor as long
     * as the library has the other one open.
     */

    (void) ngx_neon_fd_set(c->read, NGX_READ_EVENT, 0);
    (void) ngx_neon_fd_set(c->write, NGX_WRITE_EVENT, 0);

    ngx_close_connection(c);
}
