"""The frames of a stream, in each encoding: events, and control frames around them.

An event's frame is its JSON, the same in every encoding; control frames have a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import randbelow

from sxhost.codec.json import encode
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event
from sxhost.model.subscription import Encoding

__all__ = [
    "NDJSON",
    "SSE",
    "TEXT",
    "encode_events",
    "websocket_message",
    "websocket_text_frame",
]


RETRY_MS = range(1000, 5000)
"""How long a browser waits before it connects again; at random, so that a crowd spreads."""


class _NDJSON:
    """JSON lines; a control frame is an object with a field ``frame``."""

    def event(self, event: Event, epoch: str) -> bytes:  # noqa: ARG002 - the line has the id
        return encode(event) + b"\n"

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        return encode({"frame": name, **fields}) + b"\n"


class _SSE:
    """Server-sent events: events are unnamed, so that ``onmessage`` gets them.

    A frame with a cursor has it as its ``id``, which a browser that reconnects sends back.
    """

    def event(self, event: Event, epoch: str) -> bytes:
        cursor = str(Cursor(event.id, epoch)).encode()
        return b"id: %s\ndata: %s\n\n" % (cursor, encode(event))

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        cursor = fields.get("cursor") or fields.get("to")
        head = f"id: {cursor}\n" if cursor else ""
        if name in ("hello", "end"):
            head += f"retry: {RETRY_MS[randbelow(len(RETRY_MS))]}\n"
        return b"%sevent: %s\ndata: %s\n\n" % (head.encode(), name.encode(), encode(fields))


class _Text:
    """The NDJSON lines as unmasked, unfragmented WebSocket text frames (RFC 6455, 5.2)."""

    def event(self, event: Event, epoch: str) -> bytes:  # noqa: ARG002
        return websocket_text_frame(encode(event))

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        return websocket_text_frame(encode({"frame": name, **fields}))


def websocket_text_frame(payload: bytes) -> bytes:
    """Return a payload as a WebSocket text frame, unmasked as a server's are."""
    size = len(payload)
    if size < 126:  # noqa: PLR2004 - the RFC's own steps
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def websocket_message(data: bytes) -> bytes | None:
    """Return the text of a client's bytes that are one whole text frame and no more, else None.

    Pieces, control frames, long ones and all that is wrong (the text's UTF-8 too) are for who
    knows the whole protocol.
    """
    if len(data) < 6 or data[0] != 0x81:  # noqa: PLR2004
        return None
    size, start = data[1] - 0x80, 2
    if size == 126:  # noqa: PLR2004 - the RFC's own steps
        size, start = int.from_bytes(data[2:4], "big"), 4
        if size < 126:  # noqa: PLR2004 - it should have been written shorter
            return None
    payload = data[start + 4 :]
    if len(payload) != size:
        return None
    key = (data[start : start + 4] * (size // 4 + 1))[:size]
    text = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    try:
        text.decode()
    except UnicodeDecodeError:
        return None
    return text


def encode_events(
    encoding: Encoding, events: Sequence[Event], epoch: str, most: int
) -> tuple[bytes, int]:
    """Encode events until there are `most` bytes; return the bytes and the number of events.

    The last event may exceed `most`, so that there is always progress.
    """
    parts: list[bytes] = []
    size = 0
    for event in events:
        parts.append(encoding.event(event, epoch))
        size += len(parts[-1])
        if size >= most:
            break
    return b"".join(parts), len(parts)


NDJSON: Encoding = _NDJSON()
SSE: Encoding = _SSE()
TEXT: Encoding = _Text()
