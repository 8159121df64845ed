/*
 * PostgreSQL messages behind the start-up, both directions: framing and the
 * few that a proxy reads or writes itself.  PostgreSQL docs, chapter
 * "Message Formats".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_PG_MSG_H
#define NEON_PG_MSG_H


#include "neon_buf.h"


#define NEON_PG_MSG_HEAD          5       /* tag and length */

/* AuthenticationRequest codes */
#define NEON_PG_AUTH_OK           0
#define NEON_PG_AUTH_CLEARTEXT    3
#define NEON_PG_AUTH_MD5          5
#define NEON_PG_AUTH_SASL         10
#define NEON_PG_AUTH_SASL_CONT    11
#define NEON_PG_AUTH_SASL_FINAL   12


typedef struct {
    uint8_t           tag;
    neon_str_t        body;               /* behind tag and length */
    size_t            size;               /* of the whole message */
} neon_pg_msg_t;


/*
 * One whole message from the front of p.  NEON_AGAIN: msg->size is the size
 * of the whole message if at least the head was there, else 0.  NEON_ERROR:
 * the length is below 4, or the body is larger than max_body.
 */
neon_rc_e neon_pg_msg_parse(neon_pg_msg_t *msg, const uint8_t *p, size_t n,
    size_t max_body);


/* SASLInitialResponse: mechanism and client-first-message */

typedef struct {
    neon_str_t        mechanism;
    neon_str_t        data;
} neon_pg_sasl_initial_t;

neon_rc_e neon_pg_sasl_initial_parse(neon_pg_sasl_initial_t *m,
    neon_str_t body);

/* PasswordMessage: bytes up to the final NUL, which must be there; no other
   NUL may */
neon_rc_e neon_pg_password_parse(neon_str_t *password, neon_str_t body);

/* AuthenticationRequest from a compute: code, and the rest of the body */
neon_rc_e neon_pg_auth_parse(uint32_t *code, neon_str_t *rest,
    neon_str_t body);

/* does the mechanism list of AuthenticationSASL name it? */
int neon_pg_sasl_offers(neon_str_t rest, const char *mechanism);

/* BackendKeyData; the key is 4 to 256 bytes */
neon_rc_e neon_pg_key_data_parse(uint32_t *pid, neon_str_t *key,
    neon_str_t body);

/* NegotiateProtocolVersion from a compute: newest version it speaks */
neon_rc_e neon_pg_negotiate_parse(uint32_t *version, neon_str_t body);


void neon_pg_auth_write(neon_wr_t *w, uint32_t code, neon_str_t rest);

/* AuthenticationSASL with SCRAM-SHA-256, and -PLUS before it if plus */
void neon_pg_auth_sasl_write(neon_wr_t *w, int plus);

void neon_pg_key_data_write(neon_wr_t *w, uint32_t pid, neon_str_t key);
void neon_pg_parameter_status_write(neon_wr_t *w, const char *name,
    neon_str_t value);
void neon_pg_ready_write(neon_wr_t *w, uint8_t status);

/* 'p' messages to a compute */
void neon_pg_sasl_initial_write(neon_wr_t *w, const char *mechanism,
    neon_str_t data);
void neon_pg_sasl_response_write(neon_wr_t *w, neon_str_t data);
void neon_pg_password_write(neon_wr_t *w, neon_str_t password);


#endif /* NEON_PG_MSG_H */
