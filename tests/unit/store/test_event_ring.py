"""The newest events of one session, and where they begin."""

from __future__ import annotations

from msgspec import Raw

from sxhost.model.event import Event
from sxhost.store.event_ring import EventRing, weight

MOST = 1 << 30


def event(seq: int, number: int) -> Event:
    return Event("x", Raw(b"null"), 0, seq, number, 0, "a")


def filled(limit: int, count: int) -> EventRing:
    """Return a ring to which so many events were added, with ids that are ten times as high."""
    ring = EventRing(limit, MOST)
    for seq in range(1, count + 1):
        ring.extend([event(seq, seq * 10)], {f"k{seq}": event(seq, seq * 10)})
    return ring


def test_an_empty_ring_has_all_there_is() -> None:
    ring = EventRing(3, MOST)
    assert (ring.start, ring.after(0), [*ring.since(0)], ring.oldest) == (0, [], [], None)


def test_the_newest_stay() -> None:
    ring = filled(3, 5)
    assert [e.seq for e in ring.after(0)] == [3, 4, 5]
    assert [e.seq for e in ring.after(4)] == [5]
    assert [e.seq for e in ring.since(30)] == [4, 5]
    assert [e.seq for e in ring.since(35)] == [4, 5]
    assert ring.start == 20, "it has all that came after the last that left"


def test_a_key_leaves_with_its_event() -> None:
    ring = filled(3, 5)
    assert ring.find_key("k2") is None
    third = ring.find_key("k3")
    assert third is not None
    assert third.seq == 3


def test_more_than_fits_at_once() -> None:
    ring = EventRing(3, MOST)
    left = ring.extend([event(n, n) for n in range(1, 11)], {})
    assert [e.seq for e in left] == [1, 2, 3, 4, 5, 6, 7]
    assert [e.seq for e in ring.after(0)] == [8, 9, 10]
    assert ring.start == 7
    assert not EventRing(3, MOST).extend([event(1, 1)], {})


def test_it_has_room_for_so_many_bytes() -> None:
    ring = EventRing(100, 3 * weight(event(1, 1)))
    ring.extend([event(n, n) for n in range(1, 11)], {})
    assert [e.seq for e in ring.after(0)] == [8, 9, 10]
    assert ring.size == sum(weight(e) for e in ring.after(0))
