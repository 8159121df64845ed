/*
 * A client's WebSocket stream: in one piece and in pieces of the input's own
 * sizes, in place and apart, and as a model reads it which sees it whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "../unit/ws_feed.h"


#define MAX_SIZES  15


typedef struct {
    uint64_t        len;
    uint64_t        min;
    size_t          head;
    unsigned        fin;
    unsigned        op;
    const uint8_t  *mask;
} model_frame_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Unicode, table 3-7: the second byte's range goes by the first */

static int
model_utf8(const uint8_t *p, size_t n)
{
    size_t    i, more;
    uint8_t   low, high;

    while (n > 0) {
        low = 0x80;
        high = 0xbf;

        if (p[0] <= 0x7f) {
            more = 0;

        } else if (p[0] >= 0xc2 && p[0] <= 0xdf) {
            more = 1;

        } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
            more = 2;
            low = p[0] == 0xe0 ? 0xa0 : 0x80;
            high = p[0] == 0xed ? 0x9f : 0xbf;

        } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
            more = 3;
            low = p[0] == 0xf0 ? 0x90 : 0x80;
            high = p[0] == 0xf4 ? 0x8f : 0xbf;

        } else {
            return 0;
        }

        if (n <= more) {
            return 0;
        }

        for (i = 1; i <= more; i++) {
            if (p[i] < low || p[i] > high) {
                return 0;
            }

            low = 0x80;
            high = 0xbf;
        }

        p += 1 + more;
        n -= 1 + more;
    }

    return 1;
}


/* 0: it fails */

static int
model_control(ws_log_t *log, const model_frame_t *f, const uint8_t *body)
{
    size_t    i, n;
    uint8_t   plain[NEON_WS_CONTROL_MAX];
    unsigned  code;

    n = (size_t) f->len;

    for (i = 0; i < n; i++) {
        plain[i] = body[i] ^ f->mask[i % 4];
    }

    if (f->op != NEON_WS_OP_CLOSE) {
        ws_log_event(log, f->op == NEON_WS_OP_PING ? NEON_WS_PING
                                                   : NEON_WS_PONG,
                     0, plain, n);
        return 1;
    }

    if (n == 0) {
        ws_log_event(log, NEON_WS_CLOSE, NEON_WS_NO_STATUS, plain, 0);
        return 1;
    }

    code = n == 1 ? 0 : plain[0] * 256u + plain[1];

    if (code < 1000 || code >= 5000 || (code >= 1004 && code <= 1006)
        || (code >= 1015 && code <= 2999))
    {
        ws_log_event(log, NEON_WS_FAIL, NEON_WS_PROTOCOL, NULL, 0);
        return 0;
    }

    if (!model_utf8(plain + 2, n - 2)) {
        ws_log_event(log, NEON_WS_FAIL, NEON_WS_BAD_UTF8, NULL, 0);
        return 0;
    }

    ws_log_event(log, NEON_WS_CLOSE, code, plain, n);

    return 1;
}


/* of two bytes: 0, or why there is no such frame */

static unsigned
model_kind(model_frame_t *f, const uint8_t *p, int fragmented)
{
    unsigned  len;

    f->fin = p[0] >> 7;
    f->op = p[0] & 0x0f;

    len = p[1] & 0x7f;

    f->len = len;
    f->min = len < 126 ? 0 : (len == 126 ? 126 : 65536);
    f->head = len < 126 ? 6 : (len == 126 ? 8 : 14);

    if ((p[0] & 0x70) || p[1] < 0x80) {
        return NEON_WS_PROTOCOL;
    }

    if (f->op == 1) {
        return NEON_WS_UNSUPPORTED;
    }

    if (f->op >= 8) {
        return (f->op > 10 || !f->fin || len > 125) ? NEON_WS_PROTOCOL : 0;
    }

    if (f->op > 2 || (f->op == 2) == fragmented) {
        return NEON_WS_PROTOCOL;
    }

    return 0;
}


/* its size; 0: nothing is read after it */

static size_t
model_frame(ws_log_t *log, const uint8_t *p, size_t n, int *fragmented)
{
    size_t         i, body;
    unsigned       code;
    model_frame_t  f;

    if (n < 2) {
        log->used += n;
        return 0;
    }

    code = model_kind(&f, p, *fragmented);

    if (code) {
        log->used += 2;
        ws_log_event(log, NEON_WS_FAIL, code, NULL, 0);
        return 0;
    }

    if (n < f.head) {
        log->used += n;
        return 0;
    }

    f.mask = p + f.head - 4;

    if (f.head > 6) {
        f.len = 0;

        for (i = 2; i < f.head - 4; i++) {
            f.len = f.len * 256 + p[i];
        }
    }

    if (f.len < f.min || f.len > INT64_MAX) {
        log->used += f.head;
        ws_log_event(log, NEON_WS_FAIL, NEON_WS_PROTOCOL, NULL, 0);
        return 0;
    }

    body = n - f.head;

    if (body > f.len) {
        body = (size_t) f.len;
    }

    log->used += f.head + body;

    if (f.op < 8) {
        *fragmented = !f.fin;

        for (i = 0; i < body; i++) {
            log->payload[log->npayload++] = p[f.head + i] ^ f.mask[i % 4];
        }

    } else if (body == f.len && !model_control(log, &f, p + f.head)) {
        return 0;
    }

    return f.head + body;
}


static void
model(ws_log_t *log, const uint8_t *p, size_t n)
{
    int     fragmented;
    size_t  size;

    ws_log_init(log, n);

    fragmented = 0;

    do {
        size = model_frame(log, p, n, &fragmented);
        p += size;
        n -= size;
    } while (size != 0 && n > 0);
}


static void
check_same(const ws_log_t *want, const uint8_t *p, size_t n,
    const size_t *sizes, size_t nsizes)
{
    ws_log_t  log;
    ws_out_e  how;

    for (how = WS_APART; how <= WS_COMPACT; how++) {
        (void) ws_feed_all(&log, p, n, sizes, nsizes, how);
        ws_check(ws_log_eq(want, &log));
        ws_log_free(&log);
    }
}


/* a byte: how many sizes there are; the sizes, less 1; the stream */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t    i, nsizes, sizes[MAX_SIZES];
    ws_log_t  want;

    if (size == 0) {
        return 0;
    }

    nsizes = data[0] % (MAX_SIZES + 1);

    if (nsizes > size - 1) {
        nsizes = size - 1;
    }

    for (i = 0; i < nsizes; i++) {
        sizes[i] = data[1 + i] + 1u;
    }

    data += 1 + nsizes;
    size -= 1 + nsizes;

    model(&want, data, size);
    check_same(&want, data, size, &size, 1);

    if (nsizes) {
        check_same(&want, data, size, sizes, nsizes);
    }

    ws_log_free(&want);

    return 0;
}
