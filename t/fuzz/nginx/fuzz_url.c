/*
 * URLs of the configuration: those that are called over HTTP, and libpq's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "core.h"

#include "ngx_neon_libpq_url.h"
#include "ngx_neon_url.h"


static ngx_uint_t
inside(ngx_str_t *part, ngx_str_t *text)
{
    return part->data >= text->data
           && part->data + part->len <= text->data + text->len;
}


static void
call_url(ngx_str_t *text)
{
    const char      *err;
    ngx_neon_url_t   u;

    err = NULL;

    if (ngx_neon_url_parse(&u, text, &err) != NGX_OK) {
        core_check(err != NULL);
        return;
    }

    core_check(u.port != 0 && inside(&u.host, text));
    core_check(u.rest.len == 0 || inside(&u.rest, text));
    core_check(u.literal ? ngx_neon_url_host_literal(&u.host)
                         : ngx_neon_url_host_valid(&u.host));
}


static void
libpq_url(ngx_str_t *text)
{
    const char             *err;
    ngx_conf_t              cf;
    ngx_neon_libpq_pool_t   pool;

    core_conf(&cf);
    ngx_memzero(&pool, sizeof(ngx_neon_libpq_pool_t));

    if (ngx_neon_libpq_url(&cf, &pool, text, &err) == NGX_OK) {
        core_check(pool.host.len != 0 && pool.port != 0);
        core_check(pool.host.data[pool.host.len] == '\0');
        core_check(pool.keywords->nelts == pool.values->nelts);

    } else {
        core_check(err != NULL);
    }

    ngx_destroy_pool(cf.pool);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t   text;
    ngx_pool_t *pool;

    pool = ngx_create_pool(1024, core_log());
    core_check(pool != NULL);

    /* as nginx's configuration has it: NUL is behind it and nowhere else */

    text.len = strnlen((const char *) data, size);
    text.data = ngx_pnalloc(pool, text.len + 1);
    core_check(text.data != NULL);

    ngx_memcpy(text.data, data, text.len);
    text.data[text.len] = '\0';

    if (ngx_strncmp(text.data, "post", 4) == 0) {
        libpq_url(&text);

    } else {
        call_url(&text);
    }

    ngx_destroy_pool(pool);

    return 0;
}
