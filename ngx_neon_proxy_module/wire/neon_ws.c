/*
 * WebSocket frames, RFC 6455 section 5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_ws.h"

#include <string.h>

#include "neon_crypto.h"


#define NEON_WS_FIN         0x80
#define NEON_WS_RSV         0x70
#define NEON_WS_OP          0x0f
#define NEON_WS_MASKED      0x80
#define NEON_WS_LEN         0x7f
#define NEON_WS_LEN16       126
#define NEON_WS_LEN64       127

#define NEON_WS_OP_CONT     0x0
#define NEON_WS_OP_TEXT     0x1

#define NEON_WS_KEY_LEN     16
#define NEON_WS_GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


static neon_ws_event_e neon_ws_begin(neon_ws_decoder_t *d);
static neon_ws_event_e neon_ws_kind(neon_ws_decoder_t *d);
static neon_ws_event_e neon_ws_length(neon_ws_decoder_t *d);
static void neon_ws_unmask(neon_ws_decoder_t *d, uint8_t *out,
    const uint8_t *in, size_t n);
static neon_ws_event_e neon_ws_control_end(neon_ws_decoder_t *d);
static neon_ws_event_e neon_ws_close_parse(neon_ws_decoder_t *d);
static int neon_ws_close_code_valid(unsigned code);
static int neon_ws_utf8_valid(const uint8_t *p, size_t n);
static neon_ws_event_e neon_ws_fail(neon_ws_decoder_t *d, uint16_t code,
    const char *reason);


void
neon_ws_decoder_init(neon_ws_decoder_t *d)
{
    memset(d, 0, sizeof(neon_ws_decoder_t));

    d->head_need = 2;
}


neon_ws_event_e
neon_ws_decode(neon_ws_decoder_t *d, const uint8_t **in, const uint8_t *last,
    uint8_t *out, size_t *n)
{
    size_t           size;
    neon_ws_event_e  event;

    *n = 0;

    for ( ;; ) {

        while (!d->payload) {
            if (*in == last) {
                return NEON_WS_MORE;
            }

            d->head[d->head_len++] = *(*in)++;

            if (d->head_len == d->head_need) {
                event = neon_ws_begin(d);

                if (event != NEON_WS_MORE) {
                    return event;
                }
            }
        }

        size = (size_t) (last - *in);

        if (size > d->left) {
            size = (size_t) d->left;
        }

        if (d->opcode & 0x8) {
            neon_ws_unmask(d, d->control + d->control_len, *in, size);
            d->control_len = (uint8_t) (d->control_len + size);

        } else {
            neon_ws_unmask(d, out, *in, size);
        }

        *in += size;
        d->left -= size;

        if (d->left == 0) {
            d->payload = 0;
            d->head_len = 0;
            d->head_need = 2;

            if (d->opcode & 0x8) {
                return neon_ws_control_end(d);
            }
        }

        if (!(d->opcode & 0x8) && size) {
            *n = size;
            return NEON_WS_DATA;
        }

        if (d->payload) {
            return NEON_WS_MORE;
        }
    }
}


/* head_need bytes are there: the kind and length, then all of the head */

static neon_ws_event_e
neon_ws_begin(neon_ws_decoder_t *d)
{
    if (d->head_len == 2) {
        return neon_ws_kind(d);
    }

    return neon_ws_length(d);
}


static neon_ws_event_e
neon_ws_kind(neon_ws_decoder_t *d)
{
    unsigned  fin, len;

    fin = d->head[0] & NEON_WS_FIN;
    len = d->head[1] & NEON_WS_LEN;

    if (d->head[0] & NEON_WS_RSV) {
        return neon_ws_fail(d, NEON_WS_PROTOCOL, "reserved bits are not zero");
    }

    if (!(d->head[1] & NEON_WS_MASKED)) {
        return neon_ws_fail(d, NEON_WS_PROTOCOL, "frame is not masked");
    }

    d->opcode = d->head[0] & NEON_WS_OP;

    switch (d->opcode) {

    case NEON_WS_OP_CONT:
        if (!d->fragmented) {
            return neon_ws_fail(d, NEON_WS_PROTOCOL,
                                "continuation of no message");
        }

        d->fragmented = !fin;
        break;

    case NEON_WS_OP_TEXT:
        return neon_ws_fail(d, NEON_WS_UNSUPPORTED,
                            "text frames are not supported, use binary");

    case NEON_WS_OP_BINARY:
        if (d->fragmented) {
            return neon_ws_fail(d, NEON_WS_PROTOCOL,
                                "new message inside a fragmented one");
        }

        d->fragmented = !fin;
        break;

    case NEON_WS_OP_CLOSE:
    case NEON_WS_OP_PING:
    case NEON_WS_OP_PONG:
        if (!fin) {
            return neon_ws_fail(d, NEON_WS_PROTOCOL,
                                "fragmented control frame");
        }

        if (len > NEON_WS_CONTROL_MAX) {
            return neon_ws_fail(d, NEON_WS_PROTOCOL,
                                "control frame is too long");
        }

        d->control_len = 0;
        break;

    default:
        return neon_ws_fail(d, NEON_WS_PROTOCOL, "unknown opcode");
    }

    d->head_need = 6;

    if (len == NEON_WS_LEN16) {
        d->head_need = 8;

    } else if (len == NEON_WS_LEN64) {
        d->head_need = 14;
    }

    return NEON_WS_MORE;
}


static neon_ws_event_e
neon_ws_length(neon_ws_decoder_t *d)
{
    unsigned  i, n;
    uint64_t  min;

    n = d->head_need - 6;
    min = 0;

    d->left = d->head[1] & NEON_WS_LEN;

    if (n) {
        d->left = 0;
        min = n == 2 ? NEON_WS_LEN16 : (uint64_t) NEON_WS_FRAME_MAX + 1;

        for (i = 0; i < n; i++) {
            d->left = d->left << 8 | d->head[2 + i];
        }
    }

    if (d->left < min) {
        return neon_ws_fail(d, NEON_WS_PROTOCOL,
                            "length is not in its shortest form");
    }

    if (d->left >> 63) {
        return neon_ws_fail(d, NEON_WS_PROTOCOL, "length is too large");
    }

    /* the mask at the head's end moves to where it is looked for */

    memmove(d->head, d->head + d->head_need - 4, 4);

    d->mask_pos = 0;
    d->payload = 1;

    return NEON_WS_MORE;
}


/* forwards, so out may be before in; by words where there are many */

static void
neon_ws_unmask(neon_ws_decoder_t *d, uint8_t *out, const uint8_t *in, size_t n)
{
    size_t    i;
    uint8_t   key[8];
    uint64_t  word, mask;

    if (n == 0) {
        return;
    }

    for (i = 0; i < 8; i++) {
        key[i] = d->head[(d->mask_pos + i) & 3];
    }

    memcpy(&mask, key, 8);

    for (i = 0; n - i >= 8; i += 8) {
        memcpy(&word, in + i, 8);
        word ^= mask;
        memcpy(out + i, &word, 8);
    }

    for ( /* void */ ; i < n; i++) {
        out[i] = in[i] ^ key[i & 7];
    }

    d->mask_pos = (uint8_t) ((d->mask_pos + n) & 3);
}


static neon_ws_event_e
neon_ws_control_end(neon_ws_decoder_t *d)
{
    switch (d->opcode) {

    case NEON_WS_OP_PING:
        return NEON_WS_PING;

    case NEON_WS_OP_PONG:
        return NEON_WS_PONG;

    default: /* NEON_WS_OP_CLOSE */
        return neon_ws_close_parse(d);
    }
}


static neon_ws_event_e
neon_ws_close_parse(neon_ws_decoder_t *d)
{
    unsigned  code;

    if (d->control_len == 0) {
        d->code = NEON_WS_NO_STATUS;
        return NEON_WS_CLOSE;
    }

    if (d->control_len == 1) {
        return neon_ws_fail(d, NEON_WS_PROTOCOL, "close frame of one byte");
    }

    code = (unsigned) d->control[0] << 8 | d->control[1];

    if (!neon_ws_close_code_valid(code)) {
        return neon_ws_fail(d, NEON_WS_PROTOCOL, "invalid close code");
    }

    if (!neon_ws_utf8_valid(d->control + 2, d->control_len - 2u)) {
        return neon_ws_fail(d, NEON_WS_BAD_UTF8,
                            "close reason is not UTF-8");
    }

    d->code = (uint16_t) code;

    return NEON_WS_CLOSE;
}


/* section 7.4, and the IANA registry for 1012 to 1014 */

static int
neon_ws_close_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003)
           || (code >= 1007 && code <= 1014)
           || (code >= 3000 && code <= 4999);
}


/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF */

static int
neon_ws_utf8_valid(const uint8_t *p, size_t n)
{
    size_t    i, k;
    uint32_t  ch, min;

    for (i = 0; i < n; i += k) {

        if (p[i] < 0x80) {
            k = 1;
            continue;
        }

        if ((p[i] & 0xe0) == 0xc0) {
            k = 2;
            ch = p[i] & 0x1f;
            min = 0x80;

        } else if ((p[i] & 0xf0) == 0xe0) {
            k = 3;
            ch = p[i] & 0x0f;
            min = 0x800;

        } else if ((p[i] & 0xf8) == 0xf0) {
            k = 4;
            ch = p[i] & 0x07;
            min = 0x10000;

        } else {
            return 0;
        }

        if (n - i < k) {
            return 0;
        }

        for (size_t j = 1; j < k; j++) {
            if ((p[i + j] & 0xc0) != 0x80) {
                return 0;
            }

            ch = ch << 6 | (p[i + j] & 0x3fu);
        }

        if (ch < min || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


static neon_ws_event_e
neon_ws_fail(neon_ws_decoder_t *d, uint16_t code, const char *reason)
{
    d->code = code;
    d->reason = reason;

    return NEON_WS_FAIL;
}


size_t
neon_ws_head(uint8_t out[NEON_WS_HEAD], size_t n)
{
    out[0] = NEON_WS_FIN | NEON_WS_OP_BINARY;

    if (n < NEON_WS_LEN16) {
        out[1] = (uint8_t) n;
        return 2;
    }

    out[1] = NEON_WS_LEN16;
    out[2] = (uint8_t) (n >> 8);
    out[3] = (uint8_t) n;

    return 4;
}


size_t
neon_ws_control(uint8_t out[NEON_WS_CONTROL_FRAME], uint8_t opcode,
    const void *payload, size_t n)
{
    out[0] = NEON_WS_FIN | opcode;
    out[1] = (uint8_t) n;

    if (n) {
        memcpy(out + 2, payload, n);
    }

    return 2 + n;
}


size_t
neon_ws_close(uint8_t out[NEON_WS_CONTROL_FRAME], uint16_t code,
    const char *reason)
{
    size_t   n;
    uint8_t  payload[NEON_WS_CONTROL_MAX];

    if (code == NEON_WS_NO_STATUS) {
        return neon_ws_control(out, NEON_WS_OP_CLOSE, NULL, 0);
    }

    n = strlen(reason);

    if (n > NEON_WS_CONTROL_MAX - 2) {
        n = NEON_WS_CONTROL_MAX - 2;
    }

    payload[0] = (uint8_t) (code >> 8);
    payload[1] = (uint8_t) code;
    memcpy(payload + 2, reason, n);

    return neon_ws_control(out, NEON_WS_OP_CLOSE, payload, 2 + n);
}


neon_rc_e
neon_ws_accept(uint8_t out[NEON_WS_ACCEPT_LEN], neon_str_t key)
{
    uint8_t  raw[NEON_WS_KEY_LEN], hash[NEON_SHA1_LEN];

    if (neon_base64_decode(raw, sizeof(raw), key) != NEON_WS_KEY_LEN) {
        return NEON_ERROR;
    }

    if (neon_sha1(hash, key, neon_str(NEON_WS_GUID, strlen(NEON_WS_GUID)))
        != NEON_OK)
    {
        return NEON_ERROR;
    }

    neon_base64_encode(out, neon_str(hash, sizeof(hash)));

    return NEON_OK;
}
