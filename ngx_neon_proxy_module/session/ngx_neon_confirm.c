/*
 * `control_plane link`, in place of authentication: the client is let in and
 * shown a URL; it waits until somebody has logged in there and the console has
 * called back, to whichever worker, with the database that it may have.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_confirm.h"

#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_link.h"
#include "ngx_neon_waiter.h"


#define NGX_NEON_CONFIRM_POLL  50             /* ms */


typedef enum {
    NGX_NEON_CONFIRM_BEGIN = 0,
    NGX_NEON_CONFIRM_WAIT
} ngx_neon_confirm_e;


static ngx_int_t ngx_neon_confirm_begin(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_confirm_greet(ngx_neon_session_t *s, u_char *id);
static u_char *ngx_neon_confirm_time(u_char *buf, u_char *last,
    ngx_msec_t msec);
static void ngx_neon_confirm_watch(ngx_neon_session_t *s);
static void ngx_neon_confirm_handler(ngx_event_t *ev);
static ngx_int_t ngx_neon_confirm_answered(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_confirm_apply(ngx_neon_session_t *s,
    ngx_neon_ctl_json_t *json);
static ngx_int_t ngx_neon_confirm_names(ngx_neon_session_t *s,
    ngx_neon_ctl_json_t *json);
static ngx_int_t ngx_neon_confirm_copy(ngx_neon_session_t *s, ngx_str_t *dst,
    ngx_str_t *src);
static ngx_int_t ngx_neon_confirm_params(ngx_neon_session_t *s);


/*
 * There is no endpoint to be named and no role to be looked up before somebody
 * has logged in, and no compute to be woken afterwards.
 */

ngx_neon_state_e
ngx_neon_confirm_next(ngx_neon_state_e state)
{
    switch (state) {

    case NGX_NEON_STATE_HANDSHAKE:
        return NGX_NEON_STATE_AUTHENTICATE;

    case NGX_NEON_STATE_AUTHENTICATE:
        return NGX_NEON_STATE_CONNECT;

    default:
        return state + 1;
    }
}


ngx_int_t
ngx_neon_confirm_step(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->phase == NGX_NEON_CONFIRM_BEGIN) {
        if (ngx_neon_confirm_begin(s) != NGX_OK) {
            return NGX_ERROR;
        }

        l->phase = NGX_NEON_CONFIRM_WAIT;
    }

    if (ngx_neon_client_flush(s) == NGX_ERROR
        || ngx_neon_client_check(s) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* what could not be written yet stays in front of all that follows */

    l->greeting = l->out.last - l->out.pos;

    if (ngx_neon_waiter_answered(l->waiter) == 0) {
        return NGX_AGAIN;
    }

    return ngx_neon_confirm_answered(s);
}


static ngx_int_t
ngx_neon_confirm_begin(ngx_neon_session_t *s)
{
    u_char                     id[NGX_NEON_WAITER_ID + 1];
    ngx_neon_login_t          *l;
    ngx_neon_ctl_link_conf_t  *lconf;

    l = s->login;
    lconf = ngx_neon_ctl_link_conf(s->conf);

    switch (ngx_neon_waiter_add(s->conf, lconf->waiters, id, &l->waiter)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ngx_str_set(&s->detail, "as many clients wait for a login in a browser"
                                " as \"waiters\" allows");
        return ngx_neon_session_error(s, NGX_NEON_REASON_BUSY);

    default:
        ngx_str_set(&s->detail, "the zone is full");
        return ngx_neon_session_error(s, NGX_NEON_REASON_BUSY);
    }

    ngx_neon_confirm_watch(s);

    s->auth_method = "link";

    l->confirm_clock.left = lconf->timeout;
    ngx_neon_clock_run(s, &l->confirm_clock);

    ngx_log_error(NGX_LOG_INFO, s->log, 0, "waiting for a login in a browser");

    return ngx_neon_confirm_greet(s, id);
}


/* nothing of the id goes to a log as long as it is of use to anybody */

static ngx_int_t
ngx_neon_confirm_greet(ngx_neon_session_t *s, u_char *id)
{
    u_char                    *text, *p, *last;
    neon_wr_t                  w;
    ngx_neon_login_t          *l;
    ngx_neon_ctl_link_conf_t  *lconf;

    l = s->login;
    lconf = ngx_neon_ctl_link_conf(s->conf);

    text = ngx_pnalloc(l->pool, lconf->url.len + 256);
    if (text == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    last = text + lconf->url.len + 256;

    p = ngx_slprintf(text, last, "To log in, visit this address within ");
    p = ngx_neon_confirm_time(p, last, lconf->timeout);
    p = ngx_slprintf(p, last, ":\n    %V%s\n\n", &lconf->url, id);

    if (ngx_neon_bytes_writer(s, &l->out, 64, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_pg_auth_write(&w, NEON_PG_AUTH_OK, neon_str(NULL, 0));
    neon_pg_parameter_status_write(&w, "client_encoding",
                                   neon_str("UTF8", 4));

    if (ngx_neon_bytes_wrote(s, &l->out, &w) != NGX_OK
        || ngx_neon_notice_append(s, text, p - text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* it is let in: what goes wrong from here on is an error behind that */

    l->noticed = 1;

    return NGX_OK;
}


static u_char *
ngx_neon_confirm_time(u_char *buf, u_char *last, ngx_msec_t msec)
{
    if (msec % 60000 == 0) {
        return ngx_slprintf(buf, last, "%Mm", msec / 60000);
    }

    if (msec % 1000 == 0) {
        return ngx_slprintf(buf, last, "%Ms", msec / 1000);
    }

    return ngx_slprintf(buf, last, "%Mms", msec);
}


ngx_int_t
ngx_neon_confirm_expired(ngx_neon_session_t *s)
{
    u_char     text[NGX_INT64_LEN + sizeof("ms")];
    ngx_str_t  t;

    t.data = text;
    t.len = ngx_neon_confirm_time(text, text + sizeof(text),
                                  ngx_neon_ctl_link_conf(s->conf)->timeout)
            - text;

    return ngx_neon_session_errorf(s, NGX_NEON_REASON_CONFIRM_TIMEOUT,
                                   "Disconnected due to inactivity after %V.",
                                   &t);
}


/*
 * One timer of a worker looks for all who wait, and only where there was an
 * answer for anybody: of 10,000 that wait none costs anything.
 */

static void
ngx_neon_confirm_watch(ngx_neon_session_t *s)
{
    ngx_event_t               *ev;
    ngx_neon_ctl_link_conf_t  *lconf;

    lconf = ngx_neon_ctl_link_conf(s->conf);
    ev = &lconf->event;

    ngx_queue_insert_tail(&lconf->sessions, &s->login->confirm);

    if (!ev->timer_set) {
        ev->handler = ngx_neon_confirm_handler;
        ev->data = s->conf;
        ev->log = ngx_cycle->log;
        ev->cancelable = 1;

        ngx_add_timer(ev, NGX_NEON_CONFIRM_POLL);
    }
}


void
ngx_neon_confirm_stop(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->waiter) {
        ngx_queue_remove(&l->confirm);
        ngx_neon_waiter_remove(s->conf, l->waiter);
        l->waiter = NULL;
    }
}


static void
ngx_neon_confirm_handler(ngx_event_t *ev)
{
    ngx_uint_t                 answers;
    ngx_queue_t               *q, *next;
    ngx_neon_conf_t           *conf;
    ngx_neon_login_t          *l;
    ngx_neon_ctl_link_conf_t  *lconf;

    conf = ev->data;
    lconf = ngx_neon_ctl_link_conf(conf);
    answers = ngx_neon_waiter_answers(conf);

    if (answers != lconf->answers) {
        lconf->answers = answers;

        for (q = ngx_queue_head(&lconf->sessions);
             q != ngx_queue_sentinel(&lconf->sessions);
             q = next)
        {
            next = ngx_queue_next(q);
            l = ngx_queue_data(q, ngx_neon_login_t, confirm);

            if (ngx_neon_waiter_answered(l->waiter)) {
                ngx_neon_session_run(l->session);
            }
        }
    }

    if (!ngx_queue_empty(&lconf->sessions)) {
        ngx_add_timer(ev, NGX_NEON_CONFIRM_POLL);
    }
}


static ngx_int_t
ngx_neon_confirm_answered(ngx_neon_session_t *s)
{
    size_t                len;
    ngx_str_t             text, user, database;
    const char           *err;
    ngx_neon_login_t     *l;
    ngx_neon_ctl_json_t   json;

    l = s->login;

    ngx_neon_clock_run(s, &l->held_clock);

    len = ngx_neon_waiter_answered(l->waiter);

    text.len = len;
    text.data = ngx_pnalloc(l->pool, len);
    if (text.data == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    ngx_queue_remove(&l->confirm);
    ngx_neon_waiter_take(s->conf, l->waiter, text.data);
    l->waiter = NULL;

    err = ngx_neon_ctl_link_parse(&json, &text, l->pool);

    neon_wipe(text.data, len);

    /* wiped with the login */

    if (json.password.len) {
        l->password = neon_str(json.password.data, json.password.len);
    }

    if (err) {
        /* another worker has understood it */
        ngx_log_error(NGX_LOG_ERR, s->log, 0, "callback: %s", err);
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    user = ngx_neon_ctl_printable(l->pool, &json.user, NGX_NEON_CTL_ID_MAX);
    database = ngx_neon_ctl_printable(l->pool, &json.dbname,
                                      NGX_NEON_CTL_ID_MAX);

    ngx_log_error(NGX_LOG_INFO, s->log, 0,
                  "confirmed as \"%V\": user \"%V\", database \"%V\","
                  " compute %V:%V", &json.session_id, &user, &database,
                  &json.host, &json.port);

    return ngx_neon_confirm_apply(s, &json);
}


static ngx_int_t
ngx_neon_confirm_apply(ngx_neon_session_t *s, ngx_neon_ctl_json_t *json)
{
    ngx_neon_login_t        *l;
    ngx_neon_ctl_request_t  *r;

    l = s->login;
    r = &l->ctl;

    r->conf = s->conf;
    r->pool = l->pool;
    r->log = s->log;

    ngx_neon_ctl_link_answer(r, json);

    if (r->rc != NGX_OK) {
        s->detail = r->detail;
        return ngx_neon_session_error(s, r->reason);
    }

    l->access = r->access;
    l->node = r->node;

    /* there is nobody who could be asked for another address */

    l->rewoken = 1;
    l->reentered = 1;

    if (ngx_neon_confirm_names(s, json) != NGX_OK
        || ngx_neon_confirm_params(s) != NGX_OK)
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    return ngx_neon_access_check(s);
}


/* what logs and variables show for as long as the session lives */

static ngx_int_t
ngx_neon_confirm_names(ngx_neon_session_t *s, ngx_neon_ctl_json_t *json)
{
    ngx_neon_node_t  *node;

    node = s->login->node;

    if (ngx_neon_confirm_copy(s, &s->endpoint, &node->endpoint_id) != NGX_OK
        || ngx_neon_confirm_copy(s, &s->cold_start, &node->cold_start)
           != NGX_OK
        || ngx_neon_confirm_copy(s, &s->user, &json->user) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_neon_confirm_copy(s, &s->database, &json->dbname);
}


static ngx_int_t
ngx_neon_confirm_copy(ngx_neon_session_t *s, ngx_str_t *dst, ngx_str_t *src)
{
    u_char  *p;

    if (src->len == 0) {
        return NGX_OK;
    }

    p = ngx_pstrdup(s->pool, src);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst->data = p;
    dst->len = src->len;

    return NGX_OK;
}


/* the client's parameters, with another user and database */

static ngx_int_t
ngx_neon_confirm_params(ngx_neon_session_t *s)
{
    u_char             *p;
    size_t              size;
    neon_rd_t           rd;
    neon_wr_t           w;
    const char         *err;
    neon_pg_param_t     param;
    neon_pg_startup_t  *st;

    st = &s->login->startup;

    size = st->params.len + s->user.len + s->database.len
           + sizeof("user") + sizeof("database") + 3;

    p = ngx_pnalloc(s->login->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    neon_wr_init(&w, p, size);

    neon_wr_cstr(&w, neon_str("user", 4));
    neon_wr_cstr(&w, neon_str(s->user.data, s->user.len));
    neon_wr_cstr(&w, neon_str("database", 8));
    neon_wr_cstr(&w, neon_str(s->database.data, s->database.len));

    neon_rd_init(&rd, st->params.data, st->params.len);

    while (neon_pg_startup_next(&rd, &param)) {
        if (!neon_str_eqz(param.name, "user")
            && !neon_str_eqz(param.name, "database"))
        {
            neon_wr_cstr(&w, param.name);
            neon_wr_cstr(&w, param.value);
        }
    }

    neon_wr_u8(&w, 0);

    return !w.error
           && neon_pg_startup_parse(st, p, neon_wr_len(&w), &err) == NEON_OK
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_neon_confirm_welcome(ngx_neon_session_t *s)
{
    u_char  text[sizeof("Connected to database, session_id: ")
                 + sizeof(s->id)], *last;

    last = ngx_snprintf(text, sizeof(text),
                        "Connected to database, session_id: %s", s->id);

    return ngx_neon_notice_append(s, text, last - text);
}
