/*
 * The JSON of Neon's HTTP API and of its console's callbacks, by yajl's
 * streaming parser.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_json.h"

#include <yajl/yajl_parse.h>

#include "ngx_neon_yajl.h"


typedef enum {
    NGX_NEON_CTL_JSON_OBJECT = 0,
    NGX_NEON_CTL_JSON_ARRAY,
    NGX_NEON_CTL_JSON_STRING,
    NGX_NEON_CTL_JSON_BOOLEAN,
    NGX_NEON_CTL_JSON_NUMBER
} ngx_neon_ctl_json_type_e;


/* the index of a field is its place in the table; unknown ones have none */

#define NGX_NEON_CTL_JSON_ROOT      0
#define NGX_NEON_CTL_JSON_SECRET    1
#define NGX_NEON_CTL_JSON_RATES     28        /* and behind it: its members */
#define NGX_NEON_CTL_JSON_CALLBACK  39        /* the root of a callback */
#define NGX_NEON_CTL_JSON_RESULT    (NGX_NEON_CTL_JSON_CALLBACK + 2)
#define NGX_NEON_CTL_JSON_SUCCESS   (NGX_NEON_CTL_JSON_CALLBACK + 3)
#define NGX_NEON_CTL_JSON_UNKNOWN   (-1)
#define NGX_NEON_CTL_JSON_NO_VALUE  ((size_t) -1)


typedef struct {
    ngx_int_t                  parent;
    ngx_str_t                  name;          /* empty: element of an array */
    ngx_neon_ctl_json_type_e   type;
    size_t                     offset;        /* OBJECT: set when present */
} ngx_neon_ctl_json_field_t;


typedef struct {
    ngx_neon_ctl_json_t       *json;
    ngx_str_t                 *text;
    ngx_pool_t                *pool;
    const char                *err;
    ngx_uint_t                 depth;
    ngx_int_t                  field;         /* of the next value */
    ngx_int_t                  stack[NGX_NEON_CTL_JSON_DEEP];
} ngx_neon_ctl_json_ctx_t;


static ngx_int_t ngx_neon_ctl_json_document(ngx_neon_ctl_json_t *json,
    ngx_str_t *text, ngx_pool_t *pool, ngx_int_t root, const char **err);
static ngx_int_t ngx_neon_ctl_json_run(yajl_alloc_funcs *funcs, void *data);
static int ngx_neon_ctl_json_open(ngx_neon_ctl_json_ctx_t *ctx,
    ngx_neon_ctl_json_type_e type);
static int ngx_neon_ctl_json_type(ngx_neon_ctl_json_ctx_t *ctx,
    ngx_neon_ctl_json_type_e type);
static const char *ngx_neon_ctl_json_misplaced(ngx_neon_ctl_json_ctx_t *ctx);
static int ngx_neon_ctl_json_refuse(ngx_neon_ctl_json_ctx_t *ctx,
    const char *err);
static ngx_int_t ngx_neon_ctl_json_find(ngx_int_t parent, const void *name,
    size_t len);
static int ngx_neon_ctl_json_store(ngx_neon_ctl_json_ctx_t *ctx,
    const void *data, size_t len);
static void *ngx_neon_ctl_json_value(ngx_neon_ctl_json_ctx_t *ctx);
static const char *ngx_neon_ctl_json_error(ngx_neon_ctl_json_ctx_t *ctx,
    yajl_handle handle);

static int ngx_neon_ctl_json_null(void *data);
static int ngx_neon_ctl_json_boolean(void *data, int value);
static int ngx_neon_ctl_json_number(void *data, const char *p, size_t len);
static int ngx_neon_ctl_json_string(void *data, const unsigned char *p,
    size_t len);
static int ngx_neon_ctl_json_start_map(void *data);
static int ngx_neon_ctl_json_map_key(void *data, const unsigned char *p,
    size_t len);
static int ngx_neon_ctl_json_start_array(void *data);
static int ngx_neon_ctl_json_end(void *data);


static ngx_neon_ctl_json_field_t  ngx_neon_ctl_json_fields[] = {

    { NGX_NEON_CTL_JSON_UNKNOWN, ngx_null_string,
      NGX_NEON_CTL_JSON_OBJECT, NGX_NEON_CTL_JSON_NO_VALUE },         /* 0 */

    { 0, ngx_string("role_secret"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, role_secret) },                   /* 1 */

    { 0, ngx_string("project_id"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, project_id) },                    /* 2 */

    { 0, ngx_string("account_id"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, account_id) },                    /* 3 */

    { 0, ngx_string("allowed_ips"), NGX_NEON_CTL_JSON_ARRAY,
      offsetof(ngx_neon_ctl_json_t, allowed_ips) },                   /* 4 */

    { 4, ngx_null_string, NGX_NEON_CTL_JSON_STRING,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 5 */

    { 0, ngx_string("block_public_connections"),
      NGX_NEON_CTL_JSON_BOOLEAN,
      offsetof(ngx_neon_ctl_json_t, block_public) },                  /* 6 */

    { 0, ngx_string("block_vpc_connections"), NGX_NEON_CTL_JSON_BOOLEAN,
      offsetof(ngx_neon_ctl_json_t, block_vpc) },                     /* 7 */

    { 0, ngx_string("address"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, address) },                       /* 8 */

    { 0, ngx_string("server_name"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, server_name) },                   /* 9 */

    { 0, ngx_string("aux"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 10 */

    { 10, ngx_string("endpoint_id"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, aux_endpoint_id) },               /* 11 */

    { 10, ngx_string("project_id"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, aux_project_id) },                /* 12 */

    { 10, ngx_string("branch_id"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, aux_branch_id) },                 /* 13 */

    { 10, ngx_string("compute_id"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, aux_compute_id) },                /* 14 */

    { 10, ngx_string("cold_start_info"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, aux_cold_start) },                /* 15 */

    { 0, ngx_string("error"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, error) },                         /* 16 */

    { 0, ngx_string("status"), NGX_NEON_CTL_JSON_OBJECT,
      offsetof(ngx_neon_ctl_json_t, status) },                        /* 17 */

    { 17, ngx_string("message"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, status_message) },                /* 18 */

    { 17, ngx_string("details"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 19 */

    { 19, ngx_string("error_info"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 20 */

    { 20, ngx_string("reason"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, reason) },                        /* 21 */

    { 19, ngx_string("retry_info"), NGX_NEON_CTL_JSON_OBJECT,
      offsetof(ngx_neon_ctl_json_t, retry) },                         /* 22 */

    { 22, ngx_string("retry_delay_ms"), NGX_NEON_CTL_JSON_NUMBER,
      offsetof(ngx_neon_ctl_json_t, retry_delay_ms) },                /* 23 */

    { 19, ngx_string("user_facing_message"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 24 */

    { 24, ngx_string("message"), NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, user_message) },                  /* 25 */

    { 0, ngx_string("allowed_vpc_endpoint_ids"), NGX_NEON_CTL_JSON_ARRAY,
      offsetof(ngx_neon_ctl_json_t, allowed_vpc_ids) },               /* 26 */

    { 26, ngx_null_string, NGX_NEON_CTL_JSON_STRING,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 27 */

    { 0, ngx_string("rate_limits"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 28 */

    { 28, ngx_string("connection_attempts"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 29 */

    { 29, ngx_string("tcp"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 30 */

    { 29, ngx_string("ws"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 31 */

    { 29, ngx_string("http"), NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },                                   /* 32 */

    { 30, ngx_string("rps"), NGX_NEON_CTL_JSON_NUMBER,
      offsetof(ngx_neon_ctl_json_t, rate[0].rps) },                   /* 33 */

    { 30, ngx_string("burst"), NGX_NEON_CTL_JSON_NUMBER,
      offsetof(ngx_neon_ctl_json_t, rate[0].burst) },                 /* 34 */

    { 31, ngx_string("rps"), NGX_NEON_CTL_JSON_NUMBER,
      offsetof(ngx_neon_ctl_json_t, rate[1].rps) },                   /* 35 */

    { 31, ngx_string("burst"), NGX_NEON_CTL_JSON_NUMBER,
      offsetof(ngx_neon_ctl_json_t, rate[1].burst) },                 /* 36 */

    { 32, ngx_string("rps"), NGX_NEON_CTL_JSON_NUMBER,
      offsetof(ngx_neon_ctl_json_t, rate[2].rps) },                   /* 37 */

    { 32, ngx_string("burst"), NGX_NEON_CTL_JSON_NUMBER,
      offsetof(ngx_neon_ctl_json_t, rate[2].burst) },                 /* 38 */

    { NGX_NEON_CTL_JSON_UNKNOWN, ngx_null_string,
      NGX_NEON_CTL_JSON_OBJECT, NGX_NEON_CTL_JSON_NO_VALUE },         /* 39 */

    { NGX_NEON_CTL_JSON_CALLBACK, ngx_string("session_id"),
      NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, session_id) },

    { NGX_NEON_CTL_JSON_CALLBACK, ngx_string("result"),
      NGX_NEON_CTL_JSON_OBJECT,
      NGX_NEON_CTL_JSON_NO_VALUE },

    { NGX_NEON_CTL_JSON_RESULT, ngx_string("Success"),
      NGX_NEON_CTL_JSON_OBJECT,
      offsetof(ngx_neon_ctl_json_t, success) },

    { NGX_NEON_CTL_JSON_SUCCESS, ngx_string("host"),
      NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, host) },

    { NGX_NEON_CTL_JSON_SUCCESS, ngx_string("port"),
      NGX_NEON_CTL_JSON_NUMBER,
      offsetof(ngx_neon_ctl_json_t, port) },

    { NGX_NEON_CTL_JSON_SUCCESS, ngx_string("dbname"),
      NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, dbname) },

    { NGX_NEON_CTL_JSON_SUCCESS, ngx_string("user"),
      NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, user) },

    { NGX_NEON_CTL_JSON_SUCCESS, ngx_string("password"),
      NGX_NEON_CTL_JSON_STRING,
      offsetof(ngx_neon_ctl_json_t, password) },

    { NGX_NEON_CTL_JSON_SUCCESS, ngx_string("public_access_allowed"),
      NGX_NEON_CTL_JSON_BOOLEAN,
      offsetof(ngx_neon_ctl_json_t, public_access) }
};


static const yajl_callbacks  ngx_neon_ctl_json_callbacks = {
    ngx_neon_ctl_json_null,
    ngx_neon_ctl_json_boolean,
    NULL,                                     /* integer */
    NULL,                                     /* double */
    ngx_neon_ctl_json_number,
    ngx_neon_ctl_json_string,
    ngx_neon_ctl_json_start_map,
    ngx_neon_ctl_json_map_key,
    ngx_neon_ctl_json_end,
    ngx_neon_ctl_json_start_array,
    ngx_neon_ctl_json_end
};


ngx_int_t
ngx_neon_ctl_json_parse(ngx_neon_ctl_json_t *json, ngx_str_t *text,
    ngx_pool_t *pool, const char **err)
{
    return ngx_neon_ctl_json_document(json, text, pool,
                                      NGX_NEON_CTL_JSON_ROOT, err);
}


ngx_int_t
ngx_neon_ctl_json_callback(ngx_neon_ctl_json_t *json, ngx_str_t *text,
    ngx_pool_t *pool, const char **err)
{
    return ngx_neon_ctl_json_document(json, text, pool,
                                      NGX_NEON_CTL_JSON_CALLBACK, err);
}


static ngx_int_t
ngx_neon_ctl_json_document(ngx_neon_ctl_json_t *json, ngx_str_t *text,
    ngx_pool_t *pool, ngx_int_t root, const char **err)
{
    ngx_int_t                rc;
    ngx_neon_ctl_json_ctx_t  ctx;

    ngx_memzero(json, sizeof(ngx_neon_ctl_json_t));
    json->public_access = 1;

    ctx.json = json;
    ctx.text = text;
    ctx.pool = pool;
    ctx.err = NULL;
    ctx.depth = 0;
    ctx.field = root;

    rc = ngx_neon_yajl_run(ngx_neon_ctl_json_run, &ctx, pool->log);

    if (rc != NGX_OK) {
        *err = (rc == NGX_ABORT) ? "no memory" : ctx.err;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_ctl_json_run(yajl_alloc_funcs *funcs, void *data)
{
    ngx_neon_ctl_json_ctx_t *ctx = data;

    yajl_handle  handle;

    handle = yajl_alloc(&ngx_neon_ctl_json_callbacks, funcs, ctx);

    if (yajl_parse(handle, ctx->text->data, ctx->text->len) != yajl_status_ok
        || yajl_complete_parse(handle) != yajl_status_ok)
    {
        ctx->err = ngx_neon_ctl_json_error(ctx, handle);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static const char *
ngx_neon_ctl_json_error(ngx_neon_ctl_json_ctx_t *ctx, yajl_handle handle)
{
    size_t          len;
    u_char         *err;
    unsigned char  *text;

    if (ctx->err) {
        return ctx->err;
    }

    /* not verbose: nothing of the answer, which may hold a secret */

    text = yajl_get_error(handle, 0, NULL, 0);
    len = ngx_strlen(text);

    while (len && text[len - 1] == '\n') {
        len--;
    }

    err = ngx_pnalloc(ctx->pool, len + 1);

    if (err == NULL) {
        return "no memory";
    }

    *ngx_cpymem(err, text, len) = '\0';

    return (const char *) err;
}


static int
ngx_neon_ctl_json_null(void *data)
{
    ngx_neon_ctl_json_ctx_t  *ctx = data;

    /* as in pg_authid, where a role has no password */

    if (ctx->field == NGX_NEON_CTL_JSON_SECRET) {
        return ngx_neon_ctl_json_store(ctx, "", 0);
    }

    /* no value; but a list of who may enter must not shrink to none by it */

    if (ctx->field != NGX_NEON_CTL_JSON_UNKNOWN
        && ngx_neon_ctl_json_fields[ctx->field].name.len == 0)
    {
        return ngx_neon_ctl_json_refuse(ctx, ngx_neon_ctl_json_misplaced(ctx));
    }

    return 1;
}


static int
ngx_neon_ctl_json_boolean(void *data, int value)
{
    ngx_uint_t               *flag;
    ngx_neon_ctl_json_ctx_t  *ctx = data;

    if (!ngx_neon_ctl_json_type(ctx, NGX_NEON_CTL_JSON_BOOLEAN)) {
        return 0;
    }

    flag = ngx_neon_ctl_json_value(ctx);

    if (flag) {
        *flag = value ? 1 : 0;
    }

    return 1;
}


static int
ngx_neon_ctl_json_number(void *data, const char *p, size_t len)
{
    ngx_neon_ctl_json_ctx_t  *ctx = data;

    return ngx_neon_ctl_json_type(ctx, NGX_NEON_CTL_JSON_NUMBER)
           && ngx_neon_ctl_json_store(ctx, p, len);
}


static int
ngx_neon_ctl_json_string(void *data, const unsigned char *p, size_t len)
{
    ngx_neon_ctl_json_ctx_t  *ctx = data;

    return ngx_neon_ctl_json_type(ctx, NGX_NEON_CTL_JSON_STRING)
           && ngx_neon_ctl_json_store(ctx, p, len);
}


static int
ngx_neon_ctl_json_start_map(void *data)
{
    ngx_uint_t               *flag;
    ngx_neon_ctl_json_ctx_t  *ctx = data;

    if (!ngx_neon_ctl_json_type(ctx, NGX_NEON_CTL_JSON_OBJECT)) {
        return 0;
    }

    flag = ngx_neon_ctl_json_value(ctx);

    if (flag) {
        *flag = 1;
    }

    return ngx_neon_ctl_json_open(ctx, NGX_NEON_CTL_JSON_OBJECT);
}


static int
ngx_neon_ctl_json_map_key(void *data, const unsigned char *p, size_t len)
{
    ngx_neon_ctl_json_ctx_t  *ctx = data;

    ctx->field = ngx_neon_ctl_json_find(ctx->stack[ctx->depth - 1], p, len);

    return 1;
}


static int
ngx_neon_ctl_json_start_array(void *data)
{
    ngx_array_t              **list;
    ngx_neon_ctl_json_ctx_t   *ctx = data;

    if (!ngx_neon_ctl_json_type(ctx, NGX_NEON_CTL_JSON_ARRAY)) {
        return 0;
    }

    list = ngx_neon_ctl_json_value(ctx);

    if (list) {
        *list = ngx_array_create(ctx->pool, 4, sizeof(ngx_str_t));

        if (*list == NULL) {
            return ngx_neon_ctl_json_refuse(ctx, "no memory");
        }
    }

    return ngx_neon_ctl_json_open(ctx, NGX_NEON_CTL_JSON_ARRAY);
}


static int
ngx_neon_ctl_json_open(ngx_neon_ctl_json_ctx_t *ctx,
    ngx_neon_ctl_json_type_e type)
{
    if (ctx->depth == NGX_NEON_CTL_JSON_DEEP) {
        return ngx_neon_ctl_json_refuse(ctx, "nested too deep");
    }

    ctx->stack[ctx->depth++] = ctx->field;

    if (type == NGX_NEON_CTL_JSON_ARRAY) {
        ctx->field = ngx_neon_ctl_json_find(ctx->field, "", 0);
    }

    return 1;
}


static int
ngx_neon_ctl_json_end(void *data)
{
    ngx_neon_ctl_json_ctx_t  *ctx = data;

    /* in an array the next value is an element again, as this one was */

    ctx->field = ctx->stack[--ctx->depth];

    return 1;
}


static int
ngx_neon_ctl_json_type(ngx_neon_ctl_json_ctx_t *ctx,
    ngx_neon_ctl_json_type_e type)
{
    if (ctx->field == NGX_NEON_CTL_JSON_UNKNOWN
        || ngx_neon_ctl_json_fields[ctx->field].type == type)
    {
        return 1;
    }

    /* nobody is to be locked out by limits that make no sense */

    if (ctx->field >= NGX_NEON_CTL_JSON_RATES
        && ctx->field < NGX_NEON_CTL_JSON_CALLBACK)
    {
        ctx->field = NGX_NEON_CTL_JSON_UNKNOWN;
        return 1;
    }

    return ngx_neon_ctl_json_refuse(ctx, ngx_neon_ctl_json_misplaced(ctx));
}


static const char *
ngx_neon_ctl_json_misplaced(ngx_neon_ctl_json_ctx_t *ctx)
{
    u_char                     *err;
    ngx_neon_ctl_json_field_t  *f;

    if (ngx_neon_ctl_json_fields[ctx->field].parent
        == NGX_NEON_CTL_JSON_UNKNOWN)
    {
        return "not a JSON object";
    }

    f = &ngx_neon_ctl_json_fields[ctx->field];

    if (f->name.len == 0) {
        f = &ngx_neon_ctl_json_fields[f->parent];
    }

    err = ngx_pnalloc(ctx->pool, sizeof("wrong type in \"\"") + f->name.len);
    if (err == NULL) {
        return "no memory";
    }

    (void) ngx_sprintf(err, "wrong type in \"%V\"%Z", &f->name);

    return (const char *) err;
}


static int
ngx_neon_ctl_json_refuse(ngx_neon_ctl_json_ctx_t *ctx, const char *err)
{
    ctx->err = err;

    return 0;
}


static ngx_int_t
ngx_neon_ctl_json_find(ngx_int_t parent, const void *name, size_t len)
{
    ngx_int_t                   i, n;
    ngx_neon_ctl_json_field_t  *f;

    if (parent == NGX_NEON_CTL_JSON_UNKNOWN) {
        return NGX_NEON_CTL_JSON_UNKNOWN;
    }

    f = ngx_neon_ctl_json_fields;
    n = sizeof(ngx_neon_ctl_json_fields) / sizeof(ngx_neon_ctl_json_fields[0]);

    for (i = 0; i < n; i++) {
        if (f[i].parent == parent && f[i].name.len == len
            && (len == 0 || ngx_memcmp(f[i].name.data, name, len) == 0))
        {
            return i;
        }
    }

    /* what a callback says of the endpoint has the names of the API */

    if (parent == NGX_NEON_CTL_JSON_SUCCESS) {
        return ngx_neon_ctl_json_find(NGX_NEON_CTL_JSON_ROOT, name, len);
    }

    return NGX_NEON_CTL_JSON_UNKNOWN;
}


/* a string or number: into its place, or to the end of its array */

static int
ngx_neon_ctl_json_store(ngx_neon_ctl_json_ctx_t *ctx, const void *data,
    size_t len)
{
    ngx_str_t    *s;
    ngx_array_t  *list;

    if (ctx->field == NGX_NEON_CTL_JSON_UNKNOWN) {
        return 1;
    }

    s = ngx_neon_ctl_json_value(ctx);

    if (s == NULL) {
        list = *(ngx_array_t **) ((u_char *) ctx->json
               + ngx_neon_ctl_json_fields[ctx->stack[ctx->depth - 1]].offset);

        s = ngx_array_push(list);
        if (s == NULL) {
            return ngx_neon_ctl_json_refuse(ctx, "no memory");
        }
    }

    s->data = ngx_pnalloc(ctx->pool, len + 1);
    if (s->data == NULL) {
        return ngx_neon_ctl_json_refuse(ctx, "no memory");
    }

    *ngx_cpymem(s->data, data, len) = '\0';
    s->len = len;

    return 1;
}


static void *
ngx_neon_ctl_json_value(ngx_neon_ctl_json_ctx_t *ctx)
{
    size_t  offset;

    if (ctx->field == NGX_NEON_CTL_JSON_UNKNOWN) {
        return NULL;
    }

    offset = ngx_neon_ctl_json_fields[ctx->field].offset;

    if (offset == NGX_NEON_CTL_JSON_NO_VALUE) {
        return NULL;
    }

    return (u_char *) ctx->json + offset;
}
