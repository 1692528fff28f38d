"""How many commands the multiplexer takes in a minute."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime

from sxhost.model.limits import Limits
from sxhost.ratelimit import SlidingWindows

__all__ = ["CommandRates"]

MINUTE_S = 60.0


class Rate(NamedTuple):
    """A limit, as ``get_metrics`` and errors call it."""

    name: str
    error: str
    windows: SlidingWindows


class CommandRates:
    """Limits commands in any minute: all, those for each target, and answers to dialogs.

    A target is a session, or the server itself.
    """

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        everything = SlidingWindows(clock.seconds, limits.mux_rate_all, MINUTE_S)
        # Only so many targets can have been used in two minutes: none that counts is forgotten.
        keys = 2 * limits.mux_rate_all
        commands, answers = (
            SlidingWindows(clock.seconds, limit, MINUTE_S, max_keys=keys)
            for limit in (limits.mux_rate, limits.mux_answers)
        )
        self._all = Rate("globalRateLimit", "Global rate limit exceeded", everything)
        self._commands = Rate("rateLimit", "Rate limit exceeded", commands)
        self._answers = Rate(
            "extensionUIResponseRateLimit", "Extension UI response rate limit exceeded", answers
        )
        self.refused: Counter[str] = Counter()
        """How many commands were refused, by the limit as ``get_metrics`` calls it."""

    def refusal_of(self, target: str, *, answers: bool) -> str | None:
        """Count a command for `target`; if it is one too many, return why, in pi's words.

        One that `answers` an agent's dialog counts against a limit of its own as well.
        """
        counted = [(self._all, ""), (self._commands, target)]
        if answers:
            counted.append((self._answers, target))
        for rate, key in counted:
            most = rate.windows.limit
            if rate.windows.count(key) >= most:
                self.refused[rate.name] += 1
                unit = "responses" if rate is self._answers else "commands"
                return f"{rate.error} ({most} {unit}/minute)"
        for rate, key in counted:
            rate.windows.take(key)
        return None

    @property
    def count(self) -> int:
        """How many commands were counted in the last minute."""
        return self._all.windows.count()
