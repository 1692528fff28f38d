"""The store that forgets with its process; the reference for what every store does."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.search import EventSearch
from sxhost.store.contracts import Draft, FoundEvents
from sxhost.store.recent_events import take_enough
from sxhost.store.state import SessionRecord, StoreState
from sxhost.store.transaction import Transaction
from sxhost.store.verbs import TransactionVerbs

__all__ = ["MemoryStore"]

T = TypeVar("T")

SEARCHED = 256
"""Events that one step of a search looks at: some milliseconds of work, mostly."""


class ImmediateCommitter:
    """Commits each operation at once, in a transaction of its own."""

    def __init__(self, state: StoreState) -> None:
        self._state = state

    async def run(self, operation: Callable[[Transaction], T], _size: int = 1, /) -> T:
        """Run an operation and commit it."""
        transaction = Transaction(self._state)
        result = operation(transaction)
        self.commit(transaction)
        return result

    def commit(self, transaction: Transaction) -> None:
        """Commit a transaction."""
        transaction.commit()
        self._state.drop_superseded()

    async def catch_up(self) -> None:
        """Nobody else writes."""

    async def record(self, session_id: str) -> SessionRecord:
        """Return what is known of a session."""
        return self._state.record(session_id)


class MemoryStore(TransactionVerbs):
    """A state and nothing else; what has to leave memory is lost.

    :param seconds: a monotonic clock.
    """

    name = "memory"
    is_shared = False
    durability = "none"
    missing = ""

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self.epoch = secrets.token_hex(4)
        state = StoreState(limits, seconds, only_copy=True)
        self._immediate = ImmediateCommitter(state)
        super().__init__(state, self._immediate)

    def open(self) -> None:
        """Begin with nothing."""

    async def take_over(self) -> None:
        """Nobody stands by for a memory."""

    async def beat(self) -> None:
        """Nobody stands by for a memory."""

    async def append_events(
        self, session_id: str, drafts: Sequence[Draft], at: int
    ) -> list[Event]:
        """Number and keep events, all or none; an unknown session is created."""
        transaction = Transaction(self._state)
        events = transaction.append_events(session_id, drafts, at, {})
        self._immediate.commit(transaction)
        return events

    async def read_events(
        self,
        session_id: str | None,
        *,
        seq: int = 0,
        position: int = 0,
        limit: int | None = None,
        size: int | None = None,
        names: frozenset[str] = frozenset(),
    ) -> list[Event]:
        """Return retained events in order, after `seq` and after the id `position`."""
        if session_id is not None:
            self._state.record(session_id)
        events = self.recent.retained(session_id, seq=seq, position=position)
        found = (e for e in events if e.id > position and (not names or e.event in names))
        return take_enough(found, limit, size)

    async def search_events(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search some of the facts that are older than the id `before`, the newest first."""
        found: list[Event] = []
        for event in islice(self.recent.backwards(before), SEARCHED):
            before = event.id
            if search.finds(event):
                found.append(event)
            if len(found) >= limit:
                break
        is_end = next(iter(self.recent.backwards(before)), None) is None
        return FoundEvents(found, None if is_end else before)

    async def sweep(self, at: int) -> None:
        """Let go of pieces that the log has whole; only numbers push other events out."""
        while self._state.drop_superseded():
            pass
        await self.drop_usage(at)

    async def seq_before(self, session_id: str, count: int) -> int:
        """Return the number after which a session's last `count` facts come; 0 for all."""
        self._state.record(session_id)
        return self.recent.seq_before(session_id, count) or 0

    async def ping(self) -> None:
        """Do nothing: nothing is in the way."""

    async def close(self) -> None:
        """Forget everything."""
        self._state.records.clear()
