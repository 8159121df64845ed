/*
 * A cleartext password checked against a SCRAM verifier, or made the keys of
 * one, on nginx's thread pool: PBKDF2 takes milliseconds, which no event loop
 * has.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_KDF_H
#define NGX_NEON_KDF_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_scram.h"

#include "ngx_neon_conf.h"


typedef struct ngx_neon_kdf_s  ngx_neon_kdf_t;

typedef void (*ngx_neon_kdf_handler_pt)(void *data, neon_rc_e rc,
    const neon_scram_keys_t *keys);


/*
 * Copies verifier and password into memory of its own, which it wipes.  The
 * handler runs on the event loop with the result of
 * neon_scram_verify_password().  NULL: the queue is full, or no memory.
 */
ngx_neon_kdf_t *ngx_neon_kdf_start(ngx_neon_conf_t *conf, ngx_log_t *log,
    const neon_scram_verifier_t *verifier, neon_str_t password,
    ngx_neon_kdf_handler_pt handler, void *data);

/* the same with the result of neon_scram_password_keys() */
ngx_neon_kdf_t *ngx_neon_kdf_derive(ngx_neon_conf_t *conf, ngx_log_t *log,
    const neon_scram_verifier_t *verifier, neon_str_t password,
    ngx_neon_kdf_handler_pt handler, void *data);

/*
 * What the cache of this worker knows, in microseconds: NGX_OK and keys.
 * NGX_DECLINED: nothing, or it is another password, which is for the thread to
 * say, so that no time tells who has logged in of late.
 */
ngx_int_t ngx_neon_kdf_cached(const neon_scram_verifier_t *verifier,
    neon_str_t password, neon_scram_keys_t *keys);

/* the handler will not be called; the thread may still finish its work */
void ngx_neon_kdf_cancel(ngx_neon_kdf_t *kdf);


#endif /* NGX_NEON_KDF_H */
