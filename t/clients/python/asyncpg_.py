#!/usr/bin/python3
#
# asyncpg.  It takes the name for SNI from the host, which no DNS knows here.

import asyncio
import os
import socket
import ssl

import asyncpg

resolve = socket.getaddrinfo


def getaddrinfo(host, *args, **kwargs):
    if host == os.environ["HOST"]:
        host = "127.0.0.1"
    return resolve(host, *args, **kwargs)


socket.getaddrinfo = getaddrinfo


async def main():
    context = ssl.create_default_context(cafile=os.environ["CA"])
    conn = await asyncpg.connect(
        host=os.environ["HOST"], port=int(os.environ["PORT"]),
        user=os.environ["PGUSER"], password=os.environ["PGPASSWORD"],
        database=os.environ["PGDATABASE"], ssl=context)

    user = await conn.fetchval("select current_user::text")
    number = await conn.fetchval("select $1::int * 2", 21)

    await conn.execute("create temp table t (line text)")
    await conn.copy_records_to_table(
        "t", records=[(f"line {n}",) for n in range(1000)])
    count = await conn.fetchval("select count(*) from t")

    # asyncpg cancels by a CancelRequest of its own
    try:
        await conn.fetch("select pg_sleep(60)", timeout=0.3)
        print("not canceled")
    except asyncio.TimeoutError:
        pass

    size = len(await conn.fetchval("select repeat('x', 1000000)"))
    await conn.close()

    print(f"{user} {number} {count} {size}")


asyncio.run(main())
