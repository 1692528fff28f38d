"""Readers of a log to which others write: its caches are fed from a stream, and lag behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.codec.frames import NDJSON
from sxhost.model.event import Event, LogQuery
from sxhost.model.limits import Limits
from sxhost.model.session import Session
from sxhost.model.subscription import Selection
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import Draft
from sxhost.store.known_sessions import KnownSessions
from sxhost.store.memory import MemoryStore
from sxhost.store.recent_events import RecentEvents
from sxhost.streams.notifier import TICK, LogNotifier
from sxhost.streams.reader import LogReader
from sxhost.streams.subscription import LogSubscription, Position
from sxhost.testing import result_of
from tests.host.streams.test_subscription import Sink


class Node(MemoryStore):
    """What a node of a cluster would have: its own caches, fed from the common store's log.

    Its ``async`` verbs catch up first, as the contracts say.
    """

    def __init__(self, common: MemoryStore, limits: Limits) -> None:
        super().__init__(limits, lambda: 0.0)
        self._common = common
        self.epoch = common.epoch
        self._known = KnownSessions()
        self._recent = RecentEvents(limits)
        self._recent.start_at(common.recent.position)

    @property
    def known(self) -> KnownSessions:
        return self._known

    @property
    def recent(self) -> RecentEvents:
        return self._recent

    def catch_up(self) -> list[str]:
        """Feed the caches with what others have committed; return the sessions of it."""
        for session in self._common.known:
            if not self._known.holds(session.id):
                self._recent.open(session.id, self._recent.position)
            self._known.put(session)
        logs: dict[str, list[Event]] = defaultdict(list)
        for event in result_of(self._common.read_events(None, position=self._recent.position)):
            logs[event.session].append(event)
        keys: dict[str, Event] = {}
        appended = ((session_id, events, keys) for session_id, events in logs.items())
        self._recent.append(appended, self._common.recent.position)
        return list(logs)

    async def session(self, session_id: str) -> Session:
        self.catch_up()
        return await self._common.session(session_id)

    async def read_events(self, session_id: str | None, **given: Any) -> list[Event]:
        self.catch_up()
        return await self._common.read_events(session_id, **given)


class Cluster:
    """A common store, and a node whose readers live on its caches."""

    def __init__(self, before: int = 0) -> None:
        self.clock = Clock()
        limits = Limits()
        self.common = MemoryStore(limits, self.clock.seconds)
        if before:
            self.write("a", before)
        self.node = Node(self.common, limits)
        self.notifier = LogNotifier(self.clock, self.node, self.node.known, limits)
        self.reader = LogReader(self.node, self.node, limits, TimeSlicer(self.clock))

    def write(self, session_id: str, count: int = 1) -> None:
        """Another node appends events."""
        drafts = [Draft("x", Raw(b"1"), 0)] * count
        result_of(self.common.append_events(session_id, drafts, 0))

    def poke(self) -> None:
        """The node hears of what was committed, and its notifier of that."""
        for session_id in self.node.catch_up():
            self.notifier.events_appended(session_id)
        self.clock.advance(TICK)

    def follow(self, position: int, *sessions: str) -> tuple[Sink, LogSubscription]:
        sink = Sink()
        subscription = self.notifier.subscribe(Selection(frozenset(sessions)), NDJSON, sink)
        subscription.start(Position(position), {})
        return sink, subscription


def test_what_others_write_is_delivered_once_the_cache_has_it() -> None:
    cluster = Cluster()
    sink, _ = cluster.follow(0)
    cluster.write("a", 2)
    cluster.clock.advance(TICK)
    assert sink.ids() == []
    cluster.poke()
    cluster.write("b")
    cluster.poke()
    assert sink.ids() == [1, 2, 3]


def test_the_past_is_read_from_the_store_and_nothing_comes_twice() -> None:
    cluster = Cluster(before=5)
    sink, _ = cluster.follow(0)
    cluster.write("a", 3)
    assert sink.ids() == [1, 2, 3, 4, 5]
    cluster.poke()
    assert sink.ids() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_cursor_of_another_node_is_no_other_epoch() -> None:
    cluster = Cluster(before=5)
    cluster.write("a", 3)
    cursor = f"{cluster.common.epoch}:8"
    assert result_of(cluster.reader.find_position(None, cursor)) == Position(8)
    ahead = f"{cluster.common.epoch}:9"
    assert result_of(cluster.reader.find_position(None, ahead)).missed == ahead


def test_a_log_is_read_up_to_what_others_have_written() -> None:
    cluster = Cluster(before=2)
    cluster.write("b", 3)

    async def read() -> list[int]:
        pages = cluster.reader.log(LogQuery(after=f"{cluster.common.epoch}:0"))
        return [event.id async for page in pages for event in page]

    assert result_of(read()) == [1, 2, 3, 4, 5]


STEPS = st.lists(st.sampled_from(["a", "b", "poke", "tick", "pause", "resume"]), max_size=30)


@given(st.sampled_from([0, 4]), STEPS)
def test_every_reader_has_everything_in_order_once(before: int, steps: Sequence[str]) -> None:
    cluster = Cluster(before)
    sink, subscription = cluster.follow(0)
    for step in steps:
        if step in ("a", "b"):
            cluster.write(step)
        elif step == "poke":
            cluster.poke()
        elif step == "tick":
            cluster.clock.advance(TICK)
        elif step == "pause":
            subscription.pauseProducing()
        else:
            subscription.resumeProducing()
    subscription.resumeProducing()
    cluster.poke()
    assert sink.ids() == list(range(1, cluster.common.recent.position + 1))
    assert all(low < high for low, high in pairwise(sink.ids()))
