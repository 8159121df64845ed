/*
 * The directive `otlp`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CONF_OTLP_H
#define NGX_NEON_CONF_OTLP_H


#include <ngx_config.h>
#include <ngx_core.h>


/* otlp URL [sample=N] [service=NAME] [header=NAME:VALUE]... */
char *ngx_neon_conf_set_otlp(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* NGX_NEON_CONF_OTLP_H */
