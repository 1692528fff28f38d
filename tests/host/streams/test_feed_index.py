"""Whom a write concerns."""

from __future__ import annotations

import pytest
from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.codec.frames import NDJSON
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.session import Registration
from sxhost.model.subscription import Selection
from sxhost.store.memory import MemoryStore
from sxhost.streams.feed_index import FeedIndex
from sxhost.streams.subscription import Feed
from sxhost.testing import result_of

RED, BLUE = ("team", "red"), ("team", "blue")
SELECTIONS = {
    "all": Selection(),
    "a": Selection(frozenset("a")),
    "a, b": Selection(frozenset("ab")),
    "a, x": Selection(frozenset("a"), names=frozenset("x")),
    "x": Selection(names=frozenset("x")),
    "x, y": Selection(names=frozenset("xy")),
    "red": Selection(labels=frozenset({RED})),
    "red, x": Selection(labels=frozenset({RED}), names=frozenset("x")),
    "red and fast": Selection(labels=frozenset({RED, ("a", "fast")})),
    "blue": Selection(labels=frozenset({BLUE})),
    "codex": Selection(agent="codex"),
}
"""Selections by what they are for; `codex` may be about any session."""


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(Limits(), Clock().seconds)
    result_of(store.register("a", Registration(labels=dict([RED])), 0))
    result_of(store.register("b", Registration(labels=dict([BLUE])), 0))
    return store


@pytest.mark.parametrize(
    ("session", "name", "concerned"),
    [
        ("a", "x", {"all", "codex", "a", "a, b", "a, x", "x", "x, y", "red", "red, x"}),
        ("a", "z", {"all", "codex", "a", "a, b", "red"}),
        ("b", "y", {"all", "codex", "a, b", "x, y", "blue"}),
        ("forgotten", "z", {"all", "codex"}),
    ],
)
def test_write_concerns_matching_feeds(
    store: MemoryStore, session: str, name: str, concerned: set[str]
) -> None:
    index = FeedIndex(store.known)
    known = store.known
    feeds = {key: Feed(store, known, chosen, NDJSON) for key, chosen in SELECTIONS.items()}
    for feed in feeds.values():
        index.add(feed)
    event = Event(name, Raw(b"null"), 0, 1, 1, 0, session)
    found = index.concerned([event])
    names = {key for key, feed in feeds.items() if feed in found}
    assert names - {"red and fast"} == concerned
    wanted = {key for key, feed in feeds.items() if feed.wants(event)}
    assert wanted <= names, "whoever wants it is told"
    for feed in feeds.values():
        index.discard(feed)
    assert index.concerned([event]) == set()


def test_empty_write_concerns_no_feed(store: MemoryStore) -> None:
    index = FeedIndex(store.known)
    index.add(Feed(store, store.known, Selection(), NDJSON))
    assert index.concerned([]) == set()
