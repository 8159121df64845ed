/*
 * The directive `auth`, and what does not go with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CONF_AUTH_H
#define NGX_NEON_CONF_AUTH_H


#include "ngx_neon_block.h"


/* a slot of ngx_uint_t: scram, passthrough, passthrough tls */
char *ngx_neon_conf_set_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* other directives of the block, before the defaults are set */
char *ngx_neon_conf_auth_fits(ngx_conf_t *cf, ngx_neon_block_t *block);

/* who refers to the block, when everything is read */
char *ngx_neon_conf_auth_fronts(ngx_cycle_t *cycle, ngx_neon_conf_t *conf);


#endif /* NGX_NEON_CONF_AUTH_H */
