/*
 * The ClientHello of TLS, as far as it says where a client wants to go: server
 * name and ALPN.  It may come in several records.
 * RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC 7301.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_CLIENT_HELLO_H
#define NEON_CLIENT_HELLO_H


#include "neon_buf.h"


#define NEON_CLIENT_HELLO_MAX       16384 /* the message, its head included */
#define NEON_CLIENT_HELLO_RECORDS   32768 /* all records that it comes in */
#define NEON_CLIENT_HELLO_NAME_MAX  255

#define NEON_TLS_ALERT_SIZE         7

/* RFC 8446, section 6 */
#define NEON_TLS_UNEXPECTED_MESSAGE   10
#define NEON_TLS_RECORD_OVERFLOW      22
#define NEON_TLS_ILLEGAL_PARAMETER    47
#define NEON_TLS_ACCESS_DENIED        49
#define NEON_TLS_DECODE_ERROR         50
#define NEON_TLS_PROTOCOL_VERSION     70
#define NEON_TLS_INTERNAL_ERROR       80
#define NEON_TLS_UNRECOGNIZED_NAME    112
#define NEON_TLS_NO_APPLICATION       120


typedef enum {
    NEON_CLIENT_HELLO_RECORD = 0,     /* waiting for a record's header */
    NEON_CLIENT_HELLO_HEAD,           /* for the head of the message in it */
    NEON_CLIENT_HELLO_BODY            /* for the rest of it */
} neon_client_hello_state_e;


typedef struct {
    neon_client_hello_state_e  state;

    size_t            need;           /* bytes of the stream, from its start,
                                         without which there is no going on */
    size_t            record;         /* where the record under way begins */
    size_t            got;            /* of the message, in those before it */
    size_t            size;           /* of the message; 0: not known yet */
    uint8_t           head[4];        /* of the message */

    /* the answer; no name was sent: name_len is 0 */
    uint8_t           name[NEON_CLIENT_HELLO_NAME_MAX];
    size_t            name_len;
    unsigned          named:1;
    unsigned          alpn:1;         /* protocols are offered */
    unsigned          postgresql:1;   /* and this one is among them */

    /* of NEON_ERROR: what to tell the client, and the log */
    uint8_t           alert;
    const char       *err;
} neon_client_hello_t;


void neon_client_hello_init(neon_client_hello_t *h);

/*
 * p is the stream from its start on, and n grows from call to call.
 * NEON_AGAIN: there have to be h->need bytes of it.  NEON_OK: these were the
 * ClientHello, and nothing else.
 */
neon_rc_e neon_client_hello_parse(neon_client_hello_t *h, const uint8_t *p,
    size_t n);

/* a fatal alert in clear: the only thing to say before there are keys */
void neon_tls_alert_write(neon_wr_t *w, uint8_t alert);


#endif /* NEON_CLIENT_HELLO_H */
