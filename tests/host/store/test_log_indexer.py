"""The index of a log: made beside other work, behind, lost, and of another log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.codec.json import encode
from sxhost.errors import StoreUnavailable
from sxhost.model.limits import Limits
from sxhost.model.names import END_OF_LOG
from sxhost.model.search import EventSearch, parse_terms
from sxhost.store import log_indexer
from sxhost.store.group_commit import Threads
from sxhost.store.journalled import JournalledStore
from sxhost.store.log_indexer import ENOUGH, QUIET_S
from sxhost.store.sqlite import search_index
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.testing import is_done, result_of, started
from tests.support.stores import HERE, append, at_once, draft

Open = Callable[..., JournalledStore]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "host.db"


@pytest.fixture
def index(path: Path) -> Path:
    return path.with_name("host.db-search")


@pytest.fixture
def reopen(path: Path) -> Iterator[Open]:
    """Open the store; one that is open is closed first."""
    opened: list[JournalledStore] = []

    def close() -> None:
        while opened:
            result_of(opened.pop().close())

    def open_store(threads: Threads = HERE) -> JournalledStore:
        close()
        limits = Limits(retain=100_000)
        store = JournalledStore(limits, Clock().seconds, SQLiteConnection(path), threads)
        store.open()
        opened.append(store)
        return store

    yield open_store
    close()


def say(store: JournalledStore, *texts: str, session: str = "a") -> None:
    append(store, session, *(draft("message", encode(text)) for text in texts))


def search(store: JournalledStore, words: str) -> list[int]:
    wanted, ids, before = EventSearch(parse_terms(words)), list[int](), END_OF_LOG
    while True:
        found = result_of(store.search_events(wanted, before, 1000))
        ids += [event.id for event in found.events]
        if found.before is None:
            return ids
        before = found.before


def test_an_append_does_not_touch_the_index(reopen: Open, index: Path) -> None:
    store = reopen()
    say(store, "one fox")
    assert not index.exists()
    assert search(store, "fox") == [1]
    assert index.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Have the index made as soon as it is so many events behind."""
    monkeypatch.setattr(log_indexer, "BEHIND", 8)
    return 8


def test_what_is_new_is_indexed_when_it_is_too_much(
    reopen: Open, index: Path, few: int
) -> None:
    store = reopen()
    say(store, *["fox"] * (few - 1))
    assert not index.exists()
    say(store, "fox")
    assert index.exists()


def test_enough_is_indexed_once_nobody_writes(reopen: Open, index: Path) -> None:
    clock = Clock()
    store = reopen(Threads(at_once, at_once, at_once, later=clock.callLater))
    say(store, "fox")
    assert clock.getDelayedCalls() == [], "one event can wait for the search"
    say(store, *["fox"] * ENOUGH)
    clock.advance(QUIET_S - 0.1)
    say(store, "fox")
    clock.advance(0.2)
    assert not index.exists(), "somebody still writes"
    clock.advance(QUIET_S)
    assert index.exists()
    assert clock.getDelayedCalls() == []


def test_a_store_that_is_closed_waits_for_no_quiet(reopen: Open, index: Path) -> None:
    clock = Clock()
    store = reopen(Threads(at_once, at_once, at_once, later=clock.callLater))
    say(store, *["fox"] * ENOUGH)
    result_of(store.close())
    clock.advance(60)
    assert not index.exists()


def test_a_sweep_indexes_the_rest(reopen: Open, index: Path) -> None:
    store = reopen()
    say(store, "fox")
    result_of(store.sweep(7_000))
    with closing(sqlite3.connect(index)) as connection:
        assert connection.execute("SELECT low, high, rows, older FROM span").fetchone() == (
            0,
            1,
            1,
            0,
        )


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 1000])
def test_an_index_that_is_lost_is_made_anew(
    reopen: Open, index: Path, content: bytes | None
) -> None:
    store = reopen()
    say(store, "fox", "dog")
    assert search(store, "fox") == [1]
    result_of(store.close())
    index.unlink()
    if content is not None:
        index.write_bytes(content)
    store = reopen()
    assert search(store, "fox") == [1]
    say(store, "fox again")
    assert search(store, "fox") == [3, 1]


def test_pages_that_are_damaged_are_noticed(reopen: Open, index: Path) -> None:
    store = reopen()
    say(store, *(f"fox {number}" for number in range(200)))
    assert search(store, "fox 17") == [18]
    result_of(store.close())
    content = index.read_bytes()
    index.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert search(reopen(), "fox 17") == [18]


def test_an_index_of_another_log_is_not_used(reopen: Open, path: Path, index: Path) -> None:
    store = reopen()
    say(store, "fox", "dog")
    assert search(store, "fox") == [1]
    result_of(store.close())
    for file in path.parent.glob("host.db*"):
        if not file.name.startswith(index.name):
            file.unlink()
    store = reopen()
    say(store, "dog", "fox")
    assert (search(store, "fox"), search(store, "dog")) == ([2], [1])


def test_an_index_that_cannot_be_written_refuses_searches_alone(
    reopen: Open, index: Path, few: int
) -> None:
    store = reopen()
    index.mkdir()
    with pytest.raises(StoreUnavailable, match=r"host\.db-search: Is a directory"):
        search(store, "fox")
    say(store, *["fox"] * few)
    index.rmdir()
    assert len(search(store, "fox")) == few


def test_what_left_the_log_is_not_found_and_in_the_end_not_indexed(
    reopen: Open, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "SLACK", 4)
    store = reopen()
    for number in range(12):
        say(store, "fox", session=f"s{number}")
        assert search(store, "fox") == [number + 1]
        result_of(store.delete(f"s{number}"))
    say(store, "fox")
    assert search(store, "fox") == [13]
    with closing(sqlite3.connect(index)) as connection:
        assert connection.execute("SELECT rows FROM span").fetchone()[0] < 8


def test_an_old_log_is_indexed_in_steps_the_newest_first(
    reopen: Open, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "STEP_ROWS", 4)
    monkeypatch.setattr(log_indexer, "OLDER_STEPS", 2)
    store = reopen()
    for number in range(1, 31):
        say(store, f"fox {number}")
    wanted = EventSearch(parse_terms("fox"))
    found = result_of(store.search_events(wanted, END_OF_LOG, 1000))
    assert [event.id for event in found.events] == [*range(30, 22, -1)]
    assert (found.before, found.unindexed) == (None, 22)
    say(store, "fox 31")
    found = result_of(store.search_events(wanted, END_OF_LOG, 1000))
    assert (found.events[0].id, len(found.events), found.unindexed) == (31, 17, 14)
    result_of(store.sweep(7_000))
    assert search(store, "fox") == [*range(31, 0, -1)]
    assert result_of(store.search_events(wanted, END_OF_LOG, 1000)).unindexed == 0


class HeldIndex:
    """Threads whose index waits until it is let go, step by step at first."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] | None = []
        self.threads = Threads(at_once, at_once, self._later)

    def _later(self, function: Callable[..., object], *given: object) -> Deferred[object]:
        if self.waiting is None:
            return at_once(function, *given)
        done: Deferred[object] = Deferred()
        self.waiting.append(lambda: at_once(function, *given).chainDeferred(done))
        return done

    def let_go(self) -> None:
        steps, self.waiting = self.waiting or [], None
        for step in steps:
            step()


def test_a_store_is_closed_once_the_step_that_runs_is_over(
    reopen: Open, path: Path, few: int
) -> None:
    held = HeldIndex()
    store = reopen(held.threads)
    say(store, *["fox"] * few)
    assert held.waiting, "nobody waits for it"
    ended = started(store.close())
    assert not is_done(ended)
    held.let_go()
    assert is_done(ended)
    assert [file.name for file in path.parent.glob("*-wal")] == []
