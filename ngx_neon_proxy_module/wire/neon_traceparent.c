/*
 * The headers "traceparent" and "tracestate" of W3C Trace Context.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_traceparent.h"


static int neon_traceparent_hex(uint8_t *bytes, const uint8_t *p, size_t n);
static int neon_traceparent_digit(uint8_t ch);
static int neon_traceparent_zero(const uint8_t *bytes, size_t n);
static uint8_t *neon_traceparent_dump(uint8_t *p, const uint8_t *bytes,
    size_t n);
static int neon_traceparent_member(neon_str_t m);
static int neon_traceparent_key(uint8_t ch);


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

    t->flags &= (version == 0)
                ? NEON_TRACEPARENT_SAMPLED | NEON_TRACEPARENT_RANDOM
                : NEON_TRACEPARENT_SAMPLED;

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


/* empty members may be, and white space around each */

neon_str_t
neon_traceparent_state(neon_str_t text)
{
    unsigned        members;
    const uint8_t  *p, *start, *last, *end, *fits;

    if (text.len == 0) {
        return neon_str(NULL, 0);
    }

    members = 0;
    p = fits = text.data;
    last = p + text.len;

    while (p < last) {

        while (p < last && (*p == ' ' || *p == '\t')) {
            p++;
        }

        start = p;

        while (p < last && *p != ',') {
            p++;
        }

        end = p;

        while (end > start && (end[-1] == ' ' || end[-1] == '\t')) {
            end--;
        }

        if (end > start) {
            if (++members > NEON_TRACESTATE_MEMBERS
                || !neon_traceparent_member(
                       neon_str(start, (size_t) (end - start))))
            {
                return neon_str(NULL, 0);
            }

            if (end - text.data <= NEON_TRACESTATE_MAX) {
                fits = end;
            }
        }

        p++;
    }

    return neon_str(text.data, (size_t) (fits - text.data));
}


/* key=value, of at most 256 bytes each */

static int
neon_traceparent_member(neon_str_t m)
{
    size_t  i, key;

    key = 0;

    while (key < m.len && neon_traceparent_key(m.data[key])) {
        key++;
    }

    if (key == 0 || key > 256 || m.len - key < 2 || m.len - key > 257
        || m.data[key] != '='
        || !((m.data[0] >= 'a' && m.data[0] <= 'z')
             || (m.data[0] >= '0' && m.data[0] <= '9')))
    {
        return 0;
    }

    for (i = key + 1; i < m.len; i++) {
        if (m.data[i] < ' ' || m.data[i] > '~' || m.data[i] == '=') {
            return 0;
        }
    }

    return 1;
}


static int
neon_traceparent_key(uint8_t ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')
           || ch == '_' || ch == '-' || ch == '*' || ch == '/' || ch == '@';
}
