"""An event that happens once, and coroutines that wait for it."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

__all__ = ["OneShotEvent"]


class OneShotEvent:
    """A flag that is set once; any number of coroutines may wait for it."""

    def __init__(self) -> None:
        self.happened = False
        self._waiting: list[Deferred[None]] = []

    def happen(self) -> None:
        """Set it and wake all who wait; a second time does nothing."""
        self.happened = True
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None)

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires once it has happened."""
        waiter: Deferred[None] = Deferred()
        if self.happened:
            waiter.callback(None)
        else:
            self._waiting.append(waiter)
        return waiter

    async def wait_within(self, seconds: float, clock: IReactorTime) -> bool:
        """Wait for it at most so many seconds; return whether it has happened."""
        waiter = self.wait()
        waiter.addTimeout(seconds, clock, onTimeoutCancel=lambda *_: None)
        await waiter
        return self.happened
