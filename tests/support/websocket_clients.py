"""Clients of the WebSocket: one byte by byte, one over a real connection."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.endpoints import connectProtocol
from twisted.internet.interfaces import IStreamClientEndpoint
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from sxhost.client.websocket import WebSocketClient
from tests.host.http.test_site import Connection, Transport, Wire

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MIB = 1 << 20

HANDSHAKE = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Frame(NamedTuple):
    opcode: int
    payload: bytes


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return a client's frame."""
    size, mask = len(payload), b"\x37\xfa\x21\x3d"
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    return masked(CLOSE, struct.pack("!H", code) + reason)


def length(first: int, second: int, size: bytes) -> bytes:
    """Return a frame's head, its length as given."""
    return bytes((first, 0x80 | second)) + size + b"\x00" * 4


def frames_in(data: bytes) -> Iterator[Frame]:
    """Read a server's frames: whole, unmasked and of minimal length."""
    while data:
        first, size = data[0], data[1]
        assert first & 0xF0 == 0x80, "whole, and nothing reserved"
        assert not size & 0x80, "unmasked"
        at = 2
        if size == 126:
            (size,), at = struct.unpack("!H", data[2:4]), 4
        elif size == 127:
            (size,), at = struct.unpack("!Q", data[2:10]), 10
        yield Frame(first & 0x0F, data[at : at + size])
        assert len(data) >= at + size, "cut off"
        data = data[at + size :]


STREAM = "/v1/stream"


def request(
    query: str = "",
    method: str = "GET",
    version: str = "1.1",
    path: str = STREAM,
    **named: str,
) -> bytes:
    """Return an opening handshake; a header that is "" is left out."""
    given = {name.replace("_", "-"): text for name, text in named.items()}
    lines = [f"{name}: {text}" for name, text in {**HANDSHAKE, **given}.items() if text]
    return "\r\n".join([f"{method} {path}{query} HTTP/{version}", *lines, "", ""]).encode()


class Socket:
    """A client of the WebSocket, byte by byte."""

    def __init__(self, wire: Wire, query: str = "", path: str = STREAM, **named: str) -> None:
        self.wire = wire
        self.http: Connection = wire.connect(request(query, path=path, **named))
        self.transport: Transport = self.http.transport

    @property
    def protocol(self) -> Any:
        return self.http.transport.protocol

    def say(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def send(self, message: Any) -> None:
        self.say(masked(TEXT, json.dumps(message).encode()))

    def subscribe(self, **fields: Any) -> None:
        self.send({"subscribe": fields})

    @property
    def frames(self) -> list[Frame]:
        return list(frames_in(self.http.got.partition(b"\r\n\r\n")[2]))

    @property
    def messages(self) -> list[Any]:
        return [json.loads(frame.payload) for frame in self.frames if frame.opcode == TEXT]

    @property
    def kinds(self) -> list[Any]:
        """What each message is: a control frame's name, or an event's number."""
        return [message.get("frame", message.get("id")) for message in self.messages]

    @property
    def closed(self) -> int | None:
        """The code of the server's close frame."""
        payloads = [frame.payload for frame in self.frames if frame.opcode == CLOSE]
        assert len(payloads) < 2
        return struct.unpack("!H", payloads[0][:2])[0] if payloads else None

    @property
    def pongs(self) -> list[bytes]:
        return [frame.payload for frame in self.frames if frame.opcode == PONG]

    @property
    def pings(self) -> list[bytes]:
        return [frame.payload for frame in self.frames if frame.opcode == PING]

    def forget(self) -> None:
        """Look only at what comes from now on."""
        self.transport.clear()
        self.transport.write(b"\r\n\r\n")


def fire(wire: Wire, session_id: str, name: str = "x", data: Any = None) -> None:
    """Fire an event and let it be delivered."""
    answer = wire.lab.request(
        "POST", f"/sessions/{session_id}/events", {"event": name, "data": data}
    )
    assert answer.status == 200
    wire.lab.clock.advance(0.005)


def ours(wire: Wire) -> list[Any]:
    """Return what is still to happen, but for deliveries."""
    calls: list[Any] = [*wire.lab.clock.getDelayedCalls()]
    return [call for call in calls if "deliver" not in repr(call.func)]


class Client(WebSocketClient):
    """A client over a real connection; it offers compression, as browsers do."""

    def __init__(self, url: str) -> None:
        super().__init__(url, {}, (ClientPerMessageDeflateFactory(),))
        self.left: Deferred[int] = Deferred()
        self._heard: DeferredQueue[Any] = DeferredQueue()

    def message_received(self, message: bytes) -> None:
        self._heard.put(json.loads(message))

    def connection_lost(self, code: int, why: str) -> None:
        self.left.callback(code)

    def say(self, message: Any) -> None:
        self.send_message(json.dumps(message).encode())

    async def hear(self, count: int) -> list[Any]:
        """Return the next messages."""
        return [await self._heard.get() for _ in range(count)]


async def connected(endpoint: IStreamClientEndpoint, url: str) -> Client:
    """Return a client whose connection is open."""
    client: Client = await connectProtocol(endpoint, Client(url))
    await client.opened
    return client
