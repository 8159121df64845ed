/*
 * The management listener of `control_plane link`: a minimal Postgres server,
 * to which the console says, as a simple query, where a waiting client may go.
 *
 * It asks nobody for a password, as the protocol has it: who may connect is
 * for the listening address, allow and deny, and client certificates to say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_MANAGE_H
#define NGX_NEON_MANAGE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_neon_conf.h"


#define NGX_NEON_MANAGE_OUT  1024             /* every reply fits */


typedef struct ngx_neon_manage_s  ngx_neon_manage_t;


typedef enum {
    NGX_NEON_MANAGE_HEAD = 0,                 /* of the first packet */
    NGX_NEON_MANAGE_TLS,                      /* handshake under way */
    NGX_NEON_MANAGE_STARTUP,                  /* the rest of that packet */
    NGX_NEON_MANAGE_QUERY,
    NGX_NEON_MANAGE_LINGER                    /* all is said: until the client
                                                 closes, too */
} ngx_neon_manage_e;


/* the front fills client ... tls, and zeros the rest */

struct ngx_neon_manage_s {
    ngx_connection_t     *client;
    ngx_neon_conf_t      *conf;
    void                 *front_data;

    /*
     * In-band TLS; NULL: the server has no certificate.  NGX_OK: done;
     * NGX_DECLINED: done, without the client's certificate that is wanted;
     * NGX_AGAIN: the front calls _secured() then; NGX_ERROR: failed.
     */
    ngx_int_t           (*starttls)(ngx_neon_manage_t *m);

    /* closes the connection, and frees m */
    void                (*finish)(ngx_neon_manage_t *m);

    unsigned              tls:1;
    unsigned              over:1;             /* nothing more is read */
    unsigned              failed:1;           /* by the client's fault */
    unsigned              quit:1;             /* by ours: we end */

    off_t                 received;           /* bytes of the client */

    ngx_neon_manage_e     state;
    ngx_uint_t            requests;           /* for encryption */
    uint32_t              length;             /* of the startup packet */

    u_char               *in;                 /* pos..last holds bytes */
    u_char               *pos;
    u_char               *last;
    u_char               *end;

    size_t                sent;               /* of out */
    size_t                out_len;
    u_char                out[NGX_NEON_MANAGE_OUT];
};


void ngx_neon_manage_start(ngx_neon_manage_t *m);

/* TLS is established; not ok: it is not what the server demands */
void ngx_neon_manage_secured(ngx_neon_manage_t *m, ngx_uint_t ok);

/* no TLS came about */
void ngx_neon_manage_close(ngx_neon_manage_t *m);

/* for the front's handlers of read and write events */
void ngx_neon_manage_event(ngx_neon_manage_t *m);


#endif /* NGX_NEON_MANAGE_H */
