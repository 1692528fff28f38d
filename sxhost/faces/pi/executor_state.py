"""What the executor keeps from one command to the next, and the counts of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from msgspec import UNSET, UnsetType
from twisted.internet.interfaces import IReactorTime

from sxhost.faces.pi.commands import Command
from sxhost.faces.pi.idempotency import IdempotencyStore
from sxhost.faces.pi.lanes import Lanes
from sxhost.faces.pi.rate_limits import CommandRates
from sxhost.faces.pi.scheduling import TRAITS
from sxhost.faces.pi.session_names import id_of
from sxhost.model.limits import Limits

__all__ = ["ExecutorState"]


REFUSALS: Final = (
    "sessionLimit",
    "messageSize",
    "rateLimit",
    "globalRateLimit",
    "connectionLimit",
    "extensionUIResponseRateLimit",
)
"""The limits by which commands and connections are refused."""

MAX_DIALOGS: Final = 1000
"""Dialogs that may be open at once, as pi-app-server has it: the host's bound is by session."""

NO_JOURNAL_STATISTICS: Final[Mapping[str, object]] = {
    "enabled": False,
    "initialized": True,
    "journalPath": "",
    "schemaVersion": 1,
    "appendFailurePolicy": "best_effort",
    "redaction": {"beforePersistHookEnabled": False, "beforeExportHookEnabled": False},
    **dict.fromkeys(
        (
            "entriesWritten",
            "writeErrors",
            "entriesScanned",
            "malformedEntries",
            "unsupportedVersionEntries",
            "recoveredOutcomes",
            "recoveredInFlightFailures",
        ),
        0,
    ),
    "retention": {"enabled": False},
    "compaction": dict.fromkeys(
        (
            "runs",
            "droppedEntries",
            "lastEntriesBefore",
            "lastEntriesAfter",
            "lastBytesBefore",
            "lastBytesAfter",
        ),
        0,
    ),
}

NO_BREAKER: Final[Mapping[str, object]] = {
    "enabled": False,
    "globalState": "closed",
    **dict.fromkeys(
        ("sessionCount", "openSessionCount", "totalCalls", "totalTimeouts", "totalRejected"), 0
    ),
}


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
            self.versions[id_of(data["sessionId"])] = 0
            return 0
        target = command.target
        if target is None:
            return UNSET
        if command.type == "delete_session":
            self.versions.pop(target, None)
            return UNSET
        self.versions[target] += TRAITS[command.type].mutates
        return self.versions[target]

    def statistics(self, pending_dialogs: int = 0) -> dict[str, object]:
        """Return the counts, for ``get_metrics``.

        What the host has not, as zombies, a journal and circuit breakers, counts nothing.
        """
        usage = {"globalCount": self.rates.count, "globalLimit": self._limits.mux_rate_all}
        return {
            "totalCommandsExecuted": self.executed,
            "commandsRejected": {name: self.rates.refused[name] for name in REFUSALS},
            "zombieSessionsDetected": 0,
            "zombieSessionsCleaned": 0,
            "doubleUnregisterErrors": 0,
            "rateLimitUsage": usage,
            "stores": {
                "replay": self.idempotency.statistics(),
                "version": {"sessionCount": len(self.versions)},
                "execution": {"laneCount": len(self.lanes)},
                "lock": {"activeLocks": 0, "timeoutCount": 0, "waitingCount": 0},
                "extensionUI": {
                    "pendingCount": pending_dialogs,
                    "maxPendingRequests": MAX_DIALOGS,
                    "rejectedCount": 0,
                },
                "sessionStore": {"metadataResetCount": 0},
                "journal": NO_JOURNAL_STATISTICS,
            },
            "circuitBreakers": [],
            "bashCircuitBreaker": NO_BREAKER,
        }
