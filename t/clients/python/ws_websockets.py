# A connection of websocket.py over the library websockets, 10.4 and newer.

import asyncio
import logging

import websockets

title = f"websockets {websockets.__version__}"


class Counter(logging.Handler):
    # the library tells of control frames in its log only

    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        self.seen.append(record.getMessage())


class Connection:
    def __init__(self, ws, counter):
        self.ws = ws
        self.counter = counter

    # None if there is none
    def request_header(self, name):
        request = getattr(self.ws, "request", None)
        return (request.headers if request
                else self.ws.request_headers).get(name)

    def response_header(self, name):
        response = getattr(self.ws, "response", None)
        return (response.headers if response
                else self.ws.response_headers).get(name)

    async def send(self, data, fragment=None):
        if fragment:
            data = [data[i:i + fragment]
                    for i in range(0, len(data), fragment)]
        await self.ws.send(data)

    async def send_text(self, text):
        await self.ws.send(text)

    async def receive(self):
        data = await self.ws.recv()
        assert isinstance(data, bytes), data
        return data

    async def ping(self, payload):
        await (await self.ws.ping(payload))

    # the code of the server's Close
    async def close(self, code, reason):
        await self.ws.close(code, reason)
        await self.ws.wait_closed()
        return await self.closed()

    # (code, reason, clean)
    async def ended(self):
        try:
            data = await self.ws.recv()
        except websockets.ConnectionClosed as e:
            await self.ws.wait_closed()
            assert e.rcvd, e
            return e.rcvd.code, e.rcvd.reason, e.sent is not None
        raise AssertionError(data)

    async def closed(self):
        while True:
            try:
                await self.ws.recv()
            except websockets.ConnectionClosed as e:
                assert e.rcvd and e.sent, e
                return e.rcvd.code

    def count(self, what):
        start = {"ping received": "< PING", "pong received": "< PONG"}[what]
        return sum(text.startswith(start) for text in self.counter.seen)

    def abandon(self):
        self.ws.transport.abort()


async def connect(url, tls, subprotocols=None, keepalive=None):
    counter = Counter()
    logger = logging.Logger("client", logging.DEBUG)
    logger.addHandler(counter)

    ws = await websockets.connect(
        url, ssl=tls, subprotocols=subprotocols, logger=logger,
        max_size=None, ping_interval=keepalive, ping_timeout=60,
        close_timeout=60)

    return Connection(ws, counter)
