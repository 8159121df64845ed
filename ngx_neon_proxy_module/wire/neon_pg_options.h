/*
 * The startup parameter "options": split as PostgreSQL's pg_split_opts()
 * does (unescaped ASCII white space; a backslash takes the next byte as it
 * is), our own tokens found and taken out.  Escapes are left as they are.
 *
 * Ours:   [-c] endpoint=NAME   -cendpoint=NAME   --endpoint=NAME
 *         and project= (deprecated), traceparent=, tracestate= in these forms
 *         neon_KEY:VALUE
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_PG_OPTIONS_H
#define NEON_PG_OPTIONS_H


#include "neon_buf.h"


#define NEON_PG_OPTIONS_MAX   16      /* neon_KEY:VALUE tokens that we keep */


typedef struct {
    neon_str_t        name;           /* without "neon_" */
    neon_str_t        value;
} neon_pg_option_t;


typedef struct {
    neon_str_t        endpoint;       /* data NULL: none, or more than one */
    unsigned          nendpoints;     /* endpoint= and project= tokens seen */
    unsigned          noptions;
    neon_pg_option_t  option[NEON_PG_OPTIONS_MAX];  /* sorted by name */
    unsigned          params_compat;  /* neon_proxy_params_compat was there */
    neon_str_t        traceparent;    /* the last one; data NULL: none */
    neon_str_t        tracestate;     /* the same */
} neon_pg_options_t;


/* NEON_ERROR: more than NEON_PG_OPTIONS_MAX neon_ tokens.  Strings point into
   `options`. */
neon_rc_e neon_pg_options_parse(neon_pg_options_t *o, neon_str_t options);

/* next token with its escapes; 0 at the end */
int neon_pg_options_next(neon_rd_t *rd, neon_str_t *token);

/* the tokens that are not ours, joined by one space; may write nothing, and
   never more than was there */
void neon_pg_options_filter(neon_wr_t *w, neon_str_t options);


#endif /* NEON_PG_OPTIONS_H */
