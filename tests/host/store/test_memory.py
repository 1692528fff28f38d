"""What is peculiar to the store that forgets; the rest is in ``tests/contracts``."""

from __future__ import annotations

from msgspec import Raw

from sxhost.model.limits import Limits
from sxhost.store.contracts import Draft
from sxhost.store.memory import MemoryStore
from sxhost.testing import result_of


def test_it_promises_nothing_and_begins_anew() -> None:
    first, second = (MemoryStore(Limits(), lambda: 0.0) for _ in range(2))
    assert (first.name, first.durability) == ("memory", "none")
    assert first.epoch != second.epoch


def test_its_end_is_the_end() -> None:
    store = MemoryStore(Limits(), lambda: 0.0)
    store.open()
    result_of(store.append_events("a", [Draft("x", Raw(b"null"), 0)], 0))
    result_of(store.sweep(10**15))
    assert len(result_of(store.read_events("a"))) == 1, "age alone drops nothing"
    result_of(store.close())
    assert result_of(store.sessions()) == []
