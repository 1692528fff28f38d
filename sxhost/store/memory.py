"""The store that forgets with its process; the reference for what every store does."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from sxhost.model.approval import Approval, ApprovalState, Question, Resolution
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.limits import Limits
from sxhost.model.session import Event, Hosting, Message, MessageDraft, Registration, Session
from sxhost.store.contracts import Draft, SessionCounts, take_enough
from sxhost.store.inbox import Inbox
from sxhost.store.ledger import Ledger
from sxhost.store.transaction import Change

__all__ = ["MemoryStore"]

T = TypeVar("T")


class MemoryStore:
    """Sessions, logs and inboxes in memory; `seconds` is a monotonic clock.

    A durable store is this one with another `_write` and, for what is no longer hot, other
    reads.
    """

    name = "memory"
    forgetful = True

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self.epoch = secrets.token_hex(4)
        self.ledger = Ledger(limits, seconds, forgetful=self.forgetful)

    @property
    def durability(self) -> str:
        """What an acknowledged write survives: nothing."""
        return "none"

    @property
    def missing(self) -> str:
        """What is missing of what was acknowledged: nothing was to outlive the process."""
        return ""

    def open(self) -> None:
        """Begin with nothing."""

    # What changes something.

    async def register(
        self, session_id: str, registration: Registration | Hosting, at: int
    ) -> tuple[Session, bool]:
        """Create or update a session; tell whether it is new."""
        return await self._write(lambda change: change.register(session_id, registration, at))

    async def delete(self, session_id: str, by: AuditEntry | None = None) -> None:
        """Forget a session with its log and inbox."""
        await self._write(lambda change: change.delete(session_id, by))

    async def archive(self, session_id: str) -> None:
        """Let a session make room; this store forgets it."""
        await self._write(lambda change: change.archive(session_id))

    async def append_events(
        self, session_id: str, drafts: Sequence[Draft], at: int
    ) -> list[Event]:
        """Number and keep events, all or none; an unknown session is created."""
        older = await self._older(session_id, drafts)
        return await self._write(
            lambda change: change.append_events(session_id, drafts, at, older)
        )

    async def put_message(
        self, session_id: str, draft: MessageDraft, at: int, by: AuditEntry | None = None
    ) -> tuple[Message, int]:
        """Queue a message; return it and how many now wait."""
        return await self._write(lambda change: change.put_message(session_id, draft, at, by))

    async def take_messages(self, session_id: str, lease: float) -> list[Message]:
        """Take all queued messages: for good, or for `lease` seconds if that is not 0."""
        return await self._write(lambda change: change.take_messages(session_id, lease))

    async def lease_message(self, session_id: str, message_id: int, seconds: float) -> Message:
        """Take one queued message on lease."""
        return await self._close(session_id, lambda inbox: inbox.lease(message_id, seconds))

    async def ack_message(self, session_id: str, message_id: int) -> Message:
        """Mark a message as delivered."""
        return await self._close(session_id, lambda inbox: inbox.ack(message_id))

    async def nack_message(self, session_id: str, message_id: int) -> Message:
        """Return a leased message to its place."""
        return await self._close(session_id, lambda inbox: inbox.nack(message_id))

    async def withdraw(
        self, session_id: str, message_id: int, by: AuditEntry | None = None
    ) -> Message:
        """Take a queued message back."""
        return await self._close(session_id, lambda inbox: inbox.withdraw(message_id), by)

    async def open_approval(
        self, session_id: str, question: Question, at: int, expires_ms: int | None
    ) -> Approval:
        """Open an approval, with the event that tells of it."""
        return await self._write(
            lambda change: change.open_approval(session_id, question, at, expires_ms)
        )

    async def close_approval(
        self,
        session_id: str,
        approval_id: int,
        state: ApprovalState,
        resolution: Resolution,
        by: AuditEntry | None = None,
    ) -> Approval:
        """Close an approval, with the event that tells of it."""
        return await self._write(
            lambda change: change.close_approval(session_id, approval_id, state, resolution, by)
        )

    async def close_approvals(
        self, session_id: str, state: ApprovalState, resolution: Resolution
    ) -> list[Approval]:
        """Close all approvals of a session that wait, with the events that tell of it."""
        return await self._write(
            lambda change: change.close_approvals(session_id, state, resolution)
        )

    async def record_entry(self, deed: AuditEntry) -> AuditEntry:
        """Keep an entry of the audit; return it with its number."""
        return await self._write(lambda change: change.record_entry(deed))

    async def _close(
        self, session_id: str, how: Callable[[Inbox], Message], by: AuditEntry | None = None
    ) -> Message:
        return await self._write(lambda change: change.change_message(session_id, how, by))

    async def _write(self, operation: Callable[[Change], T]) -> T:
        """Run an operation as a change of its own, and commit it."""
        change = Change(self.ledger)
        result = operation(change)
        change.commit()
        return result

    async def _older(self, _session_id: str, _drafts: Sequence[Draft]) -> Mapping[str, Event]:
        """Return the events that keys stand for and that are not in memory any more."""
        return {}

    # What looks.

    async def session(self, session_id: str) -> Session:
        """Return one session."""
        return self.ledger.row(session_id).session

    async def sessions(self) -> Sequence[Session]:
        """Return all sessions in the order of their ids."""
        rows = self.ledger.rows
        return [rows[session_id].session for session_id in sorted(rows)]

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
        events: Iterable[Event]
        if session_id is None:
            hot = self.ledger.hot
            events = hot.recent(position) or hot.merged(position)
        else:
            events = self.ledger.row(session_id).ring.after(seq)
        found = (e for e in events if e.id > position and (not names or e.event in names))
        return take_enough(found, limit, size)

    @property
    def position(self) -> int:
        """The id of the last event that may be read."""
        return self.ledger.last_event

    @property
    def hot_size(self) -> int:
        """How many bytes of memory events take; `hot_bytes` at the most."""
        return self.ledger.hot.size

    @property
    def buffered(self) -> int:
        """The id after which memory has the events of all sessions."""
        return self.ledger.hot.start

    def all_known(self) -> Iterable[Session]:
        """Return all sessions at once, in no order."""
        return [row.session for row in self.ledger.rows.values()]

    def known(self, session_id: str) -> Session | None:
        """Return a session at once, or None."""
        row = self.ledger.rows.get(session_id)
        return None if row is None else row.session

    def holds(self, session_id: str) -> bool:
        """Tell whether there is such a session, in memory or archived."""
        return session_id in self.ledger.rows or session_id in self.ledger.archived

    def cached_events(self, session_id: str | None, position: int) -> list[Event] | None:
        """Return the events after `position` at once, or None if memory has not all."""
        if session_id is None:
            return self.ledger.hot.recent(position)
        ring = self.ledger.row(session_id).ring
        return None if position < ring.start else list(ring.since(position))

    def pruned(self, session_id: str | None) -> int:
        """Return the id up to which retention has dropped events."""
        return self.ledger.pruned if session_id is None else self.ledger.row(session_id).pruned

    async def peek_messages(self, session_id: str) -> list[Message]:
        """Return all messages that are remembered, in order, with their states."""
        return list(self.ledger.row(session_id).inbox.peek())

    async def count_waiting(self, session_id: str) -> int:
        """Return how many messages are queued or on lease."""
        return len(self.ledger.row(session_id).inbox)

    async def approvals(self, session_id: str | None) -> list[Approval]:
        """Return the approvals that are remembered, in order."""
        if session_id is not None:
            return self.ledger.row(session_id).book.all
        found = [a for row in self.ledger.rows.values() for a in row.book.all]
        return sorted(found, key=lambda approval: approval.id)

    async def audit_entries(self, query: AuditQuery) -> list[AuditEntry]:
        """Return entries of the audit in order."""
        deeds = self.ledger.deeds
        if query.after is None:
            return list(deeds)[-query.limit :]
        return [deed for deed in deeds if deed.id > query.after][: query.limit]

    async def counts(self) -> SessionCounts:
        """Count what the store holds."""
        waiting = sum(len(row.inbox) for row in self.ledger.rows.values())
        return SessionCounts(self.ledger.last_event, waiting)

    async def sweep(self, at: int) -> None:
        """Do nothing: only numbers push events out of a ring."""

    async def ping(self) -> None:
        """Do nothing: nothing is in the way."""

    async def close(self) -> None:
        """Forget everything."""
        self.ledger.rows.clear()
