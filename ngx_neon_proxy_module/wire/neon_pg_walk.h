/*
 * The message-boundary walker: follows both byte streams of a logged-in
 * session, looks at the 5 header bytes of each message and the status byte of
 * ReadyForQuery, and so knows when the session is idle: nothing under way in
 * either direction, every Query, Sync and FunctionCall answered, no unsynced
 * extended-query batch, no COPY, and the last ReadyForQuery said 'I'.
 *
 * It costs no copy: the relay shows it each chunk as it passes, what comes
 * from the client before it is written to the compute.
 * PostgreSQL docs, chapter "Message Flow".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_PG_WALK_H
#define NEON_PG_WALK_H


#include "neon_buf.h"


#define NEON_PG_WALK_QUEUE    64


typedef struct {
    uint32_t          left;           /* body bytes still to pass; inside a
                                         header: its length as it comes */
    uint8_t           nhead;          /* header bytes collected, 0..4 */
    uint8_t           tag;
} neon_pg_walk_side_t;


typedef struct {
    neon_pg_walk_side_t  client;      /* client to compute */
    neon_pg_walk_side_t  compute;     /* compute to client */

    /*
     * What the client sent and the compute did not answer yet, one bit of
     * each word an entry, bit 0 the oldest: see neon_pg_walk_state.c.
     */
    uint64_t          queue[3];

    uint8_t           status;         /* of the last ReadyForQuery: I, T, E */
    uint8_t           swallowed;      /* Syncs that the COPY under way is
                                         believed to have ignored */
    uint8_t           extra;          /* ReadyForQuery of such Syncs that may
                                         come after all, as COPY failed */

    unsigned          pending:20;     /* entries of the queue; if blurred:
                                         ReadyForQuery owed at most */
    unsigned          unsynced:1;     /* extended-query messages behind the
                                         last Sync */
    unsigned          copied:1;       /* ... and a COPY among them began */
    unsigned          copy_in:1;      /* CopyInResponse seen, and the compute
                                         did not end this copy yet */
    unsigned          copy_open:1;    /* ... nor did the client */
    unsigned          copy_ext:1;     /* ... and it began in a batch */
    unsigned          replied:1;      /* since the last ReadyForQuery: a
                                         message that only a request causes */
    unsigned          told:1;         /* the last reply ends something: an
                                         error, or a command is complete */
    unsigned          failed:1;       /* a batch failed in COPY: the owner of
                                         the next ReadyForQuery is open */
    unsigned          blurred:1;      /* too much for exact counting */
    unsigned          lost:1;         /* the stream made no sense: never idle
                                         again, bytes pass all the same */
    unsigned          terminate:1;    /* Terminate seen from the client */
} neon_pg_walk_t;


/* the state right behind the first ReadyForQuery */
void neon_pg_walk_init(neon_pg_walk_t *w, uint8_t status);

/* streams of which nothing is known: they pass, never idle, never bounded */
void neon_pg_walk_blind(neon_pg_walk_t *w);

void neon_pg_walk_client(neon_pg_walk_t *w, const uint8_t *p, size_t n);
void neon_pg_walk_compute(neon_pg_walk_t *w, const uint8_t *p, size_t n);

/* late at times (blurred, lost), never early */
int neon_pg_walk_idle(const neon_pg_walk_t *w);

/* both streams stand between two messages */
int neon_pg_walk_boundary(const neon_pg_walk_t *w);

/*
 * Bytes of the compute's message under way that are still to come, or of its
 * header; 0: the stream stands between two, and an ErrorResponse of ours fits.
 * Nobody knows where it stands: SIZE_MAX.
 */
size_t neon_pg_walk_left(const neon_pg_walk_t *w);

/* work of the client is under way at the compute: worth a CancelRequest */
int neon_pg_walk_busy(const neon_pg_walk_t *w);

/* a compute that ends here has said so, and may have said why */
int neon_pg_walk_told(const neon_pg_walk_t *w);

/* one that ends here breaks off, with no word of what becomes of the work */
int neon_pg_walk_cut(const neon_pg_walk_t *w);


#endif /* NEON_PG_WALK_H */
