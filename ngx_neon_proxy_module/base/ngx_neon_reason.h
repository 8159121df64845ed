/*
 * Every reason for which a session can end, in one table.  Messages are in
 * PostgreSQL's style; SQLSTATEs: PostgreSQL docs, appendix "Error Codes".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_REASON_H
#define NGX_NEON_REASON_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef enum {
    NGX_NEON_REASON_NONE = 0,           /* the session ended as it should */
    NGX_NEON_REASON_CANCEL,             /* it was a CancelRequest */

    /* the client */
    NGX_NEON_REASON_CLIENT_GONE,        /* left before it was logged in */
    NGX_NEON_REASON_CLIENT_RESET,       /* lost in the relay */
    NGX_NEON_REASON_CLIENT_TIMEOUT,
    NGX_NEON_REASON_CONFIRM_TIMEOUT,    /* nobody logged in for it */
    NGX_NEON_REASON_PROTOCOL,
    NGX_NEON_REASON_VERSION,
    NGX_NEON_REASON_TLS_REQUIRED,
    NGX_NEON_REASON_WEBSOCKET_INSECURE,
    NGX_NEON_REASON_TLS_FAILED,
    NGX_NEON_REASON_TLS_CERTIFICATE,
    NGX_NEON_REASON_TLS_ALPN,
    NGX_NEON_REASON_USER_MISSING,
    NGX_NEON_REASON_ENDPOINT_MISSING,
    NGX_NEON_REASON_ENDPOINT_MISMATCH,
    NGX_NEON_REASON_ENDPOINT_INVALID,
    NGX_NEON_REASON_PASSWORD,
    NGX_NEON_REASON_SASL,
    NGX_NEON_REASON_CHANNEL_BINDING,
    NGX_NEON_REASON_ADDRESS,
    NGX_NEON_REASON_NETWORK_BLOCKED,
    NGX_NEON_REASON_VPC_MISSING,        /* no private link is named */
    NGX_NEON_REASON_VPC,                /* nor is it one that may */
    NGX_NEON_REASON_RATE_LIMIT,         /* a limit of ours */

    /* what the control plane says, or that it says nothing */
    NGX_NEON_REASON_CONTROL_PLANE,      /* down, slow, garbage, 5xx */
    NGX_NEON_REASON_ENDPOINT_UNKNOWN,
    NGX_NEON_REASON_ENDPOINT_DISABLED,
    NGX_NEON_REASON_ROLE_PROTECTED,
    NGX_NEON_REASON_QUOTA,
    NGX_NEON_REASON_CONTROL_RATE_LIMIT,
    NGX_NEON_REASON_MAINTENANCE,        /* busy: it may work a little later */
    NGX_NEON_REASON_WAKE_TIMEOUT,

    /* the compute */
    NGX_NEON_REASON_COMPUTE_UNREACHABLE,
    NGX_NEON_REASON_TUNNEL,             /* nor the server that a raw tunnel
                                           was to lead to */
    NGX_NEON_REASON_COMPUTE_TLS,
    NGX_NEON_REASON_COMPUTE_AUTH,
    NGX_NEON_REASON_COMPUTE_PASSWORD,
    NGX_NEON_REASON_COMPUTE_PROTOCOL,
    NGX_NEON_REASON_COMPUTE_LOGIN_TIMEOUT,
    NGX_NEON_REASON_COMPUTE_ERROR,      /* its ErrorResponse was passed on */
    NGX_NEON_REASON_COMPUTE_RESET,      /* lost in the relay */

    /* we */
    NGX_NEON_REASON_BUSY,               /* no connection slot, full queue */
    NGX_NEON_REASON_SHUTDOWN,
    NGX_NEON_REASON_DRAINED,
    NGX_NEON_REASON_INTERNAL,

    NGX_NEON_REASONS
} ngx_neon_reason_e;


typedef enum {
    NGX_NEON_FAULT_NOBODY = 0,
    NGX_NEON_FAULT_CLIENT,
    NGX_NEON_FAULT_CONTROL,
    NGX_NEON_FAULT_COMPUTE,
    NGX_NEON_FAULT_PROXY
} ngx_neon_fault_e;


typedef struct {
    ngx_str_t          name;            /* metric label, log */
    const char        *sqlstate;        /* "" where nothing is sent */
    const char        *message;         /* NUL-terminated, no placeholders */
    const char        *hint;            /* or NULL */
    ngx_uint_t         status;          /* HTTP */
    ngx_uint_t         level;           /* NGX_LOG_... */
    ngx_neon_fault_e   fault;
    unsigned           retryable:1;     /* the same may work a little later */
    unsigned           silent:1;        /* the client is told nothing */
} ngx_neon_reason_t;


const ngx_neon_reason_t *ngx_neon_reason(ngx_neon_reason_e reason);


#endif /* NGX_NEON_REASON_H */
