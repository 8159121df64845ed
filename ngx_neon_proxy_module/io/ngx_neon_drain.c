/*
 * How a worker learns that it quits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_drain.h"


static void ngx_neon_drain_read_handler(ngx_event_t *ev);
static void ngx_neon_drain_write_handler(ngx_event_t *ev);


static ngx_connection_t           *ngx_neon_drain_connection;
static ngx_neon_drain_handler_pt   ngx_neon_drain_handler;


/*
 * A socket that nobody connects to and no event is asked of: it is there to be
 * closed with the idle ones (ngx_close_idle_connections()).
 */

void
ngx_neon_drain_init(ngx_cycle_t *cycle, ngx_neon_drain_handler_pt handler)
{
    ngx_socket_t       fd;
    ngx_connection_t  *c;

    fd = ngx_socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_socket_errno,
                      ngx_socket_n " failed");
        return;
    }

    c = ngx_get_connection(fd, cycle->log);

    if (c == NULL) {
        (void) ngx_close_socket(fd);
        return;
    }

    c->read->handler = ngx_neon_drain_read_handler;
    c->write->handler = ngx_neon_drain_write_handler;
    c->read->log = cycle->log;
    c->write->log = cycle->log;
    c->log = cycle->log;
    c->idle = 1;

    ngx_neon_drain_connection = c;
    ngx_neon_drain_handler = handler;
}


void
ngx_neon_drain_exit(void)
{
    ngx_connection_t  *c;

    c = ngx_neon_drain_connection;

    if (c) {
        ngx_neon_drain_connection = NULL;
        ngx_close_connection(c);
    }
}


static void
ngx_neon_drain_read_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    if (!c->close) {
        return;
    }

    ngx_neon_drain_exit();
    ngx_neon_drain_handler();
}


static void
ngx_neon_drain_write_handler(ngx_event_t *ev)
{
    /* nothing is written */
}
