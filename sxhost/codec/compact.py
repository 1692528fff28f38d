"""Events made smaller for readers who ask for it: without agents' own words, pieces joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from sxhost.codec.json import encode
from sxhost.model.event import Event, EventQuery
from sxhost.model.event_types import EVENT_TYPES, MALFORMED, NULL, WHOLE_OF
from sxhost.model.rights import APPROVAL_EVENTS
from sxhost.model.subscription import Encoding

__all__ = ["CompactEncoding", "compact_encoding", "compact_events", "without_native"]

JOINED: Final = 64 * 1024
"""Bytes of data up to which pieces are joined."""

_ENCODINGS: Final[dict[tuple[int, bool, bool], Encoding]] = {}
"""The encodings that were made: there are as many as faces have, thrice."""

_FIELD: Final = b'"native"'
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class JoinedPieces(Event, frozen=True):
    """Pieces of one text that go out as one event: `seq` is the last one's."""

    from_seq: int
    """The `seq` of the first."""


class _Piece(Struct, omit_defaults=True):
    """What pieces of one text have."""

    text: str
    item: str = ""
    parent: str | None = None


_decode_piece = msgspec.json.Decoder(_Piece).decode


def without_native(event: Event) -> Event:
    """Return an event without the agent's own message; an approval has null in its place."""
    if event.event not in EVENT_TYPES or _FIELD not in bytes(event.data):
        return event
    try:
        fields = _decode_fields(event.data)
    except MALFORMED:
        return event
    if fields.pop("native", None) is None:
        return event
    if event.event in APPROVAL_EVENTS:
        fields["native"] = NULL
    return replace(event, data=Raw(encode(fields)))


def compact_events(
    events: Sequence[Event], *, native: bool = True, joined: bool = False
) -> Sequence[Event]:
    """Return events without agents' own messages, with adjacent pieces of a text joined."""
    if not native:
        events = [without_native(event) for event in events]
    return list(_joined(events)) if joined else events


def _joined(events: Sequence[Event]) -> Iterator[Event]:
    run: list[tuple[Event, _Piece]] = []
    size = 0
    for event in events:
        piece = _piece(event)
        if run and (piece is None or size > JOINED or not _belongs(event, piece, run[-1])):
            yield _one(run)
            run, size = [], 0
        if piece is None:
            yield event
        else:
            run.append((event, piece))
            size += len(event.data)
    if run:
        yield _one(run)


def _piece(event: Event) -> _Piece | None:
    """Return the data of a piece; None for another event, and for data of another shape."""
    if event.event not in WHOLE_OF:
        return None
    try:
        return _decode_piece(event.data)
    except MALFORMED:
        return None


def _belongs(event: Event, piece: _Piece, last: tuple[Event, _Piece]) -> bool:
    before, other = last
    return (event.session, event.event) == (before.session, before.event) and (
        (piece.item, piece.parent) == (other.item, other.parent)
    )


def _one(run: Sequence[tuple[Event, _Piece]]) -> Event:
    """Return a run of pieces as one event, which is the last with the text of all."""
    (first, piece), (last, _) = run[0], run[-1]
    if len(run) == 1:
        return first
    whole = replace(piece, text="".join(each.text for _, each in run))
    return JoinedPieces(
        event=last.event,
        data=Raw(encode(whole)),
        ts=last.ts,
        seq=last.seq,
        id=last.id,
        ts_ms=last.ts_ms,
        session=last.session,
        from_seq=first.seq,
    )


class CompactEncoding:
    """Encodes as another encoding does, for readers who want less."""

    def __init__(self, inner: Encoding, *, native: bool, joined: bool) -> None:
        self.event = inner.event
        self.control = inner.control
        self._native = native
        self._joined = joined

    def compact(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events as they are to be encoded."""
        return compact_events(events, native=self._native, joined=self._joined)


def compact_encoding(inner: Encoding, query: EventQuery) -> Encoding:
    """Return an encoding for what a query asks for; equal queries share one."""
    joined = query.deltas == "merged"
    if query.native and not joined:
        return inner
    key = id(inner), query.native, joined
    if key not in _ENCODINGS:
        _ENCODINGS[key] = CompactEncoding(inner, native=query.native, joined=joined)
    return _ENCODINGS[key]
