"""Stores of each kind, and what tests of them say in short."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from sxhost.codec.json import encode
from sxhost.model.approval import Question, Resolution
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.message import MessageDraft
from sxhost.store.contracts import Draft, Store
from sxhost.store.group_commit import Threads
from sxhost.store.memory import MemoryStore
from sxhost.store.superseded import LINGER_S
from sxhost.testing import result_of

MakeStore = Callable[..., Store]


def at_once(function: Callable[..., Any], *given: Any) -> Deferred[Any]:
    """Run what would run in a thread here and now."""
    return maybeDeferred(function, *given)


HERE = Threads(at_once, at_once, at_once)


def draft(event: str = "thinking", data: bytes = b"null", key: str | None = None) -> Draft:
    return Draft(event, Raw(data), 5_000, key)


def append(store: Store, session_id: str, *drafts: Draft) -> list[tuple[int, str]]:
    events = result_of(store.append_events(session_id, drafts, 7_000))
    return [(event.seq, event.event) for event in events]


def logs_before_and_after_pieces_leave(
    told: Iterable[tuple[str, Any]],
) -> tuple[Sequence[Event], Sequence[Event]]:
    """Return the log of a session as it was written, and once superseded pieces have left.

    :param told: names and data of its events.
    """
    clock = Clock()
    store = MemoryStore(Limits(), clock.seconds)
    drafts = [Draft(name, Raw(encode(data)), 0, None) for name, data in told]
    result_of(store.append_events("s", drafts, 0))
    before = result_of(store.read_events("s"))
    clock.advance(LINGER_S)
    result_of(store.sweep(0))
    return before, result_of(store.read_events("s"))


def put(store: Store, content: str, **fields: Any) -> int:
    message, _ = result_of(
        store.put_message("a", MessageDraft(content=content, **fields), 7_000)
    )
    return message.id


def states(store: Store) -> list[tuple[str, str]]:
    return [(m.content, m.state) for m in result_of(store.peek_messages("a"))]


def take(store: Store, lease: float = 0) -> list[str]:
    return [message.content for message in result_of(store.take_messages("a", lease))]


def note(store: Store, what: str) -> None:
    result_of(store.record_entry(AuditEntry(0, what, "a", "", "admin", 1000, "127.0.0.1", 7)))


def audited(store: Store, **query: int) -> list[tuple[int, str]]:
    return [
        (entry.id, entry.what) for entry in result_of(store.audit_entries(AuditQuery(**query)))
    ]


def question(key: str = "q1") -> Question:
    return Question(key=key, kind="command", title=f"Run {key}", choices=["approve", "deny"])


def end(decision: str = "approve") -> Resolution:
    return Resolution(decision=decision, by="own", at_ms=9_000)
