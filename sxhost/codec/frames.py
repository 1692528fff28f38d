"""What a subscriber is sent, in each encoding: events, and control frames around them.

An event's frame is its line, the same in every encoding; control frames are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sxhost.codec.json import encode
from sxhost.model.cursor import Cursor
from sxhost.model.session import Event

__all__ = ["NDJSON", "SSE", "TEXT", "Encoding", "framed", "joined"]


class Encoding(Protocol):
    """Turns frames into bytes for one kind of transport."""

    def event(self, event: Event, epoch: str) -> bytes:
        """Encode an event, with its cursor where the encoding has a place for it."""

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Encode a control frame: hello, gap, state, heartbeat, end."""


class _NDJSON:
    """A line each; a control frame is an object with a ``frame``."""

    def event(self, event: Event, epoch: str) -> bytes:  # noqa: ARG002 - a cursor needs no line
        return encode(event) + b"\n"

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        return encode({"frame": name, **fields}) + b"\n"


class _SSE:
    """Server-sent events: events are unnamed, so that ``onmessage`` gets them.

    Whatever names a place has it as its `id`, from which a browser that comes back goes on.
    """

    def event(self, event: Event, epoch: str) -> bytes:
        cursor = str(Cursor(event.id, epoch)).encode()
        return b"id: %s\ndata: %s\n\n" % (cursor, encode(event))

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        place = fields.get("cursor") or fields.get("to")
        at = f"id: {place}\n" if place else ""
        return b"%sevent: %s\ndata: %s\n\n" % (at.encode(), name.encode(), encode(fields))


class _Text:
    """The NDJSON lines as unmasked, unfragmented WebSocket text frames (RFC 6455, 5.2)."""

    def event(self, event: Event, epoch: str) -> bytes:  # noqa: ARG002
        return framed(encode(event))

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        return framed(encode({"frame": name, **fields}))


def framed(payload: bytes) -> bytes:
    """Return a text as a server's whole WebSocket frame."""
    size = len(payload)
    if size < 126:  # noqa: PLR2004 - the RFC's own steps
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def joined(
    encoding: Encoding, events: Sequence[Event], epoch: str, most: int
) -> tuple[bytes, int]:
    """Encode events until `most` bytes are there; return them and how many events they are."""
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
