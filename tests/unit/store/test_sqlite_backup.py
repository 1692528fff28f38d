"""A database that is copied while a host writes to it, and put back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.store.contracts import StoreInUse, StoreUnusable
from sxhost.store.journalled import JournalledStore
from sxhost.store.sqlite import file
from sxhost.store.sqlite.backup import back_up, restore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.testing import result_of
from tests.support.durable_stores import append, draft
from tests.support.stores import HERE


def opened(path: Path) -> JournalledStore:
    store = JournalledStore(Limits(), Clock().seconds, SQLiteConnection(path), HERE)
    store.open()
    return store


def closed(store: JournalledStore) -> None:
    result_of(store.close())


def events(store: JournalledStore) -> list[int]:
    return [event.id for event in result_of(store.read_events("a"))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sxhost.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "a copy's place" / "copy.db"


@pytest.fixture
def host(path: Path, copy: Path) -> Iterator[JournalledStore]:
    """A store that is open, with two events."""
    copy.parent.mkdir()
    store = opened(path)
    append(store, "a", draft(), draft())
    yield store
    closed(store)


def test_a_host_that_writes_is_copied(host: JournalledStore, path: Path, copy: Path) -> None:
    done = back_up(path, copy)
    assert (done.sessions, done.last_event) == (1, 2)
    assert append(host, "a", draft()) == [(3, 3)], "the host goes on"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in copy.parent.iterdir()] == [copy.name]
    store = opened(copy)
    assert events(store) == [1, 2]
    closed(store)


def test_a_copy_is_replaced_by_the_next(host: JournalledStore, path: Path, copy: Path) -> None:
    back_up(path, copy)
    append(host, "a", draft())
    assert back_up(path, copy).last_event == 3


def test_what_is_no_copy_is_not_replaced(host: JournalledStore, path: Path, copy: Path) -> None:
    copy.write_text("a letter")
    with pytest.raises(StoreUnusable, match="and is not replaced"):
        back_up(path, copy)
    assert copy.read_text() == "a letter"
    with pytest.raises(StoreUnusable, match="is the database itself"):
        back_up(path, path)
    assert [entry.name for entry in copy.parent.iterdir()] == [copy.name]


def test_a_place_that_is_not_there_is_said(host: JournalledStore, path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"/nowhere/copy\.db cannot be written"):
        back_up(path, Path("/nowhere/copy.db"))


def test_nothing_is_copied_from_nothing(path: Path, copy: Path) -> None:
    with pytest.raises(StoreUnusable, match="is not there"):
        back_up(path, copy)
    assert not path.exists()


def test_a_damaged_database_makes_no_copy(
    host: JournalledStore, path: Path, copy: Path
) -> None:
    closed(host)
    back_up(path, copy)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE log SET body = 'x'")
    before = copy.read_bytes()
    with pytest.raises(StoreUnusable, match="not as it was written"):
        back_up(path, copy)
    assert copy.read_bytes() == before, "the last good one stays"


def test_no_host_may_have_what_is_restored(
    host: JournalledStore, path: Path, copy: Path
) -> None:
    back_up(path, copy)
    with pytest.raises(StoreInUse):
        restore(copy, path)
    assert events(host) == [1, 2]


def test_what_was_there_stays_beside_it(host: JournalledStore, path: Path, copy: Path) -> None:
    back_up(path, copy)
    append(host, "a", draft())
    was = host.epoch
    closed(host)
    Path(f"{path}-wal").write_bytes(b"of the other one")
    restore(copy, path)
    store = opened(path)
    assert events(store) == [1, 2]
    assert store.epoch != was, "readers get a gap"
    closed(store)
    kept = path.with_name("sxhost.db.before-restore")
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == b"of the other one"
    kept.with_name(f"{kept.name}-wal").unlink()
    store = opened(kept)
    assert events(store) == [1, 2, 3]
    closed(store)


def test_a_copy_on_another_machine_begins_anew(
    host: JournalledStore, path: Path, copy: Path, tmp_path: Path
) -> None:
    was = host.epoch
    closed(host)
    back_up(path, copy)
    there = tmp_path / "there.db"
    restore(copy, there)
    store = opened(there)
    assert events(store) == [1, 2]
    assert store.epoch != was, "the other one may go on, too"
    closed(store)


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000])
def test_a_copy_that_is_none_replaces_nothing(path: Path, copy: Path, content: bytes) -> None:
    copy.parent.mkdir()
    copy.write_bytes(content)
    file.create(path)
    before = path.read_bytes()
    with pytest.raises(StoreUnusable):
        restore(copy, path)
    assert path.read_bytes() == before
    assert copy.read_bytes() == content
