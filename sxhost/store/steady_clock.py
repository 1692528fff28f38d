"""The time of day as retention may trust it: a wall clock can be wrong for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["LOOKS", "SteadyClock"]

LOOKS: Final = 60
"""Readings in a row, one a minute, for which a step forward must last before it counts."""


class SteadyClock:
    """A wall clock whose steps forward count once they have lasted for `LOOKS` readings.

    How far the wall clock is ahead of the monotonic one changes when it is set, or when the
    machine was suspended; the least of the last readings is believed.

    :param seconds: the monotonic clock.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._ahead: deque[int] = deque(maxlen=LOOKS)

    def look(self, wall_ms: int) -> int | None:
        """Take a reading; return the time in Unix ms, never after `wall_ms`; None at first."""
        monotonic_ms = int(self._seconds() * 1000)
        self._ahead.append(wall_ms - monotonic_ms)
        return monotonic_ms + min(self._ahead) if len(self._ahead) == LOOKS else None
