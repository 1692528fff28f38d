"""Which transcripts are known: read back, kept, forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw
from twisted.internet.defer import Deferred

from sxhost.codec.json import encode
from sxhost.errors import StoreUnavailable
from sxhost.model.event import Event
from sxhost.model.event_types import decode_event
from sxhost.testing import is_done, result_of, started
from sxhost.transcripts import transcript_cache as module
from sxhost.transcripts.transcript import Transcript
from sxhost.transcripts.transcript_cache import TranscriptCache


def event(seq: int, name: str, session: str = "s", **data: Any) -> Event:
    return Event(name, Raw(encode(data)), 1, seq, seq, 1000, session)


def log(count: int) -> list[Event]:
    """Return a turn that is told in so many pieces."""
    pieces = [event(n, "message-delta", item="m", text="x") for n in range(3, count + 3)]
    return [event(1, "started"), event(2, "turn-started"), *pieces]


def new() -> TranscriptCache:
    return TranscriptCache(lambda _: "codex", 10**6, 10**5, {})


def recall(cache: TranscriptCache, seq: int, events: list[Event]) -> list[tuple[int, int]]:
    asked = []

    async def read(after: int, limit: int) -> list[Event]:
        asked.append((after, limit))
        return [one for one in events if one.seq > after][:limit]

    result_of(cache.read_back("s", seq, read))
    return asked


def grown(cache: TranscriptCache, one: Event) -> int:
    growing = add(cache, one).growing_message(one.seq)
    assert growing is not None
    return len(growing.text_at(0, one.seq) or b"")


def add(cache: TranscriptCache, one: Event) -> Transcript:
    return cache.add(one, decode_event(one))


def test_a_log_is_read_back_to_where_the_turn_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    events = log(20)
    cache = new()
    asked = recall(cache, 21, events)
    assert asked == [(n, 4) for n in (16, 12, 8, 4, 0)]
    assert grown(cache, events[20]) == 19
    assert cache.covers("s", 2)
    assert not cache.covers("s", 1), "nothing of what was before"


def test_reading_back_ends_after_so_many_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    monkeypatch.setattr(module, "BACK", 8)
    cache, events = new(), log(20)
    assert len(recall(cache, 21, events)) == 2
    assert grown(cache, events[20]) == 9, "what is known is told"


def test_events_that_retention_dropped_are_left_out() -> None:
    cache, events = new(), log(20)[10:]
    recall(cache, 21, events)
    assert grown(cache, events[-2]) == 11


@pytest.mark.parametrize("name", ["complete", "error"])
def test_a_turn_that_has_ended_is_not_read_back(name: str) -> None:
    cache, events = new(), [*log(3), event(6, name), event(7, "usage")]
    assert recall(cache, 7, events) == [(0, module.PAGE)]
    assert cache.covers("s", 7)
    assert not cache.covers("s", 6), "nothing of it is known but where it ended"
    assert recall(cache, 7, events) == []
    later = new()
    recall(later, 8, events)
    assert (later.covers("s", 6), later.covers("s", 8)) == (False, True)


def test_callers_for_one_session_share_one_reading() -> None:
    cache, events = new(), log(3)
    page: Deferred[list[Event]] = Deferred()
    asked = []

    async def read(after: int, limit: int) -> list[Event]:
        asked.append(after)
        return await page

    first, second = (started(cache.read_back("s", 4, read)) for _ in range(2))
    assert not is_done(first)
    page.callback(events)
    assert is_done(first)
    assert is_done(second)
    assert asked == [0]


def test_a_reading_that_fails_lets_the_next_caller_try() -> None:
    cache, events = new(), log(3)
    page: Deferred[list[Event]] = Deferred()

    async def fails(_after: int, _limit: int) -> list[Event]:
        return await page

    async def works(_after: int, _limit: int) -> list[Event]:
        return events

    first = started(cache.read_back("s", 4, fails))
    second = started(cache.read_back("s", 4, works))
    page.errback(StoreUnavailable("x"))
    with pytest.raises(StoreUnavailable):
        result_of(first)
    assert is_done(second)
    assert cache.covers("s", 4)


def test_nothing_is_read_before_the_first_event() -> None:
    assert recall(new(), 1, log(3)) == []


def test_the_least_recently_used_transcript_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 5000)
    cache = new()
    for number in range(20):
        add(cache, event(2, "turn-started", f"s{number}"))
    known = [number for number in range(20) if cache.covers(f"s{number}", 3)]
    assert known == [15, 16, 17, 18, 19]
    cache.forget("s19")
    assert not cache.covers("s19", 3)
    assert cache._size == 4 * module.OVERHEAD


def test_pieces_that_have_left_are_no_gap() -> None:
    cache = new()
    begun = add(cache, event(1, "turn-started"))
    assert add(cache, event(9, "message", item="m", text="x")) is begun


def test_a_gap_in_the_log_begins_a_new_transcript() -> None:
    cache = new()
    add(cache, event(1, "turn-started"))
    add(cache, event(2, "message-delta", item="m", text="abc"))
    cache.note_gap("s", event(8, "x").id)
    assert grown(cache, event(9, "message-delta", item="m", text="x")) == 1


def test_a_session_of_the_same_name_has_a_transcript_of_its_own() -> None:
    cache = new()
    add(cache, event(1, "turn-started"))
    add(cache, event(2, "message-delta", item="m", text="abc"))
    other = Event("message-delta", Raw(b'{"item":"m","text":"x"}'), 1, 2, 77, 1000, "s")
    assert grown(cache, other) == 1
