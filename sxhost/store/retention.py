"""What a journal drops: what is too old, superseded, or more than a session's log may keep."""

from __future__ import annotations

from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.model.event_types import PIECES
from sxhost.store.group_commit import GroupCommitter
from sxhost.store.journal import (
    Drop,
    DropOlder,
    Dropped,
    DropSuperseded,
    DropSurplus,
    EventCounts,
)
from sxhost.store.session_draft import SessionDraft
from sxhost.store.state import StoreState
from sxhost.store.steady_clock import SteadyClock
from sxhost.store.transaction import Transaction
from sxhost.waiting import background

__all__ = ["Retention"]

log = logger(__name__)

DAY_MS = 86_400_000

SLACK = 1.05
"""How far a log may outgrow its limit before it is pruned: pruning in bulk is cheaper."""


class Retention:
    """Has a journal drop events, each time a step's worth in a commit like any other."""

    def __init__(self, state: StoreState, committer: GroupCommitter) -> None:
        self._state = state
        self._committer = committer
        self._wall = SteadyClock(state.seconds)
        self._opened_s, self._opened_event = state.seconds(), 0
        self._counts: dict[str, EventCounts] = {}
        """Of long logs: how many events they have, or a few more."""
        self._is_dropping_pieces = False

    def begin(self) -> None:
        """Take note of where the log ends as it is opened."""
        self._opened_s, self._opened_event = self._state.seconds(), self._state.last_event

    def after_commit(self, transaction: Transaction) -> None:
        """Shorten the logs that a transaction has made too long; drop what is superseded.

        A step of each follows as the next commits.
        """
        for session_id, draft in transaction.sessions.items():
            if draft.is_new or draft.deleted or draft.archived:
                self._counts.pop(session_id, None)
            elif draft.new_events and session_id in self._state.records:
                self._count(session_id, draft)
        background(self._drop_some_superseded(first=True), log, "dropping pieces")

    def after_others(self, transaction: Transaction) -> None:
        """Count what another node has written; it has shortened what it has made too long."""
        for session_id, draft in transaction.sessions.items():
            counts = self._counts.get(session_id)
            if draft.is_new or draft.deleted or draft.archived:
                self._counts.pop(session_id, None)
            elif counts is not None:
                self._counts[session_id] = _more(counts, draft)

    def _count(self, session_id: str, draft: SessionDraft) -> None:
        """Count the events of a session's log, and shorten it if it may have too many."""
        most = EventCounts(self._state.limits.retain, self._state.limits.retain_pieces)
        begins = self._state.recent.floor(session_id).seq
        if draft.session.event_count - begins < min(most):
            return
        counts = self._counts.get(session_id)
        if counts is not None:
            counts = self._counts[session_id] = _more(counts, draft)
            if all(count <= limit * SLACK for count, limit in zip(counts, most, strict=True)):
                return
        background(self._shorten(session_id, most), log, "shortening a log")

    async def _shorten(self, session_id: str, most: EventCounts) -> None:
        dropped = await self._drop(DropSurplus(session_id, most), first=True)
        if dropped is None or dropped.counts is None or session_id not in self._state.records:
            return
        counts = dropped.counts
        if not dropped.floors:  # a row is dropped as a whole, and the first one has to stay
            counts = EventCounts(*map(min, counts, most))
        self._counts[session_id] = counts

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
        while (dropped := await self._drop(DropOlder(now, age, last))) and dropped.floors:
            pass
        return True

    async def drop_superseded(self) -> None:
        """Drop all pieces that have lingered since they were superseded, in steps."""
        while await self._drop_some_superseded():
            pass

    async def _drop_some_superseded(self, *, first: bool = False) -> bool:
        """Drop some pieces from memory, then from the journal; return whether that was done."""
        due = [] if self._is_dropping_pieces else self._state.drop_superseded()
        if not due:
            return False
        self._is_dropping_pieces = True
        try:
            return await self._drop(DropSuperseded(due), first=first) is not None
        finally:
            self._is_dropping_pieces = False

    async def _drop(self, what: Drop, *, first: bool = False) -> Dropped | None:
        """Drop a step's worth; return what that was, or None if it cannot be done now."""
        try:
            return await self._committer.drop(what, first=first)
        except HostError as error:
            log.warn("the log is not shortened for now: {error}", error=error)
            return None


def _more(counts: EventCounts, draft: SessionDraft) -> EventCounts:
    """Return how many events a log has after a draft's."""
    pieces = sum(event.event in PIECES for event in draft.new_events)
    facts = len(draft.new_events) - pieces
    return EventCounts(counts.facts + facts, counts.pieces + pieces)
