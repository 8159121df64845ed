/*
 * The private link by which a client came: what a balancer of AWS or Azure
 * says of it in the PROXY header, where it is to be believed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_VPC_H
#define NGX_NEON_VPC_H


#include <ngx_config.h>
#include <ngx_core.h>


/* in pool; empty: there is none that counts */
ngx_str_t ngx_neon_vpc_id(ngx_connection_t *c, ngx_pool_t *pool);

/* once a configuration is complete: what this nginx needs for it */
void ngx_neon_vpc_init(ngx_cycle_t *cycle);


#endif /* NGX_NEON_VPC_H */
