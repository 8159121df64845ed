/*
 * What load*.c know of each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef LOAD_H
#define LOAD_H


#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>


typedef struct {
    uint64_t          left;                  /* of the frame's payload */
    unsigned char     opcode;
    unsigned char     head[10];
    size_t            have, need;            /* bytes of the head */
} ws_t;


typedef struct {
    int               fd;
    SSL              *ssl;                   /* NULL: plain */
    ws_t             *ws;                    /* NULL: no WebSocket */
} conn_t;


/* ends it all */
void fail(const char *what, const void *text, size_t len);

void put32(unsigned char *p, size_t n);
uint32_t get32(const unsigned char *p);

/* bytes as TCP or TLS carries them; 0: the end */
size_t receive_plain(conn_t *c, unsigned char *p, size_t n);
void transmit_plain(conn_t *c, const unsigned char *p, size_t n);

/* an epoll of them */
int watch(conn_t *conns, int nconns);


/* the HTTP request and its 101 */
void ws_upgrade(conn_t *c, const char *host);

/* payload of what comes next: 0 at a Close, or the end */
size_t ws_receive(conn_t *c, unsigned char *p, size_t n);

/* one binary frame */
void ws_transmit(conn_t *c, const unsigned char *p, size_t n);

/* so many seconds, in which only pings may come; they are answered */
void ws_run_idle(conn_t *conns, int nconns, unsigned long seconds);


#endif /* LOAD_H */
