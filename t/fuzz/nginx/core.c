/*
 * As much of nginx's core as its functions need that know no server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "core.h"

#include <fcntl.h>


ngx_log_t *
core_log(void)
{
    static ngx_log_t        log;
    static ngx_cycle_t      cycle;
    static ngx_open_file_t  file;

    if (ngx_cycle == NULL) {
        file.fd = open("/dev/null", O_WRONLY);
        core_check(file.fd != -1);

        log.file = &file;
        log.log_level = NGX_LOG_DEBUG;
        cycle.log = &log;
        ngx_cycle = &cycle;

        ngx_time_init();
        ngx_pagesize = getpagesize();
        ngx_cacheline_size = 64;
    }

    return &log;
}


void
core_conf(ngx_conf_t *cf)
{
    ngx_memzero(cf, sizeof(ngx_conf_t));

    cf->log = core_log();
    cf->pool = ngx_create_pool(1024, cf->log);
    core_check(cf->pool != NULL);
    cf->temp_pool = cf->pool;
    cf->cycle = (ngx_cycle_t *) ngx_cycle;
}


void
core_check(int ok)
{
    if (!ok) {
        abort();
    }
}
