"""A store that is copied from one engine to another, and back: nothing is lost or made up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.model.session import Registration
from sxhost.store.contracts import StoreInUse, StoreUnusable
from sxhost.store.journal import Journal
from sxhost.store.journalled import JournalledStore
from sxhost.store.postgresql import copying as postgresql_copying
from sxhost.store.sql import copying as sql_copying
from sxhost.store.sql.contracts import DamagedRow
from sxhost.store.sql.copying import Totals, copy_rows
from sxhost.store.sqlite import copying as sqlite_copying
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.testing import result_of
from tests.support.durable_stores import append, draft, fill
from tests.support.postgresql import Cluster, journal_at
from tests.support.stores import HERE

ODD = "nul \0 quote ' private \ue0000 \u202e end"


@pytest.fixture
def url(postgresql: Cluster, worker_id: str) -> Iterator[str]:
    """A schema that is empty."""
    schema = f"{worker_id}_copied"
    postgresql.query(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
    yield postgresql.url(schema)
    postgresql.query(f"DROP SCHEMA {schema} CASCADE")


def opened(journal: Journal) -> JournalledStore:
    store = JournalledStore(Limits(), Clock().seconds, journal, HERE)
    store.open()
    return store


def closed(store: JournalledStore) -> None:
    result_of(store.close())


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A file with something in each table but that of approvals, which no host has open."""
    path = tmp_path / "sxhost.db"
    store = opened(SQLiteConnection(path))
    fill(store)
    for number in range(200):  # more rows than one step reads
        append(store, "many", draft(key=f"{number} {ODD}"))
    result_of(store.register("odd", Registration(model=ODD), 1_000))
    closed(store)
    return path


def contents(store: JournalledStore) -> tuple[Any, ...]:
    """All that a store has but its epoch."""
    events = result_of(store.read_events(None))
    messages = result_of(store.peek_messages("a"))
    return result_of(store.sessions()), events, messages, result_of(store.counts())


def to_postgresql(path: Path, url: str) -> dict[str, Totals]:
    copied: dict[str, Totals] = {}
    with sqlite_copying.opened_to_copy(path) as source:
        postgresql_copying.fill_empty(
            url, lambda to: copied.update(copy_rows(source, to, print))
        )
    return copied


def test_a_log_goes_to_postgresql_and_back(filled: Path, url: str, tmp_path: Path) -> None:
    there = to_postgresql(filled, url)
    assert there["log"].rows >= 200
    back: dict[str, Totals] = {}
    again = tmp_path / "again.db"
    with postgresql_copying.opened_to_copy(url) as source:
        sqlite_copying.make_filled(again, lambda to: back.update(copy_rows(source, to, print)))
    assert there == back
    assert again.stat().st_mode & 0o777 == 0o600
    stores = [
        opened(SQLiteConnection(filled)),
        opened(journal_at(url, tmp_path / "mark")),
        opened(SQLiteConnection(again)),
    ]
    first, *others = [contents(store) for store in stores]
    assert len(first[1]) == 204
    assert others == [first, first]
    assert len({store.epoch for store in stores}) == 3, "readers get a gap"
    numbers = [append(store, "many", draft()) for store in stores]
    assert numbers == [[(201, 205)]] * 3
    for store in stores:
        closed(store)


def test_a_file_that_a_host_has_is_refused(filled: Path, tmp_path: Path) -> None:
    host = opened(SQLiteConnection(filled))
    with pytest.raises(StoreInUse), sqlite_copying.opened_to_copy(filled):
        pass
    closed(host)


def test_a_database_that_a_host_has_is_refused(url: str, tmp_path: Path) -> None:
    host = opened(journal_at(url, tmp_path / "mark"))
    with pytest.raises(StoreInUse), postgresql_copying.opened_to_copy(url):
        pass
    with pytest.raises(StoreInUse):
        postgresql_copying.fill_empty(url, unwanted)
    closed(host)


def test_no_log_is_written_over(filled: Path, url: str, tmp_path: Path) -> None:
    before = filled.read_bytes()
    with pytest.raises(StoreUnusable, match="is there already"):
        sqlite_copying.make_filled(filled, unwanted)
    assert filled.read_bytes() == before
    closed(opened(journal_at(url, tmp_path / "mark")))
    with pytest.raises(StoreUnusable, match="has a log of sxhost already"):
        postgresql_copying.fill_empty(url, unwanted)


def unwanted(_to: Any) -> None:
    pytest.fail("nothing is to be copied")


def breaks(_to: Any) -> None:
    raise DamagedRow("a row of log is not as it was written")


def test_a_copy_that_fails_leaves_nothing(url: str, tmp_path: Path, filled: Path) -> None:
    with pytest.raises(StoreUnusable, match="not as it was written"):
        postgresql_copying.fill_empty(url, breaks)
    to_postgresql(filled, url)  # nothing is in the way
    path = tmp_path / "new.db"
    with pytest.raises(StoreUnusable, match="not as it was written"):
        sqlite_copying.make_filled(path, breaks)
    assert not path.exists()


def test_a_row_that_was_changed_is_not_copied(filled: Path, url: str) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE session SET body = 'x' WHERE id = 'a'")
    with pytest.raises(StoreUnusable, match="not as it was written"):
        to_postgresql(filled, url)


def test_what_is_written_is_read_again(filled: Path, tmp_path: Path) -> None:
    class Losing:
        """A connection that writes no message."""

        def __init__(self, of: sqlite3.Connection) -> None:
            self._of = of

        def execute(self, sql: str, given: Any = (), /) -> Any:
            lost = sql.startswith("INSERT INTO message")
            return self._of.execute("SELECT 1" if lost else sql, () if lost else given)

    def copy(to: sqlite3.Connection) -> None:
        with sqlite_copying.opened_to_copy(filled) as source:
            copy_rows(source, Losing(to), print)

    with pytest.raises(StoreUnusable, match="what was written is not what was read"):
        sqlite_copying.make_filled(tmp_path / "new.db", copy)


def test_a_long_copy_says_how_far_it_is(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_copying, "REPORTED", 100)
    said: list[str] = []

    def copy(to: sqlite3.Connection) -> None:
        with sqlite_copying.opened_to_copy(filled) as source:
            copy_rows(source, to, said.append)

    sqlite_copying.make_filled(tmp_path / "new.db", copy)
    assert said == ["log: 100 rows", "log: 200 rows", "key: 100 rows", "key: 200 rows"]


def test_a_file_of_an_earlier_version_is_to_be_started_once(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA user_version = 4")
    with (
        pytest.raises(StoreUnusable, match="brings it up to date"),
        sqlite_copying.opened_to_copy(filled),
    ):
        pass


def test_a_schema_without_a_log_is_no_source(url: str) -> None:
    with (
        pytest.raises(StoreUnusable, match="has no log"),
        postgresql_copying.opened_to_copy(url),
    ):
        pass
