#!/usr/bin/python3
#
# psycopg 3, synchronous and asynchronous; libpq's conninfo comes in argv.

import asyncio
import sys

import psycopg


async def asynchronous(conninfo):
    async with await psycopg.AsyncConnection.connect(conninfo) as conn:
        async with conn.cursor() as cur:
            await cur.execute("select repeat('x', 1000000)")
            row = await cur.fetchone()
            return len(row[0])


conninfo = sys.argv[1]

with psycopg.connect(conninfo) as conn:
    with conn.cursor() as cur:
        cur.execute("select current_user, %s::int * 2", (21,))
        user, number = cur.fetchone()
        cur.execute("create temp table t (line text)")
        with cur.copy("copy t from stdin") as copy:
            for n in range(1000):
                copy.write_row((f"line {n}",))
        cur.execute("select count(*) from t")
        count = cur.fetchone()[0]

size = asyncio.run(asynchronous(conninfo))

print(f"{user} {number} {count} {size}")
