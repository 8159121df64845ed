/*
 * Cancel keys: which compute a CancelRequest goes to, and with which key
 * there.  In the zone, so any worker can serve it, also after a reload.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CANCEL_H
#define NGX_NEON_CANCEL_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_ip.h"
#include "neon_pg_startup.h"

#include "ngx_neon_zone.h"


#define NGX_NEON_CANCEL_KEY_3_0   4
#define NGX_NEON_CANCEL_KEY_3_2   32


/* what a client gets in BackendKeyData: all of it from a CSPRNG */

typedef struct {
    uint32_t                pid;              /* 1 .. INT32_MAX */
    ngx_uint_t              len;              /* 4 or 32 */
    u_char                  key[NGX_NEON_CANCEL_KEY_3_2];
} ngx_neon_cancel_key_t;


/* where the compute is, and its own key */

typedef struct {
    socklen_t               socklen;
    ngx_sockaddr_t          sockaddr;
    ngx_neon_ssl_e          ssl;              /* never AUTO */
    u_char                  server_name[256]; /* NUL-terminated */
    uint32_t                pid;
    ngx_uint_t              len;
    u_char                  key[NEON_PG_CANCEL_KEY_MAX];
} ngx_neon_cancel_target_t;


/*
 * Draws a key of key->len bytes and stores the target under it, with the
 * endpoint's list of addresses: only those may use it.  n: their number, 0:
 * everybody.  It is found only by who comes through the same private link;
 * empty: through none.  *handle is for ngx_neon_cancel_remove(); NGX_ERROR:
 * the zone is full, the key was drawn but cancels nothing.
 */
ngx_int_t ngx_neon_cancel_add(ngx_neon_conf_t *conf,
    ngx_neon_cancel_key_t *key, const ngx_str_t *link,
    const ngx_neon_cancel_target_t *target, const neon_ip_range_t *ranges,
    ngx_uint_t n, void **handle);

/* the target of a key of ours */
void ngx_neon_cancel_get(ngx_neon_conf_t *conf, void *handle,
    ngx_neon_cancel_target_t *target);

void ngx_neon_cancel_remove(ngx_neon_conf_t *conf, void *handle);

/*
 * NGX_OK: the target was copied out; NGX_DECLINED: no such key; NGX_ABORT:
 * not from that address (NULL: one that no list can hold).
 */
ngx_int_t ngx_neon_cancel_find(ngx_neon_conf_t *conf,
    const neon_pg_cancel_t *cancel, const ngx_str_t *link,
    const neon_ip_t *ip, ngx_neon_cancel_target_t *target);

/* frees the keys of processes that are gone */
void ngx_neon_cancel_sweep(ngx_neon_zone_t *zone);


#endif /* NGX_NEON_CANCEL_H */
