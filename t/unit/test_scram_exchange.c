/*
 * Both sides of SCRAM against each other: with and without channel binding,
 * and with every message cut short or altered in a byte.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neon_scram.h"


#define VERIFIER                                                              \
    "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92"                                     \
    "$FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8="                           \
    ":qxJ1SbmSAi5EcS0J5Ck/cKAm/+Ixa+Kwp63f4OHDgzo="

#define CLIENT_KEY                                                            \
    "\x4a\x67\x01\x84\x0c\x1f\xc8\x30\x1c\x36\x52\xe8\xcf\x0c\x8a\xbd"        \
    "\x28\x20\x86\x1b\x7d\xaa\xe8\x23\xab\xa7\xa6\x29\x46\xe4\xb6\x70"

#define NO_CHANGE     { MESSAGES, 0, 0, 0 }


typedef enum {
    CLIENT_FIRST = 0,
    SERVER_FIRST,
    CLIENT_FINAL,
    SERVER_FINAL,
    MESSAGES                          /* all went through */
} message_e;


/* what happens to one message on its way */

typedef struct {
    message_e                 message;
    size_t                    cut;
    size_t                    offset;
    uint8_t                   x;
} change_t;


typedef struct {
    neon_scram_client_t       client;
    neon_scram_server_t       server;
    neon_scram_keys_t         learned;
    size_t                    len[MESSAGES];
} exchange_t;


static const uint8_t  nonces[2][NEON_SCRAM_RAW_NONCE] = {
    { 0xfb, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0xff },
    { 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 0xfe }
};

static neon_scram_verifier_t  verifier;
static neon_scram_keys_t      keys;


static int
setup(void **state)
{
    (void) state;

    if (neon_scram_verifier_parse(&verifier,
                                  neon_str(VERIFIER, sizeof(VERIFIER) - 1))
        != NEON_OK)
    {
        return 1;
    }

    memcpy(keys.client_key, CLIENT_KEY, NEON_SCRAM_KEY_LEN);
    memcpy(keys.server_key, verifier.server_key, NEON_SCRAM_KEY_LEN);

    return 0;
}


/*
 * The message as the other side gets it: in memory of exactly its size, so
 * that a sanitizer sees a read behind the end.
 */

static neon_str_t
deliver(exchange_t *x, message_e message, const neon_wr_t *w,
    const change_t *change)
{
    size_t   len;
    uint8_t  *p;

    len = neon_wr_len(w);
    x->len[message] = len;

    p = malloc(len);
    assert_non_null(p);
    memcpy(p, w->start, len);

    if (change->message == message) {
        assert_true(change->offset < len);
        assert_true(change->cut <= len);

        p[change->offset] ^= change->x;

        if (change->cut != 0) {
            p = realloc(p, len - change->cut + (len == change->cut));
            assert_non_null(p);
        }

        len -= change->cut;
    }

    return neon_str(p, len);
}


static void
drop(neon_str_t in)
{
    free((void *) (uintptr_t) in.data);
}


/* the message that was refused, or MESSAGES */

static message_e
run(exchange_t *x, uint8_t flag, neon_str_t client_cbind,
    neon_str_t server_cbind, const change_t *change)
{
    uint8_t     buf[NEON_SCRAM_MSG_MAX];
    neon_rc_e   rc;
    neon_wr_t   w;
    neon_str_t  in, mechanism;

    mechanism = (flag == 'p') ? neon_str("SCRAM-SHA-256-PLUS", 18)
                              : neon_str("SCRAM-SHA-256", 13);

    neon_wr_init(&w, buf, sizeof(buf));
    assert_int_equal(neon_scram_client_first(&x->client, flag, client_cbind,
                                             nonces[0], &w),
                     NEON_OK);

    in = deliver(x, CLIENT_FIRST, &w, change);
    neon_wr_init(&w, buf, sizeof(buf));
    neon_scram_server_init(&x->server, server_cbind);
    rc = neon_scram_server_first(&x->server, mechanism, in, &verifier,
                                 nonces[1], &w);
    drop(in);

    if (rc != NEON_OK) {
        return CLIENT_FIRST;
    }

    in = deliver(x, SERVER_FIRST, &w, change);
    neon_wr_init(&w, buf, sizeof(buf));
    rc = neon_scram_client_final(&x->client, in, &verifier, &keys, &w);
    drop(in);

    if (rc != NEON_OK) {
        return SERVER_FIRST;
    }

    in = deliver(x, CLIENT_FINAL, &w, change);
    neon_wr_init(&w, buf, sizeof(buf));
    rc = neon_scram_server_final(&x->server, in, &verifier, &x->learned, &w);
    drop(in);

    if (rc != NEON_OK) {
        return CLIENT_FINAL;
    }

    in = deliver(x, SERVER_FINAL, &w, change);
    rc = neon_scram_client_verify(&x->client, in);
    drop(in);

    return (rc == NEON_OK) ? MESSAGES : SERVER_FINAL;
}


static void
test_without_binding(void **state)
{
    exchange_t      x;
    neon_str_t      none;
    const change_t  no_change = NO_CHANGE;

    (void) state;

    none = neon_str(NULL, 0);

    assert_int_equal(run(&x, 'n', none, none, &no_change), MESSAGES);
    assert_memory_equal(&x.learned, &keys, sizeof(keys));

    assert_int_equal(run(&x, 'y', none, none, &no_change), MESSAGES);
    assert_memory_equal(&x.learned, &keys, sizeof(keys));

    /* offered, and the client cannot */

    assert_int_equal(run(&x, 'n', none, neon_str("hash", 4), &no_change),
                     MESSAGES);
}


static void
test_with_binding(void **state)
{
    size_t          n;
    uint8_t         hash[NEON_SCRAM_CBIND_MAX];
    exchange_t      x;
    const change_t  no_change = NO_CHANGE;

    (void) state;

    for (n = 0; n < sizeof(hash); n++) {
        hash[n] = (uint8_t) (3 * n);
    }

    for (n = 1; n <= sizeof(hash); n++) {
        assert_int_equal(run(&x, 'p', neon_str(hash, n), neon_str(hash, n),
                             &no_change),
                         MESSAGES);
        assert_memory_equal(&x.learned, &keys, sizeof(keys));
    }
}


/* somebody in the middle has a certificate of his own */

static void
test_another_certificate(void **state)
{
    exchange_t      x;
    const change_t  no_change = NO_CHANGE;

    (void) state;

    assert_int_equal(run(&x, 'p', neon_str("hash", 4), neon_str("hasH", 4),
                         &no_change),
                     CLIENT_FINAL);
    assert_int_equal(x.server.fail, NEON_SCRAM_FAIL_CBIND);

    assert_int_equal(run(&x, 'p', neon_str("hash", 4), neon_str("hash2", 5),
                         &no_change),
                     CLIENT_FINAL);
    assert_int_equal(x.server.fail, NEON_SCRAM_FAIL_CBIND);
}


/* ... or takes SCRAM-SHA-256-PLUS off the list */

static void
test_downgrade(void **state)
{
    exchange_t      x;
    const change_t  no_change = NO_CHANGE;
    const change_t  n_for_y = { CLIENT_FIRST, 0, 0, 'y' ^ 'n' };

    (void) state;

    assert_int_equal(run(&x, 'y', neon_str(NULL, 0), neon_str("hash", 4),
                         &no_change),
                     CLIENT_FIRST);
    assert_int_equal(x.server.fail, NEON_SCRAM_FAIL_DOWNGRADE);

    assert_int_equal(run(&x, 'y', neon_str(NULL, 0), neon_str("hash", 4),
                         &n_for_y),
                     CLIENT_FINAL);
    assert_int_equal(x.server.fail, NEON_SCRAM_FAIL_CBIND);
}


static void
test_wrong_keys(void **state)
{
    exchange_t         x;
    neon_str_t         none;
    const change_t     no_change = NO_CHANGE;
    neon_scram_keys_t  right;

    (void) state;

    right = keys;
    none = neon_str(NULL, 0);

    keys.client_key[31] ^= 1;
    assert_int_equal(run(&x, 'n', none, none, &no_change), CLIENT_FINAL);
    assert_int_equal(x.server.fail, NEON_SCRAM_FAIL_PROOF);

    keys = right;
    keys.server_key[0] ^= 0x80;
    assert_int_equal(run(&x, 'n', none, none, &no_change), SERVER_FINAL);
    assert_int_equal(x.client.fail, NEON_SCRAM_CLIENT_FAIL_SERVER);

    keys = right;
}


/*
 * Whatever was altered, not both sides may be content.  A message may get
 * through where the next one shows the difference (an altered nonce); the last
 * one must not.
 */

static void
change_all(uint8_t flag, neon_str_t cbind, int cut)
{
    size_t      i;
    unsigned    v;
    change_t    change;
    message_e   m, refused;
    exchange_t  x, plain;

    const change_t  no_change = NO_CHANGE;

    assert_int_equal(run(&plain, flag, cbind, cbind, &no_change), MESSAGES);

    for (m = CLIENT_FIRST; m < MESSAGES; m++) {
        for (i = 0; i < plain.len[m]; i++) {
            for (v = 1; v < (cut ? 2 : 256); v++) {
                change.message = m;
                change.offset = cut ? 0 : i;
                change.x = cut ? 0 : (uint8_t) v;
                change.cut = cut ? i + 1 : 0;

                refused = run(&x, flag, cbind, cbind, &change);

                if (refused < m || refused == MESSAGES) {
                    fail_msg("message %d, byte %d, by %d: %d", (int) m,
                             (int) i, (int) v, (int) refused);
                }
            }
        }
    }
}


static void
test_every_prefix_is_refused(void **state)
{
    (void) state;

    change_all('n', neon_str(NULL, 0), 1);
    change_all('y', neon_str(NULL, 0), 1);
    change_all('p', neon_str("hash of a certificate", 21), 1);
}


static void
test_every_altered_byte_is_refused(void **state)
{
    (void) state;

    change_all('n', neon_str(NULL, 0), 0);
    change_all('y', neon_str(NULL, 0), 0);
    change_all('p', neon_str("hash of a certificate", 21), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_without_binding),
        cmocka_unit_test(test_with_binding),
        cmocka_unit_test(test_another_certificate),
        cmocka_unit_test(test_downgrade),
        cmocka_unit_test(test_wrong_keys),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_every_altered_byte_is_refused)
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
