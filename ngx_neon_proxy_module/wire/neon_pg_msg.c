/*
 * PostgreSQL messages behind the start-up: framing, and those that a proxy
 * reads or writes itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_pg_msg.h"
#include "neon_pg_startup.h"


#define NEON_PG_NO_DATA       UINT32_MAX  /* Int32 -1 as a length */


neon_rc_e
neon_pg_msg_parse(neon_pg_msg_t *msg, const uint8_t *p, size_t n,
    size_t max_body)
{
    uint32_t   len;
    neon_rd_t  rd;

    memset(msg, 0, sizeof(neon_pg_msg_t));

    if (n < NEON_PG_MSG_HEAD) {
        return NEON_AGAIN;
    }

    neon_rd_init(&rd, p, n);

    msg->tag = neon_rd_u8(&rd);
    len = neon_rd_u32(&rd);

    /* the length is signed on the wire, and counts itself */

    if (len < 4 || len > INT32_MAX || len - 4 > max_body) {
        return NEON_ERROR;
    }

    msg->size = (size_t) len + 1;

    if (n < msg->size) {
        return NEON_AGAIN;
    }

    msg->body = neon_rd_bytes(&rd, len - 4);

    return NEON_OK;
}


neon_rc_e
neon_pg_sasl_initial_parse(neon_pg_sasl_initial_t *m, neon_str_t body)
{
    uint32_t   len;
    neon_rd_t  rd;

    memset(m, 0, sizeof(neon_pg_sasl_initial_t));

    neon_rd_init(&rd, body.data, body.len);

    m->mechanism = neon_rd_cstr(&rd);
    len = neon_rd_u32(&rd);

    if (len != NEON_PG_NO_DATA) {
        m->data = neon_rd_bytes(&rd, len);
    }

    if (rd.error || neon_rd_left(&rd) != 0) {
        return NEON_ERROR;
    }

    return NEON_OK;
}


neon_rc_e
neon_pg_password_parse(neon_str_t *password, neon_str_t body)
{
    neon_rd_t  rd;

    neon_rd_init(&rd, body.data, body.len);

    *password = neon_rd_cstr(&rd);

    /* PostgreSQL refuses a NUL inside the password too */

    if (rd.error || neon_rd_left(&rd) != 0) {
        *password = neon_str(NULL, 0);
        return NEON_ERROR;
    }

    return NEON_OK;
}


neon_rc_e
neon_pg_auth_parse(uint32_t *code, neon_str_t *rest, neon_str_t body)
{
    neon_rd_t  rd;

    neon_rd_init(&rd, body.data, body.len);

    *code = neon_rd_u32(&rd);
    *rest = neon_rd_bytes(&rd, neon_rd_left(&rd));

    return rd.error ? NEON_ERROR : NEON_OK;
}


int
neon_pg_sasl_offers(neon_str_t rest, const char *mechanism)
{
    int         found;
    neon_rd_t   rd;
    neon_str_t  name;

    found = 0;
    neon_rd_init(&rd, rest.data, rest.len);

    /* to the end: a list that breaks off offers nothing */

    for ( ;; ) {
        name = neon_rd_cstr(&rd);

        if (rd.error) {
            return 0;
        }

        if (name.len == 0) {
            return found && neon_rd_left(&rd) == 0;
        }

        if (neon_str_eqz(name, mechanism)) {
            found = 1;
        }
    }
}


neon_rc_e
neon_pg_key_data_parse(uint32_t *pid, neon_str_t *key, neon_str_t body)
{
    neon_rd_t  rd;

    neon_rd_init(&rd, body.data, body.len);

    *pid = neon_rd_u32(&rd);
    *key = neon_rd_bytes(&rd, neon_rd_left(&rd));

    if (key->len < NEON_PG_CANCEL_KEY_MIN
        || key->len > NEON_PG_CANCEL_KEY_MAX)
    {
        return NEON_ERROR;
    }

    return NEON_OK;
}


neon_rc_e
neon_pg_negotiate_parse(uint32_t *version, neon_str_t body)
{
    uint32_t   n;
    neon_rd_t  rd;

    neon_rd_init(&rd, body.data, body.len);

    *version = neon_rd_u32(&rd);

    for (n = neon_rd_u32(&rd); n != 0 && !rd.error; n--) {
        (void) neon_rd_cstr(&rd);
    }

    if (rd.error || neon_rd_left(&rd) != 0) {
        return NEON_ERROR;
    }

    return NEON_OK;
}


void
neon_pg_auth_write(neon_wr_t *w, uint32_t code, neon_str_t rest)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'R');
    neon_wr_u32(w, code);
    neon_wr_str(w, rest);
    neon_wr_end(w, begin);
}


void
neon_pg_auth_sasl_write(neon_wr_t *w, int plus)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'R');
    neon_wr_u32(w, NEON_PG_AUTH_SASL);

    /* in the order of preference */

    if (plus) {
        neon_wr_z(w, "SCRAM-SHA-256-PLUS");
        neon_wr_u8(w, '\0');
    }

    neon_wr_z(w, "SCRAM-SHA-256");
    neon_wr_u8(w, '\0');

    neon_wr_u8(w, '\0');
    neon_wr_end(w, begin);
}


void
neon_pg_key_data_write(neon_wr_t *w, uint32_t pid, neon_str_t key)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'K');
    neon_wr_u32(w, pid);
    neon_wr_str(w, key);
    neon_wr_end(w, begin);
}


void
neon_pg_parameter_status_write(neon_wr_t *w, const char *name,
    neon_str_t value)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'S');
    neon_wr_cstr(w, neon_str(name, strlen(name)));
    neon_wr_cstr(w, value);
    neon_wr_end(w, begin);
}


void
neon_pg_ready_write(neon_wr_t *w, uint8_t status)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'Z');
    neon_wr_u8(w, status);
    neon_wr_end(w, begin);
}


void
neon_pg_sasl_initial_write(neon_wr_t *w, const char *mechanism,
    neon_str_t data)
{
    uint8_t  *begin;

    if (data.len > INT32_MAX) {
        w->error = 1;
        return;
    }

    begin = neon_wr_begin(w, 'p');
    neon_wr_cstr(w, neon_str(mechanism, strlen(mechanism)));
    neon_wr_u32(w, (data.data == NULL) ? NEON_PG_NO_DATA
                                       : (uint32_t) data.len);
    neon_wr_str(w, data);
    neon_wr_end(w, begin);
}


void
neon_pg_sasl_response_write(neon_wr_t *w, neon_str_t data)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'p');
    neon_wr_str(w, data);
    neon_wr_end(w, begin);
}


void
neon_pg_password_write(neon_wr_t *w, neon_str_t password)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'p');
    neon_wr_cstr(w, password);
    neon_wr_end(w, begin);
}
