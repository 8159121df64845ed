/*
 * The first packet: head, then startup parameters and cancel keys of what
 * follows it.  What is read back from our own writers must be the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_pg_startup.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


static int
inside(neon_str_t s, const uint8_t *p, size_t n)
{
    return s.data == NULL
           || (s.data >= p && s.len <= n && s.data - p <= (long) (n - s.len));
}


static void
check_first(const uint8_t *p, size_t n)
{
    size_t           i;
    neon_rc_e        whole, rc;
    const char      *err, *why;
    neon_pg_first_t  f, part;

    why = NULL;
    whole = neon_pg_first_parse(&f, p, n, &why);

    check((whole == NEON_ERROR) == (why != NULL));
    check(whole != NEON_AGAIN || n < NEON_PG_STARTUP_HEAD);

    if (whole == NEON_OK && f.type != NEON_PG_FIRST_TLS) {
        check(f.length >= NEON_PG_STARTUP_HEAD);
        check(f.length <= NEON_PG_STARTUP_MAX + NEON_PG_STARTUP_HEAD);
    }

    for (i = 0; i < n && i < NEON_PG_STARTUP_HEAD; i++) {
        err = NULL;
        rc = neon_pg_first_parse(&part, p, i, &err);

        check(rc == NEON_AGAIN || (rc == whole && err == why));
    }
}


/* what was parsed, written and parsed again */

static void
check_again(const neon_pg_startup_t *st, size_t n)
{
    size_t              params;
    uint8_t            *begin;
    neon_wr_t           w;
    neon_rd_t           rd;
    const char         *err;
    neon_pg_param_t     param;
    neon_pg_startup_t   again;
    static uint8_t      out[70000];

    neon_wr_init(&w, out, sizeof(out));
    begin = neon_pg_startup_begin(&w, NEON_PG_PROTOCOL_3_0);

    params = 0;
    neon_rd_init(&rd, st->params.data, st->params.len);

    while (neon_pg_startup_next(&rd, &param)) {
        check(param.name.len != 0);
        neon_pg_startup_param(&w, param.name, param.value);
        params++;
    }

    neon_pg_startup_end(&w, begin);

    check(params == st->nparams && neon_rd_left(&rd) == 0);
    check(!w.error && neon_wr_len(&w) == n + NEON_PG_STARTUP_HEAD);

    check(neon_pg_startup_parse(&again, out + NEON_PG_STARTUP_HEAD, n, &err)
          == NEON_OK);
    check(neon_str_eq(again.params, st->params));
    check(neon_str_eq(again.user, st->user));
    check(neon_str_eq(again.options, st->options));
    check(again.nextensions == st->nextensions);
}


/* without what a later one of the same name replaces, it says the same */

static void
check_counts(neon_pg_startup_t *st)
{
    uint8_t            *begin;
    unsigned            users;
    neon_wr_t           w;
    neon_rd_t           rd;
    const char         *err;
    neon_pg_param_t     param;
    neon_pg_startup_t   again;
    static uint8_t      out[70000];

    neon_wr_init(&w, out, sizeof(out));
    begin = neon_pg_startup_begin(&w, NEON_PG_PROTOCOL_3_0);

    users = 0;
    neon_rd_init(&rd, st->params.data, st->params.len);

    while (neon_pg_startup_next(&rd, &param)) {
        if (neon_pg_startup_counts(st, &param)) {
            users += neon_str_eqz(param.name, "user");
            neon_pg_startup_param(&w, param.name, param.value);
        }
    }

    neon_pg_startup_end(&w, begin);

    check(users == (st->user.data != NULL));
    check(neon_pg_startup_parse(&again, out + NEON_PG_STARTUP_HEAD,
                                neon_wr_len(&w) - NEON_PG_STARTUP_HEAD, &err)
          == NEON_OK);
    check(neon_str_eq(again.user, st->user));
    check(neon_str_eq(again.database, st->database));
    check(neon_str_eq(again.application_name, st->application_name));
    check(neon_str_eq(again.options, st->options));
    check(neon_str_eq(again.replication, st->replication));
    check(again.nextensions == st->nextensions);
}


static void
check_startup(const uint8_t *p, size_t n)
{
    neon_rc_e          rc;
    neon_wr_t          w;
    const char        *err;
    neon_pg_startup_t  st;
    static uint8_t     out[70000];

    err = NULL;
    rc = neon_pg_startup_parse(&st, p, n, &err);

    check((rc == NEON_ERROR) == (err != NULL));

    if (rc != NEON_OK) {
        return;
    }

    check(st.params.data == p && st.params.len == n - 1);
    check_counts(&st);
    check(inside(st.user, p, n) && inside(st.database, p, n));
    check(inside(st.options, p, n) && inside(st.replication, p, n));
    check(inside(st.application_name, p, n));
    check(st.nextensions <= st.nparams);

    check_again(&st, n);

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_negotiate_write(&w, NEON_PG_PROTOCOL_3_2, &st);
    check(!w.error && neon_wr_len(&w) >= 13 && neon_wr_len(&w) <= 13 + n);
}


static void
check_cancel(const uint8_t *p, size_t n)
{
    neon_wr_t         w;
    const char       *err;
    neon_pg_cancel_t  cancel;
    uint8_t           out[12 + NEON_PG_CANCEL_KEY_MAX];

    err = NULL;

    if (neon_pg_cancel_parse(&cancel, p, n, &err) != NEON_OK) {
        check(err != NULL);
        return;
    }

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_cancel_write(&w, cancel.pid, cancel.key);
    check(!w.error && neon_wr_len(&w) == n + NEON_PG_STARTUP_HEAD);
    check(memcmp(out + NEON_PG_STARTUP_HEAD, p, n) == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_first(data, size);

    if (size < NEON_PG_STARTUP_HEAD || size > 60000) {
        return 0;
    }

    check_startup(data + NEON_PG_STARTUP_HEAD, size - NEON_PG_STARTUP_HEAD);
    check_cancel(data + NEON_PG_STARTUP_HEAD, size - NEON_PG_STARTUP_HEAD);

    return 0;
}
