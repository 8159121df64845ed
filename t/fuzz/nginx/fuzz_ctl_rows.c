/*
 * What the control plane of a PostgreSQL answers: rows of libpq's, with NULLs,
 * columns that are missing, come twice or have another type, or an error.
 * What is taken is complete, and no rule gets lost on its way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "core.h"

#include "ngx_neon_ctl_postgres_answer.h"


#define COLUMNS    6
#define BOOL       16                 /* pg_type.dat */
#define TIMESTAMP  1184               /* ... with time zone */


static const char  *const names[] = {
    "rolpassword", "rolvaliduntil", "rolname", "allowed_ips",
    "allowed_vpc_endpoint_ids", "block_public_connections",
    "block_vpc_connections", "host", "port", "ssl", "server_name", "ROLPASSWORD"
};

static const Oid  types[] = { 25, TIMESTAMP, BOOL, 1114, 1009, 705 };

static const char  *const states[] = {
    "", "08006", "22021", "22P05", "42501", "53300", "57014"
};


static uint8_t
byte(const uint8_t **p, const uint8_t *last)
{
    return *p == last ? 0 : *(*p)++;
}


/* columns, rows, and for each value its length and bytes; 255: NULL */

static PGresult *
rows(const uint8_t **p, const uint8_t *last)
{
    int             column, n, row, nrows;
    size_t          len;
    PGresult       *result;
    PGresAttDesc    att[COLUMNS];

    static char     text[256];

    n = byte(p, last);
    nrows = n / COLUMNS % 3;
    n = n % COLUMNS + 1;

    for (column = 0; column < n; column++) {
        ngx_memzero(&att[column], sizeof(PGresAttDesc));
        len = byte(p, last);
        att[column].name = (char *) names[len % (sizeof(names)
                                                 / sizeof(names[0]))];
        len = byte(p, last);
        att[column].typid = types[len % (sizeof(types) / sizeof(types[0]))];
    }

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    core_check(result && PQsetResultAttrs(result, n, att));

    for (row = 0; row < nrows; row++) {
        for (column = 0; column < n; column++) {
            len = byte(p, last);

            if (len == 255) {
                core_check(PQsetvalue(result, row, column, NULL, -1));
                continue;
            }

            len = ngx_min(len, (size_t) (last - *p));
            ngx_memcpy(text, *p, len);
            *p += len;
            core_check(PQsetvalue(result, row, column, text, (int) len));
        }
    }

    return result;
}


/* the value of the one row; NULL: none, or no such column */

static const char *
value(PGresult *result, const char *name, Oid *type, size_t *len)
{
    int  column;

    column = PQfnumber(result, name);

    if (column == -1 || PQntuples(result) == 0
        || PQgetisnull(result, 0, column))
    {
        return NULL;
    }

    *type = PQftype(result, column);
    *len = (size_t) PQgetlength(result, 0, column);

    return PQgetvalue(result, 0, column);
}


/* has a list an entry? */

static ngx_uint_t
entries(const char *text, size_t len)
{
    size_t  i;

    for (i = 0; text && i < len; i++) {
        if (strchr(" \t\r\n{}\",", text[i]) == NULL) {
            return 1;
        }
    }

    return 0;
}


static void
check_access(ngx_neon_access_t *access, PGresult *auth, PGresult *rules)
{
    Oid          type;
    size_t       len;
    const char  *text;

    core_check(!access->found || value(auth, "rolpassword", &type, &len));

    /* a date never becomes "for ever" */

    text = value(auth, "rolvaliduntil", &type, &len);

    if (access->found && text) {
        core_check(type == TIMESTAMP);
        core_check(access->valid_until != 0 || strcmp(text, "infinity") == 0);
    }

    if (rules == NULL) {
        core_check(!access->restricted && !access->block_public);
        return;
    }

    core_check(PQntuples(rules) <= 1);

    text = value(rules, "allowed_ips", &type, &len);

    core_check(access->restricted == entries(text, len));

    text = value(rules, "block_public_connections", &type, &len);
    core_check(access->block_public == (text && text[0] == 't'));
    core_check(text == NULL || type == BOOL);

    text = value(rules, "block_vpc_connections", &type, &len);
    core_check(access->block_vpc == (text && text[0] == 't'));
    core_check(text == NULL || type == BOOL);
}


static void
check_node(ngx_neon_node_t *node, PGresult *result)
{
    Oid          type;
    size_t       len;
    const char  *text;

    core_check(PQntuples(result) == 1);
    core_check(node->port != 0 && node->host.len != 0
               && strlen((char *) node->host.data) == node->host.len);

    text = value(result, "server_name", &type, &len);
    core_check((text != NULL) == (node->server_name.len != 0));

    text = value(result, "ssl", &type, &len);
    core_check((text != NULL) == (node->ssl != NGX_NEON_SSL_AUTO));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t                 what;
    ngx_uint_t              n;
    ngx_pool_t             *temp;
    const uint8_t          *last;
    ngx_neon_libpq_t        pq;
    ngx_neon_ctl_request_t  r;

    static ngx_neon_conf_t  conf = { .md5_verifiers = 1 };

    last = data + size;
    what = byte(&data, last);

    ngx_memzero(&r, sizeof(ngx_neon_ctl_request_t));
    ngx_memzero(&pq, sizeof(ngx_neon_libpq_t));

    r.conf = &conf;
    r.call = (what & 1) ? NGX_NEON_CTL_WAKE : NGX_NEON_CTL_ACCESS;
    r.log = core_log();
    r.rc = NGX_ERROR;
    ngx_str_set(&r.endpoint, "ep-1-pooler");
    ngx_str_set(&r.role, "alice");

    r.pool = ngx_create_pool(1024, r.log);
    temp = ngx_create_pool(1024, r.log);
    core_check(r.pool && temp);

    if (what & 2) {
        pq.rc = NGX_ERROR;
        pq.sent = (what >> 2) & 1;
        pq.asked = (what >> 3) & 1;
        n = byte(&data, last) % (sizeof(states) / sizeof(states[0]));
        strcpy(pq.error.sqlstate, states[n]);
        ngx_memcpy(pq.error.text, data,
                   ngx_min((size_t) (last - data), sizeof(pq.error.text) - 1));

    } else {
        pq.query[0].result = rows(&data, last);

        if (what & 4) {
            pq.query[1].result = rows(&data, last);
        }
    }

    ngx_neon_ctl_postgres_answer(&r, &pq, temp);
    ngx_destroy_pool(temp);

    if (r.rc == NGX_OK && r.call == NGX_NEON_CTL_WAKE) {
        core_check(pq.rc == NGX_OK && r.node != NULL);
        check_node(r.node, pq.query[0].result);

    } else if (r.rc == NGX_OK) {
        core_check(r.access != NULL);

        if (pq.rc == NGX_OK) {
            check_access(r.access, pq.query[0].result, pq.query[1].result);

        } else {
            core_check(!r.access->found);
        }
    }

    PQclear(pq.query[0].result);
    PQclear(pq.query[1].result);
    ngx_destroy_pool(r.pool);

    return 0;
}
