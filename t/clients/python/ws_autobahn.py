# A connection of websocket.py over the library autobahn, with asyncio.

import asyncio

import autobahn
from autobahn.asyncio.websocket import (WebSocketClientFactory,
                                        WebSocketClientProtocol)
from autobahn.websocket.compress import PerMessageDeflateOffer

title = f"autobahn {autobahn.__version__}"


class Connection(WebSocketClientProtocol):
    def __init__(self):
        super().__init__()
        self.opened = asyncio.Event()
        self.over = asyncio.Event()
        self.received = asyncio.Queue()
        self.counts = {"ping received": 0, "pong received": 0}
        self.pongs = asyncio.Queue()

    def onConnect(self, response):
        self.answer = response

    def onOpen(self):
        self.opened.set()

    def onMessage(self, payload, isBinary):
        self.received.put_nowait(payload if isBinary else
                                 AssertionError("text"))

    def onPing(self, payload):
        self.counts["ping received"] += 1
        super().onPing(payload)

    def onPong(self, payload):
        self.counts["pong received"] += 1
        self.pongs.put_nowait(payload)

    def onClose(self, wasClean, code, reason):
        self.end = (self.remoteCloseCode, self.remoteCloseReason or "",
                    wasClean)
        self.why = f"{code} {reason}"
        self.opened.set()
        self.over.set()
        self.received.put_nowait(ConnectionError(self.why))

    def request_header(self, name):
        lines = self.http_request_data.decode().split("\r\n")
        return dict(line.split(": ", 1) for line in lines
                    if ": " in line).get(name)

    def response_header(self, name):
        return self.answer.headers.get(name.lower())

    async def send(self, data, fragment=None):
        self.sendMessage(data, isBinary=True, fragmentSize=fragment)

    async def send_text(self, text):
        self.sendMessage(text.encode(), isBinary=False)

    async def receive(self):
        data = await self.received.get()
        if isinstance(data, Exception):
            raise data
        return data

    async def ping(self, payload):
        self.sendPing(payload)
        # an empty one cannot be told from one without a payload
        assert await self.pongs.get() == (payload or b"")

    async def close(self, code, reason):
        self.sendClose(code, reason)
        await self.over.wait()
        code, reason, clean = self.end
        assert clean, self.why
        return code

    async def ended(self):
        await self.over.wait()
        left = self.received.get_nowait()
        assert isinstance(left, ConnectionError), left
        return self.end

    def count(self, what):
        return self.counts[what]

    def abandon(self):
        if self.transport:
            self.transport.abort()


async def connect(url, tls, subprotocols=None, keepalive=None):
    factory = WebSocketClientFactory(url, protocols=subprotocols)
    factory.protocol = Connection
    factory.setProtocolOptions(
        openHandshakeTimeout=60, closeHandshakeTimeout=60,
        failByDrop=False, serverConnectionDropTimeout=60,
        autoPingInterval=keepalive, autoPingTimeout=60,
        perMessageCompressionOffers=[PerMessageDeflateOffer()])

    loop = asyncio.get_running_loop()
    transport, ws = await loop.create_connection(
        factory, factory.host, factory.port, ssl=tls,
        server_hostname=factory.host if tls else None)

    await ws.opened.wait()
    assert not ws.over.is_set(), ws.why
    return ws
