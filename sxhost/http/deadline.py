"""The one timer of a connection: what it waits for, and until when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["NOTHING", "ConnectionDeadline"]

NOTHING: Final = ""
"""What is awaited when nothing is."""


class ConnectionDeadline:
    """Calls something if what is awaited does not come in time.

    A call that is scheduled stays so if the new time is not earlier, and finds out when its
    time comes: nearly every request of a connection puts it off.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.awaited = NOTHING
        """What is waited for."""
        self._clock = clock
        self._at = 0.0
        self._call: IDelayedCall | None = None
        self._otherwise: Callable[[], object] | None = None

    def set(self, what: str, within: float, otherwise: Callable[[], object]) -> None:
        """Call `otherwise` if `what` has not come `within` seconds."""
        self.awaited, self._otherwise = what, otherwise
        self._at = self._clock.seconds() + within
        call = self._call
        if call is not None:
            if call.getTime() <= self._at:
                return
            call.cancel()
        self._call = self._clock.callLater(within, self._time_has_passed)

    def clear(self) -> None:
        """Wait for nothing."""
        self.awaited, self._otherwise = NOTHING, None

    def cancel(self) -> None:
        """Wait for nothing any more, and leave no call behind."""
        self.clear()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _time_has_passed(self) -> None:
        self._call, otherwise = None, self._otherwise
        if otherwise is None:
            return
        left = self._at - self._clock.seconds()
        if left > 0:
            self._call = self._clock.callLater(left, self._time_has_passed)
        else:
            otherwise()
