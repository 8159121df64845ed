/*
 * Cancel keys in the zone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_cancel.h"

#include "neon_crypto.h"


/*
 * The tree is ordered by an HMAC of the key, so that the time of a look-up
 * says nothing about how much of a guessed key was right.  Allocated with
 * just the room that target.key needs: it stands last.
 */

typedef struct {
    ngx_rbtree_node_t         node;
    ngx_neon_cancel_key_t     key;
    ngx_neon_cancel_target_t  target;
} ngx_neon_cancel_node_t;


static ngx_int_t ngx_neon_cancel_hash(ngx_neon_conf_t *conf, uint32_t pid,
    neon_str_t key, ngx_rbtree_key_t *hash);


void
ngx_neon_cancel_init(ngx_neon_zone_t *zone)
{
    ngx_rbtree_init(&zone->sh->cancel, &zone->sh->cancel_sentinel,
                    ngx_rbtree_insert_value);
}


ngx_int_t
ngx_neon_cancel_add(ngx_neon_conf_t *conf, ngx_neon_cancel_key_t *key,
    const ngx_neon_cancel_target_t *target, void **handle)
{
    size_t                   size;
    ngx_neon_zone_t         *zone;
    ngx_rbtree_key_t         hash;
    ngx_neon_cancel_node_t  *n;

    *handle = NULL;

    if (neon_random(&key->pid, sizeof(key->pid)) != NEON_OK
        || neon_random(key->key, key->len) != NEON_OK
        || ngx_neon_cancel_hash(conf, key->pid,
                                neon_str(key->key, key->len), &hash)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    zone = ngx_neon_zone(conf);
    size = offsetof(ngx_neon_cancel_node_t, target)
           + offsetof(ngx_neon_cancel_target_t, key) + target->len;

    ngx_shmtx_lock(&zone->shpool->mutex);

    n = ngx_slab_alloc_locked(zone->shpool, size);

    if (n) {
        n->node.key = hash;
        n->key = *key;
        ngx_memcpy(&n->target, target,
                   offsetof(ngx_neon_cancel_target_t, key) + target->len);

        ngx_rbtree_insert(&zone->sh->cancel, &n->node);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    *handle = n;

    return n ? NGX_OK : NGX_ERROR;
}


/*
 * Without the lock: a node is written once, before it is linked, and only its
 * owner frees it.
 */

void
ngx_neon_cancel_get(ngx_neon_conf_t *conf, void *handle,
    ngx_neon_cancel_target_t *target)
{
    ngx_neon_cancel_node_t  *n;

    n = handle;

    ngx_memcpy(target, &n->target,
               offsetof(ngx_neon_cancel_target_t, key) + n->target.len);
}


void
ngx_neon_cancel_remove(ngx_neon_conf_t *conf, void *handle)
{
    ngx_neon_zone_t         *zone;
    ngx_neon_cancel_node_t  *n;

    n = handle;
    zone = ngx_neon_zone(conf);

    ngx_shmtx_lock(&zone->shpool->mutex);

    ngx_rbtree_delete(&zone->sh->cancel, &n->node);
    ngx_slab_free_locked(zone->shpool, n);

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


ngx_int_t
ngx_neon_cancel_find(ngx_neon_conf_t *conf, const neon_pg_cancel_t *cancel,
    ngx_neon_cancel_target_t *target)
{
    ngx_int_t                rc;
    ngx_neon_zone_t         *zone;
    ngx_rbtree_key_t         hash;
    ngx_rbtree_node_t       *node, *sentinel;
    ngx_neon_cancel_node_t  *n;

    if (ngx_neon_cancel_hash(conf, cancel->pid, cancel->key, &hash)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = NGX_DECLINED;
    zone = ngx_neon_zone(conf);
    sentinel = &zone->sh->cancel_sentinel;

    ngx_shmtx_lock(&zone->shpool->mutex);

    node = zone->sh->cancel.root;

    while (node != sentinel && node->key != hash) {
        node = (hash < node->key) ? node->left : node->right;
    }

    if (node != sentinel) {
        n = (ngx_neon_cancel_node_t *) node;

        if (n->key.pid == cancel->pid
            && n->key.len == cancel->key.len
            && neon_equal(n->key.key, cancel->key.data, n->key.len))
        {
            ngx_memcpy(target, &n->target,
                       offsetof(ngx_neon_cancel_target_t, key)
                       + n->target.len);
            rc = NGX_OK;
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


static ngx_int_t
ngx_neon_cancel_hash(ngx_neon_conf_t *conf, uint32_t pid, neon_str_t key,
    ngx_rbtree_key_t *hash)
{
    uint8_t     mac[NEON_SHA256_LEN];
    neon_str_t  parts[2];

    parts[0] = neon_str(&pid, sizeof(pid));
    parts[1] = key;

    if (neon_hmac_sha256(mac, ngx_neon_zone_secret(conf), parts, 2)
        != NEON_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(hash, mac, sizeof(ngx_rbtree_key_t));

    return NGX_OK;
}
