"""What a journal drops: what is too old, superseded, or more than a session's log may keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import DeferredLock

from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.model.event_types import PIECES
from sxhost.store.group_commit import Threads
from sxhost.store.journal import EventCounts, Journal
from sxhost.store.recent_events import Floor
from sxhost.store.state import StoreState
from sxhost.store.steady_clock import SteadyClock
from sxhost.store.transaction import SessionDraft, Transaction

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
        self._counts: dict[str, EventCounts] = {}
        """Of long logs: how many events they have, or a few more."""

    def begin(self) -> None:
        """Take note of where the log ends as it is opened."""
        self._opened_s, self._opened_event = self._state.seconds(), self._state.last_event

    async def after_commit(self, transaction: Transaction) -> None:
        """Shorten the logs that a transaction has made too long; drop what is superseded.

        A step of each.
        """
        for session_id, draft in transaction.sessions.items():
            if draft.is_new or draft.deleted or draft.archived:
                self._counts.pop(session_id, None)
            elif draft.new_events and session_id in self._state.records:
                try:
                    await self._shorten(session_id, draft)
                except HostError as error:
                    log.warn("a log was not counted: {error}", error=error)
        await self._drop_some_superseded()

    async def _shorten(self, session_id: str, draft: SessionDraft) -> None:
        most = EventCounts(self._state.limits.retain, self._state.limits.retain_pieces)
        begins = self._state.recent.floor(session_id).seq
        if draft.session.event_count - begins < min(most):
            return
        counts = self._counts.get(session_id)
        if counts is None:
            counts = await self._threads.write(self._journal.count_events, session_id)
        else:
            pieces = sum(event.event in PIECES for event in draft.new_events)
            facts = len(draft.new_events) - pieces
            counts = EventCounts(counts.facts + facts, counts.pieces + pieces)
        if counts.pieces > most.pieces * SLACK:  # most of them may have left by now
            counts = await self._threads.write(self._journal.count_events, session_id)
        self._counts[session_id] = counts
        if any(count > limit * SLACK for count, limit in zip(counts, most, strict=True)):
            below = await self._threads.write(self._journal.first_retained, session_id, most)
            if not await self._drop(self._journal.prune, session_id, below):
                self._counts[session_id] = EventCounts(*map(min, counts, most))

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

    async def drop_superseded(self) -> None:
        """Drop all pieces that have lingered since they were superseded, in steps."""
        while await self._drop_some_superseded():
            pass

    async def _drop_some_superseded(self) -> bool:
        """Drop some pieces from memory, then from the journal; return whether that was done."""
        due = self._state.drop_superseded()
        if due:
            try:
                gone = await self._threads.write(self._journal.drop_pieces, due)
            except HostError as error:
                log.warn("superseded pieces stay for now: {error}", error=error)
                return False
            self._state.recent.superseded.remove(gone)
        return bool(due)
