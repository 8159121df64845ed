/*
 * What Neon's control plane says when it refuses, as a reason of ours.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_error.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_json.h"


#define NGX_NEON_CTL_ERROR_TEXT     256       /* of others, in a log line */
#define NGX_NEON_CTL_ERROR_MESSAGE  1024      /* of others, to the client */
#define NGX_NEON_CTL_ERROR_DELAY    3600000   /* ms, the longest that counts */
#define NGX_NEON_CTL_ERROR_TOKEN    401       /* HTTP status */


typedef struct {
    ngx_str_t           name;
    ngx_neon_reason_e   reason;
    unsigned            not_found:1;
    unsigned            retryable:1;
} ngx_neon_ctl_error_reason_t;


typedef struct {
    ngx_uint_t          status;
    ngx_neon_reason_e   reason;
    ngx_str_t           message;              /* empty: the general one */
} ngx_neon_ctl_error_status_t;


static const ngx_neon_ctl_error_reason_t *ngx_neon_ctl_error_find_reason(
    ngx_str_t *name);
static const ngx_neon_ctl_error_status_t *ngx_neon_ctl_error_find_status(
    ngx_uint_t status);
static void ngx_neon_ctl_error_retry(ngx_neon_ctl_request_t *r,
    ngx_neon_ctl_json_t *json);
static void ngx_neon_ctl_error_message(ngx_neon_ctl_request_t *r,
    ngx_neon_ctl_json_t *json, const ngx_neon_ctl_error_status_t *es);
static void ngx_neon_ctl_error_detail(ngx_neon_ctl_request_t *r,
    ngx_uint_t status, ngx_neon_ctl_json_t *json);


static ngx_str_t  ngx_neon_ctl_error_general =
    ngx_string("Control plane request failed");


static const ngx_neon_ctl_error_reason_t  ngx_neon_ctl_error_reasons[] = {

    { ngx_string("ROLE_PROTECTED"),
      NGX_NEON_REASON_ROLE_PROTECTED, 0, 0 },

    { ngx_string("RESOURCE_NOT_FOUND"),
      NGX_NEON_REASON_ENDPOINT_UNKNOWN, 1, 0 },
    { ngx_string("PROJECT_NOT_FOUND"),
      NGX_NEON_REASON_ENDPOINT_UNKNOWN, 1, 0 },
    { ngx_string("ENDPOINT_NOT_FOUND"),
      NGX_NEON_REASON_ENDPOINT_UNKNOWN, 1, 0 },
    { ngx_string("BRANCH_NOT_FOUND"),
      NGX_NEON_REASON_ENDPOINT_UNKNOWN, 1, 0 },
    { ngx_string("WRONG_LSN_OR_TIMESTAMP"),
      NGX_NEON_REASON_ENDPOINT_UNKNOWN, 0, 0 },

    { ngx_string("ENDPOINT_DISABLED"),
      NGX_NEON_REASON_ENDPOINT_DISABLED, 0, 0 },

    { ngx_string("RATE_LIMIT_EXCEEDED"),
      NGX_NEON_REASON_CONTROL_RATE_LIMIT, 0, 0 },

    { ngx_string("NON_PRIMARY_BRANCH_COMPUTE_TIME_EXCEEDED"),
      NGX_NEON_REASON_QUOTA, 0, 0 },
    { ngx_string("ACTIVE_TIME_QUOTA_EXCEEDED"),
      NGX_NEON_REASON_QUOTA, 0, 0 },
    { ngx_string("COMPUTE_TIME_QUOTA_EXCEEDED"),
      NGX_NEON_REASON_QUOTA, 0, 0 },
    { ngx_string("WRITTEN_DATA_QUOTA_EXCEEDED"),
      NGX_NEON_REASON_QUOTA, 0, 0 },
    { ngx_string("DATA_TRANSFER_QUOTA_EXCEEDED"),
      NGX_NEON_REASON_QUOTA, 0, 0 },
    { ngx_string("LOGICAL_SIZE_QUOTA_EXCEEDED"),
      NGX_NEON_REASON_QUOTA, 0, 0 },
    { ngx_string("ACTIVE_ENDPOINTS_LIMIT_EXCEEDED"),
      NGX_NEON_REASON_QUOTA, 0, 0 },

    { ngx_string("RUNNING_OPERATIONS"),
      NGX_NEON_REASON_MAINTENANCE, 0, 1 },
    { ngx_string("CONCURRENCY_LIMIT_REACHED"),
      NGX_NEON_REASON_MAINTENANCE, 0, 1 },
    { ngx_string("LOCK_ALREADY_TAKEN"),
      NGX_NEON_REASON_MAINTENANCE, 0, 1 },
    { ngx_string("ENDPOINT_IDLE"),
      NGX_NEON_REASON_MAINTENANCE, 0, 1 },
    { ngx_string("PROJECT_UNDER_MAINTENANCE"),
      NGX_NEON_REASON_MAINTENANCE, 0, 1 },

    { ngx_null_string, NGX_NEON_REASON_CONTROL_PLANE, 0, 0 }
};


static const ngx_neon_ctl_error_status_t  ngx_neon_ctl_error_statuses[] = {

    { 402, NGX_NEON_REASON_QUOTA, ngx_null_string },

    { 404, NGX_NEON_REASON_ENDPOINT_UNKNOWN,
      ngx_string("Control plane request failed: endpoint cannot be found") },

    { 406, NGX_NEON_REASON_ENDPOINT_DISABLED,
      ngx_string("Control plane request failed: endpoint is disabled") },

    { 422, NGX_NEON_REASON_QUOTA,
      ngx_string("Control plane request failed: endpoint is temporarily "
                 "unavailable. Check your quotas and/or contact our "
                 "support.") },

    { 423, NGX_NEON_REASON_QUOTA,
      ngx_string("Control plane request failed: endpoint is temporarily "
                 "unavailable. Check your quotas and/or contact our "
                 "support.") },

    { 429, NGX_NEON_REASON_CONTROL_RATE_LIMIT, ngx_null_string },

    { 0, NGX_NEON_REASON_CONTROL_PLANE, ngx_null_string }
};


void
ngx_neon_ctl_error_transport(ngx_neon_ctl_request_t *r, const char *words)
{
    ngx_neon_ctl_fail(r, NGX_NEON_REASON_CONTROL_PLANE, words);

    r->message = ngx_neon_ctl_error_general;
    r->detail = ngx_neon_ctl_printable(r->pool, &r->detail,
                                       NGX_NEON_CTL_ERROR_TEXT);
    r->transport = 1;
    r->retryable = 1;
}


void
ngx_neon_ctl_error_answer(ngx_neon_ctl_request_t *r, ngx_uint_t status,
    const char *err)
{
    u_char  *p;
    size_t   size;

    ngx_neon_ctl_fail(r, NGX_NEON_REASON_CONTROL_PLANE, "malformed answer");

    r->message = ngx_neon_ctl_error_general;

    size = sizeof("HTTP : malformed answer: ") + NGX_INT_T_LEN
           + ngx_strlen(err);

    p = ngx_pnalloc(r->pool, size);

    if (p) {
        r->detail.data = p;
        r->detail.len = ngx_sprintf(p, "HTTP %ui: malformed answer: %s",
                                    status, err)
                        - p;
    }
}


ngx_int_t
ngx_neon_ctl_error_status(ngx_neon_ctl_request_t *r, ngx_uint_t status,
    ngx_str_t *body, ngx_pool_t *temp)
{
    const char                         *err;
    ngx_neon_ctl_json_t                 json;
    const ngx_neon_ctl_error_reason_t  *er;
    const ngx_neon_ctl_error_status_t  *es;

    if (ngx_neon_ctl_json_parse(&json, body, temp, &err) != NGX_OK) {
        ngx_memzero(&json, sizeof(ngx_neon_ctl_json_t));
        ngx_str_set(&json.error, "reason unclear (malformed error message)");
    }

    er = ngx_neon_ctl_error_find_reason(&json.reason);
    es = ngx_neon_ctl_error_find_status(status);

    if (r->call == NGX_NEON_CTL_ACCESS
        && (er ? er->not_found
               : es->reason == NGX_NEON_REASON_ENDPOINT_UNKNOWN))
    {
        return NGX_DECLINED;
    }

    ngx_neon_ctl_fail(r, er ? er->reason : es->reason, "");

    r->transport = (status >= 500 && !json.status);

    /* 401 speaks of us, and of no endpoint */

    r->refused = !r->transport && status != NGX_NEON_CTL_ERROR_TOKEN;
    r->retryable = r->transport || (er && er->retryable);

    ngx_neon_ctl_error_retry(r, &json);
    ngx_neon_ctl_error_message(r, &json, es);
    ngx_neon_ctl_error_detail(r, status, &json);

    return NGX_OK;
}


static const ngx_neon_ctl_error_reason_t *
ngx_neon_ctl_error_find_reason(ngx_str_t *name)
{
    const ngx_neon_ctl_error_reason_t  *er;

    for (er = ngx_neon_ctl_error_reasons; er->name.len; er++) {
        if (er->name.len == name->len
            && ngx_memcmp(er->name.data, name->data, name->len) == 0)
        {
            return er;
        }
    }

    return NULL;
}


static const ngx_neon_ctl_error_status_t *
ngx_neon_ctl_error_find_status(ngx_uint_t status)
{
    const ngx_neon_ctl_error_status_t  *es;

    for (es = ngx_neon_ctl_error_statuses; es->status; es++) {
        if (es->status == status) {
            break;
        }
    }

    return es;
}


static void
ngx_neon_ctl_error_retry(ngx_neon_ctl_request_t *r, ngx_neon_ctl_json_t *json)
{
    ngx_int_t  ms;

    if (!json->retry) {
        return;
    }

    r->retryable = 1;

    ms = ngx_atoi(json->retry_delay_ms.data, json->retry_delay_ms.len);

    if (ms > 0) {
        r->retry_delay = ngx_min(ms, NGX_NEON_CTL_ERROR_DELAY);
    }
}


static void
ngx_neon_ctl_error_message(ngx_neon_ctl_request_t *r,
    ngx_neon_ctl_json_t *json, const ngx_neon_ctl_error_status_t *es)
{
    if (json->user_message.len) {
        r->message = ngx_neon_ctl_printable(r->pool, &json->user_message,
                                            NGX_NEON_CTL_ERROR_MESSAGE);
        return;
    }

    r->message = es->message.len ? es->message : ngx_neon_ctl_error_general;
}


static void
ngx_neon_ctl_error_detail(ngx_neon_ctl_request_t *r, ngx_uint_t status,
    ngx_neon_ctl_json_t *json)
{
    u_char     *p, *last;
    size_t      size;
    ngx_str_t   error, reason;

    error = ngx_neon_ctl_printable(r->pool,
                                   json->error.len ? &json->error
                                                   : &json->status_message,
                                   NGX_NEON_CTL_ERROR_TEXT);
    reason = ngx_neon_ctl_printable(r->pool, &json->reason,
                                    NGX_NEON_CTL_ERROR_TEXT);

    size = sizeof("HTTP , reason : ") + NGX_INT_T_LEN + reason.len + error.len;

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return;
    }

    last = ngx_sprintf(p, "HTTP %ui", status);

    if (reason.len) {
        last = ngx_sprintf(last, ", reason %V", &reason);
    }

    if (error.len) {
        last = ngx_sprintf(last, ": %V", &error);
    }

    r->detail.data = p;
    r->detail.len = last - p;
}
