/*
 * The values of the variables $neon_...
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_variables.h"


static ngx_int_t ngx_neon_variable_str(ngx_neon_session_t *s,
    ngx_pool_t *pool, uintptr_t data, ngx_str_t *value);
static ngx_int_t ngx_neon_variable_id(ngx_neon_session_t *s,
    ngx_pool_t *pool, uintptr_t data, ngx_str_t *value);
static ngx_int_t ngx_neon_variable_auth_method(ngx_neon_session_t *s,
    ngx_pool_t *pool, uintptr_t data, ngx_str_t *value);
static ngx_int_t ngx_neon_variable_cached(ngx_neon_session_t *s,
    ngx_pool_t *pool, uintptr_t data, ngx_str_t *value);
static ngx_int_t ngx_neon_variable_retries(ngx_neon_session_t *s,
    ngx_pool_t *pool, uintptr_t data, ngx_str_t *value);
static ngx_int_t ngx_neon_variable_sqlstate(ngx_neon_session_t *s,
    ngx_pool_t *pool, uintptr_t data, ngx_str_t *value);
static ngx_int_t ngx_neon_variable_time(ngx_neon_session_t *s,
    ngx_pool_t *pool, uintptr_t data, ngx_str_t *value);


const ngx_neon_variable_t  ngx_neon_variables[] = {

    { ngx_string("neon_session_id"), ngx_neon_variable_id, 0 },

    { ngx_string("neon_endpoint"), ngx_neon_variable_str,
      offsetof(ngx_neon_session_t, endpoint) },

    { ngx_string("neon_user"), ngx_neon_variable_str,
      offsetof(ngx_neon_session_t, user) },

    { ngx_string("neon_database"), ngx_neon_variable_str,
      offsetof(ngx_neon_session_t, database) },

    { ngx_string("neon_application_name"), ngx_neon_variable_str,
      offsetof(ngx_neon_session_t, application_name) },

    { ngx_string("neon_vpc_endpoint_id"), ngx_neon_variable_str,
      offsetof(ngx_neon_session_t, vpc_endpoint_id) },

    { ngx_string("neon_auth_method"), ngx_neon_variable_auth_method, 0 },

    { ngx_string("neon_secret_cache"), ngx_neon_variable_cached,
      offsetof(ngx_neon_session_t, secret_cache) },

    { ngx_string("neon_node_cache"), ngx_neon_variable_cached,
      offsetof(ngx_neon_session_t, node_cache) },

    { ngx_string("neon_cold_start"), ngx_neon_variable_str,
      offsetof(ngx_neon_session_t, cold_start) },

    { ngx_string("neon_compute_addr"), ngx_neon_variable_str,
      offsetof(ngx_neon_session_t, compute_addr) },

    { ngx_string("neon_retries"), ngx_neon_variable_retries, 0 },

    { ngx_string("neon_sqlstate"), ngx_neon_variable_sqlstate, 0 },

    { ngx_string("neon_error"), ngx_neon_variable_str,
      offsetof(ngx_neon_session_t, error) },

    { ngx_string("neon_handshake_time"), ngx_neon_variable_time,
      NGX_NEON_STATE_HANDSHAKE },

    { ngx_string("neon_access_time"), ngx_neon_variable_time,
      NGX_NEON_STATE_ACCESS },

    { ngx_string("neon_auth_time"), ngx_neon_variable_time,
      NGX_NEON_STATE_AUTHENTICATE },

    { ngx_string("neon_wake_time"), ngx_neon_variable_time,
      NGX_NEON_STATE_WAKE },

    { ngx_string("neon_connect_time"), ngx_neon_variable_time,
      NGX_NEON_STATE_CONNECT },

    { ngx_string("neon_login_time"), ngx_neon_variable_time,
      NGX_NEON_STATE_LOGIN },

    { ngx_null_string, NULL, 0 }
};


static ngx_int_t
ngx_neon_variable_str(ngx_neon_session_t *s, ngx_pool_t *pool, uintptr_t data,
    ngx_str_t *value)
{
    *value = *(ngx_str_t *) ((u_char *) s + data);

    return value->len ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_neon_variable_id(ngx_neon_session_t *s, ngx_pool_t *pool, uintptr_t data,
    ngx_str_t *value)
{
    value->data = s->id;
    value->len = ngx_strlen(s->id);

    return NGX_OK;
}


static ngx_int_t
ngx_neon_variable_auth_method(ngx_neon_session_t *s, ngx_pool_t *pool,
    uintptr_t data, ngx_str_t *value)
{
    if (s->auth_method == NULL) {
        return NGX_DECLINED;
    }

    value->data = (u_char *) s->auth_method;
    value->len = ngx_strlen(s->auth_method);

    return NGX_OK;
}


static ngx_int_t
ngx_neon_variable_cached(ngx_neon_session_t *s, ngx_pool_t *pool,
    uintptr_t data, ngx_str_t *value)
{
    ngx_neon_cached_e  cached;

    cached = *(ngx_neon_cached_e *) ((u_char *) s + data);
    *value = *ngx_neon_cached_name(cached);

    return value->len ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_neon_variable_retries(ngx_neon_session_t *s, ngx_pool_t *pool,
    uintptr_t data, ngx_str_t *value)
{
    value->data = ngx_pnalloc(pool, NGX_INT_T_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%ui", s->retries) - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_variable_sqlstate(ngx_neon_session_t *s, ngx_pool_t *pool,
    uintptr_t data, ngx_str_t *value)
{
    if (s->sqlstate[0] == '\0') {
        return NGX_DECLINED;
    }

    value->data = s->sqlstate;
    value->len = 5;

    return NGX_OK;
}


/* milliseconds with three decimals */

static ngx_int_t
ngx_neon_variable_time(ngx_neon_session_t *s, ngx_pool_t *pool,
    uintptr_t data, ngx_str_t *value)
{
    uint64_t  us;

    us = s->spent[data];

    if (s->state == data) {
        us += ngx_neon_usec() - s->entered;
    }

    if (us == 0) {
        return NGX_DECLINED;
    }

    value->data = ngx_pnalloc(pool, NGX_INT64_LEN + sizeof(".000") - 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%uL.%03uL", us / 1000, us % 1000)
                 - value->data;

    return NGX_OK;
}
