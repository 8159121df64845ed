/*
 * The role file: SCRAM-SHA-256 verifiers, and MD5 ones, in the format of
 * pgbouncer's userlist.txt.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_ROLES_H
#define NGX_NEON_CTL_ROLES_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_str_t        endpoint;    /* normal form, lower case; empty: any */
    ngx_str_t        role;
    ngx_str_t        verifier;
    ngx_uint_t       line;
} ngx_neon_ctl_role_t;


/*
 * Reads the file, at configuration time, into roles (of ngx_neon_ctl_role_t,
 * sorted).  Errors are logged with file and line; an MD5 verifier is one unless
 * `md5`.
 */
ngx_int_t ngx_neon_ctl_roles_read(ngx_conf_t *cf, ngx_str_t *file,
    ngx_uint_t md5, ngx_array_t *roles);

/* the role of just this endpoint, else of any; NULL: none */
ngx_neon_ctl_role_t *ngx_neon_ctl_roles_find(ngx_array_t *roles,
    ngx_str_t *endpoint, ngx_str_t *role);


#endif /* NGX_NEON_CTL_ROLES_H */
