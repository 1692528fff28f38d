"""What other nodes have committed, made part of this node's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from sxhost.model.approval import Approval
from sxhost.model.auth import AuditEntry
from sxhost.model.event import Event
from sxhost.model.message import Message
from sxhost.model.session import Session
from sxhost.model.usage import UsageEntry
from sxhost.store.approvals import ApprovalBook
from sxhost.store.journal import Dropped
from sxhost.store.message_queue import MessageQueue
from sxhost.store.metering import UsageReading
from sxhost.store.news import Change, News
from sxhost.store.session_draft import SessionDraft
from sxhost.store.state import StoreState
from sxhost.store.transaction import Transaction
from sxhost.store.usage_ledger import LedgerDraft
from sxhost.store.write_batch import ARCHIVED

__all__ = ["follow"]

_session = msgspec.json.Decoder(Session)
_message = msgspec.json.Decoder(Message)
_approval = msgspec.json.Decoder(Approval)
_usage = msgspec.json.Decoder(UsageEntry)
_reading = msgspec.json.Decoder(UsageReading)
_entry = msgspec.json.Decoder(AuditEntry)


def follow(state: StoreState, news: News) -> list[Transaction]:
    """Commit to a state what others have committed; return the transactions."""
    transactions: list[Transaction] = []
    done = 0
    for change in news.changes:
        count = sum(event.id <= change.last_event for event in news.events[done:])
        events = news.events[done : done + count]
        done += count
        transaction, lost_keys = _transaction(state, change, events)
        state.recent.drop_pieces(change.superseded)
        transaction.commit()
        for session_id, number in lost_keys.items():
            if session_id in state.records:
                state.records[session_id].ring.lose_keys(number)
        transactions.append(transaction)
    return transactions


def _transaction(
    state: StoreState, change: Change, events: Sequence[Event]
) -> tuple[Transaction, Mapping[str, int]]:
    """Return the transaction that has made a change, as far as the state is concerned.

    The second value tells up to which events keys of sessions are the journal's alone.
    """
    transaction = Transaction(state)
    transaction.revived = {kept.session.id: kept for kept in change.revived_sessions}
    drafting = _Drafting(state, transaction, change)
    drafting.draft(events)
    transaction.audit = [_entry.decode(body) for _, body in change.table("audit")]
    transaction.ledger = _ledger(state, change)
    transaction.dropped = Dropped(change.floors, change.superseded)
    return transaction, drafting.lost_keys


def _ledger(state: StoreState, change: Change) -> LedgerDraft | None:
    """Return what a change makes of the ledger, if anything."""
    written = [_usage.decode(body) for _, _, body in change.table("usage")]
    readings = {name: _reading.decode(body) for name, body in change.table("reading")}
    if not (written or readings or change.deleted_usage or change.deleted_readings):
        return None
    ledger = LedgerDraft(state.ledger, state.limits)
    ledger.replicate(written, change.deleted_usage, readings, change.deleted_readings)
    return ledger


class _Drafting:
    """Drafts what a change makes of each session that it concerns."""

    def __init__(self, state: StoreState, transaction: Transaction, change: Change) -> None:
        self._state = state
        self._transaction = transaction
        self._change = change
        self._sessions = {i: _session.decode(body) for i, body in change.table("session")}
        self.lost_keys: dict[str, int] = {}
        """By session: the last event with a key that has left the log already."""
        self._meta: dict[str, str] = dict(change.table("meta"))

    def draft(self, events: Sequence[Event]) -> None:
        """Fill the transaction."""
        for session_id in self._change.deleted_sessions:
            self._delete(session_id)
        for session_id, session in self._sessions.items():
            self._of(session_id).session = session
        self._draft_events(events)
        self._draft_messages()
        self._draft_approvals()
        for name in self._meta:
            if name.startswith(ARCHIVED):
                self._of(name.removeprefix(ARCHIVED)).archived = True
        self._count(events)

    def _delete(self, session_id: str) -> None:
        if session_id in self._sessions:
            self._of(session_id).replaces = session_id in self._state.records
        elif session_id in self._state.records:
            self._of(session_id).deleted = True
        if session_id in self._state.archived:
            self._transaction.deleted_archives.append(session_id)

    def _of(self, session_id: str) -> SessionDraft:
        """Return the draft of a session, which is a new one if it was deleted before."""
        drafts, state = self._transaction.sessions, self._state
        draft = drafts.get(session_id)
        if draft is None:
            known = state.records.get(session_id)
            made_anew = session_id in self._sessions and (
                session_id in self._change.deleted_sessions
            )
            if known is None or made_anew:
                messages = MessageQueue(session_id, state.limits, state.seconds)
                books = ApprovalBook(session_id, state.limits)
                draft = SessionDraft(self._sessions[session_id], None, messages, books)
            else:
                draft = SessionDraft(known.session, known, known.messages, known.approvals)
            drafts[session_id] = draft
        return draft

    def _draft_events(self, events: Sequence[Event]) -> None:
        by_id = {event.id: event for event in events}
        for session_id in dict.fromkeys(event.session for event in events):
            new = [event for event in events if event.session == session_id]
            self._of(session_id).add_events(new)
        for session_id, key, _, number in self._change.table("key"):
            if number in by_id:
                self._of(session_id).new_keys[key] = by_id[number]
            else:
                self.lost_keys[session_id] = number

    def _draft_messages(self) -> None:
        for _, session_id, body, key in self._change.table("message"):
            draft, message = self._of(session_id), _message.decode(body)
            draft.messages.replicate(message, key, self._change.at)
            draft.changed_messages[message.id] = message
        for number, session_id, until, _ in self._change.table("lease"):
            draft = self._of(session_id)
            leased = draft.messages.lease_until(number, until)
            if leased is not None and leased.state == "queued":
                draft.changed_messages[number] = leased
        if self._change.deleted_messages:
            for draft in self._touched():
                draft.messages.forget(self._change.deleted_messages)

    def _draft_approvals(self) -> None:
        for _, session_id, body in self._change.table("approval"):
            draft, approval = self._of(session_id), _approval.decode(body)
            draft.approvals.replicate(approval)
            draft.changed_approvals[approval.id] = approval
        if self._change.deleted_approvals:
            for draft in self._touched():
                draft.approvals.forget(self._change.deleted_approvals)

    def _touched(self) -> list[SessionDraft]:
        return list(self._transaction.sessions.values())

    def _count(self, events: Sequence[Event]) -> None:
        """Take note of the last numbers that were given out."""
        transaction, change = self._transaction, self._change
        transaction.last_event = change.last_event
        if events:
            transaction.at_ms = events[-1].ts_ms
        for kind in ("message", "approval"):
            name = f"last_{kind}"
            numbers = [row[0] for row in change.table(kind)]
            numbers += [int(self._meta.get(name, 0)), getattr(transaction, name)]
            setattr(transaction, name, max(numbers))
