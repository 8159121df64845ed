/*
 * W3C Trace Context: the header "traceparent", a trace, the span that is the
 * parent, and whether it is recorded; and "tracestate", what others keep there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_TRACEPARENT_H
#define NEON_TRACEPARENT_H


#include "neon_buf.h"


#define NEON_TRACEPARENT_LEN      55      /* 00-<32>-<16>-<2> */

#define NEON_TRACE_ID_LEN         16
#define NEON_SPAN_ID_LEN          8

#define NEON_TRACEPARENT_SAMPLED  0x01
#define NEON_TRACEPARENT_RANDOM   0x02    /* the trace's id is */

#define NEON_TRACESTATE_MEMBERS   32
#define NEON_TRACESTATE_MAX       512


typedef struct {
    uint8_t           trace_id[NEON_TRACE_ID_LEN];
    uint8_t           span_id[NEON_SPAN_ID_LEN];
    uint8_t           flags;
    uint8_t           given;          /* 0: there is none */
} neon_traceparent_t;


/*
 * NEON_ERROR: not one, and *t says so.  Version 00 has this length and no
 * other; of a higher one the beginning is read that 00 knows, and of its flags
 * only "sampled".  Flags without a meaning are not passed on.
 */
neon_rc_e neon_traceparent_parse(neon_traceparent_t *t, neon_str_t text);

/* as version 00: NEON_TRACEPARENT_LEN bytes */
void neon_traceparent_write(uint8_t *p, const neon_traceparent_t *t);

/*
 * What may be passed on of a "tracestate": the members that fit into
 * NEON_TRACESTATE_MAX bytes, from the first on and each as it came.  Empty: it
 * is malformed, or has none.
 */
neon_str_t neon_traceparent_state(neon_str_t text);


#endif /* NEON_TRACEPARENT_H */
