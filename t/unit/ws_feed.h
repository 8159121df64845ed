/*
 * WebSocket: a client's stream is fed to the decoder, what came of it is
 * logged so that two ways of feeding can be compared.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef WS_FEED_H
#define WS_FEED_H


#include <stdlib.h>
#include <string.h>

#include "neon_ws.h"


#define WS_EVENT_HEAD  8                  /* of a logged event */


typedef enum {
    WS_APART,                             /* out is not the input's buffer */
    WS_IN_PLACE,                          /* out is *in */
    WS_COMPACT                            /* from the buffer's start on */
} ws_out_e;


typedef struct {
    uint8_t    *payload;
    size_t      npayload;
    neon_wr_t   events;
    size_t      used;                     /* of the stream */
} ws_log_t;


static void
ws_check(int ok)
{
    if (!ok) {
        abort();
    }
}


/* n: of the stream; a control frame takes 6 bytes of it, or more */

static void
ws_log_init(ws_log_t *log, size_t n)
{
    size_t  size;

    size = 2 * n + 2 * WS_EVENT_HEAD;

    log->payload = malloc(n + 1);
    log->npayload = 0;
    log->used = 0;

    neon_wr_init(&log->events, malloc(size), size);

    ws_check(log->payload != NULL && log->events.start != NULL);
}


static void
ws_log_free(ws_log_t *log)
{
    free(log->payload);
    free(log->events.start);
}


/* with the place in the payload, so that the order counts */

static void
ws_log_event(ws_log_t *log, neon_ws_event_e event, unsigned code,
    const uint8_t *p, size_t n)
{
    neon_wr_u8(&log->events, (uint8_t) event);
    neon_wr_u16(&log->events, (uint16_t) code);
    neon_wr_u32(&log->events, (uint32_t) log->npayload);
    neon_wr_u8(&log->events, (uint8_t) n);
    neon_wr_bytes(&log->events, p, n);

    ws_check(!log->events.error);
}


static int
ws_log_eq(const ws_log_t *a, const ws_log_t *b)
{
    return neon_str_eq(neon_str(a->payload, a->npayload),
                       neon_str(b->payload, b->npayload))
           && neon_str_eq(neon_str(a->events.start, neon_wr_len(&a->events)),
                          neon_str(b->events.start, neon_wr_len(&b->events)))
           && a->used == b->used;
}


static void
ws_log_decoded(ws_log_t *log, const neon_ws_decoder_t *d,
    neon_ws_event_e event, const uint8_t *out, size_t n)
{
    switch (event) {

    case NEON_WS_MORE:
        break;

    case NEON_WS_DATA:
        memcpy(log->payload + log->npayload, out, n);
        log->npayload += n;
        break;

    case NEON_WS_PING:
    case NEON_WS_PONG:
        ws_log_event(log, event, 0, d->control, d->control_len);
        break;

    case NEON_WS_CLOSE:
        ws_log_event(log, event, d->code, d->control, d->control_len);
        break;

    case NEON_WS_FAIL:
        ws_check(strlen(d->reason) <= NEON_WS_CONTROL_MAX - 2);
        ws_log_event(log, event, d->code, NULL, 0);
        break;
    }
}


/* one piece, in storage of exactly its size; MORE or FAIL */

static neon_ws_event_e
ws_feed(neon_ws_decoder_t *d, ws_log_t *log, const uint8_t *p, size_t n,
    ws_out_e how)
{
    size_t           size, done;
    uint8_t         *piece, *apart, *out;
    const uint8_t   *in, *was;
    neon_ws_event_e  event;

    piece = malloc(n);
    apart = malloc(n);

    ws_check((piece != NULL && apart != NULL) || n == 0);

    if (n) {
        memcpy(piece, p, n);
    }

    in = piece;
    done = 0;

    do {
        out = apart;

        if (how == WS_IN_PLACE) {
            out = piece + (in - piece);

        } else if (how == WS_COMPACT) {
            out = piece + done;
        }

        was = in;
        event = neon_ws_decode(d, &in, piece + n, out, &size);

        ws_check(in >= was && in <= piece + n);
        ws_check((event == NEON_WS_DATA) == (size != 0));
        ws_check(size <= (size_t) (in - was));
        ws_check(event != NEON_WS_MORE || in == piece + n);

        ws_log_decoded(log, d, event, out, size);
        done += size;

    } while (event != NEON_WS_MORE && event != NEON_WS_FAIL);

    ws_check(how != WS_APART || n == 0 || memcmp(piece, p, n) == 0);

    log->used += (size_t) (in - piece);

    free(piece);
    free(apart);

    return event;
}


/* the whole stream; the pieces' sizes are taken from the list in turn */

static neon_ws_event_e
ws_feed_all(ws_log_t *log, const uint8_t *p, size_t n, const size_t *sizes,
    size_t nsizes, ws_out_e how)
{
    size_t             i, size;
    neon_ws_event_e    event;
    neon_ws_decoder_t  d;

    neon_ws_decoder_init(&d);
    ws_log_init(log, n);

    event = NEON_WS_MORE;

    for (i = 0; n > 0 && event == NEON_WS_MORE; i++) {
        size = sizes[i % nsizes];

        if (size > n) {
            size = n;
        }

        event = ws_feed(&d, log, p, size, how);

        p += size;
        n -= size;
    }

    return event;
}


#endif /* WS_FEED_H */
