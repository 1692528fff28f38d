"""Rate limiters: token bucket, sliding window, fixed window.

Each is given a clock (a function that returns monotonic seconds) and what it allows.  Those
that count by key forget the key that was used least recently once there are more than
`max_keys`, so that strangers who come under ever new names cannot fill the memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["MAX_KEYS", "FixedWindow", "Seconds", "SlidingWindows", "TokenBuckets"]

MAX_KEYS: Final = 4096
"""Keys that are remembered: more than have business with one host at a time."""

Seconds = Callable[[], float]
"""Returns monotonic seconds."""


class TokenBuckets:
    """A token bucket for each key: `burst` uses at once, then `rate` in a second."""

    def __init__(
        self, clock: Seconds, rate: float, burst: float, *, max_keys: int = MAX_KEYS
    ) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: dict[str, tuple[float, float]] = {}
        """Tokens that were left, and when; the least recently used key comes first."""

    def take(self, key: str) -> float:
        """Use a token and return 0; if there is none, the seconds until there is one."""
        now = self._clock()
        tokens, since = self._buckets.pop(key, (float(self._burst), now))
        tokens = min(tokens + (now - since) * self._rate, self._burst)
        missing = max(1 - tokens, 0.0)
        self._buckets[key] = tokens if missing else tokens - 1, now
        if len(self._buckets) > self._max_keys:
            del self._buckets[next(iter(self._buckets))]
        return missing / self._rate


class SlidingWindows:
    """A sliding window for each key: `limit` uses in any `period` seconds."""

    def __init__(
        self, clock: Seconds, limit: int, period: float, *, max_keys: int = MAX_KEYS
    ) -> None:
        self.limit = limit
        self._clock = clock
        self._period = period
        self._max_keys = max_keys
        self._uses: dict[str, deque[float]] = {}
        """When each key was used within the period; the least recently used comes first."""

    def take(self, key: str = "") -> float:
        """Count a use and return 0; if it is one too many, the seconds until it is not.

        What is refused is not counted.
        """
        now, uses = self._clock(), self._uses.pop(key, deque[float]())
        self._forget_old(uses, now)
        self._uses[key] = uses
        if len(self._uses) > self._max_keys:
            del self._uses[next(iter(self._uses))]
        if len(uses) >= self.limit:
            return uses[0] + self._period - now if uses else self._period
        uses.append(now)
        return 0.0

    def count(self, key: str = "") -> int:
        """Return how many uses of a key the period has seen."""
        uses = self._uses.get(key, deque())
        self._forget_old(uses, self._clock())
        return len(uses)

    def _forget_old(self, uses: deque[float], now: float) -> None:
        while uses and uses[0] <= now - self._period:
            uses.popleft()


class FixedWindow:
    """`limit` uses within the same second of the clock, counted in two numbers.

    Around the turn of a second twice as many may pass: it stops floods, it does not pace.
    """

    def __init__(self, clock: Seconds, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._second = self._count = 0

    def take(self) -> bool:
        """Count a use; return whether it is allowed."""
        second = int(self._clock())
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        return self._count <= self._limit
