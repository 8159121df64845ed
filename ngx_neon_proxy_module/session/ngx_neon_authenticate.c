/*
 * Fourth step: the client proves that it knows the password.  SCRAM-SHA-256
 * and -PLUS, or a cleartext password that came inside TLS, against the same
 * verifier.  Of an MD5 verifier: a cleartext password, or without TLS its
 * salted MD5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "ngx_neon_confirm.h"


#define NGX_NEON_AUTH_DOUBT  5000             /* ms */


typedef enum {
    NGX_NEON_AUTH_BEGIN = 0,
    NGX_NEON_AUTH_FIRST,                /* waiting for SASLInitialResponse */
    NGX_NEON_AUTH_FINAL,                /* waiting for SASLResponse */
    NGX_NEON_AUTH_CLEARTEXT,            /* waiting for a PasswordMessage */
    NGX_NEON_AUTH_MD5,                  /* the same, with a salted MD5 */
    NGX_NEON_AUTH_KDF                   /* a thread checks the password, or
                                           kdf_rc says what came of it */
} ngx_neon_auth_e;


static ngx_int_t ngx_neon_auth_begin(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_first(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_final(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_scram_failed(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_password_failed(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_cleartext(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_md5(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_kdf(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_kdf_done(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_auth_ok(ngx_neon_session_t *s, neon_str_t final);


ngx_int_t
ngx_neon_authenticate_step(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    if (s->conf->ctl == &ngx_neon_ctl_link) {
        return ngx_neon_confirm_step(s);
    }

    l = s->login;

    if (s->conf->auth != NGX_NEON_AUTH_SCRAM) {
        /* that is up to the compute, when there is one */
        s->auth_method = "passthrough";
        return NGX_OK;
    }

    for ( ;; ) {
        switch (l->phase) {

        case NGX_NEON_AUTH_BEGIN:
            rc = ngx_neon_auth_begin(s);
            break;

        case NGX_NEON_AUTH_FIRST:
            rc = ngx_neon_auth_first(s);
            break;

        case NGX_NEON_AUTH_FINAL:
            return ngx_neon_auth_final(s);

        case NGX_NEON_AUTH_CLEARTEXT:
            rc = ngx_neon_auth_cleartext(s);
            break;

        case NGX_NEON_AUTH_MD5:
            rc = ngx_neon_auth_md5(s);
            break;

        default: /* NGX_NEON_AUTH_KDF */
            return ngx_neon_auth_kdf_done(s);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_neon_auth_begin(ngx_neon_session_t *s)
{
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->password.data) {
        /* it came with the name of the endpoint */
        return ngx_neon_auth_kdf(s);
    }

    ngx_neon_clock_run(s, &l->client_clock);

    if (ngx_neon_bytes_writer(s, &l->out, 64, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a password can answer whatever the compute asks, an MD5 of it only MD5 */

    if (s->cleartext || (l->md5 && s->tls)) {
        neon_pg_auth_write(&w, NEON_PG_AUTH_CLEARTEXT, neon_str(NULL, 0));
        l->phase = NGX_NEON_AUTH_CLEARTEXT;

        return ngx_neon_bytes_wrote(s, &l->out, &w);
    }

    if (l->md5) {
        if (neon_random(l->md5_salt, NEON_MD5_SALT_LEN) != NEON_OK) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        neon_pg_auth_write(&w, NEON_PG_AUTH_MD5,
                           neon_str(l->md5_salt, NEON_MD5_SALT_LEN));
        l->phase = NGX_NEON_AUTH_MD5;

        return ngx_neon_bytes_wrote(s, &l->out, &w);
    }

    l->scram = ngx_palloc(l->pool, sizeof(neon_scram_server_t));
    if (l->scram == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    neon_scram_server_init(l->scram, l->cbind);
    neon_pg_auth_sasl_write(&w, l->scram->cbind_len != 0);
    l->phase = NGX_NEON_AUTH_FIRST;

    return ngx_neon_bytes_wrote(s, &l->out, &w);
}


static ngx_int_t
ngx_neon_auth_first(ngx_neon_session_t *s)
{
    uint8_t                 nonce[NEON_SCRAM_RAW_NONCE];
    uint8_t                 text[NEON_SCRAM_MSG_MAX];
    ngx_int_t               rc;
    neon_wr_t               w, t;
    neon_str_t              body;
    ngx_neon_login_t       *l;
    neon_pg_sasl_initial_t  initial;

    l = s->login;

    rc = ngx_neon_client_answer(s, NGX_NEON_SASL_MAX, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    if (neon_pg_sasl_initial_parse(&initial, body) != NEON_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_SASL);
    }

    s->auth_method = neon_str_eqz(initial.mechanism, "SCRAM-SHA-256-PLUS")
                     ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";

    if (neon_random(nonce, sizeof(nonce)) != NEON_OK) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    neon_wr_init(&t, text, sizeof(text));

    if (neon_scram_server_first(l->scram, initial.mechanism, initial.data,
                                &l->verifier, nonce, &t)
        != NEON_OK)
    {
        return ngx_neon_auth_scram_failed(s);
    }

    if (ngx_neon_bytes_writer(s, &l->out, neon_wr_len(&t) + 16, &w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    neon_pg_auth_write(&w, NEON_PG_AUTH_SASL_CONT,
                       neon_str(text, neon_wr_len(&t)));

    l->phase = NGX_NEON_AUTH_FINAL;

    return ngx_neon_bytes_wrote(s, &l->out, &w);
}


static ngx_int_t
ngx_neon_auth_final(ngx_neon_session_t *s)
{
    uint8_t            text[NEON_SCRAM_MSG_MAX];
    ngx_int_t          rc;
    neon_wr_t          t;
    neon_str_t         body;
    ngx_neon_login_t  *l;

    l = s->login;

    rc = ngx_neon_client_answer(s, NGX_NEON_SASL_MAX, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    neon_wr_init(&t, text, sizeof(text));

    if (neon_scram_server_final(l->scram, body, &l->verifier, &l->keys, &t)
        != NEON_OK)
    {
        return ngx_neon_auth_scram_failed(s);
    }

    return ngx_neon_auth_ok(s, neon_str(text, neon_wr_len(&t)));
}


static ngx_int_t
ngx_neon_auth_scram_failed(ngx_neon_session_t *s)
{
    switch (s->login->scram->fail) {

    case NEON_SCRAM_FAIL_PROOF:
        return ngx_neon_auth_password_failed(s);

    case NEON_SCRAM_FAIL_CBIND:
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_CHANNEL_BINDING,
                         "insecure connection: secure channel data mismatch");

    case NEON_SCRAM_FAIL_CBIND_TYPE:
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_CHANNEL_BINDING,
                         "unsupported channel binding method");

    case NEON_SCRAM_FAIL_DOWNGRADE:
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_CHANNEL_BINDING,
                         "SCRAM-PLUS not used");

    default:
        return ngx_neon_session_error(s, NGX_NEON_REASON_SASL);
    }
}


/* one text for a wrong password, an unknown role and an unknown endpoint */

static ngx_int_t
ngx_neon_auth_password_failed(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    /*
     * The password may have been changed, or the role created, since the
     * cache learnt of it: the next attempt finds out.  Not for each wrong
     * password, or guessing would be at the control plane's cost.
     */

    if (s->secret_cache == NGX_NEON_CACHED_HIT
        && l->access_age >= NGX_NEON_AUTH_DOUBT)
    {
        ngx_neon_ask_doubt(s);
    }

    return ngx_neon_session_errorf(s, NGX_NEON_REASON_PASSWORD,
                       "password authentication failed for user \"%V\"",
                       &s->user);
}


static ngx_int_t
ngx_neon_auth_cleartext(ngx_neon_session_t *s)
{
    ngx_int_t  rc;

    rc = ngx_neon_client_password(s, &s->login->password);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_neon_auth_kdf(s);
}


static ngx_int_t
ngx_neon_auth_md5(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    neon_str_t         answer;
    ngx_neon_login_t  *l;

    l = s->login;

    rc = ngx_neon_client_password(s, &answer);
    if (rc != NGX_OK) {
        return rc;
    }

    s->auth_method = "md5";

    l->kdf_rc = neon_md5_verify_answer(l->md5, neon_str(l->md5_salt,
                                                        NEON_MD5_SALT_LEN),
                                       answer);
    l->phase = NGX_NEON_AUTH_KDF;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_auth_kdf(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    s->auth_method = "cleartext";

    if (l->md5) {
        l->kdf_rc = neon_md5_verify_password(l->md5, l->password,
                                             neon_str(s->user.data,
                                                      s->user.len));
        l->phase = NGX_NEON_AUTH_KDF;
        return NGX_OK;
    }

    if (ngx_neon_kdf_cached(&l->verifier, l->password, &l->keys) == NGX_OK) {
        l->kdf_rc = NEON_OK;
        l->phase = NGX_NEON_AUTH_KDF;
        return NGX_OK;
    }

    ngx_neon_clock_run(s, &l->held_clock);

    l->kdf = ngx_neon_kdf_start(s->conf, s->log, &l->verifier, l->password,
                                ngx_neon_authenticate_kdf_handler, s);
    if (l->kdf == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_BUSY);
    }

    l->phase = NGX_NEON_AUTH_KDF;

    return NGX_OK;
}


void
ngx_neon_authenticate_kdf_handler(void *data, neon_rc_e rc,
    const neon_scram_keys_t *keys)
{
    ngx_neon_login_t    *l;
    ngx_neon_session_t  *s = data;

    l = s->login;

    l->kdf = NULL;
    l->kdf_rc = rc;

    if (rc == NEON_OK) {
        l->keys = *keys;
    }

    ngx_neon_session_run(s);
}


static ngx_int_t
ngx_neon_auth_kdf_done(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->kdf) {
        return ngx_neon_client_check(s) == NGX_OK ? NGX_AGAIN : NGX_ERROR;
    }

    switch (l->kdf_rc) {

    case NEON_OK:
        return ngx_neon_auth_ok(s, neon_str(NULL, 0));

    case NEON_AGAIN:
        return ngx_neon_auth_password_failed(s);

    default:
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }
}


/*
 * The good news stays in `out` until the compute is ready: the client gets
 * all of it in one write.
 */

static ngx_int_t
ngx_neon_auth_ok(ngx_neon_session_t *s, neon_str_t final)
{
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    ngx_str_null(&s->detail);

    if (ngx_neon_bytes_writer(s, &l->out, final.len + 32, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    if (final.len) {
        neon_pg_auth_write(&w, NEON_PG_AUTH_SASL_FINAL, final);
    }

    neon_pg_auth_write(&w, NEON_PG_AUTH_OK, neon_str(NULL, 0));

    if (ngx_neon_bytes_wrote(s, &l->out, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    l->greeting = l->out.last - l->out.pos;

    return NGX_OK;
}
