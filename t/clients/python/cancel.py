#!/usr/bin/python3
#
# psycopg cancels a query as libpq 17 does, by a connection like that of the
# session; libpq's conninfo comes in argv.

import sys
import threading

import psycopg

conninfo = sys.argv[1]

with psycopg.connect(conninfo, autocommit=True) as conn, \
        psycopg.connect(conninfo, autocommit=True) as other:
    pid = conn.execute("select pg_backend_pid()").fetchone()[0]
    state = None

    def sleep():
        global state
        try:
            conn.execute("select pg_sleep(60)")
        except psycopg.Error as error:
            state = error.sqlstate

    thread = threading.Thread(target=sleep)
    thread.start()

    while not other.execute(
        "select 1 from pg_stat_activity where pid = %s and state = 'active'"
        " and query like '%%pg_sleep%%'", (pid,)
    ).fetchone():
        pass

    conn.cancel_safe(timeout=30)
    thread.join()

    print(state, conn.execute("select 42").fetchone()[0])
