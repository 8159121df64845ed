/*
 * "options": every token is either ours and kept, or passed on, and filtering
 * what was filtered changes nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_pg_options.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


static int
inside(neon_str_t s, neon_str_t in)
{
    return s.data >= in.data && s.len <= in.len
           && s.data - in.data <= (long) (in.len - s.len);
}


static unsigned
count(neon_str_t options)
{
    unsigned    n;
    neon_rd_t   rd;
    neon_str_t  token;

    neon_rd_init(&rd, options.data, options.len);

    for (n = 0; neon_pg_options_next(&rd, &token); n++) {
        check(token.len != 0);
    }

    check(neon_rd_left(&rd) == 0 && !rd.error);

    return n;
}


static void
check_order(const neon_pg_option_t *a, const neon_pg_option_t *b)
{
    int     rc;
    size_t  len;

    len = (a->name.len < b->name.len) ? a->name.len : b->name.len;
    rc = memcmp(a->name.data, b->name.data, len);

    check(rc < 0 || (rc == 0 && a->name.len <= b->name.len));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned           i, tokens, left, params;
    uint8_t           *out, *again;
    neon_rc_e          rc;
    neon_wr_t          w, v;
    neon_str_t         options;
    neon_pg_options_t  o, p;

    options = neon_str(data, size);

    rc = neon_pg_options_parse(&o, options);
    check(o.noptions <= NEON_PG_OPTIONS_MAX);

    for (i = 0; i < o.noptions; i++) {
        check(o.option[i].name.len != 0 && o.option[i].value.len != 0);
        check(inside(o.option[i].name, options));
        check(inside(o.option[i].value, options));

        if (i != 0) {
            check_order(&o.option[i - 1], &o.option[i]);
        }
    }

    check((o.endpoint.data != NULL) == (o.nendpoints == 1));
    check(o.endpoint.data == NULL || inside(o.endpoint, options));

    out = malloc(size + 1);
    again = malloc(size + 1);
    check(out != NULL && again != NULL);

    neon_wr_init(&w, out, size);
    neon_pg_options_filter(&w, options);
    check(!w.error);

    tokens = count(options);
    left = count(neon_str(out, neon_wr_len(&w)));

    /* those that may stand behind "-c", a token of its own; of the last two
       only one each is known */

    params = o.nendpoints + (o.traceparent.data != NULL)
             + (o.tracestate.data != NULL);

    if (rc == NEON_OK) {
        check(tokens >= left + o.noptions + params);
        check(params != 0 || tokens == left + o.noptions);
    }

    check(o.traceparent.data == NULL || inside(o.traceparent, options));
    check(o.tracestate.data == NULL || inside(o.tracestate, options));

    check(neon_pg_options_parse(&p, neon_str(out, neon_wr_len(&w)))
          == NEON_OK);
    check(p.nendpoints == 0 && p.noptions == 0 && !p.params_compat);
    check(p.traceparent.data == NULL && p.tracestate.data == NULL);

    neon_wr_init(&v, again, size);
    neon_pg_options_filter(&v, neon_str(out, neon_wr_len(&w)));
    check(!v.error);
    check(neon_str_eq(neon_str(out, neon_wr_len(&w)),
                      neon_str(again, neon_wr_len(&v))));

    free(out);
    free(again);

    return 0;
}
