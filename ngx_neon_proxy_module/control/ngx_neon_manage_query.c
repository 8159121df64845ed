/*
 * A callback of the console: parsed, checked, and handed to the client that
 * waits for it, in whichever worker.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_manage_query.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_link.h"
#include "ngx_neon_waiter.h"

#include "neon_pg_error.h"
#include "neon_pg_msg.h"


#define NGX_NEON_MANAGE_POOL    4096
#define NGX_NEON_MANAGE_QUOTE   64            /* bytes of what is quoted */
#define NGX_NEON_MANAGE_TEXT    25            /* type oid of text */


static void ngx_neon_manage_callback(ngx_neon_manage_t *m, ngx_str_t *text,
    ngx_pool_t *pool, neon_wr_t *w);
static void ngx_neon_manage_notify(ngx_neon_manage_t *m, ngx_str_t *text,
    ngx_neon_ctl_json_t *json, ngx_pool_t *pool, neon_wr_t *w);
static void ngx_neon_manage_ok(neon_wr_t *w);


void
ngx_neon_manage_query(ngx_neon_manage_t *m, neon_str_t text, neon_wr_t *w)
{
    ngx_str_t    s, message;
    ngx_pool_t  *pool;

    s.data = (u_char *) text.data;
    s.len = text.len;

    pool = ngx_create_pool(NGX_NEON_MANAGE_POOL, m->client->log);

    if (pool) {
        ngx_neon_manage_callback(m, &s, pool, w);
        ngx_destroy_pool(pool);

    } else {
        ngx_str_set(&message, "out of memory");
        ngx_neon_manage_error(w, "ERROR", "53200", &message, NULL, NULL);
    }

    neon_pg_ready_write(w, 'I');
}


static void
ngx_neon_manage_callback(ngx_neon_manage_t *m, ngx_str_t *text,
    ngx_pool_t *pool, neon_wr_t *w)
{
    ngx_str_t             message;
    const char           *err;
    ngx_neon_ctl_json_t   json;

    err = ngx_neon_ctl_link_parse(&json, text, pool);

    if (json.password.len) {
        neon_wipe(json.password.data, json.password.len);
    }

    if (err == NULL) {
        ngx_neon_manage_notify(m, text, &json, pool, w);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, m->client->log, 0,
                  "callback could not be read: %s", err);

    ngx_str_set(&message, "Failed to parse query as json");

    ngx_neon_manage_error(w, "ERROR", "22P02", &message, err,
                          "Send {\"session_id\": ..., \"result\":"
                          " {\"Success\": {\"host\": ..., \"port\": ...,"
                          " \"dbname\": ..., \"user\": ...}}}.");
}


static void
ngx_neon_manage_notify(ngx_neon_manage_t *m, ngx_str_t *text,
    ngx_neon_ctl_json_t *json, ngx_pool_t *pool, neon_wr_t *w)
{
    u_char     *p, *last, buf[NGX_MAX_ERROR_STR];
    ngx_int_t   rc;
    ngx_str_t   id, message;

    rc = ngx_neon_waiter_answer(m->conf,
                          neon_str(json->session_id.data,
                                   json->session_id.len),
                          neon_str(text->data, text->len));

    id = ngx_neon_ctl_printable(pool, &json->session_id,
                                NGX_NEON_MANAGE_QUOTE);

    if (rc == NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, m->client->log, 0,
                      "callback for session \"%V\" was passed on", &id);

        ngx_neon_manage_ok(w);
        return;
    }

    message.data = buf;
    last = buf + sizeof(buf);

    if (rc == NGX_DECLINED) {
        p = ngx_slprintf(buf, last, "Notify failed: waiter `%V` not"
                         " registered", &id);
        message.len = p - buf;

        ngx_neon_manage_error(w, "ERROR", "42704", &message, NULL,
                              "The client has gone, waited for too long, or"
                              " was answered already.");

    } else {
        p = ngx_slprintf(buf, last, "Notify failed: no memory for waiter"
                         " `%V`", &id);
        message.len = p - buf;

        ngx_neon_manage_error(w, "ERROR", "53200", &message, NULL,
                              "The proxy's zone is full. Try again, or make"
                              " it larger.");
    }

    ngx_log_error(NGX_LOG_WARN, m->client->log, 0, "%V", &message);
}


/* one row of one column of type text */

static void
ngx_neon_manage_ok(neon_wr_t *w)
{
    uint8_t  *begin;

    begin = neon_wr_begin(w, 'T');
    neon_wr_u16(w, 1);
    neon_wr_cstr(w, neon_str("message", 7));
    neon_wr_u32(w, 0);                        /* of no table */
    neon_wr_u16(w, 0);
    neon_wr_u32(w, NGX_NEON_MANAGE_TEXT);
    neon_wr_u16(w, (uint16_t) -1);            /* of variable length */
    neon_wr_u32(w, (uint32_t) -1);
    neon_wr_u16(w, 0);                        /* in text format */
    neon_wr_end(w, begin);

    begin = neon_wr_begin(w, 'D');
    neon_wr_u16(w, 1);
    neon_wr_u32(w, 2);
    neon_wr_bytes(w, "ok", 2);
    neon_wr_end(w, begin);

    begin = neon_wr_begin(w, 'C');
    neon_wr_cstr(w, neon_str("SELECT 1", 8));
    neon_wr_end(w, begin);
}


void
ngx_neon_manage_error(neon_wr_t *w, const char *severity,
    const char *sqlstate, ngx_str_t *message, const char *detail,
    const char *hint)
{
    neon_pg_error_t  e;

    ngx_memzero(&e, sizeof(neon_pg_error_t));

    e.severity = neon_str(severity, ngx_strlen(severity));
    e.sqlstate = neon_str(sqlstate, 5);
    e.message = neon_str(message->data, message->len);

    if (detail) {
        e.detail = neon_str(detail, ngx_min(ngx_strlen(detail), 256));
    }

    if (hint) {
        e.hint = neon_str(hint, ngx_strlen(hint));
    }

    neon_pg_error_write(w, &e);
}
