/*
 * The JSON answers of Neon's HTTP API, good ones and errors, and the callbacks
 * of its console.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_JSON_H
#define NGX_NEON_CTL_JSON_H


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_NEON_CTL_JSON_MAX   65536     /* bytes of an answer */
#define NGX_NEON_CTL_JSON_DEEP  32        /* levels of nesting */


/* every field is optional; null is the same as none, but of role_secret the
   same as ""; strings end with NUL, which is not counted, and data NULL means
   none */

/* numbers as their text */

typedef struct {
    ngx_str_t        rps;
    ngx_str_t        burst;
} ngx_neon_ctl_json_rate_t;


typedef struct {
    /* access control */
    ngx_str_t        role_secret;
    ngx_str_t        project_id;
    ngx_str_t        account_id;
    ngx_array_t     *allowed_ips;             /* of ngx_str_t */
    ngx_array_t     *allowed_vpc_ids;         /* of ngx_str_t */
    ngx_neon_ctl_json_rate_t  rate[3];        /* rate_limits, in the order of
                                                 ngx_neon_front_e */
    ngx_uint_t       block_public;
    ngx_uint_t       block_vpc;

    /* wake */
    ngx_str_t        address;
    ngx_str_t        server_name;
    ngx_str_t        aux_endpoint_id;
    ngx_str_t        aux_project_id;
    ngx_str_t        aux_branch_id;
    ngx_str_t        aux_compute_id;
    ngx_str_t        aux_cold_start;

    /* errors */
    ngx_str_t        error;
    ngx_uint_t       status;                  /* there is a status object */
    ngx_str_t        status_message;
    ngx_str_t        reason;
    ngx_uint_t       retry;                   /* there is a retry_info */
    ngx_str_t        retry_delay_ms;          /* the number's text */
    ngx_str_t        user_message;

    /* callbacks; the fields of their "Success" which the API has, too, are
       above */
    ngx_str_t        session_id;
    ngx_uint_t       success;                 /* there is such an object */
    ngx_str_t        host;
    ngx_str_t        port;                    /* the number's text */
    ngx_str_t        dbname;
    ngx_str_t        user;
    ngx_str_t        password;
    ngx_uint_t       public_access;           /* 1 where nothing is said */
} ngx_neon_ctl_json_t;


/*
 * Unknown fields are skipped.  NGX_ERROR: malformed, nested too deep, or a
 * known field of a wrong type; *err is a text in pool or a static one, without
 * bytes of the answer.
 */
ngx_int_t ngx_neon_ctl_json_parse(ngx_neon_ctl_json_t *json, ngx_str_t *text,
    ngx_pool_t *pool, const char **err);

/* the same for {"session_id": ..., "result": {"Success": {...}}} */
ngx_int_t ngx_neon_ctl_json_callback(ngx_neon_ctl_json_t *json,
    ngx_str_t *text, ngx_pool_t *pool, const char **err);


#endif /* NGX_NEON_CTL_JSON_H */
