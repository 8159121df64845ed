/*
 * Authentication towards the compute: SCRAM with the client's own keys, or the
 * cleartext password where the client, or the console, gave one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_enter.h"

#include "ngx_neon_tls.h"


/*
 * Rounds that a compute may ask of a thread of ours, where keys are made of a
 * password: less than half a second, and not as many as whoever has a compute
 * wants.
 */
#define NGX_NEON_ENTER_ITERATIONS  1000000


static ngx_int_t ngx_neon_enter_sasl(ngx_neon_session_t *s, neon_str_t rest);
static ngx_int_t ngx_neon_enter_sasl_continue(ngx_neon_session_t *s,
    neon_str_t rest, ngx_uint_t *salt);
static ngx_int_t ngx_neon_enter_keys(ngx_neon_session_t *s, neon_str_t rest);
static ngx_int_t ngx_neon_enter_sasl_final(ngx_neon_session_t *s,
    neon_str_t rest);
static ngx_int_t ngx_neon_enter_password(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_enter_md5(ngx_neon_session_t *s, neon_str_t salt);
static ngx_int_t ngx_neon_enter_write(ngx_neon_session_t *s,
    neon_str_t password);
static ngx_int_t ngx_neon_enter_failed(ngx_neon_session_t *s, char *what);


ngx_int_t
ngx_neon_enter(ngx_neon_session_t *s, uint32_t code, neon_str_t rest,
    ngx_uint_t *salt)
{
    *salt = 0;

    if (code != NEON_PG_AUTH_SASL_CONT && code != NEON_PG_AUTH_SASL_FINAL) {

        /* one method: each answer costs more than what asks for it */

        if (s->login->entered) {
            return ngx_neon_enter_failed(s, "compute asks for authentication"
                                         " more than once");
        }

        s->login->entered = 1;
    }

    switch (code) {

    case NEON_PG_AUTH_SASL:
        return ngx_neon_enter_sasl(s, rest);

    case NEON_PG_AUTH_SASL_CONT:
        return ngx_neon_enter_sasl_continue(s, rest, salt);

    case NEON_PG_AUTH_SASL_FINAL:
        return ngx_neon_enter_sasl_final(s, rest);

    case NEON_PG_AUTH_CLEARTEXT:
        return ngx_neon_enter_password(s);

    case NEON_PG_AUTH_MD5:
        return ngx_neon_enter_md5(s, rest);

    default:
        return ngx_neon_enter_failed(s, "compute asks for an authentication"
                                     " method that the proxy does not know");
    }
}


static ngx_int_t
ngx_neon_enter_sasl(ngx_neon_session_t *s, neon_str_t rest)
{
    u_char             flag;
    uint8_t            nonce[NEON_SCRAM_RAW_NONCE];
    uint8_t            text[NEON_SCRAM_MSG_MAX];
    neon_wr_t          w, t;
    neon_str_t         cbind;
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->md5 && l->password.data == NULL) {
        return ngx_neon_enter_failed(s, "compute asks for SCRAM, and of the"
                                     " client's password only an MD5 is known:"
                                     " use TLS for the client, or md5 in its"
                                     " pg_hba.conf");
    }

    if (s->conf->ctl == &ngx_neon_ctl_link && l->password.data == NULL) {
        return ngx_neon_enter_failed(s, "compute asks for a password, and the"
                                     " console gave none");
    }

    flag = 'n';
    cbind = neon_str(NULL, 0);

    if (s->compute->ssl) {
        if (ngx_neon_tls_end_point(s->compute, 0, l->pool, &cbind)
            != NGX_OK)
        {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }

        /* RFC 5802, section 6: "y" says that we would have bound */

        if (cbind.len) {
            flag = neon_pg_sasl_offers(rest, "SCRAM-SHA-256-PLUS") ? 'p' : 'y';
        }
    }

    if (flag != 'p' && !neon_pg_sasl_offers(rest, "SCRAM-SHA-256")) {
        return ngx_neon_enter_failed(s, "compute offers no SASL mechanism that"
                                     " the proxy knows");
    }

    if (l->client == NULL) {
        l->client = ngx_palloc(l->pool, sizeof(neon_scram_client_t));
        if (l->client == NULL) {
            return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
        }
    }

    neon_wr_init(&t, text, sizeof(text));

    if (neon_random(nonce, sizeof(nonce)) != NEON_OK
        || neon_scram_client_first(l->client, flag, cbind, nonce, &t)
           != NEON_OK)
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    l->scram_phase = NEON_PG_AUTH_SASL_CONT;

    if (ngx_neon_bytes_writer(s, &l->cout, neon_wr_len(&t) + 64, &w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    neon_pg_sasl_initial_write(&w, flag == 'p' ? "SCRAM-SHA-256-PLUS"
                                               : "SCRAM-SHA-256",
                               neon_str(text, neon_wr_len(&t)));

    return ngx_neon_bytes_wrote(s, &l->cout, &w);
}


static ngx_int_t
ngx_neon_enter_sasl_continue(ngx_neon_session_t *s, neon_str_t rest,
    ngx_uint_t *salt)
{
    uint8_t            text[NEON_SCRAM_MSG_MAX];
    ngx_int_t          rc;
    neon_wr_t          w, t;
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->scram_phase != NEON_PG_AUTH_SASL_CONT) {
        return ngx_neon_enter_failed(s, "compute sent an unexpected"
                                     " AuthenticationSASLContinue");
    }

    if (l->md5 || s->conf->ctl == &ngx_neon_ctl_link) {
        rc = ngx_neon_enter_keys(s, rest);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    neon_wr_init(&t, text, sizeof(text));

    if (neon_scram_client_final(l->client, rest, &l->verifier, &l->keys, &t)
        != NEON_OK)
    {
        if (l->client->fail == NEON_SCRAM_CLIENT_FAIL_SALT) {
            *salt = 1;
            return ngx_neon_enter_failed(s, "compute's SCRAM salt or iteration"
                                         " count is not that of the control"
                                         " plane's verifier: does it have"
                                         " another password for the role, or"
                                         " an expired one?");
        }

        return ngx_neon_enter_failed(s, "compute sent a malformed SCRAM"
                                     " server-first-message");
    }

    l->scram_phase = NEON_PG_AUTH_SASL_FINAL;

    if (ngx_neon_bytes_writer(s, &l->cout, neon_wr_len(&t) + 16, &w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    neon_pg_sasl_response_write(&w, neon_str(text, neon_wr_len(&t)));

    return ngx_neon_bytes_wrote(s, &l->cout, &w);
}


/* no SCRAM verifier has let the client in: its keys come from the password */

static ngx_int_t
ngx_neon_enter_keys(ngx_neon_session_t *s, neon_str_t rest)
{
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->kdf) {
        return NGX_AGAIN;
    }

    if (l->deriving) {
        l->deriving = 0;

        return l->kdf_rc == NEON_OK
               ? NGX_OK : ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    if (neon_scram_client_salt(l->client, rest, &l->verifier) != NEON_OK) {
        return ngx_neon_enter_failed(s, "compute sent a malformed SCRAM"
                                     " server-first-message");
    }

    if (l->verifier.iterations > NGX_NEON_ENTER_ITERATIONS) {
        return ngx_neon_enter_failed(s, "compute's SCRAM verifier has too many"
                                     " iterations to make keys of a"
                                     " password");
    }

    l->kdf = ngx_neon_kdf_derive(s->conf, s->log, &l->verifier, l->password,
                                 ngx_neon_authenticate_kdf_handler, s);
    if (l->kdf == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_BUSY);
    }

    l->deriving = 1;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_neon_enter_sasl_final(ngx_neon_session_t *s, neon_str_t rest)
{
    ngx_neon_login_t  *l;

    l = s->login;

    /* the compute proves that it knows the verifier: it is the right one */

    if (l->scram_phase != NEON_PG_AUTH_SASL_FINAL
        || neon_scram_client_verify(l->client, rest) != NEON_OK)
    {
        return ngx_neon_enter_failed(s, "compute's SCRAM signature is wrong");
    }

    l->scram_phase = NGX_NEON_SCRAM_DONE;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_enter_password(ngx_neon_session_t *s)
{
    if (s->login->password.data == NULL) {
        return ngx_neon_enter_failed(s, "compute asks for a cleartext"
                                     " password, which the proxy does not"
                                     " know: use scram-sha-256 in its"
                                     " pg_hba.conf");
    }

    return ngx_neon_enter_write(s, s->login->password);
}


static ngx_int_t
ngx_neon_enter_md5(ngx_neon_session_t *s, neon_str_t salt)
{
    uint8_t            answer[NEON_MD5_TEXT_LEN];
    ngx_int_t          rc;
    neon_rc_e          made;
    neon_md5_t         v;
    ngx_neon_login_t  *l;

    l = s->login;

    if (l->md5 == NULL && l->password.data == NULL) {
        return ngx_neon_enter_failed(s, "compute asks for an md5 password,"
                                     " which the proxy does not know: use"
                                     " scram-sha-256 in its pg_hba.conf");
    }

    if (salt.len != NEON_MD5_SALT_LEN) {
        return ngx_neon_enter_failed(s, "compute sent a malformed"
                                     " AuthenticationMD5Password");
    }

    made = NEON_OK;

    if (l->md5) {
        v = *l->md5;

    } else {
        made = neon_md5_make(&v, l->password, neon_str(s->user.data,
                                                       s->user.len));
    }

    if (made != NEON_OK || neon_md5_answer(answer, &v, salt) != NEON_OK) {
        return ngx_neon_enter_failed(s, "compute asks for an md5 password, and"
                                     " this OpenSSL has no MD5: use"
                                     " scram-sha-256 in its pg_hba.conf");
    }

    rc = ngx_neon_enter_write(s, neon_str(answer, sizeof(answer)));

    neon_wipe(&v, sizeof(v));
    neon_wipe(answer, sizeof(answer));

    return rc;
}


static ngx_int_t
ngx_neon_enter_write(ngx_neon_session_t *s, neon_str_t password)
{
    neon_wr_t          w;
    ngx_neon_login_t  *l;

    l = s->login;

    if (ngx_neon_bytes_writer(s, &l->cout, password.len + 16, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_pg_password_write(&w, password);

    return ngx_neon_bytes_wrote(s, &l->cout, &w);
}


static ngx_int_t
ngx_neon_enter_failed(ngx_neon_session_t *s, char *what)
{
    s->err = 0;
    s->detail.data = (u_char *) what;
    s->detail.len = ngx_strlen(what);

    return NGX_DECLINED;
}
