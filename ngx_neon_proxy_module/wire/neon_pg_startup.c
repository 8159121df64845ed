/*
 * The first packet of a connection, and what may answer it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_pg_startup.h"


/* the "version" of requests that are not a StartupMessage: major 1234 */

#define NEON_PG_REQUEST_MAJOR     1234
#define NEON_PG_CANCEL_CODE       NEON_PG_PROTOCOL(NEON_PG_REQUEST_MAJOR, 5678)
#define NEON_PG_SSL_CODE          NEON_PG_PROTOCOL(NEON_PG_REQUEST_MAJOR, 5679)
#define NEON_PG_GSSENC_CODE       NEON_PG_PROTOCOL(NEON_PG_REQUEST_MAJOR, 5680)

#define NEON_PG_TLS_HANDSHAKE     0x16        /* RFC 8446, 5.1: record type */
#define NEON_PG_CANCEL_HEAD       12          /* length, code and pid */


static neon_rc_e neon_pg_first_request(neon_pg_first_t *first, uint32_t code,
    const char **err);
static void neon_pg_startup_keep(neon_pg_startup_t *st,
    const neon_pg_param_t *param);
static neon_str_t *neon_pg_startup_field(neon_pg_startup_t *st,
    neon_str_t name);
static int neon_pg_startup_is_extension(neon_str_t name);


neon_rc_e
neon_pg_first_parse(neon_pg_first_t *first, const uint8_t *p, size_t n,
    const char **err)
{
    uint32_t   code;
    neon_rd_t  rd;

    memset(first, 0, sizeof(neon_pg_first_t));

    if (n != 0 && p[0] == NEON_PG_TLS_HANDSHAKE) {

        /* as a length it were far beyond the limit */

        first->type = NEON_PG_FIRST_TLS;
        return NEON_OK;
    }

    if (n < 4) {
        return NEON_AGAIN;
    }

    neon_rd_init(&rd, p, n);
    first->length = neon_rd_u32(&rd);

    /* a nonsense length is refused before its sender is waited for */

    if (first->length < NEON_PG_STARTUP_HEAD) {
        *err = "invalid length of startup packet";
        return NEON_ERROR;
    }

    if (first->length > NEON_PG_STARTUP_MAX + NEON_PG_STARTUP_HEAD) {
        *err = "startup packet is too large";
        return NEON_ERROR;
    }

    if (n < NEON_PG_STARTUP_HEAD) {
        return NEON_AGAIN;
    }

    code = neon_rd_u32(&rd);

    if (code >> 16 == NEON_PG_REQUEST_MAJOR) {
        return neon_pg_first_request(first, code, err);
    }

    first->type = NEON_PG_FIRST_STARTUP;
    first->version = code;

    return NEON_OK;
}


static neon_rc_e
neon_pg_first_request(neon_pg_first_t *first, uint32_t code, const char **err)
{
    switch (code) {

    case NEON_PG_SSL_CODE:
        first->type = NEON_PG_FIRST_SSL;

        if (first->length != NEON_PG_STARTUP_HEAD) {
            *err = "invalid length of SSLRequest";
            return NEON_ERROR;
        }

        return NEON_OK;

    case NEON_PG_GSSENC_CODE:
        first->type = NEON_PG_FIRST_GSSENC;

        if (first->length != NEON_PG_STARTUP_HEAD) {
            *err = "invalid length of GSSENCRequest";
            return NEON_ERROR;
        }

        return NEON_OK;

    case NEON_PG_CANCEL_CODE:
        first->type = NEON_PG_FIRST_CANCEL;

        if (first->length < NEON_PG_CANCEL_HEAD + NEON_PG_CANCEL_KEY_MIN
            || first->length > NEON_PG_CANCEL_HEAD + NEON_PG_CANCEL_KEY_MAX)
        {
            *err = "invalid length of CancelRequest";
            return NEON_ERROR;
        }

        return NEON_OK;

    default:
        *err = "unrecognized request code in startup packet";
        return NEON_ERROR;
    }
}


neon_rc_e
neon_pg_startup_parse(neon_pg_startup_t *st, const uint8_t *p, size_t n,
    const char **err)
{
    neon_rd_t        rd;
    neon_pg_param_t  param;

    memset(st, 0, sizeof(neon_pg_startup_t));

    if (n == 0 || p[n - 1] != '\0') {
        *err = "invalid startup packet layout: no terminator at its end";
        return NEON_ERROR;
    }

    st->params = neon_str(p, n - 1);

    neon_rd_init(&rd, p, n - 1);

    while (neon_pg_startup_next(&rd, &param)) {
        neon_pg_startup_keep(st, &param);
    }

    if (rd.error) {
        *err = "invalid startup packet layout: parameter without a value";
        return NEON_ERROR;
    }

    if (neon_rd_left(&rd) != 0) {
        *err = "invalid startup packet layout: bytes behind the terminator";
        return NEON_ERROR;
    }

    return NEON_OK;
}


int
neon_pg_startup_next(neon_rd_t *rd, neon_pg_param_t *param)
{
    /* an empty name ends the list wherever it stands; it is not consumed */

    if (neon_rd_left(rd) == 0 || rd->pos[0] == '\0') {
        return 0;
    }

    param->name = neon_rd_cstr(rd);
    param->value = neon_rd_cstr(rd);

    return !rd->error;
}


static void
neon_pg_startup_keep(neon_pg_startup_t *st, const neon_pg_param_t *param)
{
    neon_str_t  *field;

    st->nparams++;

    if (neon_pg_startup_is_extension(param->name)) {
        st->nextensions++;
        return;
    }

    field = neon_pg_startup_field(st, param->name);

    if (field != NULL) {
        *field = param->value;
    }
}


int
neon_pg_startup_counts(neon_pg_startup_t *st, const neon_pg_param_t *param)
{
    neon_str_t  *field;

    field = neon_pg_startup_field(st, param->name);

    return field == NULL || field->data == param->value.data;
}


static neon_str_t *
neon_pg_startup_field(neon_pg_startup_t *st, neon_str_t name)
{
    if (neon_str_eqz(name, "user")) {
        return &st->user;
    }

    if (neon_str_eqz(name, "database")) {
        return &st->database;
    }

    if (neon_str_eqz(name, "application_name")) {
        return &st->application_name;
    }

    if (neon_str_eqz(name, "options")) {
        return &st->options;
    }

    if (neon_str_eqz(name, "replication")) {
        return &st->replication;
    }

    return NULL;
}


static int
neon_pg_startup_is_extension(neon_str_t name)
{
    static const char  prefix[] = "_pq_.";

    return name.len >= sizeof(prefix) - 1
           && memcmp(name.data, prefix, sizeof(prefix) - 1) == 0;
}


void
neon_pg_negotiate_write(neon_wr_t *w, uint32_t version,
    const neon_pg_startup_t *st)
{
    uint8_t          *begin;
    neon_rd_t         rd;
    neon_pg_param_t   param;

    begin = neon_wr_begin(w, 'v');
    neon_wr_u32(w, version);
    neon_wr_u32(w, st->nextensions);

    neon_rd_init(&rd, st->params.data, st->params.len);

    while (neon_pg_startup_next(&rd, &param)) {
        if (neon_pg_startup_is_extension(param.name)) {
            neon_wr_cstr(w, param.name);
        }
    }

    neon_wr_end(w, begin);
}


neon_rc_e
neon_pg_cancel_parse(neon_pg_cancel_t *cancel, const uint8_t *p, size_t n,
    const char **err)
{
    neon_rd_t  rd;

    memset(cancel, 0, sizeof(neon_pg_cancel_t));

    if (n < 4 + NEON_PG_CANCEL_KEY_MIN || n > 4 + NEON_PG_CANCEL_KEY_MAX) {
        *err = "invalid length of CancelRequest";
        return NEON_ERROR;
    }

    neon_rd_init(&rd, p, n);

    cancel->pid = neon_rd_u32(&rd);
    cancel->key = neon_rd_bytes(&rd, neon_rd_left(&rd));

    return NEON_OK;
}


void
neon_pg_cancel_write(neon_wr_t *w, uint32_t pid, neon_str_t key)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 0);
    neon_wr_u32(w, NEON_PG_CANCEL_CODE);
    neon_wr_u32(w, pid);
    neon_wr_str(w, key);
    neon_wr_end(w, begin);
}


void
neon_pg_ssl_request_write(neon_wr_t *w)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 0);
    neon_wr_u32(w, NEON_PG_SSL_CODE);
    neon_wr_end(w, begin);
}


uint8_t *
neon_pg_startup_begin(neon_wr_t *w, uint32_t version)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 0);
    neon_wr_u32(w, version);

    return begin;
}


void
neon_pg_startup_param(neon_wr_t *w, neon_str_t name, neon_str_t value)
{
    /* an empty name would end the list before its end */

    if (name.len == 0) {
        w->error = 1;
        return;
    }

    neon_wr_cstr(w, name);
    neon_wr_cstr(w, value);
}


void
neon_pg_startup_end(neon_wr_t *w, uint8_t *begin)
{
    neon_wr_u8(w, '\0');
    neon_wr_end(w, begin);
}
