/*
 * What control planes share when they fill in an answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_ANSWER_H
#define NGX_NEON_CTL_ANSWER_H


#include "ngx_neon_ctl.h"
#include "ngx_neon_ctl_json.h"


#define NGX_NEON_CTL_ID_MAX  128              /* of ids, in logs and traces */


/*
 * A copy in pool, of at most max bytes, with control characters replaced and
 * NUL behind it: text of others that goes to a log or a client.  Empty when
 * there is no memory.
 */
ngx_str_t ngx_neon_ctl_printable(ngx_pool_t *pool, ngx_str_t *text,
    size_t max);

/* r->rc, r->reason, and r->detail, which is not copied */
void ngx_neon_ctl_fail(ngx_neon_ctl_request_t *r, ngx_neon_reason_e reason,
    const char *detail);

/* ... of ACCESS; found = 0; NULL: no memory, and r has failed */
ngx_neon_access_t *ngx_neon_ctl_access(ngx_neon_ctl_request_t *r);

/*
 * The role's verifier.  Anything but SCRAM-SHA-256, and MD5 if md5_verifiers
 * says so, is logged, without the secret, and counts as no role: nobody can log
 * in with it.
 */
void ngx_neon_ctl_verifier(ngx_neon_ctl_request_t *r,
    ngx_neon_access_t *access, ngx_str_t *secret);

/*
 * allowed_ips, of ngx_str_t; NULL or empty: anybody.  An entry that is not
 * understood is logged, and admits nobody.  NULL, or what is wrong.
 */
const char *ngx_neon_ctl_allowed(ngx_neon_ctl_request_t *r,
    ngx_neon_access_t *access, ngx_array_t *list);

/*
 * allowed_vpc_endpoint_ids, in the same way.  One that is longer than a header
 * can name, or empty, is logged and fits nobody.
 */
const char *ngx_neon_ctl_allowed_vpc(ngx_neon_ctl_request_t *r,
    ngx_neon_access_t *access, ngx_array_t *list);

/* off, prefer, require, verify-full; else NGX_DECLINED */
ngx_int_t ngx_neon_ctl_ssl(ngx_neon_node_t *node, ngx_str_t *text);

/* a name or an address, copied, with NUL behind it; NGX_ERROR as below */
ngx_int_t ngx_neon_ctl_host(ngx_neon_node_t *node, ngx_pool_t *pool,
    ngx_str_t *host, const char **err);

/*
 * HOST:PORT, split at the last colon; [v6] without its brackets.  host is
 * copied, with NUL behind it.  NGX_ERROR: *err is a static text.
 */
ngx_int_t ngx_neon_ctl_address(ngx_neon_node_t *node, ngx_pool_t *pool,
    ngx_str_t *text, const char **err);

/* ids, and cold_start_info */
void ngx_neon_ctl_aux(ngx_neon_node_t *node, ngx_pool_t *pool,
    ngx_neon_ctl_json_t *json);


#endif /* NGX_NEON_CTL_ANSWER_H */
