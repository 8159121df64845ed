/*
 * The states of a session, in the order in which it walks them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_STATE_H
#define NGX_NEON_STATE_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef enum {
    NGX_NEON_STATE_HANDSHAKE = 0,       /* first packets, TLS */
    NGX_NEON_STATE_ENDPOINT,            /* which endpoint does it want? */
    NGX_NEON_STATE_ACCESS,              /* its verifier and rules */
    NGX_NEON_STATE_AUTHENTICATE,        /* the client proves its password */
    NGX_NEON_STATE_WAKE,                /* where is the compute? */
    NGX_NEON_STATE_CONNECT,             /* TCP and TLS to the compute */
    NGX_NEON_STATE_LOGIN,               /* start-up and SCRAM there */
    NGX_NEON_STATE_RELAY,               /* bytes both ways */
    NGX_NEON_STATE_CANCEL,              /* forwards a CancelRequest; entered
                                           from HANDSHAKE only */
    NGX_NEON_STATE_FINISH,              /* says the error, closes */

    NGX_NEON_STATES
} ngx_neon_state_e;


typedef struct {
    ngx_str_t          name;            /* log, metric label, span */
    char              *action;          /* log->action: "while ..." */
} ngx_neon_state_t;


const ngx_neon_state_t *ngx_neon_state(ngx_neon_state_e state);


#endif /* NGX_NEON_STATE_H */
