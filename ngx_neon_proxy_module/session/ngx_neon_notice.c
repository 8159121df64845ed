/*
 * Notices to a client that waits: `wake_notice` lets it in and says for what.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "neon_pg_error.h"


#define NGX_NEON_NOTICE_MAX  512


static void ngx_neon_notice_handler(ngx_event_t *ev);
static ngx_int_t ngx_neon_notice_write(ngx_neon_session_t *s);


void
ngx_neon_notice_start(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (s->conf->wake_notice == 0 || l->notice.handler) {
        return;
    }

    l->notice.handler = ngx_neon_notice_handler;
    l->notice.data = s->client;
    l->notice.log = s->log;

    ngx_add_timer(&l->notice, s->conf->wake_notice);
}


void
ngx_neon_notice_stop(ngx_neon_session_t *s)
{
    if (s->login->notice.timer_set) {
        ngx_del_timer(&s->login->notice);
    }
}


/*
 * The greeting, which was kept to leave with the compute's, leaves now.  It is
 * not taken back: what goes wrong from here on is an error behind it.
 */

static void
ngx_neon_notice_handler(ngx_event_t *ev)
{
    ngx_neon_login_t    *l;
    ngx_neon_session_t  *s;

    l = (ngx_neon_login_t *)
            ((u_char *) ev - offsetof(ngx_neon_login_t, notice));
    s = l->session;

    if (s->state < NGX_NEON_STATE_WAKE
        || s->state > NGX_NEON_STATE_LOGIN
        || (size_t) (l->out.last - l->out.pos) != l->greeting)
    {
        /* the compute has begun to talk */
        return;
    }

    if (ngx_neon_notice_write(s) == NGX_ERROR) {
        ngx_neon_session_set_state(s, NGX_NEON_STATE_FINISH);
        ngx_neon_session_run(s);
    }
}


static ngx_int_t
ngx_neon_notice_write(ngx_neon_session_t *s)
{
    u_char             text[NGX_NEON_NOTICE_MAX], *last;
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    l = s->login;

    last = ngx_snprintf(text, sizeof(text),
                        "endpoint \"%V\" is starting, please wait",
                        &s->endpoint);

    if (ngx_neon_notice_append(s, text, last - text) != NGX_OK) {
        return NGX_ERROR;
    }

    l->noticed = 1;

    rc = ngx_neon_client_flush(s);

    /* what could not be written yet stays in front of all that follows */

    l->greeting = l->out.last - l->out.pos;

    return rc;
}


ngx_int_t
ngx_neon_notice_append(ngx_neon_session_t *s, u_char *text, size_t len)
{
    neon_wr_t        w;
    neon_pg_error_t  e;

    ngx_memzero(&e, sizeof(neon_pg_error_t));

    e.severity = neon_str("NOTICE", 6);
    e.sqlstate = neon_str("00000", 5);
    e.message = neon_str(text, len);

    if (ngx_neon_bytes_writer(s, &s->login->out, len + 64, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_pg_notice_write(&w, &e);

    return ngx_neon_bytes_wrote(s, &s->login->out, &w);
}
