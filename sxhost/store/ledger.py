"""What a store holds in memory: sessions, their newest events, inboxes, approvals."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from sxhost.errors import UnknownSession
from sxhost.model.approval import Approval
from sxhost.model.auth import AuditEntry
from sxhost.model.limits import Limits
from sxhost.model.session import Event, Message, Session
from sxhost.store.approvals import ApprovalBook
from sxhost.store.archive import Archived, ArchivedLog, StoredSession
from sxhost.store.hot import EventCache
from sxhost.store.inbox import Inbox
from sxhost.store.recent_events import RecentEvents

__all__ = ["Ledger", "Row"]


class Row:
    """All that is kept in memory of one session.

    `pruned` is the id of its last event that retention has dropped: who has not read so
    far has missed something; `floor` is the number of the first that a journal retains.
    """

    def __init__(
        self,
        session: Session,
        ring: RecentEvents,
        inbox: Inbox,
        book: ApprovalBook,
        pruned: int = 0,
    ) -> None:
        self.session = session
        self.ring = ring
        self.inbox = inbox
        self.book = book
        self.pruned = pruned
        self.floor = 1


class Ledger:
    """The rows of all sessions and the counters of the host.

    What leaves a ring is `forgetful`ly gone, or else a journal has it still.
    """

    def __init__(
        self, limits: Limits, seconds: Callable[[], float], *, forgetful: bool
    ) -> None:
        self.forgetful = forgetful
        self.pruned = 0
        self.limits = limits
        self.seconds = seconds
        self.rows: dict[str, Row] = {}
        self.last_event = 0
        self.last_message = 0
        self.last_approval = 0
        self.last_deed = 0
        self.deeds: deque[AuditEntry] = deque(maxlen=limits.deeds)
        self.hot = EventCache(limits)
        self.archived: dict[str, ArchivedLog] = {}

    def row(self, session_id: str) -> Row:
        """Return a session's row.

        :raises UnknownSession: there is none.
        """
        row = self.rows.get(session_id)
        if row is None:
            raise (Archived if session_id in self.archived else UnknownSession)(session_id)
        return row

    def restore(
        self,
        session: Session,
        messages: Iterable[tuple[Message, str | None]],
        approvals: Iterable[Approval] = (),
    ) -> Row:
        """Put a session back that a journal has kept; its ring begins empty."""
        inbox = Inbox(session.id, self.limits, self.seconds)
        inbox.restore(messages)
        ring = self.hot.open(session.id, self.last_event)
        book = ApprovalBook(session.id, self.limits)
        book.restore(approvals)
        row = self.rows[session.id] = Row(session, ring, inbox, book)
        return row

    def revive(self, kept: StoredSession) -> None:
        """Put an archived session back into memory."""
        shelved = self.archived.pop(kept.session.id)
        row = self.restore(kept.session, kept.messages, kept.approvals)
        row.floor, row.pruned = shelved.floor, shelved.pruned

    def start_at(self, last_event: int, last_message: int, last_approval: int) -> None:
        """Go on numbering after these."""
        self.last_approval = last_approval
        self.last_event = self.hot.start = last_event
        self.last_message = last_message

    def restore_audit(self, deeds: Sequence[AuditEntry]) -> None:
        """Put the audit back as a journal has kept it."""
        self.deeds.extend(deeds)
        self.last_deed = deeds[-1].id if deeds else 0

    def forget(self, session_id: str) -> None:
        """Drop a session and its events."""
        self.rows.pop(session_id, None)
        self.hot.forget(session_id)

    def archive(self, session_id: str) -> None:
        """Let a session go that a journal has."""
        row = self.rows.pop(session_id)
        self.hot.close(session_id)
        self.archived[session_id] = ArchivedLog(self.last_event, row.floor, row.pruned)

    def prune(self, row: Row, position: int) -> None:
        """Take note that retention has dropped a session's events up to an id."""
        row.pruned = max(row.pruned, position)
        self.pruned = max(self.pruned, position)

    def cache_events(self, events: Sequence[Event]) -> None:
        """Keep events, in the order of their ids, for those who read all sessions."""
        for session_id in self.hot.add_recent(events):
            self.note_shortened(self.rows[session_id])

    def note_shortened(self, row: Row) -> None:
        """Take note that events have left a session's ring."""
        if self.forgetful:
            self.prune(row, row.ring.start)
