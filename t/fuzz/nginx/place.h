/*
 * What a server for the fuzzer stands on: a directory with its configuration,
 * a role file and a certificate, and the computes' port.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_PLACE_H
#define NEON_FUZZ_PLACE_H


#include "neon_md5.h"
#include "neon_scram.h"


#define PLACE_PASSWORD  "secret"      /* of the roles alice and, as md5, bob */
#define PLACE_CONSOLE   "http://127.0.0.1/psql_session/"

/* how a configuration begins; %s: place_log() */
#define PLACE_CONF_HEAD                                                       \
    "daemon off;\n"                                                           \
    "master_process off;\n"                                                   \
    "user root;\n"                                                            \
    "pid nginx.pid;\n"                                                        \
    "error_log alert.log alert;\n"                                            \
    "error_log %s;\n"                                                         \
    "events { worker_connections 64; }\n"


typedef struct {
    char                   dir[32];   /* has the sockets pg, tls and ws */
    int                    listener;  /* of ep-1, and with ssl=prefer of ep-3;
                                         nobody is at ep-2 */
    int                    port;
    neon_scram_verifier_t  verifier;
    neon_scram_keys_t      keys;
    char                   secret[256];   /* the verifier as text */
    neon_md5_t             md5;
} place_t;


extern place_t  place;


/* the directory and the port */
void place_make(void);

/* NEON_FUZZ_LOG, or nobody's: what error_log says */
const char *place_log(void);

/* the next connection to the port, or -1 */
int place_accept(void);

/* everything, and the server */
void place_start(void);

/* aborts if nginx has logged an alert */
void place_check(void);


#endif /* NEON_FUZZ_PLACE_H */
