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


#define BUFFER  (256 * 1024)


/* what the command line says */

typedef struct {
    const char       *tls;                   /* none, inband, direct */
    const char       *endpoint;              /* NULL: none is named */
    const char       *user;
    const char       *password;
    const char       *database;
    int               port;
    int               websocket;
    int               resume;                /* the newest TLS session */
} options_t;


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
    uint64_t          asked;                 /* ns; when, for latencies */
} conn_t;


/* a message's body, in the buffer that all connections share */

typedef struct {
    unsigned char    *data;
    size_t            len;
} reply_t;


extern options_t      options;
extern unsigned char  buffer[BUFFER];


/* ends it all */
void fail(const char *what, const void *text, size_t len);

void put32(unsigned char *p, size_t n);
uint32_t get32(const unsigned char *p);

/* CLOCK_MONOTONIC, ns */
uint64_t now(void);

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


/* as options say; 0: there is no TLS */
int prepare_tls(void);

size_t receive(conn_t *c, unsigned char *p, size_t n);
void transmit(conn_t *c, const unsigned char *p, size_t n);

size_t put_message(unsigned char *p, int tag, const void *body, size_t n);
size_t put_startup(unsigned char *p, size_t size);
void message(conn_t *c, int tag, const void *body, size_t n);

/* whole messages up to one of the tags: answers that one */
int await(conn_t *c, const char *tags, reply_t *reply);

void connect_to(conn_t *c);

/* 'Z', or 'E' if it was refused */
int login(conn_t *c);

void hang_up(conn_t *c);
void leave(conn_t *c);


#endif /* LOAD_H */
