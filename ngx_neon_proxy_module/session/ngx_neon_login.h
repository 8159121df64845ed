/*
 * What a session needs only until it is logged in: one pool, destroyed (and
 * its secrets wiped) when the relay begins.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_LOGIN_H
#define NGX_NEON_LOGIN_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_client_hello.h"
#include "neon_md5.h"
#include "neon_pg_msg.h"
#include "neon_pg_options.h"
#include "neon_pg_startup.h"
#include "neon_scram.h"

#include "ngx_neon_ctl.h"
#include "ngx_neon_dns.h"
#include "ngx_neon_kdf.h"
#include "ngx_neon_session.h"


#define NGX_NEON_SCRAM_DONE       1000        /* scram_phase: verified */

#define NGX_NEON_SASL_MAX         512         /* body of a SASL message */
#define NGX_NEON_PASSWORD_MAX     65536       /* body of a PasswordMessage */


/* a growing buffer in the login pool; pos..last holds bytes */

typedef struct {
    u_char               *start;
    u_char               *pos;
    u_char               *last;
    u_char               *end;
} ngx_neon_bytes_t;


/* a time budget that can stand still */

typedef struct {
    ngx_msec_t            left;
    ngx_msec_t            started;
} ngx_neon_clock_t;


typedef enum {
    NGX_NEON_LINK_NONE = 0,
    NGX_NEON_LINK_TCP,                        /* connect() under way */
    NGX_NEON_LINK_SSL_REQUEST,                /* waiting for S or N */
    NGX_NEON_LINK_TLS,                        /* handshake under way */
    NGX_NEON_LINK_READY
} ngx_neon_link_e;


struct ngx_neon_login_s {
    ngx_neon_session_t   *session;
    ngx_pool_t           *pool;

    ngx_neon_bytes_t      in;                 /* from the client */
    ngx_neon_bytes_t      out;                /* to the client */
    ngx_neon_bytes_t      cin;                /* from the compute */
    ngx_neon_bytes_t      cout;               /* to the compute */

    /* client_timeout, wake_timeout, that of a link; one of them runs */
    ngx_neon_clock_t      client_clock;
    ngx_neon_clock_t      held_clock;
    ngx_neon_clock_t      confirm_clock;
    ngx_neon_clock_t     *clock;

    /* one attempt, or the pause before the next */
    ngx_event_t           attempt;
    unsigned              timedout:1;
    unsigned              pausing:1;

    ngx_event_t           notice;             /* wake_notice */
    unsigned              noticed:1;          /* the greeting left with it */

    /* handshake */
    ngx_uint_t            phase;              /* of the current step */
    unsigned              ssl_seen:1;
    unsigned              no_tls:1;           /* and none will come */
    unsigned              gss_seen:1;
    neon_pg_first_t       first;
    neon_pg_startup_t     startup;            /* points into the pool */
    ngx_uint_t            cancel_key_len;
    unsigned              protocol_3_2:1;
    neon_pg_cancel_t      cancel;             /* CancelRequest */
    neon_client_hello_t  *hello;              /* of TLS that is not ours */

    /* endpoint */
    ngx_str_t             server_name;        /* SNI, or Host by the front */
    neon_pg_options_t     options;

    /* access, authenticate */
    ngx_neon_ctl_request_t  ctl;
    ngx_neon_access_t    *access;
    uint64_t              access_generation;  /* of its cache entry, or 0 */
    ngx_msec_t            access_age;
    neon_scram_verifier_t verifier;
    const neon_md5_t     *md5;                /* in its place; NULL: none */
    uint8_t               md5_salt[NEON_MD5_SALT_LEN];
    neon_scram_server_t  *scram;
    neon_scram_keys_t     keys;
    neon_str_t            password;           /* data NULL: none known */
    ngx_neon_kdf_t       *kdf;
    neon_rc_e             kdf_rc;
    neon_str_t            cbind;              /* of the client's leg */

    /* a link: see ngx_neon_confirm.c */
    void                 *waiter;             /* in the zone; NULL: none */
    ngx_queue_t           confirm;            /* while there is a waiter */

    /* wake, connect */
    ngx_neon_node_t      *node;
    uint64_t              node_generation;    /* of its cache entry, or 0 */
    ngx_msec_t            node_told;          /* when */
    ngx_neon_dns_t       *dns;
    ngx_uint_t            addr;               /* which one is tried */
    ngx_uint_t            connects;           /* failures since the re-wake */
    ngx_uint_t            starts;             /* times that it said 57P03 */
    unsigned              rewoken:1;          /* the compute was not reached */
    unsigned              reentered:1;        /* it was, but was another one */
    unsigned              starting:1;         /* it was, and said 57P03 */
    unsigned              asked:1;            /* a question is out */
    unsigned              answered:1;
    unsigned              link_failed:1;      /* TLS to the compute */
    ngx_neon_link_e       link;
    ngx_connection_t     *held;               /* see ngx_neon_link_hold() */
    ngx_msec_t            pause;              /* behind a cancel request */
    ngx_neon_ssl_e        ssl;                /* of this node, never AUTO */

    /* login */
    neon_scram_client_t  *client;             /* SCRAM towards the compute */
    ngx_neon_cancel_target_t  target;
    size_t                told;               /* bytes, by the compute */
    uint32_t              scram_phase;        /* code of 'R' that is due */
    unsigned              entered:1;          /* it was told who we are */
    unsigned              deriving:1;         /* keys, from the password */
    uint32_t              compute_version;
    size_t                greeting;           /* bytes of `out` that are ours:
                                                 up to AuthenticationOk */
    unsigned              authenticated:1;    /* by the compute */
    unsigned              passed:1;           /* the client has to do with
                                                 this compute and no other */
    unsigned              awaited:1;          /* it was asked, and did not
                                                 answer yet */
    u_char                ready;              /* status of ReadyForQuery */
};


/* --- ngx_neon_login.c: memory, clocks ---------------------------------- */

ngx_int_t ngx_neon_login_create(ngx_neon_session_t *s);
void ngx_neon_login_destroy(ngx_neon_session_t *s);

/* room for n more bytes behind last; pos..last may move */
ngx_int_t ngx_neon_bytes_reserve(ngx_pool_t *pool, ngx_neon_bytes_t *b,
    size_t n);

/* a writer over the room behind last; _wrote() takes what it wrote */
ngx_int_t ngx_neon_bytes_writer(ngx_neon_session_t *s, ngx_neon_bytes_t *b,
    size_t n, neon_wr_t *w);
ngx_int_t ngx_neon_bytes_wrote(ngx_neon_session_t *s, ngx_neon_bytes_t *b,
    neon_wr_t *w);

void ngx_neon_clock_run(ngx_neon_session_t *s, ngx_neon_clock_t *clock);

/* left on a clock now */
ngx_msec_t ngx_neon_clock_left(ngx_neon_session_t *s,
    ngx_neon_clock_t *clock);

/* sets l->attempt; when it fires, timedout is set and the session runs */
void ngx_neon_login_timer(ngx_neon_session_t *s, ngx_msec_t msec);
void ngx_neon_login_timer_stop(ngx_neon_session_t *s);
ngx_int_t ngx_neon_login_cancel_key(ngx_neon_session_t *s);


/* --- ngx_neon_client.c: the client before the relay --------------------- */

/* n bytes at in.pos; none behind them is read where TLS may follow */
ngx_int_t ngx_neon_client_exact(ngx_neon_session_t *s, size_t n);

/*
 * Writes `out`, and then it is the client's turn: one message of tag 'p'.
 * *body points into `in`, which was advanced.
 */
ngx_int_t ngx_neon_client_answer(ngx_neon_session_t *s, size_t max,
    neon_str_t *body);

/* the same for a PasswordMessage; *text is a copy in the login pool */
ngx_int_t ngx_neon_client_password(ngx_neon_session_t *s, neon_str_t *text);

/* writes `out` */
ngx_int_t ngx_neon_client_flush(ngx_neon_session_t *s);

/* NGX_ERROR with reason CLIENT_GONE if it left while we do other things */
ngx_int_t ngx_neon_client_check(ngx_neon_session_t *s);


/* --- ngx_neon_link.c: the connection to a compute ---------------------- */

/*
 * TCP, and TLS as l->ssl says, to one address.  Both answer NGX_OK,
 * NGX_AGAIN, or NGX_DECLINED: it failed, s->detail and s->err say how and
 * *reason what that makes of the session.  The caller bounds the time.
 */
ngx_int_t ngx_neon_link_open(ngx_neon_session_t *s, struct sockaddr *sockaddr,
    socklen_t socklen);
ngx_int_t ngx_neon_link_process(ngx_neon_session_t *s,
    const char *server_name, ngx_neon_reason_e *reason);
void ngx_neon_link_close(ngx_neon_session_t *s);

/* keeps s->compute open aside, and s->compute free for another */
void ngx_neon_link_hold(ngx_neon_session_t *s);
void ngx_neon_link_release(ngx_neon_session_t *s);

/* writes cout; NGX_DECLINED: the compute is lost */
ngx_int_t ngx_neon_link_flush(ngx_neon_session_t *s);

/* reads into cin; NGX_DECLINED: lost or ended */
ngx_int_t ngx_neon_link_read(ngx_neon_session_t *s, size_t room);

/* sends EOF: close_notify under TLS, then FIN */
void ngx_neon_shutdown_write(ngx_connection_t *c);


/* --- ngx_neon_connect.c ------------------------------------------------- */

typedef enum {
    NGX_NEON_FAILURE_RETRY = 0,               /* connect_retry bounds it */
    NGX_NEON_FAILURE_FINAL,                   /* one re-wake, no more */
    NGX_NEON_FAILURE_STARTING                 /* it is there and will open:
                                                 wake_timeout bounds it */
} ngx_neon_failure_e;


/*
 * An attempt to reach or to enter the compute failed.  NGX_DECLINED: once
 * more, s->state is set; NGX_ERROR: that was it.
 */
ngx_int_t ngx_neon_connect_failed(ngx_neon_session_t *s,
    ngx_neon_reason_e reason, ngx_neon_failure_e failure);


/* --- ngx_neon_ask.c ------------------------------------------------------ */

/* within the held clock; NGX_OK: l->ctl has the answer */
ngx_int_t ngx_neon_ask(ngx_neon_session_t *s, ngx_neon_ctl_call_e call);

/* what the call was told under that generation proved wrong; the verifier may
   be, after a wrong password */
void ngx_neon_ask_forget(ngx_neon_session_t *s, ngx_neon_ctl_call_e call,
    uint64_t generation);
void ngx_neon_ask_doubt(ngx_neon_session_t *s);

/* does the cache have a newer address of the compute by now? */
ngx_uint_t ngx_neon_ask_newer(ngx_neon_session_t *s, uint64_t generation);


/* --- ngx_neon_authenticate.c --------------------------------------------- */

/* of l->kdf: l->kdf_rc and l->keys are set, the session runs */
void ngx_neon_authenticate_kdf_handler(void *data, neon_rc_e rc,
    const neon_scram_keys_t *keys);


/* --- ngx_neon_access.c --------------------------------------------------- */

/* l->access: may the client come from where it does, and so often? */
ngx_int_t ngx_neon_access_check(ngx_neon_session_t *s);

/* NGX_DECLINED: a UNIX-domain socket, which no list of addresses allows */
ngx_int_t ngx_neon_access_address(ngx_neon_session_t *s, neon_ip_t *ip);

/* what limits take for the client's network: its address, or one that stands
   for its private link */
ngx_int_t ngx_neon_access_network(ngx_neon_session_t *s, neon_ip_t *ip);

/* the private link that rules are about; empty without private_access */
const ngx_str_t *ngx_neon_access_link(ngx_neon_session_t *s);


/* --- ngx_neon_notice.c --------------------------------------------------- */

/* after wake_notice, the client is told that it has to wait */
void ngx_neon_notice_start(ngx_neon_session_t *s);
void ngx_neon_notice_stop(ngx_neon_session_t *s);

/* appends a NoticeResponse to `out` */
ngx_int_t ngx_neon_notice_append(ngx_neon_session_t *s, u_char *text,
    size_t len);


#endif /* NGX_NEON_LOGIN_H */
