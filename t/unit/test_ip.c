/*
 * IP lists: what is accepted, and who belongs to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "neon_ip.h"


static neon_str_t
str(const char *z)
{
    return neon_str(z, strlen(z));
}


static neon_ip_t
ip(const char *text)
{
    int        v6;
    uint8_t    raw[16];
    neon_ip_t  addr;

    v6 = (strchr(text, ':') != NULL);

    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, raw), 1);
    assert_int_equal(neon_ip_set(&addr, raw, v6 ? 16 : 4), NEON_OK);

    return addr;
}


static void
test_set(void **state)
{
    size_t     n;
    uint8_t    raw[32] = { 0 };
    neon_ip_t  addr, mapped;

    (void) state;

    addr = ip("1.2.3.4");
    assert_int_equal(addr.len, 4);
    assert_memory_equal(addr.addr, "\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0\0", 16);

    mapped = ip("::ffff:1.2.3.4");
    assert_memory_equal(&addr, &mapped, sizeof(addr));

    addr = ip("::1.2.3.4");
    assert_int_equal(addr.len, 16);

    addr = ip("2001:db8::1");
    assert_int_equal(addr.len, 16);
    assert_int_equal(addr.addr[0], 0x20);
    assert_int_equal(addr.addr[15], 1);

    for (n = 0; n <= sizeof(raw); n++) {
        assert_int_equal(neon_ip_set(&addr, raw, n),
                         n == 4 || n == 16 ? NEON_OK : NEON_ERROR);
    }
}


static void
test_in_range(void **state)
{
    int              in;
    size_t           i;
    neon_ip_t        addr;
    neon_ip_range_t  range;

    static const struct {
        const char  *range;
        const char  *addr;
        int          in;
    } cases[] = {
        { "127.0.0.1", "127.0.0.1", 1 },
        { "127.0.0.1", "127.0.0.2", 0 },
        { "  127.0.0.1 ", "127.0.0.1", 1 },
        { "0.0.0.0", "0.0.0.0", 1 },
        { "255.255.255.255", "255.255.255.255", 1 },

        { "10.0.0.0/8", "10.0.0.0", 1 },
        { "10.0.0.0/8", "10.255.255.255", 1 },
        { "10.0.0.0/8", "9.255.255.255", 0 },
        { "10.0.0.0/8", "11.0.0.0", 0 },
        { "10.1.2.3/8", "10.200.0.1", 1 },
        { "192.168.1.128/25", "192.168.1.127", 0 },
        { "192.168.1.128/25", "192.168.1.128", 1 },
        { "192.168.1.128/25", "192.168.2.0", 0 },
        { "192.168.0.0/23", "192.168.1.255", 1 },
        { "192.168.0.0/23", "192.168.2.0", 0 },
        { "1.2.3.4/32", "1.2.3.4", 1 },
        { "1.2.3.4/32", "1.2.3.5", 0 },
        { "1.2.3.4/31", "1.2.3.5", 1 },
        { "0.0.0.0/0", "1.2.3.4", 1 },
        { "0.0.0.0/0", "255.255.255.255", 1 },
        { "0.0.0.0/0", "::1", 0 },
        { "128.0.0.0/1", "127.255.255.255", 0 },
        { "128.0.0.0/1", "128.0.0.0", 1 },

        { "127.0.0.1-127.0.0.3", "127.0.0.0", 0 },
        { "127.0.0.1-127.0.0.3", "127.0.0.1", 1 },
        { "127.0.0.1-127.0.0.3", "127.0.0.2", 1 },
        { "127.0.0.1-127.0.0.3", "127.0.0.3", 1 },
        { "127.0.0.1-127.0.0.3", "127.0.0.4", 0 },
        { "1.1.1.250-1.1.2.5", "1.1.2.0", 1 },
        { "1.1.1.1-1.1.1.1", "1.1.1.1", 1 },
        { "127.0.0.3-127.0.0.1", "127.0.0.1", 0 },
        { "127.0.0.3-127.0.0.1", "127.0.0.2", 0 },
        { "127.0.0.3-127.0.0.1", "127.0.0.3", 0 },

        { "::1", "::1", 1 },
        { "::1", "::2", 0 },
        { "::1", "0.0.0.1", 0 },
        { "0.0.0.1", "::1", 0 },
        { "2001:DB8::/32", "2001:db8:ffff::1", 1 },
        { "2001:db8::/32", "2001:db9::", 0 },
        { "2001:db8::/33", "2001:db8:8000::", 0 },
        { "2001:db8::/33", "2001:db8:7fff::", 1 },
        { "2001:db8::1/128", "2001:db8::1", 1 },
        { "2001:db8::1/128", "2001:db8::", 0 },
        { "::/0", "ffff::", 1 },
        { "::/0", "1.2.3.4", 0 },
        { "2001:db8::1-2001:db8::ffff", "2001:db8::1:0", 0 },
        { "2001:db8::1-2001:db8::ffff", "2001:db8::fffe", 1 },
        { "2001:db8::2-2001:db8::1", "2001:db8::1", 0 },
        { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", 1 },
        { "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304", 1 },
        { "abcd:ef01:2345:6789:abcd:ef01:255.255.255.255",
          "abcd:ef01:2345:6789:abcd:ef01:ffff:ffff", 1 },

        { "::ffff:1.2.3.4", "1.2.3.4", 1 },
        { "1.2.3.4", "::ffff:1.2.3.4", 1 },
        { "::ffff:102:304", "1.2.3.4", 1 },
        { "::ffff:10.0.0.0/104", "10.9.9.9", 1 },
        { "::ffff:10.0.0.0/104", "11.0.0.0", 0 },
        { "::ffff:0.0.0.0/96", "8.8.8.8", 1 },
        { "::ffff:1.2.3.4/128", "1.2.3.4", 1 },
        { "::ffff:0.0.0.0/95", "8.8.8.8", 0 },
        { "::ffff:0.0.0.0/95", "::fffe:8.8.8.8", 1 },
        { "::ffff:1.2.3.4-1.2.3.9", "1.2.3.5", 1 },
        { "::ffff:1.2.3.4-::ffff:1.2.3.9", "::ffff:1.2.3.9", 1 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (neon_ip_range_parse(&range, str(cases[i].range)) != NEON_OK) {
            fail_msg("refused: \"%s\"", cases[i].range);
        }

        addr = ip(cases[i].addr);
        in = neon_ip_in_range(&addr, &range);

        if (in != cases[i].in) {
            fail_msg("\"%s\" \"%s\": %d", cases[i].range, cases[i].addr, in);
        }
    }
}


static void
test_range_refused(void **state)
{
    size_t           i;
    neon_ip_range_t  range;

    static const char  *cases[] = {
        "", " ", "x", "localhost", "example.com",
        "300.0.1.2", "30.1.2", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3",
        "1.2.3.256", "01.2.3.4", "1.2.3.04", "0x1.2.3.4", "1.2.3.+4",
        "1.2.3.-4", "1.2.3.4x", "1.2.3.4 x", "1. 2.3.4", "\t1.2.3.4",
        "1.2.3.4\n", "1.2.3.4,1.2.3.5", "16909060", "127.1",

        "1.2.3.4/33", "1.2.3.4/", "/8", "/", "1.2.3.4/x", "1.2.3.4/08",
        "1.2.3.4/-1", "1.2.3.4/+8", "1.2.3.4/ 8", "1.2.3.4 /8", "1.2.3.4/8/8",
        "1.2.3.4/255.0.0.0", "1.2.3.4/4294967304", "300.0.0.0/8", "10/8",
        "::1/129", "::1/1000", "::1/", "::1/0128",

        "127.0.0.1-127.0.3", "127.0.0.1-", "-127.0.0.1", "-", "--",
        "127.0.0.1-127.0.0.2-127.0.0.3", "127.0.0.1-127.0.0.0/8",
        "10.0.0.0/8-11.0.0.0", "127.0.0.1 - 127.0.0.2", "1.2.3.4-::1",
        "::1-1.2.3.4", "::ffff:1.2.3.4-2001:db8::1",

        ":", ":::", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::", "12345::", "g::", "[::1]", "::1%lo", "fe80::1%1",
        "::1.2.3", "::1.2.3.04", "::1.2.3.256", "::ffff:1.2.3.4.5",
        "1:2:3:4:5:6:7:1.2.3.4",
        "abcd:ef01:2345:6789:abcd:ef01:255.255.255.2555",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001"
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (neon_ip_range_parse(&range, str(cases[i])) != NEON_ERROR) {
            fail_msg("accepted: \"%s\"", cases[i]);
        }
    }

    assert_int_equal(neon_ip_range_parse(&range, neon_str(NULL, 0)),
                     NEON_ERROR);
    assert_int_equal(neon_ip_range_parse(&range, neon_str("1.2.3.4\0x", 9)),
                     NEON_ERROR);
    assert_int_equal(neon_ip_range_parse(&range, neon_str("1.2.3.4\0/8", 10)),
                     NEON_ERROR);
}


/* every prefix length of both families, against the plain definition */

static void
test_every_prefix_length(void **state)
{
    char             text[64];
    size_t           bit;
    unsigned         bits;
    neon_ip_t        base, addr;
    neon_ip_range_t  range;

    (void) state;

    base = ip("a5c3:5a3c:0123:4567:89ab:cdef:f0f0:0f0f");

    for (bits = 0; bits <= 128; bits++) {
        (void) snprintf(text, sizeof(text),
                        "a5c3:5a3c:0123:4567:89ab:cdef:f0f0:0f0f/%u", bits);
        assert_int_equal(neon_ip_range_parse(&range, str(text)), NEON_OK);

        for (bit = 0; bit < 128; bit++) {
            addr = base;
            addr.addr[bit / 8] ^= (uint8_t) (0x80 >> bit % 8);
            assert_int_equal(neon_ip_in_range(&addr, &range), bit >= bits);
        }
    }

    base = ip("165.195.90.60");

    for (bits = 0; bits <= 32; bits++) {
        (void) snprintf(text, sizeof(text), "165.195.90.60/%u", bits);
        assert_int_equal(neon_ip_range_parse(&range, str(text)), NEON_OK);

        for (bit = 0; bit < 32; bit++) {
            addr = base;
            addr.addr[bit / 8] ^= (uint8_t) (0x80 >> bit % 8);
            assert_int_equal(neon_ip_in_range(&addr, &range), bit >= bits);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_in_range),
        cmocka_unit_test(test_range_refused),
        cmocka_unit_test(test_every_prefix_length)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
