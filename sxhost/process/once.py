"""An event that happens once, and coroutines that wait for it."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from sxhost.waiting import Signal

__all__ = ["OneShotEvent"]


class OneShotEvent:
    """A flag that is set once; any number of coroutines may wait for it."""

    def __init__(self) -> None:
        self.happened = False
        self._signal = Signal()

    def happen(self) -> None:
        """Set it and wake all who wait; a second time does nothing."""
        self.happened = True
        self._signal.fire()

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires once it has happened."""
        return succeed(None) if self.happened else self._signal.wait()

    async def wait_within(self, seconds: float, clock: IReactorTime) -> bool:
        """Wait for it at most so many seconds; return whether it has happened."""
        waiter = self.wait()
        waiter.addTimeout(seconds, clock, onTimeoutCancel=lambda *_: None)
        await waiter
        return self.happened
