"""Topics: what is poked when there may be more of something, and what waits for that.

A poke carries no data; whatever it wakes reads the store.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.waiting import Signal

__all__ = ["Topics", "Waiter", "inbox_topic", "wake_topic"]


def inbox_topic(session_id: str) -> str:
    """Return the topic that is poked when there may be messages for a session's agent."""
    return f"inbox:{session_id}"


def wake_topic(session_id: str) -> str:
    """Return the topic that is poked when a session's agent may have to be woken."""
    return f"wake:{session_id}"


class Waiter:
    """Waits for pokes of a topic; a context manager, which counts them from its start."""

    def __init__(
        self, waiters: dict[str, set[Waiter]], topic: str, clock: IReactorTime
    ) -> None:
        self._waiters = waiters
        self._topic = topic
        self._clock = clock
        self._poked = False
        self._signal = Signal()
        self.is_replaced = False
        """Whether another one has taken its place (`Topics.take_over`)."""

    def __enter__(self) -> Self:
        self._waiters.setdefault(self._topic, set()).add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiters[self._topic].discard(self)
        if not self._waiters[self._topic]:
            del self._waiters[self._topic]

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


class Topics:
    """The waiters of each topic."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiters: dict[str, set[Waiter]] = {}
        self._timers: set[IDelayedCall] = set()

    @property
    def waiting(self) -> int:
        """How many requests wait for a topic now."""
        return sum(map(len, self._waiters.values()))

    def watched(self, topic: str) -> bool:
        """Return whether anything waits for this topic now."""
        return topic in self._waiters

    def watch(self, topic: str) -> Waiter:
        """Return a waiter for a topic."""
        return Waiter(self._waiters, topic, self._clock)

    def take_over(self, topic: str) -> Waiter:
        """Return a waiter for a topic, in place of those that wait for it now."""
        for waiter in tuple(self._waiters.get(topic, ())):
            waiter.is_replaced = True
            waiter.poke()
        return self.watch(topic)

    def poke(self, topic: str) -> None:
        """Wake every waiter of `topic`: there may be more."""
        for waiter in tuple(self._waiters.get(topic, ())):
            waiter.poke()

    def poke_later(self, seconds: float, topic: str) -> None:
        """Poke `topic` in `seconds` from now."""

        def due() -> None:
            self._timers.discard(timer)
            self.poke(topic)

        timer = self._clock.callLater(seconds, due)
        self._timers.add(timer)

    def close(self) -> None:
        """Wake all waiters for the last time."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for topic in tuple(self._waiters):
            self.poke(topic)
