"""What a store can do: six small contracts, and `Store`, which is all of them.

Whoever needs a store names the contracts that it needs: the reader of logs an `EventLog`,
the approval broker `Approvals`.  `MemoryStore` forgets with the process, `JournalledStore` does
not; the suites in ``tests/contracts`` say what both must do.

Nothing here assumes that this process is the only one that writes.  Three rules follow:

- An ``async`` verb speaks for the whole store: what it returns contains every write that
  anybody was told of before it was called.
- `EventLog.recent` and `Sessions.known` are caches that the store feeds: read at once,
  whole, and perhaps a moment behind other writers.  They contain what a verb of this process
  has returned.
- A verb that refuses (a queue is full, an approval is closed) has decided so together with
  its write, and never from a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import Raw, Struct

from sxhost.model.approval import Approval, ApprovalState, Question, Resolution
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.event import Event
from sxhost.model.message import Message, MessageDraft
from sxhost.model.search import EventSearch
from sxhost.model.session import (
    Hosting,
    Registration,
    SeenDraft,
    Session,
    Succession,
)
from sxhost.model.usage import SpentByModel, UsageEntry
from sxhost.store.known_sessions import KnownSessions
from sxhost.store.recent_events import RecentEvents

__all__ = [
    "Approvals",
    "AuditLog",
    "Committed",
    "Draft",
    "EventLog",
    "FoundEvents",
    "Inbox",
    "Ledger",
    "SessionCounts",
    "Sessions",
    "StandingBy",
    "Store",
    "StoreUnusable",
]


class StoreUnusable(Exception):
    """A store cannot begin; the message is a sentence for whoever starts the host."""


class StoreInUse(StoreUnusable):
    """Another host has it, and still runs."""


class StandingBy(StoreInUse):
    """Another host has it; this one may wait until that ends, and open it then."""


class Draft(Struct, frozen=True):
    """An event that has been checked and has no number yet; `ts_ms` is its Unix time.

    `key` is its idempotency key.
    """

    event: str
    data: Raw
    ts_ms: int
    key: str | None = None


class SessionCounts(Struct, frozen=True):
    """How much a store holds: events ever appended, messages waiting or on lease now."""

    events: int
    messages: int


class Committed(Struct, frozen=True):
    """What a commit has changed that somebody may wait for, by the ids of sessions."""

    logs: Sequence[str] = ()
    """Whose logs have more events."""
    inboxes: Sequence[str] = ()
    """Who has messages that are to be taken."""
    removed: Sequence[str] = ()
    """Which are deleted, or have made room."""


class FoundEvents(Struct, frozen=True):
    """What a step of a search has found, the newest first, and where it is to go on."""

    events: list[Event]
    before: int | None
    """The next step searches what is older than this id; None: nothing is."""
    unindexed: int = 0
    """About how many of the oldest events are not searched yet."""


class Sessions(Protocol):
    """Which sessions there are.

    In all contracts `at` is the wall clock in Unix milliseconds and only a label; `by` is an
    entry of the audit that is kept together with the act, or not at all.  Every verb with a
    session id raises `UnknownSession`, but for `register` and `append_events`, which create
    one.
    """

    @property
    def known(self) -> KnownSessions:
        """A cache of all sessions, to be read at once."""

    async def register(
        self, session_id: str, registration: Registration | Hosting | Succession, at: int
    ) -> tuple[Session, bool]:
        """Create or update a session; return it, and whether it is new.

        :raises SessionLimit: it would be one too many.
        """

    async def mark_seen(self, session_id: str, draft: SeenDraft) -> Session:
        """Note up to where somebody has looked at a session; that never goes back."""

    async def session(self, session_id: str) -> Session:
        """Return one session, archived or not."""

    async def sessions(self) -> Sequence[Session]:
        """Return all sessions that are not archived, in the order of their ids."""

    async def delete(self, session_id: str, by: AuditEntry | None = None) -> None:
        """Delete a session with its log, messages and approvals."""

    async def archive(self, session_id: str) -> None:
        """Let a session make room, out of every list.

        A durable store still reads it by its id, and has it back once something is written
        to it; the memory store deletes it.
        """


class EventLog(Protocol):
    """The logs of all sessions; order comes from the numbers that the store gives out."""

    @property
    def epoch(self) -> str:
        """The name of this life of the log; a new store has a new one."""

    @property
    def recent(self) -> RecentEvents:
        """A cache of the newest events, to be read at once; it knows where the log ends."""

    async def append_events(
        self, session_id: str, drafts: Sequence[Draft], at: int
    ) -> list[Event]:
        """Number and keep events, all or none; an unknown session is created.

        A draft whose key is still in the log is not kept again: its first event stands in
        its place in the answer.

        :raises SessionLimit: the session is new and would be one too many.
        """

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

        Pieces that the log has whole may be among them for a while (`recent.superseded`).
                No session means all of them together, in the order of their ids.

        :param limit: the most events to return.
        :param size: bytes of data after which to stop, so that no reader costs more.
        :param names: the events to return; none means all.
        """

    async def seq_before(self, session_id: str, count: int) -> int:
        """Return the number after which a session's last `count` facts come; 0 for all."""

    async def search_events(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search facts that are older than the id `before`: a step, the newest first.

        :param limit: the most events to return.
        """

    async def sweep(self, at: int) -> None:
        """Drop what is older than the host retains, in small steps; index what is new."""


class Inbox(Protocol):
    """Messages to sessions' agents: queued, on lease, closed and remembered for a while."""

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
        """Return a leased message to its place; errors as for `ack_message`."""

    async def withdraw(
        self, session_id: str, message_id: int, by: AuditEntry | None = None
    ) -> Message:
        """Take a queued message back; `MessageClosed` if it was taken."""


class Approvals(Protocol):
    """What agents ask: open, or closed and remembered for a while."""

    async def open_approval(
        self, session_id: str, question: Question, at: int, expires_ms: int | None
    ) -> Approval:
        """Open an approval, with the event that tells of it; a pending one stays as it is.

        :raises AlreadyAnswered: the agent's user has answered it meanwhile, at its terminal.
        """

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
        :raises OnlyAtTerminal: nobody would hear of the answer but at the terminal.
        """

    async def leave_approvals(
        self, session_id: str, ids: Collection[int], at: int
    ) -> list[Approval]:
        """Leave approvals to their agent's own terminal; return those that were not before.

        Each comes with the event that tells of it.
        """

    async def close_approvals(
        self, session_id: str, state: ApprovalState, resolution: Resolution
    ) -> list[Approval]:
        """Close all approvals of a session that wait, in one commit, with the events."""

    async def approvals(self, session_id: str | None) -> list[Approval]:
        """Return the approvals that are remembered, in order; no session means of all."""


class AuditLog(Protocol):
    """Who did what, when; the oldest entries make room."""

    async def record_entry(self, entry: AuditEntry) -> AuditEntry:
        """Keep an entry; return it with its number."""

    async def audit_entries(self, query: AuditQuery) -> list[AuditEntry]:
        """Return entries in order."""


class Ledger(Protocol):
    """What agents have used; it outlives the events that say so, and their sessions.

    Nobody writes to it: `append_events` enters what ``usage`` events add, in the same commit.
    """

    async def usage_entries(self, since_ms: int, until_ms: int) -> list[UsageEntry]:
        """Return the entries that have something of a time, those of a session in order."""

    async def usage_spent(self) -> list[SpentByModel]:
        """Return what this process has entered since it began, by agent and model."""

    async def drop_usage(self, at: int) -> None:
        """Drop what is older than the host keeps it; `sweep` does."""


class Store(Sessions, EventLog, Inbox, Approvals, AuditLog, Ledger, Protocol):
    """All of it, opened and closed.  What a verb acknowledges is kept; each is atomic."""

    @property
    def name(self) -> str:
        """The kind of store: ``memory``, ``sqlite``, ``postgresql``."""

    @property
    def is_shared(self) -> bool:
        """Whether other nodes write to it as well."""

    @property
    def durability(self) -> str:
        """What an acknowledged write survives: none, a process, power, or replicas."""

    @property
    def missing(self) -> str:
        """What was missing at the start of what was acknowledged: a sentence, or nothing."""

    def watch(self, committed: Callable[[Committed], object]) -> None:
        """Have each commit told, once the caches have it and before any verb returns."""

    def open(self) -> None:
        """Begin, where a terminal can still be told what is wrong; this may block.

        :raises StoreUnusable: what was kept cannot be used, and was left as it is.
        :raises StandingBy: another host has it; `take_over` opens it once that has ended.
        """

    async def take_over(self) -> None:
        """Open it, if the host that has it has ended; errors as for `open`."""

    async def beat(self) -> None:
        """Show those who stand by that this host lives; to be called once in a second.

        :raises StoreUnavailable: it cannot be reached now.
        """

    async def counts(self) -> SessionCounts:
        """Count what the store holds."""

    async def ping(self) -> None:
        """Go once round by the way that every write takes; return when that is done."""

    async def close(self) -> None:
        """Let go of what the store holds open; nothing may be asked of it after."""
