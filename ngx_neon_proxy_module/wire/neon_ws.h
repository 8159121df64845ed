/*
 * WebSocket frames, RFC 6455 section 5, as a server sees them.
 *
 * The decoder is fed bytes in pieces of any size and never keeps a payload:
 * data is unmasked in the caller's buffer, so a message of any length costs
 * the same memory.  Strict: what the RFC forbids ends the connection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_WS_H
#define NEON_WS_H


#include "neon_buf.h"


#define NEON_WS_CONTROL_MAX     125           /* payload of a control frame */
#define NEON_WS_CLIENT_HEAD     14            /* longest header, with mask */
#define NEON_WS_HEAD            4             /* of ours, to 65,535 bytes */
#define NEON_WS_FRAME_MAX       65535
#define NEON_WS_CONTROL_FRAME   (2 + NEON_WS_CONTROL_MAX)
#define NEON_WS_ACCEPT_LEN      28

#define NEON_WS_OP_BINARY       0x2
#define NEON_WS_OP_CLOSE        0x8
#define NEON_WS_OP_PING         0x9
#define NEON_WS_OP_PONG         0xa

/* section 7.4.1 */
#define NEON_WS_NORMAL          1000
#define NEON_WS_GOING_AWAY      1001
#define NEON_WS_PROTOCOL        1002
#define NEON_WS_UNSUPPORTED     1003
#define NEON_WS_NO_STATUS       1005          /* never on the wire */
#define NEON_WS_BAD_UTF8        1007
#define NEON_WS_ERROR           1011


typedef enum {
    NEON_WS_MORE = 0,                         /* all was taken */
    NEON_WS_DATA,
    NEON_WS_PING,                             /* control: its payload */
    NEON_WS_PONG,
    NEON_WS_CLOSE,                            /* code: as it was sent, or
                                                 NEON_WS_NO_STATUS */
    NEON_WS_FAIL                              /* code and reason are ours;
                                                 the decoder is of no more
                                                 use */
} neon_ws_event_e;


typedef struct {
    uint64_t                left;             /* of the payload */
    const char             *reason;
    uint16_t                code;
    uint8_t                 head[NEON_WS_CLIENT_HEAD];
    uint8_t                 head_len;         /* bytes of head so far */
    uint8_t                 head_need;
    uint8_t                 mask_pos;         /* 0 to 3 */
    uint8_t                 opcode;
    unsigned                fragmented:1;     /* a message is under way */
    unsigned                payload:1;        /* head is complete */
    uint8_t                 control_len;
    uint8_t                 control[NEON_WS_CONTROL_MAX];
} neon_ws_decoder_t;


void neon_ws_decoder_init(neon_ws_decoder_t *d);

/*
 * Takes bytes from *in, up to `last`, until something happened.  DATA: *n
 * bytes of payload were unmasked to out, which may be at or before *in in the
 * same buffer.  Call again until MORE.
 */
neon_ws_event_e neon_ws_decode(neon_ws_decoder_t *d, const uint8_t **in,
    const uint8_t *last, uint8_t *out, size_t *n);

/* header of a final, unmasked binary frame of n <= NEON_WS_FRAME_MAX bytes;
   answers its length: 2 or 4 */
size_t neon_ws_head(uint8_t out[NEON_WS_HEAD], size_t n);

/* a whole control frame; n <= NEON_WS_CONTROL_MAX; answers its length */
size_t neon_ws_control(uint8_t out[NEON_WS_CONTROL_FRAME], uint8_t opcode,
    const void *payload, size_t n);

/* a whole Close frame with that code and reason, which is cut */
size_t neon_ws_close(uint8_t out[NEON_WS_CONTROL_FRAME], uint16_t code,
    const char *reason);

/* section 4.2.2: the key must be base64 of 16 bytes, else NEON_ERROR */
neon_rc_e neon_ws_accept(uint8_t out[NEON_WS_ACCEPT_LEN], neon_str_t key);


#endif /* NEON_WS_H */
