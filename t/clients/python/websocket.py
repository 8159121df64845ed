#!/usr/bin/python3
#
# The Postgres protocol over the WebSocket library of Python that argv names.
# Prints a line for each case, then the number of lines:
#
#     ok|not ok NAME[ # WHY]
#
#     HOST, PORT, SECURE     the proxy; all names are this machine.  /ping is
#                            pinged often
#     CA                     whom to trust
#     PGUSER, PGPASSWORD, PGDATABASE
#     SECONDS                what a case may take

import asyncio
import hashlib
import importlib
import os
import socket
import ssl
import struct
import sys
import traceback

env = os.environ
MIB = 1 << 20

resolve = socket.getaddrinfo


def getaddrinfo(host, *args, **kwargs):
    if host == env["HOST"]:
        host = "127.0.0.1"
    return resolve(host, *args, **kwargs)


socket.getaddrinfo = getaddrinfo


# --- Postgres ---------------------------------------------------------------

def packet(body):
    return struct.pack("!I", 4 + len(body)) + body


def message(tag, body=b""):
    return tag + packet(body)


def startup():
    words = ["user", env["PGUSER"], "database", env["PGDATABASE"], ""]
    return packet(struct.pack("!I", 3 << 16)
                  + b"".join(word.encode() + b"\0" for word in words))


def password(text=None):
    return message(b"p", (text or env["PGPASSWORD"]).encode() + b"\0")


def query(sql):
    return message(b"Q", sql.encode() + b"\0")


class Session:
    # messages of Postgres, out of those of a WebSocket

    def __init__(self, ws):
        self.ws = ws
        self.bytes = bytearray()

    async def send(self, data, **how):
        await self.ws.send(data, **how)

    async def need(self, n):
        while len(self.bytes) < n:
            self.bytes += await self.ws.receive()

    async def message(self):
        await self.need(5)
        tag, length = struct.unpack("!cI", self.bytes[:5])
        await self.need(1 + length)
        body = bytes(self.bytes[5:1 + length])
        del self.bytes[:1 + length]
        return tag, body

    async def expect(self, tags):
        said = []
        while len(said) < len(tags):
            said.append(await self.message())
        assert b"".join(tag for tag, body in said) == tags, said
        return [body for tag, body in said]

    async def ready(self):
        while (await self.message())[0] != b"Z":
            pass

    async def welcome(self):
        asked, welcome = await self.expect(b"RR")
        assert asked == struct.pack("!I", 3), "asked for it in clear"
        assert welcome == struct.pack("!I", 0), "welcome"
        await self.ready()

    async def login(self):
        await self.send(startup())
        await self.send(password())
        await self.welcome()

    # the first value of the first row
    async def result(self):
        value = None
        while True:
            tag, body = await self.message()
            assert tag != b"E", body
            if tag == b"D" and value is None:
                length, = struct.unpack("!I", body[2:6])
                value = body[6:6 + length].decode()
            if tag == b"Z":
                return value

    async def value(self, sql, **how):
        await self.send(query(sql), **how)
        return await self.result()

    async def fields(self):
        body, = await self.expect(b"E")
        return {field[:1]: field[1:].decode()
                for field in body.split(b"\0") if field}

    async def goodbye(self):
        await self.send(message(b"X"))
        assert await self.ws.ended() == (1000, "", True)


# --- cases ------------------------------------------------------------------

cases = {}


# once: one connection of a library is enough, where that takes long

def case(name, once=False):
    def add(function):
        cases[name] = function, once
        return function
    return add


@case("a login and a query")
async def plain(connect):
    s = Session(await connect())
    await s.send(startup())
    await s.expect(b"R")
    await s.send(password())
    await s.expect(b"R")
    await s.ready()
    assert await s.value("select current_user") == env["PGUSER"]
    await s.goodbye()


@case("subprotocols and compression are offered, and not taken")
async def offers(connect):
    ws = await connect(subprotocols=["postgres", "binary"])
    offered = ws.request_header("Sec-WebSocket-Extensions")
    assert "permessage-deflate" in offered, offered
    assert "binary" in ws.request_header("Sec-WebSocket-Protocol")
    assert ws.response_header("Sec-WebSocket-Extensions") is None
    assert ws.response_header("Sec-WebSocket-Protocol") is None
    s = Session(ws)
    await s.login()
    assert await s.value("select repeat('a', 9999)") == "a" * 9999
    await s.goodbye()


@case("a message in fragments")
async def fragments(connect):
    for size in 1, 7, 1000:
        s = Session(await connect())
        await s.send(startup() + password() + query("select 1"),
                     fragment=size)
        await s.welcome()
        assert await s.result() == "1"
        text = "f" * 300 * size
        assert await s.value(f"select '{text}'", fragment=size) == text
        await s.goodbye()


@case("pings of the client")
async def pings(connect):
    ws = await connect()
    s = Session(ws)
    await ws.ping(b"before")
    await s.send(startup())
    await s.expect(b"R")
    await ws.ping(b"in the login")
    await s.send(password())
    await s.expect(b"R")
    await s.ready()
    for size in 0, 1, 125:
        await ws.ping(b"p" * size)
    await sleep(s)
    await ws.ping(b"in a query")
    await ws.close(1000, "")


@case("the keepalive of the library")
async def keepalive(connect):
    ws = await connect(keepalive=0.05)
    s = Session(ws)
    await s.login()
    while ws.count("pong received") < 5:
        await asyncio.sleep(0.01)
    assert await s.value("select 1") == "1"
    await s.goodbye()


@case("pings of the server")
async def pinged(connect):
    ws = await connect(path="/ping")
    s = Session(ws)
    await s.login()
    while ws.count("ping received") < 3:
        await asyncio.sleep(0.01)
    assert await s.value("select 1") == "1"
    await s.goodbye()


@case("Close by the client")
async def close(connect):
    for code, reason in (1000, ""), (3000, "enough"), (4999, "\u20ac" * 41):
        for prepare in (lambda s: None, Session.login, busy):
            ws = await connect()
            s = Session(ws)
            waits = prepare(s)
            if waits:
                await waits
            assert await ws.close(code, reason) == code


async def busy(s):
    await s.login()
    await sleep(s)


# a query that is under way: one that the server has not begun is not canceled

async def sleep(s):
    await s.send(query("do $$ begin raise notice 'asleep';"
                       " perform pg_sleep(600); end $$"))
    await s.expect(b"N")


@case("the server ends the session")
async def ended(connect):
    s = Session(await connect())
    await s.login()
    await s.send(query("do $$ begin perform"
                       " pg_terminate_backend(pg_backend_pid()); end $$"))
    fields = await s.fields()
    assert fields[b"C"] == "57P01", fields
    assert await s.ws.ended() == (1000, "", True)


@case("a wrong password")
async def wrong(connect):
    s = Session(await connect())
    await s.send(startup() + password("wrong"))
    await s.expect(b"R")
    fields = await s.fields()
    assert (fields[b"S"], fields[b"C"]) == ("FATAL", "28P01"), fields
    assert await s.ws.ended() == (1000, "", True)


@case("text is refused")
async def text(connect):
    for login in False, True:
        s = Session(await connect())
        if login:
            await s.login()
        await s.ws.send_text("select 1")
        code, reason, clean = await s.ws.ended()
        assert code == 1003 and reason and clean, (code, reason, clean)


@case("a message of 1 MiB")
async def large(connect):
    s = Session(await connect())
    await s.login()
    await exchange(s, MIB)
    await exchange(s, MIB, fragment=5000)
    await s.goodbye()


@case("a result of 20 MiB")
async def down(connect):
    s = Session(await connect())
    await s.login()
    value = await s.value("select repeat('0123456789abcdef',"
                          f" {20 * MIB} / 16)")
    assert value == "0123456789abcdef" * (20 * MIB // 16)
    await s.goodbye()


@case("a first message of 40 MiB", once=True)
async def first(connect):
    text = block(40 * MIB)
    s = Session(await connect())
    await s.send(startup() + password() + query(f"select md5('{text}')"))
    await s.welcome()
    assert await s.result() == md5(text)
    await s.goodbye()


# of a period that divides no length of a frame
def block(size):
    part = os.urandom(4099).hex()
    return (part * (size // len(part) + 1))[:size]


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


async def exchange(s, size, **how):
    text = block(size)
    assert await s.value(f"select md5('{text}')", **how) == md5(text)


# --- the matrix -------------------------------------------------------------

printed = 0


def line(status, name, why=""):
    global printed

    print(f"{status} {name}" + (" # " + " ".join(why.split()) if why else ""))
    printed += 1


def context(*alpn):
    tls = ssl.create_default_context(cafile=env["CA"])
    if alpn:
        tls.set_alpn_protocols(alpn)
    return tls


async def one(name, function, library, scheme, tls):
    opened = []

    async def connect(path="/v2", **options):
        port = env["SECURE"] if tls else env["PORT"]
        url = f"{scheme}://{env['HOST']}:{port}{path}"
        ws = await library.connect(url, tls, **options)
        opened.append(ws)
        return ws

    try:
        await asyncio.wait_for(function(connect), float(env["SECONDS"]))
        line("ok", name)
    except Exception:
        line("not ok", name, traceback.format_exc())
    for ws in opened:
        ws.abandon()


async def matrix(library):
    for scheme, tls in ("ws", None), ("wss", context()):
        for name, (function, once) in cases.items():
            if tls or not once:
                await one(f"{library.title}, {scheme}: {name}", function,
                          library, scheme, tls)

    await one(f"{library.title}, wss, ALPN http/1.1: a login and a query",
              plain, library, "wss", context("http/1.1"))


asyncio.run(matrix(importlib.import_module(f"ws_{sys.argv[1]}")))

print(f"{printed} lines")
