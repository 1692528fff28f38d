"""The verbs that every store has in common: each is one operation of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

from sxhost.model.approval import Approval, ApprovalState, Question, Resolution
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.message import Message, MessageDraft
from sxhost.model.session import (
    Hosting,
    Registration,
    SeenDraft,
    Session,
    Succession,
)
from sxhost.model.usage import SpentByModel, UsageEntry
from sxhost.store.contracts import Committed, SessionCounts
from sxhost.store.known_sessions import KnownSessions
from sxhost.store.message_queue import MessageQueue
from sxhost.store.recent_events import RecentEvents
from sxhost.store.state import SessionRecord, StoreState
from sxhost.store.transaction import Transaction

__all__ = ["Committer", "TransactionVerbs"]

T = TypeVar("T")


class Committer(Protocol):
    """How a store's transactions are committed: at once, or many together to a journal."""

    async def run(self, operation: Callable[[Transaction], T], size: int = 1, /) -> T:
        """Run an operation in a transaction; return its result once that is committed.

        What the operation raises is raised here, and nothing of it is kept.

        :param size: how many events it appends.
        """

    async def catch_up(self) -> None:
        """Have the state contain all that anybody was told of by now."""

    async def record(self, session_id: str) -> SessionRecord:
        """Return what is known of a session, archived or not, to be read and not changed.

        :raises UnknownSession: there is none.
        """


class TransactionVerbs:
    """`Sessions`, `Inbox`, `Approvals`, `AuditLog`, `Ledger` over a state and its committer."""

    def __init__(self, state: StoreState, committer: Committer) -> None:
        self._state = state
        self._committer = committer

    @property
    def known(self) -> KnownSessions:
        """A cache of all sessions, to be read at once."""
        return self._state.known

    @property
    def recent(self) -> RecentEvents:
        """A cache of the newest events, to be read at once; it knows where the log ends."""
        return self._state.recent

    def watch(self, committed: Callable[[Committed], object]) -> None:
        """Have each commit told, once the caches have it and before any verb returns."""
        self._state.on_commit = committed

    # Sessions.

    async def register(
        self, session_id: str, registration: Registration | Hosting | Succession, at: int
    ) -> tuple[Session, bool]:
        """Create or update a session; return it, and whether it is new."""
        return await self._committer.run(lambda tx: tx.register(session_id, registration, at))

    async def mark_seen(self, session_id: str, draft: SeenDraft) -> Session:
        """Note up to where somebody has looked at a session; that never goes back."""
        return await self._committer.run(lambda tx: tx.mark_seen(session_id, draft))

    async def session(self, session_id: str) -> Session:
        """Return one session, archived or not."""
        return (await self._committer.record(session_id)).session

    async def sessions(self) -> Sequence[Session]:
        """Return all sessions that are not archived, in the order of their ids."""
        await self._committer.catch_up()
        records = self._state.records
        return [records[session_id].session for session_id in sorted(records)]

    async def delete(self, session_id: str, by: AuditEntry | None = None) -> None:
        """Delete a session with its log, messages and approvals."""
        await self._committer.run(lambda tx: tx.delete(session_id, by))

    async def archive(self, session_id: str) -> None:
        """Let a session make room, out of every list."""
        await self._committer.run(lambda tx: tx.archive(session_id))

    async def counts(self) -> SessionCounts:
        """Count what the store holds."""
        await self._committer.catch_up()
        waiting = sum(len(record.messages) for record in self._state.records.values())
        return SessionCounts(self._state.last_event, waiting)

    # Inbox.

    async def put_message(
        self, session_id: str, draft: MessageDraft, at: int, by: AuditEntry | None = None
    ) -> tuple[Message, int]:
        """Queue a message; return it and how many now wait."""
        return await self._committer.run(lambda tx: tx.put_message(session_id, draft, at, by))

    async def take_messages(self, session_id: str, lease: float) -> list[Message]:
        """Take all queued messages: for good, or for `lease` seconds if that is not 0."""
        return await self._committer.run(lambda tx: tx.take_messages(session_id, lease))

    async def peek_messages(self, session_id: str) -> list[Message]:
        """Return all messages that are remembered, in order, with their states."""
        return (await self._committer.record(session_id)).messages.peek()

    async def count_waiting(self, session_id: str) -> int:
        """Return how many messages are queued or on lease."""
        return len((await self._committer.record(session_id)).messages)

    async def lease_message(self, session_id: str, message_id: int, seconds: float) -> Message:
        """Take one queued message on lease."""
        return await self._committer.run(
            lambda tx: tx.lease_message(session_id, message_id, seconds)
        )

    async def ack_message(self, session_id: str, message_id: int) -> Message:
        """Mark a message as delivered."""
        return await self._change_message(session_id, lambda q: q.ack(message_id))

    async def nack_message(self, session_id: str, message_id: int) -> Message:
        """Return a leased message to its place."""
        return await self._change_message(session_id, lambda q: q.nack(message_id))

    async def withdraw(
        self, session_id: str, message_id: int, by: AuditEntry | None = None
    ) -> Message:
        """Take a queued message back."""
        return await self._change_message(session_id, lambda q: q.withdraw(message_id), by)

    async def _change_message(
        self,
        session_id: str,
        act: Callable[[MessageQueue], Message],
        by: AuditEntry | None = None,
    ) -> Message:
        return await self._committer.run(lambda tx: tx.change_message(session_id, act, by))

    # Approvals.

    async def open_approval(
        self, session_id: str, question: Question, at: int, expires_ms: int | None
    ) -> Approval:
        """Open an approval, with the event that tells of it."""
        return await self._committer.run(
            lambda tx: tx.open_approval(session_id, question, at, expires_ms)
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
        return await self._committer.run(
            lambda tx: tx.close_approval(session_id, approval_id, state, resolution, by)
        )

    async def close_approvals(
        self, session_id: str, state: ApprovalState, resolution: Resolution
    ) -> list[Approval]:
        """Close all approvals of a session that wait, in one commit, with the events."""
        return await self._committer.run(
            lambda tx: tx.close_approvals(session_id, state, resolution)
        )

    async def leave_approvals(
        self, session_id: str, ids: Collection[int], at: int
    ) -> list[Approval]:
        """Leave approvals to their agent's own terminal; return those that were not before."""
        return await self._committer.run(lambda tx: tx.leave_approvals(session_id, ids, at))

    async def approvals(self, session_id: str | None) -> list[Approval]:
        """Return the approvals that are remembered, in order; no session means of all."""
        if session_id is None:
            await self._committer.catch_up()
            return self._state.approvals()
        return (await self._committer.record(session_id)).approvals.all

    # The audit.

    async def record_entry(self, entry: AuditEntry) -> AuditEntry:
        """Keep an entry of the audit; return it with its number."""
        return await self._committer.run(lambda tx: tx.record_entry(entry))

    async def audit_entries(self, query: AuditQuery) -> list[AuditEntry]:
        """Return entries of the audit in order."""
        await self._committer.catch_up()
        return self._state.audit_entries(query)

    # The ledger.

    async def usage_entries(self, since_ms: int, until_ms: int) -> list[UsageEntry]:
        """Return the entries that have something of a time, those of a session in order."""
        await self._committer.catch_up()
        return self._state.ledger.within(since_ms, until_ms)

    async def usage_spent(self) -> list[SpentByModel]:
        """Return what this process has entered since it began, by agent and model."""
        return self._state.ledger.spent()

    async def drop_usage(self, at: int) -> None:
        """Drop what is older than the host keeps it."""
        await self._committer.run(lambda tx: tx.drop_usage(at))
