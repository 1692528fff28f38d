"""Changes to what is known of sessions, made to copies first.

Nobody sees a `Transaction` until it is committed: the memory store does so at once, a
durable store when its journal has it.  One that fails is just dropped.  Several operations
can share a transaction; each sees what those before it have done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice

from msgspec import Raw
from msgspec.structs import asdict, replace

from sxhost.codec.json import encode
from sxhost.errors import SessionLimit, UnknownSession
from sxhost.model.approval import Approval, ApprovalState, Question, Resolution
from sxhost.model.auth import AuditEntry
from sxhost.model.event import Event
from sxhost.model.event_types import ApprovalMovedEvent, UsageEvent
from sxhost.model.message import Message, MessageDraft
from sxhost.model.session import (
    Hosting,
    Registration,
    SeenDraft,
    Session,
    State,
    Succession,
)
from sxhost.model.session_state import apply_events
from sxhost.store.approvals import ApprovalBook
from sxhost.store.contracts import Committed, Draft
from sxhost.store.journal import Drop, Dropped
from sxhost.store.message_queue import MessageQueue
from sxhost.store.recent_events import SessionEvents
from sxhost.store.session_draft import SessionDraft
from sxhost.store.state import Archived, SessionRecord, StoredSession, StoreState
from sxhost.store.usage_ledger import LedgerDraft

__all__ = ["Transaction"]

DAY_MS = 86_400_000


NOTHING_DROPPED = Dropped()


class Transaction:
    """A draft of the next state; see the module."""

    __slots__ = (
        *("at_ms", "audit", "deleted_archives", "drop", "dropped", "last_approval"),
        *("last_event", "last_message", "ledger", "revived", "sessions", "_state"),
    )

    def __init__(self, state: StoreState) -> None:
        self.sessions: dict[str, SessionDraft] = {}
        self.at_ms = state.at_ms
        self.last_event = state.last_event
        self.last_message = state.last_message
        self.last_approval = state.last_approval
        self.audit: list[AuditEntry] = []
        """New entries of the audit."""
        self.deleted_archives: list[str] = []
        """Archived sessions that are deleted."""
        self.revived: dict[str, StoredSession] = {}
        """Sessions that are archived no longer."""
        self.ledger: LedgerDraft | None = None
        """What was used, if anything was."""
        self.drop: Drop | None = None
        """What retention has the journal drop."""
        self.dropped = NOTHING_DROPPED
        self._state = state

    def register(
        self, session_id: str, registration: Registration | Hosting | Succession, at: int
    ) -> tuple[Session, bool]:
        """Create or update a session; tell whether it is new."""
        draft, created = self._draft_or_new(session_id, at)
        given = {k: v for k, v in asdict(registration).items() if v is not None}
        draft.session = replace(draft.session, last_seen_ms=at, **given)
        return draft.session, created

    def mark_seen(self, session_id: str, draft: SeenDraft) -> Session:
        """Note up to where somebody has looked; what is marked for later is not done with."""
        changed = self._draft(session_id)
        session = changed.session
        last = session.event_count if draft.seq is None else draft.seq
        changed.session = replace(
            session,
            seen_seq=max(session.seen_seq, min(last, session.event_count)),
            flagged=session.flagged if draft.flag is None else draft.flag,
        )
        return changed.session

    def delete(self, session_id: str, by: AuditEntry | None = None) -> None:
        """Forget a session."""
        if session_id in self.deleted_archives:
            raise UnknownSession(session_id)
        if session_id in self._state.archived and session_id not in self.sessions:
            self.deleted_archives.append(session_id)
        else:
            self._draft(session_id).deleted = True
        if by is not None:
            self.record_entry(by)

    def archive(self, session_id: str) -> None:
        """Let a session make room; where it was kept nowhere else, it is forgotten."""
        if self._state.only_copy:
            self.delete(session_id)
            return
        self._draft(session_id).archived = True
        archived = self._state.archived
        if len(archived) >= self._state.limits.archived:
            going = {*self.revived, *self.deleted_archives}
            left = (name for name in archived if name not in going)
            self.deleted_archives.extend(islice(left, 1))

    def revive(self, kept: StoredSession, archiving: object) -> None:
        """Bring an archived session back, unless something has happened to it since.

        :param archiving: what `StoreState.archived` had of it when `kept` was read.
        :raises SessionLimit: it would be one too many.
        """
        session_id = kept.session.id
        unchanged = self._state.archived.get(session_id) is archiving
        if not unchanged or session_id in self.revived or session_id in self.deleted_archives:
            return
        if self._session_count() >= self._state.limits.sessions:
            raise SessionLimit(self._state.limits.sessions)
        self.revived[session_id] = kept

    def append_events(
        self, session_id: str, drafts: Sequence[Draft], at: int, older: Mapping[str, Event]
    ) -> list[Event]:
        """Number events and keep them, but for those whose keys stand for an event already.

        :param older: what the keys stand for that have left memory.
        """
        changed, _ = self._draft_or_new(session_id, at)
        seq, events, new, usage = changed.session.event_count, [], [], []
        for draft in drafts:
            key = draft.key
            event = changed.find_key(key, older) if key is not None else None
            if event is None:
                seq += 1
                event = self._number(session_id, seq, draft)
                new.append(event)
                if event.event == UsageEvent.name:
                    usage.append(event)
                if key is not None:
                    changed.new_keys[key] = event
            events.append(event)
        used_before = changed.session.usage
        if new:
            self.at_ms = at
            changed.add_events(new)
            changed.session = apply_events(changed.session, new, at)
        for event in usage:
            self._ledger().note(changed.session, event, used_before)
        return events

    def _ledger(self) -> LedgerDraft:
        if self.ledger is None:
            self.ledger = LedgerDraft(self._state.ledger, self._state.limits)
        return self.ledger

    def drop_usage(self, at: int) -> None:
        """Drop from the ledger what is too old; `at` is the wall clock."""
        before = at - self._state.limits.usage_days * DAY_MS
        self._ledger().drop_older(before, self._state.known.holds)

    def _number(self, session_id: str, seq: int, draft: Draft) -> Event:
        self.last_event = number = self.last_event + 1
        at = draft.ts_ms
        return Event(draft.event, draft.data, at // 1000, seq, number, at, session_id)

    def put_message(
        self, session_id: str, draft: MessageDraft, at: int, by: AuditEntry | None = None
    ) -> tuple[Message, int]:
        """Queue a message; return it and how many now wait."""
        changed = self._draft(session_id)
        message = changed.messages.find_key(draft.key)
        if message is None:
            message = changed.messages.put(self.last_message + 1, draft, at)
            self.last_message += 1
            changed.changed_messages[message.id] = message
            self._record_message(by, message)
        return message, len(changed.messages)

    def take_messages(self, session_id: str, lease: float) -> list[Message]:
        """Take what is queued; a journal keeps deliveries, and leases that nodes share."""
        changed = self._draft(session_id)
        changed.changed_messages.update(changed.messages.expired())
        taken = changed.messages.take(lease)
        if not lease:
            changed.changed_messages.update((message.id, message) for message in taken)
        self._share_leases(changed, taken)
        return taken

    def lease_message(self, session_id: str, message_id: int, seconds: float) -> Message:
        """Take one queued message on lease, which ends with its host."""
        changed = self._draft(session_id)
        message = changed.messages.lease(message_id, seconds)
        self._share_leases(changed, [message])
        return message

    def _share_leases(self, changed: SessionDraft, messages: Sequence[Message]) -> None:
        """Note when the leases of messages end, if there is anybody else to know it."""
        if self._state.shares_leases:
            ends = ((one.id, changed.messages.lease_end(one.id)) for one in messages)
            changed.leases.update(ends)

    def change_message(
        self,
        session_id: str,
        act: Callable[[MessageQueue], Message],
        by: AuditEntry | None = None,
    ) -> Message:
        """Confirm, give back or withdraw a message."""
        changed = self._draft(session_id)
        message = act(changed.messages)
        changed.changed_messages[message.id] = message
        if message.state == "queued":
            self._share_leases(changed, [message])
        self._record_message(by, message)
        return message

    def open_approval(
        self, session_id: str, question: Question, at: int, expires_ms: int | None
    ) -> Approval:
        """Open an approval and append the event that tells of it, unless it is open."""
        changed = self._draft(session_id)
        number = self.last_approval + 1
        approval, event = changed.approvals.open_approval(number, question, at, expires_ms)
        if event is not None:
            self.last_approval = max(self.last_approval, approval.id)
            self._note_approval(changed, approval, event, at)
        return approval

    def leave_approvals(self, session_id: str, ids: Collection[int], at: int) -> list[Approval]:
        """Leave approvals to their agent's terminal, each with the event that tells of it."""
        changed = self._draft(session_id)
        left = [changed.approvals.leave_to_terminal(one, at) for one in ids]
        moved = [approval for approval in left if approval is not None]
        for approval in moved:
            self._note_approval(changed, approval, ApprovalMovedEvent.name, at)
        return moved

    def close_approval(
        self,
        session_id: str,
        approval_id: int,
        state: ApprovalState,
        resolution: Resolution,
        by: AuditEntry | None = None,
    ) -> Approval:
        """Close an approval and append the event that tells of it."""
        changed = self._draft(session_id)
        approval = changed.approvals.close_approval(approval_id, state, resolution)
        self._note_approval(changed, approval, "approval-resolved", resolution.at_ms)
        if by is not None:
            self.record_entry(by)
        return approval

    def close_approvals(
        self, session_id: str, state: ApprovalState, resolution: Resolution
    ) -> list[Approval]:
        """Close all approvals of a session that wait."""
        pending = self._draft(session_id).approvals.pending
        return [self.close_approval(session_id, one.id, state, resolution) for one in pending]

    def _note_approval(
        self, changed: SessionDraft, approval: Approval, event: str, at: int
    ) -> None:
        changed.changed_approvals[approval.id] = approval
        again = event == ApprovalMovedEvent.name  # the log has the agent's own message already
        data = encode(replace(approval, native=None) if again else approval)
        if len(data) > self._state.limits.event_size:
            data = encode(replace(approval, native=None))
        self.append_events(approval.session, [Draft(event, Raw(data), at)], at, {})

    def record_entry(self, entry: AuditEntry) -> AuditEntry:
        """Number an entry of the audit."""
        numbered = replace(entry, id=self._state.last_entry + len(self.audit) + 1)
        self.audit.append(numbered)
        return numbered

    def _record_message(self, by: AuditEntry | None, message: Message) -> None:
        if by is not None:
            self.record_entry(replace(by, detail=f"message {message.id}"))

    def drop_events(self, what: Drop) -> Transaction:
        """Have the journal drop a step's worth of something; `dropped` tells it in the end."""
        self.drop = what
        return self

    @property
    def forgotten_entry(self) -> int:
        """The last entry of the audit for which there is no room; 0 or less for none."""
        return self._state.last_entry + len(self.audit) - self._state.limits.deeds

    @property
    def writes(self) -> bool:
        """Whether there is something for a journal to write."""
        others = self.audit, self.deleted_archives, self.revived, self.drop
        return (
            any(others)
            or (self.ledger is not None and self.ledger.writes)
            or any(draft.writes for draft in self.sessions.values())
        )

    def commit(self) -> None:
        """Make the state what the transaction has drafted, and feed the caches with it."""
        state = self._state
        state.add_entries(self.audit)
        if self.ledger is not None:
            self.ledger.commit()
        logs: list[SessionEvents] = []
        for session_id, draft in self.sessions.items():
            if draft.deleted or draft.replaces:
                state.remove(session_id)
            if not draft.deleted:
                self._apply(session_id, draft)
                if draft.new_events:
                    logs.append((session_id, draft.new_events, draft.new_keys))
        state.recent.append(logs, self.last_event)
        state.last_event, state.last_message = self.last_event, self.last_message
        state.last_approval, state.at_ms = self.last_approval, self.at_ms
        committed = self._committed([session_id for session_id, _, _ in logs])
        if committed.removed or self.revived:
            self._commit_archives()
        if self.dropped is not NOTHING_DROPPED:
            self._note_dropped()
        state.on_commit(committed)

    def _committed(self, logs: Sequence[str]) -> Committed:
        """Return what has changed; `logs` are those of the sessions that have more events."""
        inboxes: list[str] = []
        removed: list[str] = []
        for session_id, draft in self.sessions.items():
            if draft.deleted or draft.archived:
                removed.append(session_id)
            if draft.changed_messages and draft.has_queued:
                inboxes.append(session_id)
        return Committed(logs, inboxes, [*removed, *self.deleted_archives])

    def _commit_archives(self) -> None:
        """Make the archived sessions what the transaction has drafted."""
        state = self._state
        for session_id in self.deleted_archives:
            state.remove(session_id)
        for kept in self.revived.values():
            state.restore(kept)
        for session_id, draft in self.sessions.items():
            if draft.archived:
                state.archive(session_id)

    def _note_dropped(self) -> None:
        """Let the caches know where logs begin now."""
        for session_id, floor in self.dropped.floors.items():
            if self._state.known.holds(session_id):
                self._state.recent.drop(session_id, floor)
        self._state.recent.superseded.remove(self.dropped.superseded)

    def _apply(self, session_id: str, draft: SessionDraft) -> None:
        if draft.is_new:
            ring = self._state.recent.open(session_id)
            messages, approvals = draft.messages, draft.approvals
            record = SessionRecord(draft.session, ring, messages, approvals, {})
            self._state.add(record)
        draft.apply_to(self._state.records[session_id])
        self._state.known.put(draft.session)
        if draft.superseded:
            self._state.recent.superseded.add(draft.superseded, self._state.seconds())

    def _draft(self, session_id: str) -> SessionDraft:
        """Return the draft of a session that there is."""
        draft = self.sessions.get(session_id)
        if draft is None:
            record = self._state.record(session_id)
            draft = self.sessions[session_id] = SessionDraft(
                record.session, record, record.messages, record.approvals
            )
        if draft.archived:
            raise Archived(session_id)
        if draft.deleted:
            raise UnknownSession(session_id)
        return draft

    def _draft_or_new(self, session_id: str, at: int) -> tuple[SessionDraft, bool]:
        try:
            return self._draft(session_id), False
        except Archived:
            raise
        except UnknownSession:
            pass
        limits = self._state.limits
        if self._session_count() >= limits.sessions:
            raise SessionLimit(limits.sessions)
        idle = State("idle", "registered", at)
        session = Session(id=session_id, start_ms=at, last_seen_ms=at, state=idle)
        messages = MessageQueue(session_id, limits, self._state.seconds)
        draft = SessionDraft(session, None, messages, ApprovalBook(session_id, limits))
        draft.replaces = session_id in self._state.records
        self.sessions[session_id] = draft
        return draft, True

    def _session_count(self) -> int:
        """Return how many sessions there will be that are not archived."""
        drafted = [d for d in self.sessions.values() if not (d.deleted or d.archived)]
        untouched = sum(name not in self.sessions for name in self._state.records)
        return len(drafted) + len(self.revived) + untouched
