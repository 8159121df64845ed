/*
 * Values of directives: what nginx's own setters do not say when they refuse
 * one, which is the value and the accepted form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CONF_VALUE_H
#define NGX_NEON_CONF_VALUE_H


#include <ngx_config.h>
#include <ngx_core.h>


/* a slot of ngx_msec_t, not zero */
char *ngx_neon_conf_set_msec(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* a slot of ngx_uint_t; cmd->post is the table of ngx_conf_enum_t */
char *ngx_neon_conf_set_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* a slot of ngx_flag_t */
char *ngx_neon_conf_set_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* logs and answers NGX_CONF_ERROR */
char *ngx_neon_conf_bad(ngx_conf_t *cf, ngx_str_t *value, const char *form);

/* file:PATH, env:NAME, or the secret itself; NUL behind it */
ngx_int_t ngx_neon_conf_secret(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *secret);


#endif /* NGX_NEON_CONF_VALUE_H */
