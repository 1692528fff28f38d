"""What is dropped from the disk, and what is known of that."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.store.journalled import JournalledStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.store.steady_clock import LOOKS
from sxhost.testing import result_of
from tests.support.durable_stores import Open, append, draft, fill
from tests.support.stores import HERE


def test_what_was_pruned_is_known_to_be(reopen: Open) -> None:
    store = reopen(retain=5, events=5)
    for _ in range(20):
        append(store, "a", draft(key="k"))
        append(store, "b", draft())
    for _ in range(10):
        append(store, "a", draft())
    again = reopen(retain=5, events=5)
    assert [e.seq for e in result_of(again.read_events("a"))] == [7, 8, 9, 10, 11]
    assert again.recent.pruned("a") == store.recent.pruned("a") > 0


def test_what_is_too_old_goes(reopen: Open) -> None:
    fill(reopen(retain_days=1))
    day = 86_400_000
    store = reopen(retain_days=1)
    result_of(store.append_events("b", [draft()], 7_000 + day))
    for _ in range(2 * LOOKS):
        result_of(store.sweep(7_000 + 2 * day))
    assert store.recent.pruned(None) == 0, "nothing is a day older than the newest"
    result_of(store.append_events("b", [draft()], 7_001 + day))
    for _ in range(LOOKS - 1):
        result_of(store.sweep(7_000 + day))
    assert store.recent.pruned(None) == 0
    for _ in range(LOOKS):
        result_of(store.sweep(7_001 + day))
    assert [e.id for e in result_of(reopen().read_events(None))] == [5, 6]
    result_of(reopen().delete("b"))
    assert append(reopen(), "a", draft()) == [(4, 7)]


def test_a_clock_that_is_wrong_after_a_start_deletes_nothing(reopen: Open) -> None:
    fill(reopen())
    store = reopen()
    for at in (10**15, *[7_000] * LOOKS, 10**15):
        result_of(store.append_events("a", [draft()], at))
        result_of(store.sweep(at))
    assert len(result_of(reopen().read_events(None))) == 4 + LOOKS + 2


def test_what_came_in_this_life_grows_old_with_it(path: Path) -> None:
    """A machine without a clock of its own begins in 1970."""
    clock = Clock()
    store = JournalledStore(Limits(retain_days=1), clock.seconds, SQLiteConnection(path), HERE)
    store.open()
    result_of(store.append_events("a", [draft()], 0))
    day = 86_400_000
    for minute in range(2 * LOOKS):
        result_of(store.append_events("a", [draft()], 20_000 * day + minute * 60_000))
        result_of(store.sweep(20_000 * day + minute * 60_000))
        clock.advance(60)
    assert store.recent.pruned("a") == 0
    clock.advance(86_400)
    for minute in range(LOOKS):
        result_of(store.sweep(20_001 * day + minute * 60_000))
    assert store.recent.pruned("a") == 1
    result_of(store.close())


def test_it_goes_once_retention_has_taken_all_its_events(reopen: Open) -> None:
    fill(reopen(retain_days=1))
    store, later = reopen(retain_days=1), 7_000 + 3 * 86_400_000
    result_of(store.archive("b"))
    for _ in range(LOOKS):
        result_of(store.sweep(7_000))
    assert store.known.holds("b")
    result_of(store.append_events("a", [draft()], later))
    for _ in range(2 * LOOKS):
        result_of(store.sweep(later))
    assert not store.known.holds("b")
