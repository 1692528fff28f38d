"""Waiting in a coroutine: for a signal, or for some time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

__all__ = ["Signal", "sleep"]


class Signal:
    """Wakes one waiting coroutine; a ring while nobody waits ends the next wait at once."""

    def __init__(self) -> None:
        self._rung = False
        self._waiter: Deferred[None] | None = None

    def ring(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self._rung = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    async def wait(self) -> None:
        """Return once there was a ring since the last wait."""
        if not self._rung:
            self._waiter = Deferred()
            await self._waiter
        self._rung = False


async def sleep(clock: IReactorTime, seconds: float) -> None:
    """Return after so many seconds; cancelling the wait cancels the timer."""
    done: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = clock.callLater(seconds, done.callback, None)
    await done
