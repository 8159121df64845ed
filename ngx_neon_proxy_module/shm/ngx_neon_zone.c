/*
 * The shared-memory zone: made at the first start, taken over by reloads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_zone.h"

#include "neon_crypto.h"

#include "ngx_neon_cancel.h"


static ngx_int_t ngx_neon_zone_init(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_neon_zone_check(ngx_shm_zone_t *zone,
    ngx_neon_zone_sh_t *sh);


ngx_int_t
ngx_neon_zone_add(ngx_conf_t *cf, ngx_neon_conf_t *conf, void *tag)
{
    ngx_neon_zone_t  *zone;

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_neon_zone_t));
    if (zone == NULL) {
        return NGX_ERROR;
    }

    conf->zone = ngx_shared_memory_add(cf, &conf->zone_name, conf->zone_size,
                                       tag);
    if (conf->zone == NULL) {
        return NGX_ERROR;
    }

    if (conf->zone->data) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "zone \"%V\" of neon_proxy \"%V\" in %s:%ui"
                      " is used by another neon_proxy already",
                      &conf->zone_name, &conf->name, conf->file, conf->line);
        return NGX_ERROR;
    }

    conf->zone->init = ngx_neon_zone_init;
    conf->zone->data = zone;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_neon_zone_t  *old = data;

    size_t            len;
    ngx_neon_zone_t  *zone;

    zone = shm_zone->data;

    if (old) {
        zone->sh = old->sh;
        zone->shpool = old->shpool;

        return ngx_neon_zone_check(shm_zone, zone->sh);
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

        return ngx_neon_zone_check(shm_zone, zone->sh);
    }

    zone->sh = ngx_slab_calloc(zone->shpool, sizeof(ngx_neon_zone_sh_t));
    if (zone->sh == NULL) {
        return NGX_ERROR;
    }

    if (neon_random(zone->sh->secret, NGX_NEON_ZONE_SECRET) != NEON_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "neon zone \"%V\": no random bytes",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    ngx_neon_cancel_init(zone);

    len = sizeof(" in neon zone \"\"") + shm_zone->shm.name.len;

    zone->shpool->log_ctx = ngx_slab_alloc(zone->shpool, len);
    if (zone->shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(zone->shpool->log_ctx, " in neon zone \"%V\"%Z",
                &shm_zone->shm.name);

    zone->shpool->log_nomem = 0;

    zone->sh->size = sizeof(ngx_neon_zone_sh_t);
    zone->sh->magic = NGX_NEON_ZONE_MAGIC;
    zone->shpool->data = zone->sh;

    return NGX_OK;
}


/*
 * A reload runs the code that made the zone, so this cannot fail unless two
 * builds were mixed; then live sessions are worth more than the new
 * configuration.
 */

static ngx_int_t
ngx_neon_zone_check(ngx_shm_zone_t *zone, ngx_neon_zone_sh_t *sh)
{
    if (sh->magic == NGX_NEON_ZONE_MAGIC
        && sh->size == sizeof(ngx_neon_zone_sh_t))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                  "neon zone \"%V\" has the layout of another build:"
                  " restart nginx instead of reloading", &zone->shm.name);

    return NGX_ERROR;
}


ngx_neon_zone_t *
ngx_neon_zone(ngx_neon_conf_t *conf)
{
    return conf->zone->data;
}


neon_str_t
ngx_neon_zone_secret(ngx_neon_conf_t *conf)
{
    return neon_str(ngx_neon_zone(conf)->sh->secret, NGX_NEON_ZONE_SECRET);
}
