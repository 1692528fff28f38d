"""What a transaction writes, as the rows of a journal's tables."""

from __future__ import annotations

from sxhost.codec.json import encode
from sxhost.model.names import KeptNative
from sxhost.store.journal import Lease, WriteBatch
from sxhost.store.runs import pack, runs_of, stored
from sxhost.store.session_draft import SessionDraft
from sxhost.store.transaction import Transaction
from sxhost.store.usage_ledger import LedgerDraft

__all__ = ["ARCHIVED", "write_batch"]

ARCHIVED = "archived:"
"""Begins the name under which `meta` keeps since when a session is archived."""


def write_batch(transaction: Transaction, native: KeptNative = "facts") -> WriteBatch:
    """Return the rows that a transaction writes.

    :param native: which events are kept with the agent's own message.
    """
    batch = WriteBatch(drop=transaction.drop)
    for session_id, draft in transaction.sessions.items():
        if draft.deleted or draft.replaces:
            batch.deleted_sessions.append(session_id)
        if not draft.deleted:
            _add_session(batch, session_id, draft, transaction.at_ms, native)
        if draft.archived:
            since = (ARCHIVED + session_id, str(transaction.at_ms))
            batch.rows.setdefault("meta", []).append(since)
    batch.deleted_sessions.extend(transaction.deleted_archives)
    batch.revived_sessions.extend(transaction.revived.values())
    if transaction.audit:
        batch.rows["audit"] = [(entry.id, encode(entry)) for entry in transaction.audit]
        batch.deleted_entries = transaction.forgotten_entry
    if transaction.ledger is not None:
        _add_usage(batch, transaction.ledger)
    if batch.deleted_sessions or batch.deleted_messages or batch.deleted_approvals:
        # What is deleted may have had the last numbers, which nobody else is to have.
        numbers = ("last_event", "last_message", "last_approval")
        rows = [(name, str(getattr(transaction, name))) for name in numbers]
        batch.rows.setdefault("meta", []).extend(rows)
    return batch


def _add_session(
    batch: WriteBatch, session_id: str, draft: SessionDraft, at: int, native: KeptNative
) -> None:
    rows = batch.rows
    if draft.session_changed:
        rows.setdefault("session", []).append((session_id, encode(draft.session)))
    for stream, run in runs_of(draft.new_events):
        body = pack([stored(event, stream, native) for event in run])
        row = (run[0].id, session_id, run[0].seq, len(run), at, stream, body)
        rows.setdefault("log", []).append(row)
    if draft.superseded:
        rows.setdefault("superseded", []).extend(map(tuple, draft.superseded))
    if draft.new_keys:
        keys = [(session_id, key, event.seq, event.id) for key, event in draft.new_keys.items()]
        rows.setdefault("key", []).extend(keys)
    for message in draft.changed_messages.values():
        key = draft.messages.key_of(message.id)
        rows.setdefault("message", []).append((message.id, session_id, encode(message), key))
    batch.leases += [Lease(number, session_id, end) for number, end in draft.leases.items()]
    for approval in draft.changed_approvals.values():
        asked = (approval.id, session_id, encode(approval))
        rows.setdefault("approval", []).append(asked)
    batch.deleted_approvals.extend(draft.forgotten_approvals)
    batch.deleted_messages.extend(draft.forgotten_messages)


def _add_usage(batch: WriteBatch, ledger: LedgerDraft) -> None:
    batch.deleted_usage.extend(ledger.dropped)
    batch.deleted_readings.extend(ledger.dropped_readings)
    if ledger.written:
        batch.rows["usage"] = [(*name, encode(one)) for name, one in ledger.written.items()]
    if ledger.readings:
        read = ledger.readings.items()
        batch.rows["reading"] = [(name, encode(reading)) for name, reading in read]
