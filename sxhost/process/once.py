"""Something that happens once, and those who wait for it."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

__all__ = ["OneShotEvent"]


class OneShotEvent:
    """It has `happened` or not; any number may wait for it."""

    def __init__(self) -> None:
        self.happened = False
        self._waiting: list[Deferred[None]] = []

    def happen(self) -> None:
        """Let all go on who wait; a second time does nothing."""
        self.happened = True
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None)

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires when it happens, or at once if it has."""
        waiter: Deferred[None] = Deferred()
        if self.happened:
            waiter.callback(None)
        else:
            self._waiting.append(waiter)
        return waiter

    async def within(self, seconds: float, clock: IReactorTime) -> bool:
        """Wait so long at the most; return whether it has happened."""
        waiter = self.wait()
        waiter.addTimeout(seconds, clock, onTimeoutCancel=lambda *_: None)
        await waiter
        return self.happened
