/*
 * The flight and lease protocol of ngx_neon_flight.c, for spin: one key, and
 * workers that want its value on behalf of their clients, again and again.
 * An atomic block is what the code does in one hold of the zone's lock, under
 * the name of the function; "killed here" is kill -9 while the lock is held.
 *
 * Where it differs from the code, and why that loses nothing:
 * - Ids are never used twice, and compared with those in tickets only: so it
 *   is enough to know of each ticket whether its flight is the present one.
 * - Of a flight that is over nothing counts but what those who joined will
 *   find there, the result or nothing; that is kept with their tickets.
 * - Time is a process that lets deadlines pass when it likes.  Who is alive
 *   renews its lease, or fetches the result, in time; unless it stalls.
 * - An entry that must not be used (expired, invalidated, an error that is to
 *   be retried) is not there any more.
 * - A look that finds nothing new changes nothing, so it is not made.
 * - The zone has room: without it nobody joins, and everybody calls.
 *
 * The capitals say what may go wrong, at any moment; all but CRASHES may do so
 * any number of times.  Most of it stops when it is calm: nobody can be served
 * for sure while every leader stalls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef CRASHES                 /* number of kill -9; the master starts another
                                   process each time */
#define CRASHES    0
#endif

#ifndef STALLS                  /* a deadline passes though its owner lives */
#define STALLS     0
#endif

#ifndef LEAVES                  /* the last of a worker's clients leaves */
#define LEAVES     0
#endif

#ifndef ABANDONS                /* a leader gives up */
#define ABANDONS   0
#endif

#ifndef EXPIRIES                /* the cache loses its entry, even when it is
                                   calm */
#define EXPIRIES   0
#endif

#ifndef UNCACHED                /* any result may be one that is not kept, even
                                   when it is calm */
#define UNCACHED   0
#endif

#define WORKERS    3


/* a ticket is for */

#define NOTHING    0            /* a flight that is not there any more */
#define PRESENT    1            /* the present one */
#define RESULT     2            /* one that is over and has a result */


/* in the zone */

bool  cached;

bool  flight;                   /* the present one; all others are over */
byte  leader;                   /* its slot and slot_id: 1 + the worker; 0: the
                                   slot is another's by now */
bool  past;                     /* the deadline of the lease */
byte  joined;

/* in the workers */

byte  ticket[WORKERS];
bool  leads[WORKERS];
bool  waits[WORKERS];           /* has clients that wait for the value */
bool  dead[WORKERS];

bool  calm;                     /* the worst is over */
byte  crashes;                  /* so far */

/* what only the properties know */

byte  calls;                    /* to the control plane; 2: or more */
byte  before[WORKERS];          /* calls under way that began before its own */
byte  outdated;                 /* calls under way with a newer one's result in
                                   the cache */
bool  replaced;                 /* a newer result, by an older one */


#ifdef BUG_ENDLESS_LEASE
#define led        flight
#else
#define led        (flight && !past && leader)
#endif

#define lease(w)   (leads[w] && ticket[w] == PRESENT && !past && leader)
#define bit(w)     (1 << (w))

#define crash      (crashes < CRASHES && !calm)
#define stalls     (STALLS && !calm)
#define leave      (LEAVES && !calm)
#define abandon    (ABANDONS && !calm)
#define lost       (leader && dead[leader - 1])


ltl safe        { [] (lease(0) + lease(1) + lease(2) <= 1 && !replaced) }
ltl one_call    { [] (calls <= 1) }
ltl all_served  { [] (calm && waits[0] -> <> !waits[0]) }  /* all are alike */


/* --- with the lock held -------------------------------------------------- */

inline killed_here()
{
    if
    :: crash -> crashes++; goto killed
    :: true
    fi
}


inline tickets(from, to)
{
    ticket[0] = (ticket[0] == from -> to : ticket[0]);
    ticket[1] = (ticket[1] == from -> to : ticket[1]);
    ticket[2] = (ticket[2] == from -> to : ticket[2])
}


/* the present flight is no more; those who joined will find this */

inline flight_ends(find)
{
    tickets(PRESENT, find);
    flight = false;
    leader = 0;
    past = false;
    joined = 0
}


inline insert(w)                            /* ngx_neon_lru_insert_locked() */
{
    cached = true;
    replaced = replaced || (outdated & bit(w));
    outdated = outdated | before[w]
}


/* --- for the properties -------------------------------------------------- */

inline call_begins(w)
{
    calls = (calls < 2 -> calls + 1 : 2);
    before[w] = leads[0] | leads[1] << 1 | leads[2] << 2;
    leads[w] = true
}


inline call_ends(w)
{
    leads[w] = false;
    before[w] = 0;
    before[0] = before[0] & ~bit(w);
    before[1] = before[1] & ~bit(w);
    before[2] = before[2] & ~bit(w);
    outdated = outdated & ~bit(w)
}


/* --- a worker ------------------------------------------------------------ */

active [WORKERS] proctype worker()
{
    byte  w = _pid;

idle:
    do
    :: !waits[w]                            /* nobody comes */
    :: atomic { waits[w] = true; goto enter }
    od;

enter:
    atomic {                                /* ngx_neon_flight_enter() */
        if
        :: cached -> waits[w] = false; goto idle
        :: else
        fi;
#ifdef BUG_TWO_LOCKS
    };
    atomic {
#endif
        if
        :: led ->
            joined++;
            killed_here();
            ticket[w] = PRESENT;
            goto join
        :: else                             /* a new one, or taken over */
        fi;

        flight = true;
#ifdef BUG_ONE_FLIGHT
        tickets(RESULT, NOTHING);
#endif
#ifndef BUG_SAME_ID
        tickets(PRESENT, NOTHING);
#endif
        killed_here();
        leader = w + 1;
        past = false;
        joined = 0;
        ticket[w] = PRESENT;
        call_begins(w)
    };

    do                                      /* it leads */
    :: !waits[w] -> waits[w] = true
    :: atomic { crash -> crashes++; goto killed }
    :: atomic { leave -> waits[w] = false }

    :: atomic {                             /* ngx_neon_flight_renew() */
        past && ticket[w] == PRESENT -> past = false
       }

    :: atomic {                             /* ngx_neon_flight_abandon() */
        abandon ->
            if
            :: ticket[w] == PRESENT -> flight_ends(NOTHING)
            :: else
            fi;

            break
       }

    :: atomic {                             /* ngx_neon_flight_finish() */
#ifdef BUG_DONE_FIRST
        flight_ends(NOTHING)
       };
       atomic {
        insert(w);
        break;
#endif
        if
        :: ticket[w] == PRESENT -> insert(w)
        :: ticket[w] == PRESENT && UNCACHED
#ifdef BUG_FINISH_UNCHECKED
        :: else -> insert(w)
#else
        :: else
#endif
        fi;

        killed_here();

        if
        :: ticket[w] != PRESENT
        :: ticket[w] == PRESENT && joined == 0 -> flight_ends(NOTHING)
        :: ticket[w] == PRESENT && joined ->
            if
            :: crash -> crashes++; flight_ends(NOTHING); goto killed
#ifdef BUG_NO_RESULT
            :: flight_ends(NOTHING)
#else
            :: flight_ends(RESULT)
#endif
            fi
        fi;

        break
       }
    od;

    atomic {
        call_ends(w);
        waits[w] = false;
        ticket[w] = NOTHING;
        goto idle
    };

join:
    if
    :: atomic {                             /* ngx_neon_flight_poll() */
        ticket[w] == RESULT ->
            ticket[w] = NOTHING;
            waits[w] = false;
            goto idle
       }

    :: atomic {                             /* ... NGX_DECLINED */
        ticket[w] == NOTHING || (ticket[w] == PRESENT && !led) ->
            joined = (ticket[w] == PRESENT && joined -> joined - 1 : joined);
            ticket[w] = NOTHING;
            goto enter
       }

    :: atomic {                             /* ngx_neon_flight_leave() */
        leave ->
            joined = (ticket[w] == PRESENT && joined -> joined - 1 : joined);
            ticket[w] = NOTHING;
            waits[w] = false;
            goto idle
       }

    :: atomic { crash -> crashes++; goto killed }
    fi;

killed:
    atomic {
        call_ends(w);
        waits[w] = false;
        ticket[w] = NOTHING;
        dead[w] = true
    };

    atomic {                                /* ngx_neon_slot_claim() */
        dead[w] = false;
        leader = (leader == w + 1 -> 0 : leader);
        goto idle
    }
}


/* --- what passes by itself ------------------------------------------------ */

active proctype time()
{
    do
    :: atomic { led && (lost || stalls) -> past = true }

    :: atomic {                             /* ngx_neon_flight_sweep_bucket() */
        flight && !led -> flight_ends(NOTHING)
       }

    :: atomic { stalls -> tickets(RESULT, NOTHING) }

    :: atomic { EXPIRIES && cached -> cached = false }

    :: calm = true
    od
}
