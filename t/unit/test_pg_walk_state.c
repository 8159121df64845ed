/*
 * The boundary walker on what messages mean: sessions recorded from
 * PostgreSQL 15, full queues, and a model of client and backend.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pg_model.h"
#include "pg_walk_pass.h"


/*
 * A session: ">" and the tags that the client sent, "<" and the tags
 * that PostgreSQL sent ('Z' with its status), "+" where the session is idle
 * now and "-" where it is not.  "!": what the client sends depends on what it
 * saw.
 */

typedef struct {
    const char  *name;
    const char  *script;
} record_t;


static const record_t  records[] = {
    { "simple queries", "+ >Q - <TDC - <ZI + >Q <I - <ZI + >Q <E - <ZI +" },
    { "transaction block",
      ">Q <CZT - >Q - <E - <ZE - >Q <CZI +" },
    { "many queries at once", ">QQQ - <TDCZI - <TDCZI - <EZI +" },
    { "extended batch", ">PBDES - <12TDC - <ZI +" },
    { "batch with Close", ">CS - <3 - <ZI + >C - >H - <3 - >S - <ZI +" },
    { "flush, sync later", ">PBDEH - <12TDC - >S - <ZI +" },
    { "deferred constraint fails at Sync", ">PBEH <12C - >S - <E - <ZI +" },
    { "pipeline, error in the middle",
      ">PBES - >PBDES - >PBES - <12DC - <ZI - <E - <ZI - <12DC - <ZI +" },
    { "three batches, one Sync", ">PBEPBEPBES - <12DC - <E - <ZI +" },
    { "function calls", ">F - <V - <ZI + >F - <E - <ZI +" },
    { "bare Syncs", ">SSS - <ZI - <ZI - <ZI + >H + >S - <ZI +" },
    { "bare Syncs in a transaction",
      ">Q <CZT - >S <ZT - >PS <E - <ZE - >S <ZE - >Q <CZI +" },
    { "asynchronous messages",
      "+ <A + <N + <S + >Q - <A - <N - <C - <S - <ZI + <A +" },
    { "NOTIFY to itself", ">Q <CZI >PBES - <12C - <A - <ZI +" },

    { "COPY OUT", ">Q - <Hd - <dc - <C - <ZI +" },
    { "COPY OUT in a batch", ">PBDES <12nH - <dcC - <ZI +" },

    { "COPY IN", ">Q - <G - >dd - >c - <C - <ZI +" },
    { "COPY IN, one flight", ">Qdc - <GC - <ZI +" },
    { "COPY IN, Syncs in the window", ">QSdScS - <GC - <ZI - <ZI +" },
    { "COPY IN, CopyFail", ">Q <G - >f - <E - <ZI +" },
    { "COPY IN, bad row", ">Q <G >dd - <E - <ZI + >dc +" },
    { "COPY IN, two in a Query, one flight", ">Qdcdc - <GC - <GC - <ZI +" },
    { "COPY IN, two in a Query", ">Q <G >dc - <C - <G - >d - >c - <C - <ZI +" },
    { "COPY IN, two, Sync between", ">QdcSdc - <GCG - <C - <ZI +" },
    { "COPY IN with notices", ">Qddc - <GNN - <C - <ZI +" },

    { "COPY IN in a batch, as libpq does",
      ">PBDES - <12nG - >dd - >cS - <C - <ZI +" },
    { "COPY IN in a batch, one flight", ">PBESdcS - <12GC - <ZI +" },
    { "COPY IN in a batch, no first Sync", ">PBEdcS - <12GC - <ZI +" },
    { "COPY IN in a batch, three Syncs and a Flush",
      ">PBESSHdScS - <12GC - <ZI +" },
    { "COPY IN in a batch, Sync is late",
      ">PBESdc - <12G - >S - <C - <ZI +" },
    { "COPY IN in a batch, CopyInResponse overtakes Sync",
      ">PBE - <12G - >S - >d - >c - >S - <C - <ZI +" },
    { "COPY IN in a batch, CopyFail", ">PBES <12G >dfS - <E - <ZI +" },
    { "COPY IN in a batch, bad row",
      ">PBDES <12nG - >d <E - >dc - >S - <ZI +" },
    { "COPY IN in a batch, bad row, one flight",
      ">PBESdcS - <12G - <E - <ZI +" },
    { "COPY IN in a batch, Sync of the window behind the bad row",
      ">PBESdSdcS - <12G - <E - <ZI <ZI +" },
    { "COPY IN in a batch, fails before it reads, one flight",
      ">PBESdcS - <12G - <E - <ZI <ZI +" },
    { "COPY IN in a batch, fails before it reads",
      ">PBDES - <12nG - <E - <ZI - >d - >c - >S - <ZI +" },
    { "COPY IN in a batch, bad row, client sends no CopyDone",
      "! >PBES <12G - >d - <E - >S - <ZI + >Q <TDC - <ZI +" },
    { "COPY IN in a batch, fails before it reads, next batch at once",
      ">PBES <12G - <E - <ZI - >cPBES - <12DC - <ZI +" },
    { "COPY IN in a batch, bad row, many Syncs",
      ">PBESSSdcSS - <12G - <E - <ZI - <ZI +" },
    { "COPY IN in a batch, Parse fails", ">PBESdcS - <12E - <ZI - <ZI +" },
    { "two COPY IN in a batch, one flight",
      ">PBEdcPBEdcS - <12GC - <12GC - <ZI +" },
    { "two COPY IN, a Sync behind the first Execute",
      ">PBESdcPBESdcS - <12GC - <12GC - <ZI +" },
    { "work behind COPY IN", ">PBESdcPBES - <12GC - <12DC - <ZI +" },
    { "COPY IN, bad row, Syncs, one flight",
      ">QSdSSdc - <G - <E - <ZI <ZI <ZI + >Q - <TDC - <ZI +" },
    { "COPY IN, bad row, Syncs, and a Query behind them",
      ">QSdSSdcQ - <G - <E - <ZI - <ZI - <ZI - <TDC - <ZI +" },
    { "COPY IN, fails before it reads, Syncs",
      ">QSdSc - <G - <E - <ZI <ZI <ZI +" },
    { "failed COPY IN leaves nothing behind",
      ">PBESdcS - <12GE - <ZI + >Q - <TDC - <ZI + >PBES - <12C - <ZI + "
      ">S - <ZI +" },

    { "stray copy messages",
      ">dcf + >Qcdf - <TDC - <ZI + >S - <ZI + >PBc - >ES - <12C - <ZI +" },
    { "Query in an open batch", ">PBEQ - <12DC - <TDCZI + >S - <ZI +" },
    { "Query in an open batch, Sync in flight",
      ">PBEQS - <12DC - <TDCZI - <ZI +" },
    { "logical replication",
      ">Q <TDCZI + >Q <Wd - >d - >c - <c - <d - <CC - <ZI + >Q - <TDCZI +" },
    { "Terminate", ">QX - <TDCZI -" },
    { "Terminate alone", ">X -" }
};


static void
play(neon_pg_walk_t *w, const record_t *r, size_t chunk)
{
    int          client;
    const char  *p;

    client = 0;

    for (p = r->script; *p != '\0'; p++) {

        switch (*p) {

        case ' ':
        case '!':
            break;

        case '>':
        case '<':
            client = (*p == '>');
            break;

        case '+':
        case '-':
            if (neon_pg_walk_idle(w) != (*p == '+')) {
                fail_msg("%s: %s idle behind \"%.*s\"", r->name,
                         (*p == '+') ? "not" : "", (int) (p - r->script),
                         r->script);
            }

            break;

        case 'Z':
            p++;
            pass(w, 0, 'Z', (uint8_t) *p, chunk);
            assert_int_equal(w->status, *p);
            break;

        default:
            pass(w, (unsigned) client, (uint8_t) *p, 0, chunk);
        }

        assert_false(w->lost);
    }
}


static void
recorded_sessions(void **state)
{
    size_t           i, chunk;
    neon_pg_walk_t   w;

    (void) state;

    for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        for (chunk = 0; chunk < 8; chunk++) {
            neon_pg_walk_init(&w, 'I');
            play(&w, &records[i], chunk);
        }
    }
}


/* all that the client sends passes before anything comes back */

static void
recorded_sessions_pipelined(void **state)
{
    int              client, side;
    size_t           i;
    unsigned         ends_idle;
    const char      *p;
    neon_pg_walk_t   w;

    (void) state;

    for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {

        if (records[i].script[0] == '!') {
            continue;
        }

        neon_pg_walk_init(&w, 'I');
        client = 0;
        ends_idle = 0;

        for (side = 1; side >= 0; side--) {

            for (p = records[i].script; *p != '\0'; p++) {

                if (strchr("><", *p)) {
                    client = (*p == '>');

                } else if (strchr("+-", *p)) {
                    ends_idle = (*p == '+');

                } else if (*p != ' ' && client == side) {
                    pass(&w, (unsigned) client, (uint8_t) *p, (uint8_t) p[1],
                         0);
                }

                p += (*p == 'Z');
            }
        }

        assert_false(w.lost);

        if (neon_pg_walk_idle(&w) != (int) ends_idle) {
            fail_msg("%s, pipelined", records[i].name);
        }
    }
}


/* exact up to 64 requests, behind that not idle before all have drained */

static void
many_outstanding_requests(void **state)
{
    unsigned         i, n, kind;
    neon_pg_walk_t   w;

    (void) state;

    for (n = 1; n <= 300; n++) {
        for (kind = 0; kind < 3; kind++) {

            neon_pg_walk_init(&w, 'I');

            for (i = 0; i < n; i++) {
                if (kind == 1) {
                    pass(&w, 1, 'P', 0, 0);
                }

                pass(&w, 1, (kind == 0) ? 'Q' : 'S', 0, 0);
            }

            assert_int_equal(w.blurred, n > NEON_PG_WALK_QUEUE);

            for (i = 0; i < n; i++) {
                assert_false(neon_pg_walk_idle(&w));

                if (kind != 2) {
                    pass(&w, 0, (kind == 0) ? 'C' : '1', 0, 0);
                }

                pass(&w, 0, 'Z', 'I', 0);
            }

            assert_true(neon_pg_walk_idle(&w));
            assert_int_equal(w.blurred, 0);

            /* and exact again */

            pass(&w, 0, 'Z', 'I', 0);
            assert_true(w.lost);
        }
    }
}


/* COPY in the 64th request of a pipeline, and in the 65th */

static void
copy_at_the_end_of_a_full_queue(void **state)
{
    unsigned         i, n;
    neon_pg_walk_t   w;

    static const record_t  copy = { "copy", "<12G - >dd - >cS - <C - <ZI" };

    (void) state;

    for (n = 63; n <= 64; n++) {

        neon_pg_walk_init(&w, 'I');

        for (i = 0; i < n; i++) {
            pass(&w, 1, 'Q', 0, 0);
        }

        pass(&w, 1, 'E', 0, 0);
        pass(&w, 1, 'S', 0, 0);

        for (i = 0; i < n; i++) {
            pass(&w, 0, 'C', 0, 0);
            pass(&w, 0, 'Z', 'I', 0);
        }

        play(&w, &copy, 0);

        /* the 65th: the ignored Sync was counted, so this stays late */

        assert_int_equal(neon_pg_walk_idle(&w), n == 63);
        assert_false(w.lost);
    }
}


/*
 * A COPY of a batch fails, with a Sync in its window and with work behind its
 * end but no Sync between.  PostgreSQL 15 discards the work where it had read
 * the first Sync, and does it where it had not: nobody can tell which.
 */

static void
undecidable_is_late(void **state)
{
    neon_pg_walk_t  w;

    static const record_t  read = {
        "first Sync was read",
        ">PBESdcPBES - <12G - <E - <ZI - >Q - <TDC - <ZI -"
    };

    static const record_t  unread = {
        "first Sync was not read",
        ">PBESdcPBES - <12G - <E - <ZI - <12DC - <ZI +"
    };

    (void) state;

    neon_pg_walk_init(&w, 'I');
    play(&w, &read, 0);

    neon_pg_walk_init(&w, 'I');
    play(&w, &unread, 0);
}


/*
 * Clients that no driver is: a batch in the window of a copy that has failed
 * already, or that belongs to another copy than the one that was sent for.
 */

static void
odd_clients(void **state)
{
    size_t           i;
    neon_pg_walk_t   w;

    static const record_t  odd[] = {
        { "batch in the window, its Sync is no Sync of the window",
          ">ES >B <G - >S <E - <ZI - <2 - >CES - <ZI - <3I - <ZI +" },
        { "CopyDone of the second copy before the first began",
          ">QEcS <G - <E - <ZI - <G - <C - <ZI +" },
        { "CopyDone of the second copy before the first failed",
          ">Q <G - >Ec >S <E - <ZI - <G - <C - <ZI +" },
        { "Syncs behind a batch behind a copy that failed",
          ">Q <G - >PSS <E - <ZI - <1 - <ZI - <ZI +" },
        { "copy that ends before its CopyDone",
          ">Q <G - <C - <ZI + >S - <ZI +" },
        { "copy without an Execute, bare Sync in flight",
          ">S <G - <C - <ZI +" },
        { "Query in an open batch that failed",
          ">P <E - >QS - <ZI - >Q - <TDC - <ZI -" },
        { "CopyDone before its Execute",
          ">PBcES - <12G - >dcS - <C - <ZI -" }
    };

    (void) state;

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        neon_pg_walk_init(&w, 'I');
        play(&w, &odd[i], 0);
    }
}


/* a queue that is full of what needs no answer, or nearly */

static void
blurred_drains_too(void **state)
{
    unsigned         i;
    neon_pg_walk_t   w;

    static const record_t  with_sync = {
        "copy", ">Q <G >SdSc - <C - <ZI +"
    };

    static const record_t  in_flight = {
        "copy in flight as the queue empties",
        "<CZI - <12G - >S - <C - <ZI +"
    };

    (void) state;

    /* 40 copies in one flight: 80 entries, of which 40 count */

    neon_pg_walk_init(&w, 'I');

    for (i = 0; i < 40; i++) {
        pass(&w, 1, 'Q', 0, 0);
        pass(&w, 1, 'd', 0, 0);
        pass(&w, 1, 'c', 0, 0);
    }

    assert_int_equal(w.blurred, 1);

    for (i = 0; i < 40; i++) {
        assert_false(neon_pg_walk_idle(&w));
        pass(&w, 0, 'G', 0, 0);
        pass(&w, 0, 'C', 0, 0);
        pass(&w, 0, 'Z', 'I', 0);
    }

    assert_true(neon_pg_walk_idle(&w));

    /* what an earlier copy ignored is not counted again */

    play(&w, &with_sync, 0);

    for (i = 0; i < 66; i++) {
        pass(&w, 1, 'Q', 0, 0);
    }

    for (i = 0; i < 66; i++) {
        assert_false(neon_pg_walk_idle(&w));
        pass(&w, 0, 'C', 0, 0);
        pass(&w, 0, 'Z', 'I', 0);
    }

    assert_true(neon_pg_walk_idle(&w));

    /* nor is it exact again while a batch of this time is open */

    for (i = 0; i < 66; i++) {
        pass(&w, 1, 'Q', 0, 0);
    }

    pass(&w, 1, 'P', 0, 0);
    pass(&w, 1, 'B', 0, 0);
    pass(&w, 1, 'E', 0, 0);
    pass(&w, 1, 'd', 0, 0);
    pass(&w, 1, 'c', 0, 0);

    for (i = 0; i < 65; i++) {
        pass(&w, 0, 'C', 0, 0);
        pass(&w, 0, 'Z', 'I', 0);
    }

    play(&w, &in_flight, 0);
    assert_int_equal(w.blurred, 0);
}


static void
sessions_of_the_model(void **state)
{
    size_t           i, n;
    uint8_t          choices[400];
    uint64_t         x;
    unsigned         idle;
    static model_t   m;

    (void) state;

    idle = 0;
    x = 88172645463325252ull;

    for (n = 0; n < 30000; n++) {

        for (i = 0; i < sizeof(choices); i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            choices[i] = (uint8_t) (x >> 32);
        }

        model_run(&m, choices, 20 + n % (sizeof(choices) - 20));

        idle += (unsigned) neon_pg_walk_idle(&m.w);
    }

    /* it is no walker that never says idle */

    assert_true(idle > n / 4);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(recorded_sessions),
        cmocka_unit_test(recorded_sessions_pipelined),
        cmocka_unit_test(many_outstanding_requests),
        cmocka_unit_test(copy_at_the_end_of_a_full_queue),
        cmocka_unit_test(undecidable_is_late),
        cmocka_unit_test(odd_clients),
        cmocka_unit_test(blurred_drains_too),
        cmocka_unit_test(sessions_of_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
