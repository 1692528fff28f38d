"""What the store's two threads do, and when the reactor hears of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.codec.frames import NDJSON
from sxhost.model.event import EventDraft, Fired
from sxhost.model.limits import Limits
from sxhost.model.subscription import Selection
from sxhost.store.group_commit import Threads
from sxhost.store.journal import Journal
from sxhost.store.journalled import JournalledStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.streams.subscription import Position
from sxhost.testing import result_of, started
from tests.host.streams.test_subscription import Bench, Sink
from tests.support.postgresql import Cluster, journal_at
from tests.support.stores import HERE


class LateWrites:
    """Threads whose writes wait until they are let go."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.threads = Threads(self._write, HERE.read, HERE.index)

    def _write(self, function: Callable[..., Any], *given: Any) -> Deferred[Any]:
        self.waiting.append((Deferred(), function, given))
        return self.waiting[-1][0]

    def go_one(self) -> None:
        done, function, given = self.waiting.pop(0)
        done.callback(function(*given))

    def go(self) -> None:
        while self.waiting:
            self.go_one()


@pytest.fixture
def late() -> LateWrites:
    return LateWrites()


MakeBench = Callable[..., Bench]


@pytest.fixture(params=["sqlite", "postgresql"])
def bench_of(request: pytest.FixtureRequest, path: Path, worker_id: str) -> Iterator[MakeBench]:
    """Make a host over a store of each kind; all of a test have one journal's place."""
    journals: list[Journal] = []
    url = ""
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgresql")
        url = cluster.schema(f"{worker_id}_races")

    def make(late: LateWrites | None = None, **limits: int) -> Bench:
        clock, bounds = Clock(), Limits(**limits)
        threads = HERE if late is None else late.threads
        journals.append(journal_at(url, path) if url else SQLiteConnection(path))
        return Bench(
            JournalledStore(bounds, clock.seconds, journals[-1], threads), clock, bounds
        )

    yield make
    for journal in journals:
        journal.close()


def fire(bench: Bench, key: str | None = None) -> Deferred[Fired]:
    return started(bench.service.fire("a", EventDraft(event="x", key=key)))


def test_a_retry_while_the_first_is_being_committed(
    late: LateWrites, bench_of: MakeBench
) -> None:
    bench = bench_of(late, events=2)
    for _ in range(3):
        fire(bench)
        late.go()
    fire(bench)  # is being committed
    first = fire(bench, "k")  # shares the next commit with a batch that fills the ring
    started(bench.service.fire_batch("a", [EventDraft(event="x")] * 2))
    late.go_one()  # that commit is under way now
    again = fire(bench, "k")  # neither in memory nor on disk yet
    late.go()
    assert result_of(first).seq == result_of(again).seq


def test_a_read_that_comes_before_the_news_of_a_drop(
    late: LateWrites, bench_of: MakeBench
) -> None:
    before = bench_of(events=2, retain=4)
    for _ in range(6):
        fire(before)
    result_of(before.service.close())
    bench = bench_of(late, events=2, retain=4)  # only the disk has what was
    fire(bench)
    late.go_one()
    done, function, given = late.waiting.pop(0)
    floors = function(*given)  # it has dropped the third, and the reactor does not know yet
    sink = Sink()
    feed = Selection(frozenset("a"))
    bench.notifier.subscribe(feed, NDJSON, sink).start(Position(2), {})
    done.callback(floors)
    assert sink.ids() == [4, 5, 6, 7]
    assert len(sink.frames("gap")) == 1
