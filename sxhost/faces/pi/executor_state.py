"""What the executor keeps from one command to the next, and the counts of it."""

from __future__ import annotations

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
        self._versions: dict[str, int] = {}
        self._limits = limits

    def session_version(self, session_id: str) -> int:
        """Return how many commands have changed a session (``ifSessionVersion``)."""
        return self._versions.get(session_id, 0)

    def next_version(self, command: Command, data: object) -> int | UnsetType:
        """Count a command that succeeded with `data`; return its session's version now."""
        if command.type in ("create_session", "load_session"):
            assert isinstance(data, dict)  # noqa: S101 - the new session
            self._versions[data["sessionId"]] = 0
            return 0
        target = command.target
        if target is None:
            return UNSET
        if command.type == "delete_session":
            self._versions.pop(target, None)
            return UNSET
        version = self.session_version(target) + TRAITS[command.type].mutates
        self._versions[target] = version
        return version

    def statistics(self) -> dict[str, object]:
        """Return the counts, for ``get_metrics``."""
        usage = {"globalCount": self.rates.count, "globalLimit": self._limits.mux_rate_all}
        return {
            "totalCommandsExecuted": self.executed,
            "rateLimitUsage": usage,
            "stores": {
                "replay": self.idempotency.statistics(),
                "version": {"sessionCount": len(self._versions)},
                "execution": {"laneCount": len(self.lanes)},
            },
            "circuitBreakers": [],
        }
