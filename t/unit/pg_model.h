/*
 * A model of a PostgreSQL backend, of its client and of the two streams
 * between them, to check the boundary walker against: what the backend does
 * with each message is as recorded from PostgreSQL 15.  A string of bytes
 * chooses what the client sends, and who moves next.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef PG_MODEL_H
#define PG_MODEL_H


#include <stdio.h>
#include <stdlib.h>

#include "neon_pg_walk.h"


#define MODEL_SIZE    1024        /* messages of one session */
#define MODEL_PLAN    32


typedef enum {
    SELECT = 0,
    EMPTY,
    WRONG,
    BEGIN,
    COMMIT,
    COPY_OK,
    COPY_BAD_START,               /* fails before it reads anything */
    COPY_BAD_ROW,                 /* fails at its first CopyData */
    COPY_BAD_END,                 /* fails at CopyDone */
    NONE
} statement_e;


typedef struct {
    uint8_t      tag;
    uint8_t      first;           /* statement of Query or Execute; of the
                                     others, 1: it will fail */
    uint8_t      second;          /* of a Query */
} model_msg_t;


/* the backend, with what it has not read and what it has written */

typedef struct {
    model_msg_t  in[MODEL_SIZE];
    size_t       nin, read;

    uint8_t      out[8 * MODEL_SIZE][2];
    size_t       nout, delivered;

    unsigned     copy;            /* reads CopyData for .. */
    unsigned     copy_ext;        /* .. an Execute */
    uint8_t      statement;       /* the COPY that reads */
    uint8_t      next;            /* statement of the Query behind it */

    unsigned     batch;           /* extended messages since the last Sync */
    unsigned     skip;            /* to the next Sync */
    uint8_t      status;
    unsigned     dead;
} backend_t;


typedef struct {
    const uint8_t   *p, *last;    /* choices */
    backend_t        b;
    neon_pg_walk_t   w;
    model_msg_t      plan[MODEL_PLAN];
    size_t           nplan, planned;
    unsigned         polite;      /* the client follows the documentation */
} model_t;


static unsigned
choose(model_t *m, unsigned n)
{
    return (m->p == m->last) ? 0 : *m->p++ % n;
}


static void
emit(backend_t *b, uint8_t tag)
{
    b->out[b->nout][0] = tag;
    b->out[b->nout][1] = b->status;
    b->nout++;
}


static void
emit_error(backend_t *b)
{
    emit(b, 'E');

    if (b->status == 'T') {
        b->status = 'E';
    }
}


/* 1: the statement failed */

static int
run(backend_t *b, uint8_t statement, unsigned ext)
{
    if (b->status == 'E' && statement != COMMIT && statement != EMPTY) {
        emit_error(b);
        return 1;
    }

    switch (statement) {

    case SELECT:
        if (!ext) {
            emit(b, 'T');
        }

        emit(b, 'D');
        emit(b, 'C');
        return 0;

    case EMPTY:
        emit(b, 'I');
        return 0;

    case WRONG:
        emit_error(b);
        return 1;

    case BEGIN:
    case COMMIT:
        b->status = (statement == BEGIN) ? 'T' : 'I';
        emit(b, 'C');
        return 0;

    default:
        emit(b, 'G');

        if (statement == COPY_BAD_START) {
            emit_error(b);
            return 1;
        }

        b->copy = 1;
        b->copy_ext = ext;
        b->statement = statement;
        return 0;
    }
}


static void
run_query(backend_t *b, uint8_t first, uint8_t second)
{
    b->next = second;

    if (run(b, first, 0)) {
        b->next = NONE;
    }

    if (!b->copy && b->next != NONE) {
        second = b->next;
        b->next = NONE;
        (void) run(b, second, 0);
    }

    if (!b->copy) {
        emit(b, 'Z');
    }
}


static void
read_copy(backend_t *b, model_msg_t *msg)
{
    unsigned  bad;

    switch (msg->tag) {

    case 'S':
    case 'H':
        return;

    case 'd':
        bad = (b->statement == COPY_BAD_ROW);
        break;

    case 'f':
        bad = 1;
        break;

    case 'c':
        bad = (b->statement != COPY_OK);

        if (!bad) {
            b->copy = 0;
            emit(b, 'C');

            if (!b->copy_ext) {
                if (b->next == NONE) {
                    emit(b, 'Z');

                } else {
                    run_query(b, b->next, NONE);
                }
            }

            return;
        }

        break;

    default:
        emit_error(b);
        emit_error(b);
        b->dead = 1;
        return;
    }

    if (bad) {
        b->copy = 0;
        emit_error(b);

        if (b->copy_ext) {
            b->skip = 1;

        } else {
            emit(b, 'Z');
        }
    }
}


static void
read_message(backend_t *b, model_msg_t *msg)
{
    static const char  reply[] = "P1B2DnC3";

    if (b->copy) {
        read_copy(b, msg);
        return;
    }

    if (b->skip && msg->tag != 'S') {
        return;
    }

    switch (msg->tag) {

    case 'Q':
        b->batch = 0;
        run_query(b, msg->first, msg->second);
        break;

    case 'F':
        b->batch = 0;

        if (msg->first) {
            emit_error(b);

        } else {
            emit(b, 'V');
        }

        emit(b, 'Z');
        break;

    case 'S':
        if (b->batch && !b->skip && msg->first) {
            emit_error(b);              /* a deferred constraint */
        }

        b->skip = 0;
        b->batch = 0;
        emit(b, 'Z');
        break;

    case 'E':
        b->batch = 1;
        b->skip = (unsigned) run(b, msg->first, 1);
        break;

    case 'P':
    case 'B':
    case 'D':
    case 'C':
        b->batch = 1;

        if (msg->first) {
            emit_error(b);
            b->skip = 1;
            break;
        }

        emit(b, (uint8_t) strchr(reply, msg->tag)[1]);
        break;

    default: /* Flush, and what is left over from a copy */
        break;
    }
}


static void
backend_step(backend_t *b)
{
    if (!b->dead && b->read < b->nin) {
        read_message(b, &b->in[b->read++]);
    }
}


/* is there anything that a client could miss if it were cut off now? */

static int
backend_works(const backend_t *now)
{
    static backend_t  b;

    if (now->batch || now->skip || now->copy || now->status != 'I') {
        return 1;
    }

    b = *now;

    while (b.read < b.nin && !b.dead) {
        backend_step(&b);
    }

    while (b.delivered < b.nout) {
        if (b.out[b.delivered][0] != 'Z' || b.out[b.delivered][1] != 'I') {
            return 1;
        }

        b.delivered++;
    }

    return b.batch || b.skip || b.copy || b.dead;
}


static void
model_show(model_t *m, const char *what)
{
    size_t  i;

    fprintf(stderr, "%s\nclient:", what);

    for (i = 0; i < m->b.nin; i++) {
        fprintf(stderr, " %c%u,%u%s", m->b.in[i].tag, m->b.in[i].first,
                m->b.in[i].second, (i + 1 == m->b.read) ? " |" : "");
    }

    fprintf(stderr, "\nbackend:");

    for (i = 0; i < m->b.nout; i++) {
        fprintf(stderr, " %c%s", m->b.out[i][0],
                (i + 1 == m->b.delivered) ? " |" : "");
    }

    fprintf(stderr, "\n");
    abort();
}


static void
model_check(model_t *m)
{
    if (m->w.lost && m->polite) {
        model_show(m, "lost");
    }

    if (neon_pg_walk_idle(&m->w) && backend_works(&m->b)) {
        model_show(m, "idle although work is under way");
    }
}


/* a message of either side passes the walker, in one chunk or in two */

static void
model_pass(model_t *m, unsigned client, uint8_t tag, uint8_t status)
{
    void    (*walk)(neon_pg_walk_t *w, const uint8_t *p, size_t n);
    size_t    cut, len;
    uint8_t   buf[8];

    len = (tag == 'Z') ? 6 : 5 + choose(m, 3);

    memset(buf, 0, sizeof(buf));
    buf[0] = tag;
    buf[4] = (uint8_t) (len - 1);
    buf[5] = status;

    cut = choose(m, 16);
    walk = client ? neon_pg_walk_client : neon_pg_walk_compute;

    if (cut != 0 && cut < len) {
        walk(&m->w, buf, cut);

        if (neon_pg_walk_idle(&m->w)) {
            model_show(m, "idle inside a message");
        }

        walk(&m->w, buf + cut, len - cut);
        return;
    }

    walk(&m->w, buf, len);
}


static void
model_plan(model_t *m, char tag, unsigned first, unsigned second)
{
    model_msg_t  *msg;

    msg = &m->plan[m->nplan++];
    msg->tag = (uint8_t) tag;
    msg->first = (uint8_t) first;
    msg->second = (uint8_t) second;
}


/* what a client may send from CopyInResponse to the end of its copy */

static void
model_plan_copy(model_t *m, unsigned syncs)
{
    static const char  may[] = "dHdS";
    unsigned           n;

    for (n = choose(m, 5); n != 0; n--) {
        model_plan(m, may[choose(m, 3 + syncs)], 0, 0);
    }

    model_plan(m, choose(m, 4) ? 'c' : 'f', 0, 0);
}


/*
 * Where a copy fails in whose window Syncs were sent, only a Sync right behind
 * its end lets the walker know what the backend still does.
 */

static void
model_plan_batch(model_t *m)
{
    unsigned  n, syncs, statement;

    for (n = choose(m, 3) + 1; n != 0; n--) {
        model_plan(m, 'P', choose(m, 8) == 7, 0);
        model_plan(m, 'B', choose(m, 16) == 15, 0);

        statement = choose(m, NONE);
        model_plan(m, 'E', statement, 0);

        if (statement >= COPY_OK) {
            syncs = choose(m, 4) != 0;
            model_plan_copy(m, syncs);

            if (syncs) {
                break;
            }
        }
    }

    model_plan(m, 'S', choose(m, 8) == 7, 0);
}


/* a polite client ends a batch by Sync, and behind a copy at once */

static void
model_plan_polite(model_t *m)
{
    unsigned  first, second;

    switch (choose(m, 8)) {

    case 0:
        model_plan(m, 'F', choose(m, 2), 0);
        break;

    case 1:
        model_plan(m, 'S', 0, 0);
        break;

    case 2:
        model_plan(m, 'H', 0, 0);
        break;

    case 3:
    case 4:
        first = choose(m, NONE);
        second = choose(m, NONE + 1);
        model_plan(m, 'Q', first, second);

        if (first >= COPY_OK && first != NONE) {
            model_plan_copy(m, 1);
        }

        if (second >= COPY_OK && second != NONE) {
            model_plan_copy(m, 1);
        }

        break;

    case 5:
        model_plan(m, 'P', choose(m, 8) == 7, 0);
        model_plan(m, 'B', 0, 0);
        model_plan(m, 'E', COPY_OK + choose(m, 4), 0);

        if (choose(m, 4)) {
            model_plan(m, 'S', 0, 0);
        }

        model_plan_copy(m, 1);
        model_plan(m, 'S', 0, 0);
        break;

    default:
        model_plan_batch(m);
        break;
    }
}


static void
model_send(model_t *m)
{
    static const char  any[] = "QFSPBDECHdcfSSEc";
    model_msg_t       *msg;

    if (m->planned == m->nplan) {

        if (m->b.nin >= MODEL_SIZE - MODEL_PLAN) {
            return;
        }

        m->planned = 0;
        m->nplan = 0;

        if (m->polite) {
            model_plan_polite(m);

        } else {
            model_plan(m, any[choose(m, 16)], choose(m, NONE),
                       choose(m, NONE + 1));
            m->plan[0].first = strchr("QE", m->plan[0].tag)
                               ? m->plan[0].first : m->plan[0].first == WRONG;
        }
    }

    msg = &m->plan[m->planned++];

    /* who has seen that a copy failed need not end it */

    if (strchr("dcf", msg->tag) && !m->b.copy && m->b.read == m->b.nin
        && m->b.delivered == m->b.nout && choose(m, 2))
    {
        return;
    }

    model_pass(m, 1, msg->tag, 0);
    m->b.in[m->b.nin++] = *msg;
}


static void
model_deliver(model_t *m)
{
    uint8_t            *out;
    static const char   async[] = "ANS";

    if (choose(m, 8) == 7) {
        model_pass(m, 0, (uint8_t) async[choose(m, 3)], 0);
    }

    if (m->b.delivered == m->b.nout) {
        return;
    }

    out = m->b.out[m->b.delivered];

    m->b.delivered++;
    model_pass(m, 0, out[0], out[1]);
}


/* a session; aborts where the walker says what is not so */

static void
model_run(model_t *m, const uint8_t *p, size_t n)
{
    memset(m, 0, sizeof(model_t));
    neon_pg_walk_init(&m->w, 'I');

    m->p = p;
    m->last = p + n;
    m->b.status = 'I';
    m->b.next = NONE;
    m->polite = choose(m, 2);

    while (m->p != m->last && !m->b.dead) {

        switch (choose(m, 4)) {

        case 0:
            backend_step(&m->b);
            break;

        case 1:
            model_deliver(m);
            break;

        default:
            /* exactness is promised for as much as the queue holds */

            if (!m->polite || m->w.pending < NEON_PG_WALK_QUEUE) {
                model_send(m);
            }
        }

        model_check(m);
    }

    while (m->planned < m->nplan && !m->b.dead) {

        if (!m->polite || m->w.pending < NEON_PG_WALK_QUEUE) {
            model_send(m);

        } else {
            backend_step(&m->b);
            model_deliver(m);
        }

        model_check(m);
    }

    while (m->b.read < m->b.nin && !m->b.dead) {
        backend_step(&m->b);
        model_check(m);
    }

    while (m->b.delivered < m->b.nout) {
        model_deliver(m);
        model_check(m);
    }

    if (m->polite && !m->b.dead && !backend_works(&m->b)
        && !neon_pg_walk_idle(&m->w))
    {
        model_show(m, "not idle although all is done");
    }
}


#endif /* PG_MODEL_H */
