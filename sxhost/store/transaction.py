"""Changes to what a store holds, made on paper first.

A `Change` copies what it touches.  Nobody sees it until `commit`: the memory store commits
at once, a durable store when its journal has it; a change that fails is just dropped.
Several operations can share one change, each seeing what those before it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import merge
from itertools import islice
from operator import attrgetter

from msgspec import Raw
from msgspec.structs import asdict, replace

from sxhost.codec.json import encode
from sxhost.errors import SessionLimit, UnknownSession
from sxhost.model.approval import Approval, ApprovalState, Question, Resolution
from sxhost.model.auth import AuditEntry
from sxhost.model.session import (
    Event,
    Hosting,
    Message,
    MessageDraft,
    Registration,
    Session,
    State,
)
from sxhost.model.session_state import apply_events
from sxhost.store.approvals import ApprovalBook
from sxhost.store.archive import Archived, ArchivedLog, StoredSession
from sxhost.store.contracts import Draft
from sxhost.store.inbox import Inbox
from sxhost.store.ledger import Ledger, Row

__all__ = ["Change", "RowDraft"]


class RowDraft:
    """What a change makes of one session."""

    def __init__(
        self, session: Session, row: Row | None, inbox: Inbox, book: ApprovalBook
    ) -> None:
        self.session = session
        self.events: list[Event] = []
        self.keys: dict[str, Event] = {}
        self.messages: dict[int, Message] = {}
        self.deleted = self.archived = False
        self.fresh = row is None
        self.owns_inbox = self.owns_book = row is None
        self.approvals: dict[int, Approval] = {}
        self.replaces = False
        self._row = row
        self._inbox = inbox
        self._book = book

    @property
    def touched(self) -> bool:
        """Whether the session itself has changed."""
        return self._row is None or self.session is not self._row.session

    @property
    def writes(self) -> bool:
        """Whether there is something for a journal: a lease, for one, is not."""
        forgotten = (self.owns_inbox and self._inbox.forgotten) or (
            self.owns_book and self._book.forgotten
        )
        told = self.events or self.keys or self.messages or self.approvals or forgotten
        return bool(self.deleted or self.archived or self.replaces or self.touched or told)

    @property
    def inbox(self) -> Inbox:
        """The inbox as the change sees it; a copy, once asked for."""
        if not self.owns_inbox:
            self._inbox, self.owns_inbox = self._inbox.copy(), True
        return self._inbox

    @property
    def book(self) -> ApprovalBook:
        """The approvals as the change sees them; a copy, once asked for."""
        if not self.owns_book:
            self._book, self.owns_book = self._book.copy(), True
        return self._book

    def known(self, key: str, older: Mapping[str, Event]) -> Event | None:
        """Return the event that was appended under `key`, by this change or before."""
        hot = self._row.ring.known(key) if self._row else None
        return self.keys.get(key) or hot or older.get(key)


class Change:
    """A draft of the ledger's next state; see the module."""

    def __init__(self, ledger: Ledger) -> None:
        self.rows: dict[str, RowDraft] = {}
        self.last_event = ledger.last_event
        self.last_message = ledger.last_message
        self.last_approval = ledger.last_approval
        self.deeds: list[AuditEntry] = []
        self.dropped: list[str] = []
        """Archived sessions that are forgotten."""
        self.revived: dict[str, StoredSession] = {}
        """Sessions that are archived no longer."""
        self._ledger = ledger

    def register(
        self, session_id: str, registration: Registration | Hosting, at: int
    ) -> tuple[Session, bool]:
        """Create or update a session; tell whether it is new."""
        draft, created = self._draft_or_new(session_id, at)
        given = {k: v for k, v in asdict(registration).items() if v is not None}
        draft.session = replace(draft.session, last_seen_ms=at, **given)
        return draft.session, created

    def delete(self, session_id: str, by: AuditEntry | None = None) -> None:
        """Forget a session."""
        if session_id in self.dropped:
            raise UnknownSession(session_id)
        if session_id in self._ledger.archived and session_id not in self.rows:
            self.dropped.append(session_id)
        else:
            self._draft(session_id).deleted = True
        if by is not None:
            self.record_entry(by)

    def archive(self, session_id: str) -> None:
        """Let a session make room; where it was kept nowhere else, it is forgotten."""
        if self._ledger.forgetful:
            self.delete(session_id)
            return
        self._draft(session_id).archived = True
        archived = self._ledger.archived
        if len(archived) >= self._ledger.limits.archived:
            left = (s for s in archived if s not in self.revived and s not in self.dropped)
            self.dropped.extend(islice(left, 1))

    def revive(self, kept: StoredSession, shelved: ArchivedLog) -> None:
        """Put an archived session back, unless something has happened to it since."""
        session_id = kept.session.id
        same = self._ledger.archived.get(session_id) is shelved
        if not same or session_id in self.revived or session_id in self.dropped:
            return
        if self._count() >= self._ledger.limits.sessions:
            raise SessionLimit(self._ledger.limits.sessions)
        self.revived[session_id] = kept

    def append_events(
        self, session_id: str, drafts: Sequence[Draft], at: int, older: Mapping[str, Event]
    ) -> list[Event]:
        """Number events; `older` holds those that earlier, no longer hot keys stand for."""
        row, _ = self._draft_or_new(session_id, at)
        seq, events, new = row.session.event_count, [], []
        for draft in drafts:
            key = draft.key
            event = row.known(key, older) if key is not None else None
            if event is None:
                seq += 1
                event = self._number(session_id, seq, draft)
                new.append(event)
                if key is not None:
                    row.keys[key] = event
            events.append(event)
        if new:
            row.events += new
            row.session = apply_events(row.session, new, at)
        return events

    def put_message(
        self, session_id: str, draft: MessageDraft, at: int, by: AuditEntry | None = None
    ) -> tuple[Message, int]:
        """Queue a message."""
        row = self._draft(session_id)
        message = row.inbox.known(draft.key)
        if message is None:
            message = row.inbox.put(self.last_message + 1, draft, at)
            self.last_message += 1
            row.messages[message.id] = message
            self._record(by, message)
        return message, len(row.inbox)

    def take_messages(self, session_id: str, lease: float) -> list[Message]:
        """Take what is queued; a lease is not worth a journal's while, a delivery is."""
        row = self._draft(session_id)
        row.messages.update(row.inbox.expired())
        taken = row.inbox.take(lease)
        if not lease:
            row.messages.update((message.id, message) for message in taken)
        return taken

    def change_message(
        self, session_id: str, how: Callable[[Inbox], Message], by: AuditEntry | None = None
    ) -> Message:
        """Confirm, give back or withdraw a message."""
        row = self._draft(session_id)
        message = how(row.inbox)
        row.messages[message.id] = message
        self._record(by, message)
        return message

    def open_approval(
        self, session_id: str, question: Question, at: int, expires_ms: int | None
    ) -> Approval:
        """Open an approval, or find it open."""
        row = self._draft(session_id)
        number = self.last_approval + 1
        approval, is_new = row.book.open_approval(number, question, at, expires_ms)
        if is_new:
            self.last_approval = max(self.last_approval, approval.id)
            self._tell(row, approval, "approval-requested", at)
        return approval

    def close_approval(
        self,
        session_id: str,
        approval_id: int,
        state: ApprovalState,
        resolution: Resolution,
        by: AuditEntry | None = None,
    ) -> Approval:
        """Close an approval."""
        row = self._draft(session_id)
        approval = row.book.close_approval(approval_id, state, resolution)
        self._tell(row, approval, "approval-resolved", resolution.at_ms)
        if by is not None:
            self.record_entry(by)
        return approval

    def close_approvals(
        self, session_id: str, state: ApprovalState, resolution: Resolution
    ) -> list[Approval]:
        """Close all approvals of a session that wait."""
        pending = self._draft(session_id).book.pending
        return [self.close_approval(session_id, one.id, state, resolution) for one in pending]

    def _tell(self, row: RowDraft, approval: Approval, name: str, at: int) -> None:
        row.approvals[approval.id] = approval
        data = encode(approval)
        if len(data) > self._ledger.limits.event_size:
            data = encode(replace(approval, native=None))
        self.append_events(approval.session, [Draft(name, Raw(data), at)], at, {})

    def record_entry(self, deed: AuditEntry) -> AuditEntry:
        """Number an entry of the audit."""
        numbered = replace(deed, id=self._ledger.last_deed + len(self.deeds) + 1)
        self.deeds.append(numbered)
        return numbered

    def _record(self, by: AuditEntry | None, message: Message) -> None:
        if by is not None:
            self.record_entry(replace(by, detail=f"message {message.id}"))

    @property
    def deeds_gone(self) -> int:
        """The last entry of the audit that its limit leaves no room for."""
        return self._ledger.last_deed + len(self.deeds) - self._ledger.limits.deeds

    @property
    def writes(self) -> bool:
        """Whether there is something for a journal to write."""
        return bool(self.deeds or self.dropped or self.revived) or any(
            draft.writes for draft in self.rows.values()
        )

    def commit(self) -> None:
        """Make it so."""
        ledger = self._ledger
        ledger.deeds.extend(self.deeds)
        ledger.last_deed += len(self.deeds)
        for session_id, draft in self.rows.items():
            if draft.deleted or draft.replaces:
                ledger.forget(session_id)
            if draft.fresh and not draft.deleted:
                ring = ledger.hot.open(session_id)
                row = Row(draft.session, ring, draft.inbox, draft.book)
                ledger.rows[session_id] = row
            if not draft.deleted:
                self._apply(draft, ledger.rows[session_id])
        kept = (draft.events for draft in self.rows.values() if not draft.deleted)
        ledger.cache_events(list(merge(*kept, key=attrgetter("id"))))
        ledger.last_event, ledger.last_message = self.last_event, self.last_message
        ledger.last_approval = self.last_approval
        self._commit_archive()

    def _commit_archive(self) -> None:
        for session_id in self.dropped:
            del self._ledger.archived[session_id]
        for kept in self.revived.values():
            self._ledger.revive(kept)
        for session_id, draft in self.rows.items():
            if draft.archived:
                self._ledger.archive(session_id)

    def _apply(self, draft: RowDraft, row: Row) -> None:
        row.session = draft.session
        if draft.owns_inbox:
            row.inbox = draft.inbox
            row.inbox.forgotten.clear()
        if draft.owns_book:
            row.book = draft.book
            row.book.forgotten.clear()
        if self._ledger.hot.extend(row.session.id, draft.events, draft.keys):
            self._ledger.note_shortened(row)

    def _draft(self, session_id: str) -> RowDraft:
        draft = self.rows.get(session_id)
        if draft is None:
            row = self._ledger.row(session_id)
            draft = self.rows[session_id] = RowDraft(row.session, row, row.inbox, row.book)
        if draft.archived:
            raise Archived(session_id)
        if draft.deleted:
            raise UnknownSession(session_id)
        return draft

    def _draft_or_new(self, session_id: str, at: int) -> tuple[RowDraft, bool]:
        try:
            return self._draft(session_id), False
        except Archived:
            raise
        except UnknownSession:
            pass
        limits = self._ledger.limits
        if self._count() >= limits.sessions:
            raise SessionLimit(limits.sessions)
        state = State("idle", "registered", at)
        session = Session(id=session_id, start_ms=at, last_seen_ms=at, state=state)
        inbox = Inbox(session_id, limits, self._ledger.seconds)
        draft = RowDraft(session, None, inbox, ApprovalBook(session_id, limits))
        draft.replaces = session_id in self._ledger.rows
        self.rows[session_id] = draft
        return draft, True

    def _count(self) -> int:
        here = [one for one in self.rows.values() if not (one.deleted or one.archived)]
        return (
            len(here)
            + len(self.revived)
            + sum(session_id not in self.rows for session_id in self._ledger.rows)
        )

    def _number(self, session_id: str, seq: int, draft: Draft) -> Event:
        self.last_event = number = self.last_event + 1
        at = draft.ts_ms
        return Event(draft.event, draft.data, at // 1000, seq, number, at, session_id)
