/*
 * The first packet of a connection: SSLRequest, GSSENCRequest, CancelRequest
 * or StartupMessage, and NegotiateProtocolVersion which may answer it.
 * PostgreSQL docs, chapters "Message Flow: Start-up" and "Message Formats".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_PG_STARTUP_H
#define NEON_PG_STARTUP_H


#include "neon_buf.h"


#define NEON_PG_TLS_RECORD        0x16    /* first byte of a ClientHello */

#define NEON_PG_STARTUP_HEAD      8       /* length and code */
#define NEON_PG_STARTUP_MAX       10000   /* payload behind the head */
#define NEON_PG_CANCEL_KEY_MIN    4
#define NEON_PG_CANCEL_KEY_MAX    256     /* protocol 3.2 */

#define NEON_PG_PROTOCOL(major, minor)  (((uint32_t) (major) << 16) | (minor))
#define NEON_PG_PROTOCOL_3_0      NEON_PG_PROTOCOL(3, 0)
#define NEON_PG_PROTOCOL_3_2      NEON_PG_PROTOCOL(3, 2)


typedef enum {
    NEON_PG_FIRST_STARTUP = 0,
    NEON_PG_FIRST_SSL,            /* 1234.5679 */
    NEON_PG_FIRST_GSSENC,         /* 1234.5680 */
    NEON_PG_FIRST_CANCEL,         /* 1234.5678 */
    NEON_PG_FIRST_TLS             /* 0x16: a TLS ClientHello, nothing is
                                     consumed */
} neon_pg_first_e;


typedef struct {
    neon_pg_first_e   type;
    uint32_t          length;     /* of the whole packet, self included */
    uint32_t          version;    /* STARTUP: requested protocol version */
} neon_pg_first_t;


/*
 * Looks at the first 8 bytes (1 is enough for TLS).  NEON_ERROR with *err
 * set to a static text for the log and the client: length below 8 or above
 * NEON_PG_STARTUP_MAX + 8, a length that does not fit the request's code,
 * an unknown 1234.x code.  A StartupMessage of a major version other than 3
 * is NEON_OK: the caller refuses it, in the words of that situation.
 */
neon_rc_e neon_pg_first_parse(neon_pg_first_t *first, const uint8_t *p,
    size_t n, const char **err);


/* one startup parameter; both point into the packet */

typedef struct {
    neon_str_t        name;
    neon_str_t        value;
} neon_pg_param_t;


typedef struct {
    neon_str_t        user;
    neon_str_t        database;           /* data NULL: not given */
    neon_str_t        application_name;
    neon_str_t        options;
    neon_str_t        replication;
    neon_str_t        params;             /* the whole parameter area, without
                                             the final NUL */
    unsigned          nparams;
    unsigned          nextensions;        /* names that begin with "_pq_." */
} neon_pg_startup_t;


/*
 * Parses the payload behind the head.  NEON_ERROR with *err: no final NUL,
 * odd number of strings, bytes behind the terminator, an empty name with a
 * value.  A name given twice: the last one counts, as in PostgreSQL; all are
 * in `params`.  The strings point into the payload, which must outlive them.
 */
neon_rc_e neon_pg_startup_parse(neon_pg_startup_t *st, const uint8_t *p,
    size_t n, const char **err);


/* Iterates over st->params: rd is neon_rd_init(params); 0 at the end. */
int neon_pg_startup_next(neon_rd_t *rd, neon_pg_param_t *param);


/* 0: a later one of st->params has its name, and is what st says. */
int neon_pg_startup_counts(neon_pg_startup_t *st,
    const neon_pg_param_t *param);


/*
 * NegotiateProtocolVersion: the newest minor version that we speak and the
 * names of all "_pq_." parameters.
 */
void neon_pg_negotiate_write(neon_wr_t *w, uint32_t version,
    const neon_pg_startup_t *st);


typedef struct {
    uint32_t          pid;
    neon_str_t        key;                /* 4 to 256 bytes */
} neon_pg_cancel_t;


/* payload behind the 8 byte head */
neon_rc_e neon_pg_cancel_parse(neon_pg_cancel_t *cancel, const uint8_t *p,
    size_t n, const char **err);

void neon_pg_cancel_write(neon_wr_t *w, uint32_t pid, neon_str_t key);
void neon_pg_ssl_request_write(neon_wr_t *w);


/*
 * A StartupMessage is written piecewise: begin, parameters, end.
 * `begin` is what _begin() returned.
 */
uint8_t *neon_pg_startup_begin(neon_wr_t *w, uint32_t version);
void neon_pg_startup_param(neon_wr_t *w, neon_str_t name, neon_str_t value);
void neon_pg_startup_end(neon_wr_t *w, uint8_t *begin);


#endif /* NEON_PG_STARTUP_H */
