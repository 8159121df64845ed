/*
 * A cleartext password checked against a SCRAM verifier, or made the keys of
 * one, on nginx's thread pool, and a cache that shortens the next check of the
 * same one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_kdf.h"

#include "neon_crypto.h"


/* malloc'd: the thread may outlive the session; the password follows it */

struct ngx_neon_kdf_s {
    ngx_thread_task_t          task;
    ngx_neon_kdf_handler_pt    handler;       /* NULL: cancelled */
    void                      *data;
    size_t                     size;          /* of all that is wiped */
    unsigned                   derive:1;      /* there is nothing to check */

    /* only the thread's while it runs */
    neon_rc_e                  rc;
    neon_str_t                 password;
    neon_scram_keys_t          keys;
    neon_scram_rest_t          rest;
    neon_scram_verifier_t      verifier;
};


/*
 * The cache: sets of a few entries, found by StoredKey, which is another one
 * where password, salt or iterations are.  It holds nothing that would let
 * anybody log in.
 */

#define NGX_NEON_KDF_SETS    64               /* a power of two */
#define NGX_NEON_KDF_WAYS    4
#define NGX_NEON_KDF_TTL     60000            /* ms */

typedef struct {
    u_char                     stored_key[NEON_SCRAM_KEY_LEN];
    neon_scram_rest_t          rest;
    ngx_msec_t                 since;
} ngx_neon_kdf_entry_t;


static ngx_neon_kdf_entry_t
    ngx_neon_kdf_cache[NGX_NEON_KDF_SETS][NGX_NEON_KDF_WAYS];


static ngx_neon_kdf_t *ngx_neon_kdf_post(ngx_neon_conf_t *conf,
    ngx_log_t *log, const neon_scram_verifier_t *verifier,
    neon_str_t password, ngx_uint_t derive, ngx_neon_kdf_handler_pt handler,
    void *data);
static void ngx_neon_kdf_thread(void *data, ngx_log_t *log);
static void ngx_neon_kdf_thread_handler(ngx_event_t *ev);
static ngx_neon_kdf_entry_t *ngx_neon_kdf_set(
    const neon_scram_verifier_t *verifier);
static void ngx_neon_kdf_remember(ngx_neon_kdf_t *kdf);
static void ngx_neon_kdf_free(ngx_neon_kdf_t *kdf);


ngx_neon_kdf_t *
ngx_neon_kdf_start(ngx_neon_conf_t *conf, ngx_log_t *log,
    const neon_scram_verifier_t *verifier, neon_str_t password,
    ngx_neon_kdf_handler_pt handler, void *data)
{
    return ngx_neon_kdf_post(conf, log, verifier, password, 0, handler, data);
}


ngx_neon_kdf_t *
ngx_neon_kdf_derive(ngx_neon_conf_t *conf, ngx_log_t *log,
    const neon_scram_verifier_t *verifier, neon_str_t password,
    ngx_neon_kdf_handler_pt handler, void *data)
{
    return ngx_neon_kdf_post(conf, log, verifier, password, 1, handler, data);
}


static ngx_neon_kdf_t *
ngx_neon_kdf_post(ngx_neon_conf_t *conf, ngx_log_t *log,
    const neon_scram_verifier_t *verifier, neon_str_t password,
    ngx_uint_t derive, ngx_neon_kdf_handler_pt handler, void *data)
{
    size_t           size;
    ngx_neon_kdf_t  *kdf;

    if (conf->threads == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "a password cannot be checked without a thread pool");
        return NULL;
    }

    size = sizeof(ngx_neon_kdf_t) + password.len;

    kdf = ngx_calloc(size, log);
    if (kdf == NULL) {
        return NULL;
    }

    kdf->size = size;
    kdf->handler = handler;
    kdf->data = data;
    kdf->derive = derive;
    kdf->verifier = *verifier;

    if (password.len) {
        ngx_memcpy(kdf + 1, password.data, password.len);
    }

    kdf->password = neon_str(kdf + 1, password.len);

    kdf->task.ctx = kdf;
    kdf->task.handler = ngx_neon_kdf_thread;
    kdf->task.event.handler = ngx_neon_kdf_thread_handler;
    kdf->task.event.data = kdf;

    if (ngx_thread_task_post(conf->threads, &kdf->task) != NGX_OK) {
        ngx_neon_kdf_free(kdf);
        return NULL;
    }

    return kdf;
}


void
ngx_neon_kdf_cancel(ngx_neon_kdf_t *kdf)
{
    kdf->handler = NULL;
}


static void
ngx_neon_kdf_thread(void *data, ngx_log_t *log)
{
    ngx_neon_kdf_t  *kdf = data;

    if (kdf->derive) {
        kdf->rc = neon_scram_password_keys(&kdf->keys, &kdf->verifier,
                                           kdf->password);
        return;
    }

    kdf->rc = neon_scram_verify_password(&kdf->keys, &kdf->verifier,
                                         kdf->password, &kdf->rest);
}


static void
ngx_neon_kdf_thread_handler(ngx_event_t *ev)
{
    ngx_neon_kdf_t  *kdf;

    kdf = ev->data;

    if (kdf->rc == NEON_OK && kdf->rest.valid) {
        ngx_neon_kdf_remember(kdf);
    }

    if (kdf->handler) {
        kdf->handler(kdf->data, kdf->rc, &kdf->keys);
    }

    ngx_neon_kdf_free(kdf);
}


static ngx_neon_kdf_entry_t *
ngx_neon_kdf_set(const neon_scram_verifier_t *verifier)
{
    return ngx_neon_kdf_cache[verifier->stored_key[0]
                              & (NGX_NEON_KDF_SETS - 1)];
}


ngx_int_t
ngx_neon_kdf_cached(const neon_scram_verifier_t *verifier,
    neon_str_t password, neon_scram_keys_t *keys)
{
    ngx_uint_t             i;
    ngx_neon_kdf_entry_t  *e;

    e = ngx_neon_kdf_set(verifier);

    for (i = 0; i < NGX_NEON_KDF_WAYS; i++, e++) {

        if (!e->rest.valid
            || !neon_equal(e->stored_key, verifier->stored_key,
                           NEON_SCRAM_KEY_LEN))
        {
            continue;
        }

        if (ngx_current_msec - e->since >= NGX_NEON_KDF_TTL) {
            neon_wipe(e, sizeof(ngx_neon_kdf_entry_t));
            return NGX_DECLINED;
        }

        return neon_scram_verify_rest(keys, verifier, password, &e->rest)
               == NEON_OK ? NGX_OK : NGX_DECLINED;
    }

    return NGX_DECLINED;
}


/* in place of the same one, a free one, or the oldest */

static void
ngx_neon_kdf_remember(ngx_neon_kdf_t *kdf)
{
    ngx_uint_t             i;
    ngx_neon_kdf_entry_t  *e, *found;

    e = ngx_neon_kdf_set(&kdf->verifier);
    found = e;

    for (i = 0; i < NGX_NEON_KDF_WAYS; i++, e++) {

        if (neon_equal(e->stored_key, kdf->verifier.stored_key,
                       NEON_SCRAM_KEY_LEN))
        {
            found = e;
            break;
        }

        if (!found->rest.valid) {
            continue;
        }

        if (!e->rest.valid
            || (ngx_msec_int_t) (e->since - found->since) < 0)
        {
            found = e;
        }
    }

    ngx_memcpy(found->stored_key, kdf->verifier.stored_key,
               NEON_SCRAM_KEY_LEN);
    found->rest = kdf->rest;
    found->since = ngx_current_msec;
}


static void
ngx_neon_kdf_free(ngx_neon_kdf_t *kdf)
{
    neon_wipe(kdf, kdf->size);
    ngx_free(kdf);
}
