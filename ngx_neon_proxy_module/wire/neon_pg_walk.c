/*
 * The message-boundary walker: framing.  What the messages mean is in
 * neon_pg_walk_state.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_pg_walk.h"
#include "neon_pg_walk_state.h"


#define NEON_PG_WALK_HEAD     5


/* what a message is to the walker, by its tag */

typedef enum {
    NEON_PG_WALK_NOTED = 0,       /* client: part of a batch; compute: a reply.
                                     Unknown tags too: the safe side */
    NEON_PG_WALK_QUIET,           /* means nothing */
    NEON_PG_WALK_ACT,             /* changes the state */
    NEON_PG_WALK_READY            /* ReadyForQuery: its body does */
} neon_pg_walk_class_e;


static const uint8_t  neon_pg_walk_client_class[256] = {
    ['d'] = NEON_PG_WALK_QUIET,           /* CopyData */
    ['H'] = NEON_PG_WALK_QUIET,           /* Flush */
    ['Q'] = NEON_PG_WALK_ACT,             /* Query */
    ['F'] = NEON_PG_WALK_ACT,             /* FunctionCall */
    ['S'] = NEON_PG_WALK_ACT,             /* Sync */
    ['c'] = NEON_PG_WALK_ACT,             /* CopyDone */
    ['f'] = NEON_PG_WALK_ACT,             /* CopyFail */
    ['X'] = NEON_PG_WALK_ACT              /* Terminate */
};

static const uint8_t  neon_pg_walk_compute_class[256] = {
    ['A'] = NEON_PG_WALK_QUIET,           /* NotificationResponse */
    ['N'] = NEON_PG_WALK_QUIET,           /* NoticeResponse */
    ['S'] = NEON_PG_WALK_QUIET,           /* ParameterStatus */
    ['C'] = NEON_PG_WALK_ACT,             /* CommandComplete */
    ['E'] = NEON_PG_WALK_ACT,             /* ErrorResponse */
    ['G'] = NEON_PG_WALK_ACT,             /* CopyInResponse */
    ['Z'] = NEON_PG_WALK_READY
};


static const uint8_t *neon_pg_walk_part(neon_pg_walk_t *w, int client,
    const uint8_t *p, const uint8_t *last);
static void neon_pg_walk_head(neon_pg_walk_t *w, int client, uint8_t tag,
    uint32_t len, unsigned noted);
static void neon_pg_walk_note(neon_pg_walk_t *w, int client, unsigned noted);


void
neon_pg_walk_init(neon_pg_walk_t *w, uint8_t status)
{
    memset(w, 0, sizeof(neon_pg_walk_t));

    w->status = status;
}


void
neon_pg_walk_blind(neon_pg_walk_t *w)
{
    neon_pg_walk_init(w, 0);

    w->lost = 1;
}


int
neon_pg_walk_idle(const neon_pg_walk_t *w)
{
    return w->status == 'I' && !w->terminate && !neon_pg_walk_busy(w)
           && neon_pg_walk_boundary(w);
}


int
neon_pg_walk_boundary(const neon_pg_walk_t *w)
{
    return w->client.left == 0 && w->client.nhead == 0
           && neon_pg_walk_left(w) == 0;
}


size_t
neon_pg_walk_left(const neon_pg_walk_t *w)
{
    if (w->lost) {
        return SIZE_MAX;
    }

    return w->compute.nhead != 0 ? (size_t) NEON_PG_WALK_HEAD
                                   - w->compute.nhead
                                 : w->compute.left;
}


int
neon_pg_walk_busy(const neon_pg_walk_t *w)
{
    return w->pending != 0 || w->unsynced || w->copied || w->copy_in
           || w->lost;
}


int
neon_pg_walk_told(const neon_pg_walk_t *w)
{
    return w->told && neon_pg_walk_left(w) == 0;
}


int
neon_pg_walk_cut(const neon_pg_walk_t *w)
{
    return !w->lost && !neon_pg_walk_told(w)
           && (neon_pg_walk_left(w) != 0 || neon_pg_walk_busy(w));
}


/*
 * Both directions, specialized by the compiler.  The loop touches memory of
 * ours only for the few tags that change something.
 */

static inline void
neon_pg_walk_stream(neon_pg_walk_t *w, int client, const uint8_t *p, size_t n)
{
    uint32_t              len;
    unsigned              class, noted;
    const uint8_t        *last, *classes;
    neon_pg_walk_side_t  *side;

    if (n == 0 || w->lost) {
        return;
    }

    side = client ? &w->client : &w->compute;
    classes = client ? neon_pg_walk_client_class : neon_pg_walk_compute_class;

    noted = 0;
    last = p + n;

    if (side->left != 0 || side->nhead != 0) {
        p = neon_pg_walk_part(w, client, p, last);
    }

    while (last - p >= NEON_PG_WALK_HEAD) {

        len = (uint32_t) p[1] << 24 | (uint32_t) p[2] << 16
              | (uint32_t) p[3] << 8 | p[4];

        class = classes[p[0]];
        noted |= (class == NEON_PG_WALK_NOTED);

        if (class >= NEON_PG_WALK_ACT || len - 4 > INT32_MAX - 4) {

            neon_pg_walk_head(w, client, p[0], len, noted);
            noted = 0;

            if (w->lost) {
                return;
            }
        }

        if (len >= (size_t) (last - p)) {

            /* the message goes on in the next chunk */

            side->tag = p[0];
            side->left = len + 1 - (uint32_t) (last - p);
            p = last;
            break;
        }

        if (class == NEON_PG_WALK_READY) {
            neon_pg_walk_state_ready(w, p[NEON_PG_WALK_HEAD]);

            if (w->lost) {
                return;
            }
        }

        p += (size_t) len + 1;
    }

    neon_pg_walk_note(w, client, noted);

    if (p != last) {
        (void) neon_pg_walk_part(w, client, p, last);
    }
}


void
neon_pg_walk_client(neon_pg_walk_t *w, const uint8_t *p, size_t n)
{
    neon_pg_walk_stream(w, 1, p, n);
}


void
neon_pg_walk_compute(neon_pg_walk_t *w, const uint8_t *p, size_t n)
{
    neon_pg_walk_stream(w, 0, p, n);
}


/*
 * The rest of a header and of a body, or the beginning of a header.  Answers
 * where the next message begins, or `last`.
 */

static const uint8_t *
neon_pg_walk_part(neon_pg_walk_t *w, int client, const uint8_t *p,
    const uint8_t *last)
{
    size_t                n;
    uint32_t              len;
    const uint8_t        *classes;
    neon_pg_walk_side_t  *side;

    side = client ? &w->client : &w->compute;
    classes = client ? neon_pg_walk_client_class : neon_pg_walk_compute_class;

    if (side->left == 0 || side->nhead != 0) {

        for ( /* void */ ; side->nhead < NEON_PG_WALK_HEAD; side->nhead++) {

            if (p == last) {
                return last;
            }

            if (side->nhead == 0) {
                side->tag = *p++;

            } else {
                side->left = side->left << 8 | *p++;
            }
        }

        len = side->left;
        side->left = 0;
        side->nhead = 0;

        neon_pg_walk_head(w, client, side->tag, len,
                          classes[side->tag] == NEON_PG_WALK_NOTED);

        if (w->lost) {
            return last;
        }

        side->left = len - 4;
    }

    n = (size_t) (last - p);

    if (n < side->left) {
        side->left -= (uint32_t) n;
        return last;
    }

    if (side->left != 0) {
        p += side->left;
        side->left = 0;

        if (classes[side->tag] == NEON_PG_WALK_READY) {
            neon_pg_walk_state_ready(w, p[-1]);
        }
    }

    return p;
}


static void
neon_pg_walk_head(neon_pg_walk_t *w, int client, uint8_t tag, uint32_t len,
    unsigned noted)
{
    unsigned  class;

    class = client ? neon_pg_walk_client_class[tag]
                   : neon_pg_walk_compute_class[tag];

    /* the length is signed on the wire, and counts itself */

    if (len < 4 || len > INT32_MAX
        || (class == NEON_PG_WALK_READY && len != 5))
    {
        w->lost = 1;
        return;
    }

    neon_pg_walk_note(w, client, noted);

    if (class != NEON_PG_WALK_ACT) {
        return;
    }

    if (client) {
        neon_pg_walk_state_client(w, tag);
        return;
    }

    neon_pg_walk_state_compute(w, tag);
}


static void
neon_pg_walk_note(neon_pg_walk_t *w, int client, unsigned noted)
{
    if (!noted) {
        return;
    }

    if (client) {
        w->unsynced = 1;
        return;
    }

    w->replied = 1;
    w->told = 0;
}
