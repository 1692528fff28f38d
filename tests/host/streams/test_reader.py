"""Pages of the log, and what is kept of them."""

from __future__ import annotations

from typing import Any

from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import Draft
from sxhost.store.memory import MemoryStore
from sxhost.streams.reader import LogReader, Pages, newest
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


class SlowStore(MemoryStore):
    """A store to which others append while the answer of a read is under way."""

    def __init__(self) -> None:
        super().__init__(Limits(), lambda: 0.0)
        self.meanwhile = False

    def append(self) -> None:
        result_of(self.append_events("a", [Draft("thinking", Raw(b"1"), 0)], 0))

    async def read_events(self, session_id: str | None, **given: Any) -> list[Event]:
        found = await super().read_events(session_id, **given)
        if self.meanwhile:
            self.append()
        return found


def test_reader_gets_what_was_appended_while_its_place_was_looked_up() -> None:
    store = SlowStore()
    store.append()
    reader = LogReader(store, store, Limits(), TimeSlicer(Clock()))
    store.meanwhile = True
    assert result_of(reader.find_position("a", "1")).position == 1
