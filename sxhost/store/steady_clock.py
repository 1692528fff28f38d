"""The time of day as retention may believe it: a wall clock can be wrong for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["LOOKS", "SteadyClock"]

LOOKS: Final = 60
"""How often in a row the wall clock must have told a time before it counts; a look a minute."""


class SteadyClock:
    """A wall clock whose steps forward count once it has stood by them for `LOOKS` looks.

    `seconds` is a monotonic clock.  What the wall clock is ahead of it changes when somebody
    sets it, or when the machine was suspended; the least of the last looks is believed.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._ahead: deque[int] = deque(maxlen=LOOKS)

    def look(self, wall_ms: int) -> int | None:
        """Return the time in Unix milliseconds, never after `wall_ms`; None at first."""
        here = int(self._seconds() * 1000)
        self._ahead.append(wall_ms - here)
        return here + min(self._ahead) if len(self._ahead) == LOOKS else None
