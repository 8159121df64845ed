/*
 * ErrorResponse and NoticeResponse.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_pg_error.h"


#define NEON_PG_SQLSTATE_LEN  5


static int neon_pg_error_is_sqlstate(neon_str_t s);
static void neon_pg_error_write_as(neon_wr_t *w, uint8_t tag,
    const neon_pg_error_t *e);
static void neon_pg_error_field(neon_wr_t *w, uint8_t code, neon_str_t s);


neon_rc_e
neon_pg_error_parse(neon_pg_error_t *e, neon_str_t body)
{
    uint8_t     code;
    neon_rd_t   rd;
    neon_str_t  value, localized;

    memset(e, 0, sizeof(neon_pg_error_t));

    localized = neon_str(NULL, 0);
    neon_rd_init(&rd, body.data, body.len);

    for ( ;; ) {
        code = neon_rd_u8(&rd);

        if (rd.error) {
            return NEON_ERROR;
        }

        if (code == '\0') {
            break;
        }

        value = neon_rd_cstr(&rd);

        if (rd.error) {
            return NEON_ERROR;
        }

        switch (code) {

        case 'V':
            e->severity = value;
            break;

        case 'S':
            localized = value;
            break;

        case 'C':
            if (neon_pg_error_is_sqlstate(value)) {
                e->sqlstate = value;
            }

            break;

        case 'M':
            e->message = value;
            break;

        case 'D':
            e->detail = value;
            break;

        case 'H':
            e->hint = value;
            break;

        default:
            break;
        }
    }

    /* V is never translated, but came only with PostgreSQL 9.6 */

    if (e->severity.len == 0) {
        e->severity = localized;
    }

    return NEON_OK;
}


/* the code becomes a metric's label and a log's field: nothing but the form */

static int
neon_pg_error_is_sqlstate(neon_str_t s)
{
    size_t   i;
    uint8_t  ch;

    if (s.len != NEON_PG_SQLSTATE_LEN) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        ch = s.data[i];

        if (!(ch >= '0' && ch <= '9') && !(ch >= 'A' && ch <= 'Z')) {
            return 0;
        }
    }

    return 1;
}


void
neon_pg_error_write(neon_wr_t *w, const neon_pg_error_t *e)
{
    neon_pg_error_write_as(w, 'E', e);
}


void
neon_pg_notice_write(neon_wr_t *w, const neon_pg_error_t *e)
{
    neon_pg_error_write_as(w, 'N', e);
}


static void
neon_pg_error_write_as(neon_wr_t *w, uint8_t tag, const neon_pg_error_t *e)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, tag);

    neon_pg_error_field(w, 'S', e->severity);
    neon_pg_error_field(w, 'V', e->severity);
    neon_pg_error_field(w, 'C', e->sqlstate);
    neon_pg_error_field(w, 'M', e->message);

    if (e->detail.len != 0) {
        neon_pg_error_field(w, 'D', e->detail);
    }

    if (e->hint.len != 0) {
        neon_pg_error_field(w, 'H', e->hint);
    }

    neon_wr_u8(w, '\0');
    neon_wr_end(w, begin);
}


static void
neon_pg_error_field(neon_wr_t *w, uint8_t code, neon_str_t s)
{
    const uint8_t  *nul;

    nul = (s.len == 0) ? NULL : memchr(s.data, '\0', s.len);

    if (nul != NULL) {
        s.len = (size_t) (nul - s.data);
    }

    neon_wr_u8(w, code);
    neon_wr_cstr(w, s);
}
