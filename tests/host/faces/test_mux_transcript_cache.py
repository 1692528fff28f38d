"""Which runs are known: read back, kept, forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from twisted.internet.defer import Deferred

from sxhost.codec.json import encode
from sxhost.errors import StoreUnavailable
from sxhost.faces.pi import transcript_cache as module
from sxhost.faces.pi.transcript_cache import TranscriptCache
from sxhost.model.limits import Limits
from sxhost.model.session import Event
from sxhost.testing import is_done, result_of, started


def event(seq: int, name: str, session: str = "s", **data: Any) -> Event:
    return Event(name, Raw(encode(data)), 1, seq, seq, 1000, session)


def log(count: int) -> list[Event]:
    """Return a turn that is told in so many pieces."""
    pieces = [event(n, "message-delta", item="m", text="x") for n in range(3, count + 3)]
    return [event(1, "started"), event(2, "turn-started"), *pieces]


def new() -> TranscriptCache:
    return TranscriptCache(Limits(), lambda _: "codex")


def recall(runs: TranscriptCache, seq: int, events: list[Event]) -> list[tuple[int, int]]:
    asked = []

    async def read(after: int, limit: int) -> list[Event]:
        asked.append((after, limit))
        return [one for one in events if one.seq > after][:limit]

    result_of(runs.read_back("s", seq, read))
    return asked


def grown(runs: TranscriptCache, one: Event) -> int:
    return len(json.loads(runs.translate(one)[-1])["message"]["content"][0]["text"])


def test_transcript_is_read_back_to_the_start_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    events = log(20)
    runs = new()
    asked = recall(runs, 21, events)
    assert asked == [(n, 4) for n in (16, 12, 8, 4, 0)]
    assert grown(runs, events[20]) == 19
    assert runs.covers("s", 2)
    assert not runs.covers("s", 1), "nothing of what was before"


def test_read_back_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    monkeypatch.setattr(module, "BACK", 8)
    runs, events = new(), log(20)
    assert len(recall(runs, 21, events)) == 2
    assert grown(runs, events[20]) == 9, "what is known is told"


def test_transcript_lacks_what_retention_dropped() -> None:
    runs, events = new(), log(20)[10:]
    recall(runs, 21, events)
    assert grown(runs, events[-2]) == 11


@pytest.mark.parametrize("name", ["complete", "error"])
def test_finished_run_is_not_read_back(name: str) -> None:
    runs, events = new(), [*log(3), event(6, name), event(7, "usage")]
    assert recall(runs, 7, events) == [(0, module.PAGE)]
    assert runs.covers("s", 7)
    assert not runs.covers("s", 6), "nothing of it is known but where it ended"
    assert recall(runs, 7, events) == []
    later = new()
    recall(later, 8, events)
    assert (later.covers("s", 6), later.covers("s", 8)) == (False, True)


def test_concurrent_readers_share_a_read_back() -> None:
    runs, events = new(), log(3)
    page: Deferred[list[Event]] = Deferred()
    asked = []

    async def read(after: int, limit: int) -> list[Event]:
        asked.append(after)
        return await page

    first, second = (started(runs.read_back("s", 4, read)) for _ in range(2))
    assert not is_done(first)
    page.callback(events)
    assert is_done(first)
    assert is_done(second)
    assert asked == [0]


def test_failed_read_back_can_be_retried() -> None:
    runs, events = new(), log(3)
    page: Deferred[list[Event]] = Deferred()

    async def fails(_after: int, _limit: int) -> list[Event]:
        return await page

    async def works(_after: int, _limit: int) -> list[Event]:
        return events

    first = started(runs.read_back("s", 4, fails))
    second = started(runs.read_back("s", 4, works))
    page.errback(StoreUnavailable("x"))
    with pytest.raises(StoreUnavailable):
        result_of(first)
    assert is_done(second)
    assert runs.covers("s", 4)


def test_read_back_stops_at_the_beginning_of_the_log() -> None:
    assert recall(new(), 1, log(3)) == []


def test_unused_transcript_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 5000)
    runs = new()
    for number in range(20):
        runs.translate(event(2, "turn-started", f"s{number}"))
    known = [number for number in range(20) if runs.covers(f"s{number}", 3)]
    assert known == [15, 16, 17, 18, 19]
    runs.forget("s19")
    assert not runs.covers("s19", 3)
    assert runs._size == 4 * module.OVERHEAD


def test_gap_makes_a_run_incomplete() -> None:
    runs = new()
    runs.translate(event(1, "turn-started"))
    runs.translate(event(2, "message-delta", item="m", text="abc"))
    assert grown(runs, event(9, "message-delta", item="m", text="x")) == 1


def test_session_of_the_same_id_has_its_own_transcript() -> None:
    runs = new()
    runs.translate(event(1, "turn-started"))
    runs.translate(event(2, "message-delta", item="m", text="abc"))
    other = Event("message-delta", Raw(b'{"item":"m","text":"x"}'), 1, 2, 77, 1000, "s")
    assert grown(runs, other) == 1
