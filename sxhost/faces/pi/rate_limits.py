"""How often commands may come: so many in any minute."""

from __future__ import annotations

from collections import deque

from twisted.internet.interfaces import IReactorTime

from sxhost.model.limits import Limits

__all__ = ["CommandRates"]

MINUTE = 60.0


class Window:
    """What happened in the last minute."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def take(self, now: float, most: int) -> bool:
        """Let one more happen, unless it would be too many."""
        self.forget(now)
        if len(self._times) >= most:
            return False
        self._times.append(now)
        return True

    def give_back(self) -> None:
        """Forget the last one: it did not happen after all."""
        if self._times:
            self._times.pop()

    def forget(self, now: float) -> int:
        """Forget what is older than a minute; return how many are left."""
        while self._times and self._times[0] <= now - MINUTE:
            self._times.popleft()
        return len(self._times)


class CommandRates:
    """The commands of the last minute: of everybody, for each session, and answers."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._windows: dict[str, Window] = {}
        self._all = Window()
        self._swept = 0.0

    def refuse(self, target: str, *, answers: bool) -> str | None:
        """Count a command; say why it is one too many, if it is."""
        limits, now = self._limits, self._clock.seconds()
        self._sweep(now)
        if not self._all.take(now, limits.mux_rate_all):
            return f"Global rate limit exceeded ({limits.mux_rate_all} commands/minute)"
        if not self._window(target).take(now, limits.mux_rate):
            self._all.give_back()
            return f"Rate limit exceeded ({limits.mux_rate} commands/minute)"
        if answers and not self._window(f"answers:{target}").take(now, limits.mux_answers):
            self._all.give_back()
            self._window(target).give_back()
            most = f"({limits.mux_answers} responses/minute)"
            return f"Extension UI response rate limit exceeded {most}"
        return None

    @property
    def count(self) -> int:
        """How many came in the last minute."""
        return self._all.forget(self._clock.seconds())

    def _window(self, name: str) -> Window:
        return self._windows.setdefault(name, Window())

    def _sweep(self, now: float) -> None:
        """Forget, once a minute, for whom nothing came."""
        if now - self._swept >= MINUTE:
            self._swept = now
            kept = {name: w for name, w in self._windows.items() if w.forget(now)}
            self._windows = kept
