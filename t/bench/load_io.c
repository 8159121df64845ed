/*
 * Bytes in and out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "load.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>


void
fail(const char *what, const void *text, size_t len)
{
    fprintf(stderr, "load: %s: %.*s\n", what, (int) len,
            (const char *) (text ? text : ""));
    exit(1);
}


void
put32(unsigned char *p, size_t n)
{
    uint32_t  v;

    v = htonl((uint32_t) n);
    memcpy(p, &v, 4);
}


uint32_t
get32(const unsigned char *p)
{
    uint32_t  v;

    memcpy(&v, p, 4);

    return ntohl(v);
}


uint64_t
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}


size_t
receive_plain(conn_t *c, unsigned char *p, size_t n)
{
    ssize_t  rc;

    rc = c->ssl ? SSL_read(c->ssl, p, (int) n) : recv(c->fd, p, n, 0);

    return rc > 0 ? (size_t) rc : 0;
}


void
transmit_plain(conn_t *c, const unsigned char *p, size_t n)
{
    ssize_t  rc;

    while (n != 0) {
        rc = c->ssl ? SSL_write(c->ssl, p, (int) n) : send(c->fd, p, n, 0);

        if (rc <= 0) {
            fail("the connection broke while writing", NULL, 0);
        }

        p += rc;
        n -= (size_t) rc;
    }
}


int
watch(conn_t *conns, int nconns)
{
    int                 i, ep;
    struct epoll_event  ee;

    ep = epoll_create1(0);

    for (i = 0; i < nconns; i++) {
        ee.events = EPOLLIN;
        ee.data.ptr = &conns[i];
        epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &ee);
    }

    return ep;
}
