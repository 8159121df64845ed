/*
 * Bodies of ErrorResponse: what is read can be written and read again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_pg_error.h"
#include "neon_pg_msg.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


/* a string of the body, and its NUL is there too */

static void
check_inside(neon_str_t s, const uint8_t *p, size_t n)
{
    if (s.data == NULL) {
        check(s.len == 0);
        return;
    }

    check(s.data > p && s.data + s.len < p + n);
    check(s.data[s.len] == '\0');
    check(s.len == 0 || memchr(s.data, '\0', s.len) == NULL);
}


static void
check_written(const neon_pg_error_t *e, size_t n)
{
    size_t           size;
    uint8_t         *out;
    neon_wr_t        w;
    neon_pg_msg_t    msg;
    neon_pg_error_t  again;

    size = 2 * n + 64;
    out = malloc(size);
    check(out != NULL);

    neon_wr_init(&w, out, size);
    neon_pg_error_write(&w, e);
    check(!w.error);

    check(neon_pg_msg_parse(&msg, out, neon_wr_len(&w), size) == NEON_OK);
    check(msg.tag == 'E' && msg.size == neon_wr_len(&w));
    check(neon_pg_error_parse(&again, msg.body) == NEON_OK);

    check(neon_str_eq(again.severity, e->severity));
    check(neon_str_eq(again.sqlstate, e->sqlstate));
    check(neon_str_eq(again.message, e->message));
    check(neon_str_eq(again.detail, e->detail));
    check(neon_str_eq(again.hint, e->hint));

    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    neon_pg_error_t  e;

    /* strings of ours may hold anything: it stays one message */

    memset(&e, 0, sizeof(e));
    e.message = neon_str(data, size);
    e.hint = neon_str(data, size / 2);

    if (size == 0 || memchr(data, '\0', size) == NULL) {
        check_written(&e, size);
    }

    if (neon_pg_error_parse(&e, neon_str(data, size)) != NEON_OK) {
        return 0;
    }

    check_inside(e.severity, data, size);
    check_inside(e.sqlstate, data, size);
    check_inside(e.message, data, size);
    check_inside(e.detail, data, size);
    check_inside(e.hint, data, size);
    check(e.sqlstate.len == 0 || e.sqlstate.len == 5);

    check_written(&e, size);

    return 0;
}
