/*
 * A stream of messages of both sides: framing byte by byte, the bodies that we
 * read, and our writers on what was read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_pg_msg.h"


#define MAX_BODY  512


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


/* a message that we wrote must be the one that we read */

static void
check_same(const neon_wr_t *w, uint8_t tag, neon_str_t body)
{
    neon_pg_msg_t  msg;

    check(!w->error);
    check(neon_pg_msg_parse(&msg, w->start, neon_wr_len(w), SIZE_MAX)
          == NEON_OK);
    check(msg.size == neon_wr_len(w));
    check(msg.tag == tag && neon_str_eq(msg.body, body));
}


static void
check_client(neon_str_t body)
{
    neon_wr_t               w;
    neon_str_t              password;
    neon_pg_sasl_initial_t  m;
    uint8_t                 out[MAX_BODY + 16];
    char                    mechanism[MAX_BODY + 1];

    if (neon_pg_password_parse(&password, body) == NEON_OK) {
        neon_wr_init(&w, out, sizeof(out));
        neon_pg_password_write(&w, password);
        check_same(&w, 'p', body);
    }

    if (neon_pg_sasl_initial_parse(&m, body) == NEON_OK) {
        check(m.mechanism.len < sizeof(mechanism));
        memcpy(mechanism, m.mechanism.data, m.mechanism.len + 1);

        neon_wr_init(&w, out, sizeof(out));
        neon_pg_sasl_initial_write(&w, mechanism, m.data);
        check_same(&w, 'p', body);
    }

    neon_wr_init(&w, out, sizeof(out));
    neon_pg_sasl_response_write(&w, body);
    check_same(&w, 'p', body);
}


static void
check_compute(neon_str_t body)
{
    int         plain;
    size_t      i;
    uint32_t    code, pid, version;
    neon_wr_t   w;
    neon_str_t  rest, key;
    uint8_t     out[MAX_BODY + 16];

    if (neon_pg_auth_parse(&code, &rest, body) == NEON_OK) {
        neon_wr_init(&w, out, sizeof(out));
        neon_pg_auth_write(&w, code, rest);
        check_same(&w, 'R', body);
    }

    plain = neon_pg_sasl_offers(body, "SCRAM-SHA-256");

    if (plain || neon_pg_sasl_offers(body, "SCRAM-SHA-256-PLUS")) {

        /* a list that is whole is not whole when it is cut */

        check(body.data[body.len - 1] == '\0');

        for (i = 0; i < body.len; i++) {
            check(!neon_pg_sasl_offers(neon_str(body.data, i),
                                       "SCRAM-SHA-256"));
        }
    }

    if (neon_pg_key_data_parse(&pid, &key, body) == NEON_OK) {
        check(key.len >= 4 && key.len <= 256);

        neon_wr_init(&w, out, sizeof(out));
        neon_pg_key_data_write(&w, pid, key);
        check_same(&w, 'K', body);
    }

    if (neon_pg_negotiate_parse(&version, body) == NEON_OK) {
        check(body.len >= 8);
        check(body.len == 8 || body.data[body.len - 1] == '\0');
    }
}


/* 0: no message at the front */

static size_t
check_frame(const uint8_t *p, size_t n)
{
    size_t         i;
    neon_rc_e      whole, rc;
    neon_pg_msg_t  msg, part;

    whole = neon_pg_msg_parse(&msg, p, n, MAX_BODY);

    for (i = 0; i < n && i < MAX_BODY + 6; i++) {
        rc = neon_pg_msg_parse(&part, p, i, MAX_BODY);

        if (rc == NEON_AGAIN) {
            check(part.size == 0 || part.size > i);
            continue;
        }

        check(rc == whole);
        check(rc == NEON_ERROR || (part.size == msg.size && i >= msg.size));
    }

    if (whole == NEON_AGAIN) {
        check(n < MAX_BODY + 5 && (msg.size == 0 || msg.size > n));
    }

    if (whole != NEON_OK) {
        return 0;
    }

    check(msg.size >= 5 && msg.size <= n && msg.size <= MAX_BODY + 5);
    check(msg.body.data == p + 5 && msg.body.len == msg.size - 5);

    check_client(msg.body);
    check_compute(msg.body);

    return msg.size;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t  n;

    do {
        n = check_frame(data, size);
        data += n;
        size -= n;
    } while (n != 0);

    return 0;
}
