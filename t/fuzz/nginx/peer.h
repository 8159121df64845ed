/*
 * Those that nginx speaks with: clients and computes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_PEER_H
#define NEON_FUZZ_PEER_H


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/ssl.h>

#include "neon_buf.h"


typedef struct {
    int                    fd;        /* -1: none */
    int                    stalled;
    SSL                   *ssl;       /* NULL: none yet */
    size_t                 len;
    uint8_t                in[8192];  /* what came first */
} peer_t;


/* to the socket DIR/NAME */
void peer_dial(peer_t *p, const char *dir, const char *name);

void peer_hang_up(peer_t *p);

/* all that there is, unless p is stalled; whether there was something */
ngx_uint_t peer_receive(peer_t *p);

/* as much as there is room for */
void peer_send(peer_t *p, const void *data, size_t len);

/* the last message of this type whose body begins so: the rest of that */
neon_str_t peer_find(const peer_t *p, uint8_t type, const void *body,
    size_t n);


#endif /* NEON_FUZZ_PEER_H */
