/*
 * The message-boundary walker: what the messages mean.
 *
 * A compute answers strictly in the order of the client's messages, so a queue
 * of what is not answered yet tells which request a ReadyForQuery belongs to.
 * Three things make this more than counting:
 *
 * - While COPY FROM STDIN reads, the compute ignores Sync.  libpq sends one
 *   with the Execute that begins the copy and one behind CopyDone; only the
 *   second is answered.  CopyInResponse tells which Syncs, sent long ago or
 *   still to come, fall into this window.
 *
 * - Where a COPY fails, the Syncs of its window which the compute had not read
 *   by then are answered after all, and nobody tells how many.  They carry no
 *   work: what they bring is taken as it comes (`extra`).  A ReadyForQuery with
 *   no reply before it can only be theirs or another idle Sync's, since every
 *   Query and every batch has a reply.
 *
 * - Where that does not decide, or where the queue is full, the walker counts
 *   the largest number of ReadyForQuery that may come (`blurred`).
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_pg_walk_state.h"


#define NEON_PG_WALK_MAX      0xfffff     /* fits `pending` */


/* entries of the queue: bits of queue[0], [1] and [2] */

typedef enum {
    NEON_PG_WALK_SYNC_BARE = 1,   /* Sync with no batch before it, or with a
                                     COPY only */
    NEON_PG_WALK_QUERY = 2,       /* Query, FunctionCall */
    NEON_PG_WALK_SYNC_WORK = 3,   /* Sync that ends a batch */
    NEON_PG_WALK_END_AFTER = 4,   /* CopyDone or CopyFail, sent before the copy
                                     was seen to begin, behind an entry */
    NEON_PG_WALK_END_BATCH = 6    /* like END_AFTER, within a batch */
} neon_pg_walk_kind_e;


static void neon_pg_walk_state_sync(neon_pg_walk_t *w);
static void neon_pg_walk_state_copy_end(neon_pg_walk_t *w);
static void neon_pg_walk_state_copy_begin(neon_pg_walk_t *w);
static void neon_pg_walk_state_copy_window(neon_pg_walk_t *w, unsigned i);
static void neon_pg_walk_state_copy_failed(neon_pg_walk_t *w);
static void neon_pg_walk_state_answer(neon_pg_walk_t *w);

static void neon_pg_walk_state_push(neon_pg_walk_t *w, unsigned kind);
static void neon_pg_walk_state_blur(neon_pg_walk_t *w);
static unsigned neon_pg_walk_state_kind(const neon_pg_walk_t *w, unsigned i);
static unsigned neon_pg_walk_state_skip_ends(const neon_pg_walk_t *w,
    unsigned i);
static void neon_pg_walk_state_remove(neon_pg_walk_t *w, unsigned i);
static void neon_pg_walk_state_trim(neon_pg_walk_t *w);
static uint8_t neon_pg_walk_state_sum(unsigned a, unsigned b);


void
neon_pg_walk_state_client(neon_pg_walk_t *w, uint8_t tag)
{
    switch (tag) {

    case 'Q':
    case 'F':

        /*
         * It ends a batch that is open, or it is discarded as the batch
         * failed, and then it has no ReadyForQuery: we shall be late.
         */

        w->unsynced = 0;
        w->copied = 0;
        neon_pg_walk_state_push(w, NEON_PG_WALK_QUERY);
        break;

    case 'S':
        neon_pg_walk_state_sync(w);
        break;

    case 'X':
        w->terminate = 1;
        break;

    default: /* CopyDone, CopyFail */
        neon_pg_walk_state_copy_end(w);
    }
}


static void
neon_pg_walk_state_sync(neon_pg_walk_t *w)
{
    unsigned  kind;

    if (w->copy_open && !w->unsynced) {
        w->swallowed = neon_pg_walk_state_sum(w->swallowed, 1);
        return;
    }

    /*
     * With a batch before it, it means the end of the copy: either the copy
     * has failed, or the compute ends the session over this batch.
     */

    w->copy_open = 0;

    kind = w->unsynced ? NEON_PG_WALK_SYNC_WORK : NEON_PG_WALK_SYNC_BARE;

    w->unsynced = 0;
    w->copied = 0;

    neon_pg_walk_state_push(w, kind);
}


static void
neon_pg_walk_state_copy_end(neon_pg_walk_t *w)
{
    if (w->copy_open && !w->unsynced) {
        w->copy_open = 0;
        return;
    }

    /*
     * Sent ahead, for a copy which we may see begin; or sent in vain, and then
     * the compute ignores it.  Where nothing is under way it is in vain.
     */

    if (w->unsynced) {
        neon_pg_walk_state_push(w, NEON_PG_WALK_END_BATCH);

    } else if (w->pending != 0) {
        neon_pg_walk_state_push(w, NEON_PG_WALK_END_AFTER);
    }
}


void
neon_pg_walk_state_compute(neon_pg_walk_t *w, uint8_t tag)
{
    w->replied = 1;
    w->told = (tag == 'C' || tag == 'E');

    switch (tag) {

    case 'C':
        w->swallowed = 0;
        w->copy_in = 0;
        w->copy_open = 0;
        break;

    case 'E':
        neon_pg_walk_state_copy_failed(w);
        break;

    default: /* CopyInResponse */
        if (!w->blurred) {
            neon_pg_walk_state_copy_begin(w);
        }
    }
}


static void
neon_pg_walk_state_copy_begin(neon_pg_walk_t *w)
{
    unsigned  kind;

    kind = neon_pg_walk_state_kind(w, 0);

    if (kind == NEON_PG_WALK_SYNC_BARE) {

        /* it has no reply, so it was answered or discarded unnoticed */

        neon_pg_walk_state_blur(w);
        return;
    }

    w->copy_in = 1;
    w->copy_ext = (kind != NEON_PG_WALK_QUERY);
    w->swallowed = 0;

    if (kind == NEON_PG_WALK_QUERY) {
        neon_pg_walk_state_copy_window(w, 1);
        return;
    }

    if (kind == NEON_PG_WALK_END_BATCH) {
        neon_pg_walk_state_remove(w, 0);

    } else {

        if (kind == NEON_PG_WALK_SYNC_WORK) {
            w->swallowed = 1;
            neon_pg_walk_state_remove(w, 0);
        }

        neon_pg_walk_state_copy_window(w, 0);
    }

    /* the batch stays open beyond the Syncs that were ignored */

    if (w->copy_open) {

        if (w->swallowed == 0) {
            w->unsynced = 0;      /* they are not behind the copy */
        }

        w->copied = 1;
        return;
    }

    neon_pg_walk_state_trim(w);

    if (w->pending == 0) {
        w->copied = 1;
    }
}


/*
 * What was sent behind the message that began the copy, up to its end: Syncs
 * are ignored; after another message the compute ends the session, unless the
 * copy has failed before.
 */

static void
neon_pg_walk_state_copy_window(neon_pg_walk_t *w, unsigned i)
{
    while (i < w->pending) {

        switch (neon_pg_walk_state_kind(w, i)) {

        case NEON_PG_WALK_SYNC_BARE:
            w->swallowed = neon_pg_walk_state_sum(w->swallowed, 1);
            neon_pg_walk_state_remove(w, i);
            break;

        case NEON_PG_WALK_END_AFTER:
            neon_pg_walk_state_remove(w, i);
            return;

        default:
            return;
        }
    }

    w->copy_open = 1;
}


static void
neon_pg_walk_state_copy_failed(neon_pg_walk_t *w)
{
    if (!w->copy_in) {
        return;
    }

    /*
     * In a batch the compute now discards all up to a Sync: either up to one of
     * the window or up to the next one behind it.
     */

    if (w->swallowed != 0) {
        w->extra = neon_pg_walk_state_sum(w->extra, w->swallowed);
        w->failed = w->copy_ext;
    }

    w->swallowed = 0;
    w->copy_in = 0;
    w->copy_open = 0;
}


void
neon_pg_walk_state_ready(neon_pg_walk_t *w, uint8_t status)
{
    w->status = status;

    neon_pg_walk_state_answer(w);

    w->replied = 0;
    w->told = 0;
    w->failed = 0;
}


/* which request does this ReadyForQuery belong to? */

static void
neon_pg_walk_state_answer(neon_pg_walk_t *w)
{
    unsigned  i, kind, work;

    if (w->blurred) {

        if (w->pending == 0) {
            w->lost = 1;
            return;
        }

        w->pending--;
        w->blurred = (w->pending != 0 || w->unsynced);
        return;
    }

    i = neon_pg_walk_state_skip_ends(w, 0);
    kind = neon_pg_walk_state_kind(w, i);
    work = (kind == NEON_PG_WALK_QUERY || kind == NEON_PG_WALK_SYNC_WORK);

    if (i == w->pending || (work && !w->replied)) {

        /* nobody's, so it must be that of a Sync of a failed copy */

        if (w->extra == 0) {
            w->lost = 1;
            return;
        }

        w->extra--;
        return;
    }

    if (work && w->failed) {

        /* this work was discarded, or it is still to come */

        neon_pg_walk_state_blur(w);
        w->pending--;
        return;
    }

    neon_pg_walk_state_remove(w, i);

    /* with every CopyDone before it, which was in vain */

    while (i-- != 0) {
        neon_pg_walk_state_remove(w, 0);
    }

    neon_pg_walk_state_trim(w);
}


static void
neon_pg_walk_state_push(neon_pg_walk_t *w, unsigned kind)
{
    unsigned  i;

    if (w->pending == NEON_PG_WALK_QUEUE) {
        neon_pg_walk_state_blur(w);
    }

    if (w->blurred) {

        if (kind == NEON_PG_WALK_END_AFTER || kind == NEON_PG_WALK_END_BATCH) {
            return;
        }

        if (w->pending == NEON_PG_WALK_MAX) {
            w->lost = 1;
            return;
        }

    } else {
        for (i = 0; i < 3; i++) {
            w->queue[i] |= (uint64_t) (kind >> i & 1) << w->pending;
        }
    }

    w->pending++;
}


/* from the queue to a number that can only be too large */

static void
neon_pg_walk_state_blur(neon_pg_walk_t *w)
{
    unsigned  i, n;

    if (w->blurred) {
        return;
    }

    n = (unsigned) w->extra + w->swallowed;

    for (i = 0; i < w->pending; i++) {
        n += (neon_pg_walk_state_skip_ends(w, i) == i);
    }

    memset(w->queue, 0, sizeof(w->queue));

    w->extra = 0;
    w->swallowed = 0;
    w->pending = n & NEON_PG_WALK_MAX;
    w->copy_in = 0;
    w->copy_open = 0;
    w->blurred = 1;
}


/* 0 behind the last entry */

static unsigned
neon_pg_walk_state_kind(const neon_pg_walk_t *w, unsigned i)
{
    if (i >= w->pending) {
        return 0;
    }

    return (unsigned) ((w->queue[0] >> i & 1) | (w->queue[1] >> i & 1) << 1
                       | (w->queue[2] >> i & 1) << 2);
}


static unsigned
neon_pg_walk_state_skip_ends(const neon_pg_walk_t *w, unsigned i)
{
    unsigned  kind;

    for ( /* void */ ; i < w->pending; i++) {
        kind = neon_pg_walk_state_kind(w, i);

        if (kind != NEON_PG_WALK_END_AFTER && kind != NEON_PG_WALK_END_BATCH) {
            break;
        }
    }

    return i;
}


static void
neon_pg_walk_state_remove(neon_pg_walk_t *w, unsigned i)
{
    unsigned  k;
    uint64_t  older;

    older = ((uint64_t) 1 << i) - 1;

    for (k = 0; k < 3; k++) {
        w->queue[k] = (w->queue[k] & older) | (w->queue[k] >> 1 & ~older);
    }

    w->pending--;
}


/* a CopyDone that belonged to the entry before it goes with it */

static void
neon_pg_walk_state_trim(neon_pg_walk_t *w)
{
    while (neon_pg_walk_state_kind(w, 0) == NEON_PG_WALK_END_AFTER) {
        neon_pg_walk_state_remove(w, 0);
    }
}


static uint8_t
neon_pg_walk_state_sum(unsigned a, unsigned b)
{
    return (uint8_t) ((a + b > UINT8_MAX) ? UINT8_MAX : a + b);
}
