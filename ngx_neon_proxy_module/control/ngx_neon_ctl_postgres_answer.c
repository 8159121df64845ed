/*
 * Verifiers, rules and addresses from a PostgreSQL: what is answered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_postgres_answer.h"
#include "ngx_neon_ctl_answer.h"
#include "ngx_neon_ctl_error.h"
#include "ngx_neon_url.h"

#include "neon_endpoint.h"


#define NGX_NEON_CTL_POSTGRES_NAME         128    /* of a role, in a log line */
/* the name of a query, and what is said of it */
#define NGX_NEON_CTL_POSTGRES_DETAIL       (64 + NGX_NEON_LIBPQ_TEXT)
#define NGX_NEON_CTL_POSTGRES_BOOL         16     /* pg_type.dat */
#define NGX_NEON_CTL_POSTGRES_TIMESTAMPTZ  1184


static void ngx_neon_ctl_postgres_failed(ngx_neon_ctl_request_t *r,
    ngx_neon_libpq_t *pq);
static void ngx_neon_ctl_postgres_broken(ngx_neon_ctl_request_t *r,
    const char *name, const char *what);
static const char *ngx_neon_ctl_postgres_name(ngx_neon_ctl_request_t *r,
    ngx_uint_t query);
static void ngx_neon_ctl_postgres_access(ngx_neon_ctl_request_t *r,
    ngx_neon_libpq_t *pq, ngx_pool_t *temp);
static ngx_int_t ngx_neon_ctl_postgres_verifier(ngx_neon_ctl_request_t *r,
    PGresult *result, ngx_neon_access_t *access);
static ngx_int_t ngx_neon_ctl_postgres_until(ngx_neon_ctl_request_t *r,
    PGresult *result, ngx_neon_access_t *access);
static time_t ngx_neon_ctl_postgres_time(const char *text);
static ngx_int_t ngx_neon_ctl_postgres_rules(ngx_neon_ctl_request_t *r,
    PGresult *result, ngx_neon_access_t *access, ngx_pool_t *temp);
static ngx_int_t ngx_neon_ctl_postgres_blocked(ngx_neon_ctl_request_t *r,
    PGresult *result, ngx_neon_access_t *access);
static ngx_int_t ngx_neon_ctl_postgres_list(PGresult *result,
    const char *column, ngx_pool_t *temp, ngx_array_t **list);
static void ngx_neon_ctl_postgres_trim(ngx_str_t *s);
static void ngx_neon_ctl_postgres_node(ngx_neon_ctl_request_t *r,
    PGresult *result);
static ngx_int_t ngx_neon_ctl_postgres_host(ngx_neon_ctl_request_t *r,
    PGresult *result, ngx_neon_node_t *node);
static ngx_int_t ngx_neon_ctl_postgres_tls(ngx_neon_ctl_request_t *r,
    PGresult *result, ngx_neon_node_t *node);
static ngx_neon_node_t *ngx_neon_ctl_postgres_new_node(
    ngx_neon_ctl_request_t *r);
static ngx_int_t ngx_neon_ctl_postgres_row(ngx_neon_ctl_request_t *r,
    const char *name, PGresult *result);
static ngx_int_t ngx_neon_ctl_postgres_value(PGresult *result,
    const char *column, ngx_str_t *value);


void
ngx_neon_ctl_postgres_answer(ngx_neon_ctl_request_t *r, ngx_neon_libpq_t *pq,
    ngx_pool_t *temp)
{
    if (pq->rc != NGX_OK) {
        ngx_neon_ctl_postgres_failed(r, pq);

    } else if (r->call == NGX_NEON_CTL_ACCESS) {
        ngx_neon_ctl_postgres_access(r, pq, temp);

    } else {
        ngx_neon_ctl_postgres_node(r, pq->query[0].result);
    }
}


/*
 * Without an SQLSTATE nobody has answered.  Of the classes, 08 is the
 * connection, 53 resources that are used up, 57 an operator's intervention
 * (start, stop, timeout): that passes.  The rest stays until somebody mends
 * it.
 */

static void
ngx_neon_ctl_postgres_failed(ngx_neon_ctl_request_t *r, ngx_neon_libpq_t *pq)
{
    u_char       text[NGX_NEON_CTL_POSTGRES_DETAIL];
    const char  *sqlstate;

    sqlstate = pq->error.sqlstate;

    if (r->call == NGX_NEON_CTL_ACCESS
        && pq->asked == NGX_NEON_CTL_POSTGRES_AUTH
        && (ngx_strcmp(sqlstate, "22021") == 0
            || ngx_strcmp(sqlstate, "22P05") == 0))
    {
        /* the name has bytes that are no characters: no role has such one */

        (void) ngx_neon_ctl_access(r);
        return;
    }

    if (pq->sent) {
        (void) ngx_snprintf(text, sizeof(text), "%s: %s%Z",
                            ngx_neon_ctl_postgres_name(r, pq->asked),
                            pq->error.text);

    } else {
        (void) ngx_snprintf(text, sizeof(text), "%s%Z", pq->error.text);
    }

    ngx_neon_ctl_error_transport(r, (char *) text);

    if (sqlstate[0]
        && ngx_strncmp(sqlstate, "08", 2) != 0
        && ngx_strncmp(sqlstate, "53", 2) != 0
        && ngx_strncmp(sqlstate, "57", 2) != 0)
    {
        r->transport = 0;
        r->retryable = 0;
    }
}


/* an answer that cannot be understood */

static void
ngx_neon_ctl_postgres_broken(ngx_neon_ctl_request_t *r, const char *name,
    const char *what)
{
    u_char  text[NGX_NEON_CTL_POSTGRES_DETAIL];

    (void) ngx_snprintf(text, sizeof(text), "%s: %s%Z", name, what);

    ngx_neon_ctl_error_transport(r, (char *) text);

    r->transport = 0;
    r->retryable = 0;
}


static const char *
ngx_neon_ctl_postgres_name(ngx_neon_ctl_request_t *r, ngx_uint_t query)
{
    if (r->call == NGX_NEON_CTL_WAKE) {
        return "node_query";
    }

    return query == NGX_NEON_CTL_POSTGRES_AUTH ? "auth_query"
                                               : "access_query";
}


static void
ngx_neon_ctl_postgres_access(ngx_neon_ctl_request_t *r, ngx_neon_libpq_t *pq,
    ngx_pool_t *temp)
{
    ngx_neon_access_t  *access;

    access = ngx_neon_ctl_access(r);
    if (access == NULL) {
        return;
    }

    if (ngx_neon_ctl_postgres_verifier(r,
                             pq->query[NGX_NEON_CTL_POSTGRES_AUTH].result,
                             access)
        != NGX_OK)
    {
        return;
    }

    (void) ngx_neon_ctl_postgres_rules(r,
                             pq->query[NGX_NEON_CTL_POSTGRES_RULES].result,
                             access, temp);
}


static ngx_int_t
ngx_neon_ctl_postgres_verifier(ngx_neon_ctl_request_t *r, PGresult *result,
    ngx_neon_access_t *access)
{
    ngx_int_t   rc;
    ngx_str_t   secret, role;

    rc = ngx_neon_ctl_postgres_row(r, "auth_query", result);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (PQfnumber(result, "rolpassword") == -1) {
        ngx_neon_ctl_postgres_broken(r, "auth_query",
                                     "no column rolpassword");
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (ngx_neon_ctl_postgres_value(result, "rolpassword", &secret)
        != NGX_OK)
    {
        role = ngx_neon_ctl_printable(r->pool, &r->role,
                                      NGX_NEON_CTL_POSTGRES_NAME);

        ngx_log_error(NGX_LOG_WARN, r->log, 0,
                      "role \"%V\" has no password: it cannot log in", &role);
        return NGX_OK;
    }

    ngx_neon_ctl_verifier(r, access, &secret);

    return ngx_neon_ctl_postgres_until(r, result, access);
}


static ngx_int_t
ngx_neon_ctl_postgres_until(ngx_neon_ctl_request_t *r, PGresult *result,
    ngx_neon_access_t *access)
{
    int        column;
    ngx_str_t  value;

    column = PQfnumber(result, "rolvaliduntil");

    if (column == -1) {
        return NGX_OK;
    }

    if (PQftype(result, column) != NGX_NEON_CTL_POSTGRES_TIMESTAMPTZ) {
        ngx_neon_ctl_postgres_broken(r, "auth_query",
                                     "the column rolvaliduntil is no"
                                     " timestamp with time zone");
        return NGX_ERROR;
    }

    if (ngx_neon_ctl_postgres_value(result, "rolvaliduntil", &value)
        == NGX_OK)
    {
        access->valid_until = ngx_neon_ctl_postgres_time((char *) value.data);
    }

    return NGX_OK;
}


/*
 * "2026-12-31 23:59:59.9+00", of DateStyle ISO and TimeZone UTC.  0: for ever;
 * what was before 1970, or is not understood, is long over.
 */

static time_t
ngx_neon_ctl_postgres_time(const char *text)
{
    int        n;
    time_t     t;
    struct tm  tm;

    if (ngx_strcmp(text, "infinity") == 0) {
        return 0;
    }

    ngx_memzero(&tm, sizeof(struct tm));

    n = sscanf(text, "%6d-%2d-%2d %2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec);

    if (n != 6 || ngx_strstr(text, " BC") != NULL) {
        return 1;
    }

    tm.tm_year -= 1900;
    tm.tm_mon -= 1;

    t = timegm(&tm);

    return ngx_max(t, 1);
}


static ngx_int_t
ngx_neon_ctl_postgres_rules(ngx_neon_ctl_request_t *r, PGresult *result,
    ngx_neon_access_t *access, ngx_pool_t *temp)
{
    ngx_int_t     rc;
    const char   *err;
    ngx_array_t  *ips, *ids;

    if (result == NULL) {
        return NGX_OK;
    }

    rc = ngx_neon_ctl_postgres_row(r, "access_query", result);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (PQfnumber(result, "allowed_ips") == -1) {
        ngx_neon_ctl_postgres_broken(r, "access_query",
                                     "no column allowed_ips");
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (ngx_neon_ctl_postgres_list(result, "allowed_ips", temp, &ips)
        != NGX_OK
        || ngx_neon_ctl_postgres_list(result, "allowed_vpc_endpoint_ids",
                                      temp, &ids)
           != NGX_OK)
    {
        err = "no memory";

    } else {
        err = ngx_neon_ctl_allowed(r, access, ips);
        err = err ? err : ngx_neon_ctl_allowed_vpc(r, access, ids);
    }

    if (err) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, err);
        return NGX_ERROR;
    }

    return ngx_neon_ctl_postgres_blocked(r, result, access);
}


/* neither may be mistaken for "false" because of its type */

static ngx_int_t
ngx_neon_ctl_postgres_blocked(ngx_neon_ctl_request_t *r, PGresult *result,
    ngx_neon_access_t *access)
{
    int          column;
    ngx_str_t    value;
    ngx_uint_t   i, blocked[2];

    static const char *const  names[] = {
        "block_public_connections", "block_vpc_connections"
    };

    for (i = 0; i < 2; i++) {
        column = PQfnumber(result, names[i]);

        if (column != -1
            && PQftype(result, column) != NGX_NEON_CTL_POSTGRES_BOOL)
        {
            ngx_neon_ctl_postgres_broken(r, "access_query",
                                         "block_public_connections or"
                                         " block_vpc_connections is no"
                                         " boolean");
            return NGX_ERROR;
        }

        blocked[i] = ngx_neon_ctl_postgres_value(result, names[i], &value)
                     == NGX_OK && value.data[0] == 't';
    }

    access->block_public = blocked[0];
    access->block_vpc = blocked[1];

    return NGX_OK;
}


/*
 * Comma-separated text, or an array of something that reads as such an entry.
 * *list is NULL where there is no such column, or it is NULL.
 */

static ngx_int_t
ngx_neon_ctl_postgres_list(PGresult *result, const char *column,
    ngx_pool_t *temp, ngx_array_t **list)
{
    u_char     *p, *last, *end;
    ngx_str_t  *s, text;

    *list = NULL;

    if (ngx_neon_ctl_postgres_value(result, column, &text) != NGX_OK) {
        return NGX_OK;
    }

    *list = ngx_array_create(temp, 8, sizeof(ngx_str_t));
    if (*list == NULL) {
        return NGX_ERROR;
    }

    p = text.data;
    last = p + text.len;

    for ( /* void */ ; p < last; p = end + 1) {
        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        s = ngx_array_push(*list);
        if (s == NULL) {
            return NGX_ERROR;
        }

        s->data = p;
        s->len = end - p;

        ngx_neon_ctl_postgres_trim(s);

        if (s->len == 0) {
            (*list)->nelts--;
        }
    }

    return NGX_OK;
}


/* blanks, and what stands around arrays and their elements */

static void
ngx_neon_ctl_postgres_trim(ngx_str_t *s)
{
    while (s->len && strchr(" \t\r\n{}\"", s->data[0]) != NULL) {
        s->data++;
        s->len--;
    }

    while (s->len && strchr(" \t\r\n{}\"", s->data[s->len - 1]) != NULL) {
        s->len--;
    }
}


static void
ngx_neon_ctl_postgres_node(ngx_neon_ctl_request_t *r, PGresult *result)
{
    ngx_int_t         rc;
    ngx_neon_node_t  *node;

    rc = ngx_neon_ctl_postgres_row(r, "node_query", result);

    if (rc == NGX_ERROR) {
        return;
    }

    if (rc == NGX_DECLINED) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_ENDPOINT_UNKNOWN,
                          "node_query: no row for it");
        r->refused = 1;
        return;
    }

    node = ngx_neon_ctl_postgres_new_node(r);

    if (node == NULL
        || ngx_neon_ctl_postgres_host(r, result, node) != NGX_OK
        || ngx_neon_ctl_postgres_tls(r, result, node) != NGX_OK)
    {
        return;
    }

    r->rc = NGX_OK;
    r->node = node;
}


static ngx_int_t
ngx_neon_ctl_postgres_host(ngx_neon_ctl_request_t *r, PGresult *result,
    ngx_neon_node_t *node)
{
    ngx_str_t  host, port;

    if (ngx_neon_ctl_postgres_value(result, "host", &host) != NGX_OK
        || ngx_neon_ctl_postgres_value(result, "port", &port) != NGX_OK)
    {
        ngx_neon_ctl_postgres_broken(r, "node_query",
                                     "no column host or port, or it is NULL");
        return NGX_ERROR;
    }

    node->port = ngx_neon_url_port(port.data, port.len);

    if (node->port == 0
        || (!ngx_neon_url_host_valid(&host)
            && !ngx_neon_url_host_literal(&host)))
    {
        ngx_neon_ctl_postgres_broken(r, "node_query",
                                     "no valid host, or no port from 1 to"
                                     " 65535");
        return NGX_ERROR;
    }

    node->host = ngx_neon_ctl_printable(r->pool, &host, NGX_NEON_URL_HOST_MAX);

    if (node->host.len == 0) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* both columns may be missing, or NULL: compute_ssl decides */

static ngx_int_t
ngx_neon_ctl_postgres_tls(ngx_neon_ctl_request_t *r, PGresult *result,
    ngx_neon_node_t *node)
{
    ngx_str_t  value;

    if (ngx_neon_ctl_postgres_value(result, "ssl", &value) == NGX_OK
        && ngx_neon_ctl_ssl(node, &value) != NGX_OK)
    {
        ngx_neon_ctl_postgres_broken(r, "node_query",
                                     "ssl is neither off, prefer, require nor"
                                     " verify-full");
        return NGX_ERROR;
    }

    if (ngx_neon_ctl_postgres_value(result, "server_name", &value) != NGX_OK) {
        return NGX_OK;
    }

    if (!ngx_neon_url_host_valid(&value)
        && !ngx_neon_url_host_literal(&value))
    {
        ngx_neon_ctl_postgres_broken(r, "node_query", "no valid server_name");
        return NGX_ERROR;
    }

    node->server_name = ngx_neon_ctl_printable(r->pool, &value,
                                               NGX_NEON_URL_HOST_MAX);

    /* it asks for verified TLS, which must not be lost silently */

    if (node->server_name.len == 0) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_neon_ctl_postgres_own_node(ngx_neon_ctl_request_t *r,
    ngx_neon_libpq_pool_t *pool)
{
    ngx_neon_node_t  *node;

    node = ngx_neon_ctl_postgres_new_node(r);

    if (node) {
        node->host = pool->host;
        node->port = pool->port;

        r->rc = NGX_OK;
        r->node = node;
    }
}


static ngx_neon_node_t *
ngx_neon_ctl_postgres_new_node(ngx_neon_ctl_request_t *r)
{
    ngx_neon_node_t  *node;

    node = ngx_pcalloc(r->pool, sizeof(ngx_neon_node_t));

    if (node == NULL) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
        return NULL;
    }

    node->endpoint_id = ngx_neon_ctl_printable(r->pool, &r->endpoint,
                                               NEON_ENDPOINT_MAX);
    ngx_str_set(&node->cold_start, "warm");

    return node;
}


/* NGX_OK: there is one; NGX_DECLINED: none */

static ngx_int_t
ngx_neon_ctl_postgres_row(ngx_neon_ctl_request_t *r, const char *name,
    PGresult *result)
{
    if (PQntuples(result) > 1) {
        ngx_neon_ctl_postgres_broken(r, name, "more than one row");
        return NGX_ERROR;
    }

    return PQntuples(result) ? NGX_OK : NGX_DECLINED;
}


/* of the first row; NUL behind it; NGX_DECLINED: no such column, or NULL */

static ngx_int_t
ngx_neon_ctl_postgres_value(PGresult *result, const char *column,
    ngx_str_t *value)
{
    int  n;

    n = PQfnumber(result, column);

    if (n == -1 || PQgetisnull(result, 0, n)) {
        return NGX_DECLINED;
    }

    value->data = (u_char *) PQgetvalue(result, 0, n);
    value->len = PQgetlength(result, 0, n);

    return NGX_OK;
}
