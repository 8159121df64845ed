/*
 * host:port of a raw tunnel: what is accepted, and which patterns cover it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "neon_hostport.h"


#define LABEL63                                                               \
    "a23456789012345678901234567890123456789012345678901234567890123"


static neon_str_t
str(const char *z)
{
    return neon_str(z, strlen(z));
}


static void
test_query(void **state)
{
    size_t      i;
    neon_str_t  address;

    static const struct {
        const char  *query;
        neon_rc_e    rc;
        const char  *address;
    } cases[] = {
        { "", NEON_AGAIN, NULL },
        { "&", NEON_AGAIN, NULL },
        { "a=b", NEON_AGAIN, NULL },
        { "a=b&xaddress=c:1&addressx=d:1", NEON_AGAIN, NULL },
        { "Address=a:1", NEON_AGAIN, NULL },
        { "%61ddress=a:1", NEON_AGAIN, NULL },
        { "a=b?address=a:1", NEON_AGAIN, NULL },
        { "address", NEON_OK, "" },
        { "address=", NEON_OK, "" },
        { "address=&", NEON_OK, "" },
        { "address=a:1", NEON_OK, "a:1" },
        { "address=a:1&", NEON_OK, "a:1" },
        { "&&address=a:1", NEON_OK, "a:1" },
        { "x=y&address=a:1&z", NEON_OK, "a:1" },
        { "address=a=b", NEON_OK, "a=b" },
        { "address=a%3A1", NEON_OK, "a%3A1" },
        { "address=a:1&address=a:1", NEON_ERROR, NULL },
        { "address&x&address=a:1", NEON_ERROR, NULL },
    };

    (void) state;

    assert_int_equal(neon_hostport_query(&address, neon_str(NULL, 0)),
                     NEON_AGAIN);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (neon_hostport_query(&address, str(cases[i].query)) != cases[i].rc
            || (cases[i].address
                && !neon_str_eqz(address, cases[i].address)))
        {
            fail_msg("query \"%s\"", cases[i].query);
        }
    }
}


static void
test_parse(void **state)
{
    size_t           i;
    neon_hostport_t  hp;

    static const struct {
        const char  *text;
        const char  *host;
        unsigned     port;
        unsigned     ip;              /* its length */
    } cases[] = {
        { "db.example.com:5432", "db.example.com", 5432, 0 },
        { "DB.Example.COM:5432", "DB.Example.COM", 5432, 0 },
        { "localhost:1", "localhost", 1, 0 },
        { "my_db-1:65535", "my_db-1", 65535, 0 },
        { "1a:5432", "1a", 5432, 0 },
        { "1.2.3.4.x:5432", "1.2.3.4.x", 5432, 0 },
        { "0xg:5432", "0xg", 5432, 0 },
        { "dead.beef:5432", "dead.beef", 5432, 0 },
        { LABEL63 ":5432", LABEL63, 5432, 0 },
        { LABEL63 "." LABEL63 "." LABEL63 "."
          "a234567890123456789012345678901234567890123456789012345678901:9",
          LABEL63 "." LABEL63 "." LABEL63 "."
          "a234567890123456789012345678901234567890123456789012345678901",
          9, 0 },
        { "127.0.0.1:5432", "127.0.0.1", 5432, 4 },
        { "0.0.0.0:5432", "0.0.0.0", 5432, 4 },
        { "[::1]:5432", "::1", 5432, 16 },
        { "[2001:DB8::A]:5432", "2001:DB8::A", 5432, 16 },
        { "[::ffff:10.0.0.1]:5432", "::ffff:10.0.0.1", 5432, 4 },
        { "[::ffff:a00:1]:5432", "::ffff:a00:1", 5432, 4 },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (neon_hostport_parse(&hp, str(cases[i].text)) != NEON_OK
            || !neon_str_eqz(hp.host, cases[i].host)
            || hp.port != cases[i].port || hp.ip.len != cases[i].ip)
        {
            fail_msg("\"%s\" is an address", cases[i].text);
        }
    }
}


static void
test_malformed(void **state)
{
    size_t           i, n;
    neon_hostport_t  hp;

    static const struct {
        const char  *text;
        size_t       len;             /* 0: as strlen() says */
    } cases[] = {
        { "", 0 },
        { ":", 0 },
        { "a", 0 },
        { "a:", 0 },
        { ":5432", 0 },
        { "a:0", 0 },
        { "a:65536", 0 },
        { "a:99999", 0 },
        { "a:4294967297", 0 },
        { "a:05432", 0 },
        { "a:+5432", 0 },
        { "a:-1", 0 },
        { "a:5432 ", 0 },
        { "a: 5432", 0 },
        { "a:5432-5433", 0 },
        { "a:*", 0 },
        { "a:http", 0 },
        { "a:5432:5432", 0 },
        { "a:5432/x", 0 },
        { "a:5432?x", 0 },
        { "a:5432\0", 7 },
        { "a\0b:5432", 8 },
        { "\0:5432", 6 },
        { "a:54\00032", 7 },
        { " a:5432", 0 },
        { "a b:5432", 0 },
        { "a.:5432", 0 },
        { ".a:5432", 0 },
        { "a..b:5432", 0 },
        { ".:5432", 0 },
        { "*:5432", 0 },
        { "*.a:5432", 0 },
        { "u@a:5432", 0 },
        { "u:p@a:5432", 0 },
        { "a%2eb:5432", 0 },
        { "a%3A5432", 0 },
        { "a/b:5432", 0 },
        { "//a:5432", 0 },
        { "unix:/tmp/x", 0 },
        { "/tmp/.s.PGSQL.5432", 0 },
        { "a,b:5432", 0 },
        { "a#b:5432", 0 },
        { "a\\b:5432", 0 },
        { "d\303\266:5432", 0 },
        { LABEL63 "4:5432", 0 },
        { LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 ":5432", 0 },
        /* what inet_aton() takes */
        { "127.1:5432", 0 },
        { "127.0.1:5432", 0 },
        { "2130706433:5432", 0 },
        { "0x7f000001:5432", 0 },
        { "0X7F.1:5432", 0 },
        { "127.0x1:5432", 0 },
        { "0177.0.0.1:5432", 0 },
        { "127.0.0.01:5432", 0 },
        { "127.0.0.1.:5432", 0 },
        { "256.0.0.1:5432", 0 },
        { "1.2.3.4.5:5432", 0 },
        { "a.1:5432", 0 },
        { "0x:5432", 0 },
        /* addresses, but not one */
        { "10.0.0.0/8:5432", 0 },
        { "10.0.0.1-10.0.0.2:5432", 0 },
        { "[fd00::/8]:5432", 0 },
        { "[::1-::2]:5432", 0 },
        /* brackets */
        { "[", 0 },
        { "[]", 0 },
        { "[]:5432", 0 },
        { "[::1]", 0 },
        { "[::1]5432", 0 },
        { "[::1]:", 0 },
        { "[::1:5432", 0 },
        { "[[::1]]:5432", 0 },
        { "[127.0.0.1]:5432", 0 },
        { "[a]:5432", 0 },
        { "[dead]:5432", 0 },
        { "[*]:5432", 0 },
        { "::1:5432", 0 },
        { "[fe80::1%eth0]:5432", 0 },
        { "[fe80::1%25eth0]:5432", 0 },
        { "[::1]x:5432", 0 },
        { "x[::1]:5432", 0 },
        { "[::1\0]:5432", 11 },
        { "[ ::1 ]:5432", 0 },
        { "[1::2::3]:5432", 0 },
    };

    (void) state;

    assert_int_equal(neon_hostport_parse(&hp, neon_str(NULL, 0)), NEON_ERROR);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n = cases[i].len ? cases[i].len : strlen(cases[i].text);

        if (neon_hostport_parse(&hp, neon_str(cases[i].text, n))
            != NEON_ERROR)
        {
            fail_msg("\"%s\" is no address", cases[i].text);
        }
    }
}


static void
test_match(void **state)
{
    int                      yes;
    size_t                   i;
    neon_hostport_t          hp;
    neon_hostport_pattern_t  p;

    static const struct {
        const char  *pattern;
        const char  *address;
        int          yes;
    } cases[] = {
        { "db.example.com:5432", "db.example.com:5432", 1 },
        { "db.example.com:5432", "DB.EXAMPLE.com:5432", 1 },
        { "DB.example.COM:5432", "db.example.com:5432", 1 },
        { "db.example.com:5432", "db.example.com:5433", 0 },
        { "db.example.com:5432", "db.example.con:5432", 0 },
        { "db.example.com:5432", "xdb.example.com:5432", 0 },
        { "db.example.com:5432", "a.db.example.com:5432", 0 },
        { "db.example.com:5432", "db.example.com.evil.net:5432", 0 },
        { "*.example.com:5432", "a.example.com:5432", 1 },
        { "*.example.com:5432", "a.b.Example.com:5432", 1 },
        { "*.example.com:5432", "example.com:5432", 0 },
        { "*.example.com:5432", "aexample.com:5432", 0 },
        { "*.example.com:5432", "a.example.com.evil.net:5432", 0 },
        { "*.example.com:5432", "a.example.com:1", 0 },
        { "127.0.0.1:5432", "127.0.0.1:5432", 1 },
        { "127.0.0.1:5432", "127.0.0.2:5432", 0 },
        { "127.0.0.1:5432", "[::ffff:127.0.0.1]:5432", 1 },
        { "127.0.0.1:5432", "localhost:5432", 0 },
        { "127.0.0.1:5432", "[::1]:5432", 0 },
        { "localhost:5432", "127.0.0.1:5432", 0 },
        { "10.0.0.0/8:5432", "10.255.0.1:5432", 1 },
        { "10.0.0.0/8:5432", "11.0.0.1:5432", 0 },
        { "10.0.0.1-10.0.0.3:5432", "10.0.0.3:5432", 1 },
        { "10.0.0.1-10.0.0.3:5432", "10.0.0.4:5432", 0 },
        { "[2001:db8::1]:5432", "[2001:0db8:0::1]:5432", 1 },
        { "[2001:db8::1]:5432", "[2001:db8::2]:5432", 0 },
        { "[fd00::/8]:5432", "[fdff::1]:5432", 1 },
        { "[fd00::/8]:5432", "[fe00::1]:5432", 0 },
        { "[::ffff:10.0.0.0/104]:5432", "10.1.2.3:5432", 1 },
        { "0.0.0.0/0:5432", "1.2.3.4:5432", 1 },
        { "0.0.0.0/0:5432", "a.example.com:5432", 0 },
        { "0.0.0.0/0:5432", "[::1]:5432", 0 },
        { "*:5432", "a.example.com:5432", 1 },
        { "*:5432", "10.0.0.1:5432", 1 },
        { "*:5432", "[::1]:5432", 1 },
        { "*:5432", "a:5431", 0 },
        { "a:5432-5440", "a:5431", 0 },
        { "a:5432-5440", "a:5432", 1 },
        { "a:5432-5440", "a:5440", 1 },
        { "a:5432-5440", "a:5441", 0 },
        { "a:7-7", "a:7", 1 },
        { "a:*", "a:1", 1 },
        { "a:*", "a:65535", 1 },
        { "*:*", "[2001:db8::1]:1", 1 },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(neon_hostport_pattern_parse(&p,
                                                     str(cases[i].pattern)),
                         NEON_OK);
        assert_int_equal(neon_hostport_parse(&hp, str(cases[i].address)),
                         NEON_OK);

        yes = neon_hostport_match(&p, &hp);

        if (yes != cases[i].yes) {
            fail_msg("\"%s\" %s \"%s\"", cases[i].pattern,
                     yes ? "covers" : "does not cover", cases[i].address);
        }
    }
}


static void
test_bad_patterns(void **state)
{
    size_t                   i;
    neon_hostport_pattern_t  p;

    static const char *const  cases[] = {
        "", "*", "a", "a:", ":*", "off", "a:0", "a:65536", "a:0-5", "a:5-4",
        "a:5-", "a:-5", "a:5-6-7", "a:**", "a:5432:1", "**:1", "*.:1", "*.*:1",
        "a.*:1", "*a:1", "*.a..b:1", "*.1:1", "*.10.0.0.1:1", "a.:1", ".a:1",
        "10.0.0.0/33:1", "10.0.0.0/:1", "10.0.0:1", "10.0.0.0/8/8:1",
        "10.0.0.9-10.0.0.1:1", "fd00::/8:1", "::1:1", "[::1]", "[*]:1",
        "[10.0.0.1]:1", "[a]:1", "[fd00::/129]:1", "[::2-::1]:1", " a:1",
        "[ ::1]:1", "https://a:1", "a%:1", "[fe80::1%lo]:1",
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (neon_hostport_pattern_parse(&p, str(cases[i])) != NEON_ERROR) {
            fail_msg("\"%s\" is no pattern", cases[i]);
        }
    }
}


/* a name is nothing that a resolver would take for an address */

static void
test_names_are_names(void **state)
{
    char             text[64];
    size_t           i, j;
    struct in_addr   in;
    neon_hostport_t  hp;

    static const char *const  parts[] = {
        "0", "00", "1", "7f", "0x", "0x0", "0X7f", "08", "255", "4294967295",
        "a", "1a", "0xg", "x0", "_", "-1"
    };

    const size_t  n = sizeof(parts) / sizeof(parts[0]);

    (void) state;

    for (i = 0; i < n * n; i++) {
        for (j = 0; j <= n; j++) {
            (void) snprintf(text, sizeof(text), "%s.%s%s%s:1", parts[i / n],
                            parts[i % n], j < n ? "." : "",
                            j < n ? parts[j] : "");

            if (neon_hostport_parse(&hp, str(text)) != NEON_OK) {
                continue;
            }

            assert_int_equal(hp.ip.len, 0);
            text[hp.host.len] = '\0';

            if (inet_aton(text, &in) != 0) {
                fail_msg("\"%s\" is taken for a name", text);
            }
        }
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_bad_patterns),
        cmocka_unit_test(test_names_are_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
