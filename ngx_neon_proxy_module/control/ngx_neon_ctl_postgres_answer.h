/*
 * Verifiers, rules and addresses from a PostgreSQL: what is answered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_POSTGRES_ANSWER_H
#define NGX_NEON_CTL_POSTGRES_ANSWER_H


#include "ngx_neon_ctl_postgres.h"


/* what r keeps is in r->pool; temp may go afterwards */
void ngx_neon_ctl_postgres_answer(ngx_neon_ctl_request_t *r,
    ngx_neon_libpq_t *pq, ngx_pool_t *temp);

/* where no node_query is given */
void ngx_neon_ctl_postgres_own_node(ngx_neon_ctl_request_t *r,
    ngx_neon_libpq_pool_t *pool);


#endif /* NGX_NEON_CTL_POSTGRES_ANSWER_H */
