/*
 * Seventh step: the login to the compute in the client's name, up to the
 * first ReadyForQuery.  PostgreSQL docs, chapter "Message Flow: Start-up".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_confirm.h"
#include "ngx_neon_enter.h"
#include "ngx_neon_login.h"
#include "ngx_neon_pass.h"


/* of a compute: one message, and all that it says before ReadyForQuery */
#define NGX_NEON_LOGIN_MSG_MAX   (1024 * 1024 + 4096)
#define NGX_NEON_LOGIN_TOLD_MAX  (2 * NGX_NEON_LOGIN_MSG_MAX)


typedef enum {
    NGX_NEON_LOGIN_BEGIN = 0,
    NGX_NEON_LOGIN_TALK
} ngx_neon_login_e;


static ngx_int_t ngx_neon_login_begin(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_login_startup(ngx_neon_session_t *s, neon_wr_t *w);
static ngx_uint_t ngx_neon_login_forwards(ngx_neon_session_t *s,
    neon_str_t name);
static ngx_int_t ngx_neon_login_lost(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_login_read(ngx_neon_session_t *s,
    neon_pg_msg_t *msg);
static ngx_int_t ngx_neon_login_message(ngx_neon_session_t *s,
    neon_pg_msg_t *msg);
static ngx_int_t ngx_neon_login_auth(ngx_neon_session_t *s,
    neon_pg_msg_t *msg);
static ngx_int_t ngx_neon_login_version(ngx_neon_session_t *s,
    neon_pg_msg_t *msg);
static ngx_int_t ngx_neon_login_key_data(ngx_neon_session_t *s,
    neon_pg_msg_t *msg);
static ngx_int_t ngx_neon_login_error(ngx_neon_session_t *s,
    neon_pg_msg_t *msg);
static ngx_int_t ngx_neon_login_ready(ngx_neon_session_t *s,
    neon_pg_msg_t *msg);
static ngx_int_t ngx_neon_login_forward(ngx_neon_session_t *s,
    const u_char *p, size_t n);
static ngx_int_t ngx_neon_login_malformed(ngx_neon_session_t *s, char *what);


ngx_int_t
ngx_neon_login_step(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    neon_pg_msg_t      msg;
    ngx_neon_login_t  *l;

    l = s->login;

    if (s->sealed) {
        /* the client does it */
        return NGX_OK;
    }

    if (ngx_neon_client_check(s) != NGX_OK) {
        return NGX_ERROR;
    }

    if (l->phase == NGX_NEON_LOGIN_BEGIN) {
        if (ngx_neon_login_begin(s) != NGX_OK) {
            return NGX_ERROR;
        }

        l->phase = NGX_NEON_LOGIN_TALK;
        ngx_neon_login_timer(s, s->conf->login_timeout);
    }

    if (l->timedout) {
        ngx_str_set(&s->detail, "login_timeout");
        return ngx_neon_connect_failed(s,
                                       NGX_NEON_REASON_COMPUTE_LOGIN_TIMEOUT,
                                       NGX_NEON_FAILURE_FINAL);
    }

    for ( ;; ) {
        rc = ngx_neon_link_flush(s);
        if (rc != NGX_OK) {
            return rc == NGX_DECLINED ? ngx_neon_login_lost(s) : rc;
        }

        rc = ngx_neon_login_read(s, &msg);

        if (rc == NGX_AGAIN) {
            rc = ngx_neon_pass_answer(s);

            if (rc == NGX_OK) {
                continue;
            }
        }

        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_neon_login_message(s, &msg);

        if (rc == NGX_DONE) {
            ngx_neon_login_timer_stop(s);
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_neon_login_begin(ngx_neon_session_t *s)
{
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    l->authenticated = 0;
    l->told = 0;
    l->scram_phase = 0;
    l->entered = 0;
    l->deriving = 0;

    if (l->kdf) {
        ngx_neon_kdf_cancel(l->kdf);
        l->kdf = NULL;
    }

    l->target.len = 0;
    l->compute_version = l->protocol_3_2 ? NEON_PG_PROTOCOL_3_2
                                         : NEON_PG_PROTOCOL_3_0;

    /* what an earlier compute said is not repeated */

    l->out.last = l->out.pos + l->greeting;

    if (ngx_neon_bytes_writer(s, &l->cout, l->startup.params.len + 128, &w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_neon_login_startup(s, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_neon_bytes_wrote(s, &l->cout, &w);
}


static ngx_int_t
ngx_neon_login_startup(ngx_neon_session_t *s, neon_wr_t *w)
{
    u_char            *p;
    uint8_t           *begin;
    neon_rd_t          rd;
    neon_wr_t          o;
    neon_pg_param_t    param;
    ngx_neon_login_t  *l;

    l = s->login;

    begin = neon_pg_startup_begin(w, l->compute_version);

    if (s->conf->forward_parameters == NGX_NEON_FORWARD_NEON
        && !l->options.params_compat)
    {
        neon_pg_startup_param(w, neon_str("client_encoding", 15),
                              neon_str("UTF8", 4));
    }

    neon_rd_init(&rd, l->startup.params.data, l->startup.params.len);

    while (neon_pg_startup_next(&rd, &param)) {

        if (!ngx_neon_login_forwards(s, param.name)
            || !neon_pg_startup_counts(&l->startup, &param))
        {
            continue;
        }

        if (neon_str_eqz(param.name, "options")) {

            /* what is ours in it is not the compute's business */

            p = ngx_pnalloc(l->pool, param.value.len + 1);
            if (p == NULL) {
                return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
            }

            neon_wr_init(&o, p, param.value.len + 1);
            neon_pg_options_filter(&o, param.value);

            if (neon_wr_len(&o) == 0) {
                continue;
            }

            param.value = neon_str(p, neon_wr_len(&o));
        }

        neon_pg_startup_param(w, param.name, param.value);
    }

    neon_pg_startup_end(w, begin);

    return NGX_OK;
}


static ngx_uint_t
ngx_neon_login_forwards(ngx_neon_session_t *s, neon_str_t name)
{
    /* protocol extensions are between the client and us */

    if (name.len >= 5 && ngx_memcmp(name.data, "_pq_.", 5) == 0) {
        return 0;
    }

    return s->conf->forward_parameters == NGX_NEON_FORWARD_ALL
           || s->login->options.params_compat
           || neon_str_eqz(name, "user")
           || neon_str_eqz(name, "database")
           || neon_str_eqz(name, "application_name")
           || neon_str_eqz(name, "replication")
           || neon_str_eqz(name, "options");
}


/* a compute that just starts, or stops, closes like this */

static ngx_int_t
ngx_neon_login_lost(ngx_neon_session_t *s)
{
    return ngx_neon_connect_failed(s, NGX_NEON_REASON_COMPUTE_UNREACHABLE,
                                   NGX_NEON_FAILURE_RETRY);
}


/*
 * Whatever is told is bounded, also what is not kept: inside TLS a compute may
 * send faster than it is read, and no turn would end.
 */

static ngx_int_t
ngx_neon_login_read(ngx_neon_session_t *s, neon_pg_msg_t *msg)
{
    size_t             have, room;
    ngx_int_t          rc;
    ngx_neon_bytes_t  *b;
    ngx_neon_login_t  *l;

    l = s->login;
    b = &l->cin;

    for ( ;; ) {
        have = b->last - b->pos;

        switch (neon_pg_msg_parse(msg, b->pos, have,
                                  NGX_NEON_LOGIN_MSG_MAX))
        {
        case NEON_OK:
            b->pos += msg->size;
            return NGX_OK;

        case NEON_AGAIN:
            break;

        default:
            return ngx_neon_login_malformed(s, "compute sent a message of an"
                                            " impossible length");
        }

        room = msg->size > have ? msg->size - have : 0;

        rc = ngx_neon_link_read(s, ngx_max(room, 1024));

        if (rc != NGX_OK) {
            return rc == NGX_DECLINED ? ngx_neon_login_lost(s) : rc;
        }

        l->told += (b->last - b->pos) - have;

        if (l->told > NGX_NEON_LOGIN_TOLD_MAX) {
            return ngx_neon_login_malformed(s, "compute sends without end"
                                            " during login");
        }
    }
}


/* NGX_DONE: the compute is ready */

static ngx_int_t
ngx_neon_login_message(ngx_neon_session_t *s, neon_pg_msg_t *msg)
{
    switch (msg->tag) {

    case 'R':
        return ngx_neon_login_auth(s, msg);

    case 'S': /* ParameterStatus */
    case 'N': /* NoticeResponse */
        return ngx_neon_login_forward(s, msg->body.data - NEON_PG_MSG_HEAD,
                                      msg->size);

    case 'K':
        return ngx_neon_login_key_data(s, msg);

    case 'v':
        return ngx_neon_login_version(s, msg);

    case 'E':
        return ngx_neon_login_error(s, msg);

    case 'Z':
        return ngx_neon_login_ready(s, msg);

    default:
        return ngx_neon_login_malformed(s, "compute sent an unexpected message"
                                        " during login");
    }
}


static ngx_int_t
ngx_neon_login_auth(ngx_neon_session_t *s, neon_pg_msg_t *msg)
{
    uint32_t           code;
    ngx_int_t          rc;
    ngx_uint_t         salt;
    neon_str_t         rest;
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->authenticated
        || neon_pg_auth_parse(&code, &rest, msg->body) != NEON_OK)
    {
        return ngx_neon_login_malformed(s, "compute sent a malformed"
                                        " AuthenticationRequest");
    }

    if (code == NEON_PG_AUTH_OK) {

        /*
         * A SCRAM exchange that was begun must be finished: else the compute
         * did not prove that it knows the role's verifier.
         */

        if (l->scram_phase != 0 && l->scram_phase != NGX_NEON_SCRAM_DONE) {
            return ngx_neon_login_malformed(s, "compute did not finish the"
                                            " SCRAM exchange");
        }

        l->authenticated = 1;

        return s->conf->auth == NGX_NEON_AUTH_SCRAM
               ? NGX_OK : ngx_neon_pass_request(s, code, rest);
    }

    salt = 0;

    rc = s->conf->auth == NGX_NEON_AUTH_SCRAM
         ? ngx_neon_enter(s, code, rest, &salt)
         : ngx_neon_pass_request(s, code, rest);

    if (rc == NGX_AGAIN) {
        l->cin.pos -= msg->size;
        return NGX_AGAIN;
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_INFO, s->log, 0, "%V (method %uD)", &s->detail,
                      code);

        /* another salt: the password may be another one by now */

        if (salt) {
            ngx_neon_ask_forget(s, NGX_NEON_CTL_ACCESS, l->access_generation);
        }

        /* it may be another compute, at a re-used address */

        rc = ngx_neon_connect_failed(s, salt ? NGX_NEON_REASON_COMPUTE_PASSWORD
                                             : NGX_NEON_REASON_COMPUTE_AUTH,
                                     NGX_NEON_FAILURE_FINAL);

        if (rc == NGX_ERROR && salt) {
            return ngx_neon_session_errorf(s, NGX_NEON_REASON_COMPUTE_PASSWORD,
                           "password authentication failed for user \"%V\"",
                           &s->user);
        }
    }

    return rc;
}


static ngx_int_t
ngx_neon_login_version(ngx_neon_session_t *s, neon_pg_msg_t *msg)
{
    uint32_t  version;

    if (neon_pg_negotiate_parse(&version, msg->body) != NEON_OK
        || version > s->login->compute_version)
    {
        return ngx_neon_login_malformed(s, "compute sent a malformed"
                                        " NegotiateProtocolVersion");
    }

    /* what the client was promised of 3.2 is ours to keep: the long key */

    return NGX_OK;
}


static ngx_int_t
ngx_neon_login_key_data(ngx_neon_session_t *s, neon_pg_msg_t *msg)
{
    neon_str_t                 key;
    ngx_neon_cancel_target_t  *t;

    t = &s->login->target;

    if (neon_pg_key_data_parse(&t->pid, &key, msg->body) != NEON_OK) {
        return ngx_neon_login_malformed(s, "compute sent a malformed"
                                        " BackendKeyData");
    }

    ngx_memcpy(t->key, key.data, key.len);
    t->len = key.len;

    return NGX_OK;
}


/*
 * Passed on as it is, unless it means that this is not the compute that was
 * expected, or that it is still starting.
 */

static ngx_int_t
ngx_neon_login_error(ngx_neon_session_t *s, neon_pg_msg_t *msg)
{
    ngx_uint_t           again;
    neon_pg_error_t      e;
    ngx_neon_login_t    *l;
    ngx_neon_failure_e   failure;

    l = s->login;

    if (neon_pg_error_parse(&e, msg->body) != NEON_OK) {
        return ngx_neon_login_malformed(s, "compute sent a malformed"
                                        " ErrorResponse");
    }

    if (!l->authenticated && !l->passed) {
        failure = ngx_neon_login_failure(&e, &again);

        if (failure == NGX_NEON_FAILURE_STARTING
            || (again && !l->reentered))
        {
            /* in place: it is not passed on */

            ngx_neon_session_printable((u_char *) e.message.data,
                                       e.message.len);

            ngx_log_error(NGX_LOG_INFO, s->log, 0, "compute says: %*s",
                          ngx_min(e.message.len, 512), e.message.data);

            return ngx_neon_connect_failed(s, NGX_NEON_REASON_COMPUTE_ERROR,
                                           failure);
        }

        /* nothing but the error: the login did not succeed anywhere */

        l->out.last = l->out.pos + (l->noticed ? l->greeting : 0);

        /* the compute has another password than the cache's verifier */

        if (neon_str_eqz(e.sqlstate, "28P01")) {
            ngx_neon_ask_forget(s, NGX_NEON_CTL_ACCESS, l->access_generation);
        }
    }

    (void) ngx_neon_session_errorf(s, NGX_NEON_REASON_COMPUTE_ERROR, "%*s",
                                   ngx_min(e.message.len, 512),
                                   e.message.data);

    if (e.sqlstate.len == 5) {
        ngx_memcpy(s->sqlstate, e.sqlstate.data, 5);
    }

    if (ngx_neon_login_forward(s, msg->body.data - NEON_PG_MSG_HEAD,
                               msg->size)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_neon_login_ready(ngx_neon_session_t *s, neon_pg_msg_t *msg)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (!l->authenticated || msg->body.len != 1) {
        return ngx_neon_login_malformed(s, "compute sent an unexpected"
                                        " ReadyForQuery");
    }

    if (l->target.len && ngx_neon_login_cancel_key(s) != NGX_OK) {
        return NGX_ERROR;
    }

    if (s->conf->ctl == &ngx_neon_ctl_link
        && ngx_neon_confirm_welcome(s) != NGX_OK)
    {
        return NGX_ERROR;
    }

    l->ready = msg->body.data[0];

    if (ngx_neon_login_forward(s, msg->body.data - NEON_PG_MSG_HEAD,
                               msg->size)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_neon_login_forward(ngx_neon_session_t *s, const u_char *p, size_t n)
{
    ngx_neon_bytes_t  *b;

    b = &s->login->out;

    if (ngx_neon_bytes_reserve(s->login->pool, b, n) != NGX_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    b->last = ngx_cpymem(b->last, p, n);

    return NGX_OK;
}


static ngx_int_t
ngx_neon_login_malformed(ngx_neon_session_t *s, char *what)
{
    s->err = 0;
    s->detail.data = (u_char *) what;
    s->detail.len = ngx_strlen(what);

    if (s->login->authenticated) {
        /* it let us in: no other is there, and it would say the same again */
        return ngx_neon_session_error(s, NGX_NEON_REASON_COMPUTE_PROTOCOL);
    }

    ngx_log_error(NGX_LOG_INFO, s->log, 0, "%s", what);

    /* something else may be at a re-used address */

    return ngx_neon_connect_failed(s, NGX_NEON_REASON_COMPUTE_PROTOCOL,
                                   NGX_NEON_FAILURE_FINAL);
}
