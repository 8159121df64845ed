/*
 * Names of endpoints: from host names and passwords, their rules and their
 * normal form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neon_endpoint.h"


/* 63 bytes */

#define LABEL  "abcdefghijklmnopqrstuvwxyz0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ"


static neon_str_t
str(const char *z)
{
    return neon_str(z, strlen(z));
}


static void
test_from_host(void **state)
{
    int         rc;
    size_t      i;
    neon_str_t  host, label;

    static const struct {
        const char  *host;
        const char  *pattern;
        const char  *label;           /* NULL: not covered */
    } cases[] = {
        { "foo.localhost", "*.localhost", "foo" },
        { "foo.db.example.com", "*.db.example.com", "foo" },
        { "foo.db.example.com", "db.example.com", "foo" },
        { "foo.db.example.com.", "*.db.example.com", "foo" },
        { "foo.DB.Example.COM", "*.db.example.com", "foo" },
        { "foo.AZ.az-[`{.example", "*.az.AZ-[`{.example", "foo" },
        { "foo.a[z.example", "a{z.example", NULL },
        { "foo.a@z.example", "a`z.example", NULL },
        { "foo.db.example.com", "*.DB.example.com", "foo" },
        { "Foo-Pooler.db.example.com", "*.db.example.com", "Foo-Pooler" },
        { "1.db.example.com", "*.db.example.com", "1" },
        { "foo_bar.db.example.com", "*.db.example.com", "foo_bar" },
        { "apis.db.example.com", "*.db.example.com", "apis" },

        { "db.example.com", "*.db.example.com", NULL },
        { ".db.example.com", "*.db.example.com", NULL },
        { "a.foo.db.example.com", "*.db.example.com", NULL },
        { "foo.db.example.org", "*.db.example.com", NULL },
        { "foo.xdb.example.com", "*.db.example.com", NULL },
        { "foodb.example.com", "*.db.example.com", NULL },
        { "foo.db.example.com..", "*.db.example.com", NULL },
        { "foo..db.example.com", "*.db.example.com", NULL },
        { "foo.db.example.co", "*.db.example.com", NULL },
        { "foo.db.example.comx", "*.db.example.com", NULL },
        { "foo", "*.db.example.com", NULL },
        { "foo.", "*.db.example.com", NULL },
        { "", "*.db.example.com", NULL },
        { ".", "*.db.example.com", NULL },
        { "api.db.example.com", "*.db.example.com", NULL },
        { "API.db.example.com", "*.db.example.com", NULL },
        { "apiauth.db.example.com", "*.db.example.com", NULL },
        { "apiAuth.db.example.com", "db.example.com", NULL },

        { "foo.localhost", "*", "foo" },
        { "foo.example.com", "*", "foo" },
        { "foo.example.com.", "*", "foo" },
        { "a.b.c.d", "*", "a" },
        { "1.2.3.four", "*", "1" },
        { "127.0.0.1.nip.io", "*", "127" },

        { "localhost", "*", NULL },
        { "localhost.", "*", NULL },
        { "", "*", NULL },
        { ".", "*", NULL },
        { "..", "*", NULL },
        { ".example.com", "*", NULL },
        { "foo..com", "*", NULL },
        { "foo.com..", "*", NULL },
        { "api.example.com", "*", NULL },
        { "apiauth.example.com", "*", NULL },
        { "127.0.0.1", "*", NULL },
        { "127.0.0.1.", "*", NULL },
        { "127.1", "*", NULL },
        { "300.0.0.1", "*", NULL },
        { "::1", "*", NULL },
        { "[::1]", "*", NULL },
        { "::ffff:127.0.0.1", "*", NULL },
        { "[::ffff:127.0.0.1]", "*", NULL },
        { "fe80::1%eth0.x", "*", NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        host = str(cases[i].host);
        rc = neon_endpoint_from_host(&label, host, str(cases[i].pattern));

        if (rc != (cases[i].label != NULL)) {
            fail_msg("\"%s\" \"%s\": %d", cases[i].host, cases[i].pattern, rc);
        }

        if (rc) {
            assert_true(neon_str_eqz(label, cases[i].label));
            assert_ptr_equal(label.data, host.data);
        }
    }

    assert_int_equal(neon_endpoint_from_host(&label, neon_str(NULL, 0),
                                             str("*")),
                     0);
    assert_int_equal(neon_endpoint_from_host(&label, neon_str(NULL, 0),
                                             str("*.db.example.com")),
                     0);
}


static void
test_pattern_valid(void **state)
{
    char    longest[256];
    size_t  i;

    static const char  *good[] = {
        "*", "*.db.example.com", "db.example.com", "*.localhost", "localhost",
        "*.a", "*.1a.x-y.Z", LABEL ".com", "*." LABEL ".com", "0.example"
    };

    static const char  *bad[] = {
        "", ".", "*.", "**", "*.*", "*.*.example.com", "*db.example.com",
        "x*.example.com", "ep.*.example.com", "*..example.com", ".example.com",
        "example.com.", "*.example.com.", "example..com", "-a.example",
        "a-.example", "a.-b", "a_b.example", "a b", " a", "a ", "a:5432",
        "[::1]", "::1", "127.0.0.1", "*.0.0.1", "1", "a/b", "https://a.b",
        "\303\244.example", "x" LABEL ".com"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!neon_endpoint_pattern_valid(str(good[i]))) {
            fail_msg("refused: \"%s\"", good[i]);
        }
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (neon_endpoint_pattern_valid(str(bad[i]))) {
            fail_msg("accepted: \"%s\"", bad[i]);
        }
    }

    assert_int_equal(neon_endpoint_pattern_valid(neon_str(NULL, 0)), 0);
    assert_int_equal(neon_endpoint_pattern_valid(neon_str("a\0b", 3)), 0);

    for (i = 0; i < sizeof(longest); i++) {
        longest[i] = (i % 2 == 0) ? 'x' : '.';
    }

    assert_int_equal(neon_endpoint_pattern_valid(neon_str(longest, 253)), 1);
    assert_int_equal(neon_endpoint_pattern_valid(neon_str(longest, 255)), 0);
}


static void
test_valid(void **state)
{
    size_t  i;

    static const char  *good[] = {
        "ep-cool-name-123456", "a", "-", "0", "EP", LABEL
    };

    static const char  *bad[] = {
        "", "ep_1", "ep.1", "ep 1", "ep;1", "ep/1", "ep\n", "ep\303\244",
        "ep@1", "ep[1", "ep`1", "ep{1", LABEL "x"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!neon_endpoint_valid(str(good[i]))) {
            fail_msg("refused: \"%s\"", good[i]);
        }
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (neon_endpoint_valid(str(bad[i]))) {
            fail_msg("accepted: \"%s\"", bad[i]);
        }
    }

    assert_int_equal(neon_endpoint_valid(neon_str(NULL, 0)), 0);
    assert_int_equal(neon_endpoint_valid(neon_str("a\0b", 3)), 0);
}


static void
test_normal(void **state)
{
    size_t      i;
    neon_str_t  normal;

    static const struct {
        const char  *name;
        const char  *normal;
    } cases[] = {
        { "ep-1", "ep-1" },
        { "ep-1-pooler", "ep-1" },
        { "ep-1-local-proxy", "ep-1" },
        { "ep-1-pooler-pooler", "ep-1-pooler" },
        { "ep-1-local-proxy-pooler", "ep-1-local-proxy" },
        { "ep-1-pooler-local-proxy", "ep-1-pooler" },
        { "ep-1-Pooler", "ep-1-Pooler" },
        { "ep-1pooler", "ep-1pooler" },
        { "ep-1-pooler-", "ep-1-pooler-" },
        { "pooler", "pooler" },
        { "-pooler", "-pooler" },
        { "-local-proxy", "-local-proxy" },
        { "x-pooler", "x" },
        { "", "" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        normal = neon_endpoint_normal(str(cases[i].name));

        if (!neon_str_eqz(normal, cases[i].normal)) {
            fail_msg("\"%s\": \"%.*s\"", cases[i].name, (int) normal.len,
                     (const char *) normal.data);
        }
    }

    assert_int_equal(neon_endpoint_normal(neon_str(NULL, 0)).len, 0);
}


static void
test_from_password(void **state)
{
    size_t      i;
    neon_rc_e   rc;
    neon_str_t  name, password;

    static const struct {
        const char  *in;
        const char  *name;            /* NULL: no such prefix */
        const char  *password;
    } cases[] = {
        { "endpoint=my-endpoint;my-secret-password", "my-endpoint",
          "my-secret-password" },
        { "project=foobar;pass;word", "foobar", "pass;word" },
        { "endpoint=foobar;pass$word", "foobar", "pass$word" },
        { "endpoint=foobar$pass$word", "foobar", "pass$word" },
        { "project=foobar$pass", "foobar", "pass" },
        { "project=;", "", "" },
        { "endpoint=$", "", "" },
        { "endpoint=a$b;c", "a$b", "c" },
        { "endpoint=a;", "a", "" },
        { "endpoint=a;\377\376", "a", "\377\376" },
        { "endpoint=project=a;b", "project=a", "b" },

        { "", NULL, NULL },
        { ";", NULL, NULL },
        { "$", NULL, NULL },
        { "broken", NULL, NULL },
        { "endpoint=a", NULL, NULL },
        { "endpoint;a", NULL, NULL },
        { "endpoin;t=a$b", NULL, NULL },
        { "Endpoint=a;b", NULL, NULL },
        { " endpoint=a;b", NULL, NULL },
        { "xproject=a;b", NULL, NULL },
        { "x;endpoint=a;b", NULL, NULL },
        { "x;endpoint=a$b", NULL, NULL },
        { "x$endpoint=a$b", NULL, NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rc = neon_endpoint_from_password(&name, &password, str(cases[i].in));

        if (rc != (cases[i].name != NULL ? NEON_OK : NEON_ERROR)) {
            fail_msg("\"%s\": %d", cases[i].in, (int) rc);
        }

        if (rc == NEON_OK) {
            assert_true(neon_str_eqz(name, cases[i].name));
            assert_true(neon_str_eqz(password, cases[i].password));
        }
    }

    assert_int_equal(neon_endpoint_from_password(&name, &password,
                                                 neon_str(NULL, 0)),
                     NEON_ERROR);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_from_host),
        cmocka_unit_test(test_pattern_valid),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_normal),
        cmocka_unit_test(test_from_password)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
