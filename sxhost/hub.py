"""Pokes, and who they wake: watches that wait once, subscriptions that read on and on.

A poke carries nothing; whoever is poked reads the store from its own place.  So no queue
stands between a writer and a reader: a slow reader reads less often, and is told of a gap
when retention has passed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.codec.frames import Encoding
from sxhost.errors import Stopping
from sxhost.store import Store
from sxhost.subscription import Feed, Selection, Sink, Subscription

__all__ = ["HEARTBEAT_S", "Hub", "Watch"]

HEARTBEAT_S = 15
"""Seconds between two heartbeats; as many buckets of readers take turns, one a second."""

TICK = 0.005
"""Seconds between two deliveries under load; what falls between leaves in one write."""


class Watch:
    """One waiter's view of a topic, used as a context manager."""

    def __init__(self, hub: Hub, topic: str, clock: IReactorTime) -> None:
        self._hub = hub
        self._topic = topic
        self._clock = clock
        self._poked = False
        self._waiter: Deferred[None] | None = None

    def __enter__(self) -> Self:
        self._hub.add(self._topic, self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hub.remove(self._topic, self)

    def poke(self) -> None:
        """Wake the waiter, or spare it the next wait."""
        self._poked = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    async def wait(self, seconds: float) -> None:
        """Return once poked (since the last wait), or after `seconds`."""
        if not self._poked:
            self._waiter = Deferred()
            timer = self._clock.callLater(seconds, self.poke)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer.active():
                    timer.cancel()
        self._poked = False


class Hub:
    """Who waits for what, by topic, and who reads which log."""

    def __init__(
        self,
        clock: IReactorTime,
        store: Store,
    ) -> None:
        self.closed = False
        self._store = store
        self._clock = clock
        self._watchers: dict[str, set[Watch]] = {}
        self._timers: set[IDelayedCall] = set()
        self._feeds: dict[tuple[Selection, int], Feed] = {}
        self._touched: set[str] = set()
        self._delivery: IDelayedCall | None = None
        self._delivered = clock.seconds() - TICK
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

    def watch(self, topic: str) -> Watch:
        """Return a watch on a topic; it counts from when it is entered."""
        return Watch(self, topic, self._clock)

    def add(self, topic: str, watcher: Watch) -> None:
        """Poke `watcher` from now on when `topic` is poked."""
        self._watchers.setdefault(topic, set()).add(watcher)

    def remove(self, topic: str, watcher: Watch) -> None:
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
        return sum(len(feed.readers) for feed in self._feeds.values())

    def readers(self) -> Iterable[Subscription]:
        """Return who reads live now."""
        return [reader for feed in self._feeds.values() for reader in feed.readers]

    def subscribe(
        self, selection: Selection, encoding: Encoding, sink: Sink, *, states: bool = False
    ) -> Subscription:
        """Register a reader; it begins with `Subscription.start`, and misses nothing since.

        :raises Stopping: nobody could end it any more.
        """
        if self.closed:
            raise Stopping
        feed = self._feeds.get((selection, id(encoding)))
        if feed is None:
            feed = Feed(self._store, selection, encoding)
            self._feeds[selection, id(encoding)] = feed
        reader = Subscription(feed, sink, self.leave, states=states)
        feed.readers.add(reader)
        if not self._heart.running:
            self._heart.start(1, now=False)
        return reader

    def leave(self, reader: Subscription) -> None:
        """Undo `subscribe`."""
        feed = reader.feed
        feed.readers.discard(reader)
        if not feed.readers:
            self._feeds.pop((feed.selection, id(feed.encoding)), None)
        if not self._feeds and self._heart.running:
            self._heart.stop()

    def appended(self, session_id: str) -> None:
        """There is more in a session's log: at once when it is quiet, else a tick later."""
        if not self._feeds:
            return
        self._touched.add(session_id)
        if self._delivery is None:
            due = self._delivered + TICK - self._clock.seconds()
            self._delivery = self._clock.callLater(max(0, due), self._deliver)

    def settle(self) -> None:
        """Deliver what is due at once: what is said next must not come before it."""
        if self._delivery is not None:
            self._delivery.cancel()
            self._deliver()

    def _deliver(self) -> None:
        self._delivery, self._delivered = None, self._clock.seconds()
        touched, self._touched = self._touched, set()
        for feed in tuple(self._feeds.values()):
            if not feed.selection.sessions or feed.selection.sessions & touched:
                for reader in tuple(feed.readers):
                    reader.poke()

    def _beat(self) -> None:
        """Serve the bucket of readers whose turn it is."""
        self._beats += 1
        for reader in self.readers():
            if (id(reader) >> 4) % HEARTBEAT_S == self._beats % HEARTBEAT_S:
                reader.beat()

    def close(self) -> None:
        """Wake or end everyone for the last time: the host is stopping."""
        self.closed = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for topic in tuple(self._watchers):
            self.poke(topic)
        for reader in self.readers():
            reader.end("the host is stopping", reconnect=True)
        if self._delivery is not None:
            self._delivery.cancel()
            self._delivery = None
