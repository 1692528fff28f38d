"""Where sessions, their logs and their inboxes live.

A store is a part that can be exchanged: `MemoryStore` forgets with the process, others do
not.  One contract suite (``tests/contracts/test_store.py``) says what all of them must do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from msgspec import Raw, Struct

from sxhost.model.approval import Approval, ApprovalState, Question, Resolution
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.session import Event, Hosting, Message, MessageDraft, Registration, Session

__all__ = ["Draft", "SessionCounts", "Store", "StoreUnusable", "take_enough"]


class StoreUnusable(Exception):
    """A store cannot begin; the message is a sentence for whoever starts the host."""


class Draft(Struct, frozen=True):
    """An event that has been checked and has no number yet; `ts_ms` is its Unix time."""

    event: str
    data: Raw
    ts_ms: int
    key: str | None = None


def take_enough(events: Iterable[Event], limit: int | None, size: int | None) -> list[Event]:
    """Take events until there are `limit`, or `size` bytes of data."""
    taken: list[Event] = []
    for event in islice(events, limit):
        taken.append(event)
        if size is not None:
            size -= len(event.data)
            if size <= 0:
                break
    return taken


class SessionCounts(Struct, frozen=True):
    """How much a store holds: events ever appended, messages waiting or on lease now."""

    events: int
    messages: int


class Store(Protocol):
    """The verbs of a store.  What they acknowledge is kept; each is atomic.

    `at` is the wall clock in Unix milliseconds and only a label: order comes from the
    numbers that the store gives out, leases from its own monotonic clock.
    With `by`, the audit has an entry of it, kept with it or not at all.
    Every verb with a session id raises `UnknownSession`, but for `register` and `append`.
    """

    name: str
    epoch: str
    """Names the life of this log; a new store has a new epoch."""

    @property
    def durability(self) -> str:
        """What an acknowledged write survives: none, the end of a process, of power."""

    @property
    def missing(self) -> str:
        """What was missing at the start of what was acknowledged: a sentence, or nothing."""

    def open(self) -> None:
        """Begin, where a terminal can still be told what is wrong; this may block.

        :raises StoreUnusable: what was kept cannot be used, and was left as it is.
        """

    async def register(
        self, session_id: str, registration: Registration | Hosting, at: int
    ) -> tuple[Session, bool]:
        """Create or update a session; tell whether it is new.

        :raises SessionLimit: it would be one too many.
        """

    async def session(self, session_id: str) -> Session:
        """Return one session."""

    async def sessions(self) -> Sequence[Session]:
        """Return all sessions in the order of their ids."""

    async def delete(self, session_id: str, by: AuditEntry | None = None) -> None:
        """Forget a session with its log and inbox."""

    async def archive(self, session_id: str) -> None:
        """Let a session make room, out of every list.

        A durable store still reads it by its id, and has it back once something is written
        to it; the memory store forgets it.
        """

    async def append_events(
        self, session_id: str, drafts: Sequence[Draft], at: int
    ) -> list[Event]:
        """Number and keep events, all or none; an unknown session is created.

        A draft whose key is still in the log is not kept again: its first event stands in
        its place in the answer.

        :raises SessionLimit: the session is new and would be one too many.
        """

    @property
    def position(self) -> int:
        """The id of the last event that may be read."""

    @property
    def hot_size(self) -> int:
        """How many bytes of memory events take; `hot_bytes` at the most."""

    @property
    def buffered(self) -> int:
        """The id after which a reader of all sessions begins that names no place."""

    def all_known(self) -> Iterable[Session]:
        """Return all sessions at once, in no order."""

    def known(self, session_id: str) -> Session | None:
        """Return a session at once, or None."""

    def holds(self, session_id: str) -> bool:
        """Tell whether there is such a session; archived ones are not `known`."""

    def cached_events(self, session_id: str | None, position: int) -> list[Event] | None:
        """Return the events after the id `position` at once, if memory has them all.

        None: they must be read.  No session means all of them together.
        """

    def pruned(self, session_id: str | None) -> int:
        """Return the id up to which retention has dropped events (0: it has dropped none)."""

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
        """Return retained events in order, after `seq` and after the id `position`.

        No session means all of them together, in the order of their ids.  With `size`, it
        stops once the events have so many bytes of data, so that no reader costs more.
        """

    async def put_message(
        self, session_id: str, draft: MessageDraft, at: int, by: AuditEntry | None = None
    ) -> tuple[Message, int]:
        """Queue a message; return it and how many now wait.

        :raises QueueFull: as many as may be are waiting already.
        """

    async def take_messages(self, session_id: str, lease: float) -> list[Message]:
        """Take all queued messages: for good, or for `lease` seconds if that is not 0."""

    async def peek_messages(self, session_id: str) -> list[Message]:
        """Return all messages that are remembered, in order, with their states."""

    async def count_waiting(self, session_id: str) -> int:
        """Return how many messages are queued or on lease."""

    async def lease_message(self, session_id: str, message_id: int, seconds: float) -> Message:
        """Take one queued message on lease; `MessageClosed` if it is queued no longer."""

    async def ack_message(self, session_id: str, message_id: int) -> Message:
        """Mark a message as delivered.

        :raises UnknownMessage: it is not remembered.
        :raises MessageClosed: it was withdrawn.
        """

    async def nack_message(self, session_id: str, message_id: int) -> Message:
        """Return a leased message to its place; errors as for `ack`."""

    async def withdraw(
        self, session_id: str, message_id: int, by: AuditEntry | None = None
    ) -> Message:
        """Take a queued message back; `MessageClosed` if it was taken."""

    async def open_approval(
        self, session_id: str, question: Question, at: int, expires_ms: int | None
    ) -> Approval:
        """Open an approval, with the event that tells of it; a pending one stays as it is."""

    async def close_approval(
        self,
        session_id: str,
        approval_id: int,
        state: ApprovalState,
        resolution: Resolution,
        by: AuditEntry | None = None,
    ) -> Approval:
        """Close an approval, with the event that tells of it.

        :raises UnknownApproval: it is not remembered.
        :raises AlreadyAnswered: it is closed.
        """

    async def close_approvals(
        self, session_id: str, state: ApprovalState, resolution: Resolution
    ) -> list[Approval]:
        """Close all approvals of a session that wait, in one commit, with the events."""

    async def approvals(self, session_id: str | None) -> list[Approval]:
        """Return the approvals that are remembered, in order; no session means of all."""

    async def record_entry(self, deed: AuditEntry) -> AuditEntry:
        """Keep an entry of the audit; return it with its number."""

    async def audit_entries(self, query: AuditQuery) -> list[AuditEntry]:
        """Return entries of the audit in order."""

    async def counts(self) -> SessionCounts:
        """Count what the store holds."""

    async def sweep(self, at: int) -> None:
        """Drop what is older than the host retains, in small steps."""

    async def ping(self) -> None:
        """Go once round by the way that every write takes; return when that is done."""

    async def close(self) -> None:
        """Let go of what the store holds open; nothing may be asked of it after."""
