"""What a journal drops: what is more than `retain` events of a session, or too old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import DeferredLock

from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.store.group_commit import Threads
from sxhost.store.journal import Journal
from sxhost.store.recent_events import Floor
from sxhost.store.state import StoreState
from sxhost.store.steady_clock import SteadyClock
from sxhost.store.transaction import Transaction

__all__ = ["Retention"]

log = logger(__name__)

DAY_MS = 86_400_000

SLACK = 1.05
"""How far a log may outgrow its limit before it is pruned: pruning in bulk is cheaper."""


class Retention:
    """Has a journal drop events, and lets the state know where logs begin then."""

    def __init__(self, state: StoreState, journal: Journal, threads: Threads) -> None:
        self.dropping = DeferredLock()
        """Held while the journal drops something, and until `recent` knows of it."""
        self._state = state
        self._journal = journal
        self._threads = threads
        self._wall = SteadyClock(state.seconds)
        self._opened_s, self._opened_event = state.seconds(), 0

    def begin(self) -> None:
        """Take note of where the log ends as it is opened."""
        self._opened_s, self._opened_event = self._state.seconds(), self._state.last_event

    async def shorten(self, transaction: Transaction) -> None:
        """Shorten the logs that a transaction has made too long, a step each."""
        retain = self._state.limits.retain
        for session_id, draft in transaction.sessions.items():
            if draft.new_events and session_id in self._state.records:
                last = draft.session.event_count
                if last - self._state.recent.floor(session_id).seq + 1 > retain * SLACK:
                    await self._drop(self._journal.prune, session_id, last - retain + 1)

    async def drop_older(self, at: int) -> bool:
        """Drop what is too old, in steps between other writes; return whether it could tell.

        :param at: the wall clock in Unix milliseconds.
        """
        now = self._wall.look(at)
        if now is None:
            return False
        age = self._state.limits.retain_days * DAY_MS
        open_ms = (self._state.seconds() - self._opened_s) * 1000
        # What has come since the start is no older than that, whatever the wall clock said.
        last = self._state.last_event if open_ms > age else self._opened_event
        while await self._drop(self._journal.prune_older, now, age, last):
            pass
        return True

    async def _drop(self, prune: Callable[..., dict[str, Floor]], *given: Any) -> bool:
        """Have the journal drop a step's worth; return whether it has dropped anything."""
        async with self.dropping:
            try:
                floors: dict[str, Floor] = await self._threads.write(prune, *given)
            except HostError as error:
                log.warn("pruning failed: {error}", error=error)
                return False
            for session_id, floor in floors.items():
                if self._state.known.holds(session_id):
                    self._state.recent.drop(session_id, floor)
            return bool(floors)
