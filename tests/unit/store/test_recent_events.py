"""What memory has of all logs stays within its bytes, and the bytes are counted right."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.errors import UnknownSession
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.store.event_ring import OVERHEAD, weight
from sxhost.store.recent_events import RECENT, Floor, RecentEvents


class Logs:
    """Some sessions whose events go into memory, one after the other."""

    def __init__(self, line_length: int = RECENT, **limits: int) -> None:
        self.cache = RecentEvents(Limits(**limits), only_copy=True, line_length=line_length)
        self._last = 0
        self._seqs: dict[str, int] = {}

    def append(self, session: str, *sizes: int) -> None:
        if session not in self._seqs:
            self._seqs[session] = 0
            self.cache.open(session, self._last)
        events = [self._event(session, size) for size in sizes]
        self.cache.append([(session, events, {})], self._last)

    def _event(self, session: str, size: int) -> Event:
        self._last += 1
        self._seqs[session] += 1
        data = Raw(b"1" * size)
        return Event("x", data, 0, self._seqs[session], self._last, 0, session)

    def forget(self, session: str) -> None:
        del self._seqs[session]
        self.cache.remove(session)

    def in_rings(self) -> list[Event]:
        return [e for session in self._seqs for e in self.cache.retained(session)]

    def held(self) -> list[Event]:
        """Return each event that memory has, once."""
        line = self.cache.since(None, self.cache.line_start) or ()
        every = {event.id: event for event in (*self.in_rings(), *line)}
        return list(every.values())


def test_an_event_counts_once() -> None:
    logs = Logs()
    logs.append("a", 100)
    logs.append("b", 10, 10)
    assert logs.cache.size == 120 + 3 * OVERHEAD


def test_the_oldest_of_all_make_room() -> None:
    logs = Logs(hot_bytes=10 * OVERHEAD)
    for session in "aaabbb":
        logs.append(session, 0)
    logs.append("c", 6 * OVERHEAD)
    assert [logs.cache.pruned(session) for session in "abc"] == [3, 4, 0]
    assert [event.session for event in logs.held()] == ["b", "b", "c"]
    assert logs.cache.since(None, 0) is None, "a reader from there is told to read"
    assert [event.id for event in logs.cache.since(None, 5) or ()] == [6, 7]


def test_one_session_has_its_share_and_no_more() -> None:
    logs = Logs(ring_bytes=3 * OVERHEAD)
    for _ in range(9):
        logs.append("flood", 0)
    logs.append("quiet", 0)
    assert [event.id for event in logs.in_rings()] == [7, 8, 9, 10]


def test_what_is_too_large_for_all_of_it_is_not_kept() -> None:
    logs = Logs(hot_bytes=OVERHEAD)
    logs.append("a", 5 * OVERHEAD)
    assert (logs.cache.size, logs.held()) == (0, [])


SESSIONS = st.sampled_from("abc")
STEPS = st.tuples(SESSIONS, st.lists(st.integers(0, 2000), max_size=12) | st.none())


@given(st.lists(STEPS, max_size=30))
def test_bytes_are_counted_right_whatever_comes(
    steps: Sequence[tuple[str, list[int] | None]],
) -> None:
    logs = Logs(7, events=5, ring_bytes=4000, hot_bytes=9000)
    known: set[str] = set()
    for session, sizes in steps:
        if sizes is not None:
            logs.append(session, *sizes)
            known.add(session)
        elif session in known:
            logs.forget(session)
            known.discard(session)
        assert logs.cache.size == sum(map(weight, logs.held()))
        assert logs.cache.size <= 9000


def test_an_archived_session_leaves_its_ring_and_stays_in_the_line() -> None:
    logs = Logs(4)
    logs.append("a", 0, 0)
    logs.append("b", 0)
    logs.cache.archive("a", 2)
    assert logs.cache.since("a", 1) is None, "a reader from there is told to read"
    assert logs.cache.since("a", 2) == []
    assert [event.session for event in logs.cache.since(None, 0) or ()] == ["a", "a", "b"]
    assert logs.cache.size == 3 * OVERHEAD


def test_a_deleted_session_leaves_nothing_archived_or_not() -> None:
    logs = Logs(4)
    logs.append("a", 0, 0)
    logs.append("b", 0)
    logs.cache.archive("a", 2)
    logs.cache.remove("a")
    assert [event.session for event in logs.cache.since(None, 0) or ()] == ["b"]
    assert logs.cache.size == OVERHEAD
    logs.cache.open("c", 3)
    logs.cache.archive("c", 3)
    logs.append("b", *[0] * 9)
    logs.cache.remove("c")
    assert [event.session for event in logs.cache.since(None, 8) or ()] == ["b"] * 4


def test_a_floor_rises_and_is_told_of_all_logs_too() -> None:
    logs = Logs(4)
    logs.append("a", 0, 0)
    logs.append("b", 0)
    assert logs.cache.pruned("a") == logs.cache.pruned(None) == 0
    logs.cache.drop("a", Floor(3, 2))
    logs.cache.drop("a", Floor(3, 1))
    assert (logs.cache.floor("a"), logs.cache.pruned(None)) == (Floor(3, 2), 2)
    assert logs.cache.pruned("b") == 0
    with pytest.raises(UnknownSession):
        logs.cache.pruned("c")


def test_numbers_are_read_from_the_ring_if_it_has_them_all() -> None:
    logs = Logs(events=2)
    logs.append("a", 0, 0, 0)
    assert [event.seq for event in logs.cache.after_seq("a", 1) or ()] == [2, 3]
    assert logs.cache.after_seq("a", 0) is None
    assert logs.cache.after_seq("b", 0) is None
