/*
 * What libpq and the server say when something fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_libpq_error.h"


#define NGX_NEON_LIBPQ_SQLSTATE  5


static const char *ngx_neon_libpq_error_sqlstate(const char *text);
static u_char *ngx_neon_libpq_error_append(ngx_neon_libpq_error_t *e,
    u_char *p, const char *text, size_t len);


void
ngx_neon_libpq_error_set(ngx_neon_libpq_error_t *e, const char *text)
{
    e->sqlstate[0] = '\0';
    (void) ngx_cpystrn(e->text, (u_char *) text, NGX_NEON_LIBPQ_TEXT);
}


void
ngx_neon_libpq_error_refuse(ngx_neon_libpq_error_t *e, const char *text)
{
    ngx_neon_libpq_error_set(e, text);

    /* feature_not_supported */
    ngx_memcpy(e->sqlstate, "0A000", sizeof("0A000"));
}


/*
 * libpq has the SQLSTATE of a refused login in its text only: with
 * PQERRORS_VERBOSE, "...: FATAL:  57P03: the database system is ...", and a
 * line with the place in the server's source.
 */

void
ngx_neon_libpq_error_connection(ngx_neon_libpq_error_t *e, PGconn *pg)
{
    u_char      *p;
    size_t       len;
    const char  *text, *sqlstate;

    text = PQerrorMessage(pg);

    ngx_neon_libpq_error_set(e, "");

    sqlstate = ngx_neon_libpq_error_sqlstate(text);

    if (sqlstate) {
        ngx_memcpy(e->sqlstate, sqlstate, NGX_NEON_LIBPQ_SQLSTATE);
        e->sqlstate[NGX_NEON_LIBPQ_SQLSTATE] = '\0';
    }

    p = e->text;

    while (*text) {
        len = strcspn(text, "\n");

        if (len && ngx_strncmp(text, "LOCATION:", 9) != 0) {
            p = ngx_neon_libpq_error_append(e, p, text, len);
        }

        text += len;
        text += (*text != '\0');
    }

    if (p == e->text) {

        /* to libpq nothing is wrong: it is not what was asked for */

        ngx_neon_libpq_error_set(e, "unexpected answer");
    }
}


/* severities are translated: two blanks, and five digits and letters */

static const char *
ngx_neon_libpq_error_sqlstate(const char *text)
{
    while ((text = strstr(text, ":  ")) != NULL) {
        text += 3;

        if (strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
            == NGX_NEON_LIBPQ_SQLSTATE
            && text[NGX_NEON_LIBPQ_SQLSTATE] == ':')
        {
            return text;
        }
    }

    return NULL;
}


void
ngx_neon_libpq_error_result(ngx_neon_libpq_error_t *e, PGresult *result)
{
    u_char      *p;
    const char  *sqlstate, *message, *detail, *position;

    sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);

    ngx_neon_libpq_error_set(e, "");

    p = e->text;

    if (sqlstate) {
        (void) ngx_cpystrn((u_char *) e->sqlstate, (u_char *) sqlstate,
                           sizeof(e->sqlstate));

        p = ngx_slprintf(p, p + NGX_NEON_LIBPQ_TEXT - 1, "%s: ", sqlstate);
        *p = '\0';
    }

    if (message == NULL) {
        message = PQresultErrorMessage(result);
    }

    p = ngx_neon_libpq_error_append(e, p, message, ngx_strlen(message));

    if (detail) {
        p = ngx_neon_libpq_error_append(e, p, detail, ngx_strlen(detail));
    }

    if (position) {
        p = ngx_slprintf(p, e->text + NGX_NEON_LIBPQ_TEXT - 1,
                         " at character %s", position);
        *p = '\0';
    }
}


static u_char *
ngx_neon_libpq_error_append(ngx_neon_libpq_error_t *e, u_char *p,
    const char *text, size_t len)
{
    u_char  *last;

    last = e->text + NGX_NEON_LIBPQ_TEXT - 1;

    if (p != e->text && p[-1] != ' ' && p < last) {
        *p++ = ' ';
    }

    p = ngx_cpymem(p, text, ngx_min(len, (size_t) (last - p)));
    *p = '\0';

    return p;
}
