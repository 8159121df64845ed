/*
 * A PostgreSQL client that costs little: many sessions in one process, plain,
 * with in-band TLS (SSLRequest) or TLS from the first byte, and in WebSockets.
 *
 *   load [-t none|inband|direct] [-r] [-W] [-e endpoint] [-u user]
 *        [-w password] [-d database] [-c sessions] port
 *
 * With -r, TLS sessions are resumed.  With -W the endpoint is named by Host
 * (and SNI), not in the options.
 *
 * It opens the sessions, says "ready", and then obeys its standard input:
 *
 *   query N          N prepared queries over all sessions, each session with
 *                    one of them on its way at a time
 *   time N           as query; each one's time
 *   copy SQL         COPY TO STDOUT on the first session
 *   in N             N bytes by COPY FROM STDIN on the first session
 *   login N          N logins one after the other, closed at once
 *   refused N        as login, and each has to be refused
 *   session N        N sessions one after the other: connect, log in, one
 *                    query, leave; the time to each query's result
 *   first N          as session, -W only: login and query are one message
 *   idle N           -W only: N seconds, in which only pings may come
 *
 * and answers "done NUMBER": queries, bytes, logins, sessions or seconds;
 * behind it come times in ns where each one's was asked for.  Any surprise ends
 * it with a message.  The server's certificate is not verified.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>


#define COPY_ROW   1000


static unsigned long
run_login(unsigned long n, int expected)
{
    conn_t         c;
    unsigned long  i;

    for (i = 0; i < n; i++) {

        if (login(&c) != expected) {
            fail(expected == 'Z' ? "a login was refused"
                                 : "a login was not refused", NULL, 0);
        }

        if (expected == 'Z') {
            leave(&c);
            continue;
        }

        hang_up(&c);
    }

    return n;
}


/* as a driver says it: startup packet, password and query in one message */

static void
enter(conn_t *c)
{
    size_t               n, have;
    unsigned char        p[2048];
    const unsigned char  result[] = "C\0\0\0\rSELECT 1\0" "Z\0\0\0\5I";

    connect_to(c);

    n = put_startup(p, 1024);
    n += put_message(p + n, 'p', options.password,
                     strlen(options.password) + 1);
    n += put_message(p + n, 'Q', "select 1", sizeof("select 1"));
    transmit(c, p, n);

    have = 0;

    do {
        n = receive(c, buffer + have, BUFFER - have);

        if (n == 0) {
            fail("no result of the first query", buffer, have);
        }

        have += n;

    } while (have < sizeof(result) - 1
             || memcmp(buffer + have - (sizeof(result) - 1), result,
                       sizeof(result) - 1) != 0);
}


/* login as others do it, one step after the other */

static void
begin(conn_t *c)
{
    reply_t  reply;

    if (login(c) != 'Z') {
        fail("a login was refused", NULL, 0);
    }

    message(c, 'Q', "select 1", sizeof("select 1"));
    await(c, "Z", &reply);
}


static void
run_session(unsigned long n, void (*start)(conn_t *c))
{
    conn_t         c;
    uint64_t       asked;
    unsigned long  i;

    printf("done %lu", n);

    for (i = 0; i < n; i++) {
        asked = now();
        start(&c);
        printf(" %lu", (unsigned long) (now() - asked));

        leave(&c);
    }

    printf("\n");
}


static void
prepare(conn_t *c)
{
    reply_t              reply;
    const unsigned char  parse[] = "s\0select 1\0\0";

    message(c, 'P', parse, sizeof(parse));
    message(c, 'S', NULL, 0);
    await(c, "Z", &reply);
}


/* Bind, Describe, Execute, Sync: as libpq's PQsendQueryPrepared() */

static void
ask(conn_t *c, uint64_t *times)
{
    static const unsigned char  query[] =
        "B\0\0\0\x0d\0s\0\0\0\0\0\0\0" "D\0\0\0\x06P\0"
        "E\0\0\0\x09\0\0\0\0\0" "S\0\0\0\x04";

    if (times) {
        c->asked = now();
    }

    transmit(c, query, sizeof(query) - 1);
}


/* times: room for each one's, or NULL */

static unsigned long
run_query(conn_t *conns, int nconns, unsigned long n, uint64_t *times)
{
    int                 i, k, ep;
    conn_t             *c;
    reply_t             reply;
    unsigned long       sent, done;
    struct epoll_event  events[64];

    ep = watch(conns, nconns);

    for (sent = 0, done = 0; (int) sent < nconns && sent < n; sent++) {
        ask(&conns[sent], times);
    }

    while (done < n) {
        k = epoll_wait(ep, events, 64, -1);

        for (i = 0; i < k; i++) {
            c = events[i].data.ptr;
            await(c, "Z", &reply);

            if (times) {
                times[done] = now() - c->asked;
            }

            done++;

            if (sent < n) {
                ask(c, times);
                sent++;
            }
        }
    }

    close(ep);

    return done;
}


static void
run_time(conn_t *conns, int nconns, unsigned long n)
{
    uint64_t       *times;
    unsigned long   i;

    times = calloc(n + 1, sizeof(uint64_t));
    if (times == NULL) {
        fail("no memory", NULL, 0);
    }

    run_query(conns, nconns, n, times);

    printf("done %lu", n);

    for (i = 0; i < n; i++) {
        printf(" %lu", (unsigned long) times[i]);
    }

    printf("\n");
    free(times);
}


/* the payload must be text: only ReadyForQuery ends like this */

static unsigned long
run_copy(conn_t *c, const char *sql)
{
    size_t         n, have;
    unsigned long  bytes;

    message(c, 'Q', sql, strlen(sql) + 1);

    bytes = 0;
    have = 0;

    for ( ;; ) {
        n = receive(c, buffer + have, BUFFER - have);

        if (n == 0) {
            fail("the connection was closed in COPY", NULL, 0);
        }

        if (bytes == 0 && buffer[0] == 'E') {
            fail("error", buffer + 5, n);
        }

        bytes += n;
        have += n;

        if (have >= 6 && memcmp(buffer + have - 6, "Z\0\0\0\5I", 6) == 0) {
            return bytes;
        }

        if (have > 6) {
            memmove(buffer, buffer + have - 6, 6);
            have = 6;
        }
    }
}


/* rows of COPY_ROW bytes, which nobody keeps */

static unsigned long
run_in(conn_t *c, unsigned long bytes)
{
    size_t               i, n;
    reply_t              reply;
    unsigned char        row[COPY_ROW];
    unsigned long        sent;
    static const char    sink[] = "create temp table if not exists"
                                  " sink (t text)";
    static const char    sql[] = "copy sink from stdin where false";
    static unsigned char rows[64 * (COPY_ROW + 5)];

    message(c, 'Q', sink, sizeof(sink));
    await(c, "Z", &reply);

    message(c, 'Q', sql, sizeof(sql));
    await(c, "G", &reply);

    memset(row, 'x', COPY_ROW);
    row[COPY_ROW - 1] = '\n';

    for (i = 0, n = 0; i < 64; i++) {
        n += put_message(rows + n, 'd', row, COPY_ROW);
    }

    for (sent = 0; sent < bytes; sent += n) {
        transmit(c, rows, n);
    }

    message(c, 'c', NULL, 0);
    await(c, "Z", &reply);

    return sent;
}


static void
obey(conn_t *conns, int nconns)
{
    int            prepared, i;
    char           line[4096], *word;
    unsigned long  n;

    prepared = 0;

    while (fgets(line, sizeof(line), stdin)) {

        line[strcspn(line, "\n")] = '\0';
        word = strchr(line, ' ');

        if (word == NULL) {
            fail("unknown command", line, strlen(line));
        }

        *word++ = '\0';
        n = strtoul(word, NULL, 10);

        if (strcmp(line, "query") == 0 || strcmp(line, "time") == 0) {

            for (i = 0; !prepared && i < nconns; i++) {
                prepare(&conns[i]);
            }

            prepared = 1;

            if (line[0] == 't') {
                run_time(conns, nconns, n);
                continue;
            }

            n = n ? run_query(conns, nconns, n, NULL) : 0;

        } else if (strcmp(line, "copy") == 0) {
            n = run_copy(&conns[0], word);

        } else if (strcmp(line, "in") == 0) {
            n = run_in(&conns[0], n);

        } else if (strcmp(line, "login") == 0) {
            n = run_login(n, 'Z');

        } else if (strcmp(line, "refused") == 0) {
            n = run_login(n, 'E');

        } else if (strcmp(line, "session") == 0) {
            run_session(n, begin);
            continue;

        } else if (options.websocket && strcmp(line, "idle") == 0) {
            ws_run_idle(conns, nconns, n);

        } else if (options.websocket && strcmp(line, "first") == 0) {
            run_session(n, enter);
            continue;

        } else {
            fail("unknown command", line, strlen(line));
        }

        printf("done %lu\n", n);
    }
}


int
main(int argc, char **argv)
{
    int      i, opt, nconns;
    conn_t  *conns;

    nconns = 0;

    while ((opt = getopt(argc, argv, "t:rWe:u:w:d:c:")) != -1) {
        switch (opt) {
        case 't': options.tls = optarg; break;
        case 'r': options.resume = 1; break;
        case 'W': options.websocket = 1; break;
        case 'e': options.endpoint = optarg; break;
        case 'u': options.user = optarg; break;
        case 'w': options.password = optarg; break;
        case 'd': options.database = optarg; break;
        case 'c': nconns = atoi(optarg); break;
        default: return 2;
        }
    }

    if (optind != argc - 1) {
        fprintf(stderr, "load: exactly one port\n");
        return 2;
    }

    options.port = atoi(argv[optind]);
    setvbuf(stdout, NULL, _IOLBF, 0);

    conns = calloc((size_t) nconns + 1, sizeof(conn_t));

    if (conns == NULL || !prepare_tls()) {
        return 1;
    }

    for (i = 0; i < nconns; i++) {
        if (login(&conns[i]) != 'Z') {
            fail("a session was refused", NULL, 0);
        }
    }

    printf("ready\n");
    obey(conns, nconns);

    return 0;
}
