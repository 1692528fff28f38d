"""What is known of all sessions; changed only by the commit of a `Transaction`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter

from msgspec import Struct

from sxhost.errors import UnknownSession
from sxhost.model.approval import Approval
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.limits import Limits
from sxhost.model.message import Message
from sxhost.model.pieces import Superseded
from sxhost.model.session import Session
from sxhost.store.approvals import ApprovalBook
from sxhost.store.contracts import Committed
from sxhost.store.event_ring import EventRing
from sxhost.store.known_sessions import KnownSessions
from sxhost.store.message_queue import MessageQueue
from sxhost.store.recent_events import RecentEvents
from sxhost.store.usage_ledger import UsageLedger

__all__ = ["Archived", "SessionRecord", "StoreState", "StoredSession"]


class Archived(UnknownSession):
    """The session has made room: the journal alone has it."""

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.session_id = session_id


class StoredSession(Struct, frozen=True):
    """What a journal has of one session, but for its events; messages with their keys."""

    session: Session
    messages: list[tuple[Message, str | None]]
    approvals: list[Approval]
    streams: list[str] = []
    """The streams that its log has pieces of."""


class SessionRecord(Struct, eq=False):
    """All that is known of one session; `ring` has the newest of its events."""

    session: Session
    ring: EventRing
    messages: MessageQueue
    approvals: ApprovalBook
    streams: dict[str, None]
    """The streams of its pieces that nothing has whole yet (`sxhost.model.pieces`)."""


class StoreState:
    """The records of all sessions, the audit's newest entries, the ledger, the last numbers.

    It feeds the caches `known` and `recent` with what is committed.

    :param seconds: a monotonic clock, by which leases end.
    :param only_copy: whether there is no journal; what has to leave is lost then.
    """

    def __init__(
        self, limits: Limits, seconds: Callable[[], float], *, only_copy: bool
    ) -> None:
        self.limits = limits
        self.seconds = seconds
        self.only_copy = only_copy
        self.shares_leases = False
        """Whether other nodes write too, which are to know of this one's leases."""
        self.records: dict[str, SessionRecord] = {}
        self.archived: dict[str, object] = {}
        """Archived sessions, oldest first; each value is there for its identity alone."""
        self.audit: deque[AuditEntry] = deque(maxlen=limits.deeds)
        self.at_ms = 0
        """When events were appended last, by the wall clock."""
        self.last_event = 0
        self.last_message = 0
        self.last_approval = 0
        self.last_entry = 0
        self.on_commit: Callable[[Committed], object] = lambda _: None
        """Is told of each commit."""
        self.ledger = UsageLedger()
        self.known = KnownSessions()
        self.recent = RecentEvents(limits, only_copy=only_copy)

    # What is read.

    def record(self, session_id: str) -> SessionRecord:
        """Return what is known of a session.

        :raises Archived: the journal alone has it.
        :raises UnknownSession: there is none.
        """
        record = self.records.get(session_id)
        if record is None:
            raise (Archived if session_id in self.archived else UnknownSession)(session_id)
        return record

    def approvals(self) -> list[Approval]:
        """Return the approvals of all sessions that are remembered, in order."""
        found = [one for record in self.records.values() for one in record.approvals.all]
        return sorted(found, key=attrgetter("id"))

    def audit_entries(self, query: AuditQuery) -> list[AuditEntry]:
        """Return entries of the audit in order."""
        if query.after is None:
            return list(self.audit)[-query.limit :]
        return [entry for entry in self.audit if entry.id > query.after][: query.limit]

    def drop_superseded(self) -> Sequence[Superseded]:
        """Let memory go of some pieces that the log has whole; return which, if any are due.

        Where there is a journal, it is to drop them next.
        """
        due = self.recent.superseded.due(self.seconds())
        if due:
            self.recent.drop_pieces(due)
            if self.only_copy:
                self.recent.superseded.remove(due)
        return due

    # What a journal has kept.

    def start_at(self, event: int, message: int, approval: int) -> None:
        """Go on numbering after these."""
        self.last_event, self.last_message, self.last_approval = event, message, approval
        self.recent.start_at(event)

    def record_of(self, stored: StoredSession, ring: EventRing) -> SessionRecord:
        """Return a record of what the journal has of a session, without adding it."""
        messages = MessageQueue(stored.session.id, self.limits, self.seconds)
        messages.restore(stored.messages)
        approvals = ApprovalBook(stored.session.id, self.limits)
        approvals.restore(stored.approvals)
        streams = dict.fromkeys(stored.streams)
        return SessionRecord(stored.session, ring, messages, approvals, streams)

    def restore(self, stored: StoredSession) -> None:
        """Add a session as the journal has it; its ring begins empty."""
        self.archived.pop(stored.session.id, None)
        ring = self.recent.open(stored.session.id, self.last_event)
        self.add(self.record_of(stored, ring))

    # What a transaction commits.

    def add(self, record: SessionRecord) -> None:
        """Add a session."""
        self.records[record.session.id] = record
        self.known.put(record.session)

    def add_entries(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries to the audit, whose oldest make room."""
        self.audit.extend(entries)
        self.last_entry = entries[-1].id if entries else self.last_entry

    def remove(self, session_id: str) -> None:
        """Remove a session and its events, archived or not."""
        self.records.pop(session_id, None)
        self.archived.pop(session_id, None)
        self.known.remove(session_id)
        self.recent.remove(session_id)

    def archive(self, session_id: str) -> None:
        """Let go of a session, or know of one, that the journal alone has from now on."""
        self.records.pop(session_id, None)
        self.archived[session_id] = object()
        self.known.archive(session_id)
        self.recent.archive(session_id, self.last_event)
