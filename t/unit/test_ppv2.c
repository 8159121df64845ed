/*
 * TLVs of a PROXY header, version 2.  The values are those of AWS ("Proxy
 * protocol", Network Load Balancers: PP2_TYPE_AWS 0xEA) and of Azure ("Getting
 * connection information using TCP Proxy v2", Private Link: PP2_TYPE_AZURE
 * 0xEE).
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "neon_ppv2.h"


#define SIGNATURE  "\r\n\r\n\0\r\nQUIT\n"
#define FOUR       "\xc0\0\x02\x07\x7f\0\0\x01\x12\x34\x15\x38"
#define VPCE       "vpce-08d2bf15fac5001c9"
#define AWS        "\xea\0\x17\x01" VPCE
#define AZURE      "\xee\0\x05\x01\x78\x56\x34\x12"
#define NOOP       "\x04\0\x03\0\0\0"
#define CRC32C     "\x03\0\x04\x01\x02\x03\x04"
#define ALPN       "\x01\0\x02h2"

#define BYTES(s)   { (const uint8_t *) s, sizeof(s) - 1 }


static void
links(void **state)
{
    size_t            i;
    neon_ppv2_link_t  link;

    static const struct {
        neon_str_t   tlvs;
        const char  *link;            /* NULL: refused; "": none */
    } c[] = {
        { BYTES(""), "" },
        { BYTES(AWS), VPCE },
        { BYTES(CRC32C AWS NOOP), VPCE },
        { BYTES(AZURE), "305419896" },
        { BYTES(ALPN AZURE), "305419896" },
        { BYTES("\xee\0\x05\x01\0\0\0\0"), "0" },
        { BYTES("\xee\0\x05\x01\x0a\0\0\0"), "10" },
        { BYTES("\xee\0\x05\x01\xff\xff\xff\xff"), "4294967295" },
        { BYTES("\xea\0\x02\x01x"), "x" },
        { BYTES("\xea\0\x40\x01"
                "123456789 123456789"), NULL },
        { BYTES("\xea\0\x40\x01"
                "0123456789012345678901234567890123456789"
                "01234567890123456789012"),
          "0123456789012345678901234567890123456789"
          "01234567890123456789012" },
        { BYTES("\xea\0\x41\x01"
                "0123456789012345678901234567890123456789"
                "012345678901234567890123"), NULL },

        /* others, and other subtypes */
        { BYTES(ALPN CRC32C NOOP), "" },
        { BYTES("\x04\0\0"), "" },
        { BYTES("\xea\0\x03\x02xy"), "" },
        { BYTES("\xee\0\x05\x02\0\0\0\0"), "" },
        { BYTES("\xea\0\0"), "" },
        { BYTES("\xee\0\0"), "" },
        { BYTES("\xee\0\0" AWS), VPCE },
        { BYTES("\x04\0\x1a" AWS), "" },

        /* malformed */
        { BYTES("\xea"), NULL },
        { BYTES("\xea\0"), NULL },
        { BYTES("\xea\0\x17"), NULL },
        { BYTES("\xea\0\x18\x01" VPCE), NULL },
        { BYTES(AWS "\x04"), NULL },
        { BYTES(AWS "\x04\0\x01"), NULL },
        { BYTES("\x04\xff\xff" AWS), NULL },
        { BYTES("\xea\0\x01\x01"), NULL },
        { BYTES("\xee\0\x01\x01"), NULL },
        { BYTES("\xee\0\x04\x01\0\0\0"), NULL },
        { BYTES("\xee\0\x06\x01\0\0\0\0\0"), NULL },
        { BYTES("\xea\0\x04\x01" "a\0b"), NULL },
        { BYTES("\xea\0\x04\x01" "a b"), NULL },
        { BYTES("\xea\0\x04\x01" "a\nb"), NULL },
        { BYTES("\xea\0\x04\x01" "a\x7f" "b"), NULL },
        { BYTES("\xea\0\x04\x01" "a\xc3\xa4"), NULL },

        /* who would it be? */
        { BYTES(AWS AWS), NULL },
        { BYTES(AWS AZURE), NULL },
        { BYTES(AZURE AWS), NULL },
        { BYTES(AZURE NOOP AZURE), NULL },
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        memset(&link, 0xff, sizeof(link));

        assert_int_equal(neon_ppv2_link(&link, c[i].tlvs),
                         c[i].link ? NEON_OK : NEON_ERROR);
        assert_int_equal(link.len, c[i].link ? strlen(c[i].link) : 0);
        assert_memory_equal(link.text, c[i].link ? c[i].link : "", link.len);
    }

    assert_int_equal(neon_ppv2_link(&link, neon_str(NULL, 0)), NEON_OK);
    assert_int_equal(link.len, 0);
}


static void
headers(void **state)
{
    size_t      i;
    neon_str_t  tlvs;

    static const struct {
        neon_str_t   bytes;
        int          tlvs;            /* their length; -1: refused */
    } c[] = {
        { BYTES(SIGNATURE "\x21\x11\0\x0c" FOUR), 0 },
        { BYTES(SIGNATURE "\x21\x11\0\x26" FOUR AWS), 26 },
        { BYTES(SIGNATURE "\x21\x11\0\x26" FOUR AWS "and the client"), 26 },
        { BYTES(SIGNATURE "\x21\x21\0\x24" FOUR FOUR FOUR), 0 },
        { BYTES(SIGNATURE "\x21\x21\0\x2c" FOUR FOUR FOUR AZURE), 8 },

        /* LOCAL, no such command, another version */
        { BYTES(SIGNATURE "\x20\x11\0\x26" FOUR AWS), -1 },
        { BYTES(SIGNATURE "\x22\x11\0\x26" FOUR AWS), -1 },
        { BYTES(SIGNATURE "\x11\x11\0\x26" FOUR AWS), -1 },
        { BYTES(SIGNATURE "\x31\x11\0\x26" FOUR AWS), -1 },

        /* AF_UNSPEC, UDP, AF_UNIX */
        { BYTES(SIGNATURE "\x21\x00\0\x26" FOUR AWS), -1 },
        { BYTES(SIGNATURE "\x21\x12\0\x26" FOUR AWS), -1 },
        { BYTES(SIGNATURE "\x21\x31\0\x26" FOUR AWS), -1 },

        /* too short for the addresses */
        { BYTES(SIGNATURE "\x21\x11\0\x0b" FOUR), -1 },
        { BYTES(SIGNATURE "\x21\x21\0\x23" FOUR FOUR FOUR), -1 },
        { BYTES(SIGNATURE "\x21\x21\0\x0c" FOUR), -1 },

        { BYTES("PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n" FOUR), -1 },
        { BYTES("\r\n\r\n\0\r\nQUIP\n" "\x21\x11\0\x0c" FOUR), -1 },
        { BYTES(""), -1 },
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        if (c[i].tlvs == -1) {
            assert_int_equal(neon_ppv2_tlvs(c[i].bytes, &tlvs), NEON_ERROR);
            continue;
        }

        assert_int_equal(neon_ppv2_tlvs(c[i].bytes, &tlvs), NEON_OK);
        assert_int_equal(tlvs.len, c[i].tlvs);
    }

    /* cut anywhere it is none */

    for (i = 0; i < c[1].bytes.len; i++) {
        assert_int_equal(neon_ppv2_tlvs(neon_str(c[1].bytes.data, i), &tlvs),
                         NEON_ERROR);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(links),
        cmocka_unit_test(headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
