"""Live subscriptions as a client sees them: SSE, NDJSON and WebSocket, byte by byte.

Written for this purpose alone and without the code of the host, so that both have to agree.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urlencode

from tests.stress.host_process import request

Transport = Literal["sse", "ndjson", "websocket"]

ACCEPT = {"sse": "text/event-stream", "ndjson": "application/x-ndjson"}

PONG = 0x8A
"""The first byte of a WebSocket's pong."""


class Frame(NamedTuple):
    """A control frame by its name, or an event, whose name is empty."""

    name: str
    value: dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What a subscription asks for."""

    sessions: tuple[str, ...] = ()
    label: str = ""
    types: tuple[str, ...] = ()

    def has(self, event: dict[str, Any], labels: dict[str, str]) -> bool:
        """Tell whether it asks for an event of a session with these labels."""
        name, _, value = self.label.partition(":")
        return (
            (not self.sessions or event["session"] in self.sessions)
            and (not self.types or event["event"] in self.types)
            and (not name or labels.get(name) == value)
        )

    def path(self, transport: Transport, after: str) -> str:
        """Return the resource that streams it over HTTP."""
        single = len(self.sessions) == 1 and not self.label
        query = {
            "after": after,
            "types": ",".join(self.types),
            "follow": "1" if transport == "ndjson" else "",
            "session": "" if single else ",".join(self.sessions),
            "label": self.label,
        }
        text = urlencode({name: value for name, value in query.items() if value})
        return f"/sessions/{self.sessions[0]}/events?{text}" if single else f"/events?{text}"

    def command(self, after: str) -> dict[str, Any]:
        """Return the message that asks for it over a WebSocket."""
        name, colon, value = self.label.partition(":")
        chosen: dict[str, Any] = {"sessions": list(self.sessions), "types": list(self.types)}
        chosen["labels"] = {name: value} if colon else {}
        chosen["after"] = after
        return {"subscribe": {name: value for name, value in chosen.items() if value}}


ALL = Wanted()


@dataclass
class Chunks:
    """Takes apart ``Transfer-Encoding: chunked``, wherever it is cut."""

    _kept: bytearray = field(default_factory=bytearray)
    _due: int = 0
    """Bytes of the chunk that are still to come, with the line end after it."""

    def receive(self, data: bytes) -> bytes:
        """Return the content that has come, of chunks that are not whole too."""
        self._kept += data
        found = bytearray()
        while self._due or self._next():
            part = self._kept[: self._due]
            del self._kept[: self._due]
            found += part[: max(0, self._due - 2)]
            self._due -= len(part)
            if self._due:
                break
        return bytes(found)

    def _next(self) -> bool:
        """Read a chunk's size, if it is there."""
        size, found, rest = self._kept.partition(b"\r\n")
        if found:
            self._kept, self._due = rest, int(size, 16) + 2
        return bool(found)


class Decoder:
    """Turns the bytes after a response's head into frames."""

    def __init__(self, transport: Transport) -> None:
        self.pings: list[bytes] = []
        """What a WebSocket's server wants to have back."""
        self._transport = transport
        self._chunks = Chunks()
        self._kept = bytearray()

    def receive(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole now."""
        if self._transport == "websocket":
            self._kept += data
            return [_line(message) for message in self._messages()]
        self._kept += self._chunks.receive(data)
        end, read = (b"\n\n", _sse) if self._transport == "sse" else (b"\n", _line)
        *whole, rest = bytes(self._kept).split(end)
        self._kept = bytearray(rest)
        return [read(text) for text in whole]

    def _messages(self) -> Iterator[bytes]:
        """Yield the WebSocket texts that are whole (a server neither masks nor splits them)."""
        while (found := header(self._kept)) is not None:
            start, size = found
            if len(self._kept) < start + size:
                break
            first, payload = self._kept[0], bytes(self._kept[start : start + size])
            del self._kept[: start + size]
            assert first in (0x81, 0x88, 0x89), f"an unexpected frame: {first:#x}"
            if first == 0x81:
                yield payload
            elif first == 0x89:
                self.pings.append(payload)


def header(data: bytearray) -> tuple[int, int] | None:
    """Return where a WebSocket frame's payload begins and how long it is."""
    if len(data) < 2:
        return None
    assert data[1] < 128, "a server must not mask"
    wide = {126: 2, 127: 8}.get(data[1], 0)
    if len(data) < 2 + wide:
        return None
    return 2 + wide, int.from_bytes(data[2 : 2 + wide]) if wide else data[1]


def _sse(text: bytes) -> Frame:
    fields = dict(line.split(b": ", 1) for line in text.split(b"\n"))
    value = json.loads(fields[b"data"])
    if b"event" not in fields:
        cursor = fields[b"id"].decode()
        assert cursor.endswith(f":{value['id']}"), text[:200]
    return Frame(fields.get(b"event", b"").decode(), value)


def _line(text: bytes) -> Frame:
    value = json.loads(text)
    return Frame(value.get("frame", ""), value)


def masked(text: bytes, kind: int = 0x81) -> bytes:
    """Return a client's WebSocket frame: a text, if nothing else is said."""
    assert len(text) < 1 << 16
    wide = len(text) > 125
    size = b"\xfe" + len(text).to_bytes(2) if wide else bytes((0x80 | len(text),))
    mask = os.urandom(4)
    return bytes((kind,)) + size + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(text))


class Refused(Exception):
    """The host did not begin a stream: the status."""


class Stream:
    """One live subscription; nothing is read but by `frames`."""

    def __init__(
        self,
        port: int,
        transport: Transport,
        wanted: Wanted = ALL,
        after: str = "",
        *,
        room: int = 0,
    ) -> None:
        self.socket = socket.socket()
        if room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.settimeout(30)
        self.decoder = Decoder(transport)
        self.received = 0
        try:
            self.socket.connect(("127.0.0.1", port))
            self._rest = self._open(transport, wanted, after)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up without a word."""
        self.socket.close()

    def frames(self) -> list[Frame]:
        """Return the frames that come next, [] if none does in time; EOFError at the end."""
        frames: list[Frame] = []
        while not frames:
            try:
                frames = self.some()
            except TimeoutError:
                break
        return frames

    def some(self, most: int = 1 << 16) -> list[Frame]:
        """Read once, `most` bytes at the most; return the frames that are whole then."""
        data, self._rest = self._rest, b""
        data = data or self.socket.recv(most)
        if not data:
            raise EOFError
        self.received += len(data)
        frames = self.decoder.receive(data)
        while self.decoder.pings:
            self.socket.sendall(masked(self.decoder.pings.pop(0), PONG))
        return frames

    def begin(self) -> Frame:
        """Read up to the first frame, the hello; no event may have come with it yet."""
        frames = self.frames()
        while not frames:
            frames = self.frames()
        hello, *more = frames
        assert hello.name == "hello", hello
        assert all(frame.name == "heartbeat" for frame in more), more
        return hello

    def _open(self, transport: Transport, wanted: Wanted, after: str) -> bytes:
        if transport == "websocket":
            self.socket.sendall(_upgrade("/v1/stream"))
            rest = self._head(101)
            self.socket.sendall(masked(json.dumps(wanted.command(after)).encode()))
            return rest
        text = request("GET", wanted.path(transport, after))
        accept = f"Accept: {ACCEPT[transport]}\r\n\r\n".encode()
        self.socket.sendall(text.removesuffix(b"\r\n") + accept)
        return self._head(200)

    def _head(self, status: int) -> bytes:
        """Read the response's head; return what came after it."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(1 << 16)
            if not more:
                raise ConnectionError("the host hung up")
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        if not re.match(rb"HTTP/1.1 %d " % status, head):
            raise Refused(int(head[9:12]))
        return rest


def _upgrade(path: str) -> bytes:
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ==",
        "Sec-WebSocket-Version": "13",
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return request("GET", path).removesuffix(b"\r\n") + text.encode() + b"\r\n"
