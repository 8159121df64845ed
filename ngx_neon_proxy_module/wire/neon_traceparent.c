/*
 * The header "traceparent" of W3C Trace Context.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_traceparent.h"


static int neon_traceparent_hex(uint8_t *bytes, const uint8_t *p, size_t n);
static int neon_traceparent_digit(uint8_t ch);
static int neon_traceparent_zero(const uint8_t *bytes, size_t n);
static uint8_t *neon_traceparent_dump(uint8_t *p, const uint8_t *bytes,
    size_t n);


neon_rc_e
neon_traceparent_parse(neon_traceparent_t *t, neon_str_t text)
{
    uint8_t         version;
    const uint8_t  *p;

    memset(t, 0, sizeof(neon_traceparent_t));

    p = text.data;

    if (text.len < NEON_TRACEPARENT_LEN
        || p[2] != '-' || p[35] != '-' || p[52] != '-'
        || !neon_traceparent_hex(&version, p, 1)
        || version == 0xff
        || (text.len > NEON_TRACEPARENT_LEN && (version == 0 || p[55] != '-'))
        || !neon_traceparent_hex(t->trace_id, p + 3, NEON_TRACE_ID_LEN)
        || !neon_traceparent_hex(t->span_id, p + 36, NEON_SPAN_ID_LEN)
        || !neon_traceparent_hex(&t->flags, p + 53, 1)
        || neon_traceparent_zero(t->trace_id, NEON_TRACE_ID_LEN)
        || neon_traceparent_zero(t->span_id, NEON_SPAN_ID_LEN))
    {
        memset(t, 0, sizeof(neon_traceparent_t));
        return NEON_ERROR;
    }

    if (version != 0) {
        t->flags &= NEON_TRACEPARENT_SAMPLED;
    }

    t->given = 1;

    return NEON_OK;
}


void
neon_traceparent_write(uint8_t *p, const neon_traceparent_t *t)
{
    *p++ = '0';
    *p++ = '0';
    *p++ = '-';
    p = neon_traceparent_dump(p, t->trace_id, NEON_TRACE_ID_LEN);
    *p++ = '-';
    p = neon_traceparent_dump(p, t->span_id, NEON_SPAN_ID_LEN);
    *p++ = '-';
    (void) neon_traceparent_dump(p, &t->flags, 1);
}


/* lower case only, as the specification wants it */

static int
neon_traceparent_hex(uint8_t *bytes, const uint8_t *p, size_t n)
{
    int     high, low;
    size_t  i;

    for (i = 0; i < n; i++) {
        high = neon_traceparent_digit(p[2 * i]);
        low = neon_traceparent_digit(p[2 * i + 1]);

        if (high < 0 || low < 0) {
            return 0;
        }

        bytes[i] = (uint8_t) (high << 4 | low);
    }

    return 1;
}


static int
neon_traceparent_digit(uint8_t ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


static int
neon_traceparent_zero(const uint8_t *bytes, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (bytes[i] != 0) {
            return 0;
        }
    }

    return 1;
}


static uint8_t *
neon_traceparent_dump(uint8_t *p, const uint8_t *bytes, size_t n)
{
    size_t  i;

    static const char  hex[] = "0123456789abcdef";

    for (i = 0; i < n; i++) {
        *p++ = (uint8_t) hex[bytes[i] >> 4];
        *p++ = (uint8_t) hex[bytes[i] & 0x0f];
    }

    return p;
}
