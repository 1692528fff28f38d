"""Durable stores, filled, and threads that a test lets go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred

from sxhost.model.message import MessageDraft
from sxhost.model.session import Registration
from sxhost.store.contracts import Draft
from sxhost.store.group_commit import Threads
from sxhost.store.journalled import JournalledStore
from sxhost.testing import result_of
from tests.support.stores import HERE

Open = Callable[..., JournalledStore]


def draft(event: str = "thinking", key: str | None = None) -> Draft:
    return Draft(event, Raw(b'{"a":"b"}'), 5_000, key)


def append(store: JournalledStore, session_id: str, *drafts: Draft) -> list[tuple[int, int]]:
    events = result_of(store.append_events(session_id, drafts, 7_000))
    return [(event.seq, event.id) for event in events]


def fill(store: JournalledStore) -> None:
    result_of(store.register("a", Registration(model="m", labels={"k": "v"}), 1_000))
    append(store, "a", draft(key="k"), draft("tool-start"))
    append(store, "b", draft())
    append(store, "a", draft("usage"))
    for content in ("one", "two", "three"):
        result_of(store.put_message("a", MessageDraft(content=content, key=content), 7_000))
    result_of(store.ack_message("a", 1))
    result_of(store.take_messages("a", 60))


class Slow:
    """Threads whose writes wait until they are let go, or fail."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.threads = Threads(self.write, HERE.read, HERE.index)

    def write(self, function: Callable[..., Any], *given: Any) -> Deferred[Any]:
        self.waiting.append((Deferred(), function, given))
        return self.waiting[-1][0]

    def go(self) -> None:
        done, function, given = self.waiting.pop(0)
        done.callback(function(*given))

    def fail(self, error: Exception) -> None:
        self.waiting.pop(0)[0].errback(error)
