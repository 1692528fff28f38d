"""What a change writes: the rows of one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sxhost.codec.json import encode, encode_lines
from sxhost.model.session import Event
from sxhost.store.sqlite.rows import ARCHIVED, WriteBatch
from sxhost.store.transaction import Change, RowDraft

__all__ = ["write_batch"]

ROW_SIZE = 64 * 1024
"""Bytes of data in one row of the log: who reads an event reads its whole row."""


def write_batch(change: Change, at: int) -> WriteBatch:
    """Return the rows that a change writes, at a time of the wall clock in milliseconds."""
    page = WriteBatch()
    for session_id, draft in change.rows.items():
        if draft.deleted or draft.replaces:
            page.sessions_gone.append(session_id)
        if not draft.deleted:
            _add(page, session_id, draft, at)
        if draft.archived:
            page.rows.setdefault("meta", []).append((ARCHIVED + session_id, str(at)))
    page.sessions_gone.extend(change.dropped)
    page.revived.extend(change.revived)
    if change.deeds:
        page.rows["audit"] = [(deed.id, encode(deed)) for deed in change.deeds]
        page.deeds_gone = change.deeds_gone
    if page.sessions_gone or page.messages_gone or page.approvals_gone:
        # What goes may have had the last numbers, and nobody else is to have them.
        last = {
            "last_event": change.last_event,
            "last_message": change.last_message,
            "last_approval": change.last_approval,
        }
        numbers = [(name, str(number)) for name, number in last.items()]
        page.rows.setdefault("meta", []).extend(numbers)
    return page


def _add(page: WriteBatch, session_id: str, draft: RowDraft, at: int) -> None:
    rows = page.rows
    if draft.fresh or draft.touched:
        rows.setdefault("session", []).append((session_id, encode(draft.session)))
    for run in _runs(draft.events):
        line = (run[0].id, session_id, run[0].seq, len(run), at, encode_lines(run))
        rows.setdefault("log", []).append(line)
    if draft.keys:
        keys = [(session_id, key, event.seq) for key, event in draft.keys.items()]
        rows.setdefault("key", []).extend(keys)
    for message in draft.messages.values():
        key = draft.inbox.key_of(message.id)
        rows.setdefault("message", []).append((message.id, session_id, encode(message), key))
    for approval in draft.approvals.values():
        asked = (approval.id, session_id, encode(approval))
        rows.setdefault("approval", []).append(asked)
    if draft.owns_book:
        page.approvals_gone.extend(draft.book.forgotten)
    if draft.owns_inbox:
        page.messages_gone.extend(draft.inbox.forgotten)


def _runs(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Split events where the ids of another session's lie between them, and into rows."""
    run: list[Event] = []
    size = 0
    for event in events:
        if run and (event.id != run[-1].id + 1 or size >= ROW_SIZE):
            yield run
            run, size = [], 0
        run.append(event)
        size += len(event.data)
    if run:
        yield run
