"""Events for readers who want less: without agents' own messages, with pieces joined."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from sxhost.codec.compact import compact_encoding, compact_events, without_native
from sxhost.codec.frames import NDJSON
from sxhost.codec.json import encode
from sxhost.model.event import Event, EventQuery


def event(seq: int, name: str, data: Any, session: str = "a") -> Event:
    return Event(name, Raw(encode(data)), 1, seq, 10 * seq, 1000 + seq, session)


def piece(
    seq: int, text: str, item: str = "m", name: str = "message-delta", **more: Any
) -> Event:
    return event(seq, name, {"item": item, "text": text, "native": {"x": 1}, **more})


def texts(events: Any) -> list[tuple[int, int, str]]:
    return [(getattr(e, "from_seq", e.seq), e.seq, e.value()["text"]) for e in events]


def test_adjacent_pieces_of_one_text_are_joined() -> None:
    pieces = [piece(1, "so"), piece(2, " it"), piece(3, " is")]
    (one,) = compact_events(pieces, joined=True)
    wire = msgspec.json.decode(encode(one))
    assert wire == {
        "event": "message-delta",
        "data": {"item": "m", "text": "so it is"},
        "ts": 1,
        "seq": 3,
        "id": 30,
        "ts_ms": 1003,
        "session": "a",
        "from_seq": 1,
    }
    assert compact_events(pieces[:1], joined=True) == pieces[:1]


def test_what_stands_between_keeps_pieces_apart() -> None:
    events = [
        piece(1, "a"),
        piece(2, "b", item="n"),
        piece(3, "c", item="n"),
        piece(4, "d", item="n", name="thinking-delta"),
        piece(5, "e", item="n", name="thinking-delta", parent="p"),
        event(6, "usage", {"text": "f"}),
        piece(7, "g", item="n"),
        piece(8, "h", item="n"),
    ]
    assert texts(compact_events(events, joined=True)) == [
        (1, 1, "a"),
        (2, 3, "bc"),
        (4, 4, "d"),
        (5, 5, "e"),
        (6, 6, "f"),
        (7, 8, "gh"),
    ]


def test_joined_pieces_are_bounded() -> None:
    events = [piece(seq, "x" * 10_000) for seq in range(1, 21)]
    joined = compact_events(events, joined=True)
    assert 2 < len(joined) < 6
    assert "".join(one.value()["text"] for one in joined) == "x" * 200_000  # type: ignore[index]


def test_pieces_of_another_shape_stay_as_they_are() -> None:
    odd = [event(1, "message-delta", 7), event(2, "message-delta", {"text": 3})]
    assert compact_events(odd, joined=True) == odd


def test_native_messages_are_left_out() -> None:
    assert without_native(piece(1, "a")).value() == {"item": "m", "text": "a"}
    asked = event(1, "approval-requested", {"id": 1, "native": {"large": 1}})
    assert without_native(asked).value() == {"id": 1, "native": None}
    for kept in (
        event(1, "custom", {"native": 1}),
        event(1, "message", "native"),
        event(1, "message", {"text": '"native"'}),
    ):
        assert without_native(kept) == kept


def test_equal_queries_share_an_encoding() -> None:
    less = EventQuery(native=False)
    assert compact_encoding(NDJSON, EventQuery()) is NDJSON
    assert compact_encoding(NDJSON, less) is compact_encoding(NDJSON, less)
    assert compact_encoding(NDJSON, less) is not compact_encoding(
        NDJSON, EventQuery(native=False, deltas="merged")
    )
