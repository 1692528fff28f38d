"""Pokes: "there may be more".  They carry nothing; whoever is poked reads the store.

A watch is opened before the first read, so that nothing falls between the two.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Hub", "Watch"]


class _Poked(Protocol):
    def poke(self) -> None: ...


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
    """Who waits for what, by topic (a session's inbox, a session's log)."""

    def __init__(self, clock: IReactorTime) -> None:
        self.closed = False
        self._clock = clock
        self._watchers: dict[str, set[_Poked]] = {}
        self._timers: set[IDelayedCall] = set()

    @property
    def subscribers(self) -> int:
        """How many are waiting for something now."""
        return sum(map(len, self._watchers.values()))

    def watched(self, topic: str) -> bool:
        """Tell whether someone waits for this topic now."""
        return topic in self._watchers

    def watch(self, topic: str) -> Watch:
        """Return a watch on a topic; it counts from when it is entered."""
        return Watch(self, topic, self._clock)

    def add(self, topic: str, watcher: _Poked) -> None:
        """Poke `watcher` from now on when `topic` is poked."""
        self._watchers.setdefault(topic, set()).add(watcher)

    def remove(self, topic: str, watcher: _Poked) -> None:
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

    def close(self) -> None:
        """Wake everyone for the last time: the host is stopping."""
        self.closed = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for topic in tuple(self._watchers):
            self.poke(topic)
