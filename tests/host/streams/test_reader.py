"""Pages of the log, and what is kept of them."""

from __future__ import annotations

from msgspec import Raw

from sxhost.model.session import Event
from sxhost.streams.reader import Pages, newest
from sxhost.testing import result_of


def event(number: int, size: int) -> Event:
    return Event("x", Raw(b"1" * size), 0, number, number, 0, "a")


async def pages(*sizes: int) -> Pages:
    for number, size in enumerate(sizes, 1):
        yield [event(number, size)]


def test_newest_events_that_fit_are_kept() -> None:
    kept = result_of(newest(pages(5, 1, 1, 3, 2), 6))
    assert [event.id for event in kept] == [3, 4, 5]


def test_event_that_does_not_fit_is_dropped() -> None:
    assert list(result_of(newest(pages(1, 9), 6))) == []
