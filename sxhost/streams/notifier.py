"""Wakes the subscriptions that a write concerns.

A poke carries no data; what is poked reads the store from its own position.  So there is no
queue between a writer and a reader: a slow reader reads less often, and gets a ``gap`` frame
when retention has passed its position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.errors import Stopping, SubscriptionLimit
from sxhost.logs import logger
from sxhost.model.limits import Limits
from sxhost.model.subscription import Encoding, Selection, Sink
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import Committed, EventLog
from sxhost.store.known_sessions import KnownSessions
from sxhost.streams.feed_index import FeedIndex
from sxhost.streams.subscription import ChunkCache, Feed, LogSubscription
from sxhost.streams.topics import Topics, inbox_topic, wake_topic
from sxhost.waiting import Signal

__all__ = ["HEARTBEAT_S", "LogNotifier"]

HEARTBEAT_S = 15
"""Seconds between two heartbeats; as many buckets of readers take turns, one a second."""

TICK, LONGEST_TICK = 0.005, 0.02
"""Seconds between two deliveries under load; what falls between leaves in one write."""

SHARE = 4
"""How many times as long a tick is as the delivery before took: readers get a quarter."""

SLICE = 32
"""Readers that are served before others have their turn: a millisecond, or two."""

log = logger(__name__)


class LogNotifier:
    """The subscriptions to the log, and the topics that requests wait for.

    A write pokes only the subscriptions that it concerns; many are served in slices of the
    reactor's time.

    :param known: the sessions by whose labels feeds are found.
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
        self.topics = Topics(clock)
        self._log = log
        self._known = known
        self._clock = clock
        self._limits = limits
        self._slices = slices or TimeSlicer(clock)
        self._feeds: dict[tuple[Selection, int], Feed] = {}
        self._index = FeedIndex(known)
        self._cache = ChunkCache()
        self._per_token: Counter[str] = Counter()
        """Subscriptions by the id of their token; the host's own user has none."""
        self._touched: set[str] = set()
        self._poked_up_to = 0
        """The id up to which every subscription was poked that an event concerned."""
        self._delivery: IDelayedCall | None = None
        self._next_due = clock.seconds()
        """When the next delivery may begin, in seconds of the clock."""
        self._delivering = False
        self._delivery_ended = Signal()
        self._heart = LoopingCall(self._beat)
        self._heart.clock = clock
        self._beats = 0

    @property
    def subscribers(self) -> int:
        """How many subscriptions there are."""
        return self._per_token.total()

    def readers(self) -> list[LogSubscription]:
        """Return all subscriptions."""
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
        """Add a subscription, which misses nothing from `LogSubscription.start` on.

        :param states: whether it is sent sessions' states as well.
        :param token: the id of the token that it reads with; None for the host's own user.
        :raises Stopping: the host is stopping, and could not end it any more.
        :raises SubscriptionLimit: there are as many as may be, in all or with this `token`.
        """
        if self.closed:
            raise Stopping
        self._check_room(token)
        feed = self._feeds.get((selection, id(encoding))) or self._feed(selection, encoding)
        reader = LogSubscription(feed, sink, self.release, states=states, token=token)
        feed.readers.add(reader)
        self._per_token[token or ""] += 1
        if not self._heart.running:
            self._heart.start(1, now=False)
        return reader

    def _check_room(self, token: str | None) -> None:
        """Check that there is room for one more; only tokens have a share each."""
        if self.subscribers >= self._limits.subscriptions:
            raise SubscriptionLimit("The host has", self._limits.subscriptions)
        if token is not None and self._per_token[token] >= self._limits.token_subscriptions:
            raise SubscriptionLimit("This token has", self._limits.token_subscriptions)

    def _feed(self, selection: Selection, encoding: Encoding) -> Feed:
        if not self._feeds:
            self._poked_up_to = self._log.recent.position
        feed = Feed(self._log, self._known, selection, encoding, self._cache)
        self._feeds[selection, id(encoding)] = feed
        self._index.add(feed)
        return feed

    def release(self, reader: LogSubscription) -> None:
        """Undo `subscribe`."""
        feed = reader.feed
        feed.readers.discard(reader)
        self._per_token -= Counter([reader.token or ""])
        if not feed.readers:
            self._index.discard(feed)
            del self._feeds[feed.selection, id(feed.encoding)]
        if not self._feeds and self._heart.running:
            self._heart.stop()

    def committed(self, committed: Committed) -> None:
        """Wake whoever a commit concerns."""
        for session_id in (*committed.inboxes, *committed.removed):
            self.topics.poke(inbox_topic(session_id))
            self.topics.poke(wake_topic(session_id))
        for session_id in (*committed.logs, *committed.removed):
            self.events_appended(session_id)

    def events_appended(self, session_id: str) -> None:
        """Deliver what is new in a session's log: at once if it is quiet, else a tick later."""
        if not self._feeds:
            return
        self._touched.add(session_id)
        if self._delivery is None and not self._delivering:
            wait = self._next_due - self._clock.seconds()
            self._delivery = self._clock.callLater(max(0, wait), self._deliver)

    async def deliver_now(self) -> None:
        """Deliver what is due; whatever follows comes after it."""
        for _ in range(2):  # what is being delivered, then what has come since
            if self._delivery is not None:
                self._delivery.cancel()
                self._deliver()
            if self._delivering:
                await self._delivery_ended.wait()

    def _deliver(self) -> None:
        self._delivery, self._delivering = None, True
        began = self._clock.seconds()
        pokes = self._run(reader.poke for reader in self._due())
        pokes.addBoth(self._delivery_has_ended, began)

    def _due(self) -> list[LogSubscription]:
        """Return the subscriptions that events since the last delivery may concern."""
        before, self._poked_up_to = self._poked_up_to, self._log.recent.position
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

    def _delivery_has_ended(self, _: object, began: float) -> None:
        took = self._clock.seconds() - began
        self._next_due = began + min(max(TICK, SHARE * took), LONGEST_TICK)
        self._delivering = False
        if self._touched:
            self.events_appended(next(iter(self._touched)))
        self._delivery_ended.fire()

    def _beat(self) -> Deferred[None]:
        """Send heartbeats to the subscriptions whose turn it is."""
        self._beats += 1
        turn = self._beats % HEARTBEAT_S
        # Objects lie at multiples of 16 bytes: shifted, their addresses fall into all buckets.
        bucket = [one for one in self.readers() if (id(one) >> 4) % HEARTBEAT_S == turn]
        return self._run(partial(reader.beat, self._poked_up_to) for reader in bucket)

    def _run(self, calls: Iterable[Callable[[], object]]) -> Deferred[None]:
        """Make calls, some in each slice; one that fails does not keep the others from it."""
        return Deferred.fromCoroutine(self._slices.run(_steps(calls)))

    def end(
        self, readers: Iterable[LogSubscription], reason: str, *, reconnect: bool
    ) -> Deferred[None]:
        """End subscriptions with an ``end`` frame, some in each slice; fires once all are."""
        return self._run(partial(one.end, reason, reconnect=reconnect) for one in readers)

    def close(self) -> Deferred[None]:
        """Wake all waiters and end all subscriptions: the host is stopping."""
        self.closed = True
        self.topics.close()
        if self._delivery is not None:
            self._delivery.cancel()
            self._delivery = None
        return self.end(self.readers(), "the host is stopping", reconnect=True)


def _steps(calls: Iterable[Callable[[], object]]) -> Iterator[None]:
    """Make calls, `SLICE` between two yields."""
    for number, call in enumerate(calls, 1):
        try:
            call()
        except Exception:  # noqa: BLE001 - the others are to be served all the same
            log.failure("a reader could not be served")
        if number % SLICE == 0:
            yield
