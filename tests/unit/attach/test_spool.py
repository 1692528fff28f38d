"""What waits for a host: in order, bounded, and what went is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sxhost.attach.spool import Spool
from sxhost.model.event import EventDraft


def draft(number: int, size: int = 1) -> EventDraft:
    return EventDraft.of("e", "x" * size, ts=number)


def test_oldest_events_come_first_and_stay_until_removed() -> None:
    spool = Spool()
    drafts = [draft(n) for n in range(5)]
    for each in drafts:
        spool.put(each)
    assert list(spool.first(2, 10_000)) == drafts[:2]
    assert len(spool) == 5
    spool.remove(drafts[:2])
    assert list(spool.first(9, 10_000)) == drafts[2:]


def test_one_event_is_returned_however_large() -> None:
    spool = Spool()
    spool.put(draft(1, 1000))
    spool.put(draft(2))
    assert len(spool.first(9, 10)) == 1


@given(st.lists(st.integers(0, 300), max_size=60))
def test_overflow_drops_the_oldest_and_counts_them(sizes: list[int]) -> None:
    spool = Spool(most_events=10, most_bytes=1000)
    drafts = [draft(n, size) for n, size in enumerate(sizes)]
    for each in drafts:
        spool.put(each)
    kept = spool.first(99, 99_999)
    assert list(kept) == drafts[len(drafts) - len(kept) :]
    assert spool.lost == len(drafts) - len(kept)
    assert len(kept) == len(spool) <= 10


def test_removing_dropped_events_removes_no_others() -> None:
    spool = Spool(most_events=2)
    drafts = [draft(n) for n in range(4)]
    for each in drafts[:2]:
        spool.put(each)
    sent = spool.first(2, 9999)
    for each in drafts[2:]:
        spool.put(each)
    spool.remove(sent)
    assert list(spool.first(9, 9999)) == drafts[2:]


def test_event_is_dropped_from_the_middle() -> None:
    spool = Spool()
    drafts = [draft(n) for n in range(3)]
    for each in drafts:
        spool.put(each)
    spool.drop(drafts[1])
    assert list(spool.first(9, 9999)) == [drafts[0], drafts[2]]
