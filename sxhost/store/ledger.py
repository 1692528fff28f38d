"""What a store holds in memory, and changes to it that are made on paper first.

A `Change` copies what it touches.  Nobody sees it until `commit`: the memory store commits
at once, a durable store when its journal has it; a change that fails is just dropped.
Several operations can share one change, each seeing what those before it did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import merge
from operator import attrgetter

from msgspec import Raw
from msgspec.structs import asdict, replace

from sxhost.access import Deed
from sxhost.approval import Approval, ApprovalState, Question, Resolution
from sxhost.codec.json import encode
from sxhost.errors import SessionLimit, UnknownSession
from sxhost.limits import Limits
from sxhost.model import Event, Hosting, Message, MessageDraft, Registration, Session, State
from sxhost.state import after
from sxhost.store import Draft
from sxhost.store.book import Book
from sxhost.store.hot import Hot
from sxhost.store.inbox import Inbox
from sxhost.store.ring import Ring

__all__ = ["Change", "Ledger", "Row", "RowDraft"]


class Row:
    """All that is kept in memory of one session.

    `pruned` is the id of its last event that retention has dropped: who has not read so
    far has missed something; `floor` is the number of the first that a journal retains.
    """

    def __init__(
        self, session: Session, ring: Ring, inbox: Inbox, book: Book, pruned: int = 0
    ) -> None:
        self.session = session
        self.ring = ring
        self.inbox = inbox
        self.book = book
        self.pruned = pruned
        self.floor = 1


class RowDraft:
    """What a change makes of one session."""

    def __init__(self, session: Session, row: Row | None, inbox: Inbox, book: Book) -> None:
        self.session = session
        self.events: list[Event] = []
        self.keys: dict[str, Event] = {}
        self.messages: dict[int, Message] = {}
        self.deleted = False
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
        return bool(self.deleted or self.replaces or self.touched or told)

    @property
    def inbox(self) -> Inbox:
        """The inbox as the change sees it; a copy, once asked for."""
        if not self.owns_inbox:
            self._inbox, self.owns_inbox = self._inbox.copy(), True
        return self._inbox

    @property
    def book(self) -> Book:
        """The approvals as the change sees them; a copy, once asked for."""
        if not self.owns_book:
            self._book, self.owns_book = self._book.copy(), True
        return self._book

    def known(self, key: str, older: Mapping[str, Event]) -> Event | None:
        """Return the event that was appended under `key`, by this change or before."""
        hot = self._row.ring.known(key) if self._row else None
        return self.keys.get(key) or hot or older.get(key)


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
        self.deeds: deque[Deed] = deque(maxlen=limits.deeds)
        self.hot = Hot(limits)

    def row(self, session_id: str) -> Row:
        """Return a session's row.

        :raises UnknownSession: there is none.
        """
        row = self.rows.get(session_id)
        if row is None:
            raise UnknownSession(session_id)
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
        book = Book(session.id, self.limits)
        book.restore(approvals)
        row = self.rows[session.id] = Row(session, ring, inbox, book)
        return row

    def start_at(self, last_event: int, last_message: int, last_approval: int) -> None:
        """Go on numbering after these."""
        self.last_approval = last_approval
        self.last_event = self.hot.start = last_event
        self.last_message = last_message

    def restore_audit(self, deeds: Sequence[Deed]) -> None:
        """Put the audit back as a journal has kept it."""
        self.deeds.extend(deeds)
        self.last_deed = deeds[-1].id if deeds else 0

    def forget(self, session_id: str) -> None:
        """Drop a session and its events."""
        self.rows.pop(session_id, None)
        self.hot.forget(session_id)

    def prune(self, row: Row, position: int) -> None:
        """Take note that retention has dropped a session's events up to an id."""
        row.pruned = max(row.pruned, position)
        self.pruned = max(self.pruned, position)

    def note(self, events: Sequence[Event]) -> None:
        """Keep events, in the order of their ids, for those who read all sessions."""
        for session_id in self.hot.note(events):
            self.shortened(self.rows[session_id])

    def shortened(self, row: Row) -> None:
        """Take note that events have left a session's ring."""
        if self.forgetful:
            self.prune(row, row.ring.start)


class Change:
    """A draft of the ledger's next state; see the module."""

    def __init__(self, ledger: Ledger) -> None:
        self.rows: dict[str, RowDraft] = {}
        self.last_event = ledger.last_event
        self.last_message = ledger.last_message
        self.last_approval = ledger.last_approval
        self.deeds: list[Deed] = []
        self._ledger = ledger

    def register(
        self, session_id: str, registration: Registration | Hosting, at: int
    ) -> tuple[Session, bool]:
        """Create or update a session; tell whether it is new."""
        draft, created = self._draft_or_new(session_id, at)
        given = {k: v for k, v in asdict(registration).items() if v is not None}
        draft.session = replace(draft.session, last_seen_ms=at, **given)
        return draft.session, created

    def delete(self, session_id: str, by: Deed | None = None) -> None:
        """Forget a session."""
        self._draft(session_id).deleted = True
        if by is not None:
            self.record(by)

    def append(
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
            row.session = after(row.session, new, at)
        return events

    def put(
        self, session_id: str, draft: MessageDraft, at: int, by: Deed | None = None
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

    def take(self, session_id: str, lease: float) -> list[Message]:
        """Take what is queued; a lease is not worth a journal's while, a delivery is."""
        row = self._draft(session_id)
        row.messages.update(row.inbox.expired())
        taken = row.inbox.take(lease)
        if not lease:
            row.messages.update((message.id, message) for message in taken)
        return taken

    def close(
        self, session_id: str, how: Callable[[Inbox], Message], by: Deed | None = None
    ) -> Message:
        """Confirm, give back or withdraw a message."""
        row = self._draft(session_id)
        message = how(row.inbox)
        row.messages[message.id] = message
        self._record(by, message)
        return message

    def ask(
        self, session_id: str, question: Question, at: int, expires_ms: int | None
    ) -> Approval:
        """Open an approval, or find it open."""
        row = self._draft(session_id)
        number = self.last_approval + 1
        approval, is_new = row.book.ask(number, question, at, expires_ms)
        if is_new:
            self.last_approval = max(self.last_approval, approval.id)
            self._tell(row, approval, "approval-requested", at)
        return approval

    def settle(
        self,
        session_id: str,
        approval_id: int,
        state: ApprovalState,
        resolution: Resolution,
        by: Deed | None = None,
    ) -> Approval:
        """Close an approval."""
        row = self._draft(session_id)
        approval = row.book.settle(approval_id, state, resolution)
        self._tell(row, approval, "approval-resolved", resolution.at_ms)
        if by is not None:
            self.record(by)
        return approval

    def _tell(self, row: RowDraft, approval: Approval, name: str, at: int) -> None:
        row.approvals[approval.id] = approval
        data = encode(approval)
        if approval.resolution or len(data) > self._ledger.limits.event_size:
            data = encode(replace(approval, native=None))
        self.append(approval.session, [Draft(name, Raw(data), at)], at, {})

    def record(self, deed: Deed) -> Deed:
        """Number an entry of the audit."""
        numbered = replace(deed, id=self._ledger.last_deed + len(self.deeds) + 1)
        self.deeds.append(numbered)
        return numbered

    def _record(self, by: Deed | None, message: Message) -> None:
        if by is not None:
            self.record(replace(by, detail=f"message {message.id}"))

    @property
    def deeds_gone(self) -> int:
        """The last entry of the audit that its limit leaves no room for."""
        return self._ledger.last_deed + len(self.deeds) - self._ledger.limits.deeds

    @property
    def writes(self) -> bool:
        """Whether there is something for a journal to write."""
        return bool(self.deeds) or any(draft.writes for draft in self.rows.values())

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
        ledger.note(list(merge(*kept, key=attrgetter("id"))))
        ledger.last_event, ledger.last_message = self.last_event, self.last_message
        ledger.last_approval = self.last_approval

    def _apply(self, draft: RowDraft, row: Row) -> None:
        row.session = draft.session
        if draft.owns_inbox:
            row.inbox = draft.inbox
            row.inbox.forgotten.clear()
        if draft.owns_book:
            row.book = draft.book
            row.book.forgotten.clear()
        if self._ledger.hot.extend(row.session.id, draft.events, draft.keys):
            self._ledger.shortened(row)

    def _draft(self, session_id: str) -> RowDraft:
        draft = self.rows.get(session_id)
        if draft is None:
            row = self._ledger.row(session_id)
            draft = self.rows[session_id] = RowDraft(row.session, row, row.inbox, row.book)
        if draft.deleted:
            raise UnknownSession(session_id)
        return draft

    def _draft_or_new(self, session_id: str, at: int) -> tuple[RowDraft, bool]:
        try:
            return self._draft(session_id), False
        except UnknownSession:
            pass
        limits = self._ledger.limits
        if self._count() >= limits.sessions:
            raise SessionLimit(limits.sessions)
        state = State("idle", "registered", at)
        session = Session(id=session_id, start_ms=at, last_seen_ms=at, state=state)
        inbox = Inbox(session_id, limits, self._ledger.seconds)
        draft = RowDraft(session, None, inbox, Book(session_id, limits))
        draft.replaces = session_id in self._ledger.rows
        self.rows[session_id] = draft
        return draft, True

    def _count(self) -> int:
        here = {session_id for session_id, draft in self.rows.items() if not draft.deleted}
        return len(here) + sum(session_id not in self.rows for session_id in self._ledger.rows)

    def _number(self, session_id: str, seq: int, draft: Draft) -> Event:
        self.last_event = number = self.last_event + 1
        at = draft.ts_ms
        return Event(draft.event, draft.data, at // 1000, seq, number, at, session_id)
