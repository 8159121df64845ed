/*
 * Endpoints and roles written in nginx.conf and a role file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_STATIC_H
#define NGX_NEON_CTL_STATIC_H


#include "ngx_neon_ctl.h"


/* endpoint NAME|* HOST:PORT [ssl=off|prefer|require|verify-full]
   [server_name=NAME]; */

typedef struct {
    ngx_str_t                  name;          /* lower case */
    ngx_neon_node_t            node;
} ngx_neon_ctl_static_endpoint_t;


/* ngx_neon_conf_t.ctl_conf of `control_plane static` */

typedef struct {
    ngx_array_t                endpoints;     /* sorted by init */
    ngx_neon_ctl_static_endpoint_t  *any;     /* of "*", or NULL; by init */
    ngx_str_t                  role_file;
    ngx_array_t                roles;         /* of ngx_neon_ctl_role_t, sorted;
                                                 filled by init */
} ngx_neon_ctl_static_conf_t;


/*
 * One `endpoint` line: cf->args as nginx gives them.  NGX_CONF_OK, or
 * NGX_CONF_ERROR after the error was logged, or a short text.
 */
char *ngx_neon_ctl_static_endpoint(ngx_conf_t *cf,
    ngx_neon_ctl_static_conf_t *sconf);


#endif /* NGX_NEON_CTL_STATIC_H */
