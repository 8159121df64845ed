/*
 * Sessions of one client and its computes, by a script of what they do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_SESSION_H
#define NEON_FUZZ_SESSION_H


#include <stddef.h>
#include <stdint.h>


typedef enum {
    SESSION_TCP = 0,
    SESSION_TLS,                      /* where the server has a certificate */
    SESSION_WEBSOCKET
} session_front_e;


void session_start(void);

/* aborts where nginx spins, keeps a connection that nobody has, logs an alert,
   or goes to a compute for somebody who has proved nothing */
void session_play(session_front_e front, const uint8_t *data, size_t size);


#endif /* NEON_FUZZ_SESSION_H */
