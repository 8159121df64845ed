/*
 * Directives of caches and limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CONF_POLICY_H
#define NGX_NEON_CONF_POLICY_H


#include <ngx_config.h>
#include <ngx_core.h>


/* a slot of ngx_neon_cache_conf_t; cmd->post: not NULL where negative= is
   understood */
char *ngx_neon_conf_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* a slot of ngx_neon_rate_t: off, or rate=Nr/s burst=N */
char *ngx_neon_conf_set_drain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_neon_conf_set_rate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* a slot of ngx_neon_retry_t: attempts=N base=TIME factor=N */
char *ngx_neon_conf_set_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* a slot of ngx_msec_t: off, or a time */
char *ngx_neon_conf_set_msec_or_off(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* a slot of ngx_array_t *: "*", or origins (RFC 6454, section 6.2), whose host
   may begin with "*." */
char *ngx_neon_conf_set_origins(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* a slot of ngx_array_t *: patterns of neon_hostport.h; empty for "off" */
char *ngx_neon_conf_set_tunnel(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* a slot of ngx_str_t, empty for "random" */
char *ngx_neon_conf_set_mock_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* NGX_NEON_CONF_POLICY_H */
