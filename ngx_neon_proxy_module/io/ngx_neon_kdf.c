/*
 * A cleartext password checked against a SCRAM verifier on nginx's thread
 * pool.
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

    /* only the thread's while it runs */
    neon_rc_e                  rc;
    neon_str_t                 password;
    neon_scram_keys_t          keys;
    neon_scram_verifier_t      verifier;
};


static void ngx_neon_kdf_thread(void *data, ngx_log_t *log);
static void ngx_neon_kdf_thread_handler(ngx_event_t *ev);
static void ngx_neon_kdf_free(ngx_neon_kdf_t *kdf);


ngx_neon_kdf_t *
ngx_neon_kdf_start(ngx_neon_conf_t *conf, ngx_log_t *log,
    const neon_scram_verifier_t *verifier, neon_str_t password,
    ngx_neon_kdf_handler_pt handler, void *data)
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

    kdf->rc = neon_scram_verify_password(&kdf->keys, &kdf->verifier,
                                         kdf->password);
}


static void
ngx_neon_kdf_thread_handler(ngx_event_t *ev)
{
    ngx_neon_kdf_t  *kdf;

    kdf = ev->data;

    if (kdf->handler) {
        kdf->handler(kdf->data, kdf->rc, &kdf->keys);
    }

    ngx_neon_kdf_free(kdf);
}


static void
ngx_neon_kdf_free(ngx_neon_kdf_t *kdf)
{
    neon_wipe(kdf, kdf->size);
    ngx_free(kdf);
}
