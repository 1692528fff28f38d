"""Events as a journal has them: in rows of facts, or of pieces of one stream."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from sxhost.codec.compact import without_native
from sxhost.codec.json import encode_lines
from sxhost.model.event import Event
from sxhost.model.names import KeptNative
from sxhost.model.pieces import NATIVE, stream_of
from sxhost.model.rights import APPROVAL_EVENTS

__all__ = ["ROW_SIZE", "Run", "pack", "runs_of", "stored", "unpack"]

ROW_SIZE = 64 * 1024
"""Bytes of data in one row of the log: who reads an event reads its whole row."""

PACKED = 512
"""Bytes from which a row is compressed: the agent's own message mostly repeats the event."""

_ZLIB = b"x"
"""Begins what is compressed; the lines of events begin with a bracket."""

Run = tuple[str | None, list[Event]]
"""Events that follow one another: pieces of a stream, or facts, which have none."""


def runs_of(events: Sequence[Event]) -> Iterator[Run]:
    """Split events into rows: each has one stream, or facts, and no other's ids between."""
    run: list[Event] = []
    of: str | None = None
    size = 0
    for event in events:
        stream = stream_of(event)
        if run and (stream != of or event.id != run[-1].id + 1 or size >= ROW_SIZE):
            yield of, run
            run, size = [], 0
        of = stream
        run.append(event)
        size += len(event.data)
    if run:
        yield of, run


def stored(event: Event, stream: str | None, native: KeptNative) -> Event:
    """Return an event as it is kept: without the agent's own message, where that is not.

    A native event is nothing else; it is kept as long as its turn runs, or as the word alone.
    """
    kept = stream in (None, NATIVE) if native == "facts" else native == "all"
    return event if kept or event.event in APPROVAL_EVENTS else without_native(event)


def pack(events: Sequence[Event]) -> bytes:
    """Return events as the body of a row: their NDJSON lines, compressed if they are long."""
    lines = encode_lines(events)
    return zlib.compress(lines, 1) if len(lines) >= PACKED else lines


def unpack(body: bytes) -> bytes:
    """Return the lines of a row's body."""
    return zlib.decompress(body) if body[:1] == _ZLIB else body
