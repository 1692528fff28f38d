"""Which pieces of a log belong together, and which event has them whole.

A *stream* names the pieces of one text or output within a session: their event's name and their
item.  Once an event of the log has a stream whole, the pieces that precede it are *superseded*:
whoever reads that event instead of them misses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from sxhost.model.event import NULL, Event
from sxhost.model.event_types import MALFORMED, PIECES, WHOLE_OF

__all__ = ["NATIVE", "Superseded", "stream_of", "superseded_by"]

NATIVE: Final = "native"
"""The stream of native events: nothing has them whole, and they end with their turn."""

_TURN_ENDS: Final = frozenset({"complete", "error", "ended"})
_PIECES_OF: Final = {whole: piece for piece, whole in WHOLE_OF.items()}


class Superseded(NamedTuple):
    """The pieces of a stream that precede the event `seq`, which has them whole."""

    session: str
    stream: str
    seq: int


class _Item(Struct):
    item: str = ""


class _ToolDone(Struct):
    item: str = ""
    output: Raw = NULL


_decode_item = msgspec.json.Decoder(_Item).decode
_decode_tool_done = msgspec.json.Decoder(_ToolDone).decode


def stream_of(event: Event) -> str | None:
    """Return the stream that an event is a piece of; None if it is a fact."""
    if event.event not in PIECES:
        return None
    return NATIVE if event.event == NATIVE else f"{event.event}:{_item_of(event.data)}"


def superseded_by(event: Event, streams: Collection[str]) -> Sequence[str]:
    """Return which of a session's `streams` an event has whole, so that they end with it.

    A text with an item completes pieces of that item, and if there are none, those that have no
    item.  A call of a tool that ends without its output has nothing whole.  Pieces that nothing
    has whole when their turn ends stay: they are all there is of their text (what was broken
    off by a kill gets a whole: `sxhost.agents.unfinished`).
    """
    if event.event in _TURN_ENDS:
        return [NATIVE] if NATIVE in streams else []
    piece = _PIECES_OF.get(event.event)
    if piece is None or not streams:
        return []
    if event.event == "tool-done" and not _has_output(event.data):
        return []
    candidates = (f"{piece}:{_item_of(event.data)}", f"{piece}:")
    return [stream for stream in candidates if stream in streams][:1]


def _item_of(data: Raw) -> str:
    """Return the item that data name; attached agents send data of any shape."""
    try:
        return _decode_item(data).item
    except MALFORMED:
        return ""


def _has_output(data: Raw) -> bool:
    try:
        return _decode_tool_done(data).output != NULL
    except MALFORMED:
        return False
