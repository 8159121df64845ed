/*
 * WebSocket frames of RFC 6455: what is refused and with which code, and the
 * same payload and events wherever the stream is cut.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ws_feed.h"


#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define STR(s)      neon_str(s, sizeof(s) - 1)

#define FIN         0x80
#define CONT        0x0
#define TEXT        0x1
#define BINARY      NEON_WS_OP_BINARY
#define CLOSE       NEON_WS_OP_CLOSE
#define PING        NEON_WS_OP_PING
#define PONG        NEON_WS_OP_PONG

#define BIG         (128u * 1024 * 1024)
#define BIG_PIECE   65521                 /* odd: the mask's phase moves */


static const uint8_t  mask[4] = { 0x37, 0xfa, 0x21, 0x3d };


static void
put_masked(neon_wr_t *w, neon_str_t payload)
{
    size_t  i;

    neon_wr_bytes(w, mask, 4);

    for (i = 0; i < payload.len; i++) {
        neon_wr_u8(w, payload.data[i] ^ mask[i % 4]);
    }

    assert_int_equal(w->error, 0);
}


static void
put_frame(neon_wr_t *w, unsigned head, neon_str_t payload)
{
    assert_true(payload.len <= NEON_WS_FRAME_MAX);

    neon_wr_u8(w, (uint8_t) head);

    if (payload.len < 126) {
        neon_wr_u8(w, (uint8_t) (0x80 | payload.len));

    } else {
        neon_wr_u8(w, 0x80 | 126);
        neon_wr_u16(w, (uint16_t) payload.len);
    }

    put_masked(w, payload);
}


/* a length in 16 or 64 bits, whatever it is; the mask is to follow */

static void
put_long_head(neon_wr_t *w, unsigned bits, uint64_t len)
{
    neon_wr_u8(w, FIN | BINARY);

    if (bits == 16) {
        neon_wr_u8(w, 0x80 | 126);
        neon_wr_u16(w, (uint16_t) len);

    } else {
        neon_wr_u8(w, 0x80 | 127);
        neon_wr_u32(w, (uint32_t) (len >> 32));
        neon_wr_u32(w, (uint32_t) len);
    }
}


/* at the last byte, no earlier and no later, in one piece and in bytes */

static void
assert_fails(const uint8_t *p, size_t n, unsigned code)
{
    size_t             i;
    uint8_t            more[512];
    ws_log_t           log;
    neon_ws_decoder_t  d;

    assert_true(n > 0 && n < sizeof(more));

    memcpy(more, p, n);
    more[n] = 0;

    neon_ws_decoder_init(&d);
    ws_log_init(&log, n);
    assert_int_equal(ws_feed(&d, &log, more, n + 1, WS_APART), NEON_WS_FAIL);
    assert_int_equal(d.code, code);
    assert_true(d.reason[0] != '\0');
    assert_int_equal(log.used, n);
    ws_log_free(&log);

    neon_ws_decoder_init(&d);
    ws_log_init(&log, n);

    for (i = 0; i < n; i++) {
        assert_int_equal(ws_feed(&d, &log, p + i, 1, WS_APART),
                         i + 1 < n ? NEON_WS_MORE : NEON_WS_FAIL);
    }

    assert_int_equal(d.code, code);
    ws_log_free(&log);
}


static void
assert_head_fails(unsigned b0, unsigned b1, unsigned code)
{
    uint8_t  head[2];

    head[0] = (uint8_t) b0;
    head[1] = (uint8_t) b1;

    assert_fails(head, 2, code);
}


static void
assert_payload(const uint8_t *p, size_t n, const char *payload, size_t len)
{
    ws_log_t  log;

    assert_int_equal(ws_feed_all(&log, p, n, &n, 1, WS_APART), NEON_WS_MORE);
    assert_int_equal(log.used, n);
    assert_int_equal(log.npayload, len);
    assert_memory_equal(log.payload, payload, len);
    assert_int_equal(neon_wr_len(&log.events), 0);

    ws_log_free(&log);
}


static void
reserved_bits(void **state)
{
    size_t    i;
    unsigned  rsv;

    static const unsigned  heads[] = {
        FIN | BINARY, BINARY, FIN | CONT, FIN | TEXT, FIN | CLOSE, FIN | PING,
        FIN | PONG
    };

    for (i = 0; i < COUNT(heads); i++) {
        for (rsv = 0x10; rsv <= 0x70; rsv += 0x10) {
            assert_head_fails(heads[i] | rsv, 0x80, NEON_WS_PROTOCOL);
        }
    }
}


static void
not_masked(void **state)
{
    size_t    i;
    unsigned  len;

    static const unsigned  heads[] = {
        FIN | BINARY, BINARY, FIN | CLOSE, FIN | PING, FIN | PONG
    };

    for (i = 0; i < COUNT(heads); i++) {
        for (len = 0; len <= 127; len++) {
            assert_head_fails(heads[i], len, NEON_WS_PROTOCOL);
        }
    }
}


static void
opcodes(void **state)
{
    unsigned  op;

    for (op = 0x3; op <= 0xf; op++) {
        if (op >= CLOSE && op <= PONG) {
            continue;
        }

        assert_head_fails(op, 0x80, NEON_WS_PROTOCOL);
        assert_head_fails(FIN | op, 0x80, NEON_WS_PROTOCOL);
        assert_head_fails(FIN | op, 0x80 | 5, NEON_WS_PROTOCOL);
    }

    assert_head_fails(TEXT, 0x80 | 5, NEON_WS_UNSUPPORTED);
    assert_head_fails(FIN | TEXT, 0x80, NEON_WS_UNSUPPORTED);
    assert_head_fails(FIN | TEXT, 0x80 | 5, NEON_WS_UNSUPPORTED);
    assert_head_fails(FIN | TEXT, 0x80 | 127, NEON_WS_UNSUPPORTED);
}


static void
control_frames_refused(void **state)
{
    unsigned  op;

    for (op = CLOSE; op <= PONG; op++) {
        assert_head_fails(op, 0x80, NEON_WS_PROTOCOL);
        assert_head_fails(op, 0x80 | 5, NEON_WS_PROTOCOL);
        assert_head_fails(FIN | op, 0x80 | 126, NEON_WS_PROTOCOL);
        assert_head_fails(FIN | op, 0x80 | 127, NEON_WS_PROTOCOL);
    }
}


static void
fragments_refused(void **state)
{
    uint8_t    p[64];
    neon_wr_t  w;

    assert_head_fails(CONT, 0x80, NEON_WS_PROTOCOL);
    assert_head_fails(FIN | CONT, 0x80, NEON_WS_PROTOCOL);
    assert_head_fails(FIN | CONT, 0x80 | 3, NEON_WS_PROTOCOL);

    /* after a whole message, and after a fragmented one that has ended */

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, FIN | BINARY, STR("abc"));
    neon_wr_bytes(&w, "\x80\x80", 2);
    assert_fails(p, neon_wr_len(&w), NEON_WS_PROTOCOL);

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, BINARY, STR("abc"));
    put_frame(&w, CONT, STR(""));
    put_frame(&w, FIN | CONT, STR("def"));
    neon_wr_bytes(&w, "\0\x80", 2);
    assert_fails(p, neon_wr_len(&w), NEON_WS_PROTOCOL);

    /* a new message inside one, also behind a ping and a continuation */

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, BINARY, STR("abc"));
    neon_wr_bytes(&w, "\x82\x80", 2);
    assert_fails(p, neon_wr_len(&w), NEON_WS_PROTOCOL);

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, BINARY, STR(""));
    put_frame(&w, CONT, STR("abc"));
    put_frame(&w, FIN | PING, STR("p"));
    neon_wr_bytes(&w, "\2\x80", 2);
    assert_fails(p, neon_wr_len(&w), NEON_WS_PROTOCOL);

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, BINARY, STR("abc"));
    neon_wr_bytes(&w, "\x81\x80", 2);
    assert_fails(p, neon_wr_len(&w), NEON_WS_UNSUPPORTED);
}


static void
lengths(void **state)
{
    size_t             i;
    uint8_t            p[NEON_WS_CLIENT_HEAD];
    neon_wr_t          w;
    ws_log_t           log;
    neon_ws_decoder_t  d;

    static const struct {
        unsigned  bits;
        uint64_t  len;
        int       ok;
    } t[] = {
        { 16, 0, 0 },
        { 16, 1, 0 },
        { 16, 125, 0 },
        { 16, 126, 1 },
        { 16, 127, 1 },
        { 16, 256, 1 },
        { 16, 65535, 1 },
        { 64, 0, 0 },
        { 64, 125, 0 },
        { 64, 126, 0 },
        { 64, 65535, 0 },
        { 64, 65536, 1 },
        { 64, UINT64_C(0xffffffff), 1 },
        { 64, UINT64_C(0x100000000), 1 },
        { 64, UINT64_C(0x7fffffffffffffff), 1 },
        { 64, UINT64_C(0x8000000000000000), 0 },
        { 64, UINT64_C(0x8000000000010000), 0 },
        { 64, UINT64_C(0xffffffffffffffff), 0 }
    };

    for (i = 0; i < COUNT(t); i++) {
        neon_wr_init(&w, p, sizeof(p));
        put_long_head(&w, t[i].bits, t[i].len);
        put_masked(&w, STR(""));

        if (!t[i].ok) {
            assert_fails(p, neon_wr_len(&w), NEON_WS_PROTOCOL);
            continue;
        }

        neon_ws_decoder_init(&d);
        ws_log_init(&log, sizeof(p) + 3);
        assert_int_equal(ws_feed(&d, &log, p, neon_wr_len(&w), WS_APART),
                         NEON_WS_MORE);
        assert_true(d.left == t[i].len);

        assert_int_equal(ws_feed(&d, &log, mask, 3, WS_APART), NEON_WS_MORE);
        assert_true(d.left == t[i].len - 3);
        assert_int_equal(log.npayload, 3);
        assert_memory_equal(log.payload, "\0\0\0", 3);
        ws_log_free(&log);
    }
}


static void
assert_close_fails(neon_str_t payload, unsigned code)
{
    uint8_t    p[NEON_WS_CONTROL_FRAME + 4];
    neon_wr_t  w;

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, FIN | CLOSE, payload);
    assert_fails(p, neon_wr_len(&w), code);
}


static void
assert_closes(neon_str_t payload, unsigned code, neon_str_t reason)
{
    size_t             n;
    uint8_t            p[NEON_WS_CONTROL_FRAME + 4], out[sizeof(p)];
    neon_wr_t          w;
    const uint8_t     *in;
    neon_ws_decoder_t  d;

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, FIN | CLOSE, payload);

    in = p;
    neon_ws_decoder_init(&d);

    assert_int_equal(neon_ws_decode(&d, &in, w.pos, out, &n), NEON_WS_CLOSE);
    assert_ptr_equal(in, w.pos);
    assert_int_equal(n, 0);
    assert_int_equal(d.code, code);
    assert_int_equal(d.control_len, payload.len);

    if (payload.len) {
        assert_true(neon_str_eq(neon_str(d.control + 2, d.control_len - 2u),
                                reason));
    }

    assert_int_equal(neon_ws_decode(&d, &in, w.pos, out, &n), NEON_WS_MORE);
}


static void
close_codes(void **state)
{
    size_t    i;
    uint8_t   p[2];
    unsigned  code;

    static const uint16_t  ranges[][2] = {
        { 1000, 1003 }, { 1007, 1014 }, { 3000, 4999 }
    };

    i = 0;

    for (code = 0; code <= 65535; code++) {
        p[0] = (uint8_t) (code >> 8);
        p[1] = (uint8_t) code;

        if (i < COUNT(ranges) && code > ranges[i][1]) {
            i++;
        }

        if (i < COUNT(ranges) && code >= ranges[i][0]) {
            assert_closes(neon_str(p, 2), code, STR(""));

        } else {
            assert_close_fails(neon_str(p, 2), NEON_WS_PROTOCOL);
        }
    }

    assert_int_equal(i, COUNT(ranges));
    assert_closes(STR(""), NEON_WS_NO_STATUS, STR(""));

    for (code = 0; code <= 255; code++) {
        p[0] = (uint8_t) code;
        assert_close_fails(neon_str(p, 1), NEON_WS_PROTOCOL);
    }

    /* a code that is bad is said before a reason that is */

    assert_close_fails(STR("\x03\xed\xff"), NEON_WS_PROTOCOL);
}


static void
close_reasons(void **state)
{
    size_t      i;
    uint8_t     p[NEON_WS_CONTROL_MAX];
    neon_str_t  reason;

    static const neon_str_t  good[] = {
        neon_string("bye"),
        neon_string("a\0b"),
        neon_string("\x7f"),
        neon_string("\xc2\x80"),
        neon_string("\xdf\xbf"),
        neon_string("\xe0\xa0\x80"),
        neon_string("\xe2\x82\xac uro"),
        neon_string("\xed\x9f\xbf"),
        neon_string("\xee\x80\x80"),
        neon_string("\xef\xbf\xbf"),
        neon_string("\xf0\x90\x80\x80"),
        neon_string("\xf4\x8f\xbf\xbf"),
        neon_string("x\xf0\x9f\x90\x8c\xc3\xa4")
    };

    static const neon_str_t  bad[] = {

        /* no first byte */
        neon_string("\x80"),
        neon_string("\xbf"),
        neon_string("\xf8\x88\x80\x80\x80"),
        neon_string("\xfc\x84\x80\x80\x80\x80"),
        neon_string("\xfe"),
        neon_string("\xff"),

        /* overlong */
        neon_string("\xc0\x80"),
        neon_string("\xc1\xbf"),
        neon_string("\xe0\x80\x80"),
        neon_string("\xe0\x9f\xbf"),
        neon_string("\xf0\x80\x80\x80"),
        neon_string("\xf0\x8f\xbf\xbf"),

        /* surrogates */
        neon_string("\xed\xa0\x80"),
        neon_string("\xed\xaf\xbf"),
        neon_string("\xed\xb0\x80"),
        neon_string("\xed\xbf\xbf"),
        neon_string("\xed\xa0\xbd\xed\xb0\x8c"),

        /* above U+10FFFF */
        neon_string("\xf4\x90\x80\x80"),
        neon_string("\xf5\x80\x80\x80"),
        neon_string("\xf7\xbf\xbf\xbf"),

        /* truncated */
        neon_string("\xc2"),
        neon_string("ok\xc3"),
        neon_string("\xe2\x82"),
        neon_string("\xf0\x9f"),
        neon_string("\xf0\x9f\x90"),

        /* and by another character */
        neon_string("\xc2" "a"),
        neon_string("\xc2\xc2\x80"),
        neon_string("\xe2\x82" "a"),
        neon_string("\xe2" "a\x82"),
        neon_string("\xf0\x9f\x90" "a"),
        neon_string("\xf0\x9f\x90\xc0")
    };

    memcpy(p, "\x03\xe8", 2);

    for (i = 0; i < COUNT(good); i++) {
        reason = good[i];
        memcpy(p + 2, reason.data, reason.len);
        assert_closes(neon_str(p, 2 + reason.len), 1000, reason);
    }

    for (i = 0; i < COUNT(bad); i++) {
        reason = bad[i];
        memcpy(p + 2, reason.data, reason.len);
        assert_close_fails(neon_str(p, 2 + reason.len), NEON_WS_BAD_UTF8);
    }

    /* the longest, and one whose last character does not fit */

    memset(p + 2, 'a', sizeof(p) - 2);
    assert_closes(neon_str(p, sizeof(p)), 1000,
                  neon_str(p + 2, sizeof(p) - 2));

    p[sizeof(p) - 1] = 0xc3;
    assert_close_fails(neon_str(p, sizeof(p)), NEON_WS_BAD_UTF8);
}


/* what an earlier control frame has left does not complete a character */

static void
close_reason_after_ping(void **state)
{
    uint8_t    p[2 * NEON_WS_CONTROL_FRAME + 8], ping[NEON_WS_CONTROL_MAX];
    neon_wr_t  w;

    memset(ping, 0xbf, sizeof(ping));

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, FIN | PING, neon_str(ping, sizeof(ping)));
    put_frame(&w, FIN | CLOSE, STR("\x03\xe8" "a\xe2\xbf"));

    assert_fails(p, neon_wr_len(&w), NEON_WS_BAD_UTF8);
}


static void
empty_messages(void **state)
{
    uint8_t    p[128];
    neon_wr_t  w;

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, FIN | BINARY, STR(""));
    put_frame(&w, FIN | BINARY, STR(""));
    assert_payload(p, neon_wr_len(&w), "", 0);

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, BINARY, STR(""));
    put_frame(&w, CONT, STR(""));
    put_frame(&w, FIN | CONT, STR(""));
    assert_payload(p, neon_wr_len(&w), "", 0);

    put_frame(&w, FIN | BINARY, STR("a"));
    put_frame(&w, BINARY, STR(""));
    put_frame(&w, CONT, STR("b"));
    put_frame(&w, FIN | CONT, STR(""));
    put_frame(&w, FIN | BINARY, STR(""));
    put_frame(&w, FIN | BINARY, STR("c"));
    assert_payload(p, neon_wr_len(&w), "abc", 3);
}


static void
nothing_is_given(void **state)
{
    size_t             n;
    uint8_t            p[16], out;
    neon_wr_t          w;
    const uint8_t     *in;
    neon_ws_decoder_t  d;

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, FIN | BINARY, STR("ab"));

    neon_ws_decoder_init(&d);

    for (in = p; in < w.pos; /* void */ ) {
        assert_int_equal(neon_ws_decode(&d, &in, in, &out, &n), NEON_WS_MORE);
        assert_int_equal(n, 0);

        (void) neon_ws_decode(&d, &in, in + 1, &out, &n);
    }

    assert_int_equal(n, 1);
    assert_int_equal(out, 'b');
}


/* payload of "pings", "a", 300 bytes, "tail" and "last" */

static size_t
mixed_stream(uint8_t *p, size_t size, ws_log_t *want)
{
    size_t     i;
    uint8_t    ping[NEON_WS_CONTROL_MAX], data[300];
    neon_wr_t  w, payload;

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t) (i * 7 + 3);
    }

    memset(ping, 0x89, sizeof(ping));

    ws_log_init(want, size);
    neon_wr_init(&payload, want->payload, size);
    neon_wr_init(&w, p, size);

    put_frame(&w, BINARY, STR("pin"));
    put_frame(&w, FIN | PING, STR("between"));
    put_frame(&w, CONT, STR(""));
    put_frame(&w, FIN | PONG, STR(""));
    put_frame(&w, FIN | CONT, STR("gs"));
    neon_wr_z(&payload, "pings");
    want->npayload = 3;
    ws_log_event(want, NEON_WS_PING, 0, (const uint8_t *) "between", 7);
    ws_log_event(want, NEON_WS_PONG, 0, NULL, 0);

    put_frame(&w, FIN | BINARY, STR(""));
    put_frame(&w, FIN | BINARY, STR("a"));
    put_frame(&w, FIN | BINARY, neon_str(data, sizeof(data)));
    put_frame(&w, FIN | PING, neon_str(ping, sizeof(ping)));
    neon_wr_z(&payload, "a");
    neon_wr_bytes(&payload, data, sizeof(data));
    want->npayload = neon_wr_len(&payload);
    ws_log_event(want, NEON_WS_PING, 0, ping, sizeof(ping));

    put_frame(&w, BINARY, STR(""));
    put_frame(&w, FIN | CONT, STR("tail"));
    put_frame(&w, FIN | CLOSE, STR("\x0f\xa0" "bye \xe2\x82\xac"));
    neon_wr_z(&payload, "tail");
    want->npayload = neon_wr_len(&payload);
    ws_log_event(want, NEON_WS_CLOSE, 4000,
                 (const uint8_t *) "\x0f\xa0" "bye \xe2\x82\xac", 9);

    put_frame(&w, FIN | BINARY, STR("last"));
    put_frame(&w, CLOSE, STR(""));
    neon_wr_z(&payload, "last");
    want->npayload = neon_wr_len(&payload);
    ws_log_event(want, NEON_WS_FAIL, NEON_WS_PROTOCOL, NULL, 0);

    assert_int_equal(payload.error, 0);

    want->used = neon_wr_len(&w) - 4;

    return neon_wr_len(&w);
}


static void
assert_as_wanted(const ws_log_t *want, const uint8_t *p, size_t n,
    const size_t *sizes, size_t nsizes)
{
    ws_log_t  log;
    ws_out_e  how;

    for (how = WS_APART; how <= WS_COMPACT; how++) {
        assert_int_equal(ws_feed_all(&log, p, n, sizes, nsizes, how),
                         NEON_WS_FAIL);

        if (!ws_log_eq(want, &log)) {
            fail_msg("pieces of %zu, %zu: not the same", sizes[0],
                     sizes[nsizes - 1]);
        }

        ws_log_free(&log);
    }
}


/* the last of the frames fails, so that the end is seen to be reached */

static void
stream_in_two_pieces(void **state)
{
    size_t    i, n, sizes[2];
    uint8_t   p[1024];
    ws_log_t  want;

    n = mixed_stream(p, sizeof(p), &want);

    assert_as_wanted(&want, p, n, &n, 1);

    for (i = 1; i < n; i++) {
        sizes[0] = i;
        sizes[1] = n - i;
        assert_as_wanted(&want, p, n, sizes, 2);
    }

    ws_log_free(&want);
}


static void
stream_in_small_pieces(void **state)
{
    size_t    n, sizes[3];
    uint8_t   p[1024];
    ws_log_t  want;

    n = mixed_stream(p, sizeof(p), &want);

    for (sizes[0] = 1; sizes[0] <= 40; sizes[0]++) {
        assert_as_wanted(&want, p, n, sizes, 1);

        sizes[1] = 41 - sizes[0];
        sizes[2] = 3;
        assert_as_wanted(&want, p, n, sizes, 3);
    }

    ws_log_free(&want);
}


/* out is any number of bytes before in, which the words must not see */

static void
out_before_in(void **state)
{
    size_t             n, gap, len;
    uint8_t            buf[64 + 6 + 64], plain[64];
    neon_wr_t          w;
    const uint8_t     *in, *last;
    neon_ws_decoder_t  d;

    for (n = 0; n < sizeof(plain); n++) {
        plain[n] = (uint8_t) (n * 11 + 5);
    }

    for (gap = 0; gap <= 64; gap++) {
        for (len = 1; len <= sizeof(plain); len++) {
            neon_wr_init(&w, buf + gap, sizeof(buf) - gap);
            put_frame(&w, FIN | BINARY, neon_str(plain, len));

            /* the head is taken first, so that the gap is to the payload */

            neon_ws_decoder_init(&d);
            in = buf + gap;
            last = in + 6;
            assert_int_equal(neon_ws_decode(&d, &in, last, buf, &n),
                             NEON_WS_MORE);

            last = w.pos;
            assert_int_equal(neon_ws_decode(&d, &in, last, buf + 6, &n),
                             NEON_WS_DATA);
            assert_int_equal(n, len);
            assert_ptr_equal(in, last);
            assert_memory_equal(buf + 6, plain, len);
        }
    }
}


/* pieces of every pair of sizes: each ends at any phase of the mask */

static void
mask_phase(void **state)
{
    size_t    i, n, sizes[2];
    uint8_t   p[256 + 8], plain[200];
    ws_log_t  want, log;
    neon_wr_t  w;

    for (i = 0; i < sizeof(plain); i++) {
        plain[i] = (uint8_t) (i ^ i >> 3);
    }

    neon_wr_init(&w, p, sizeof(p));
    put_frame(&w, FIN | BINARY, neon_str(plain, sizeof(plain)));
    n = neon_wr_len(&w);

    ws_log_init(&want, n);
    memcpy(want.payload, plain, sizeof(plain));
    want.npayload = sizeof(plain);
    want.used = n;

    for (sizes[0] = 1; sizes[0] <= 27; sizes[0]++) {
        for (sizes[1] = 1; sizes[1] <= 27; sizes[1] += 2) {
            (void) ws_feed_all(&log, p, n, sizes, 2, WS_IN_PLACE);
            assert_true(ws_log_eq(&want, &log));
            ws_log_free(&log);
        }
    }

    ws_log_free(&want);
}


/* a piece that is longer than a frame whose length has more than 16 bits */

static void
long_frame_in_one_piece(void **state)
{
    size_t     i, n;
    uint8_t   *p;
    ws_log_t   want, log;
    ws_out_e   how;
    neon_wr_t  w;

    n = 2 * 65536 + 5;

    ws_log_init(&want, n + 32);

    for (i = 0; i < n; i++) {
        want.payload[i] = (uint8_t) (i * 13 + (i >> 8));
    }

    p = malloc(n + 32);
    assert_non_null(p);

    neon_wr_init(&w, p, n + 32);
    put_long_head(&w, 64, n);
    put_masked(&w, neon_str(want.payload, n));
    put_frame(&w, FIN | PING, STR("after"));

    want.npayload = n;
    want.used = neon_wr_len(&w);
    ws_log_event(&want, NEON_WS_PING, 0, (const uint8_t *) "after", 5);

    for (how = WS_APART; how <= WS_COMPACT; how++) {
        assert_int_equal(ws_feed_all(&log, p, want.used, &want.used, 1, how),
                         NEON_WS_MORE);
        assert_true(ws_log_eq(&want, &log));
        ws_log_free(&log);
    }

    ws_log_free(&want);
    free(p);
}


/* zeroes from the wire are the mask itself, turned to the piece's phase */

static void
big_frame(void **state)
{
    size_t             i, n, size, pos;
    uint8_t            head[NEON_WS_CLIENT_HEAD], *zeroes, *out, *turned;
    neon_wr_t          w;
    const uint8_t     *in;
    neon_ws_decoder_t  d;

    zeroes = calloc(1, BIG_PIECE);
    out = malloc(BIG_PIECE);
    turned = malloc(BIG_PIECE + 4);

    assert_true(zeroes != NULL && out != NULL && turned != NULL);

    for (i = 0; i < BIG_PIECE + 4; i++) {
        turned[i] = mask[i % 4];
    }

    neon_wr_init(&w, head, sizeof(head));
    put_long_head(&w, 64, BIG);
    put_masked(&w, STR(""));

    in = head;
    neon_ws_decoder_init(&d);
    assert_int_equal(neon_ws_decode(&d, &in, w.pos, out, &n), NEON_WS_MORE);

    for (pos = 0; pos < BIG; pos += size) {
        size = BIG - pos < BIG_PIECE ? BIG - pos : BIG_PIECE;

        in = zeroes;
        assert_int_equal(neon_ws_decode(&d, &in, zeroes + size, out, &n),
                         NEON_WS_DATA);
        assert_int_equal(n, size);
        assert_true(memcmp(out, turned + pos % 4, size) == 0);
    }

    /* and the next frame's head is seen as one */

    in = (const uint8_t *) "\x89\x81\1\2\3\4q";
    assert_int_equal(neon_ws_decode(&d, &in, in + 7, out, &n), NEON_WS_PING);
    assert_int_equal(d.control_len, 1);
    assert_int_equal(d.control[0], 'q' ^ 1);

    free(zeroes);
    free(out);
    free(turned);
}


static void
heads_are_written(void **state)
{
    size_t   i;
    uint8_t  out[NEON_WS_HEAD];

    static const struct {
        size_t      n;
        neon_str_t  head;
    } t[] = {
        { 0, neon_string("\x82\0") },
        { 1, neon_string("\x82\1") },
        { 125, neon_string("\x82\x7d") },
        { 126, neon_string("\x82\x7e\0\x7e") },
        { 127, neon_string("\x82\x7e\0\x7f") },
        { 255, neon_string("\x82\x7e\0\xff") },
        { 256, neon_string("\x82\x7e\1\0") },
        { NEON_WS_FRAME_MAX, neon_string("\x82\x7e\xff\xff") }
    };

    for (i = 0; i < COUNT(t); i++) {
        assert_int_equal(neon_ws_head(out, t[i].n), t[i].head.len);
        assert_memory_equal(out, t[i].head.data, t[i].head.len);
    }
}


static void
control_frames_are_written(void **state)
{
    size_t   n;
    uint8_t  out[NEON_WS_CONTROL_FRAME], payload[NEON_WS_CONTROL_MAX];

    memset(payload, 'p', sizeof(payload));

    assert_int_equal(neon_ws_control(out, PONG, NULL, 0), 2);
    assert_memory_equal(out, "\x8a\0", 2);

    assert_int_equal(neon_ws_control(out, PING, "hello", 5), 7);
    assert_memory_equal(out, "\x89\5hello", 7);

    n = neon_ws_control(out, PONG, payload, sizeof(payload));
    assert_int_equal(n, NEON_WS_CONTROL_FRAME);
    assert_memory_equal(out, "\x8a\x7d", 2);
    assert_memory_equal(out + 2, payload, sizeof(payload));
}


static void
close_frames_are_written(void **state)
{
    size_t   i, n;
    char     reason[201];
    uint8_t  out[NEON_WS_CONTROL_FRAME];

    assert_int_equal(neon_ws_close(out, NEON_WS_NORMAL, ""), 4);
    assert_memory_equal(out, "\x88\2\x03\xe8", 4);

    assert_int_equal(neon_ws_close(out, NEON_WS_BAD_UTF8, "not UTF-8"), 13);
    assert_memory_equal(out, "\x88\x0b\x03\xefnot UTF-8", 13);

    assert_int_equal(neon_ws_close(out, NEON_WS_NO_STATUS, "not sent"), 2);
    assert_memory_equal(out, "\x88\0", 2);

    for (i = 120; i <= 200; i++) {
        memset(reason, 'r', i);
        reason[i] = '\0';

        n = neon_ws_close(out, 4999, reason);

        assert_int_equal(n, i < 123 ? 4 + i : 127);
        assert_int_equal(out[0], 0x88);
        assert_int_equal(out[1], n - 2);
        assert_memory_equal(out + 2, "\x13\x87", 2);
        assert_memory_equal(out + 4, reason, n - 4);
    }
}


static void
accept_keys(void **state)
{
    size_t   i;
    uint8_t  out[NEON_WS_ACCEPT_LEN];

    static const neon_str_t  bad[] = {
        neon_null_str,
        neon_string(""),
        neon_string("dGhlIHNhbXBsZSBub25j"),          /* 15 bytes */
        neon_string("dGhlIHNhbXBsZSBub25jZWQ="),      /* 17 */
        neon_string("dGhlIHNhbXBsZSBub25jZWQh"),      /* 18 */
        neon_string("dGhlIHNhbXBsZSBub25jZSBhbmQgbW9yZQ=="),
        neon_string("dGhlIHNhbXBsZSBub25jZQ"),
        neon_string("dGhlIHNhbXBsZSBub25jZQ="),
        neon_string("dGhlIHNhbXBsZSBub25jZR=="),      /* unused bits */
        neon_string("dGhlIHNhbXBsZSBub25jZQ== "),
        neon_string(" dGhlIHNhbXBsZSBub25jZQ=="),
        neon_string("dGhlIHNhbXBsZ-Bub25jZQ=="),
        neon_string("dGhlIHNhbXBsZSBub25j\0Q=="),
        neon_string("========================")
    };

    assert_int_equal(neon_ws_accept(out, STR("dGhlIHNhbXBsZSBub25jZQ==")),
                     NEON_OK);
    assert_memory_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof(out));

    for (i = 0; i < COUNT(bad); i++) {
        if (neon_ws_accept(out, bad[i]) != NEON_ERROR) {
            fail_msg("accepted: bad key %zu", i);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(reserved_bits),
        cmocka_unit_test(not_masked),
        cmocka_unit_test(opcodes),
        cmocka_unit_test(control_frames_refused),
        cmocka_unit_test(fragments_refused),
        cmocka_unit_test(lengths),
        cmocka_unit_test(close_codes),
        cmocka_unit_test(close_reasons),
        cmocka_unit_test(close_reason_after_ping),
        cmocka_unit_test(empty_messages),
        cmocka_unit_test(nothing_is_given),
        cmocka_unit_test(stream_in_two_pieces),
        cmocka_unit_test(stream_in_small_pieces),
        cmocka_unit_test(out_before_in),
        cmocka_unit_test(mask_phase),
        cmocka_unit_test(long_frame_in_one_piece),
        cmocka_unit_test(big_frame),
        cmocka_unit_test(heads_are_written),
        cmocka_unit_test(control_frames_are_written),
        cmocka_unit_test(close_frames_are_written),
        cmocka_unit_test(accept_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
