"""What the executor keeps from one command to the next, and the counts of it."""

from __future__ import annotations

from collections import Counter

from msgspec import UNSET, UnsetType
from twisted.internet.interfaces import IReactorTime

from sxhost.faces.pi.commands import Command
from sxhost.faces.pi.idempotency import IdempotencyStore
from sxhost.faces.pi.lanes import Lanes
from sxhost.faces.pi.rate_limits import CommandRates
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.model.limits import Limits

__all__ = ["ExecutorState"]


class ExecutorState:
    """Stored responses, rate limits, lanes, and the versions of sessions."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self.idempotency = IdempotencyStore(clock, limits)
        self.rates = CommandRates(clock, limits)
        self.lanes = Lanes()
        self.executed = 0
        """How many commands were accepted."""
        self.versions: Counter[str] = Counter()
        """How many commands have changed each session (``ifSessionVersion``)."""
        self._limits = limits

    def next_version(self, command: Command, data: object) -> int | UnsetType:
        """Count a command that succeeded with `data`; return its session's version now."""
        if isinstance(data, dict) and command.type in ("create_session", "load_session"):
            self.versions[data["sessionId"]] = 0
            return 0
        target = command.target
        if target is None:
            return UNSET
        if command.type == "delete_session":
            self.versions.pop(target, None)
            return UNSET
        self.versions[target] += TRAITS[command.type].mutates
        return self.versions[target]

    def statistics(self) -> dict[str, object]:
        """Return the counts, for ``get_metrics``."""
        usage = {"globalCount": self.rates.count, "globalLimit": self._limits.mux_rate_all}
        return {
            "totalCommandsExecuted": self.executed,
            "rateLimitUsage": usage,
            "stores": {
                "replay": self.idempotency.statistics(),
                "version": {"sessionCount": len(self.versions)},
                "execution": {"laneCount": len(self.lanes)},
            },
            "circuitBreakers": [],
        }
