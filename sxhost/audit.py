"""The audit: who did what, kept with the act.

What the store itself does has its entry in the same commit (`Store`, ``by``).  Of all else
the table says what happens where the store cannot keep an entry: what widens anybody's power
is not done; what a person needs in an emergency is, and its entry waits, in order, until the
store works, in the log meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import asdict
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.model.auth import AuditEntry
from sxhost.model.caller import current_caller
from sxhost.model.limits import Limits
from sxhost.store.contracts import AuditLog
from sxhost.waiting import background, uncancelled

__all__ = ["ACTS", "Audit"]

log = logger(__name__)

RETRY_S = 5.0
"""Seconds between two tries to write down what waits."""

ACTS: Final[dict[str, bool]] = {
    "start": True,
    "create token": True,
    "log in": True,
    "bash": True,
    "new_session": True,
    "switch_session_file": True,
    "fork": True,
    "export_html": True,
    "not started": False,
    "turn": False,
    "steer": False,
    "interrupt": False,
    "compact": False,
    "set model": False,
    "end": False,
    "revoke token": False,
    "rotate token": False,
    "stop": False,
}
"""What is done beside the store, and whether it is refused if it cannot be recorded.

What is not in the table is refused.
"""


class Audit:
    """Writes entries down, now or as soon as the store can."""

    def __init__(
        self, entries: AuditLog, clock: IReactorTime, wall_ms: Callable[[], int], limits: Limits
    ) -> None:
        self._entries, self._clock, self._wall_ms = entries, clock, wall_ms
        self._waiting: deque[AuditEntry] = deque(maxlen=limits.deeds)
        self._writing = DeferredLock()
        self._retry: IDelayedCall | None = None

    def entry(self, what: str, session_id: str | None = None, detail: str = "") -> AuditEntry:
        """Return an entry of what the caller does, not numbered yet."""
        by = current_caller.get()
        return AuditEntry(
            0, what, session_id, detail, by.token, by.uid, by.peer, self._wall_ms()
        )

    async def record(self, what: str, session_id: str | None = None, detail: str = "") -> None:
        """Record what the caller does.

        :raises HostError: it cannot be, and so must not be done.
        """
        entry = self.entry(what, session_id, detail)
        if ACTS.get(what, True):
            await self._entries.record_entry(entry)
            return
        self._waiting.append(entry)
        if not await uncancelled(self._write()) and entry in self._waiting:
            log_entry("not in the audit yet", entry)

    async def close(self) -> None:
        """Try once more; say what is lost."""
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if self._waiting and not await self._write(again=False):
            for entry in self._waiting:
                log_entry("never in the audit", entry)

    async def _write(self, *, again: bool = True) -> bool:
        """Write down what waits, in order; return whether nothing is left."""
        async with self._writing:
            try:
                while self._waiting:
                    await self._entries.record_entry(self._waiting[0])
                    self._waiting.popleft()
            except HostError:
                if again and not (self._retry is not None and self._retry.active()):
                    self._retry = self._clock.callLater(RETRY_S, self._write_later)
                return False
        return True

    def _write_later(self) -> None:
        background(self._write(), log, "writing the audit")


def log_entry(why: str, entry: AuditEntry) -> None:
    """Say in the log what the audit does not have."""
    log.error(
        "{why}: {what} {session} {detail}, by {token} {uid} {peer}", why=why, **asdict(entry)
    )
