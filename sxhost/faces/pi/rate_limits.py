"""How many commands the multiplexer takes in a minute."""

from __future__ import annotations

from collections import Counter

from twisted.internet.interfaces import IReactorTime

from sxhost.model.limits import Limits
from sxhost.ratelimit import SlidingWindows

__all__ = ["CommandRates"]

MINUTE_S = 60.0


class CommandRates:
    """Limits commands in any minute: all, those for each target, and answers to dialogs.

    A target is a session, or the server itself.
    """

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._all = SlidingWindows(clock.seconds, limits.mux_rate_all, MINUTE_S)
        self.refused: Counter[str] = Counter()
        """How many commands were refused, by the limit as ``get_metrics`` calls it."""
        # Only so many targets can have been used in two minutes: none that counts is forgotten.
        keys = 2 * limits.mux_rate_all
        self._commands, self._answers = (
            SlidingWindows(clock.seconds, limit, MINUTE_S, max_keys=keys)
            for limit in (limits.mux_rate, limits.mux_answers)
        )

    def refusal_of(self, target: str, *, answers: bool) -> str | None:
        """Count a command for `target`; if it is one too many, return why, in pi's words.

        One that `answers` an agent's dialog counts against a limit of its own as well.
        """
        if self._all.take():
            self.refused["globalRateLimit"] += 1
            return f"Global rate limit exceeded ({self._all.limit} commands/minute)"
        if self._commands.take(target):
            self._all.give_back()
            self.refused["rateLimit"] += 1
            return f"Rate limit exceeded ({self._commands.limit} commands/minute)"
        if answers and self._answers.take(target):
            self._all.give_back()
            self._commands.give_back(target)
            self.refused["extensionUIResponseRateLimit"] += 1
            most = f"({self._answers.limit} responses/minute)"
            return f"Extension UI response rate limit exceeded {most}"
        return None

    @property
    def count(self) -> int:
        """How many commands were counted in the last minute."""
        return self._all.count()
