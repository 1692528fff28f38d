"""Pokes, and who they wake: watches that wait once, subscriptions that read on and on.

A poke carries nothing; whoever is poked reads the store from its own place.  So no queue
stands between a writer and a reader: a slow reader reads less often, and is told of a gap
when retention has passed it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Self

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.errors import Stopping, SubscriptionLimit
from sxhost.logs import logger
from sxhost.model.limits import Limits
from sxhost.model.subscription import Encoding, Selection, Sink
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import EventLog
from sxhost.store.known_sessions import KnownSessions
from sxhost.streams.feed_index import FeedIndex
from sxhost.streams.subscription import ChunkCache, Feed, LogSubscription
from sxhost.waiting import Signal

__all__ = ["HEARTBEAT_S", "LogNotifier", "Waiter", "inbox_topic"]

HEARTBEAT_S = 15
"""Seconds between two heartbeats; as many buckets of readers take turns, one a second."""

TICK = 0.005
"""Seconds between two deliveries under load; what falls between leaves in one write."""

SLICE = 32
"""Readers that are served before others have their turn: a millisecond, or two."""

log = logger(__name__)


def inbox_topic(session_id: str) -> str:
    """Return the topic that is poked when there may be messages for a session's agent."""
    return f"inbox:{session_id}"


class Waiter:
    """One waiter's view of a topic, used as a context manager."""

    def __init__(self, hub: LogNotifier, topic: str, clock: IReactorTime) -> None:
        self._hub = hub
        self._topic = topic
        self._clock = clock
        self._poked = False
        self._signal = Signal()

    def __enter__(self) -> Self:
        self._hub.add_waiter(self._topic, self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hub.remove_waiter(self._topic, self)

    def poke(self) -> None:
        """Wake the waiter, or spare it the next wait."""
        self._poked = True
        self._signal.fire()

    async def wait(self, seconds: float) -> None:
        """Return once poked (since the last wait), or after `seconds`."""
        if not self._poked:
            timer = self._clock.callLater(seconds, self.poke)
            try:
                await self._signal.wait()
            finally:
                if timer.active():
                    timer.cancel()
        self._poked = False


class LogNotifier:
    """Who waits for what, by topic, and who reads which log.

    A write pokes only the readers that it concerns; many readers are served in slices.
    """

    def __init__(
        self,
        clock: IReactorTime,
        log: EventLog,
        known: KnownSessions,
        limits: Limits,
        slices: TimeSlicer | None = None,
    ) -> None:
        self.closed = False
        self._log = log
        self._known = known
        self._clock = clock
        self._limits = limits
        self._slices = slices or TimeSlicer(clock)
        self._watchers: dict[str, set[Waiter]] = {}
        self._timers: set[IDelayedCall] = set()
        self._feeds: dict[tuple[Selection, int], Feed] = {}
        self._index = FeedIndex(known)
        self._cache = ChunkCache()
        self._held: Counter[str] = Counter()
        self._touched: set[str] = set()
        self._place = 0
        """The id up to which all readers were poked that an event concerned."""
        self._delivery: IDelayedCall | None = None
        self._delivered = clock.seconds() - TICK
        self._delivering = False
        self._delivery_ended = Signal()
        self._heart = LoopingCall(self._beat)
        self._heart.clock = clock
        self._beats = 0

    # Watches.

    @property
    def waiting(self) -> int:
        """How many wait for a topic now."""
        return sum(map(len, self._watchers.values()))

    def watched(self, topic: str) -> bool:
        """Tell whether someone waits for this topic now."""
        return topic in self._watchers

    def watch(self, topic: str) -> Waiter:
        """Return a watch on a topic; it counts from when it is entered."""
        return Waiter(self, topic, self._clock)

    def add_waiter(self, topic: str, watcher: Waiter) -> None:
        """Poke `watcher` from now on when `topic` is poked."""
        self._watchers.setdefault(topic, set()).add(watcher)

    def remove_waiter(self, topic: str, watcher: Waiter) -> None:
        """Undo `add`."""
        watchers = self._watchers[topic]
        watchers.discard(watcher)
        if not watchers:
            del self._watchers[topic]

    def poke(self, topic: str) -> None:
        """Tell everyone who watches `topic` that there may be more."""
        for watcher in tuple(self._watchers.get(topic, ())):
            watcher.poke()

    def poke_later(self, seconds: float, topic: str) -> None:
        """Poke `topic` in `seconds` from now."""

        def due() -> None:
            self._timers.discard(timer)
            self.poke(topic)

        timer = self._clock.callLater(seconds, due)
        self._timers.add(timer)

    # Subscriptions.

    @property
    def subscribers(self) -> int:
        """How many read live now."""
        return self._held.total()

    def readers(self) -> list[LogSubscription]:
        """Return who reads live now."""
        return [reader for feed in self._feeds.values() for reader in feed.readers]

    def subscribe(
        self,
        selection: Selection,
        encoding: Encoding,
        sink: Sink,
        *,
        states: bool = False,
        token: str | None = None,
    ) -> LogSubscription:
        """Register a reader; it begins with `LogSubscription.start`, and misses nothing since.

        :raises Stopping: nobody could end it any more.
        :raises SubscriptionLimit: there are as many as may be, in all or with this `token`.
        """
        if self.closed:
            raise Stopping
        self._check_room(token)
        feed = self._feeds.get((selection, id(encoding))) or self._feed(selection, encoding)
        reader = LogSubscription(feed, sink, self.release, states=states, token=token)
        feed.readers.add(reader)
        self._held[token or ""] += 1
        if not self._heart.running:
            self._heart.start(1, now=False)
        return reader

    def _check_room(self, token: str | None) -> None:
        """Check that one more may read; the host's own user has all that there is."""
        if self.subscribers >= self._limits.subscriptions:
            raise SubscriptionLimit("The host has", self._limits.subscriptions)
        if token is not None and self._held[token] >= self._limits.token_subscriptions:
            raise SubscriptionLimit("This token has", self._limits.token_subscriptions)

    def _feed(self, selection: Selection, encoding: Encoding) -> Feed:
        if not self._feeds:
            self._place = self._log.recent.position
        feed = Feed(self._log, self._known, selection, encoding, self._cache)
        self._feeds[selection, id(encoding)] = feed
        self._index.add(feed)
        return feed

    def release(self, reader: LogSubscription) -> None:
        """Undo `subscribe`."""
        feed = reader.feed
        feed.readers.discard(reader)
        self._held -= Counter([reader.token or ""])
        if not feed.readers:
            self._index.discard(feed)
            del self._feeds[feed.selection, id(feed.encoding)]
        if not self._feeds and self._heart.running:
            self._heart.stop()

    def events_appended(self, session_id: str) -> None:
        """There is more in a session's log: at once when it is quiet, else a tick later."""
        if not self._feeds:
            return
        self._touched.add(session_id)
        if self._delivery is None and not self._delivering:
            due = self._delivered + TICK - self._clock.seconds()
            self._delivery = self._clock.callLater(max(0, due), self._deliver)

    def session_removed(self, session_id: str) -> None:
        """Wake whoever waits for a session's messages or reads its log: it is no more."""
        self.poke(inbox_topic(session_id))
        self.events_appended(session_id)

    def deliver_now(self) -> Deferred[None]:
        """Deliver what is due; fires when it is, so that what is said next comes after it."""
        return Deferred.fromCoroutine(self._settle())

    async def _settle(self) -> None:
        for _ in range(2):  # what is being delivered, then what has come since
            if self._delivery is not None:
                self._delivery.cancel()
                self._deliver()
            if self._delivering:
                await self._delivery_ended.wait()

    def _deliver(self) -> None:
        self._delivery, self._delivered = None, self._clock.seconds()
        self._delivering = True
        self._run(reader.poke for reader in self._due()).addBoth(self._is_delivered)

    def _due(self) -> list[LogSubscription]:
        """Return who may have something to read that came since the last delivery."""
        before, self._place = self._place, self._log.recent.position
        events = self._log.recent.since(None, before)
        feeds: Iterable[Feed] = self._feeds.values()
        if events is not None:
            feeds = self._index.concerned(events).union(
                *map(self._index.of_session, self._touched)
            )
        self._touched.clear()
        due = [reader for feed in feeds for reader in feed.readers]
        for reader in due:
            reader.due(before)
        return due

    def _is_delivered(self, _: object) -> None:
        self._delivering = False
        if self._touched:
            self.events_appended(next(iter(self._touched)))
        self._delivery_ended.fire()

    def _beat(self) -> Deferred[None]:
        """Serve the bucket of readers whose turn it is."""
        self._beats += 1
        turn = self._beats % HEARTBEAT_S
        bucket = [one for one in self.readers() if (id(one) >> 4) % HEARTBEAT_S == turn]
        return self._run(partial(reader.beat, self._place) for reader in bucket)

    def _run(self, calls: Iterable[Callable[[], object]]) -> Deferred[None]:
        """Make calls of readers, some at a time; one that fails is its own affair."""
        return Deferred.fromCoroutine(self._slices.run(_steps(calls)))

    def end(
        self, readers: Iterable[LogSubscription], reason: str, *, reconnect: bool
    ) -> Deferred[None]:
        """Tell readers that this is the end, some at a time; fires when all are told."""
        return self._run(partial(one.end, reason, reconnect=reconnect) for one in readers)

    def close(self) -> Deferred[None]:
        """Wake or end everyone for the last time: the host is stopping."""
        self.closed = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for topic in tuple(self._watchers):
            self.poke(topic)
        if self._delivery is not None:
            self._delivery.cancel()
            self._delivery = None
        return self.end(self.readers(), "the host is stopping", reconnect=True)


def _steps(calls: Iterable[Callable[[], object]]) -> Iterator[None]:
    """Make calls, `SLICE` between two yields."""
    for number, call in enumerate(calls, 1):
        try:
            call()
        except Exception:  # noqa: BLE001 - the others are to be served
            log.failure("a reader could not be served")
        if number % SLICE == 0:
            yield
