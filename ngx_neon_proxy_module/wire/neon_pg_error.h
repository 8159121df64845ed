/*
 * ErrorResponse and NoticeResponse.  PostgreSQL docs, chapter "Error and
 * Notice Message Fields".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_PG_ERROR_H
#define NEON_PG_ERROR_H


#include "neon_buf.h"


typedef struct {
    neon_str_t        severity;       /* V, else S */
    neon_str_t        sqlstate;       /* C; 5 bytes or empty */
    neon_str_t        message;        /* M */
    neon_str_t        detail;         /* D */
    neon_str_t        hint;           /* H */
} neon_pg_error_t;


/*
 * The body of an ErrorResponse or NoticeResponse.  Missing and unknown fields
 * are fine; NEON_ERROR: a field without its NUL, or no terminator.  The
 * strings point into the body.
 */
neon_rc_e neon_pg_error_parse(neon_pg_error_t *e, neon_str_t body);

/*
 * Writes 'E' with S and V = e->severity, C, M and, where not empty, D and H.
 * A NUL inside a string ends that string.
 */
void neon_pg_error_write(neon_wr_t *w, const neon_pg_error_t *e);
void neon_pg_notice_write(neon_wr_t *w, const neon_pg_error_t *e);


#endif /* NEON_PG_ERROR_H */
